//! What a hostile server would try: one attempt each, which says whether it had its effect.
//!
//! `sandbox-rig probe NAME ARG…` ends with status 0 when the attempt had its effect, and with 10 and the reason on
//! standard output when it was refused.
#![allow(unsafe_code, reason = "attempts that no safe interface makes")]

use std::{
    ffi::CString,
    fs, io,
    net::{TcpStream, UdpSocket},
    os::{
        fd::AsRawFd as _,
        unix::{fs::PermissionsExt as _, net::UnixStream},
    },
    process::{Command, ExitCode},
};

type Attempt = fn(&[String]) -> io::Result<()>;

/// By name.
const ATTEMPTS: &[(&str, Attempt)] = &[
    ("read", |args| fs::read(arg(args, 0)).map(drop)),
    ("list", |args| fs::read_dir(arg(args, 0)).map(drop)),
    ("write", |args| fs::write(arg(args, 0), "changed")),
    ("remove", |args| fs::remove_file(arg(args, 0))),
    ("execute", |args| run(Command::new(arg(args, 0)).args(args.iter().skip(1)))),
    ("execute-copy", |args| {
        fs::copy(arg(args, 0), arg(args, 1))?;
        run(Command::new(arg(args, 1)).args(args.iter().skip(2)))
    }),
    ("tcp", |args| TcpStream::connect(arg(args, 0)).map(drop)),
    ("listen", |args| std::net::TcpListener::bind(arg(args, 0)).map(drop)),
    ("udp", |args| UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", arg(args, 0)).map(drop)),
    ("unix", |args| UnixStream::connect(arg(args, 0)).map(drop)),
    ("abstract", |args| abstract_connect(arg(args, 0))),
    ("socket", |args| call(libc::SYS_socket, [number(args, 0), number(args, 1), number(args, 2), 0, 0])),
    ("signal", |args| call(libc::SYS_kill, [number(args, 0), 0, 0, 0, 0])),
    ("ptrace", |_| call(libc::SYS_ptrace, [libc::PTRACE_TRACEME.into(), 0, 0, 0, 0])),
    ("descriptor", |args| rustix_read(number(args, 0))),
    ("variable", |args| std::env::var(arg(args, 0)).map(drop).map_err(io::Error::other)),
    ("keyring", |_| call(libc::SYS_keyctl, [0, -3, 0, 0, 0])),
    ("io-uring", |_| io_uring()),
    ("userfaultfd", |_| call(libc::SYS_userfaultfd, [1, 0, 0, 0, 0])),
    ("bpf", |_| bpf()),
    ("perf", |_| perf()),
    ("new-user", |_| call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0, 0])),
    ("new-user-by-clone", |_| clone_user()),
    ("mount", |_| mount()),
    ("device", |args| device(arg(args, 0))),
    ("memory-file", |_| call(libc::SYS_memfd_create, [c"x".as_ptr().expose_provenance() as i64, 0, 0, 0, 0])),
    ("x32", |_| call(0x4000_0000 | libc::SYS_getpid, [0; 5])),
    ("processes", |args| processes(number(args, 0))),
    ("memory", |args| memory(number(args, 0))),
    ("fill", |args| fs::write(arg(args, 0), vec![0; usize::try_from(number(args, 1)).unwrap()])),
    ("settings", |_| fs::OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern").map(drop)),
    ("setuid", |_| call(libc::SYS_setuid, [0; 5])),
    ("wait", |_| io::stdin().read_line(&mut String::new()).map(drop)),
    ("through-link", |args| {
        std::os::unix::fs::symlink(arg(args, 0), arg(args, 1))?;
        let read = fs::read(arg(args, 1)).map(drop);
        fs::remove_file(arg(args, 1))?;
        read
    }),
    ("link", |args| fs::hard_link(arg(args, 0), arg(args, 1))),
    ("rename", |args| fs::rename(arg(args, 0), arg(args, 1))),
    ("truncate", |args| fs::OpenOptions::new().write(true).truncate(true).open(arg(args, 0)).map(drop)),
    ("chmod", |args| fs::set_permissions(arg(args, 0), fs::Permissions::from_mode(0o600))),
    ("open-files", |args| {
        let opened: io::Result<Vec<_>> = (0..number(args, 0)).map(|_| fs::File::open("/dev/null")).collect();
        opened.map(drop)
    }),
    ("threads", |args| threads(number(args, 0))),
    ("pidfd", |args| call(libc::SYS_pidfd_open, [number(args, 0), 0, 0, 0, 0])),
    ("read-memory", |_| read_memory()),
    ("new-file-system", |_| call(libc::SYS_fsopen, [address(c"tmpfs"), 0, 0, 0, 0])),
    ("open-tree", |_| call(libc::SYS_open_tree, [libc::AT_FDCWD.into(), address(c"/"), 1, 0, 0])),
    ("chroot", |_| call(libc::SYS_chroot, [address(c"/"), 0, 0, 0, 0])),
    ("enter-namespace", |_| {
        let own = fs::File::open("/proc/self/ns/net")?;
        call(libc::SYS_setns, [own.as_raw_fd().into(), 0, 0, 0, 0])
    }),
    ("handle", |_| handle()),
    ("watch-files", |_| call(libc::SYS_fanotify_init, [0x200, 0, 0, 0, 0])),
    ("add-key", |_| call(libc::SYS_add_key, [address(c"user"), address(c"x"), address(c"y"), 1, -2])),
    ("clock", |_| call(libc::SYS_adjtimex, [[0u64; 32].as_mut_ptr().expose_provenance() as i64, 0, 0, 0, 0])),
    ("kernel-log", |_| call(libc::SYS_syslog, [10, 0, 0, 0, 0])),
    ("no-randomisation", |_| call(libc::SYS_personality, [0x004_0000, 0, 0, 0, 0])),
    ("secure-bits", |_| call(libc::SYS_prctl, [27, 0, 0, 0, 0])),
    ("memory-policy", |_| call(libc::SYS_set_mempolicy, [0; 5])),
    ("map-into-pipe", |_| map_into_pipe()),
    ("i386", |_| i386()),
    ("priority", |_| call(libc::SYS_setpriority, [0, 0, -10, 0, 0])),
    ("shared-memory", |args| call(libc::SYS_shmget, [number(args, 0), 0, 0, 0, 0])),
    // As often as is said, and the last of them counts.
    ("flood", |args| {
        let mut last = Ok(());
        for _ in 0..number(args, 0) {
            last = call(libc::SYS_keyctl, [0, -3, 0, 0, 0]);
        }
        last
    }),
    ("flood-and-wait", |args| {
        (0..number(args, 0)).for_each(|_| drop(call(libc::SYS_keyctl, [0, -3, 0, 0, 0])));
        loop {
            std::thread::park();
        }
    }),
    ("hostname", |_| call(libc::SYS_sethostname, [c"x".as_ptr().expose_provenance() as i64, 1, 0, 0, 0])),
];

