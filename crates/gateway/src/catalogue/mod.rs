//! What each server offers: its lists, fetched whole, inspected once, kept until they may have changed.

mod entry;
mod fetch;
mod owned;
mod pinned;
mod slot;

pub(crate) use entry::{Entry, List};
pub(crate) use fetch::Fetch;
pub use fetch::FetchLimits;
pub(crate) use owned::Catalogues;
pub(crate) use slot::Slot;

use portcullis_core::ListKind;

/// The four lists of one server, as one caller gets them.
#[derive(Debug, Default)]
pub struct Catalogue {
    tools: Slot,
    prompts: Slot,
    resources: Slot,
    templates: Slot,
}

impl Catalogue {
    /// The slot of one list.
    pub fn slot(&self, kind: ListKind) -> &Slot {
        match kind {
            ListKind::Tools => &self.tools,
            ListKind::Prompts => &self.prompts,
            ListKind::Resources => &self.resources,
            ListKind::Templates => &self.templates,
        }
    }

    /// Marks every list as out of date: changes may have gone unseen.
    pub fn invalidate_all(&self) {
        [&self.tools, &self.prompts, &self.resources, &self.templates].into_iter().for_each(Slot::invalidate);
    }

    /// Marks the lists a `notifications/*/list_changed` speaks of as out of date.
    pub fn invalidate(&self, method: &str) {
        match method {
            "notifications/tools/list_changed" => self.tools.invalidate(),
            "notifications/prompts/list_changed" => self.prompts.invalidate(),
            "notifications/resources/list_changed" => {
                self.resources.invalidate();
                self.templates.invalidate();
            }
            _ => {}
        }
    }
}

/// Protocol facts about a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListFacts {
    /// MCP method.
    pub method: &'static str,
    /// Member of the result that holds the items.
    pub member: &'static str,
    /// Member of an item that identifies it.
    pub key: &'static str,
    /// Server capability that must be declared.
    pub capability: &'static str,
}

/// Facts of each list (MCP server/tools, server/prompts, server/resources).
pub(crate) const fn facts(kind: ListKind) -> ListFacts {
    match kind {
        ListKind::Tools => {
            ListFacts { method: "tools/list", member: "tools", key: "name", capability: "tools" }
        }
        ListKind::Prompts => {
            ListFacts { method: "prompts/list", member: "prompts", key: "name", capability: "prompts" }
        }
        ListKind::Resources => {
            ListFacts { method: "resources/list", member: "resources", key: "uri", capability: "resources" }
        }
        ListKind::Templates => ListFacts {
            method: "resources/templates/list",
            member: "resourceTemplates",
            key: "uriTemplate",
            capability: "resources",
        },
    }
}
