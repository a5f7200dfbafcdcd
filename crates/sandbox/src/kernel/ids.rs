//! Who a server is, inside and outside.
//!
//! Inside it is always user 1000. Outside it is the user who started Portcullis, or 60001 when that was root: the
//! root of the machine is not among the users of a sandbox, so nothing that belongs to it can be changed. Files
//! that a plan grants keep their owner, which is mapped onto the server's user at the mount (mount_setattr(2)).

use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::OwnedFd,
};

use rustix::{
    process::{Gid, Pid, Uid, WaitOptions, getegid, geteuid, waitpid},
    thread::{CapabilitySet, capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::system;

/// The user and the group of a server as it sees itself.
const INSIDE: u32 = 1000;

/// The user and the group of a server that root starts, as the machine sees it.
const OUTSIDE: u32 = 60_001;

/// What it takes to become somebody else, and to map owners.
const PRIVILEGES: CapabilitySet =
    CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::SYS_ADMIN);

/// The user and group of a server as the machine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    uid: u32,
    gid: u32,
    /// Whether it is another than this process is.
    pub(crate) other: bool,
}

impl Identity {
    pub(crate) fn for_server() -> io::Result<Self> {
        let other = capabilities(None)?.effective.contains(PRIVILEGES);
        let own = Self { uid: geteuid().as_raw(), gid: getegid().as_raw(), other };
        Ok(if other { Self { uid: OUTSIDE, gid: OUTSIDE, other } } else { own })
    }

    /// Tells the kernel who the users of the namespace of `process` are.
    pub(crate) fn map(self, process: Pid) -> io::Result<()> {
        if !self.other {
            // An ordinary user may map its group only when membership of groups can no longer be dropped
            // (user_namespaces(7)).
            fs::write(of(process, "setgroups"), "deny")?;
        }
        write_maps(process, (INSIDE, self.uid), (INSIDE, self.gid))
    }

    /// Becomes the server's user; called inside of its namespace.
    pub(crate) fn assume(self) -> io::Result<()> {
        if self.other {
            set_thread_groups(&[])?;
        }
        let (uid, gid) = (Uid::from_raw(INSIDE), Gid::from_raw(INSIDE));
        set_thread_res_gid(gid, gid, gid)?;
        Ok(set_thread_res_uid(uid, uid, uid)?)
    }

    /// A user namespace that says that `owner` and its `group` are the server's.
    pub(crate) fn owning(self, owner: u32, group: u32) -> io::Result<OwnedFd> {
        let (mut wait, end) = io::pipe()?;
        let (process, end) = system::fork_into(libc::CLONE_NEWUSER, end.into(), move || {
            let _end_of_file = wait.read(&mut [0]);
            0
        })?;
        // The namespace lives as long as a process or a descriptor of it does.
        let namespace = write_maps(process, (owner, self.uid), (group, self.gid))
            .and_then(|()| File::open(of(process, "ns/user")));
        drop(end);
        let _status = waitpid(Some(process), WaitOptions::empty());
        Ok(namespace?.into())
    }
}

fn of(process: Pid, file: &str) -> String {
    format!("/proc/{process}/{file}")
}

/// One user and one group each, as (inside, outside).
fn write_maps(process: Pid, user: (u32, u32), group: (u32, u32)) -> io::Result<()> {
    fs::write(of(process, "uid_map"), format!("{} {} 1\n", user.0, user.1))?;
    fs::write(of(process, "gid_map"), format!("{} {} 1\n", group.0, group.1))
}
