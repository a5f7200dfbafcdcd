//! What a server may do, as data. What a plan does not name is refused.

mod draft;
mod egress;
mod fault;
mod limits;
mod resolve;
mod system;
mod tier;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use portcullis_core::Digest;
use serde::{Deserialize, Serialize};

pub use self::{draft::Draft, egress::Egress, fault::PlanFault, limits::Limits, tier::Tier};

pub(crate) use self::system::{DEVICES, LINKS, MADE};

/// The boundaries of one server.
///
/// INVARIANT: every path is absolute and leads through no symbolic link. [`Draft`] makes it so; it is checked
/// again when the plan is applied, so that a link put there meanwhile refuses the launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What puts the boundaries up.
    #[serde(default, skip_serializing_if = "Tier::is_kernel")]
    pub tier: Tier,
    /// Files and directories that may be read, with everything below.
    pub read: BTreeSet<PathBuf>,
    /// Files and directories that may be read and changed, with everything below. Nothing in them can be
    /// executed.
    pub write: BTreeSet<PathBuf>,
    /// Programs that may be executed, with their interpreters and loaders.
    pub execute: BTreeSet<PathBuf>,
    /// Symbolic links to the above under which programs look for them.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Directories, all of them to be read only, whose files have to be those of this digest when the program is
    /// executed: compared inside, through the very mounts it will read.
    pub sealed: BTreeMap<PathBuf, Digest>,
    /// Hosts that may be reached, through a proxy outside.
    pub egress: Egress,
    /// Whether it uses the network of the machine, as the gateway does, instead of one of its own.
    pub danger_host_network: bool,
    /// Variables of the environment that are passed on, by name.
    pub env: BTreeSet<String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Most it may use.
    pub limits: Limits,
}

impl Plan {
    /// One number for the whole plan: two plans that differ in anything have different ones.
    pub fn digest(&self) -> Digest {
        // Sets and maps are sorted and field order is fixed, so the same plan is always the same text.
        Digest::of(self.to_text().as_bytes())
    }

    /// The plan for a launcher: [`portcullis_core::Boundary::Plan`].
    pub fn to_text(&self) -> String {
        // Serialising maps with path keys fails for paths that are not Unicode, which `Draft` refuses; a text that
        // is no plan refuses the launch.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Where a server finds room for temporary files, and its home: emptied when it ends.
pub(crate) const SCRATCH: &str = "/tmp";

/// Variables that say where that is.
pub(crate) const OWN_ENV: &[(&str, &str)] = &[("HOME", SCRATCH), ("TMPDIR", SCRATCH), ("USER", "server")];
