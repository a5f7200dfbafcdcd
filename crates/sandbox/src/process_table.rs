//! The part of `/proc/<pid>/stat` that says who belongs to whom (proc(5)).

use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A process and its relations, as of one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: Pid,
    pub(crate) parent: Option<Pid>,
    pub(crate) group: Option<Pid>,
    pub(crate) session: Option<Pid>,
}

/// This process. Its group and its session are unknown where they were founded outside of its pid namespace:
/// the calls that ask for them then answer 0, which is no process (pid_namespaces(7)).
pub(crate) fn own() -> io::Result<Entry> {
    parse(&fs::read("/proc/self/stat")?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The direct children of `parent` that the kernel shows, ended but not yet waited for included.
///
/// Only direct children are ever signalled by number: nobody but their parent can wait for them, so
/// their numbers cannot have been given to another process in the meantime.
pub(crate) fn children_of(parent: Pid) -> io::Result<Vec<Entry>> {
    let processes = fs::read_dir("/proc")?.flatten();
    let numbered = processes
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    Ok(numbered
        // A process may end between the listing and the reading.
        .filter_map(|entry| fs::read(entry.path().join("stat")).ok())
        .filter_map(|stat| parse(&stat))
        .filter(|entry| entry.parent == Some(parent))
        .collect())
}

/// `pid (comm) state ppid pgrp session …`; `comm` is chosen by the process and may contain anything, so
/// the fields are counted from the last closing parenthesis.
fn parse(stat: &[u8]) -> Option<Entry> {
    let stat = String::from_utf8_lossy(stat);
    let (pid, rest) = stat.split_once(" (")?;
    let (_, fields) = rest.rsplit_once(')')?;
    let mut fields =
        fields.split_ascii_whitespace().skip(1).map(|field| field.parse().ok().and_then(Pid::from_raw));
    Some(Entry {
        pid: Pid::from_raw(pid.parse().ok()?)?,
        parent: fields.next()?,
        group: fields.next()?,
        session: fields.next()?,
    })
}

impl Entry {
    /// Kills the process, and its group with it so that a process that keeps forking dies with its newest
    /// child, unless that is our own group.
    pub(crate) fn kill(&self, our_group: Option<Pid>) {
        if let Some(group) = self.group.filter(|group| Some(*group) != our_group) {
            let _already_gone = kill_process_group(group, Signal::KILL);
        }
        let _already_gone = kill_process(self.pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_cannot_forge_its_relations() {
        let entry = parse(b"42 (a) S 1 1 (x) R 7 8 9 0 -1 4194560")
            .map(|e| [Some(e.pid), e.parent, e.group, e.session]);
        assert_eq!(entry, Some([42, 7, 8, 9].map(Pid::from_raw)));
        assert_eq!(parse(b"42 (a"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn a_kernel_thread_has_no_relations() {
        let entry = parse(b"2 (kthreadd) S 0 0 0 0 -1");
        assert_eq!(entry.map(|e| (e.parent, e.group)), Some((None, None)));
    }
}
