//! The supervisor: a process with one thread between the gateway and a server.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use portcullis_core::Exit;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpgrp, getpid, kill_process_group, pidfd_open,
        set_child_subreaper, setsid, wait,
    },
    thread::set_no_new_privs,
};

use crate::{
    Contained, DigestOf, Plan, StartError, door,
    kernel::LAST_WORDS,
    order::{self, Order, Stdio},
    process_table,
    relay::Relay,
    report::{KILL, Report, TERMINATE},
    system,
};

/// The first argument by which the program knows that it is to be a supervisor.
pub const SUBCOMMAND: &str = "__supervise";

/// How often processes that a running server has abandoned are waited for.
const REAP_EVERY: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// Runs the supervisor on the control socket that is its standard input, and returns the server's own
/// exit status once the server and everything it started are gone.
///
/// The program calls this before anything else when its first argument is [`SUBCOMMAND`]: no thread may
/// have been started. `digest_of` tells what those directories hold that a plan seals; without it, a server with such
/// a plan is not started.
pub fn main(digest_of: Option<DigestOf>) -> ExitCode {
    let stdin = io::stdin();
    let control = stdin.as_fd();
    match supervise(control, digest_of) {
        Ok(exit) => {
            tell(control, &Report::Ended(exit));
            exit_code(exit)
        }
        Err(error) => {
            tell(control, &error.to_report());
            ExitCode::from(126)
        }
    }
}

fn supervise(control: BorrowedFd<'_>, digest_of: Option<DigestOf>) -> Result<Exit, StartError> {
    let failed = |error: io::Error| StartError::unmet("supervision", error.to_string());
    system::close_inherited_on_exec().map_err(failed)?;
    // A session of its own: the terminal's signals do not reach the server, and the gateway can tell
    // processes that come from here from its other children.
    setsid().map_err(|error| failed(error.into()))?;
    set_child_subreaper(Some(getpid())).map_err(|error| failed(error.into()))?;
    set_no_new_privs(true).map_err(|error| failed(error.into()))?;
    let (order, stdio) = order::receive(control).map_err(failed)?;
    let server = start(order, stdio, digest_of)?;
    let mut relay = match &server {
        Server::Contained(contained) => Relay::of(contained.reports().map_err(failed)?),
        Server::Plain(_) => Relay::of_nobody(),
    };
    let watched = watch(control, &server, &mut relay);
    if let (Server::Contained(contained), Ok(None)) = (&server, &watched) {
        contained.ask_rest();
        relay.drain(control, LAST_WORDS);
    }
    let exit = end_all(server.pid(), watched.as_ref().ok().copied().flatten());
    let ended = relay.finish(control);
    let told = match server {
        Server::Contained(contained) => contained.judged_after(ended),
        Server::Plain(_) => None,
    };
    watched.map_err(|error| StartError::unmet("supervision", error.to_string()))?;
    Ok(told.unwrap_or(exit))
}

/// What is supervised.
pub(crate) enum Server {
    /// The server itself.
    Plain(Pid),
    /// The sandbox it is in.
    Contained(Contained),
}

impl Server {
    fn pid(&self) -> Pid {
        match self {
            Self::Plain(pid) => *pid,
            Self::Contained(contained) => contained.first(),
        }
    }

    /// Asks it to end.
    fn terminate(&self) {
        match self {
            Self::Plain(pid) => {
                let _already_gone = kill_process_group(*pid, Signal::TERM);
            }
            Self::Contained(contained) => contained.terminate(),
        }
    }
}

fn start(order: Order, stdio: Stdio, digest_of: Option<DigestOf>) -> Result<Server, StartError> {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new(order.command);
    command.args(order.args).env_clear().envs(order.env);
    command.stdin(stdio.input).stdout(stdio.output).stderr(stdio.error);
    if let Some(text) = order.plan {
        let plan = serde_json::from_slice::<Plan>(text.as_encoded_bytes());
        let plan = plan.map_err(|error| StartError::unmet("plan", error.to_string()))?;
        let mut contained = Contained::start_sealed(&plan, command, digest_of)?;
        if let Some(way_out) = contained.way_out() {
            let unmet = |error: io::Error| StartError::unmet("network", error.to_string());
            let there = stdio.door.ok_or(io::ErrorKind::NotConnected.into()).map_err(unmet)?;
            door::hand_over(there, way_out).map_err(unmet)?;
        }
        return Ok(Server::Contained(contained));
    }
    if let Some(cwd) = order.cwd {
        command.current_dir(cwd);
    }
    command.process_group(0);
    system::die_with(getpid(), &mut command);
    let child = command.spawn().map_err(StartError::Program)?;
    // Dropping `child` and `command` closes our copies of the pipes, so that the gateway sees end of file
    // when the server closes its own.
    let pid = Pid::from_raw(child.id().cast_signed());
    pid.map(Server::Plain).ok_or(StartError::Program(io::ErrorKind::InvalidData.into()))
}

