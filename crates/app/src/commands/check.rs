//! `portcullis check`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{counted, locate, tell, unusable};
use crate::{
    config::{Problem, Settled, Severity, reference},
    exit::{Exit, Failure, Outcome},
    preflight::{self, Preflight},
    printer::Printer,
};

/// Check the configuration, the policies and everything they name.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show every setting in force, where it comes from and what it does.
    #[arg(long)]
    explain: bool,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The result for programs.
#[derive(Serialize)]
struct Findings<'r> {
    ok: bool,
    file: &'r Path,
    /// Digest of the settings in force; absent when they are not valid.
    digest: Option<String>,
    problems: &'r [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<&'r [Settled]>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let file = locate(args.config.as_deref())?;
    let Preflight { config, deployment, mut report, unserved } = preflight::of_everything(&file);
    report.extend(unserved);
    let report = report.sorted();
    let settings = config.as_ref().map(|config| config.settled.as_slice());
    if args.json {
        printer.json(&Findings {
            ok: !report.has_errors(),
            file: &file,
            digest: config.as_ref().map(|config| config.digest().to_string()),
            problems: report.problems(),
            settings: settings.filter(|_| args.explain),
        });
        return Ok(if report.has_errors() { Exit::Usage } else { Exit::Fine });
    }
    if args.explain {
        settings.unwrap_or_default().iter().for_each(|settled| explain(settled, printer));
    }
    tell(&report, printer);
    if report.has_errors() && deployment.is_some() {
        let left_out = counted(report.count(Severity::Error), "server");
        return Err(Failure::new(Exit::Usage, format!("{} can be used without {left_out}", file.display())));
    }
    if report.has_errors() {
        return Err(unusable(&file, &report));
    }
    let servers = config.as_ref().map_or(0, |config| config.servers.len());
    let warnings = counted(report.count(Severity::Warning), "warning");
    printer.done(&format!("{} is right: {}, {warnings}", file.display(), counted(servers, "server")));
    Ok(Exit::Fine)
}

fn explain(settled: &Settled, printer: &Printer) {
    let origin = match &settled.origin {
        Some(origin) => format!("{}:{}", origin.file.display(), origin.line),
        None => "default".to_owned(),
    };
    printer.line(&format!("{} = {}  # {origin}", settled.name, settled.value));
    if let Some(meaning) = reference::explain(&settled.name) {
        printer.line(&format!("    {meaning}"));
    }
}
