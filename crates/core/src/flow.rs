//! Where data came from and what may become of it: labels, and what tools do with data.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{RecordId, ServerName};

/// What a tool does that matters for where data may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Its answer holds what others wrote: pages, mails, issues. Such text can be meant to steer a model.
    Untrusted,
    /// Its answer holds what is not meant for everybody: files, mails, accounts.
    Private,
    /// What it is given leaves for somewhere else: a recipient, a URL, a public place.
    Outward,
    /// What it does cannot be taken back: it sends, pays, publishes, deletes, overwrites, runs.
    Irrevocable,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Untrusted, Self::Private, Self::Outward, Self::Irrevocable];

    /// The word for it in policies, settings and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Private => "private",
            Self::Outward => "outward",
            Self::Irrevocable => "irrevocable",
        }
    }

    /// What that word means.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == word)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Everything of that kind that a tool does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conduct(u8);

impl Conduct {
    /// Whether it does this.
    pub const fn does(self, deed: Deed) -> bool {
        self.0 & deed.bit() != 0
    }

    /// The same, and this as well.
    #[must_use]
    pub const fn and(self, deed: Deed) -> Self {
        Self(self.0 | deed.bit())
    }

    /// The same without this.
    #[must_use]
    pub const fn without(self, deed: Deed) -> Self {
        Self(self.0 & !deed.bit())
    }

    /// What it does, in order.
    pub fn deeds(self) -> impl Iterator<Item = Deed> {
        Deed::ALL.into_iter().filter(move |deed| self.does(*deed))
    }

    /// What both do, together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Deed> for Conduct {
    fn from_iter<I: IntoIterator<Item = Deed>>(deeds: I) -> Self {
        deeds.into_iter().fold(Self::default(), Self::and)
    }
}

/// A mark of what has entered a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelClass {
    /// Text that others wrote.
    Untrusted,
    /// Data that is not meant for everybody.
    Private,
}

impl LabelClass {
    /// The word for it in policies and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Private => "private",
        }
    }

    /// The class of that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Untrusted, Self::Private].into_iter().find(|class| class.as_str() == word)
    }

    /// The label that an answer of a tool with this conduct gives.
    pub const fn of(deed: Deed) -> Option<Self> {
        match deed {
            Deed::Untrusted => Some(Self::Untrusted),
            Deed::Private => Some(Self::Private),
            Deed::Outward | Deed::Irrevocable => None,
        }
    }
}

/// One label, and the call that first brought it.
#[derive(Clone, Debug)]
pub struct Label {
    /// What kind of data.
    pub class: LabelClass,
    /// From which server.
    pub server: ServerName,
    /// The record of the call that brought it.
    pub record: RecordId,
}

/// The labels of a conversation. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// These labels; of several for one class and server the first stays.
    pub fn new(labels: impl IntoIterator<Item = Label>) -> Self {
        let mut seen = BTreeSet::new();
        Self(labels.into_iter().filter(|label| seen.insert((label.class, label.server.clone()))).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.iter()
    }

    /// Whether data of this class came from this server.
    pub fn has(&self, class: LabelClass, server: &ServerName) -> bool {
        self.0.iter().any(|label| label.class == class && label.server == *server)
    }

    /// For records: each class with its server, in the order in which they came.
    pub fn pairs(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|label| format!("{}:{}", label.class.as_str(), label.server))
    }

    /// As policies see them: each class, and each class with its server.
    pub fn words(&self) -> BTreeSet<String> {
        let both = |label: &Label| {
            [label.class.as_str().to_owned(), format!("{}:{}", label.class.as_str(), label.server)]
        };
        self.0.iter().flat_map(both).collect()
    }
}

/// For records: each label with the call that brought it.
impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, Label { class, server, record }) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}:{server} since {record}", class.as_str())?;
        }
        Ok(())
    }
}

/// What a decision knows about where data came from and would go.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// What has entered the conversation so far.
    pub labels: Labels,
    /// What the item asked for does.
    pub conduct: Conduct,
    /// Whether a person approved this very call.
    pub approved: bool,
    /// Whether the tool may be called only with a token that covers the call in detail (RFC 9396).
    pub needs_detail: bool,
    /// What the call names outside of its tool.
    pub canonical: Canonical,
}

impl Flow {
    /// Whether labels can be what stands in the way of a call, so that a person may be asked.
    pub fn is_held(&self) -> bool {
        !self.labels.is_empty() && self.conduct.deeds().next().is_some()
    }
}

/// What the arguments of a call name outside of their tool, in the one form in which it is compared (control TI-06).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canonical {
    /// For each string that names something, where its contents begin in the message and what policies see in its
    /// place, in order.
    pub texts: Vec<(u32, String)>,
    /// The hosts of all URLs.
    pub hosts: BTreeSet<String>,
    /// The programs of all command lines, without directories.
    pub programs: BTreeSet<String>,
    /// The first word of all SQL statements, in lower case.
    pub statements: BTreeSet<String>,
}

impl Canonical {
    /// What policies see in place of the string at this place.
    pub fn text_at(&self, start: u32) -> Option<&str> {
        let at = self.texts.binary_search_by_key(&start, |(at, _)| *at).ok()?;
        self.texts.get(at).map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn label(class: LabelClass, server: &str, sequence: u64) -> Label {
        Label { class, server: server.parse().unwrap(), record: RecordId::new("r".into(), sequence) }
    }

    #[test]
    fn labels_are_told_by_class_and_server_and_say_what_first_brought_them() {
        let labels = Labels::new([
            label(LabelClass::Untrusted, "web", 1),
            label(LabelClass::Private, "mail", 2),
            label(LabelClass::Untrusted, "web", 3),
        ]);
        let words: Vec<_> = labels.words().into_iter().collect();
        assert_eq!(words, ["private", "private:mail", "untrusted", "untrusted:web"]);
        assert_eq!(labels.to_string(), "untrusted:web since r-1, private:mail since r-2");
        assert!(labels.has(LabelClass::Private, &"mail".parse().unwrap()));
        assert!(!labels.has(LabelClass::Private, &"web".parse().unwrap()));
    }

    #[test]
    fn a_conduct_is_a_set_of_deeds() {
        let conduct: Conduct = [Deed::Private, Deed::Irrevocable].into_iter().collect();
        assert_eq!(conduct.deeds().collect::<Vec<_>>(), [Deed::Private, Deed::Irrevocable]);
        assert!(!conduct.without(Deed::Private).does(Deed::Private));
        assert_eq!(Conduct::default().deeds().count(), 0);
    }
}
