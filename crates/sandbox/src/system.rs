//! The system calls without a safe interface.
#![expect(
    unsafe_code,
    reason = "descriptors as a range, forking, attributes of mounts and held system calls have no safe form"
)]

use std::{
    fs, io,
    net::{Ipv4Addr, UdpSocket},
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::process::CommandExt,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// Marks every descriptor above standard error close-on-exec, whoever left it open.
///
/// Needs Linux 5.11; an older kernel is an error, so that no server starts with descriptors it should
/// not have.
pub(crate) fn close_inherited_on_exec() -> io::Result<()> {
    // SAFETY: the call takes no pointers. With CLOSE_RANGE_CLOEXEC it closes nothing, it only sets a flag
    // on descriptors, so no `OwnedFd` in this process becomes invalid.
    let result = unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel kill the command's process when `parent`, which must be the calling process and have
/// one thread only, ends.
pub(crate) fn die_with(parent: Pid, command: &mut Command) {
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before the signal was armed.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) }
    };
    // SAFETY: between fork and exec the closure makes two raw system calls on copied integers; it neither
    // allocates nor takes a lock, and the calling process has one thread, so no lock can be held.
    unsafe { command.pre_exec(prepare) };
}

/// Has `prepare` run in the command's process before the program is executed.
///
/// Only for processes with one thread, see [`fork_into`].
pub(crate) fn before_exec(
    command: &mut Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: what may be done between fork and exec is restricted because another thread may have held a lock,
    // such as the allocator's, when the process was copied. Callers are processes made by `fork_into`, which has
    // one thread and starts none (INVARIANT of `fork_into`), so every lock is free in the copy.
    unsafe { command.pre_exec(prepare) };
}

/// Starts a copy of this process in new namespaces (`CLONE_NEW*`), which runs `child`, exits with what it returns
/// and never comes back here. `ours` is closed in the copy and given back here.
///
/// INVARIANT: the calling process has one thread; this is checked, and an error otherwise. So has the copy, and
/// whatever is given to it must not start another.
pub(crate) fn fork_into(
    namespaces: i32,
    ours: OwnedFd,
    child: impl FnOnce() -> u8,
) -> io::Result<(Pid, OwnedFd)> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a process with more than one thread cannot be copied safely"));
    }
    let flags = i64::from(namespaces | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no stack given this is fork(2): the child has a copy of all memory, and
    // with one thread in the parent no lock is held in it (INVARIANT above). The pointers are null, which the
    // call takes for absent, so their order, which differs by architecture, does not matter.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if pid == 0 {
        drop(ours);
        // Unwinding must not reach the caller's frames, which belong to the parent.
        let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(101);
        // SAFETY: ends the process without running destructors or exit handlers, which are the parent's.
        unsafe { libc::_exit(status.into()) };
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    Ok((pid, ours))
}

/// Makes a system call whose arguments are all 0. Only for calls that the kernel then refuses, or that have no effect on
/// this process but one it can end with.
pub(crate) fn call_with_nothing(number: i64) -> io::Result<()> {
    /// As wide as an argument is: of a narrower one that is passed on the stack, the rest is not 0.
    const NOTHING: i64 = 0;
    // SAFETY: every pointer the call could take is null, which the kernel refuses or takes for absent, so no memory is
    // read or written, and no number is that of a descriptor an `OwnedFd` of this process has, see `keep_only`.
    let result = unsafe { libc::syscall(number, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes every descriptor but these. Nothing that owns another may be used or dropped afterwards: only for a
/// process that ends by `_exit`.
pub(crate) fn keep_only(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<libc::c_uint> = kept.iter().map(|it| it.as_raw_fd().unsigned_abs()).collect();
    kept.sort_unstable();
    let mut first = 0;
    for end in kept.iter().copied().chain([libc::c_uint::MAX]) {
        if first < end {
            // SAFETY: the call takes no pointers. Owners of the closed descriptors are never used again, see above.
            unsafe { libc::close_range(first, end - 1, 0) };
        }
        first = end.saturating_add(1);
    }
}

/// A system call that waits for an answer (seccomp_unotify(2)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldCall {
    id: u64,
    /// The thread that made it, as this process numbers it; 0 when it cannot see it.
    pub(crate) thread: u32,
    /// Number of the call.
    pub(crate) number: i64,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
}

/// Puts a filter in force for this thread and all it will start, and gives the descriptor at which calls arrive that
/// the filter has wait for an answer. It is closed when a program is executed.
pub(crate) fn hear_filtered(program: &[seccompiler::sock_filter]) -> io::Result<OwnedFd> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: `program` names `len` instructions of the layout the kernel reads (both types are `struct sock_filter`),
    // which it copies before the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            std::ptr::from_ref(&program),
        )
    };
    let descriptor = i32::try_from(result).ok().filter(|descriptor| *descriptor >= 0);
    // SAFETY: the call has just made this descriptor, and nobody else knows of it.
    descriptor.map(|it| unsafe { OwnedFd::from_raw_fd(it) }).ok_or_else(io::Error::last_os_error)
}

