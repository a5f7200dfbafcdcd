//! The gateway in front of a server.

use std::{path::Path, thread};

use super::{
    checks::{self, Difference, Run},
    programs::{Programs, Running, suite},
};
use crate::failure::Failure;

pub(super) const SUITE: &str = "server";

/// The requirement sets of the suite that are frozen.
const VERSIONS: &[&str] = &["2025-11-25", "2026-07-28"];

pub(super) fn compare(programs: &Programs) -> Result<Vec<Difference>, Failure> {
    let out = programs.results.join(SUITE);
    // A fixture each: the suite changes what a server offers, and its clients hear of it.
    let (direct, behind) = (Running::fixture(programs)?, Running::fixture(programs)?);
    let gateway = Running::gateway(programs, &out.join("home"), &behind.url)?;
    let mut found = Vec::new();
    for version in VERSIONS {
        let run = |url: &str, name: &str| run(version, url, &out.join(name));
        let (direct, through) = thread::scope(|scope| {
            let direct = scope.spawn(|| run(&direct.url, "direct"));
            let through = run(&gateway.url, "gateway");
            (
                direct.join().unwrap_or_else(|_| Err(Failure::Broken("the direct run panicked".into()))),
                through,
            )
        });
        let (direct, through) = (direct?, through?);
        let (alone, with) = (checks::passed(&direct), checks::passed(&through));
        println!("server {version}: {alone} checks pass directly, {with} through the gateway");
        found.extend(checks::compare(&direct, &through));
    }
    Ok(found)
}

fn run(version: &str, url: &str, out: &Path) -> Result<Run, Failure> {
    suite(&["--url", url, "--requirements", version], out)?;
    checks::read(SUITE, version, &out.join(version))
}
