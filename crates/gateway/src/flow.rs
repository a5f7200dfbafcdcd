//! What has entered each conversation, and so what may still leave it (control ISO-03).
//!
//! A conversation is a session where the client has one, and everything of a principal, its agent and its tenant where
//! it has none: whatever else a stateless client could name, it would choose itself, and choosing must not shed labels.
//! Labels are remembered before a call is sent, so that nothing of an answer is ever ahead of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{
    Call, Conduct, Deed, Flow, Item, Label, LabelClass, Labels, ListKind, Principal, RecordId, Refusal,
    RefusalKind,
};

use crate::{
    resolve::{Resolved, Route, profile},
    snapshot::Server,
};

/// Conversations remembered at a time.
const MOST: usize = 100_000;

/// Whose conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Conversation {
    principal: Principal,
    actor: Option<Principal>,
    tenant: Option<Arc<str>>,
    session: Option<Arc<str>>,
}

#[derive(Debug)]
struct Remembered {
    labels: Labels,
    until_ms: u64,
}

/// The labels of every conversation.
#[derive(Debug, Default)]
pub struct Conversations(Mutex<HashMap<Conversation, Remembered>>);

impl Conversations {
    /// What a decision about this call has to know.
    pub(crate) fn flow(&self, resolved: &Resolved, now_ms: u64) -> Flow {
        let table = self.0.lock();
        let remembered = table.get(&Conversation::of(resolved)).filter(|it| now_ms < it.until_ms);
        let labels = remembered.map(|it| it.labels.clone()).unwrap_or_default();
        Flow { labels, conduct: conduct(resolved), needs_detail: needs_detail(resolved), ..Flow::default() }
    }

    /// Remembers what the answer to this call will bring. `record` is that of the call.
    ///
    /// # Errors
    /// When there are too many conversations to remember another: an answer nobody could be held to is not asked for.
    pub(crate) fn label(
        &self,
        resolved: &Resolved,
        record: &RecordId,
        now_ms: u64,
        lasting_ms: u64,
    ) -> Result<(), Refusal> {
        let Some(server) = &resolved.call.target.server else { return Ok(()) };
        let classes: Vec<LabelClass> = conduct(resolved).deeds().filter_map(LabelClass::of).collect();
        if classes.is_empty() {
            return Ok(());
        }
        let conversation = Conversation::of(resolved);
        let until_ms = now_ms.saturating_add(lasting_ms);
        let mut table = self.0.lock();
        if table.len() >= MOST && !table.contains_key(&conversation) {
            table.retain(|_, it| now_ms < it.until_ms);
        }
        if table.len() >= MOST && !table.contains_key(&conversation) {
            return Err(full());
        }
        let remembered =
            table.entry(conversation).or_insert(Remembered { labels: Labels::default(), until_ms });
        if remembered.until_ms <= now_ms {
            remembered.labels = Labels::default();
        }
        remembered.until_ms = until_ms;
        let news = classes.iter().filter(|class| !remembered.labels.has(**class, server));
        let news: Vec<Label> = news
            .map(|class| Label { class: *class, server: server.clone(), record: record.clone() })
            .collect();
        if !news.is_empty() {
            remembered.labels = Labels::new(remembered.labels.iter().cloned().chain(news));
        }
        Ok(())
    }

    /// Forgets what has expired.
    pub(crate) fn sweep(&self, now_ms: u64) {
        self.0.lock().retain(|_, it| now_ms < it.until_ms);
    }

    /// Forgets a session, which has ended.
    pub(crate) fn end_session(&self, session: &str) {
        self.0.lock().retain(|conversation, _| conversation.session.as_deref() != Some(session));
    }
}

impl Conversation {
    fn of(resolved: &Resolved) -> Self {
        let Call { caller, .. } = &resolved.call;
        Self {
            principal: caller.principal.clone(),
            actor: caller.actor.clone(),
            tenant: caller.tenant.clone(),
            session: resolved.client.session.as_ref().map(|session| session.id.clone()),
        }
    }
}

fn full() -> Refusal {
    Refusal::new(RefusalKind::TooMany, "too many conversations; try again later")
        .by(portcullis_core::ControlId::Iso03)
        .operator(format!("{MOST} conversations have labels that have not expired"))
}

/// What the item asked for does: as its operator declares, else as its definition makes one think.
pub(crate) fn conduct(resolved: &Resolved) -> Conduct {
    let Route::Server { server, entry, .. } = &resolved.route else { return Conduct::default() };
    let guessed = match (&resolved.call.target.item, entry) {
        (Item::Tool(_), Some(entry)) => entry.conduct,
        (Item::Tool(_) | Item::Server | Item::List(_), _) => Conduct::default(),
        // A resource is data of its server. Whether others write it shows in the tools that read it.
        (Item::Resource(_), _) => sources(server, resolved).and(Deed::Private),
        (Item::Prompt(_) | Item::Task(_), _) => sources(server, resolved),
    };
    server.declared.apply(resolved.call.target.item.name(), guessed)
}

/// Whether the tool asked for takes a token only that covers the call in detail.
fn needs_detail(resolved: &Resolved) -> bool {
    let Route::Server { server, .. } = &resolved.route else { return false };
    let Item::Tool(tool) = &resolved.call.target.item else { return false };
    server.declared.detailed.iter().any(|pattern| fits(pattern, tool))
}

/// What the answers of any tool of a server can bring.
fn sources(server: &Server, resolved: &Resolved) -> Conduct {
    let profile = profile(&resolved.call.caller, &resolved.client);
    let tools = server.catalogues.of(&profile).slot(ListKind::Tools).held();
    let all = tools.iter().flat_map(|list| &list.entries);
    let all = all.map(|entry| server.declared.apply(&entry.name, entry.conduct));
    all.fold(Conduct::default(), Conduct::union).without(Deed::Outward).without(Deed::Irrevocable)
}

/// What an operator declares about the items of a server, for each deed the names it holds for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// For each deed that is declared at all, patterns of names; `*` stands for any text.
    pub deeds: Vec<(Deed, Vec<String>)>,
    /// Tools that take a token only that covers the call in detail (RFC 9396), as patterns of names.
    pub detailed: Vec<String>,
}

impl Declared {
    /// What holds for the item of this name. A deed that is declared at all holds for the names it is declared for and
    /// for no others.
    pub fn apply(&self, name: &str, guessed: Conduct) -> Conduct {
        self.deeds.iter().fold(guessed, |conduct, (deed, patterns)| {
            match patterns.iter().any(|pattern| fits(pattern, name)) {
                true => conduct.and(*deed),
                false => conduct.without(*deed),
            }
        })
    }
}

/// Whether `name` is `pattern`, where each `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
    }
    match last {
        Some(last) => rest.ends_with(last),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name, expected) in [
            ("read", "read", true),
            ("read", "reader", false),
            ("read*", "reader", true),
            ("*mail", "send_mail", true),
            ("*mail*", "mails", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_declared_holds_for_what_it_is_declared_for_and_nothing_else() {
        let guessed = Conduct::default().and(Deed::Untrusted).and(Deed::Private);
        let deeds = vec![(Deed::Untrusted, vec!["web_*".to_owned()]), (Deed::Outward, vec![])];
        let declared = Declared { deeds, detailed: Vec::new() };
        assert_eq!(declared.apply("web_get", guessed), guessed);
        assert_eq!(declared.apply("notes", guessed), Conduct::default().and(Deed::Private));
        assert_eq!(Declared::default().apply("x", guessed), guessed);
    }
}
