//! The limits that `--gate` holds the gateway to.

use super::{gateway::Variant, matrix::CASES, report::Report};
use crate::failure::Failure;

/// What of the gateway is held to limits: CPU without the detectors, whose cost is one of bytes and of what is in
/// them, and is shown beside; everything else with them.
const CPU_OF: &str = Variant::Spine.name();
const ALL_ELSE_OF: [&str; 2] = [Variant::Spine.name(), Variant::Content.name()];

/// CPU per request in multiples of `floor-http`: results of 100 B and 10 KB.
pub(super) const CPU_SMALL: f64 = 2.2;
/// The same, for results of 1 MB.
pub(super) const CPU_LARGE: f64 = 3.5;
/// Milliseconds from exec to the first answer to `tools/list`, median.
const FIRST_LISTING_MS: f64 = 15.0;
/// Idle memory in MB: resident set of the process tree, shared pages counted in full. It is never
/// below the proportional set, so the stricter of the two.
const IDLE_RSS_MB: f64 = 25.0;

pub(super) fn check(report: &Report) -> Result<(), Failure> {
    let problems = problems(report);
    if problems.is_empty() {
        println!("all limits kept");
        return Ok(());
    }
    Err(Failure::Findings(problems.join("\n")))
}

fn problems(report: &Report) -> Vec<String> {
    let (mut problems, mut judged) = (Vec::new(), 0);
    let mut judge = |what: String, value: Option<f64>, limit: f64| {
        judged += 1;
        match value {
            Some(value) if value <= limit => {}
            Some(value) => problems.push(format!("{what}: {value:.2}, the limit is {limit}")),
            None => problems.push(format!("{what}: not measured")),
        }
    };
    for case in &report.cases {
        let what = format!("{} {}", case.case, case.era);
        for figures in case.targets.iter().filter(|t| ALL_ELSE_OF.contains(&t.name.as_str())) {
            judge(format!("{what} {}: errors", figures.name), Some(figures.errors as f64), 0.0);
        }
        let limit = CASES.iter().find(|c| c.name == case.case).and_then(|c| c.cpu_limit);
        if let (Some(limit), Some(figures)) = (limit, case.targets.iter().find(|t| t.name == CPU_OF)) {
            judge(format!("{what}: CPU per request / floor-http"), figures.cpu_vs_floor, limit);
        }
    }
    for start in report.cold_start.iter().filter(|start| ALL_ELSE_OF.contains(&start.target.as_str())) {
        let what = format!("{} {}", start.target, start.era);
        judge(format!("first tools/list {what}, ms"), Some(start.first_listing_ms), FIRST_LISTING_MS);
        judge(format!("idle memory {what}, MB resident"), Some(start.idle_rss_mb), IDLE_RSS_MB);
    }
    if judged == 0 {
        problems.push("the gateway was not measured: nothing to hold to the limits".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::{CaseResult, ColdStart, Figures};

    fn report(target: &str, cpu: Option<f64>, errors: u64, first_ms: f64, idle_mb: f64) -> Report {
        let figures = Figures { name: target.into(), cpu_vs_floor: cpu, errors, ..Figures::default() };
        let case = CaseResult { case: "call-100".into(), era: "2026-07-28".into(), targets: vec![figures] };
        let start = ColdStart {
            target: target.into(),
            era: "2026-07-28".into(),
            first_listing_ms: first_ms,
            idle_rss_mb: idle_mb,
            ..ColdStart::default()
        };
        Report { cases: vec![case], cold_start: vec![start], ..Report::default() }
    }

    #[test]
    fn each_limit_is_held() {
        for (cpu, errors, first_ms, idle_mb, expected) in [
            (Some(2.2), 0, 15.0, 25.0, 0),
            (Some(2.3), 0, 15.0, 25.0, 1),
            (None, 0, 15.0, 25.0, 1),
            (Some(f64::NAN), 0, 15.0, 25.0, 1),
            (Some(1.0), 1, 15.0, 25.0, 1),
            (Some(1.0), 0, 15.1, 25.0, 1),
            (Some(1.0), 0, 1.0, 25.1, 1),
        ] {
            let found = problems(&report(CPU_OF, cpu, errors, first_ms, idle_mb));
            assert_eq!(found.len(), expected, "{found:?}");
        }
    }

    #[test]
    fn no_gateway_is_a_problem() {
        assert_eq!(problems(&report("direct", Some(1.0), 0, 1.0, 1.0)).len(), 1);
    }
}
