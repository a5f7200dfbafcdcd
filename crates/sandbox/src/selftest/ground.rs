//! What attempts are after, made outside, and whether any of it was reached.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::{DirBuilderExt as _, PermissionsExt as _},
            net::{SocketAddr as UnixAddress, UnixListener},
        },
    },
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Probed, Verdict};

const CANARY: &str = "not for a server";

/// Targets outside of a sandbox. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) targets: Targets,
    listeners: Listeners,
}

/// What attempts are told of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Targets {
    pub(crate) directory: PathBuf,
    pub(crate) tcp: SocketAddr,
    pub(crate) udp: SocketAddr,
    pub(crate) abstract_name: String,
    /// The process that made them, as the machine numbers it.
    pub(crate) pid: u32,
}

impl Targets {
    pub(crate) fn canary(&self) -> PathBuf {
        self.directory.join("canary")
    }
}

#[derive(Debug)]
struct Listeners {
    tcp: TcpListener,
    udp: UdpSocket,
    path: UnixListener,
    name: UnixListener,
}

impl Ground {
    pub(super) fn make(place: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(place)?;
        let pid = std::process::id();
        let directory = place.canonicalize()?.join(format!("{pid}"));
        // Left by a process of this number that was killed.
        let _none = fs::remove_dir_all(&directory);
        fs::create_dir(&directory)?;
        let canary = directory.join("canary");
        fs::write(&canary, CANARY)?;
        let path = UnixListener::bind(directory.join("socket"))?;
        // The rights of files must not do the sandbox's work: whoever it is inside may have all of this.
        for (path, mode) in [(&directory, 0o777), (&canary, 0o666), (&directory.join("socket"), 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        let abstract_name = format!("portcullis-selftest-{pid}");
        let name = UnixListener::bind_addr(&UnixAddress::from_abstract_name(&abstract_name)?)?;
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        path.set_nonblocking(true)?;
        name.set_nonblocking(true)?;
        let (tcp_at, udp_at) = (tcp.local_addr()?, udp.local_addr()?);
        let listeners = Listeners { tcp, udp, path, name };
        let targets = Targets { directory, tcp: tcp_at, udp: udp_at, abstract_name, pid };
        Ok(Self { targets, listeners })
    }

    /// What arrived, whatever the attempts themselves have seen.
    pub(super) fn seen_outside(&self) -> Vec<Probed> {
        let Listeners { tcp, udp, path, name } = &self.listeners;
        let changed = fs::read_to_string(self.targets.canary()).map_or(true, |text| text != CANARY);
        let entries = fs::read_dir(&self.targets.directory).map_or(0, Iterator::count);
        [
            ("nothing has changed outside", "files", changed || entries != 2),
            ("no connection has arrived outside", "network", arrived(tcp.accept())),
            ("no datagram has arrived outside", "network", arrived(udp.recv(&mut [0]))),
            ("nothing has arrived at a Unix socket outside", "files", arrived(path.accept())),
            ("nothing has arrived at an abstract socket outside", "processes", arrived(name.accept())),
        ]
        .into_iter()
        .map(|(probe, boundary, open)| Probed {
            probe: probe.to_owned(),
            boundary: boundary.to_owned(),
            verdict: if open { Verdict::Open } else { Verdict::Held },
            said: "seen from outside".to_owned(),
        })
        .collect()
    }
}

/// Anything but the answer that there was nothing.
fn arrived<T>(received: io::Result<T>) -> bool {
    !received.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.targets.directory);
    }
}
