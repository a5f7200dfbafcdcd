//! Watching what a program uses, to learn what it needs.
//!
//! The same filter has calls that name files wait, and they are then carried out as they would have been: each is one the
//! filter lets pass anyway, and mounts and Landlock judge it as ever. What is read from the program's memory to find out
//! which file it names is for the report alone. A program that changes it meanwhile deceives the report and nothing else.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::{self, File},
    os::{
        fd::BorrowedFd,
        unix::{ffi::OsStrExt as _, fs::FileExt as _},
    },
    path::{Path, PathBuf},
};

use super::calls::Call;
use crate::{
    report::Report,
    seen::{Deed, Sighting},
    supervise::try_tell,
    system::HeldCall,
};

/// Files that are told; a program that names more is not learnt to the end.
const MOST: usize = 50_000;

/// Longest path (limits.h), with its end.
const PATH_MAX: usize = 4096;

/// A call that names a file.
pub(super) struct Watched {
    pub(super) call: Call,
    /// Number of the argument that says what a relative path is relative to.
    directory: Option<u8>,
    /// Number of the argument that points to the path.
    path: u8,
    use_: Use,
}

#[derive(Clone, Copy)]
enum Use {
    /// Opened as the flags in this argument say.
    Open(u8),
    /// Opened as the flags at the beginning of what this argument points to say.
    OpenHow(u8),
    /// Something is made, removed or given another name.
    Change,
    Execute,
}

macro_rules! watched {
    ($($name:ident $directory:expr, $path:literal, $use_:expr;)*) => {
        &[$(Watched { call: (stringify!($name), libc::$name), directory: $directory, path: $path, use_: $use_ }),*]
    };
}

pub(super) const WATCHED: &[Watched] = watched![
    SYS_openat Some(0), 1, Use::Open(2);
    SYS_openat2 Some(0), 1, Use::OpenHow(2);
    SYS_execve None, 0, Use::Execute;
    SYS_mkdirat Some(0), 1, Use::Change;
    SYS_unlinkat Some(0), 1, Use::Change;
    SYS_renameat Some(0), 1, Use::Change;
    SYS_renameat Some(2), 3, Use::Change;
    SYS_renameat2 Some(0), 1, Use::Change;
    SYS_renameat2 Some(2), 3, Use::Change;
    SYS_linkat Some(2), 3, Use::Change;
    SYS_symlinkat Some(1), 2, Use::Change;
    SYS_truncate None, 0, Use::Change;
];

/// Older forms that only this architecture has.
#[cfg(target_arch = "x86_64")]
pub(super) const WATCHED_OLD: &[Watched] = watched![
    SYS_open None, 0, Use::Open(1);
    SYS_creat None, 0, Use::Change;
    SYS_mkdir None, 0, Use::Change;
    SYS_rmdir None, 0, Use::Change;
    SYS_unlink None, 0, Use::Change;
    SYS_rename None, 0, Use::Change;
    SYS_rename None, 1, Use::Change;
    SYS_link None, 1, Use::Change;
    SYS_symlink None, 1, Use::Change;
];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const WATCHED_OLD: &[Watched] = &[];

/// Every row.
pub(super) fn watched() -> impl Iterator<Item = &'static Watched> {
    WATCHED.iter().chain(WATCHED_OLD)
}

/// What was seen, each once.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    seen: BTreeSet<Sighting>,
    untold: VecDeque<Sighting>,
}

impl Sightings {
    /// Notes what a call names; whether it is one of those that are watched.
    pub(super) fn note(&mut self, call: &HeldCall) -> bool {
        let rows: Vec<_> = watched().filter(|row| row.call.1 == call.number).collect();
        for row in &rows {
            if let Some(sighting) =
                row.read(call).filter(|it| self.seen.len() < MOST && !self.seen.contains(it))
            {
                self.seen.insert(sighting.clone());
                self.untold.push_back(sighting);
            }
        }
        !rows.is_empty()
    }

    /// Tells what can be told without waiting; whether something is left.
    pub(super) fn tell(&mut self, control: BorrowedFd<'_>) -> bool {
        while let Some(sighting) = self.untold.front() {
            if try_tell(control, &Report::Seen(sighting.clone())) == Err(rustix::io::Errno::AGAIN) {
                return true;
            }
            self.untold.pop_front();
        }
        false
    }
}

impl Watched {
    fn read(&self, call: &HeldCall) -> Option<Sighting> {
        let memory = File::open(format!("/proc/{}/mem", call.thread)).ok()?;
        let argument = |number: u8| call.arguments.get(usize::from(number)).copied().unwrap_or_default();
        let path = text(&memory, argument(self.path))?;
        let from = match self.directory.map(argument).map(low_half) {
            Some(descriptor) if descriptor != libc::AT_FDCWD => {
                format!("/proc/{}/fd/{descriptor}", call.thread)
            }
            _ => format!("/proc/{}/cwd", call.thread),
        };
        let path = if path.is_absolute() { path } else { fs::read_link(from).ok()?.join(path) };
        let deed = match self.use_ {
            Use::Open(flags) => opened(low_half(argument(flags))),
            Use::OpenHow(how) => opened(low_half(u64::from_ne_bytes(bytes(&memory, argument(how))?))),
            Use::Change => Deed::Change,
            Use::Execute => Deed::Execute,
        };
        Some(Sighting { deed, path: plain(&path)? })
    }
}

/// What the kernel looks at of an argument that is an `int`.
#[expect(clippy::cast_possible_truncation, reason = "the rest is not looked at by the kernel either")]
fn low_half(argument: u64) -> i32 {
    argument as i32
}

fn opened(flags: i32) -> Deed {
    match flags & libc::O_ACCMODE {
        _ if flags & (libc::O_CREAT | libc::O_TRUNC | libc::O_TMPFILE & !libc::O_DIRECTORY) != 0 => {
            Deed::Change
        }
        libc::O_RDONLY => Deed::Read,
        _ => Deed::Write,
    }
}

fn bytes<const N: usize>(memory: &File, at: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    memory.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

fn text(memory: &File, at: u64) -> Option<PathBuf> {
    let mut path = Vec::new();
    while path.len() < PATH_MAX {
        // Up to the end of a page: the next may not be there.
        let here = at.checked_add(u64::try_from(path.len()).ok()?)?;
        let mut chunk = vec![0; usize::try_from(4096 - here % 4096).ok()?];
        let read = memory.read_at(&mut chunk, here).ok().filter(|read| *read > 0)?;
        let chunk = chunk.get(..read)?;
        if let Some(end) = chunk.iter().position(|byte| *byte == 0) {
            path.extend(chunk.get(..end)?);
            return Some(std::ffi::OsStr::from_bytes(&path).into());
        }
        path.extend(chunk);
    }
    None
}

/// Without steps that lead back, where that does not depend on links.
fn plain(path: &Path) -> Option<PathBuf> {
    let known = fs::canonicalize(path).ok();
    let parent = || Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?));
    let path = known.or_else(parent).unwrap_or_else(|| path.to_owned());
    path.to_str().is_some().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::{super::calls, *};

    /// What is carried out after it has waited has to be what the filter would have let pass.
    #[test]
    fn only_calls_that_are_allowed_anyway_are_watched() {
        for row in watched() {
            let (name, number) = row.call;
            assert!(
                calls::ALLOWED.iter().flat_map(|group| group.calls).any(|call| call.1 == number),
                "{name}"
            );
            assert!(!calls::CONDITIONS.iter().any(|it| it.call.1 == number), "{name}");
            assert!(!calls::REFUSED.iter().any(|it| it.1 == number), "{name}");
        }
    }
}
