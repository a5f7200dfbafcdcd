//! What came of a self-test.

use portcullis_core::Digest;
use serde::{Deserialize, Serialize};

use crate::{Plan, Tier};

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was stopped.
    Held,
    /// It had its effect on the tier's own kernel, which is no part of the machine.
    Inside,
    /// It had its effect, as an option with `danger` in its name says it may.
    Granted,
    /// It had its effect.
    Open,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probed {
    /// What was attempted, in a few words.
    pub probe: String,
    /// The boundary it is about: `files`, `network`, `processes`, `rights` or `calls`.
    pub boundary: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What the system said, or how it was seen.
    pub said: String,
}

/// What has its effect in gVisor, and why that is none on the machine.
const OF_GVISOR: &[(&str, &str)] = &[
    ("change a control group", "gVisor's own groups can be listed, in which nobody else is"),
    ("make a tunnel", "the device is one of gVisor's own, whose network has nothing but a loopback"),
    (
        "run a library",
        "gVisor has no list of programs: what can be read and lies outside of what can be changed can run",
    ),
    ("listen", "on a loopback of gVisor's own"),
    (
        "send a datagram to a service of this machine",
        "on a loopback of gVisor's own; none has arrived outside",
    ),
];

/// All attempts against one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Digest of the plan.
    pub plan: String,
    /// In the order they were made.
    pub probes: Vec<Probed>,
}

impl Proof {
    pub(super) fn new(plan: &Plan, mut probes: Vec<Probed>) -> Self {
        // Whoever has the machine's network gets out by it; that is what the option says.
        let granted = plan.danger_host_network;
        let open = probes.iter_mut().filter(|it| it.verdict == Verdict::Open && it.boundary == "network");
        open.filter(|_| granted).for_each(|it| it.verdict = Verdict::Granted);
        if matches!(plan.tier, Tier::Gvisor { .. }) {
            for probed in probes.iter_mut().filter(|it| it.verdict == Verdict::Open) {
                if let Some((_, why)) = OF_GVISOR.iter().find(|(probe, _)| probed.probe == *probe) {
                    probed.verdict = Verdict::Inside;
                    probed.said = (*why).to_owned();
                }
            }
        }
        Self { plan: plan.digest().to_string(), probes }
    }

    /// What a server could do that its plan does not say.
    pub fn open(&self) -> impl Iterator<Item = &Probed> {
        self.probes.iter().filter(|it| it.verdict == Verdict::Open)
    }

    /// One number for all of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }

    /// As JSON, on one line.
    pub fn to_text(&self) -> String {
        // Strings only: this cannot fail, and an empty text is no proof.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads [`Proof::to_text`].
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
