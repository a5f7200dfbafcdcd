//! From exec to the first answer to `tools/list`, and memory when nothing happens.

use serde::Deserialize;

use super::{PROXY_CORE, fleet::Fleet, load, options::Options, report::ColdStart};
use crate::failure::Failure;

#[derive(Deserialize)]
struct LoadReport {
    first_tools_list_ms: Series,
    idle_rss_mb: Series,
    idle_pss_mb: Series,
}

#[derive(Deserialize)]
struct Series {
    median: f64,
    all: Vec<f64>,
}

pub(super) fn run(fleet: &Fleet, era: &str, options: &Options) -> Result<Vec<ColdStart>, Failure> {
    let mut results = Vec::new();
    for proxy in Fleet::measured_alone() {
        let prepared = fleet.prepare(proxy)?;
        let mut command = load::command(fleet.programs, "coldstart");
        command.args(["--repeat", &options.cold_starts.to_string()]);
        command.args(["--settle-ms", &options.settle_ms.to_string()]);
        command.args(["--cpu", &PROXY_CORE.to_string()]);
        command.args(["--target", &format!("name={};url={};proto={era}", proxy.name(), prepared.url)]);
        command.arg("--").arg(prepared.command.get_program()).args(prepared.command.get_args());
        let report: LoadReport = load::execute(command)?;
        results.push(ColdStart {
            target: proxy.name().to_owned(),
            era: era.to_owned(),
            first_listing_ms: report.first_tools_list_ms.median,
            first_listing_all_ms: report.first_tools_list_ms.all,
            idle_rss_mb: report.idle_rss_mb.median,
            idle_pss_mb: report.idle_pss_mb.median,
        });
    }
    Ok(results)
}
