//! A container runtime inside of boundaries of the kernel.
//!
//! ```text
//!  this process ── first process ── runtime ── `portcullis __enter` ── the server, which takes its place
//!                      └─ builds the root and the bundle, in mounts that nobody else sees
//! ```
//!
//! The first process is in namespaces of its own for processes, mounts, network, queues and names, as for the kernel tier,
//! but not for users: runtimes want to make that themselves. The root it builds is the one of the kernel tier, with owners
//! mapped at the mounts; the way out is a socket in the same network; what the bundle holds, the environment included, is in
//! a temporary file system that ends with the first process. Inside of the container this program limits the process, puts
//! Landlock and the filter of system calls around it, and executes the server.

mod bundle;
mod entry;

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use portcullis_core::Exit;
use rustix::{
    mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount},
    process::{Pid, Signal, set_parent_process_death_signal, setsid},
};

use super::{
    StartError,
    init::{Inside, Task, until_admitted},
    root,
};
use crate::{
    door,
    plan::{Plan, Tier},
    relay::Relay,
    report::Report,
    selftest::{Probed, Targets},
    supervise::{self, Server},
    system,
};

pub use self::entry::{attempt, enter};

/// Where the bundle is, in the first process's own mounts.
const SITE: &str = "/mnt";

/// The first argument by which the program knows that it is inside of a container, to become a server.
pub const ENTER: &str = "__enter";

/// The same, to make the attempts of a self-test.
pub const ATTEMPT: &str = "__attempt";

/// This program, inside.
const SELF: &str = "/.portcullis";

/// Bytes for the bundle and the runtime's state.
const SITE_SIZE: u64 = 16 << 20;

/// The only directories runtimes find their helpers in.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Control groups of version 2 beside those of version 1, which some runtimes refuse to work with.
const HYBRID: &str = "/sys/fs/cgroup/unified";

/// This program, to be put into the root.
pub(super) fn own_program(identity: super::Identity) -> Result<root::Tree, StartError> {
    let program = std::env::current_exe().map_err(|error| unmet(&error))?;
    root::open_as(&program, Path::new(SELF), identity).map_err(|error| unmet(&error))
}

fn unmet(error: &io::Error) -> StartError {
    StartError::unmet("runtime", error.to_string())
}

/// The first process. What happened is told on the control socket.
pub(super) fn main(inside: Inside<'_>, id: &str) -> u8 {
    let Inside { plan, trees, task, control, door, .. } = inside;
    let started = prepare(plan, trees.unwrap_or_default(), &control, door);
    let started = started.and_then(|()| match task {
        Task::Run(command, _) | Task::Learn(command) => run(plan, command, id).map(|runtime| {
            let watched = supervise::watch(control.as_fd(), &Server::Plain(runtime), &mut Relay::of_nobody());
            supervise::exit_of(watched.ok().flatten())
        }),
        Task::Probe(ground) => probe(plan, &ground.targets, id, &control).map(|()| Exit::Code(0)),
    });
    match started {
        Ok(exit) => {
            // So that no control group is left.
            let _gone = invocation(plan, &["delete", "--force", id]).map(|mut it| quiet(&mut it).status());
            supervise::tell(control.as_fd(), &Report::Ended(exit));
        }
        Err(error) => supervise::tell(control.as_fd(), &error.to_report()),
    }
    0
}

fn prepare(
    plan: &Plan,
    trees: Vec<root::Tree>,
    control: &OwnedFd,
    door: Option<OwnedFd>,
) -> Result<(), StartError> {
    until_admitted(control)?;
    let failed =
        |step: &'static str| move |error: io::Error| StartError::unmet("runtime", format!("{step}: {error}"));
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| failed("supervision")(error.into()))?;
    site(plan, trees).map_err(failed("the root cannot be built"))?;
    if let Some(there) = door {
        door::open(there).map_err(|error| StartError::unmet("network", error.to_string()))?;
    }
    Ok(())
}

