//! Where the tree ends: the last checkpoint, and the place in the JSON lines that follows it. One file, so that
//! the two cannot disagree.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::lay;
use crate::note::{Checkpoint, Note};

const FILE: &str = "state.json";
const VERSION: u64 = 1;

/// A place in the JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Digest of the first line of the segment: segments are renamed, and their first lines differ.
    pub(super) segment: String,
    /// Bytes of that segment that are in the tree.
    pub(super) offset: u64,
}

#[derive(Serialize, Deserialize)]
struct File {
    v: u64,
    checkpoint: String,
    position: Position,
}

/// Where the tree ends.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) note: Note,
    pub(super) checkpoint: Checkpoint,
    pub(super) position: Position,
}

impl State {
    /// Reads the state of the log in `directory`; none when there is none yet.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, String> {
        let bytes = match fs::read(directory.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("`{FILE}` could not be read: {error}")),
        };
        let file: File = serde_json::from_slice(&bytes).map_err(|error| format!("`{FILE}`: {error}"))?;
        if file.v != VERSION {
            return Err(format!("`{FILE}` is of version {}, not {VERSION}", file.v));
        }
        let note = Note::parse(file.checkpoint.as_bytes())
            .map_err(|fault| format!("`{FILE}`: its checkpoint {fault}"))?;
        let checkpoint =
            Checkpoint::parse(note.text()).map_err(|fault| format!("`{FILE}`: its checkpoint {fault}"))?;
        Ok(Some(Self { note, checkpoint, position: file.position }))
    }

    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let file = File { v: VERSION, checkpoint: self.note.to_string(), position: self.position.clone() };
        lay::replace(&directory.join(FILE), &serde_json::to_vec(&file).map_err(io::Error::other)?)
    }
}
