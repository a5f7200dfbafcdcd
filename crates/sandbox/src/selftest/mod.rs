//! Whether the boundaries of a plan hold on this machine, found out by trying to get through them.
//!
//! The attempts are made by a process that is inside of the very plan a server would be inside of, in the place where
//! the server would be; what they are after is set up outside for the purpose. A boundary that does not hold is a
//! reason not to start the server.

mod ground;
mod probes;
mod proof;

use std::path::Path;

pub use self::proof::{Probed, Proof, Verdict};
use crate::{Contained, Plan, StartError};
pub(crate) use ground::{Ground, Targets};
pub(crate) use probes::run_all;

/// The first argument by which the program knows that it is to test a plan it reads from standard input.
pub const SUBCOMMAND: &str = "__prove";

/// Tries to get through the boundaries of a plan. What must not be reached is made in `place`, a directory that no
/// server has any business with, and removed again.
///
/// The calling process must have one thread only.
///
/// # Errors
/// When no such sandbox can be had, or the targets cannot be made.
pub fn prove(plan: &Plan, place: &Path) -> Result<Proof, StartError> {
    let unmet =
        |error: std::io::Error| StartError::unmet("self-test", format!("{}: {error}", place.display()));
    let ground = Ground::make(place).map_err(unmet)?;
    let mut probed = Contained::probe(plan, &ground)?;
    probed.extend(ground.seen_outside());
    Ok(Proof::new(plan, probed))
}

/// Makes the same attempts in this very process, to show that they have an effect where nothing is put up against them.
/// Only for tests, and only without privilege.
///
/// # Errors
/// When the targets cannot be made.
#[doc(hidden)]
pub fn unproved(plan: &Plan, place: &Path) -> std::io::Result<Proof> {
    let ground = Ground::make(place)?;
    let mut probed: Vec<Probed> = run_all(&ground.targets, plan).collect();
    probed.extend(ground.seen_outside());
    Ok(Proof::new(plan, probed))
}

/// Reads a plan and a place, each on a line of standard input, and prints the proof or the reason why there is none.
/// The program calls this before anything else when its first argument is [`SUBCOMMAND`].
pub fn main() -> std::process::ExitCode {
    let mut lines = std::io::stdin().lines().map_while(Result::ok);
    let plan = lines.next().and_then(|line| serde_json::from_str::<Plan>(&line).ok());
    let proved = match plan.zip(lines.next()) {
        Some((plan, place)) => prove(&plan, Path::new(&place)),
        None => Err(StartError::unmet("plan", "it cannot be read".to_owned())),
    };
    match proved {
        Ok(proof) => print(&proof.to_text(), 0),
        Err(error) => print(&error.to_string(), 1),
    }
}

fn print(text: &str, status: u8) -> std::process::ExitCode {
    use std::io::Write as _;
    // Whoever asked sees by the absence of an answer that there is none.
    let _nobody_listens = writeln!(std::io::stdout(), "{text}");
    status.into()
}
