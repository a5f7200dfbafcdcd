//! How a command ends.

use std::process::ExitCode;

use crate::printer::Printer;

/// The exit status, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is as it should be.
    Fine,
    /// Something was found or refused.
    Findings,
    /// The command line or the configuration is wrong.
    Usage,
    /// What should be reached cannot be.
    Unreachable,
    /// As the command that was run ended, or why it was not: 124, 125 and 126 as timeout(1) and env(1) have them.
    Command(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::Command(status) => status,
        })
    }
}

/// Why a command could not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    remedy: Option<String>,
}

impl Failure {
    /// A failure that ends the command with `exit`.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), remedy: None }
    }

    /// Adds what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What went wrong and what to do about it, in one line.
    pub(crate) fn to_line(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}; {remedy}", self.what),
            None => self.what.clone(),
        }
    }

    /// Tells the user and gives back the status.
    pub(crate) fn report(&self, printer: &Printer) -> Exit {
        printer.error(&self.what, self.remedy.as_deref());
        self.exit
    }
}

/// What a command returns.
pub(crate) type Outcome = Result<Exit, Failure>;
