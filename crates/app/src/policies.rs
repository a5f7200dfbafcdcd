//! Policy files that are tried without a gateway.

use std::path::{Path, PathBuf};

use portcullis_policy::{Authoriser, Options, PolicySet};

use crate::{
    commands::{configured, counted, tell},
    compose::policy_problem,
    config::{Problem, Report, Severity, sources},
    exit::{Exit, Failure},
    printer::Printer,
};

/// Which policies are meant.
#[derive(Debug, clap::Args)]
pub(crate) struct Meant {
    /// Policy file, or directory of `*.cedar` files; may be given several times. Without one, those of the
    /// configuration.
    #[arg(long = "policy", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Meant {
    /// The policies, ready to decide.
    pub(crate) fn load(&self, printer: &Printer) -> Result<Authoriser, Failure> {
        put_into_force(&self.paths(printer)?, printer)
    }

    /// Their files.
    pub(crate) fn paths(&self, printer: &Printer) -> Result<Vec<PathBuf>, Failure> {
        if self.paths.is_empty() {
            configured_files(self.config.as_deref(), printer)
        } else {
            Ok(self.paths.clone())
        }
    }
}

/// The policy files of the configuration.
pub(crate) fn configured_files(named: Option<&Path>, printer: &Printer) -> Result<Vec<PathBuf>, Failure> {
    Ok(configured(named, printer)?.policy.files)
}

/// What decides by these files; every mistake in them is told.
pub(crate) fn put_into_force(paths: &[PathBuf], printer: &Printer) -> Result<Authoriser, Failure> {
    let set = load(paths).map_err(|report| {
        tell(&report, printer);
        let errors = counted(report.count(Severity::Error), "error");
        Failure::new(Exit::Usage, format!("the policies cannot be used: {errors}"))
    })?;
    Authoriser::new(set, Options::default()).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// The policies of these files and directories.
pub(crate) fn load(paths: &[PathBuf]) -> Result<PolicySet, Report> {
    let mut report = Report::default();
    let mut texts = Vec::new();
    for path in paths.iter().flat_map(|path| files(path, &mut report)).collect::<Vec<_>>() {
        match sources::read(&path) {
            Ok(text) => texts.push((sources::label(&path).to_string_lossy().into_owned(), text)),
            Err(problem) => report.push(problem),
        }
    }
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let loaded = PolicySet::load(&texts).map_err(|faults| {
        faults.iter().for_each(|fault| report.push(policy_problem(fault, Severity::Error)));
    });
    match loaded {
        Ok(set) if !report.has_errors() => Ok(set),
        _ => Err(report.sorted()),
    }
}

/// The file itself, or the policy files of a directory in the order of their names.
fn files(path: &Path, report: &mut Report) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut files: Vec<_> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => {
            report.push(whole(
                path,
                format!("this directory could not be read: {error}"),
                "check its permissions",
            ));
            return Vec::new();
        }
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cedar"));
    files.sort();
    if files.is_empty() {
        report.push(whole(
            path,
            "there is no policy file in this directory".to_owned(),
            "call them `*.cedar`",
        ));
    }
    files
}

fn whole(path: &Path, what: String, remedy: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        file: sources::label(path),
        line: 1,
        column: 1,
        field: String::new(),
        what,
        remedy: remedy.to_owned(),
    }
}

/// What is missing where no policy looks at labels. They are what holds an agent that obeys whatever it reads, and they
/// hold nothing that no policy asks them about.
pub(crate) fn steered(policies: &PolicySet) -> Option<(&'static str, &'static str)> {
    let missing = policies.permits_something() && !policies.looks_at_labels();
    missing.then_some((
        "no policy looks at `context.labels`, so text that others wrote can steer every call",
        "take over the two `flow-` policies that `portcullis init` writes",
    ))
}
