//! `portcullis check`

use std::path::{Path, PathBuf};

use portcullis_policy::PolicySet;
use serde::Serialize;

use super::{counted, locate, tell, unusable};
use crate::{
    compose::Deployment,
    config::{self, Config, Loaded, Parameter, Problem, Reach, Report, Settled, Severity, reference},
    exit::{Exit, Outcome},
    policies::steered,
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
    let (config, report) = examine(&file);
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
    if report.has_errors() {
        return Err(unusable(&file, &report));
    }
    let servers = config.as_ref().map_or(0, |config| config.servers.len());
    let warnings = counted(report.count(Severity::Warning), "warning");
    printer.done(&format!("{} is right: {}, {warnings}", file.display(), counted(servers, "server")));
    Ok(Exit::Fine)
}

fn labels_matter(config: &Config, policies: &PolicySet, report: &mut Report) {
    if let Some((what, remedy)) = steered(policies).filter(|_| !config.servers.is_empty()) {
        report.push(config.problem("policy.files", Severity::Warning, what, remedy));
    }
}

/// Everything that can be said about a configuration file without starting anything.
fn examine(file: &Path) -> (Option<Config>, Report) {
    let Loaded { config, warnings } = match config::load(file) {
        Ok(loaded) => loaded,
        Err(report) => return (None, report),
    };
    let mut report = warnings;
    commands_exist(&config, &mut report);
    records_can_be_written(&config, &mut report);
    match Deployment::of(config.clone()) {
        Ok(deployment) => {
            report.extend(deployment.warnings);
            labels_matter(&config, &deployment.policies, &mut report);
        }
        Err(more) => report.extend(more),
    }
    (Some(config), report.sorted())
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

/// A program that is not there yet is a warning: it may be installed before its server is first used.
fn commands_exist(config: &Config, report: &mut Report) {
    for server in &config.servers {
        let Reach::Command(command) = &server.reach else { continue };
        let own_path = command.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value);
        let path = match own_path {
            Some(Parameter::Plain(path)) => path.into(),
            Some(_) => continue,
            None => std::env::var_os("PATH").unwrap_or_default(),
        };
        let Some(program) = command.code.program() else { continue };
        if !found(program, &path) {
            let field = format!("server.{}.command", server.name);
            let what = format!("the program `{}` was not found", program);
            report.push(config.problem(
                &field,
                Severity::Warning,
                what,
                "install it, or write its full path",
            ));
        }
    }
}

fn found(program: &str, path: &std::ffi::OsStr) -> bool {
    if program.contains('/') {
        return executable(Path::new(program));
    }
    std::env::split_paths(path).any(|directory| executable(&directory.join(program)))
}

#[cfg(unix)]
fn executable(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(path: &Path) -> bool {
    path.is_file()
}

/// The directory of the records is made when the gateway starts; what is in its way is found here.
fn records_can_be_written(config: &Config, report: &mut Report) {
    let file = &config.audit.file;
    let there = file.ancestors().skip(1).find(|directory| directory.exists());
    let what = if file.is_dir() {
        format!("`{}` is a directory", file.display())
    } else if there.is_some_and(|there| !there.is_dir()) {
        format!("`{}` cannot be made: a file is in the way", file.display())
    } else {
        return;
    };
    report.push(config.problem(
        "audit.file",
        Severity::Error,
        what,
        "name a file in a directory that can be made",
    ));
}
