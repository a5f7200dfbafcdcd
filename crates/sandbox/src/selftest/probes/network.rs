//! Addresses that are not the way out.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket},
    time::Duration,
};

use super::{Probe, holds, probe};

/// No answer within this says that something has left.
const PATIENCE: Duration = Duration::from_millis(500);

/// Link-local: where the clouds keep their metadata.
const METADATA: &str = "169.254.169.254:80";
/// Documentation addresses (RFC 5737, RFC 3849): nobody is there, but a network would try.
const ANYWHERE: &[&str] = &["192.0.2.1:443", "[2001:db8::1]:443"];

pub(super) const PROBES: &[Probe] = &[
    probe("connect to a service of this machine", |ground, _| tcp(ground.tcp)),
    probe("send a datagram to a service of this machine", |ground, plan| datagram(ground.udp, plan)),
    probe("connect to the metadata service", |_, _| tcp(address(METADATA)?)),
    probe("connect to anywhere", |_, _| ANYWHERE.iter().try_fold((), |(), to| tcp(address(to)?)).or(far())),
    probe("ask a name server directly", |_, _| route("192.0.2.1:53")),
    probe("resolve a name", |_, _| ("portcullis-selftest.invalid", 443).to_socket_addrs().map(drop)),
    probe("listen", |_, _| TcpListener::bind("127.0.0.1:0").map(drop)),
];

fn address(text: &str) -> io::Result<SocketAddr> {
    text.parse().map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn far() -> io::Result<()> {
    ANYWHERE.iter().map(|to| route(to)).find(Result::is_ok).unwrap_or_else(|| holds("no route"))
}

fn tcp(to: SocketAddr) -> io::Result<()> {
    match TcpStream::connect_timeout(&to, PATIENCE) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(()),
        other => other.map(drop),
    }
}

/// Whether there is a route, which connecting a datagram socket tells without sending anything.
fn route(to: &str) -> io::Result<()> {
    let to = address(to)?;
    let own = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(own)?.connect(to)
}

/// Sent to the loopback interface of the sandbox's own network, if it has one, it reaches nobody: what counts is
/// what is seen outside.
fn datagram(to: SocketAddr, plan: &crate::Plan) -> io::Result<()> {
    let sent = UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", to).map(drop);
    if plan.egress.is_closed() || plan.danger_host_network { sent } else { holds("on a loopback of its own") }
}
