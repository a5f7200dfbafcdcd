//! What a server is: nobody, without rights, within limits.

use std::io;

use rustix::{
    process::{Resource, Uid, geteuid, getrlimit},
    thread::{CapabilitySet, capabilities, no_new_privs, set_thread_res_uid},
};

use super::{Probe, holds, probe};

pub(super) const PROBES: &[Probe] = &[
    probe("have capabilities", |_, _| {
        let sets = capabilities(None)?;
        match sets.effective | sets.permitted | sets.inheritable {
            none if none == CapabilitySet::empty() => holds("none"),
            _ => Ok(()),
        }
    }),
    probe(
        "gain privileges by executing",
        |_, _| {
            if no_new_privs()? { holds("no new privileges") } else { Ok(()) }
        },
    ),
    probe("be root", |_, _| if geteuid().is_root() { Ok(()) } else { holds("it is an ordinary user") }),
    probe("become root", |_, _| Ok(set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?)),
    probe("have more processes than planned", |_, plan| limited(Resource::Nproc, plan.limits.processes)),
    probe("have more files open than planned", |_, plan| limited(Resource::Nofile, plan.limits.open_files)),
    probe("write larger files than planned", |_, plan| limited(Resource::Fsize, plan.limits.file)),
    probe("leave a core file", |_, _| limited(Resource::Core, 0)),
];

fn limited(resource: Resource, planned: u64) -> io::Result<()> {
    let limit = getrlimit(resource);
    let within = |value: Option<u64>| value.is_some_and(|value| value <= planned);
    if within(limit.current) && within(limit.maximum) { holds("within its limit") } else { Ok(()) }
}
