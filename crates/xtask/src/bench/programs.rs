//! The programs that take part, built with link-time inlining.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{gateway, options::Options};
use crate::{failure::Failure, workspace};

pub(super) struct Programs {
    pub(super) load: PathBuf,
    pub(super) backend: PathBuf,
    pub(super) floor: PathBuf,
    /// `None`: not measured.
    pub(super) gateway: Option<PathBuf>,
    pub(super) results: PathBuf,
    /// Emptied at the start of every run; what a gateway left there can be read until the next.
    pub(super) scratch: PathBuf,
}

impl Programs {
    pub(super) fn build(options: &Options) -> Result<Programs, Failure> {
        let directory = workspace::build_for_measuring(&["--package", "portcullis-bench", "--bins"])?;
        // On its own, so that no other package's features find their way in.
        let gateway = if gateway::CONFIG.is_some() {
            Some(workspace::build_for_measuring(&["--package", "portcullis"])?.join("portcullis"))
        } else if options.gate {
            return Err(Failure::Broken("no configuration for the gateway yet: nothing to gate".into()));
        } else {
            eprintln!("no configuration for the gateway yet: measuring the floors only");
            None
        };
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