/// What is attended to while a server runs.
pub(crate) trait Aside {
    /// Where something arrives, while anything is wanted.
    fn arrives_at(&self) -> Option<BorrowedFd<'_>>;

    /// Takes one thing that has arrived.
    fn take(&mut self);

    /// Tells of it whatever can be told without waiting; gives the time after which to try again.
    fn tell(&mut self, control: BorrowedFd<'_>) -> Option<Timespec>;
}

/// Returns when the tree is to end: with the server's status when it ended by itself.
pub(crate) fn watch(
    control: BorrowedFd<'_>,
    server: &Server,
    aside: &mut impl Aside,
) -> io::Result<Option<WaitStatus>> {
    let pid = server.pid();
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    tell(control, &Report::Started(pid.as_raw_nonzero().get().unsigned_abs()));
    loop {
        let again = aside.tell(control);
        let arrives = aside.arrives_at();
        let mut ready = vec![PollFd::new(&control, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
        ready.extend(arrives.iter().map(|it| PollFd::new(it, PollFlags::IN)));
        match poll(&mut ready, Some(again.as_ref().unwrap_or(&REAP_EVERY))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| ready.get(at).is_some_and(|it| !it.revents().is_empty());
        let (commanded, arrived) = (is_ready(0), is_ready(2));
        if arrived {
            aside.take();
        }
        if let Reaped::Server(status) = reap(pid) {
            return Ok(Some(status));
        }
        if commanded && obey(control, server).is_break() {
            return Ok(None);
        }
    }
}

/// Reads one command. End of file means that the gateway is gone or has let go of the server.
fn obey(control: BorrowedFd<'_>, server: &Server) -> std::ops::ControlFlow<()> {
    use std::ops::ControlFlow::{Break, Continue};

    let mut command = [0];
    match rustix::io::read(control, &mut command) {
        Ok(1) if command == [TERMINATE] => {
            server.terminate();
            Continue(())
        }
        Ok(1) if command != [KILL] => Continue(()),
        Err(Errno::INTR | Errno::AGAIN) => Continue(()),
        _ => Break(()),
    }
}

enum Reaped {
    Nobody,
    Server(WaitStatus),
    NobodyLeft,
}

/// Waits for every child that has ended.
fn reap(server: Pid) -> Reaped {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == server => return Reaped::Server(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Reaped::Nobody,
            Err(_) => return Reaped::NobodyLeft,
        }
    }
}

/// Kills children until there are none: those of a killed child become ours, so each round reaches one
/// level further down, whatever sessions or groups the processes have made for themselves.
#[allow(
    clippy::disallowed_methods,
    reason = "the kernel tells nobody when the last of a tree has gone: this is the wait for that condition"
)]
fn end_all(server: Pid, mut status: Option<WaitStatus>) -> Exit {
    let mut pause = Duration::from_millis(1);
    loop {
        for child in process_table::children_of(getpid()).unwrap_or_default() {
            child.kill(Some(getpgrp()));
        }
        match reap(server) {
            Reaped::Server(ended) => status = Some(ended),
            Reaped::NobodyLeft => return exit_of(status),
            Reaped::Nobody => {
                thread::sleep(pause);
                pause = Duration::from_millis(50).min(pause * 2);
            }
        }
    }
}

pub(crate) fn exit_of(status: Option<WaitStatus>) -> Exit {
    let Some(status) = status else { return Exit::Unknown };
    let code = status.exit_status().map(Exit::Code);
    code.or_else(|| status.terminating_signal().map(Exit::Signal)).unwrap_or(Exit::Unknown)
}

/// As shells do it: a signal's number plus 128.
fn exit_code(exit: Exit) -> ExitCode {
    let code = match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
        Exit::OutOfMemory | Exit::Unknown => 137,
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// Reports if that takes no waiting.
pub(crate) fn try_tell(control: BorrowedFd<'_>, report: &Report) -> Result<(), Errno> {
    let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
    let line = report.to_line();
    match rustix::net::send(control, line.as_bytes(), flags) {
        Ok(sent) if sent == line.len() => Ok(()),
        Ok(_) => Err(Errno::MSGSIZE),
        Err(error) => Err(error),
    }
}

/// Reports if the gateway is still there; nothing depends on it.
pub(crate) fn tell(control: BorrowedFd<'_>, report: &Report) {
    let _gateway_gone =
        rustix::net::send(control, report.to_line().as_bytes(), rustix::net::SendFlags::NOSIGNAL);
}
