//! What to do, as data.

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) proto: String,
    pub(crate) tool: String,
    /// Not reported: may hold credentials.
    #[serde(skip)]
    pub(crate) headers: Vec<String>,
    pub(crate) pid: Option<u32>,
}

/// What every measured request asks for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Work {
    pub(crate) method: String,
    pub(crate) arg_size: usize,
    pub(crate) result_size: usize,
}

impl Work {
    pub(crate) fn small_call() -> Work {
        Work { method: "tools/call".into(), arg_size: 0, result_size: 100 }
    }

    pub(crate) fn listing() -> Work {
        Work { method: "tools/list".into(), arg_size: 0, result_size: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Closed,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arrivals {
    Poisson,
    Uniform,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunOptions {
    pub(crate) label: String,
    pub(crate) mode: Mode,
    pub(crate) rate: f64,
    pub(crate) arrivals: Arrivals,
    pub(crate) conns: usize,
    pub(crate) duration_s: f64,
    pub(crate) warmup_s: f64,
    pub(crate) rounds: usize,
    #[serde(flatten)]
    pub(crate) work: Work,
    pub(crate) timeout_ms: u64,
    #[serde(skip)]
    pub(crate) targets: Vec<Target>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Each has made one call and then keeps quiet.
    Connections,
    /// Each has an event stream open: `subscriptions/listen`, or `GET` in a session era.
    Streams,
}

#[derive(Debug)]
pub(crate) struct HoldOptions {
    pub(crate) target: Target,
    pub(crate) kind: Kind,
    pub(crate) conns: usize,
    pub(crate) settle_ms: u64,
}

#[derive(Debug)]
pub(crate) struct ColdStartOptions {
    pub(crate) target: Target,
    pub(crate) command: Vec<String>,
    pub(crate) repeat: usize,
    pub(crate) settle_ms: u64,
    /// The core that the command is pinned to.
    pub(crate) cpu: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Command {
    Run(RunOptions),
    Check(Vec<Target>),
    Hold(HoldOptions),
    ColdStart(ColdStartOptions),
}