fn site(plan: &Plan, trees: Vec<root::Tree>) -> io::Result<()> {
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None::<&std::ffi::CStr>)?;
    if Path::new(HYBRID).is_dir() {
        unmount(HYBRID, UnmountFlags::DETACH)?;
    }
    // Without flags: gVisor mounts it again as what can only be read, which a user namespace lets it do with no others.
    root::temporary(SITE, MountFlags::empty(), SITE_SIZE, "0711")?;
    let rootfs = rootfs();
    // Runtimes mount there as a user who may make nothing in the root.
    for place in ["proc", "dev", "sys"] {
        fs::create_dir_all(rootfs.join(place))?;
    }
    fs::create_dir(state())?;
    root::furnish(&rootfs, plan, trees)
}

fn rootfs() -> PathBuf {
    bundle().join("rootfs")
}

fn bundle() -> PathBuf {
    Path::new(SITE).join("bundle")
}

fn state() -> PathBuf {
    Path::new(SITE).join("state")
}

/// The runtime, to be told `what`.
fn invocation(plan: &Plan, what: &[&str]) -> Result<Command, StartError> {
    let runtime = plan.tier.runtime().ok_or_else(|| unmet(&io::ErrorKind::NotFound.into()))?;
    let mut command = Command::new(runtime);
    command.env_clear().env("PATH", PATH).arg("--root").arg(state());
    if matches!(plan.tier, Tier::Gvisor { .. }) {
        // Its network is the one around it, in which there is the way out and nothing else.
        let network = if plan.egress.is_closed() && !plan.danger_host_network { "none" } else { "host" };
        command.arg(format!("--network={network}")).arg("--ignore-cgroups");
    }
    command.args(what);
    Ok(command)
}

fn run(plan: &Plan, mut command: Command, id: &str) -> Result<Pid, StartError> {
    let program = command.get_program().to_owned();
    let args = command.get_args().map(ToOwned::to_owned);
    let told: Vec<_> = std::iter::once(program).chain(args).collect();
    let set = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    bundle::write(&bundle(), plan, id, ENTER, &told, &set.collect::<Vec<_>>())
        .map_err(|error| unmet(&error))?;
    let mut runtime = Some(invoked(plan, id)?);
    // Its standard streams are those the command was given; it is the runtime that is executed with them.
    system::before_exec(&mut command, move || {
        let mut runtime = runtime.take().ok_or(io::ErrorKind::InvalidInput)?;
        let _already_one = setsid();
        system::close_inherited_on_exec()?;
        Err(runtime.exec())
    });
    let child = command.spawn().map_err(|error| unmet(&error))?;
    drop(command);
    pid(child.id())
}

fn invoked(plan: &Plan, id: &str) -> Result<Command, StartError> {
    let place = bundle();
    invocation(plan, &["run", "--bundle", &place.to_string_lossy(), id])
}

fn pid(id: u32) -> Result<Pid, StartError> {
    Pid::from_raw(id.cast_signed()).ok_or_else(|| unmet(&io::ErrorKind::InvalidData.into()))
}

/// Has the attempts made inside, and tells what came of each.
fn probe(plan: &Plan, targets: &Targets, id: &str, control: &OwnedFd) -> Result<(), StartError> {
    let targets = serde_json::to_string(targets).map_err(|error| unmet(&error.into()))?;
    bundle::write(&bundle(), plan, id, ATTEMPT, &[targets.into()], &[]).map_err(|error| unmet(&error))?;
    let mut runtime = invoked(plan, id)?;
    let runtime = runtime.stdin(Stdio::null());
    let output = runtime.output().map_err(|error| unmet(&error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let probed: Vec<Probed> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if !output.status.success() || probed.is_empty() {
        let why = String::from_utf8_lossy(&output.stderr);
        let why = why.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it ended without a word");
        let name = plan.tier.runtime().map(|it| it.display().to_string()).unwrap_or_default();
        return Err(StartError::unmet("runtime", format!("`{name}` cannot be used here: {why}")));
    }
    probed.into_iter().for_each(|one| supervise::tell(control.as_fd(), &Report::Probed(one)));
    Ok(())
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
