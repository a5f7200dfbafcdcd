//! Processes that are not the server's.

use std::{
    fs, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixStream},
    },
};

use rustix::process::{Pid, getppid, test_kill_process};

use super::{Probe, holds, probe};

/// The first process of the sandbox and this one.
const OWN: usize = 2;

pub(super) const PROBES: &[Probe] = &[
    probe("see a process of the machine", |_, _| {
        let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
        let processes = names.filter(|name| name.to_string_lossy().parse::<u32>().is_ok()).count();
        if processes > OWN { Ok(()) } else { holds("its own are all there is") }
    }),
    probe("read the environment of the first process", |_, _| {
        of_first(|| fs::read("/proc/1/environ").map(drop))
    }),
    probe("read the memory of the first process", |_, _| {
        of_first(|| fs::File::open("/proc/1/mem").map(drop))
    }),
    probe("see the descriptors of the first process", |_, _| {
        of_first(|| fs::read_dir("/proc/1/fd").map(drop))
    }),
    probe("name a process of the machine", |ground, _| {
        let named = i32::try_from(ground.pid).ok().and_then(Pid::from_raw);
        // A number so low may be that of one of ours as well.
        match named.filter(|pid| pid.as_raw_nonzero().get() > 64) {
            Some(pid) => Ok(test_kill_process(pid)?),
            None => holds("its number says nothing"),
        }
    }),
    probe("signal the first process", |_, _| {
        let parent = getppid().ok_or(io::ErrorKind::NotFound)?;
        Ok(test_kill_process(parent)?)
    }),
    probe("connect to an abstract socket of the machine", |ground, _| {
        UnixStream::connect_addr(&SocketAddr::from_abstract_name(&ground.abstract_name)?).map(drop)
    }),
];

/// What a container holds is its own first process.
fn of_first(attempt: impl Fn() -> io::Result<()>) -> io::Result<()> {
    if std::process::id() == 1 { holds("it is the first process itself") } else { attempt() }
}
