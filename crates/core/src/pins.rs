//! The port to what servers' definitions were when they were first trusted.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{BoxFuture, ListKind, ServerName};

/// What can be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinKind {
    /// An entry of `tools/list`.
    Tool,
    /// An entry of `prompts/list`.
    Prompt,
    /// An entry of `resources/list`.
    Resource,
    /// An entry of `resources/templates/list`.
    Template,
    /// `instructions` of `initialize` or `server/discover`.
    Instructions,
    /// `serverInfo`.
    ServerInfo,
}

impl PinKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Tool, Self::Prompt, Self::Resource, Self::Template, Self::Instructions, Self::ServerInfo];

    /// The word for it in records, files and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "template",
            Self::Instructions => "instructions",
            Self::ServerInfo => "server-info",
        }
    }
}

impl From<ListKind> for PinKind {
    fn from(kind: ListKind) -> Self {
        match kind {
            ListKind::Tools => Self::Tool,
            ListKind::Prompts => Self::Prompt,
            ListKind::Resources => Self::Resource,
            ListKind::Templates => Self::Template,
        }
    }
}

impl std::fmt::Display for PinKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One definition as a server offers it now.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The server's own name for it.
    pub name: Arc<str>,
    /// The definition, strict JSON.
    pub raw: Bytes,
}

/// Why a definition is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// It is no longer what was trusted.
    Changed,
    /// It looks like another one under a new name.
    Renamed,
    /// Its name looks like another one of its server and is not.
    Confusable,
    /// It is new, and new ones have to be approved.
    Unapproved,
    /// An operator rejected it.
    Rejected,
    /// It is not in its server's signed list, and only what is signed may be used.
    Unsigned,
    /// It is offered through narrower tools only.
    Narrowed,
    /// There are too many pins to remember another.
    Full,
}

impl Hold {
    /// What the peer may read, to follow the name of what is held back.
    pub const fn public(self) -> &'static str {
        match self {
            Self::Changed => "changed after it was trusted and is held back until its operator approves it",
            Self::Renamed => "looks like another one renamed and is held back until its operator approves it",
            Self::Confusable => {
                "has a name that looks like another one and is held back until its operator approves it"
            }
            Self::Unapproved => "is new and held back until its operator approves it",
            Self::Rejected => "was rejected by its operator",
            Self::Unsigned => "is not in the signed list of its server",
            Self::Narrowed => "is offered through narrower tools only",
            Self::Full => "is held back: its server has more definitions than can be pinned",
        }
    }
}

/// Whether a definition may be listed and used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is what was trusted.
    Trusted,
    /// It must be neither listed nor used.
    Held(Hold),
}

/// What became of the definitions on offer.
#[derive(Clone, Debug, Default)]
pub struct Review {
    /// One for each offer, in order.
    pub standings: Vec<Standing>,
    /// What is different from the last review, for the record.
    pub notes: Vec<PinNote>,
}

/// Something that happened to a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinNote {
    /// Whether a definition was held back by this.
    pub held: bool,
    /// For the operator: what, with digests and places.
    pub detail: String,
}

/// The pins cannot be read or kept, so nothing can be compared with them.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the pins in `{place}` cannot be used: {reason}")]
pub struct PinsUnavailable {
    /// Where.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// The port to the pins of every server.
pub trait Pins: Send + Sync {
    /// Compares everything of one kind that a server offers with what is pinned, and pins what is to be trusted
    /// from now on.
    fn review<'a>(
        &'a self,
        server: &'a ServerName,
        kind: PinKind,
        offers: Vec<Offer>,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Review, PinsUnavailable>>;
}
