//! The kernel's own boundaries around a server, without a daemon and without privilege.
//!
//! ```text
//!  this process ── first process of the sandbox ── server ── whatever the server starts
//!       └─ maps users, sets limits    └─ builds the root, drops capabilities
//! ```
//!
//! The first process is in namespaces of its own for users, processes, mounts, network, queues, names and
//! control groups. When it ends, the kernel ends everything in them.

mod calls;
mod cgroup;
mod denials;
mod error;
mod filter;
mod ids;
mod init;
mod oci;
mod rights;
mod root;
mod seal;
mod sightings;

use std::{
    collections::BTreeSet,
    io,
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use portcullis_core::Exit;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid},
    thread::set_no_new_privs,
};

use self::{
    cgroup::Cgroup,
    filter::Filters,
    ids::Identity,
    init::{Inside, Task},
};
use crate::{
    denied::DeniedCall,
    door,
    plan::{Limits, Plan},
    report::{KILL, Report, TERMINATE},
    seen::Sighting,
    selftest::{Ground, Probed},
    system,
};

pub use self::{
    calls::{CallVerdict, SystemCall, system_calls},
    error::StartError,
    oci::{ATTEMPT, ENTER, attempt, enter},
    seal::DigestOf,
};

/// Longest time a self-test may take, on a machine that has other things to do.
const PROBING: Duration = Duration::from_secs(60);

/// Longest time the first process may take to tell the rest, when everything is to end at once.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(250);

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Those of the first process of a tier that has a runtime: that makes one for users itself, and control groups.
const AROUND_RUNTIME: i32 = NAMESPACES & !(libc::CLONE_NEWUSER | libc::CLONE_NEWCGROUP);

/// A running sandbox. Dropping it ends everything inside.
#[derive(Debug)]
pub struct Contained {
    first: Pid,
    control: OwnedFd,
    cgroup: Cgroup,
    started: Instant,
    limit: Option<Duration>,
    waited: bool,
    /// Where the way out comes from.
    door: Option<UnixStream>,
    way_out: Option<TcpListener>,
}

/// The version of control groups that would limit memory and processor time here; `None` where this process can
/// make none.
pub fn control_groups() -> Option<&'static str> {
    Cgroup::new(&format!("portcullis-{}-trial", getpid()), &Limits::default()).version()
}

/// Calls that are refused by name, with their numbers.
pub(crate) fn refused_calls() -> impl Iterator<Item = (&'static str, i64)> {
    calls::REFUSED.iter().map(|(name, number, _)| (name.strip_prefix("SYS_").unwrap_or(name), *number))
}

/// How a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How the server did.
    pub exit: Exit,
    /// Whether it was made to, because its time was up.
    pub timed_out: bool,
    /// System calls that were refused, each kind once.
    pub denied: Vec<DeniedCall>,
    /// Files that were used, when that was to be learnt.
    pub seen: BTreeSet<Sighting>,
}

impl Contained {
    /// Starts a command inside the boundaries of a plan. Its environment and standard streams are as `command`
    /// says; everything else is as the plan says.
    ///
    /// The calling process must have one thread only.
    ///
    /// # Errors
    /// When a boundary cannot be put up here, or the command cannot be executed. Nothing is running then.
    pub fn start(plan: &Plan, command: Command) -> Result<Self, StartError> {
        Self::start_sealed(plan, command, None)
    }

    /// The same, and [`Contained::wait`] tells what files the command has used.
    ///
    /// # Errors
    /// As [`Contained::start`], except that a command that cannot be executed ends with an unknown status.
    pub fn start_watched(plan: &Plan, command: Command) -> Result<Self, StartError> {
        Self::started(Self::begin(plan, Task::Learn(command))?)
    }

