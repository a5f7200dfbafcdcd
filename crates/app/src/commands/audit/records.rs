//! Which records a command reads.

use std::path::{Path, PathBuf};

use portcullis_audit::query::ScanFault;

use crate::{
    commands::{locate, tell, unusable},
    config,
    exit::{Exit, Failure},
    printer::Printer,
};

/// Where the records are.
#[derive(Debug, clap::Args)]
pub(super) struct Records {
    /// File of records (`audit.file`), or directory of the transparency log. Taken from the configuration when
    /// absent.
    #[arg(long, value_name = "PATH")]
    records: Option<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE", conflicts_with = "records")]
    config: Option<PathBuf>,
}

impl Records {
    /// The file or directory that is named or configured.
    pub(super) fn path(&self, printer: &Printer) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.records {
            return Ok(path.clone());
        }
        let file = locate(self.config.as_deref())?;
        match config::load(&file) {
            Ok(loaded) => Ok(loaded.config.audit.file),
            Err(report) => {
                tell(&report, printer);
                Err(unusable(&file, &report))
            }
        }
    }

    /// When rules object; as they come where nothing usable is configured.
    pub(super) fn behaviour(&self) -> config::Behaviour {
        let file = self.records.is_none().then(|| locate(self.config.as_deref()).ok()).flatten();
        let loaded = file.and_then(|file| config::load(&file).ok());
        loaded.map_or_else(config::Behaviour::default, |loaded| loaded.config.behaviour)
    }
}

/// Records that cannot be read end a command that needs them.
pub(in crate::commands) fn unread(path: &Path, fault: &ScanFault) -> Failure {
    Failure::new(Exit::Unreachable, fault.to_string())
        .remedy(format!("`{}` has to be `audit.file` or the directory of `audit.log`", path.display()))
}
