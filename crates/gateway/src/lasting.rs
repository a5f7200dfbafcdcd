//! What outlives the process: whose tasks are, and what handles are sealed with (controls ST-01 and ST-03). Where it is
//! kept is for whoever puts a gateway together.

use std::{io, sync::Arc};

use portcullis_core::{Caller, Secret, ServerName};
use serde::{Deserialize, Serialize};

/// A task is forgotten when nobody has used it for a day.
pub(crate) const LASTING_MS: u64 = 24 * 60 * 60 * 1000;

/// A task and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptTask {
    /// The server that has it, by its name.
    pub server: String,
    /// The server's id of it.
    pub id: String,
    /// The tool that began it, when one is known to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Who got it.
    pub caller: Caller,
    /// When it was used last, in milliseconds since 1970.
    pub used_ms: u64,
}

impl KeptTask {
    /// Whether it is still to be remembered.
    pub fn is_kept(&self, now_ms: u64) -> bool {
        now_ms < self.used_ms.saturating_add(LASTING_MS)
    }
}

/// Remembers tasks.
pub trait TaskBook: Send + Sync {
    /// What is remembered, that used longest ago first; what is said last about a task counts.
    fn all(&self) -> Vec<KeptTask>;

    /// Remembers a task, or that it was used.
    ///
    /// # Errors
    /// When it could not be written: nobody gets a task then.
    fn add(&self, task: &KeptTask) -> io::Result<()>;

    /// Forgets a task.
    ///
    /// # Errors
    /// When it could not be written.
    fn remove(&self, server: &ServerName, id: &str) -> io::Result<()>;
}

/// Keys that handles are sealed with.
pub trait HandleKeys: Send + Sync {
    /// 32 bytes each, the one to seal with first; those that follow are for opening. Another takes the place of the first
    /// when its time is over.
    ///
    /// # Errors
    /// When they can neither be read nor made.
    fn keys(&self, now_ms: u64) -> io::Result<Vec<Secret>>;
}

/// What is kept, where it is.
#[derive(Clone, Default)]
pub struct Lasting {
    /// Whose tasks are; as long as the process without.
    pub tasks: Option<Arc<dyn TaskBook>>,
    /// What handles are sealed with; keys of the process without.
    pub keys: Option<Arc<dyn HandleKeys>>,
}
