//! Runs the load generator and reads its reports.

use std::process::{Command, Stdio};

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    LOAD_CORE,
    fleet::{FLOOR, Fleet, Running},
    matrix::Case,
    options::Options,
    programs::Programs,
    report::{CaseResult, Figures, median},
};
use crate::{failure::Failure, pin};

#[derive(Deserialize)]
struct LoadReport {
    targets: Vec<LoadTarget>,
}

#[derive(Deserialize)]
struct LoadTarget {
    target: Name,
    median: LoadFigures,
    vs_first: Option<Added>,
    rounds: Vec<LoadFigures>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct LoadFigures {
    rps: f64,
    errors: u64,
    p50_us: f64,
    p99_us: f64,
    cpu_us_per_req: Option<f64>,
    loadgen_cpu_percent: f64,
}

#[derive(Deserialize)]
struct Added {
    added_p50_us: f64,
    added_p99_us: f64,
}

/// One case in one era, all targets taking turns.
pub(super) fn run(fleet: &Fleet, era: &str, case: &Case, options: &Options) -> Result<CaseResult, Failure> {
    let mut command = command(fleet.programs, "run");
    command.args(case.flags);
    command.args(["--rounds", &options.rounds.to_string()]);
    command.args(["--duration", &options.duration_s.to_string()]);
    command.args(["--warmup", &options.warmup_s.to_string()]);
    for target in &fleet.targets {
        command.args(["--target", &spec(target, era)]);
    }
    let report: LoadReport = execute(command)?;
    Ok(summarise(report, case.name, era))
}

pub(super) fn spec(target: &Running, era: &str) -> String {
    format!("name={};url={};proto={era};pid={}", target.name, target.url, target.pid())
}

/// Runs `mcpload` on its core and reads its JSON.
pub(super) fn execute<T: DeserializeOwned>(mut command: Command) -> Result<T, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = pin::spawn_on(LOAD_CORE, &mut command)
        .and_then(|child| child.wait_with_output())
        .map_err(|e| Failure::broken("mcpload", e))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failure::broken("mcpload", said.trim()));
    }
    // Its table is shown by us; what it complains about is not.
    said.lines().filter(|line| line.starts_with("mcpload:")).for_each(|line| eprintln!("{line}"));
    serde_json::from_slice(&output.stdout).map_err(|e| Failure::broken("mcpload's report", e))
}

pub(super) fn command(programs: &Programs, verb: &str) -> Command {
    let mut command = Command::new(&programs.load);
    command.arg(verb);
    command
}

fn summarise(report: LoadReport, case: &str, era: &str) -> CaseResult {
    let floor = report.targets.iter().find(|t| t.target.name == FLOOR);
    let floor: Vec<f64> = floor.map(|t| cpu_of_rounds(&t.rounds)).unwrap_or_default();
    let targets = report.targets.iter().map(|t| figures(t, &floor)).collect();
    CaseResult { case: case.to_owned(), era: era.to_owned(), targets }
}

fn figures(t: &LoadTarget, floor: &[f64]) -> Figures {
    let cpu = cpu_of_rounds(&t.rounds);
    // Round by round, so that a disturbance that lasts a round weighs on both sides.
    let ratios: Vec<f64> = cpu.iter().zip(floor).map(|(own, floor)| own / floor).collect();
    Figures {
        name: t.target.name.clone(),
        rps: t.median.rps,
        errors: t.median.errors,
        p50_us: t.median.p50_us,
        p99_us: t.median.p99_us,
        added_p50_us: t.vs_first.as_ref().map(|added| added.added_p50_us),
        added_p99_us: t.vs_first.as_ref().map(|added| added.added_p99_us),
        cpu_us_per_req: t.median.cpu_us_per_req,
        cpu_vs_floor: median(ratios),
        cpu_us_of_rounds: cpu,
        loadgen_cpu_percent: t.median.loadgen_cpu_percent,
    }
}

fn cpu_of_rounds(rounds: &[LoadFigures]) -> Vec<f64> {
    rounds.iter().filter_map(|round| round.cpu_us_per_req).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn target(name: &str, cpu: [f64; 3]) -> String {
        let round = |cpu: f64| {
            format!(
                r#"{{"rps":1,"errors":0,"p50_us":2,"p99_us":3,"cpu_us_per_req":{cpu},"loadgen_cpu_percent":9}}"#
            )
        };
        let rounds: Vec<String> = cpu.into_iter().map(round).collect();
        format!(
            r#"{{"target":{{"name":"{name}"}},"median":{},"vs_first":null,"rounds":[{}]}}"#,
            round(20.0),
            rounds.join(",")
        )
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let text = format!(
            r#"{{"targets":[{},{}]}}"#,
            target(FLOOR, [10.0, 20.0, 40.0]),
            target("x", [20.0, 40.0, 40.0])
        );
        let result = summarise(serde_json::from_str(&text).unwrap(), "call-100", "2026-07-28");
        let ratios: Vec<_> = result.targets.iter().map(|t| t.cpu_vs_floor).collect();
        assert_eq!(ratios, [Some(1.0), Some(2.0)]);
    }
}
