//! The official conformance suite through the gateway: `cargo xtask conformance`.
//!
//! Nothing that the suite finds right without the gateway may be wrong with it. For servers our fixture is called
//! directly and through the gateway, for clients an rmcp client talks to the suite by itself and through the
//! gateway. The two runs are compared check by check; differences need a reason in
//! `testbed/conformance-expected.toml`.

mod checks;
mod client;
mod expected;
mod programs;
mod server;

use checks::Difference;
use expected::Expected;
use programs::Programs;

use crate::{args::Args, failure::Failure};

pub(crate) const ABOUT: &str = "runs the MCP conformance suite with and without the gateway and compares each check\n\
                                --server or --client runs one half; needs scripts/testbed";

pub(crate) fn run(mut args: Args) -> Result<(), Failure> {
    let (server, client) = (args.switch("--server"), args.switch("--client"));
    args.finish()?;
    let both = server == client;
    let expected = Expected::read()?;
    let programs = Programs::build()?;
    let mut found = Vec::new();
    if both || server {
        found.extend(server::compare(&programs)?);
    }
    if both || client {
        found.extend(client::compare(&programs)?);
    }
    let ran = |suite: &str| both || (suite == server::SUITE) == server;
    conclude(&expected.judge(&found, ran))
}

fn conclude(verdict: &expected::Verdict<'_>) -> Result<(), Failure> {
    table("expected, with a reason", verdict.expected.iter().copied());
    table("unexpected", verdict.unexpected.iter().copied());
    for stale in &verdict.stale {
        println!("stale, no longer a difference: {stale}");
    }
    match (verdict.unexpected.len(), verdict.stale.len()) {
        (0, 0) => Ok(()),
        (unexpected, stale) => Err(Failure::Findings(format!(
            "{unexpected} unexpected differences, {stale} stale entries in {}",
            expected::PATH
        ))),
    }
}

fn table<'a>(title: &str, differences: impl ExactSizeIterator<Item = &'a Difference>) {
    if differences.len() == 0 {
        return;
    }
    println!(
        "\n{title}:\n{:<7} {:<11} {:<36} {:<60} {:<8} through the gateway",
        "suite", "version", "scenario", "check", "nth"
    );
    for Difference { key, through, why } in differences {
        let check = format!("{} {}", key.id, key.name);
        println!(
            "{:<7} {:<11} {:<36} {check:<60} {:<8} {through} {why}",
            key.suite, key.version, key.scenario, key.nth
        );
    }
}