pub(crate) fn main(name: &str, args: &[String]) -> ExitCode {
    let attempt =
        ATTEMPTS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no probe `{name}`"));
    match attempt.1(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::from(10)
        }
    }
}

/// The same with names and mounts that are the process's own, so that what an attempt changes outside of any
/// sandbox is changed for it alone.
pub(crate) fn apart(name: &str, args: &[String]) -> ExitCode {
    call(libc::SYS_unshare, [i64::from(libc::CLONE_NEWNS | libc::CLONE_NEWUTS), 0, 0, 0, 0]).unwrap();
    let private = rustix::mount::MountPropagationFlags::REC | rustix::mount::MountPropagationFlags::PRIVATE;
    rustix::mount::mount_change("/", private).unwrap();
    main(name, args)
}

fn arg(args: &[String], index: usize) -> &str {
    args.get(index).map_or("", String::as_str)
}

fn number(args: &[String], index: usize) -> i64 {
    arg(args, index).parse().unwrap()
}

fn call(number: i64, args: [i64; 5]) -> io::Result<()> {
    let [a, b, c, d, e] = args;
    // SAFETY: the arguments are numbers or addresses of values that outlive the call.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, 0i64) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

fn abstract_connect(name: &str) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    UnixStream::connect_addr(&address).map(drop)
}

fn rustix_read(descriptor: i64) -> io::Result<()> {
    let mut byte = [0u8];
    call(libc::SYS_pread64, [descriptor, byte.as_mut_ptr().expose_provenance() as i64, 1, 0, 0])
}

fn io_uring() -> io::Result<()> {
    let mut parameters = [0u64; 15];
    call(libc::SYS_io_uring_setup, [1, parameters.as_mut_ptr().expose_provenance() as i64, 0, 0, 0])
}