/// The next call that waits. An error when there is none any more, which is no reason to stop listening.
pub(crate) fn next_held(listener: BorrowedFd<'_>) -> io::Result<HeldCall> {
    // SAFETY: numbers only, for which 0 is a value; the kernel wants them to be 0.
    let mut held: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: `held` is the structure that this request fills, it lives until the call returns, and the descriptor is
    // borrowed for as long.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, std::ptr::from_mut(&mut held))
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(HeldCall { id: held.id, thread: held.pid, number: held.data.nr.into(), arguments: held.data.args })
}

/// Whether a call still waits, so that what was found out about its thread is about the one that made it.
pub(crate) fn is_held(listener: BorrowedFd<'_>, call: &HeldCall) -> bool {
    // SAFETY: the request reads one number, which lives until the call returns.
    let result = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, std::ptr::from_ref(&call.id))
    };
    result == 0
}

/// Ends a call that waits with an error. It is never carried out: there is no error that says so, and 0 becomes `EPERM`.
pub(crate) fn refuse_held(listener: BorrowedFd<'_>, call: &HeldCall, error: i32) {
    let error = if error > 0 { error } else { libc::EPERM };
    answer(listener, libc::seccomp_notif_resp { id: call.id, val: 0, error: -error, flags: 0 });
}

/// Has a call that waits carried out as if it had not. The kernel asks no filter again: only for calls that all of them
/// let pass.
pub(crate) fn danger_let_held_pass(listener: BorrowedFd<'_>, call: &HeldCall) {
    let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default();
    answer(listener, libc::seccomp_notif_resp { id: call.id, val: 0, error: 0, flags });
}

fn answer(listener: BorrowedFd<'_>, mut answer: libc::seccomp_notif_resp) {
    // SAFETY: the request reads the structure, which lives until the call returns. A thread that has been killed
    // meanwhile needs no answer.
    unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, std::ptr::from_mut(&mut answer));
    }
}

/// Raises the loopback interface of this process's network (netdevice(7)), which takes the right to administer it.
pub(crate) fn raise_loopback() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: (libc::IFF_UP | libc::IFF_RUNNING) as i16 },
    };
    for (at, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *at = byte.cast_signed();
    }
    // SAFETY: `request` is the structure that this call reads, it lives until the call returns, and the descriptor
    // is that of a socket for as long.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, std::ptr::from_ref(&request)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What is forbidden at a mount (mount_setattr(2)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct MountAttributes(u64);

const READ_ONLY: u64 = 0x1;
const NO_SET_ID: u64 = 0x2;
const NO_DEVICES: u64 = 0x4;
const NO_EXECUTION: u64 = 0x8;
const MAPPED: u64 = 0x0010_0000;

impl MountAttributes {
    pub(crate) const fn none() -> Self {
        Self(0)
    }

    pub(crate) const fn read_only() -> Self {
        Self(READ_ONLY | NO_SET_ID | NO_DEVICES)
    }

    pub(crate) const fn data_only() -> Self {
        Self(NO_SET_ID | NO_DEVICES | NO_EXECUTION)
    }

    pub(crate) const fn device() -> Self {
        Self(NO_SET_ID | NO_EXECUTION)
    }
}

/// The kernel's `struct mount_attr`, first version.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Adds attributes to a mount and all below it, and has its owners mapped as `users`, a user namespace, says.
pub(crate) fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    attributes: MountAttributes,
    users: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    set_attributes(mount, attributes, users, libc::AT_EMPTY_PATH | libc::AT_RECURSIVE)
}

/// Adds attributes to a mount alone.
pub(crate) fn set_mount_attributes_here(
    mount: BorrowedFd<'_>,
    attributes: MountAttributes,
) -> io::Result<()> {
    set_attributes(mount, attributes, None, libc::AT_EMPTY_PATH)
}

fn set_attributes(
    mount: BorrowedFd<'_>,
    attributes: MountAttributes,
    users: Option<BorrowedFd<'_>>,
    flags: i32,
) -> io::Result<()> {
    let attr = MountAttr {
        set: attributes.0 | if users.is_some() { MAPPED } else { 0 },
        clear: 0,
        propagation: 0,
        user_namespace: users.map_or(0, |users| u64::from(users.as_raw_fd().unsigned_abs())),
    };
    // SAFETY: the path is an empty C string, `attr` is the structure whose size is given, both live until the
    // call returns, and the descriptors are borrowed for as long.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(&attr),
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
