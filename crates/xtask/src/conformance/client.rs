//! The gateway as the client of the suite's own servers.

use std::{path::Path, thread};

use super::{
    checks::{self, Difference, Run},
    programs::{Programs, suite},
};
use crate::failure::Failure;

const SUITE: &str = "client";

/// The scored scenarios without authorization, at each version that has them.
const SCENARIOS: &[(&str, &[&str])] = &[
    ("2025-11-25", &["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"]),
    (
        "2026-07-28",
        &[
            "tools_call",
            "request-metadata",
            "sep-2322-client-request-state",
            "http-standard-headers",
            "http-custom-headers",
            "http-invalid-tool-headers",
            "json-schema-ref-no-deref",
        ],
    ),
];

pub(super) fn compare(programs: &Programs) -> Result<Vec<Difference>, Failure> {
    let out = programs.results.join(SUITE);
    let alone = programs.client.display().to_string();
    // The suite splits the command at blanks.
    let with = format!("{alone} --gateway {}", programs.gateway.display());
    let mut found = Vec::new();
    for (version, scenarios) in SCENARIOS {
        let (direct, through) = thread::scope(|scope| {
            let direct = scope.spawn(|| run(version, scenarios, &alone, &out.join("direct")));
            let through = run(version, scenarios, &with, &out.join("gateway"));
            (
                direct.join().unwrap_or_else(|_| Err(Failure::Broken("the direct run panicked".into()))),
                through,
            )
        });
        let (direct, through) = (direct?, through?);
        let (alone, with) = (checks::passed(&direct), checks::passed(&through));
        println!("client {version}: {alone} checks pass directly, {with} through the gateway");
        found.extend(checks::compare(&direct, &through));
    }
    Ok(found)
}

fn run(version: &str, scenarios: &[&str], command: &str, out: &Path) -> Result<Run, Failure> {
    let results = out.join(version);
    match std::fs::remove_dir_all(&results) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::broken(results.display(), e));
        }
        _ => {}
    }
    for scenario in scenarios {
        suite(&["--client", command, "--scenario", scenario, "--version", version], out)?;
    }
    checks::read(SUITE, version, &results)
}
