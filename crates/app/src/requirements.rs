//! What is asked of a server before it is admitted: options, and where they say nothing `[supply]` of the configuration.

use std::path::PathBuf;

use portcullis_supply::admit::{Internal, InternalName};

use crate::{
    commands::{locate, tell, unusable},
    config::{self, Supply},
    exit::Failure,
    printer::Printer,
};

/// Options of what is asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Requirements {
    /// Configuration whose section `[supply]` holds where these options say nothing; when absent, the one that
    /// `portcullis serve` would use, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of a package that is internal and never taken from another registry than the internal one: `@acme/*`,
    /// `acme-*`, `npm:NAME`, `pypi:NAME`; repeat it for more.
    #[arg(long = "internal", value_name = "NAME")]
    internal_names: Vec<InternalName>,
    /// URL of the npm registry that internal names come from.
    #[arg(long, value_name = "URL")]
    internal_npm: Option<String>,
    /// URL of the Python index that internal names come from.
    #[arg(long, value_name = "URL")]
    internal_pypi: Option<String>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Required {
    /// Names that are internal, and where they are.
    pub(crate) internal: Internal,
}

impl Requirements {
    /// The options and the configuration together.
    pub(crate) fn settle(&self, printer: &Printer) -> Result<Required, Failure> {
        let section = self.section(printer)?;
        let (mut names, mut npm, mut pypi) = (self.internal_names.clone(), None, None);
        if let Some(section) = section {
            // A name that is internal somewhere is internal.
            names.extend(section.internal_names);
            (npm, pypi) = (section.internal_npm, section.internal_pypi);
        }
        let url = |option: &Option<String>, set: Option<config::HttpUrl>| {
            option.clone().or_else(|| set.map(|url| url.to_string()))
        };
        let internal = Internal::new(names, url(&self.internal_npm, npm), url(&self.internal_pypi, pypi));
        Ok(Required { internal })
    }

    fn section(&self, printer: &Printer) -> Result<Option<Supply>, Failure> {
        let file = match (locate(self.config.as_deref()), &self.config) {
            (Ok(file), _) => file,
            (Err(_), None) => return Ok(None),
            (Err(failure), Some(_)) => return Err(failure),
        };
        match config::load(&file) {
            Ok(loaded) => Ok(Some(loaded.config.supply)),
            Err(report) => {
                tell(&report, printer);
                Err(unusable(&file, &report))
            }
        }
    }
}
