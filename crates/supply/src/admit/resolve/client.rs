//! Other people's clients.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::ResolveFault;

/// Settings of pip that would have it look in other places too. A name that is missing where it is expected, or newer
/// elsewhere, would then come from there.
const ELSEWHERE: [&str; 2] = ["PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"];

/// What clients say when an archive is not the one that was announced.
const MISMATCH: [&str; 2] = ["EINTEGRITY", "DO NOT MATCH THE HASHES"];

/// Runs a client to its end and gives what it wrote to standard output. When `only` one place is to be looked at,
/// pip's own settings name no others.
pub(super) fn run(
    program: &str,
    args: &[&str],
    directory: &Path,
    only: bool,
) -> Result<Vec<u8>, ResolveFault> {
    let mut command = Command::new(program);
    if only {
        ELSEWHERE.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.env("PIP_CONFIG_FILE", if cfg!(windows) { "nul" } else { "/dev/null" });
    }
    command.args(args).current_dir(directory).stdin(Stdio::null());
    let output =
        command.output().map_err(|error| ResolveFault::Client { program: program.to_owned(), error })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let whole = String::from_utf8_lossy(&output.stderr);
    let idle = |line: &&str| {
        !line.trim().is_empty() && !line.contains("A complete log") && !line.contains("[notice]")
    };
    let last: Vec<&str> = whole.lines().filter(idle).collect();
    let from = last.len().saturating_sub(2);
    let said = last.get(from..).unwrap_or_default().join("; ");
    if MISMATCH.iter().any(|word| whole.contains(word)) {
        return Err(ResolveFault::Mismatch { program: program.to_owned(), said });
    }
    let said = if said.is_empty() { "ended without a word".to_owned() } else { said };
    Err(ResolveFault::Failed { program: program.to_owned(), said: said.chars().take(400).collect() })
}
