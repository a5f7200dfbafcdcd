//! The tables a person reads.

use std::fmt::Write;

use super::report::{CaseResult, Report};

/// Writing to a string cannot fail.
macro_rules! line {
    ($text:expr, $($arg:tt)*) => {
        let _ = writeln!($text, $($arg)*);
    };
}

pub(super) fn case(result: &CaseResult) -> String {
    let mut text = String::new();
    line!(
        text,
        "{:<26} {:>8} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8} {:>6} {:>5}",
        format!("{} {}", result.case, result.era),
        "rps",
        "cpu/req",
        "x floor",
        "p50 us",
        "p99 us",
        "+p50",
        "+p99",
        "errors",
        "gen%"
    );
    for t in &result.targets {
        line!(
            text,
            "  {:<24} {:>8.0} {:>9} {:>7} {:>8.0} {:>8.0} {:>8} {:>8} {:>6} {:>5.0}",
            t.name,
            t.rps,
            number(t.cpu_us_per_req, 1),
            number(t.cpu_vs_floor, 2),
            t.p50_us,
            t.p99_us,
            number(t.added_p50_us, 0),
            number(t.added_p99_us, 0),
            t.errors,
            t.loadgen_cpu_percent
        );
    }
    text
}

pub(super) fn cold_start(report: &Report) -> String {
    let mut text = String::new();
    if report.cold_start.is_empty() {
        return text;
    }
    line!(text, "{:<26} {:>22} {:>9} {:>9}", "cold start", "first tools/list, ms", "idle rss", "idle pss");
    for s in &report.cold_start {
        let name = format!("{} {}", s.target, s.era);
        line!(
            text,
            "  {name:<24} {:>22.1} {:>6.1} MB {:>6.1} MB",
            s.first_listing_ms,
            s.idle_rss_mb,
            s.idle_pss_mb
        );
    }
    text
}

pub(super) fn memory(report: &Report) -> String {
    let mut text = String::new();
    if report.memory.is_empty() {
        return text;
    }
    line!(text, "{:<42} {:>10} {:>10} {:>10} {:>8}", "memory", "before", "rss", "pss", "KB each");
    for m in &report.memory {
        let name = format!("{} {}, {} {}", m.target, m.era, m.held, m.kind);
        line!(
            text,
            "  {name:<40} {:>7.1} MB {:>7.1} MB {:>7.1} MB {:>8.1}",
            m.before_rss_mb,
            m.during_rss_mb,
            m.during_pss_mb,
            m.kb_each
        );
    }
    text
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}
