//! The measurement itself: rounds of slices, one slice per target and round.

use serde::Serialize;

use crate::{
    figures::{Comparison, Figures},
    options::{RunOptions, Target},
    slice,
};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) options: RunOptions,
    pub(crate) targets: Vec<TargetReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TargetReport {
    pub(crate) target: Target,
    /// Medians over the rounds.
    pub(crate) median: Figures,
    /// Compared with the first target, round by round; medians and extremes over the rounds.
    pub(crate) vs_first: Option<Comparison>,
    pub(crate) rounds: Vec<Figures>,
}

pub(crate) async fn run(options: &RunOptions) -> Result<Report, String> {
    let n = options.targets.len();
    let mut rounds: Vec<Vec<Figures>> = vec![Vec::new(); n];
    for round in 0..options.rounds {
        for k in 0..n {
            // The order rotates, so that no target always follows the same other one.
            let which = (round + k) % n;
            let target = &options.targets[which];
            let figures = slice::run(options, target).await.map_err(|e| format!("{}: {e}", target.name))?;
            rounds[which].push(figures);
        }
    }
    let baseline = rounds[0].clone();
    let targets = options
        .targets
        .iter()
        .zip(rounds)
        .enumerate()
        .map(|(i, (target, rounds))| TargetReport {
            target: target.clone(),
            median: Figures::median(&rounds),
            vs_first: (i > 0).then(|| Comparison::between(&baseline, &rounds)),
            rounds,
        })
        .collect();
    Ok(Report { options: options.clone(), targets })
}
