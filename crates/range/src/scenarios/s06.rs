//! S-06: servers that nobody knows of.

mod planted;

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde_json::Value;
use tokio::{process::Command, time::timeout};

use super::Scenario;
use crate::{
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};
use planted::Planted;

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-06",
    title: "shadow MCP servers",
    claim: "discovery names every planted server, on HTTP, on HTTP+SSE, on a Unix socket, as a child process and in a \
            client's settings, with process, digest, owner and remedy; known ones are not reported; what is asked sees \
            one question that changes nothing",
    run: |place, report| run(place, report).boxed(),
};

/// How long discovery may take on a machine that does nothing else; this one does much else.
const AIM: f64 = 5.0;
const DEADLINE: Duration = Duration::from_secs(60);

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let mut planted = Planted::all(place).await?;
    let began = Instant::now();
    let (status, found) = discover(place, &planted).await?;
    report.measure("discovery with 300 more processes (aim: 5 s)", began.elapsed().as_secs_f64(), "s");
    report.measure("that aim", AIM, "s");
    report.state("exit status", Some(1), status);
    let sightings = found.get("sightings").and_then(Value::as_array).cloned().unwrap_or_default();
    for (name, is_it) in planted.shadows() {
        let seen = sightings.iter().find(|sighting| is_it(sighting));
        let passed =
            seen.is_some_and(|sighting| text(sighting, "state") == "shadow" && is_complete(sighting));
        report.check(Kind::Attack, name, "reported as shadow, in full", shown(seen), passed);
    }
    for (name, is_it) in planted.known() {
        let seen: Vec<&Value> = sightings.iter().filter(|sighting| is_it(sighting)).collect();
        let passed = !seen.is_empty() && seen.iter().all(|sighting| text(sighting, "state") == "registered");
        report.check(Kind::Twin, name, "seen and known", shown(seen.first().copied()), passed);
    }
    report.state("what a server that was asked saw", vec!["server/discover".to_owned()], planted.asked()?);
    let answer = planted.still_answers().await?;
    report.check(
        Kind::Twin,
        "the child process answers as before",
        "a list of tools",
        answer.clone(),
        answer.contains("echo"),
    );
    report.not_covered(
        "a server on TLS, or one that answers on another path than /mcp, /sse and /",
        "a way to ask it safely",
    );
    report.not_covered("an agent in the sandbox that reaches for a spare port", "a scenario of its own");
    report.not_covered("a retired server that is started again", "retirement");
    Ok(())
}

async fn discover(place: &Place, planted: &Planted) -> Result<(Option<i32>, Value), Trouble> {
    let mut command = Command::new(place.program());
    command.args(["discover", "--json", "--config"]).arg(planted.config());
    command.env("HOME", planted.home()).current_dir(planted.home()).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.map_err(Trouble::other)?;
    let output = output.map_err(Trouble::io("running discovery"))?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = serde_json::from_slice(&output.stdout)
        .map_err(|error| Trouble::other(format!("{error}: {errors}")))?;
    Ok((output.status.code(), found))
}

fn text<'v>(sighting: &'v Value, member: &str) -> &'v str {
    sighting.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Whether whoever reads it can act.
fn is_complete(sighting: &Value) -> bool {
    let said = |member: &str| !text(sighting, member).is_empty();
    let process = sighting.get("pid").is_some_and(Value::is_u64)
        && said("executable")
        && text(sighting, "digest").len() == 71;
    said("remedy") && said("owner") && (process || said("file"))
}

fn shown(sighting: Option<&Value>) -> String {
    sighting.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
