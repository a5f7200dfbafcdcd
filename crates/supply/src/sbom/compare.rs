//! What a publisher says is in a server, beside what is in it.

use serde::Serialize;

use super::{Bill, Component};
use crate::admit::{
    Ecosystem, Package,
    resolve::{Part, Resolved},
};

/// How a bill differs from what was resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What it is about, when that is not this package in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about_another: Option<String>,
    /// Packages that are there and not in the bill.
    pub missing: Vec<String>,
    /// Packages whose archives have other digests than the bill says.
    pub differing: Vec<String>,
    /// Packages of the bill that are not there. It may be for other machines, or for developers.
    pub extra: Vec<String>,
}

impl Comparison {
    /// Whether everything that is there is in the bill, as what it is. What the bill has besides does not count.
    pub fn covers(&self) -> bool {
        self.about_another.is_none() && self.missing.is_empty() && self.differing.is_empty()
    }

    /// What differs, a line for each kind.
    pub fn in_words(&self) -> Vec<String> {
        let about = self.about_another.iter().map(|it| format!("it is about {it}"));
        let kinds = [
            ("not in it", &self.missing),
            ("with another digest in it", &self.differing),
            ("in it and not there", &self.extra),
        ];
        let kinds = kinds.into_iter().filter(|(_, names)| !names.is_empty());
        about.chain(kinds.map(|(what, names)| format!("{what}: {}", shortened(names)))).collect()
    }
}

/// Names that are told; the rest is counted.
const SHOWN: usize = 5;

fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}

/// Compares a bill with a package and all it needs.
pub fn compare(bill: &Bill, package: &Package, resolved: &Resolved) -> Comparison {
    let ecosystem = package.ecosystem;
    let mut comparison = Comparison::default();
    let own = |part: &Part| part.name == package.name && part.version == resolved.version;
    // A directory or a file that was looked through is no package.
    let subject = bill.subject.as_ref().filter(|it| it.purl.is_some());
    let all = || subject.into_iter().chain(&bill.components);
    if let Some(subject) = subject.filter(|_| !ecosystem.is_local())
        && !subject.is(ecosystem, &package.name, &resolved.version)
    {
        comparison.about_another = Some(subject.in_words());
    }
    for part in &resolved.parts {
        let named = || format!("{}@{}", part.name, part.version);
        // A file is in no registry: the bill names it as it likes.
        let kind = ecosystem.of_part(part.bundled);
        let mut found = all().filter(|it| it.is(kind, &part.name, &part.version)).peekable();
        if found.peek().is_none() && !(own(part) && subject.is_none()) && !kind.is_local() {
            comparison.missing.push(named());
        } else if !part.bundled && found.any(|it| it.contradicts(part)) {
            comparison.differing.push(named());
        }
    }
    let there = |it: &&Component| {
        let is = |part: &Part| it.is(ecosystem.of_part(part.bundled), &part.name, &part.version);
        resolved.parts.iter().any(is)
    };
    let of_kind = |it: &&Component| it.purl.as_ref().is_some_and(|purl| purl.is_of(ecosystem.of_part(true)));
    let extra = bill.components.iter().filter(of_kind).filter(|it| !there(it));
    comparison.extra = extra.map(Component::in_words).collect();
    comparison.extra.sort();
    comparison.extra.dedup();
    comparison
}

impl Component {
    /// Whether it is this package. One without a package URL is by name and version.
    fn is(&self, ecosystem: Ecosystem, name: &str, version: &str) -> bool {
        match &self.purl {
            Some(purl) => purl.version.is_some() && purl.means(ecosystem, name, version),
            None => {
                let own = if ecosystem == Ecosystem::PyPi {
                    crate::admit::normal(&self.name)
                } else {
                    self.name.clone()
                };
                own == name && self.version.as_deref() == Some(version)
            }
        }
    }

    fn contradicts(&self, part: &Part) -> bool {
        let other = |said: &Option<String>, found: &str| said.as_deref().is_some_and(|said| said != found);
        other(&self.sha256, &part.sha256) || other(&self.sha512, &part.sha512)
    }

    fn in_words(&self) -> String {
        format!("{}@{}", self.name, self.version.as_deref().unwrap_or("?"))
    }
}
