//! What a crash leaves at the end of a log.
//!
//! Records are written whole, but a process killed inside `write`, or a machine that loses power, can
//! leave part of one. The part is set aside in a file of its own, so that the log holds whole records
//! only and nothing is destroyed; a record that lacks nothing but its newline is completed.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::de::IgnoredAny;

use crate::{bound, time};

const CHUNK: usize = 64 * 1_024;

/// What was found at the end of the log, and done about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing to do.
    Whole,
    /// A whole record lacked its newline, which it has now.
    Completed,
    /// Part of a record was moved.
    SetAside {
        /// How long it was.
        bytes: u64,
        /// Where it is.
        to: PathBuf,
    },
}

/// Makes the log end in a newline. Returns its length and what was done. Whoever is interrupted here can
/// begin again: the part is durable elsewhere before it is cut off.
pub(super) fn repair(mut file: &File, path: &Path, now_ms: u64) -> io::Result<(u64, Tail)> {
    let len = file.metadata()?.len();
    let whole = end_of_last_line(file, len)?;
    if whole == len {
        return Ok((len, Tail::Whole));
    }
    if is_whole_record(file, whole, len)? {
        file.write_all(b"\n")?;
        file.sync_data()?;
        return Ok((len + 1, Tail::Completed));
    }
    let (mut aside, to) = create_aside(path, now_ms)?;
    copy(file, whole, len, &mut aside)?;
    aside.sync_all()?;
    file.set_len(whole)?;
    file.sync_data()?;
    Ok((whole, Tail::SetAside { bytes: len - whole, to }))
}

/// The offset after the last newline before `len`.
fn end_of_last_line(file: &File, len: u64) -> io::Result<u64> {
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let chunk = read(file, start, end)?;
        if let Some(at) = chunk.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// A JSON object ends with its last brace, so part of one is never an object itself.
fn is_whole_record(file: &File, start: u64, end: u64) -> io::Result<bool> {
    if end - start > bound::MAX_LINE as u64 {
        return Ok(false);
    }
    let line = read(file, start, end)?;
    Ok(line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(&line).is_ok())
}

fn create_aside(path: &Path, now_ms: u64) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    for attempt in 0..1_000 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".torn-{}-{attempt:03}", time::compact(now_ms)));
        match options.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (file, name.into())),
        }
    }
    Err(io::Error::other("too many torn tails are kept beside the log"))
}

fn copy(from: &File, mut start: u64, end: u64, to: &mut File) -> io::Result<()> {
    while start < end {
        let chunk = read(from, start, end.min(start + CHUNK as u64))?;
        to.write_all(&chunk)?;
        start += chunk.len() as u64;
    }
    Ok(())
}

fn read(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}
