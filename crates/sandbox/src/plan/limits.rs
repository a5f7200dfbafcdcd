//! Most a server may use.

use serde::{Deserialize, Serialize};

/// Limits of a server and everything it starts, together unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of memory. Needs a control group; see [`crate::Applied`].
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Percent of one processor. Needs a control group.
    pub cpu: u64,
    /// Bytes of temporary files.
    pub scratch: u64,
    /// Bytes of the largest file it may write.
    pub file: u64,
    /// Open files of each process.
    pub open_files: u64,
    /// Seconds after which it is ended.
    pub seconds: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            processes: 128,
            cpu: 200,
            scratch: 64 << 20,
            file: 1 << 30,
            open_files: 1024,
            seconds: None,
        }
    }
}
