//! Which records a command reads.

use std::path::{Path, PathBuf};

use portcullis_audit::{behaviour::Thresholds, query::ScanFault};

use crate::{
    commands::configured,
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
        Ok(self.path_and_thresholds(printer)?.0)
    }

    /// The same, and when rules about behaviour object: as they come for records that are named.
    pub(super) fn path_and_thresholds(&self, printer: &Printer) -> Result<(PathBuf, Thresholds), Failure> {
        if let Some(path) = &self.records {
            return Ok((path.clone(), Thresholds::default()));
        }
        let config = configured(self.config.as_deref(), printer)?;
        Ok((config.audit.file, config.behaviour.thresholds))
    }
}

/// Records that cannot be read end a command that needs them.
pub(in crate::commands) fn unread(path: &Path, fault: &ScanFault) -> Failure {
    Failure::new(Exit::Unreachable, fault.to_string())
        .remedy(format!("`{}` has to be `audit.file` or the directory of `audit.log`", path.display()))
}
