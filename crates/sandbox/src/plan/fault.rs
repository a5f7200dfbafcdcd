//! Why something cannot be in a plan.

use std::path::PathBuf;

use crate::egress::RuleFault;

/// What cannot be in a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanFault {
    /// It does not exist or cannot be looked at.
    #[error("`{path}` cannot be found: {source}")]
    Missing {
        /// As written.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No directory of `PATH` has such a program.
    #[error("there is no program `{0}` in PATH")]
    NoProgram(String),
    /// Granting it would undo the sandbox.
    #[error("`{path}` cannot be granted: {why}")]
    Boundary {
        /// What it leads to.
        path: PathBuf,
        /// What it holds.
        why: &'static str,
    },
    /// Hosts that cannot be rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Hosts(Vec<RuleFault>),
    /// Symbolic links that never end.
    #[error("`{0}` leads through too many symbolic links")]
    Links(PathBuf),
    /// Plans are text.
    #[error("`{0}` is not Unicode")]
    NotUnicode(PathBuf),
}
