//! Files that no plan lists, and programs that no plan lets run.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
};

use super::{Probe, holds, probe};
use crate::plan::SCRATCH;

pub(super) const PROBES: &[Probe] = &[
    probe("read a file of Portcullis", |ground, _| fs::read(ground.canary()).map(drop)),
    probe("list a directory of Portcullis", |ground, _| fs::read_dir(&ground.directory).map(drop)),
    probe("change a file of Portcullis", |ground, _| fs::write(ground.canary(), "changed")),
    probe("make a file beside it", |ground, _| fs::write(ground.directory.join("made"), "")),
    probe("connect to a socket beside it", |ground, _| {
        UnixStream::connect(ground.directory.join("socket")).map(drop)
    }),
    probe("read it by way of the first process", |ground, _| {
        fs::read(format!("/proc/1/root{}", ground.canary().display())).map(drop)
    }),
    probe("read it by way of a directory above", |ground, _| {
        fs::read(format!("{SCRATCH}/../..{}", ground.canary().display())).map(drop)
    }),
    probe("read passwords", |_, _| fs::read("/etc/shadow").map(drop)),
    probe("change a library", |_, _| fs::write("/usr/lib/portcullis-selftest", "")),
    probe("change what users there are", |_, _| {
        OpenOptions::new().append(true).open("/etc/passwd").map(drop)
    }),
    probe("make a file in the root", |_, _| fs::write("/portcullis-selftest", "")),
    probe("change a setting of the kernel", |_, _| write("/proc/sys/kernel/core_pattern")),
    probe("change a control group", |_, _| fs::read_dir("/sys/fs/cgroup").map(drop)),
    probe("read the machine's memory", |_, _| fs::File::open("/dev/mem").map(drop)),
    probe("read the kernel's messages", |_, _| fs::File::open("/dev/kmsg").map(drop)),
    probe("use the machine's virtualisation", |_, _| fs::File::open("/dev/kvm").map(drop)),
    probe("make a tunnel", |_, _| fs::File::open("/dev/net/tun").map(drop)),
    probe("reach the container service", |_, _| UnixStream::connect("/var/run/docker.sock").map(drop)),
    probe("reach the message bus", |_, _| UnixStream::connect("/run/dbus/system_bus_socket").map(drop)),
    probe("run what it has written", |_, _| run_written(SCRATCH)),
    probe("run what it has written to shared memory", |_, _| run_written("/dev/shm")),
    probe("run a library", |_, plan| run_library(plan)),
];

fn write(path: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path).map(drop)
}

fn run_written(place: &str) -> io::Result<()> {
    let path = Path::new(place).join("portcullis-selftest");
    fs::write(&path, "\u{7f}ELF")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    let ran = run(&path);
    fs::remove_file(&path)?;
    ran
}

/// Files that are readable by every program and marked executable, on systems where there is such a one.
fn run_library(plan: &crate::Plan) -> io::Result<()> {
    let known =
        ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/aarch64-linux-gnu/libc.so.6", "/usr/lib/libc.so.6"];
    let mut there = known.iter().map(Path::new).filter(|path| path.exists() && !plan.execute.contains(*path));
    there.next().map_or_else(|| holds("there is no such library here"), run)
}

/// The kernel refuses before it looks at what the file is; an answer about its form says that it did not.
fn run(path: &Path) -> io::Result<()> {
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}
