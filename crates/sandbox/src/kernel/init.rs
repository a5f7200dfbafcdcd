//! The first process of a sandbox: it builds the inside, starts the server, and when it ends everything ends.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::Command,
};

use landlock::RulesetCreated;
use rustix::{
    process::{
        DumpableBehavior, Pid, Resource, Rlimit, Signal, set_dumpable_behavior,
        set_parent_process_death_signal, setrlimit, setsid,
    },
    system::sethostname,
    thread::{
        CapabilitySet, CapabilitySets, capability_is_in_bounding_set, remove_capability_from_bounding_set,
        set_capabilities,
    },
};

use super::{
    StartError,
    denials::Denials,
    filter::Filters,
    ids::Identity,
    rights, root,
    seal::{self, DigestOf},
};
use crate::{
    door::{self, PROXY_ENV},
    plan::{Limits, OWN_ENV, Plan},
    report::Report,
    selftest::{Ground, run_all},
    supervise::{self, Server},
    system,
};

/// What is done inside.
pub(super) enum Task<'a> {
    /// A program is executed, if what is sealed is as it was.
    Run(Command, Option<DigestOf>),
    /// A program is executed and watched.
    Learn(Command),
    /// Attempts are made to get out.
    Probe(&'a Ground),
}

/// What the inside is built from. All of it was made outside, where failing is simple.
pub(super) struct Inside<'a> {
    pub(super) plan: &'a Plan,
    pub(super) identity: Identity,
    pub(super) trees: Option<Vec<root::Tree>>,
    pub(super) filters: Filters,
    pub(super) task: Task<'a>,
    /// To the process outside.
    pub(super) control: OwnedFd,
    /// Where the way out is handed over, if there is to be one.
    pub(super) door: Option<OwnedFd>,
}

/// The exit status is of no interest: what happened is told on the control socket.
pub(super) fn main(inside: Inside<'_>) -> u8 {
    let Inside { plan, identity, trees, filters, task, control, door } = inside;
    let prepared = prepare(plan, identity, trees, &control, door);
    let watching = matches!(task, Task::Learn(_));
    let started = prepared.and_then(|()| match task {
        Task::Run(command, digest_of) => {
            seal::check(plan, digest_of).and_then(|()| start(plan, filters, command))
        }
        Task::Learn(command) => start_watched(plan, filters, command, &control),
        Task::Probe(ground) => probe(plan, filters, ground, &control),
    });
    match started {
        Ok((server, listener)) => {
            system::keep_only(&[control.as_fd(), listener.as_fd()]);
            let denials = Denials::heard_at(listener);
            let mut denials = if watching { denials.watching() } else { denials };
            let ended = supervise::watch(control.as_fd(), &Server::Plain(server), &mut denials);
            denials.finish(control.as_fd());
            match ended {
                Ok(None) => await_end(&control),
                ended => {
                    let ended = Report::Ended(supervise::exit_of(ended.ok().flatten()));
                    supervise::tell(control.as_fd(), &ended);
                }
            }
        }
        Err(error) => supervise::tell(control.as_fd(), &error.to_report()),
    }
    0
}

/// Says that nothing more is to be told, and waits to be ended, or for nobody to be there who would do it.
fn await_end(control: &OwnedFd) {
    let _nobody = rustix::net::shutdown(control, rustix::net::Shutdown::Write);
    while matches!(rustix::io::read(control, &mut [0]), Ok(1) | Err(rustix::io::Errno::INTR)) {}
}

fn prepare(
    plan: &Plan,
    identity: Identity,
    trees: Option<Vec<root::Tree>>,
    control: &OwnedFd,
    door: Option<OwnedFd>,
) -> Result<(), StartError> {
    let failed = |error: io::Error| StartError::unmet("namespaces", error.to_string());
    until_admitted(control)?;
    identity.assume().map_err(failed)?;
    // A change of user clears it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(error.into()))?;
    root::enter(plan, identity, trees)?;
    if let Some(there) = door {
        door::open(there).map_err(|error| StartError::unmet("network", error.to_string()))?;
    }
    sethostname(b"sandbox").map_err(|error| failed(error.into()))?;
    drop_capabilities().map_err(|error| StartError::unmet("capabilities", error.to_string()))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| failed(error.into()))
}

