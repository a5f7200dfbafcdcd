//! The port to people who approve a single call (control AZ-08).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{BoxFuture, Digest};

/// A call that may only be made if a person agrees, in words that person can judge by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// On whose behalf.
    pub principal: String,
    /// At which server.
    pub server: String,
    /// Which item.
    pub item: String,
    /// Its arguments, as JSON, whole.
    pub arguments: String,
    /// Why a person is asked.
    pub why: String,
    /// The kinds of things asked about, in order: an approval of one is none of another.
    #[serde(default)]
    pub about: Vec<String>,
}

impl Asked {
    /// What an approval is bound to: the same caller, server, item and arguments, the same kinds of questions, and
    /// nothing that is only said about them.
    pub fn digest(&self) -> Digest {
        let Self { principal, server, item, arguments, why: _, about } = self;
        let call = [principal, server, item, arguments];
        Digest::of_parts(call.into_iter().chain(about).map(|part| part.as_bytes()))
    }
}

/// What became of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// A person agreed. It holds for this one call and is used up.
    Granted {
        /// Who, for the record.
        by: Arc<str>,
    },
    /// Nobody has decided. The call can be sent again once somebody has.
    Waiting {
        /// What the person has to name.
        id: Arc<str>,
    },
    /// A person declined.
    Declined,
    /// There is nobody to ask.
    Nobody,
}

/// The port to whoever approves.
pub trait Approvals: Send + Sync {
    /// Uses up an approval of this call, or asks for one.
    fn ask(&self, asked: Asked, now_ms: u64) -> BoxFuture<'_, Approval>;
}

/// Nobody approves anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoApprovals;

impl Approvals for NoApprovals {
    fn ask(&self, _: Asked, _: u64) -> BoxFuture<'_, Approval> {
        Box::pin(std::future::ready(Approval::Nobody))
    }
}
