//! How the gateway tells the supervisor what to start: one message on the control socket that carries
//! the server's three standard descriptors, the place for a fourth to come back, and a list of length-prefixed strings.
//!
//! Neither the command nor the environment travels in the supervisor's own arguments or environment, so
//! credentials appear in no process but the server itself.

use std::{
    ffi::OsString,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::PathBuf,
};

use portcullis_core::{Boundary, LaunchPlan, Secret};
use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};

/// Linux refuses larger arguments and environments (`ARG_MAX` is 2 MiB by default, 6 MiB at most).
const MAX_BYTES: usize = 8 << 20;

/// What the supervisor is to start.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) command: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The text of a [`Plan`](crate::Plan); `None` for a server without one.
    pub(crate) plan: Option<OsString>,
}

/// Standard input, output and error of the server.
#[derive(Debug)]
pub(crate) struct Stdio {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
    /// Where the way out is to be handed over, if there is one.
    pub(crate) door: Option<OwnedFd>,
}

/// The message body for a plan. Holds credentials.
pub(crate) fn encode(plan: &LaunchPlan, env: &[(Vec<u8>, Secret)]) -> Secret {
    let mut body = Vec::new();
    let boundary = match &plan.boundary {
        Boundary::Plan(text) => text.as_bytes(),
        Boundary::DangerNone | Boundary::Unsettled(_) => &[],
    };
    put(&mut body, plan.command.as_os_str().as_encoded_bytes());
    put(&mut body, plan.cwd.as_ref().map_or(&[], |cwd| cwd.as_os_str().as_encoded_bytes()));
    put(&mut body, boundary);
    put(&mut body, &(plan.args.len() as u64).to_le_bytes());
    plan.args.iter().for_each(|arg| put(&mut body, arg.as_bytes()));
    for (name, value) in env {
        put(&mut body, name);
        put(&mut body, value.expose());
    }
    Secret::new(body)
}

fn put(body: &mut Vec<u8>, string: &[u8]) {
    body.extend_from_slice(&(string.len() as u64).to_le_bytes());
    body.extend_from_slice(string);
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(body: &[u8]) -> Option<Order> {
    let mut strings = Strings(body);
    let command = strings.next()?;
    let cwd = strings.next().filter(|cwd| !cwd.is_empty()).map(PathBuf::from);
    let plan = strings.next().filter(|plan| !plan.is_empty());
    let count = u64::from_le_bytes(strings.next()?.into_vec().try_into().ok()?);
    let mut args = Vec::new();
    for _ in 0..count {
        args.push(strings.next()?);
    }
    let mut env = Vec::new();
    while let Some(name) = strings.next() {
        env.push((name, strings.next()?));
    }
    strings.0.is_empty().then_some(Order { command, args, cwd, env, plan })
}

struct Strings<'a>(&'a [u8]);

impl Iterator for Strings<'_> {
    type Item = OsString;

    fn next(&mut self) -> Option<OsString> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (string, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some(OsString::from_vec(string.to_vec()))
    }
}

/// Sends the descriptors with the length of the body, which is to follow as ordinary bytes.
pub(crate) fn send_head(socket: impl AsFd, stdio: &Stdio, length: usize) -> io::Result<()> {
    let standard = [&stdio.input, &stdio.output, &stdio.error].into_iter();
    let descriptors: Vec<BorrowedFd<'_>> = standard.chain(&stdio.door).map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let length = (length as u64).to_le_bytes();
    let sent = sendmsg(socket, &[IoSlice::new(&length)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == length.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives a whole order; blocks.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<(Order, Stdio)> {
    let mut length = [0; 8];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut length)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<OwnedFd>>(),
        _ => Vec::new(),
    });
    let (Some(input), Some(output), Some(error)) =
        (descriptors.next(), descriptors.next(), descriptors.next())
    else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let door = descriptors.next();
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    if received.bytes != 8 || length > MAX_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let body = read_exactly(socket, length)?;
    let order = decode(body.expose()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((order, Stdio { input, output, error, door }))
}

fn read_exactly(socket: BorrowedFd<'_>, length: usize) -> io::Result<Secret> {
    let mut body = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = body.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(socket, rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Secret::new(body))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use proptest::prelude::*;

    use super::*;

    fn plan(command: &str, args: Vec<String>, cwd: Option<PathBuf>, boundary: Boundary) -> LaunchPlan {
        LaunchPlan {
            server: "s".parse().unwrap(),
            command: command.into(),
            args,
            env: Vec::new(),
            cwd,
            boundary,
        }
    }

    proptest! {
        #[test]
        fn an_order_arrives_as_sent(
            command in ".+", args in proptest::collection::vec(".*", 0..5),
            cwd in proptest::option::of(".+"), boundary in proptest::option::of(".+"), env in proptest::collection::vec((".+", ".*"), 0..4),
        ) {
            let variables: Vec<_> =
                env.iter().map(|(n, v)| (n.clone().into_bytes(), Secret::new(v.clone().into_bytes()))).collect();
            let around = boundary.as_deref().map_or(Boundary::DangerNone, |text| Boundary::Plan(text.into()));
            let plan = plan(&command, args.clone(), cwd.clone().map(PathBuf::from), around);
            let order = decode(encode(&plan, &variables).expose()).unwrap();
            prop_assert_eq!(order.command, OsString::from(command));
            prop_assert_eq!(order.args, args.into_iter().map(OsString::from).collect::<Vec<_>>());
            prop_assert_eq!(order.plan, boundary.map(OsString::from));
            prop_assert_eq!(order.cwd, cwd.map(PathBuf::from));
            let expected: Vec<_> = env.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect();
            prop_assert_eq!(order.env, expected);
        }

        #[test]
        fn nonsense_is_refused_without_harm(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&body);
        }
    }
}