    /// The same for a plan that seals directories, whose digests `digest_of` tells inside of the sandbox.
    ///
    /// # Errors
    /// As [`Contained::start`], and when one of the directories is not what the plan says.
    pub fn start_sealed(
        plan: &Plan,
        command: Command,
        digest_of: Option<DigestOf>,
    ) -> Result<Self, StartError> {
        Self::started(Self::begin(plan, Task::Run(command, digest_of))?)
    }

    fn started(mut contained: Self) -> Result<Self, StartError> {
        contained.expect_start()?;
        let way_out = contained.door.take().map(door::take).transpose();
        contained.way_out = way_out.map_err(|error| StartError::unmet("network", error.to_string()))?;
        Ok(contained)
    }

    /// Makes every attempt of the self-test inside the boundaries of a plan.
    pub(crate) fn probe(plan: &Plan, ground: &Ground) -> Result<Vec<Probed>, StartError> {
        let mut contained = Self::begin(plan, Task::Probe(ground))?;
        contained.limit = Some(PROBING);
        let mut probed = Vec::new();
        while contained.wait_for_report() {
            match contained.next_report() {
                Some(Report::Started(_) | Report::Denied(_) | Report::Seen(_)) => {}
                Some(Report::Probed(one)) => probed.push(one),
                Some(Report::Ended(Exit::Code(0))) => return Ok(probed),
                Some(report) => return Err(StartError::from_report(report)),
                None => break,
            }
        }
        Err(StartError::unmet("self-test", "it has not come to its end".to_owned()))
    }

    fn begin(plan: &Plan, task: Task<'_>) -> Result<Self, StartError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let failed = |error: io::Error| StartError::unmet("namespaces", error.to_string());
        set_no_new_privs(true).map_err(|error| failed(error.into()))?;
        let filters = Filters::new(matches!(task, Task::Learn(_)))?;
        let identity = Identity::for_server().map_err(failed)?;
        let trees = if identity.other { Some(root::open(plan, identity)?) } else { None };
        let trees = match (plan.tier.is_kernel(), trees) {
            (true, trees) => trees,
            (false, Some(mut trees)) => {
                trees.push(oci::own_program(identity)?);
                Some(trees)
            }
            (false, None) => {
                let why = format!("the tier {} is set up by root alone", plan.tier);
                return Err(StartError::unmet("runtime", why));
            }
        };
        if !plan.tier.is_kernel() && matches!(task, Task::Learn(_)) {
            return Err(StartError::unmet(
                "runtime",
                "what a server uses is watched in the kernel tier only".to_owned(),
            ));
        }
        let (control, theirs) = UnixStream::pair().map_err(failed)?;
        let name = format!("portcullis-{}-{}", getpid(), NEXT.fetch_add(1, Ordering::Relaxed));
        let cgroup = Cgroup::new(&name, &plan.tier.around(&plan.limits));
        let way_out = (!plan.egress.is_closed() && !plan.danger_host_network).then(door::pair).transpose();
        let (here, door) = way_out.map_err(failed)?.unzip();
        let inside = Inside { plan, identity, trees, filters, task, control: OwnedFd::from(theirs), door };
        let namespaces = if plan.tier.is_kernel() { NAMESPACES } else { AROUND_RUNTIME };
        let namespaces = if plan.danger_host_network { namespaces & !libc::CLONE_NEWNET } else { namespaces };
        let forked = system::fork_into(namespaces, control.into(), move || {
            if plan.tier.is_kernel() { init::main(inside) } else { oci::main(inside, &name) }
        });
        let (first, control) = forked.map_err(failed)?;
        let limit = plan.limits.seconds.map(Duration::from_secs);
        let started = Instant::now();
        let contained =
            Self { first, control, cgroup, started, limit, waited: false, door: here, way_out: None };
        contained.admit(identity, plan.tier.is_kernel()).map_err(failed)?;
        Ok(contained)
    }

    /// Says who the first process is and what it may use, and lets it go on.
    fn admit(&self, identity: Identity, mapped: bool) -> io::Result<()> {
        if mapped {
            identity.map(self.first)?;
        }
        self.cgroup.add(self.first)?;
        rustix::io::write(&self.control, &[0])?;
        Ok(())
    }

