//! Hostile programs in a sandbox: every attempt is refused, and its twin, the same attempt with a plan that allows
//! it or outside of any sandbox, has its effect. As root and as an ordinary user.

use std::{
    net::{TcpListener, UdpSocket},
    os::linux::net::SocketAddrExt as _,
    path::Path,
};

use portcullis_sandbox::{Draft, Egress};

use crate::stage::{Stage, User, users};

/// What makes the same attempt succeed.
enum Twin {
    /// A plan that is wider by this.
    Plan(fn(&Stage, &mut Draft)),
    /// No sandbox.
    Outside,
    /// No sandbox, and being root.
    OutsideAsRoot,
}

struct Row {
    attempt: &'static str,
    twin: Twin,
    /// Whether it takes a control group to refuse it, which an ordinary user has not.
    group: bool,
}

const fn row(attempt: &'static str, twin: Twin) -> Row {
    Row { attempt, twin, group: false }
}

/// `{}` is the directory of the stage, `{tcp}`, `{udp}`, `{abstract}` and `{pid}` are what the test holds there.
const ROWS: &[Row] = &[
    row("read {}/outside/secret", Twin::Plan(|stage, draft| draft.read(&stage.path("outside")).unwrap())),
    row("list {}/outside", Twin::Plan(|stage, draft| draft.read(&stage.path("outside")).unwrap())),
    row("write {}/outside/secret", Twin::Plan(|stage, draft| draft.write(&stage.path("outside")).unwrap())),
    row(
        "write {}/readable/file",
        Twin::Plan(|stage, draft| draft.write(&stage.path("readable/file")).unwrap()),
    ),
    row("remove {}/readable/other", Twin::Plan(|stage, draft| draft.write(&stage.path("readable")).unwrap())),
    row("read /etc/shadow", Twin::OutsideAsRoot),
    row("list /root", Twin::OutsideAsRoot),
    row("execute /bin/sh -c true", Twin::Plan(|_, draft| drop(draft.execute("/bin/sh".as_ref()).unwrap()))),
    row("execute-copy {}/rig {}/work/copy probe list /", Twin::Outside),
    row("execute-copy {}/rig /tmp/portcullis-copy probe list /", Twin::Outside),
    row(
        "execute /lib64/ld-linux-x86-64.so.2 /bin/true",
        Twin::Plan(|_, draft| drop(draft.execute("/bin/true".as_ref()).unwrap())),
    ),
    row(
        "execute /usr/bin/env true",
        Twin::Plan(|_, draft| {
            draft.execute("/usr/bin/env".as_ref()).unwrap();
            draft.execute("true".as_ref()).unwrap();
        }),
    ),
    row(
        "through-link {}/outside/secret {}/work/link",
        Twin::Plan(|stage, draft| draft.read(&stage.path("outside")).unwrap()),
    ),
    row("link {}/outside/secret {}/work/link", Twin::Outside),
    row("rename {}/outside/secret {}/work/secret", Twin::Outside),
    row(
        "truncate {}/readable/file",
        Twin::Plan(|stage, draft| draft.write(&stage.path("readable/file")).unwrap()),
    ),
    row(
        "chmod {}/readable/file",
        Twin::Plan(|stage, draft| draft.write(&stage.path("readable/file")).unwrap()),
    ),
    row("device {}/work/device", Twin::OutsideAsRoot),
    row("list /sys/kernel", Twin::Outside),
    row("list /run", Twin::Outside),
    row("read /etc/hostname", Twin::Outside),
    row("read /proc/kallsyms", Twin::Outside),
    row("read /proc/net/tcp", Twin::Outside),
    row("read /proc/{pid}/environ", Twin::OutsideAsRoot),
    row("read /proc/{pid}/root{}/outside/secret", Twin::OutsideAsRoot),
    row("memory-file", Twin::Outside),
    row("tcp {tcp}", Twin::Plan(|_, draft| draft.danger_host_network())),
    row("udp {udp}", Twin::Plan(|_, draft| draft.danger_host_network())),
    row("unix {}/outside/socket", Twin::Plan(|stage, draft| draft.write(&stage.path("outside")).unwrap())),
    row("abstract {abstract}", Twin::Outside),
    // AF_VSOCK, AF_NETLINK, AF_PACKET.
    row("socket 40 1 0", Twin::Outside),
    row("socket 16 3 0", Twin::Outside),
    row("socket 17 3 0", Twin::OutsideAsRoot),
    // ICMP as it is on the wire.
    row("socket 2 3 1", Twin::OutsideAsRoot),
    row("listen 127.0.0.1:0", Twin::Plan(|_, draft| draft.danger_host_network())),
    row("signal {pid}", Twin::OutsideAsRoot),
    row("signal 1", Twin::OutsideAsRoot),
    row("pidfd {pid}", Twin::Outside),
    row("read-memory", Twin::Outside),
    row("shared-memory {shared}", Twin::Outside),
    row("new-file-system", Twin::OutsideAsRoot),
    row("open-tree", Twin::OutsideAsRoot),
    row("chroot", Twin::OutsideAsRoot),
    row("enter-namespace", Twin::OutsideAsRoot),
    row("handle", Twin::Outside),
    row("watch-files", Twin::Outside),
    row("add-key", Twin::Outside),
    row("clock", Twin::Outside),
    row("kernel-log", Twin::OutsideAsRoot),
    row("no-randomisation", Twin::Outside),
    row("secure-bits", Twin::Outside),
    row("memory-policy", Twin::Outside),
    row("map-into-pipe", Twin::Outside),
    row("i386", Twin::Outside),
    row("priority", Twin::OutsideAsRoot),
    row("ptrace", Twin::Outside),
    row("descriptor 57", Twin::Outside),
    row("variable SECRET", Twin::Plan(|_, draft| draft.env("SECRET"))),
    row("keyring", Twin::Outside),
    row("io-uring", Twin::Outside),
    row("userfaultfd", Twin::OutsideAsRoot),
    row("bpf", Twin::OutsideAsRoot),
    row("perf", Twin::OutsideAsRoot),
    row("new-user", Twin::Outside),
    row("new-user-by-clone", Twin::Outside),
    row("mount", Twin::OutsideAsRoot),
    row("hostname", Twin::OutsideAsRoot),
    row("device /tmp/portcullis-device", Twin::OutsideAsRoot),
    row("settings", Twin::OutsideAsRoot),
    row("setuid", Twin::OutsideAsRoot),
    row("processes 40", Twin::Plan(|_, draft| draft.limits().processes = 60)),
    row("threads 40", Twin::Plan(|_, draft| draft.limits().processes = 60)),
    row("open-files 100", Twin::Plan(|_, draft| draft.limits().open_files = 200)),
    row("fill /dev/shm/file 30000000", Twin::Plan(|_, draft| draft.limits().scratch = 40 << 20)),
    row("fill /tmp/file 30000000", Twin::Plan(|_, draft| draft.limits().scratch = 40 << 20)),
    row("fill {}/work/file 70000000", Twin::Plan(|_, draft| draft.limits().file = 80 << 20)),
    Row {
        attempt: "memory 300000000",
        twin: Twin::Plan(|_, draft| draft.limits().memory = 400 << 20),
        group: true,
    },
];

