//! The attempts, as tables. Each is made inside; `Ok` means that it had its effect.

mod calls;
mod files;
mod network;
mod processes;
mod rights;

use std::io;

use super::{Probed, Targets, Verdict};
use crate::Plan;

/// One attempt.
struct Probe {
    /// In a few words.
    name: &'static str,
    attempt: Attempt,
}

type Attempt = fn(&Targets, &Plan) -> io::Result<()>;

/// In the order they are made: one that could end or change this process, had it its effect, comes late.
const BOUNDARIES: &[(&str, &[Probe])] = &[
    ("files", files::PROBES),
    ("network", network::PROBES),
    ("processes", processes::PROBES),
    ("rights", rights::PROBES),
];

const fn probe(name: &'static str, attempt: Attempt) -> Probe {
    Probe { name, attempt }
}

/// Makes every attempt.
pub(crate) fn run_all(ground: &Targets, plan: &Plan) -> impl Iterator<Item = Probed> {
    let made = BOUNDARIES.iter().flat_map(move |(boundary, probes)| {
        probes.iter().map(move |probe| judged(boundary, probe.name.to_owned(), (probe.attempt)(ground, plan)))
    });
    made.chain(calls::all().map(|(name, attempt)| judged("calls", name, attempt)))
}

fn judged(boundary: &str, probe: String, attempt: io::Result<()>) -> Probed {
    let (verdict, said) = match attempt {
        Ok(()) => (Verdict::Open, "it had its effect".to_owned()),
        Err(error) => (Verdict::Held, error.to_string()),
    };
    Probed { probe, boundary: boundary.to_owned(), verdict, said }
}

/// Something that is as it should be, for attempts that look instead of trying.
fn holds(said: &str) -> io::Result<()> {
    Err(io::Error::other(said.to_owned()))
}
