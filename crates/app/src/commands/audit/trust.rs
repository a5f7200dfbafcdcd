//! Keys and checkpoints that a command is told to believe.

use std::{fs, path::Path};

use portcullis_audit::{
    note::{Note, VerifierKey},
    tlog::read_public_keys,
};

use crate::exit::{Exit, Failure};

/// The public keys that `arguments` name: each a key itself or a file with one a line.
pub(crate) fn keys(arguments: &[String]) -> Result<Vec<VerifierKey>, Failure> {
    let mut keys = Vec::new();
    for argument in arguments {
        match argument.parse() {
            Ok(key) => keys.push(key),
            Err(_) => keys.extend(read_public_keys(Path::new(argument)).map_err(|fault| {
                Failure::new(Exit::Usage, fault.to_string())
                    .remedy("give a public key or a file of them; `portcullis audit key show` prints those of a key file")
            })?),
        }
    }
    Ok(keys)
}

/// The checkpoint in a file.
pub(super) fn checkpoint(path: &Path) -> Result<Note, Failure> {
    let failed = |what: String| {
        Failure::new(Exit::Usage, format!("{}: {what}", path.display()))
            .remedy("name a checkpoint that was kept")
    };
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    Note::parse(&bytes).map_err(|fault| failed(format!("it {fault}")))
}
