//! Child processes pinned to one core, as `taskset` does, but without its extra exec.

use std::{
    io,
    process::{Child, Command},
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Starts `command` on `core`: a child inherits the cores of the thread that starts it.
pub(crate) fn spawn_on(core: usize, command: &mut Command) -> io::Result<Child> {
    let own = sched_getaffinity(None)?;
    if !own.is_set(core) {
        return Err(io::Error::other(format!("core {core} is not available to this process")));
    }
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only)?;
    let child = command.spawn();
    sched_setaffinity(None, &own)?;
    child
}
