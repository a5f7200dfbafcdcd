//! `portcullis policy check`

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    commands::{counted, tell},
    compose::policy_problem,
    config::{Problem, Report, Severity, sources},
    exit::{Exit, Failure, Outcome},
    policies::{configured_files, load, steered},
    printer::Printer,
};

/// Find every mistake in policies, each with its line and what to do about it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Policy files and directories of `*.cedar` files. Those of the configuration when absent.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    config: Option<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The result for programs.
#[derive(Serialize)]
struct Checked<'r> {
    ok: bool,
    /// Absent when there are errors.
    policies: Option<usize>,
    /// Digest of the policies, as records name it; absent when there are errors.
    digest: Option<String>,
    problems: &'r [Problem],
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let paths = match args.paths.is_empty() {
        true => configured_files(args.config.as_deref(), printer)?,
        false => args.paths.clone(),
    };
    let (set, report) = match load(&paths) {
        Ok(set) => {
            let mut report = Report::default();
            set.warnings().iter().for_each(|fault| report.push(policy_problem(fault, Severity::Warning)));
            if let (Some((what, remedy)), Some(path)) = (steered(&set), paths.first()) {
                report.push(Problem {
                    severity: Severity::Warning,
                    file: sources::label(path),
                    line: 1,
                    column: 1,
                    field: String::new(),
                    what: what.to_owned(),
                    remedy: remedy.to_owned(),
                });
            }
            (Some(set), report.sorted())
        }
        Err(report) => (None, report),
    };
    if args.json {
        printer.json(&Checked {
            ok: set.is_some(),
            policies: set.as_ref().map(|set| set.len()),
            digest: set.as_ref().map(|set| set.digest().to_string()),
            problems: report.problems(),
        });
        return Ok(if set.is_some() { Exit::Fine } else { Exit::Usage });
    }
    tell(&report, printer);
    let Some(set) = set else {
        let errors = counted(report.count(Severity::Error), "error");
        return Err(Failure::new(Exit::Usage, format!("the policies cannot be used: {errors}")));
    };
    let policies = if set.len() == 1 { "1 policy".to_owned() } else { format!("{} policies", set.len()) };
    let warnings = counted(report.count(Severity::Warning), "warning");
    printer.done(&format!("the policies are right: {policies}, {warnings}"));
    Ok(Exit::Fine)
}
