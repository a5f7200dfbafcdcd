//! A plan as Landlock rules: a second boundary of files, and the only one of execution, signals and abstract
//! sockets (landlock(7)).

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::StartError;
use crate::{
    door,
    plan::{DEVICES, Plan, SCRATCH},
};

/// What the rules are written for. An older kernel enforces what it knows of them.
const NEWEST: ABI = ABI::V6;

/// What the rules are worth nothing without.
const OLDEST: ABI = ABI::V1;

/// The rules, not yet in force. To be called where the paths of the plan mean what they will mean to the server.
pub(super) fn ruleset(plan: &Plan) -> Result<RulesetCreated, StartError> {
    build(plan).map_err(|error| StartError::unmet("landlock", error.to_string()))
}

fn build(plan: &Plan) -> Result<RulesetCreated, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if !plan.danger_host_network {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let mut rules = rules.create()?;
    if !plan.danger_host_network && !plan.egress.is_closed() {
        rules = rules.add_rule(NetPort::new(door::PORT, AccessNet::ConnectTcp))?;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let program = AccessFs::ReadFile | AccessFs::Execute;
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let change = AccessFs::from_all(NEWEST)
        & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::IoctlDev);
    let scratch = [Path::new(SCRATCH), Path::new("/dev/shm")];
    let granted = (plan.read.iter().map(|path| (path.as_path(), read)))
        .chain(plan.write.iter().map(|path| (path.as_path(), change)))
        .chain(plan.execute.iter().map(|path| (path.as_path(), program)))
        .chain(scratch.into_iter().map(|path| (path, change)))
        .chain(DEVICES.iter().map(|path| (Path::new(*path), device)))
        .chain([(Path::new("/proc"), read), (Path::new("/etc"), read)]);
    for (path, access) in granted {
        // What the root does not have cannot be reached anyway.
        if let Ok(at) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(at, fitting(path, access)))?;
        }
    }
    Ok(rules)
}

/// Rights that a file can have; a directory can have all.
fn fitting(path: &Path, access: BitFlags<AccessFs>) -> BitFlags<AccessFs> {
    if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) }
}
