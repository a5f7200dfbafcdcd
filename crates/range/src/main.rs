//! The attack range as a program: exits with 1 when a scenario fails.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use portcullis_range::{
    place::Place,
    scenarios::{SCENARIOS, Scenario},
};

/// Carries out threats against a gateway of its own and says which it withstood.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Carry out this scenario only, for example S-27; may be given again.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// Write one JSON document.
    #[arg(long)]
    json: bool,
    /// Attack this program instead of the one built beside this one.
    #[arg(long, value_name = "PATH")]
    portcullis: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let unknown = arguments.only.iter().find(|only| !SCENARIOS.iter().any(|scenario| scenario.id == **only));
    if let Some(unknown) = unknown {
        let known: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.id).collect();
        writeln!(io::stderr(), "no scenario `{unknown}`; there are {}", known.join(", "))?;
        return Ok(ExitCode::from(2));
    }
    let place = Place::new(arguments.portcullis)?;
    let chosen = |scenario: &&Scenario| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| only == scenario.id)
    };
    let mut reports = Vec::new();
    for scenario in SCENARIOS.iter().filter(chosen) {
        let report = scenario.run(&place).await;
        if !arguments.json {
            writeln!(io::stdout(), "{report}")?;
        }
        reports.push(report);
    }
    if arguments.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&reports)?)?;
    }
    Ok(if reports.iter().all(|report| report.passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
