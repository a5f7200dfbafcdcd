//! Sockets that wait for connections, as `/proc/net` shows them (proc(5)).

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use super::process::Processes;

/// Where a socket waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    /// On an address and port; the unspecified address stands for all.
    Tcp(SocketAddr),
    /// On a path.
    Unix(PathBuf),
}

/// A socket that waits for connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Where.
    pub at: Where,
    /// Who has it open, when we may know.
    pub pid: Option<u32>,
}

/// Every socket of this machine that waits for connections, once for each place.
pub fn listeners(processes: &Processes) -> Vec<Listener> {
    let owners = processes.by_socket();
    let read = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let found = tcp(&read("tcp")).into_iter().chain(tcp(&read("tcp6"))).chain(unix(&read("unix")));
    let mut seen = BTreeSet::new();
    let owned = found.map(|(at, inode)| {
        let pid = owners.get(&inode).and_then(|pids| pids.first()).copied();
        Listener { at, pid }
    });
    owned.filter(|listener| seen.insert(listener.at.clone())).collect()
}

/// The state `TCP_LISTEN`.
const LISTEN: &str = "0A";

fn tcp(table: &str) -> Vec<(Where, u64)> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let (local, state) = (words.nth(1)?, words.nth(1)?);
        let inode = words.nth(5)?.parse().ok()?;
        (state == LISTEN).then_some((Where::Tcp(address(local)?), inode))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// An address as the kernel writes it: each 32-bit word in the byte order of the machine.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// `__SO_ACCEPTCON` among the flags, and a stream.
const ACCEPTS: u32 = 0x0001_0000;
const STREAM: &str = "0001";

fn unix(table: &str) -> Vec<(Where, u64)> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        let kind = words.next()?;
        let inode = words.nth(1)?.parse().ok()?;
        let path = words.next()?;
        let named = path.starts_with('/') && flags & ACCEPTS != 0 && kind == STREAM;
        named.then(|| (Where::Unix(PathBuf::from(path)), inode))
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::{net::TcpListener, os::unix::net::UnixListener};

    use super::*;

    #[test]
    fn own_sockets_are_found_with_their_process() {
        let directory = std::env::temp_dir().join(format!("portcullis-listening-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("s.sock");
        let (tcp, v6, unix) =
            (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("[::1]:0"), UnixListener::bind(&path));
        let found = listeners(&Processes::now());
        let pid = Some(std::process::id());
        let mut expected = vec![Where::Tcp(tcp.unwrap().local_addr().unwrap()), Where::Unix(path)];
        // Not every machine has IPv6.
        expected.extend(v6.ok().and_then(|v6| v6.local_addr().ok()).map(Where::Tcp));
        for at in expected {
            assert!(found.contains(&Listener { at: at.clone(), pid }), "{at:?}");
        }
        drop(unix);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("0100007F:1F90", Some("127.0.0.1:8080")),
            ("00000000:0016", Some("0.0.0.0:22")),
            ("00000000000000000000000001000000:0050", Some("[::1]:80")),
            ("0000000000000000FFFF00000100007F:0050", Some("127.0.0.1:80")),
            ("0100007F", None),
            ("01:1", None),
            ("é100007F:1F90", None),
        ] {
            // As a little-endian machine writes them.
            if cfg!(target_endian = "little") {
                assert_eq!(address(text), expected.map(|text| text.parse().unwrap()), "{text}");
            }
        }
    }
}
