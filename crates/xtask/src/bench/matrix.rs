//! What is measured: protocol eras times cases.

use super::{limits, options::Options};

/// Sessions, and the first version without them.
pub(super) const ERAS: [&str; 2] = ["2025-11-25", "2026-07-28"];

pub(super) struct Case {
    pub(super) name: &'static str,
    /// For `mcpload run`.
    pub(super) flags: &'static [&'static str],
    /// The most CPU per request the gateway may use, in multiples of `floor-http`.
    pub(super) cpu_limit: Option<f64>,
}

const SATURATED: &str = "32";

pub(super) const CASES: &[Case] = &[
    Case {
        name: "call-100",
        flags: &["--conns", SATURATED, "--result-size", "100"],
        cpu_limit: Some(limits::CPU_SMALL),
    },
    Case {
        name: "call-10k",
        flags: &["--conns", SATURATED, "--result-size", "10240"],
        cpu_limit: Some(limits::CPU_SMALL),
    },
    Case {
        name: "call-1m",
        flags: &["--conns", SATURATED, "--result-size", "1048576"],
        cpu_limit: Some(limits::CPU_LARGE),
    },
    Case { name: "args-10k", flags: &["--conns", SATURATED, "--arg-size", "10240"], cpu_limit: None },
    Case { name: "list-20", flags: &["--conns", SATURATED, "--method", "tools/list"], cpu_limit: None },
    Case {
        name: "paced-500",
        flags: &["--conns", SATURATED, "--mode", "open", "--rate", "500"],
        cpu_limit: None,
    },
    Case {
        name: "paced-2000",
        flags: &["--conns", SATURATED, "--mode", "open", "--rate", "2000"],
        cpu_limit: None,
    },
];

/// Every era with every case that was asked for; the eras of a case follow one another.
pub(super) fn pairs(options: &Options) -> impl Iterator<Item = (&'static str, &'static Case)> {
    CASES
        .iter()
        .filter(|case| options.wants(case.name))
        .flat_map(|case| ERAS.into_iter().map(move |era| (era, case)))
}
