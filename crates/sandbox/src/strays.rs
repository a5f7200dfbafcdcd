//! Ending what a lost supervisor leaves behind.
//!
//! When a supervisor is killed its children fall to the next subreaper, the gateway. They are recognised
//! by two facts no process can forge: they are children of the gateway that the launcher did not start,
//! and they live in another session than the gateway. Every supervisor opens a session of its own and a
//! process can only ever leave its session for a new one, so nothing below a supervisor gets back into
//! ours. The rest of the program must therefore not start children in sessions of their own.

use std::{
    collections::HashMap,
    io,
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};
use tokio::process::{Child, Command};

use crate::process_table::{self, Entry};

/// The supervisors this process started and has not waited for, each with a serial number because a
/// process number may be given out again between the wait and the removal.
static SUPERVISORS: LazyLock<Mutex<HashMap<Pid, u64>>> = LazyLock::new(Mutex::default);
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Rounds without a stray before there are taken to be none: one reading of `/proc` can miss a process
/// whose parent dies meanwhile.
const QUIET_ROUNDS: u32 = 2;
const ROUND: Duration = Duration::from_millis(2);
/// A process that can be neither killed nor waited for, for example in uninterruptible sleep, must not
/// hold up the gateway for ever.
const MAX_ROUNDS: u32 = 5_000;

/// Makes this process the subreaper of everything it starts.
pub(crate) fn become_subreaper() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Marks a child as a supervisor until dropped; to be kept until it has been waited for.
#[derive(Debug)]
pub(crate) struct Registration {
    pid: Pid,
    serial: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut supervisors = lock();
        if supervisors.get(&self.pid) == Some(&self.serial) {
            supervisors.remove(&self.pid);
        }
    }
}

/// Starts a supervisor. The lock is held throughout, so that a search never sees one that is running but
/// not yet registered.
pub(crate) fn spawn_supervisor(command: &mut Command) -> io::Result<(Child, Registration)> {
    let mut supervisors = lock();
    let child = command.spawn()?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).ok_or(io::ErrorKind::NotFound)?;
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    supervisors.insert(pid, serial);
    Ok((child, Registration { pid, serial }))
}

/// Kills strays until there are none. Each round reaches one level further down.
pub(crate) async fn end_all() {
    let mut quiet = 0;
    for _ in 0..MAX_ROUNDS {
        quiet = if end_visible() == 0 { quiet + 1 } else { 0 };
        if quiet == QUIET_ROUNDS {
            return;
        }
        tokio::time::sleep(ROUND).await;
    }
}

fn end_visible() -> usize {
    let supervisors = lock();
    // Without a readable `/proc` there is nobody to be found.
    let Ok(own) = process_table::own() else { return 0 };
    let is_stray = |child: &Entry| !supervisors.contains_key(&child.pid) && child.session != own.session;
    let children = process_table::children_of(own.pid).unwrap_or_default();
    let strays: Vec<Entry> = children.into_iter().filter(is_stray).collect();
    for stray in &strays {
        stray.kill(own.group);
        let _not_yet = waitpid(Some(stray.pid), WaitOptions::NOHANG);
    }
    strays.len()
}

fn lock() -> MutexGuard<'static, HashMap<Pid, u64>> {
    SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner)
}
