//! Memory while many connections or event streams are open. Each figure is of a fresh process:
//! what an allocator once had, it rarely gives back.

use serde::Deserialize;

use super::{fleet::Fleet, load, options::Options, report::Memory};
use crate::failure::Failure;

const KINDS: [&str; 2] = ["connections", "streams"];

#[derive(Deserialize)]
struct LoadReport {
    held: usize,
    before: Size,
    during: Size,
    kb_each: f64,
}

#[derive(Deserialize)]
struct Size {
    rss_mb: f64,
    pss_mb: f64,
}

pub(super) fn run(
    fleet: &Fleet,
    era: &str,
    options: &Options,
    results: &mut Vec<Memory>,
) -> Result<(), Failure> {
    for proxy in Fleet::measured_alone() {
        for kind in KINDS {
            let running = fleet.start_proxy(proxy)?;
            let mut command = load::command(fleet.programs, "hold");
            command.args(["--kind", kind, "--conns", &options.held.to_string()]);
            command.args(["--settle-ms", &options.settle_ms.to_string()]);
            command.args(["--target", &load::spec(&running, era)]);
            let report: LoadReport = load::execute(command)?;
            results.push(Memory {
                target: proxy.name().to_owned(),
                era: era.to_owned(),
                kind: kind.to_owned(),
                held: report.held,
                before_rss_mb: report.before.rss_mb,
                during_rss_mb: report.during.rss_mb,
                during_pss_mb: report.during.pss_mb,
                kb_each: report.kb_each,
            });
        }
    }
    Ok(())
}
