//! System calls that the filter is to refuse. Each is made without arguments: carried out, it says that something
//! about them is wrong, or has no effect.

use std::io;

use rustix::net::{AddressFamily, SocketType, socket};

use crate::{kernel, system};

/// A number that is in no table, and one of the other numbering of this architecture (x32).
const UNKNOWN: &[(&str, i64)] = &[("clone3", libc::SYS_clone3), ("a call of x32", 0x4000_0000)];

/// Families of sockets that no namespace confines, or whose code is rarely used.
const FAMILIES: &[(&str, u16)] = &[
    ("netlink", libc::AF_NETLINK as u16),
    ("packet", libc::AF_PACKET as u16),
    ("vsock", libc::AF_VSOCK as u16),
    ("alg", libc::AF_ALG as u16),
    ("bluetooth", libc::AF_BLUETOOTH as u16),
    ("can", libc::AF_CAN as u16),
    ("xdp", libc::AF_XDP as u16),
];

/// The attempts, with what came of each.
pub(super) fn all() -> impl Iterator<Item = (String, io::Result<()>)> {
    let families =
        FAMILIES.iter().map(|(name, family)| (format!("a socket of the family {name}"), open(*family)));
    let unknown = UNKNOWN.iter().map(|(name, number)| ((*name).to_owned(), made(*number, libc::ENOSYS)));
    let refused = kernel::refused_calls().map(|(name, number)| (name.to_owned(), made(number, libc::EPERM)));
    let user = std::iter::once(("clone into a new user namespace".to_owned(), user_namespace()));
    families.chain(unknown).chain(user).chain(refused)
}

/// The answer of the filter, and no other, shows that the kernel has not looked at the call.
fn made(number: i64, answer: i32) -> io::Result<()> {
    match system::call_with_nothing(number) {
        Err(error) if error.raw_os_error() == Some(answer) => Err(error),
        _ => Ok(()),
    }
}

fn open(family: u16) -> io::Result<()> {
    match socket(AddressFamily::from_raw(family), SocketType::RAW, None) {
        Err(rustix::io::Errno::PERM) => Err(rustix::io::Errno::PERM.into()),
        _ => Ok(()),
    }
}

fn user_namespace() -> io::Result<()> {
    let (_read, end) = io::pipe()?;
    let (process, _) = system::fork_into(libc::CLONE_NEWUSER, end.into(), || 0)?;
    let _status = rustix::process::waitpid(Some(process), rustix::process::WaitOptions::empty());
    Ok(())
}
