//! The program: command line, configuration, and the one place where concrete parts are put together.

mod admin;
mod admission;
mod approvals;
mod behaviour;
mod cases;
mod cli;
mod clients;
mod commands;
mod compose;
pub mod config;
mod confine;
mod connections;
mod discover;
mod egress;
mod exit;
mod files;
mod lasting;
mod own;
mod pins;
mod policies;
mod post;
mod preflight;
mod printer;
mod proofs;
mod requirements;
mod runtime;
mod stops;
mod streams;
mod supply;
mod telemetry;
mod tier;
mod tls;
mod variables;
mod views;

use std::process::ExitCode;

use portcullis_sandbox::{selftest, supervise};

/// Runs the command line this process was started with.
pub fn main() -> ExitCode {
    // These have to be single-threaded and must not read anything, so this comes before all else.
    match std::env::args_os().nth(1).as_ref().and_then(|first| first.to_str()) {
        Some(supervise::SUBCOMMAND) => supervise::main(Some(supply::digest_of)),
        Some(selftest::SUBCOMMAND) => selftest::main(),
        Some(portcullis_sandbox::ENTER) => portcullis_sandbox::enter(Some(supply::digest_of)),
        Some(portcullis_sandbox::ATTEMPT) => portcullis_sandbox::attempt(),
        _ => cli::main().into(),
    }
}
