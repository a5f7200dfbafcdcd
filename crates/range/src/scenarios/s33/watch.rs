//! What an attack must leave as it was.

use portcullis_testkit::gateway::Gateway;

use crate::{
    ground::SOON,
    process::{descriptors, descriptors_at_most, resident},
    report::{Kind, Report},
    trouble::Trouble,
};

/// The most memory the gateway may ever take, in MiB: a build for debugging takes about 60 at rest.
pub(super) const CAP: f64 = 256.0;
/// Descriptors that come and go: the connections to a server that are kept for its next requests. Every attack
/// takes far more.
const SLACK: usize = 32;

/// How much the gateway held before an attack.
pub(super) struct Watch {
    pid: i32,
    descriptors: usize,
}

impl Watch {
    pub(super) fn begin(gateway: &Gateway) -> Result<Self, Trouble> {
        let pid = gateway.pid();
        Ok(Self { pid, descriptors: descriptors(pid)? })
    }

    /// Notes memory and descriptors after the attack `name`.
    pub(super) async fn end(self, report: &mut Report, name: &str) -> Result<(), Trouble> {
        let left = descriptors_at_most(self.pid, self.descriptors + SLACK, SOON).await?;
        let (now, peak) = resident(self.pid)?;
        report.at_most(format!("peak resident memory, {name}"), peak, CAP, "MiB");
        report.measure(format!("resident memory afterwards, {name}"), now, "MiB");
        let given_back = left <= self.descriptors + SLACK;
        let seen = format!("{} before, {left} after", self.descriptors);
        report.check(Kind::State, format!("descriptors, {name}"), "given back", seen, given_back);
        Ok(())
    }
}
