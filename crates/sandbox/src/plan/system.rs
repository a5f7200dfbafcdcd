//! What every sandbox has, as tables. All of it belongs to the distribution or is made anew.

/// Read by loaders and runtimes: libraries, certificates, time zones. No directory of programs is among them.
pub(super) const READ: &[&str] = &[
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    // Where Debian keeps the parts of node that are written in JavaScript.
    "/usr/share/nodejs",
    "/usr/share/zoneinfo",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/ld.so.cache",
    "/etc/localtime",
];

/// How names are found, for whoever uses the machine's network.
pub(super) const NAMES: &[&str] = &["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"];

/// Directories that are links where `/usr` is merged, and through which loaders are found.
pub(super) const ALIASES: &[&str] = &["/lib", "/lib32", "/lib64", "/bin", "/sbin"];

/// Loaders the kernel executes on behalf of a dynamically linked program.
pub(super) const LOADERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// What no plan may contain as a whole, and why.
pub(super) const BOUNDARIES: &[(&str, &str)] = &[
    ("/", "it is everything"),
    ("/dev", "it holds the machine's devices"),
    ("/proc", "it holds the memory and environment of other processes"),
    ("/run", "it holds the sockets of the machine's services"),
    ("/sys", "it holds the kernel's settings"),
    ("/var/run", "it holds the sockets of the machine's services"),
];

/// Devices without state.
pub(crate) const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Links every program may expect.
pub(crate) const LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Files that are made, so that the machine's own users, hosts and name servers are not told.
pub(crate) const MADE: &[(&str, &str)] = &[
    ("/etc/passwd", "server:x:1000:1000::/tmp:/nonexistent\n"),
    ("/etc/group", "server:x:1000:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("/etc/resolv.conf", ""),
];
