//! The programs that take part, built with link-time inlining.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{failure::Failure, workspace};

pub(super) struct Programs {
    pub(super) load: PathBuf,
    pub(super) backend: PathBuf,
    pub(super) floor: PathBuf,
    pub(super) gateway: PathBuf,
    pub(super) results: PathBuf,
    /// Emptied at the start of every run; what a gateway left there can be read until the next.
    pub(super) scratch: PathBuf,
}

impl Programs {
    pub(super) fn build() -> Result<Programs, Failure> {
        let directory = workspace::build_for_measuring(&["--package", "portcullis-bench", "--bins"])?;
        // On its own, so that no other package's features find their way in.
        let gateway = workspace::build_for_measuring(&["--package", "portcullis"])?.join("portcullis");
        let results = directory.parent().unwrap_or(Path::new(".")).join("bench");
        let scratch = results.join("scratch");
        empty(&scratch).map_err(|e| Failure::broken(scratch.display(), e))?;
        Ok(Programs {
            load: directory.join("mcpload"),
            backend: directory.join("mcp-echo-backend"),
            floor: directory.join("floor-proxy"),
            gateway,
            results,
            scratch,
        })
    }
}

fn empty(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => std::fs::create_dir_all(directory),
    }
}
