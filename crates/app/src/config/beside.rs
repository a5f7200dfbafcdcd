//! Directories whose places follow from settings that name something else.

use std::path::{Path, PathBuf};

use super::Config;

/// Such a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Calls that wait for a person, beside the pins.
    Approvals,
    /// Connections of people to servers, beside the pins.
    Connections,
    /// Tasks and keys of handles, beside the pins.
    Serving,
    /// How far streams have come, beside the log.
    Streams,
}

impl Beside {
    /// Every one.
    pub(crate) const ALL: [Self; 4] = [Self::Approvals, Self::Connections, Self::Serving, Self::Streams];

    /// Its place under this configuration.
    pub(crate) fn of(self, config: &Config) -> PathBuf {
        self.beside(match self {
            Self::Approvals | Self::Connections | Self::Serving => &config.pins.directory,
            Self::Streams => &config.audit.file,
        })
    }

    /// Its place beside `path`.
    pub(crate) fn beside(self, path: &Path) -> PathBuf {
        path.with_file_name(match self {
            Self::Approvals => "approvals",
            Self::Connections => "connections",
            Self::Serving => "serving",
            Self::Streams => "streams",
        })
    }

    /// For a person.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Approvals => "the approvals beside the pins",
            Self::Connections => "the connections of people beside the pins",
            Self::Serving => "the tasks and keys of handles beside the pins",
            Self::Streams => "the places of streams beside `audit.file`",
        }
    }
}
