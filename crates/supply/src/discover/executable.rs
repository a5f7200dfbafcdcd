//! What a process was started from.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{Context, SHA256};
use memchr::memmem::Finder;

/// A program file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// Where it was when it was started.
    pub path: Option<PathBuf>,
    /// SHA-256 of what runs, `sha256:…`, even when the file was replaced since.
    pub digest: String,
}

/// Program files by device and inode, so that each is read once.
#[derive(Debug, Default)]
pub struct Executables {
    digests: Mutex<BTreeMap<FileKey, Executable>>,
    names: Mutex<BTreeMap<FileKey, bool>>,
}

type FileKey = (u64, u64);

/// Larger than any interpreter; beyond it a file is not read.
const MAX_FILE: u64 = 512 * 1024 * 1024;

/// Two names of methods that every server has and few other programs have both of.
const METHODS: [&str; 2] = ["notifications/initialized", "tools/call"];

impl Executables {
    /// What a process runs; `None` when we may not know.
    pub fn of(&self, pid: u32) -> Option<Executable> {
        let (running, file, key) = file_of(pid)?;
        if let Some(known) = self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(known.clone());
        }
        let read = Executable { digest: digest(file)?, path: fs::read_link(&running).ok() };
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(key, read.clone());
        Some(read)
    }

    /// Whether the names of MCP's methods are in the program a process runs.
    pub fn name_methods(&self, pid: u32) -> bool {
        let Some((_, file, key)) = file_of(pid) else { return false };
        if let Some(known) = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *known;
        }
        let Some(found) = has_names(file) else { return false };
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found);
        found
    }
}

/// The file itself, so that neither the end of the process nor another program in its place changes what is read
/// for this key.
fn file_of(pid: u32) -> Option<(PathBuf, File, FileKey)> {
    let running = PathBuf::from(format!("/proc/{pid}/exe"));
    let file = File::open(&running).ok()?;
    let about = file.metadata().ok()?;
    (about.len() <= MAX_FILE).then(|| (running, file, (about.dev(), about.ino())))
}

fn digest(mut file: File) -> Option<String> {
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        let count = file.read(&mut buffer).ok()?;
        if count == 0 {
            break;
        }
        hash.update(buffer.get(..count)?);
    }
    let hex: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("sha256:{hex}"))
}

fn has_names(mut file: File) -> Option<bool> {
    let mut missing: Vec<Finder<'_>> = METHODS.iter().map(|name| Finder::new(*name)).collect();
    let overlap = METHODS.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut buffer = vec![0_u8; 1 << 20];
    // The end of what was read before, for names that are cut in two.
    let mut kept = 0;
    while !missing.is_empty() {
        let count = file.read(buffer.get_mut(kept..)?).ok()?;
        if count == 0 {
            return Some(false);
        }
        let end = kept + count;
        let seen = buffer.get(..end)?;
        missing.retain(|finder| finder.find(seen).is_none());
        kept = overlap.min(end);
        buffer.copy_within(end - kept..end, 0);
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn a_program_is_known_by_its_bytes() {
        let (executables, own) = (Executables::default(), std::process::id());
        let program = executables.of(own).unwrap();
        let bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(program.digest, portcullis_core::Digest::of(&bytes).to_string());
        assert_eq!(program.path, std::env::current_exe().ok());
        assert_eq!(executables.of(own), Some(program));
        assert_eq!(executables.of(u32::MAX), None);
        // The names are in this very program, for the test to find.
        assert!(executables.name_methods(own));
        assert!(!executables.name_methods(u32::MAX));
    }
}