    fn expect_start(&self) -> Result<(), StartError> {
        match self.next_report() {
            Some(Report::Started(_)) => Ok(()),
            Some(report) => Err(StartError::from_report(report)),
            None => Err(StartError::unmet("namespaces", "the first process ended early".to_owned())),
        }
    }

    /// One report; `None` when the first process is gone.
    fn next_report(&self) -> Option<Report> {
        Report::read(&self.control)
    }

    /// The version of control groups that limits memory and processor; `None` where this process may make none,
    /// and the limits of memory and processor are therefore not in force.
    pub fn cgroup(&self) -> Option<&'static str> {
        self.cgroup.version()
    }

    /// The socket at which the command asks to get out, to be served with [`crate::egress::serve`] by the gate of
    /// its plan. `None` when the plan names no host, and when it was taken before.
    pub fn way_out(&mut self) -> Option<TcpListener> {
        self.way_out.take()
    }

    /// The first process, for which the caller waits itself; see [`Contained::report`].
    pub(crate) fn first(&self) -> Pid {
        self.first
    }

    /// Has the first process tell what it has not told yet. It tells nothing after that, and waits to be ended.
    pub(crate) fn ask_rest(&self) {
        let _gone = rustix::io::write(&self.control, &[KILL]);
    }

    /// Asks the command to end.
    pub(crate) fn terminate(&self) {
        let _gone = rustix::io::write(&self.control, &[TERMINATE]);
    }

    /// Where the first process tells what happens.
    pub(crate) fn reports(&self) -> io::Result<OwnedFd> {
        self.control.try_clone()
    }

    /// How the command ended, of which the first process, which has been waited for, said this.
    pub(crate) fn judged_after(mut self, exit: Option<Exit>) -> Option<Exit> {
        self.waited = true;
        self.judged(exit)
    }

    /// An end that no program chooses is one for want of memory when there was one.
    fn judged(&self, exit: Option<Exit>) -> Option<Exit> {
        match exit {
            Some(Exit::Signal(libc::SIGKILL)) | None if self.cgroup.has_run_out() => Some(Exit::OutOfMemory),
            other => other,
        }
    }

    /// Waits until the command and everything it started have ended.
    pub fn wait(mut self) -> Ended {
        let (mut denied, mut seen, mut exit, mut timed_out) = (Vec::new(), BTreeSet::new(), None, false);
        loop {
            let is_there = self.wait_for_report();
            if !is_there && !timed_out {
                timed_out = true;
                self.ask_rest();
                self.limit = Some(self.started.elapsed().saturating_add(LAST_WORDS));
                continue;
            }
            match if is_there { self.next_report() } else { None } {
                Some(Report::Denied(calls)) => DeniedCall::add(&mut denied, calls),
                Some(Report::Seen(sighting)) => {
                    seen.insert(sighting);
                }
                Some(Report::Ended(ended)) => exit = Some(ended),
                _ => break,
            }
            if exit.is_some() {
                break;
            }
        }
        let exit = if timed_out { exit } else { self.judged(exit) };
        Ended { exit: exit.unwrap_or(Exit::Unknown), timed_out, denied, seen }
    }

    /// Whether there is a report before the time is up.
    fn wait_for_report(&self) -> bool {
        loop {
            let left = self.limit.map(|limit| limit.saturating_sub(self.started.elapsed()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let control = self.control.as_fd();
            match poll(&mut [PollFd::new(&control, PollFlags::IN)], left.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) => return false,
                _ => return true,
            }
        }
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        if self.waited {
            return;
        }
        self.ask_rest();
        let _gone = kill_process(self.first, Signal::KILL);
        // Returns when everything inside is gone: the kernel sees to that before it lets its first process go.
        while matches!(waitpid(Some(self.first), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
    }
}
