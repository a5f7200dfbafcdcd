//! What a program that was watched has used.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What was done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    /// It was opened for reading, or listed.
    Read,
    /// It was opened for writing, as it is.
    Write,
    /// It was made, emptied, removed or given another name.
    Change,
    /// It was executed.
    Execute,
}

/// Something that was tried with a file. Whether it succeeded is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// What.
    pub deed: Deed,
    /// With which file, through no link where it exists.
    pub path: PathBuf,
}