fn bpf() -> io::Result<()> {
    // BPF_MAP_CREATE of an array with one element of four bytes.
    let mut attributes = [0u32; 32];
    attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
    call(libc::SYS_bpf, [0, attributes.as_ptr().expose_provenance() as i64, 128, 0, 0])
}

fn perf() -> io::Result<()> {
    // PERF_TYPE_SOFTWARE, the size of the structure's first version, PERF_COUNT_SW_CPU_CLOCK.
    let mut attributes = [0u32; 32];
    attributes[..2].copy_from_slice(&[1, 64]);
    call(libc::SYS_perf_event_open, [attributes.as_ptr().expose_provenance() as i64, 0, -1, -1, 0])
}

fn clone_user() -> io::Result<()> {
    // SAFETY: as fork(2); the child ends at once.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0) };
    match pid {
        0 => std::process::exit(0),
        pid if pid < 0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn address(text: &std::ffi::CStr) -> i64 {
    text.as_ptr().expose_provenance() as i64
}

/// Reads memory of this very process as if it were another's.
fn read_memory() -> io::Result<()> {
    let (from, mut to) = ([1u8; 8], [0u8; 8]);
    let from = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: 8 };
    let to = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: 8 };
    let at = |vector: &libc::iovec| std::ptr::from_ref(vector).expose_provenance() as i64;
    call(libc::SYS_process_vm_readv, [std::process::id().into(), at(&to), 1, at(&from), 1])
}

fn handle() -> io::Result<()> {
    // `handle_bytes` and room for as many.
    let mut handle = [0u32; 40];
    handle[0] = 128;
    let (handle, mut mount) = (handle.as_mut_ptr().expose_provenance() as i64, 0i32);
    let mount = std::ptr::from_mut(&mut mount).expose_provenance() as i64;
    call(libc::SYS_name_to_handle_at, [libc::AT_FDCWD.into(), address(c"/tmp"), handle, mount, 0])
}

fn map_into_pipe() -> io::Result<()> {
    let (_read, write) = io::pipe()?;
    let page = [0u8; 16];
    let vector = libc::iovec { iov_base: page.as_ptr().cast_mut().cast(), iov_len: 16 };
    let vector = std::ptr::from_ref(&vector).expose_provenance() as i64;
    call(libc::SYS_vmsplice, [write.as_raw_fd().into(), vector, 1, 0, 0])
}

/// A call by the numbering of another architecture, which a filter that looks at numbers alone takes for another.
#[cfg(target_arch = "x86_64")]
fn i386() -> io::Result<()> {
    let mut result = 20i32;
    // SAFETY: 20 is getpid by that numbering: it has no arguments and no effect.
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") result) };
    if result > 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-result)) }
}

#[cfg(not(target_arch = "x86_64"))]
fn i386() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has as many threads at once.
fn threads(count: i64) -> io::Result<()> {
    let wait = std::sync::Mutex::new(());
    let held = wait.lock().unwrap();
    std::thread::scope(|scope| {
        let made = (0..count).try_for_each(|_| {
            let waits = || drop(wait.lock().unwrap());
            std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, waits).map(drop)
        });
        drop(held);
        made
    })
}

fn mount() -> io::Result<()> {
    let (kind, place) = (c"tmpfs", c"/tmp");
    call(libc::SYS_mount, [address(kind), address(place), address(kind), 0, 0])
}

fn device(path: &str) -> io::Result<()> {
    let name = CString::new(path)?;
    let mode = i64::from(libc::S_IFCHR | 0o666);
    // 1, 3 is /dev/null.
    call(libc::SYS_mknodat, [libc::AT_FDCWD.into(), name.as_ptr().expose_provenance() as i64, mode, 0x103, 0])
}

/// Has as many children at once.
fn processes(count: i64) -> io::Result<()> {
    let mut children = Vec::new();
    let sleeper = |_| {
        Command::new(std::env::current_exe()?)
            .args(["probe", "wait"])
            .stdin(std::process::Stdio::piped())
            .spawn()
    };
    let made = (0..count).map(sleeper).try_for_each(|child| {
        children.push(child?);
        Ok(())
    });
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
    made
}

/// Touches as many bytes.
fn memory(bytes: i64) -> io::Result<()> {
    let mut block = vec![0u8; usize::try_from(bytes).unwrap()];
    block.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(block);
    Ok(())
}
