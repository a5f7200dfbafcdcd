//! Processes, as `/proc` shows them (Linux, proc(5)). What another user's process keeps to itself is left out.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The other end of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// A pipe, by its inode.
    Pipe(u64),
    /// A socket, by its inode.
    Socket(u64),
}

/// One process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Who started it.
    pub parent: u32,
    /// When it was started, in ticks since the machine was: tells it from a later one with its number.
    pub started: u64,
    /// The user it runs as.
    pub uid: u32,
    /// Its program, when we may know.
    pub executable: Option<PathBuf>,
    /// Its command line. Arguments may be secrets: not to be shown.
    pub argv: Vec<String>,
    /// Its working directory, when we may know.
    pub directory: Option<PathBuf>,
    /// The container it is in, by the name its control group has.
    pub container: Option<String>,
    /// Pipes and sockets it has open, by descriptor.
    pub streams: BTreeMap<u32, Stream>,
}

/// All processes there were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    by_pid: BTreeMap<u32, Process>,
}

impl Processes {
    /// Those of this machine.
    pub fn now() -> Self {
        Self::in_directory(Path::new("/proc"))
    }

    /// Those a directory in the form of `/proc` tells of.
    pub fn in_directory(root: &Path) -> Self {
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        let pids =
            entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
        // A process that ends meanwhile is none that runs.
        let by_pid = pids.filter_map(|(pid, path)| Some((pid, Process::read(pid, &path)?))).collect();
        Self { by_pid }
    }

    /// A process by its number.
    pub fn get(&self, pid: u32) -> Option<&Process> {
        self.by_pid.get(&pid)
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.by_pid.values()
    }

    /// Whether a process still runs: what was learnt of one that ended meanwhile is not to be relied on.
    pub fn still_runs(&self, pid: u32) -> bool {
        let started = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| started(&stat));
        self.get(pid).is_some_and(|process| started == Some(process.started))
    }

    /// A process's parent, its parent, and so on.
    pub fn ancestors(&self, pid: u32) -> Vec<&Process> {
        let mut line: Vec<&Process> = Vec::new();
        let mut next = self.get(pid).and_then(|process| self.get(process.parent));
        while let Some(process) = next {
            // Read one after the other, parents can seem to go in a circle when a number was used again.
            if line.iter().any(|seen| seen.pid == process.pid) {
                break;
            }
            line.push(process);
            next = self.get(process.parent);
        }
        line
    }

    /// Who has each socket open.
    pub fn by_socket(&self) -> BTreeMap<u64, Vec<u32>> {
        let mut owners: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for process in self.iter() {
            for stream in process.streams.values() {
                if let Stream::Socket(inode) = stream {
                    owners.entry(*inode).or_default().push(process.pid);
                }
            }
        }
        owners
    }
}

impl Process {
    fn read(pid: u32, path: &Path) -> Option<Self> {
        let argv = fs::read(path.join("cmdline")).ok()?;
        // A thread of the kernel has no command line.
        if argv.is_empty() {
            return None;
        }
        let status = fs::read_to_string(path.join("status")).ok()?;
        let words = argv.strip_suffix(b"\0").unwrap_or(&argv).split(|byte| *byte == 0);
        Some(Self {
            pid,
            parent: field(&status, "PPid:")?.parse().ok()?,
            started: started(&fs::read_to_string(path.join("stat")).ok()?)?,
            uid: fs::metadata(path).ok()?.uid(),
            executable: fs::read_link(path.join("exe")).ok(),
            argv: words.map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
            directory: fs::read_link(path.join("cwd")).ok(),
            container: fs::read_to_string(path.join("cgroup")).ok().and_then(|text| container(&text)),
            streams: streams(&path.join("fd")),
        })
    }

    /// The file name of its program, or of what its command line calls it.
    pub fn name(&self) -> &str {
        let program = self.executable.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let called = || self.argv.first().and_then(|first| first.rsplit('/').next());
        program.or_else(called).unwrap_or_default()
    }
}

fn field<'t>(status: &'t str, name: &str) -> Option<&'t str> {
    status.lines().find_map(|line| line.strip_prefix(name)).and_then(|rest| rest.split_whitespace().next())
}

/// Field 22 of `/proc/PID/stat`; `None` for one that has ended and is only waited for. The name of the program before
/// it may have anything in it.
fn started(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// The most descriptors of one process that are looked at.
const MAX_DESCRIPTORS: usize = 4096;

fn streams(directory: &Path) -> BTreeMap<u32, Stream> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MAX_DESCRIPTORS);
    let stream = |entry: fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, Stream::parse(fs::read_link(entry.path()).ok()?.to_str()?)?))
    };
    entries.filter_map(stream).collect()
}

impl Stream {
    fn parse(link: &str) -> Option<Self> {
        let (kind, rest) = link.split_once(":[")?;
        let inode = rest.strip_suffix(']')?.parse().ok()?;
        match kind {
            "pipe" => Some(Self::Pipe(inode)),
            "socket" => Some(Self::Socket(inode)),
            _ => None,
        }
    }
}

/// Engines that name a control group after the container in it, by its identifier of 64 hexadecimal digits.
fn container(cgroup: &str) -> Option<String> {
    let mut parts = cgroup.lines().flat_map(|line| line.split(['/', ':', '-', '.']));
    let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.rfind(is_id).and_then(|id| id.get(..12)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn this_process_is_there_with_its_parents() {
        let processes = Processes::now();
        let own = processes.get(std::process::id()).unwrap();
        assert_eq!(own.executable, std::env::current_exe().ok());
        assert_eq!(own.uid, rustix::process::getuid().as_raw());
        assert!(own.argv.first().unwrap().contains(own.name()));
        assert!(processes.still_runs(own.pid));
        let ancestors = processes.ancestors(own.pid);
        assert_eq!(ancestors.first().unwrap().pid, own.parent);
    }

    #[test]
    fn one_that_ended_does_not_run() {
        use std::{
            io::{Read as _, Write as _},
            process::{Command, Stdio},
        };
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // It answers, so it is past the moment at which it has no command line yet.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let processes = Processes::now();
        assert!(processes.still_runs(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!processes.still_runs(child.id()));
    }

    #[test]
    fn the_time_of_the_start_follows_any_name() {
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        for name in ["sleep", "a) b (c", ""] {
            assert_eq!(started(&format!("7 ({name}) S {rest}")), Some(4711), "{name}");
            assert_eq!(started(&format!("7 ({name}) Z {rest}")), None, "{name}");
        }
        assert_eq!(started("7"), None);
    }

    #[test]
    fn links_and_control_groups() {
        for (link, expected) in [
            ("pipe:[12]", Some(Stream::Pipe(12))),
            ("socket:[7]", Some(Stream::Socket(7))),
            ("anon_inode:[eventpoll]", None),
            ("/dev/null", None),
            ("pipe:[x]", None),
        ] {
            assert_eq!(Stream::parse(link), expected, "{link}");
        }
        let id = "a1".repeat(32);
        for (text, expected) in [
            (format!("0::/system.slice/docker-{id}.scope"), Some("a1a1a1a1a1a1")),
            (format!("4:pids:/docker/{id}"), Some("a1a1a1a1a1a1")),
            ("0::/user.slice".to_owned(), None),
        ] {
            assert_eq!(container(&text).as_deref(), expected, "{text}");
        }
    }
}
