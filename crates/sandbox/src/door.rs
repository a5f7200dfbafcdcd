//! The way out of a sandbox's network: a listening socket that is made inside, where nothing else answers, and
//! handed to whoever serves it outside.
//!
//! Nothing leads from the one network to the other: no interface, no route, no address translation. What connects
//! inside is accepted outside.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};

use crate::system;

/// Where it listens inside. A network of its own has every port free.
pub(crate) const PORT: u16 = 3128;

/// What programs take for the address of a proxy.
pub(crate) const PROXY_URL: &str = "http://127.0.0.1:3128";

/// Variables that tell programs of a proxy. Some read one spelling, some the other.
pub(crate) const PROXY_ENV: &[(&str, &str)] = &[
    ("ALL_PROXY", PROXY_URL),
    ("HTTPS_PROXY", PROXY_URL),
    ("HTTP_PROXY", PROXY_URL),
    ("NODE_USE_ENV_PROXY", "1"),
    ("all_proxy", PROXY_URL),
    ("http_proxy", PROXY_URL),
    ("https_proxy", PROXY_URL),
];

/// Both ends of what a listening socket is handed through: here and there.
pub(crate) fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (here, there) = UnixStream::pair()?;
    Ok((here, there.into()))
}

/// Makes the socket in the network of this process, which must be one of its own, and hands it out.
pub(crate) fn open(there: impl AsFd) -> io::Result<()> {
    system::raise_loopback()?;
    hand_over(there, TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))?)
}

/// Hands a descriptor over.
pub(crate) fn hand_over(there: impl AsFd, descriptor: impl AsFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    match sendmsg(there, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::NOSIGNAL)? {
        1 => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Takes a socket that was handed over before.
pub(crate) fn take(here: impl AsFd) -> io::Result<TcpListener> {
    receive(here, RecvFlags::DONTWAIT).map(TcpListener::from)
}

/// Takes a descriptor when it is handed over; an error when nobody is left who could.
pub(crate) fn wait_for(here: impl AsFd) -> io::Result<OwnedFd> {
    receive(here, RecvFlags::empty())
}

fn receive(here: impl AsFd, flags: RecvFlags) -> io::Result<OwnedFd> {
    let (mut byte, mut space) = ([0], [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))]);
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(here, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags | RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or(io::ErrorKind::InvalidData.into())
}
