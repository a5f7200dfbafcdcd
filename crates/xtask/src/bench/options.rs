//! How long and how much to measure.

use serde::Serialize;

use crate::{args::Args, failure::Failure};

#[derive(Clone, Debug, Serialize)]
pub(super) struct Options {
    pub(super) name: String,
    pub(super) quick: bool,
    pub(super) gate: bool,
    /// Cases whose name contains this; empty: all.
    pub(super) only: String,
    pub(super) rounds: usize,
    /// Seconds per slice: one target, one round.
    pub(super) duration_s: f64,
    pub(super) warmup_s: f64,
    pub(super) cold_starts: usize,
    /// Connections and streams held open for the memory figures.
    pub(super) held: usize,
    /// Milliseconds a process is left alone before its memory is read.
    pub(super) settle_ms: u64,
}

impl Options {
    pub(super) fn parse(mut args: Args) -> Result<Options, Failure> {
        let quick = args.switch("--quick");
        let gate = args.switch("--gate");
        let name: String = args.value("--name")?.unwrap_or_else(|| "latest".to_owned());
        let only: String = args.value("--only")?.unwrap_or_default();
        args.finish()?;
        if gate && !only.is_empty() {
            return Err(Failure::Usage("`--gate` needs every case, and does not go with `--only`".into()));
        }
        if name.is_empty() || name.contains(['/', '\\']) {
            return Err(Failure::Usage(format!("`--name`: `{name}` is not a file name")));
        }
        let (rounds, duration_s, warmup_s, cold_starts) =
            if quick { (1, 1.0, 0.3, 5) } else { (5, 4.0, 1.0, 20) };
        Ok(Options {
            name,
            quick,
            gate,
            only,
            rounds,
            duration_s,
            warmup_s,
            cold_starts,
            held: 1000,
            settle_ms: 500,
        })
    }

    /// Is this case asked for?
    pub(super) fn wants(&self, case: &str) -> bool {
        case.contains(&self.only)
    }
}
