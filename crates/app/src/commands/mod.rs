//! One file per command.

pub(crate) mod add;
pub(crate) mod approvals;
pub(crate) mod approve;
pub(crate) mod audit;
mod bills;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connect;
mod difference;
pub(crate) mod discover;
pub(crate) mod egress;
pub(crate) mod grants;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod inventory;
pub(crate) mod lock;
pub(crate) mod login;
pub(crate) mod man;
pub(crate) mod pins;
pub(crate) mod policy;
pub(crate) mod retire;
pub(crate) mod revoke;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod stop;
mod submit;
pub(crate) mod tasks;
pub(crate) mod uninstall;
pub(crate) mod update;
pub(crate) mod verify;
pub(crate) mod version;

use std::path::{Path, PathBuf};

use crate::{
    config::{Config, Problem, Report, Severity, load},
    exit::{Exit, Failure},
    printer::Printer,
};

/// The name of the configuration file.
pub(crate) const CONFIG_FILE: &str = "portcullis.toml";

/// The configuration file: the one named, else the one here, else the user's.
pub(crate) fn locate(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let here = PathBuf::from(CONFIG_FILE);
    let users = std::env::home_dir().map(|home| home.join(".config/portcullis").join(CONFIG_FILE));
    let mut candidates = std::iter::once(here).chain(users);
    candidates.find(|path| path.exists()).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no `{CONFIG_FILE}` here or in ~/.config/portcullis"))
            .remedy("`portcullis init` writes one; `--config` names another")
    })
}

/// The configuration that is named or found; every problem of one that cannot be used is told.
pub(crate) fn configured(named: Option<&Path>, printer: &Printer) -> Result<Config, Failure> {
    let file = locate(named)?;
    match load(&file) {
        Ok(loaded) => Ok(loaded.config),
        Err(report) => {
            tell(&report, printer);
            Err(unusable(&file, &report))
        }
    }
}

/// Tells every problem of a report.
pub(crate) fn tell(report: &Report, printer: &Printer) {
    for problem in report.problems() {
        let text = described(problem);
        match problem.severity {
            Severity::Error => printer.error(&text, Some(&problem.remedy)),
            Severity::Warning => printer.warning(&text, Some(&problem.remedy)),
        }
    }
}

/// A problem with its place, in one line.
pub(crate) fn described(problem: &Problem) -> String {
    let field = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
    let file = problem.file.display();
    format!("{file}:{}:{}: {field}{}", problem.line, problem.column, problem.what)
}

/// `1 error`, `2 errors`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Ends a command whose configuration cannot be used, after its problems were told.
pub(crate) fn unusable(file: &Path, report: &Report) -> Failure {
    let errors = counted(report.count(Severity::Error), "error");
    Failure::new(Exit::Usage, format!("{} cannot be used: {errors}", file.display()))
}
