//! The program: command line, configuration, and the one place where concrete parts are put together.

mod admin;
mod approvals;
mod cli;
mod clients;
mod commands;
mod compose;
pub mod config;
mod confine;
mod discover;
mod egress;
mod exit;
mod files;
mod pins;
mod printer;
mod runtime;
mod stops;
mod telemetry;
mod tls;
mod variables;
mod views;

use std::process::ExitCode;

/// Runs the command line this process was started with.
pub fn main() -> ExitCode {
    // A supervisor has to be single-threaded and must not read anything, so this comes before all else.
    if std::env::args_os().nth(1).is_some_and(|first| first == portcullis_sandbox::supervise::SUBCOMMAND) {
        return portcullis_sandbox::supervise::main();
    }
    cli::main().into()
}
