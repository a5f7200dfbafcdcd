//! Automation of the repository, in Rust: `cargo xtask` lists the commands.
//!
//! Exit status: 0 fine, 1 findings, 2 usage, 3 something needed is missing or failed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod args;
mod bench;
mod callgrind;
mod conformance;
mod failure;
mod pin;
mod tidy;
mod train;
mod workspace;

use std::process::ExitCode;

use args::Args;
use failure::Failure;

struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(Args) -> Result<(), Failure>,
}

const COMMANDS: &[Command] = &[
    Command { name: "bench", about: bench::ABOUT, run: bench::run },
    Command { name: "callgrind", about: callgrind::ABOUT, run: callgrind::run },
    Command { name: "conformance", about: conformance::ABOUT, run: conformance::run },
    Command { name: "tidy", about: tidy::ABOUT, run: tidy::run },
    Command { name: "train", about: train::ABOUT, run: train::run },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let outcome = match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(Args::new(words)),
        None => Err(Failure::Usage(usage())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn usage() -> String {
    let mut text = "usage: cargo xtask COMMAND [OPTIONS]\n".to_owned();
    for Command { name, about, .. } in COMMANDS {
        text.push_str(&format!("\n  {name:<12} {}\n", about.replace('\n', "\n               ")));
    }
    text
}