/// Until the process outside has said who we are and what we may use, nothing can be done.
pub(super) fn until_admitted(control: &OwnedFd) -> Result<(), StartError> {
    let failed = |error: io::Error| StartError::unmet("namespaces", error.to_string());
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(error.into()))?;
    match rustix::io::read(control, &mut [0]) {
        Ok(1) => Ok(()),
        _ => Err(failed(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// From here on not even this process could change the inside.
fn drop_capabilities() -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}

fn start(plan: &Plan, filters: Filters, mut command: Command) -> Result<(Pid, OwnedFd), StartError> {
    let here = set_up(plan, filters, &mut command)?;
    let child = command.spawn().map_err(StartError::Program)?;
    // With it goes our copy of the other end, without which nobody could be waited for.
    drop(command);
    let pid = Pid::from_raw(child.id().cast_signed());
    let pid = pid.ok_or(StartError::Program(io::ErrorKind::InvalidData.into()))?;
    Ok((pid, listener(here)?))
}

/// Executing it waits for this process already, so nobody here can wait until it is executed.
fn start_watched(
    plan: &Plan,
    filters: Filters,
    mut command: Command,
    control: &OwnedFd,
) -> Result<(Pid, OwnedFd), StartError> {
    use std::os::unix::process::CommandExt as _;
    let here = set_up(plan, filters, &mut command)?;
    let forked = system::fork_into(0, here.into(), move || {
        let error = StartError::Program(command.exec());
        supervise::tell(control.as_fd(), &error.to_report());
        127
    });
    let (pid, here) = forked.map_err(StartError::Program)?;
    Ok((pid, listener(here.into())?))
}

/// Has the boundaries put around the command's process before it is executed; where its listener arrives.
fn set_up(plan: &Plan, filters: Filters, command: &mut Command) -> Result<UnixStream, StartError> {
    let (here, there) = door::pair().map_err(|error| StartError::unmet("seccomp", error.to_string()))?;
    let limits = plan.limits.clone();
    let mut within = Some(Within { rules: rights::ruleset(plan)?, limits, filters, listener: there });
    command.current_dir(&plan.cwd);
    if !plan.egress.is_closed() {
        // Whatever was configured: no other proxy can be reached.
        command.envs(PROXY_ENV.iter().copied());
    }
    for (name, value) in OWN_ENV {
        if !command.get_envs().any(|(set, _)| set == *name) {
            command.env(name, value);
        }
    }
    system::before_exec(command, move || within.take().ok_or(io::ErrorKind::InvalidInput)?.enter());
    Ok(here)
}

fn listener(here: UnixStream) -> Result<OwnedFd, StartError> {
    door::wait_for(here)
        .map_err(|error| StartError::unmet("seccomp", format!("nobody would hear of calls: {error}")))
}

/// The boundaries a process of the sandbox puts around itself last.
struct Within {
    rules: RulesetCreated,
    limits: Limits,
    filters: Filters,
    /// To where the first process listens for refused calls.
    listener: OwnedFd,
}

impl Within {
    fn enter(self) -> io::Result<()> {
        // A session of its own: no terminal.
        setsid()?;
        limit(&self.limits)?;
        system::close_inherited_on_exec()?;
        self.rules.restrict_self().map_err(io::Error::other)?;
        // What follows, in this process and the next, makes no call that would have to wait.
        door::hand_over(&self.listener, self.filters.apply()?)
    }
}

/// Starts a copy of this process where a server would be, which makes the attempts and tells what came of each.
fn probe(
    plan: &Plan,
    filters: Filters,
    ground: &Ground,
    control: &OwnedFd,
) -> Result<(Pid, OwnedFd), StartError> {
    let failed = |error: io::Error| StartError::unmet("self-test", error.to_string());
    let (here, there) = door::pair().map_err(failed)?;
    let within =
        Within { rules: rights::ruleset(plan)?, limits: plan.limits.clone(), filters, listener: there };
    let forked = system::fork_into(0, here.into(), move || {
        if let Err(error) = within.enter() {
            supervise::tell(control.as_fd(), &StartError::unmet("self-test", error.to_string()).to_report());
            return 1;
        }
        system::keep_only(&[control.as_fd()]);
        for probed in run_all(&ground.targets, plan) {
            supervise::tell(control.as_fd(), &Report::Probed(probed));
        }
        0
    });
    let (pid, here) = forked.map_err(failed)?;
    Ok((pid, listener(here.into())?))
}

pub(super) fn limit(limits: &Limits) -> io::Result<()> {
    for (resource, value) in [
        (Resource::Core, 0),
        (Resource::Fsize, limits.file),
        (Resource::Nofile, limits.open_files),
        (Resource::Nproc, limits.processes),
        (Resource::Memlock, 64 << 10),
    ] {
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    }
    Ok(())
}
