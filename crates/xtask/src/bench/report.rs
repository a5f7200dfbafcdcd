//! What was measured, as it is written to `target/bench/NAME.json`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde::Serialize;

use super::options::Options;
use crate::{failure::Failure, workspace};

#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) options: Option<Options>,
    pub(super) cases: Vec<CaseResult>,
    pub(super) cold_start: Vec<ColdStart>,
    pub(super) memory: Vec<Memory>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    /// With `-dirty` when the working tree differs from it.
    commit: String,
    /// One-minute load average before the first measurement: above 0.5 or so, others were at work.
    load_before: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct CaseResult {
    pub(super) case: String,
    pub(super) era: String,
    pub(super) targets: Vec<Figures>,
}

/// Medians over the rounds; errors are summed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) name: String,
    pub(super) rps: f64,
    pub(super) errors: u64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Over the direct path.
    pub(super) added_p50_us: Option<f64>,
    pub(super) added_p99_us: Option<f64>,
    /// Of the process tree.
    pub(super) cpu_us_per_req: Option<f64>,
    /// In multiples of `floor-http`.
    pub(super) cpu_vs_floor: Option<f64>,
    pub(super) cpu_us_of_rounds: Vec<f64>,
    /// Near 100, the load generator is itself the bottleneck.
    pub(super) loadgen_cpu_percent: f64,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct ColdStart {
    pub(super) target: String,
    pub(super) era: String,
    /// From exec, median.
    pub(super) first_listing_ms: f64,
    pub(super) first_listing_all_ms: Vec<f64>,
    pub(super) idle_rss_mb: f64,
    pub(super) idle_pss_mb: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) target: String,
    pub(super) era: String,
    /// `connections` or `streams`.
    pub(super) kind: String,
    pub(super) held: usize,
    pub(super) before_rss_mb: f64,
    pub(super) during_rss_mb: f64,
    pub(super) during_pss_mb: f64,
    /// Growth of the resident set per connection or stream.
    pub(super) kb_each: f64,
}

impl Report {
    pub(super) fn new(machine: Machine, options: &Options) -> Report {
        Report { machine, options: Some(options.clone()), ..Report::default() }
    }

    pub(super) fn write(&self, directory: &Path, name: &str) -> Result<PathBuf, Failure> {
        let path = directory.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(self).map_err(|e| Failure::broken(path.display(), e))?;
        std::fs::write(&path, text + "\n").map_err(|e| Failure::broken(path.display(), e))?;
        Ok(path)
    }
}

impl Machine {
    pub(super) fn here() -> Result<Machine, Failure> {
        let mut git = Command::new("git");
        git.current_dir(workspace::root()).args(["describe", "--always", "--dirty", "--exclude=*"]);
        let cores = std::thread::available_parallelism().map_err(|e| Failure::broken("cores", e))?;
        let machine = Machine {
            cpu: proc_line("/proc/cpuinfo", |line| {
                line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name)
            }),
            cores: cores.get(),
            kernel: proc_line("/proc/sys/kernel/osrelease", |line| (!line.is_empty()).then_some(line)),
            commit: workspace::output(&mut git)?.trim().to_owned(),
            load_before: proc_line("/proc/loadavg", |line| line.split(' ').next())
                .parse()
                .unwrap_or_default(),
        };
        if machine.load_before > 0.5 {
            eprintln!("the machine is busy (load {}): trust ratios, not times", machine.load_before);
        }
        Ok(machine)
    }
}

/// The first line of a file that `pick` finds something in, or nothing.
fn proc_line(path: &str, pick: fn(&str) -> Option<&str>) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().find_map(pick).unwrap_or_default().to_owned()
}

/// `None` of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(values.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in [
            (vec![], None),
            (vec![2.0], Some(2.0)),
            (vec![3.0, 1.0], Some(2.0)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
        ] {
            assert_eq!(median(values), expected);
        }
    }
}
