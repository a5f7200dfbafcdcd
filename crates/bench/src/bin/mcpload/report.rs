//! The report: JSON on standard output, a table for reading on standard error.

use serde::Serialize;

use crate::run::Report;

pub(crate) fn json(report: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(report).map_err(|e| e.to_string())?;
    println!("{text}");
    Ok(())
}

pub(crate) fn table(report: &Report) {
    let opt = |v: Option<f64>, digits: usize| v.map_or("-".into(), |v| format!("{v:.digits$}"));
    eprintln!(
        "{:<22} {:>9} {:>7} {:>9} {:>9} {:>9} {:>9} {:>6} {:>8} {:>5} {:>7} {:>5}",
        "target",
        "rps",
        "ratio",
        "p50us",
        "p90us",
        "p99us",
        "p99.9us",
        "err",
        "cpu/req",
        "cpu%",
        "rssMB",
        "gen%"
    );
    for t in &report.targets {
        let m = &t.median;
        eprintln!(
            "{:<22} {:>9.0} {:>7} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>6} {:>8} {:>5} {:>7} {:>5.0}",
            t.target.name,
            m.rps,
            opt(t.vs_first.as_ref().map(|c| c.rps_ratio), 3),
            m.p50_us,
            m.p90_us,
            m.p99_us,
            m.p999_us,
            m.errors,
            opt(m.cpu_us_per_req, 1),
            opt(m.cpu_percent, 0),
            opt(m.rss_mb, 1),
            m.loadgen_cpu_percent,
        );
    }
}