/// What every attempt is given.
fn draft(stage: &Stage) -> Draft {
    let mut draft = stage.draft();
    draft.read(&stage.path("readable")).unwrap();
    draft.write(&stage.path("work")).unwrap();
    let limits = draft.limits();
    (limits.processes, limits.scratch, limits.file, limits.memory) = (30, 20 << 20, 60 << 20, 200 << 20);
    limits.open_files = 64;
    draft
}

#[test]
fn hostile_programs_are_contained_and_their_twins_are_not() {
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let name = format!("portcullis-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let shared = SharedMemory::new();
    for user in users() {
        let mut wrong = Vec::new();
        for row in ROWS.iter().filter(|row| !row.group || user == User::Root) {
            let stage = Stage::new(user);
            let attempt = row
                .attempt
                .replace("{}", stage.path("").to_str().unwrap().trim_end_matches('/'))
                .replace("{tcp}", &tcp.local_addr().unwrap().to_string())
                .replace("{udp}", &udp.local_addr().unwrap().to_string())
                .replace("{abstract}", &name)
                .replace("{shared}", &shared.key.to_string())
                .replace("{pid}", &std::process::id().to_string());
            let refused = stage.contain(&draft(&stage).finish(), &attempt);
            let left =
                !Path::new("/tmp/portcullis-copy").exists() && !Path::new("/tmp/portcullis-device").exists();
            if !(refused.refused() && left && stage.is_untouched()) {
                wrong.push(format!("contained: {attempt}: {refused:?}"));
            }
            let twin = match row.twin {
                Twin::Plan(widen) => {
                    let mut draft = draft(&stage);
                    widen(&stage, &mut draft);
                    stage.contain(&draft.finish(), &attempt)
                }
                Twin::OutsideAsRoot if user != User::Root => continue,
                Twin::OutsideAsRoot => stage.apart(&attempt),
                Twin::Outside => stage.outside(&attempt),
            };
            for left in ["/tmp/portcullis-copy", "/tmp/portcullis-device"] {
                let _ = std::fs::remove_file(left);
            }
            if twin.status != 0 {
                wrong.push(format!("twin: {attempt}: {twin:?}"));
            }
        }
        assert!(wrong.is_empty(), "as {user:?}:\n{}", wrong.join("\n"));
    }
}

/// A segment of System V shared memory that everybody may use. Removed when dropped.
struct SharedMemory {
    key: i32,
    id: i32,
}

#[allow(unsafe_code, reason = "there is no safe interface")]
impl SharedMemory {
    fn new() -> Self {
        let key = std::process::id().cast_signed();
        // SAFETY: the call takes numbers only.
        let id = unsafe { libc::shmget(key, 4096, libc::IPC_CREAT | 0o666) };
        assert!(id >= 0, "{}", std::io::Error::last_os_error());
        Self { key, id }
    }
}

#[allow(unsafe_code, reason = "there is no safe interface")]
impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: removing takes no structure, so the pointer may be null.
        unsafe { libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

#[test]
fn time_is_up() {
    for user in users() {
        let stage = Stage::new(user);
        for (attempt, expected) in [("wait", 124), ("list /tmp", 0)] {
            let mut draft = draft(&stage);
            draft.limits().seconds = Some(2);
            assert_eq!(stage.contain(&draft.finish(), attempt).status, expected, "{attempt}");
        }
    }
}

/// A plan that names hosts opens one door, and what was closed beside it stays closed.
#[test]
fn hosts_open_one_door_only() {
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    udp.set_nonblocking(true).unwrap();
    let heard = || udp.recv(&mut [0]).is_ok();
    let attempts = [
        ("tcp 127.0.0.1:3128".to_owned(), true),
        (format!("tcp {}", tcp.local_addr().unwrap()), false),
        ("tcp 127.0.0.2:3128".to_owned(), false),
        ("tcp [::1]:3128".to_owned(), false),
        ("tcp 169.254.169.254:80".to_owned(), false),
        ("tcp 169.254.169.254:3128".to_owned(), false),
        ("listen 127.0.0.1:0".to_owned(), false),
        ("socket 16 3 0".to_owned(), false),
        ("udp 169.254.169.254:53".to_owned(), false),
    ];
    for user in users() {
        let stage = Stage::new(user);
        let with_hosts = || {
            let mut draft = draft(&stage);
            let hosts = ["api.example.com".to_owned()].into();
            draft.egress(Egress { hosts, ..Egress::default() }).unwrap();
            draft
        };
        for (attempt, through) in &attempts {
            let tried = stage.contain(&with_hosts().finish(), attempt);
            assert_eq!((tried.status == 0, tried.refused()), (*through, !through), "{attempt}: {tried:?}");
        }
        assert!(stage.contain(&draft(&stage).finish(), "tcp 127.0.0.1:3128").refused());
        // On a loopback of its own, where nobody hears it.
        let question = format!("udp {}", udp.local_addr().unwrap());
        stage.contain(&with_hosts().finish(), &question);
        assert!(!heard());
        assert_eq!(stage.outside(&question).status, 0);
        assert!(heard());
    }
}

/// Only root has control groups here; an ordinary user is told that there is no such limit.
#[test]
fn an_end_for_want_of_memory_is_told_as_such() {
    if users().contains(&User::Root) && portcullis_sandbox::control_groups().is_some() {
        let stage = Stage::new(User::Root);
        let ended = stage.contain(&draft(&stage).finish(), "memory 300000000");
        assert_eq!(
            (ended.status, ended.said.trim()),
            (137, "was killed for using more memory than its limit")
        );
    }
}
