//! The counts that were accepted, and what differs from them.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Growth above this fails `--check`, percent.
const TOLERANCE: u64 = 5;
/// Growth below this never fails, instructions: the seeds of hash tables alone make as much.
const NOISE: u64 = 250;

#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Baseline {
    /// Another compiler emits other instructions: counts compare within one version only.
    pub(super) rustc: String,
    /// Instructions per repeat.
    pub(super) stages: BTreeMap<String, u64>,
}

impl Baseline {
    /// No file is an empty baseline, in which every stage is missing.
    pub(super) fn read(path: &Path) -> Result<Baseline, Failure> {
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| Failure::broken(path.display(), e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Baseline::default()),
            Err(e) => Err(Failure::broken(path.display(), e)),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let problem = |e: &dyn std::fmt::Display| Failure::broken(path.display(), e);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| problem(&e))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|e| problem(&e))?;
        std::fs::write(path, text + "\n").map_err(|e| problem(&e))
    }

    pub(super) fn table(&self, measured: &Baseline) -> String {
        let mut text = format!("{:<32} {:>14} {:>14} {:>8}\n", "stage", "baseline", "now", "growth");
        for (name, now) in &measured.stages {
            let before = self.stages.get(name);
            let shown = before.map_or("-".to_owned(), u64::to_string);
            let growth = before.map_or("new".to_owned(), |before| format!("{:+.1}%", growth(*before, *now)));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<32} {shown:>14} {now:>14} {growth:>8}");
        }
        text
    }

    /// What `--check` objects to. `all`: every stage was measured, so none may be missing.
    pub(super) fn problems(&self, measured: &Baseline, all: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.rustc.is_empty() && self.rustc != measured.rustc {
            problems.push(format!(
                "the baseline is of {}, this is {}: save a new one",
                self.rustc, measured.rustc
            ));
        }
        for (name, now) in &measured.stages {
            match self.stages.get(name) {
                None => problems.push(format!("{name}: not in the baseline: save a new one")),
                Some(before) if grew(*before, *now) => {
                    problems.push(format!(
                        "{name}: {before} -> {now} instructions, {:+.1}%",
                        growth(*before, *now)
                    ));
                }
                Some(_) => {}
            }
        }
        for name in self.stages.keys().filter(|name| all && !measured.stages.contains_key(*name)) {
            problems.push(format!("{name}: in the baseline, but no such stage any more"));
        }
        problems
    }
}

fn grew(before: u64, now: u64) -> bool {
    now > before + NOISE && now * 100 > before * (100 + TOLERANCE)
}

/// Percent.
fn growth(before: u64, now: u64) -> f64 {
    (now as f64 / before.max(1) as f64 - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(rustc: &str, stages: &[(&str, u64)]) -> Baseline {
        let stages = stages.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Baseline { rustc: rustc.to_owned(), stages }
    }

    #[test]
    fn only_growth_and_strangers_are_problems() {
        let known = baseline("1", &[("decode", 10_000), ("walk", 100)]);
        for (rustc, stages, all, problems) in [
            ("1", &[("decode", 10_000), ("walk", 100)][..], true, 0),
            ("1", &[("decode", 10_500), ("walk", 350)], true, 0),
            ("1", &[("decode", 10_501), ("walk", 100)], true, 1),
            ("1", &[("decode", 1), ("walk", 351)], true, 1),
            ("1", &[("decode", 10_000)], true, 1),
            ("1", &[("decode", 10_000)], false, 0),
            ("1", &[("decode", 10_000), ("walk", 100), ("sign", 1)], true, 1),
            ("2", &[("decode", 10_000), ("walk", 100)], true, 1),
        ] {
            let found = known.problems(&baseline(rustc, stages), all);
            assert_eq!(found.len(), problems, "{found:?}");
        }
    }

    #[test]
    fn no_baseline_is_a_problem() {
        assert!(!Baseline::default().problems(&baseline("1", &[("decode", 1)]), true).is_empty());
    }
}
