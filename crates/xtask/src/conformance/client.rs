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

/// The scored scenarios in which the server wants a token, and who calls has to get one. No client that knows nothing
/// of tokens passes them, so each check that is made has to pass through the gateway.
const AUTHORIZED: &[(&str, &[&str])] = &[
    ("2025-03-26", &["auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"]),
    ("2025-11-25", &AUTH),
    ("2026-07-28", &AUTH),
    (
        "2026-07-28",
        &[
            "auth/resource-mismatch",
            "auth/offline-access-scope",
            "auth/offline-access-not-supported",
            "auth/authorization-server-migration",
            "auth/iss-supported",
            "auth/iss-not-advertised",
            "auth/iss-supported-missing",
            "auth/iss-wrong-issuer",
            "auth/iss-unexpected",
            "auth/iss-normalized",
            "auth/metadata-issuer-mismatch",
        ],
    ),
];

const AUTH: [&str; 14] = [
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/basic-cimd",
    "auth/scope-from-www-authenticate",
    "auth/scope-from-scopes-supported",
    "auth/scope-omitted-when-undefined",
    "auth/scope-step-up",
    "auth/scope-retry-limit",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none",
    "auth/pre-registration",
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
    for (at, (version, scenarios)) in AUTHORIZED.iter().enumerate() {
        let through = run(version, scenarios, &with, &out.join(format!("authorized-{at}")))?;
        println!("client {version}: {} checks of authorization pass", checks::passed(&through));
        found.extend(checks::failed(&through));
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
