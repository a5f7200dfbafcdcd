//! A place in the JSON lines that is kept across restarts.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use portcullis_core::Digest;
use serde::{Deserialize, Serialize};

use crate::{bound::MAX_LINE, segments, tlog::lay};

/// Bytes read at a time. More than the longest line.
const CHUNK: u64 = 2 * MAX_LINE as u64;

/// How far a stream has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Digest of the first line of the segment, which keeps it when the file is renamed; empty at the beginning.
    pub segment: String,
    /// Bytes of that segment that were handed over.
    pub offset: u64,
    /// Bytes that a file receiver held then, by which it is put right after a crash.
    #[serde(default)]
    pub written: u64,
}

/// Whole lines and where they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// The place after them.
    pub end: Position,
    /// Lines before them could not be found: the segment a stream had come to is gone.
    pub gap: bool,
}

/// Reads on from a [`Position`].
#[derive(Debug)]
pub struct Cursor {
    active: PathBuf,
    place: PathBuf,
    position: Position,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    inode: u64,
}

impl Cursor {
    /// Reads the log whose active file is `active` from where `place` says, or from its beginning when there is no such
    /// file yet.
    ///
    /// # Errors
    /// When `place` cannot be read or is no position.
    pub fn open(active: &Path, place: &Path) -> io::Result<Self> {
        let position = match std::fs::read(place) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Position::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { active: active.to_owned(), place: place.to_owned(), position, open: None })
    }

    /// The place that is kept.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The next whole lines, at most `most` bytes unless one line is longer; none when there are none yet.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn next(&mut self, most: u64) -> io::Result<Option<Batch>> {
        let mut gap = false;
        loop {
            if self.open.is_none() && !self.find(&mut gap)? {
                return Ok(None);
            }
            // Looked up before the segment is read to its end: one that is finished by then gets no more lines.
            let successor = self.successor()?;
            let Some(open) = &self.open else { return Ok(None) };
            let len = open.file.metadata()?.len();
            if len < self.position.offset {
                // The machine lost power before what was handed over was on its disk.
                self.position.offset = len;
                gap = true;
            }
            if let Some(bytes) = lines(&open.file, self.position.offset, most)? {
                let offset = self.position.offset.saturating_add(bytes.len() as u64);
                let end = Position { offset, ..self.position.clone() };
                return Ok(Some(Batch { bytes, end, gap }));
            }
            let Some(next) = successor else { return Ok(None) };
            if !self.enter(&next)? {
                return Ok(None);
            }
        }
    }

    /// Keeps the place after a batch that was handed over.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&mut self, position: Position) -> io::Result<()> {
        lay::replace(&self.place, &serde_json::to_vec(&position)?)?;
        self.position = position;
        Ok(())
    }

    /// Bytes of the log that were not handed over.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn behind(&self) -> io::Result<u64> {
        let mut behind = 0_u64;
        let mut before = !self.position.segment.is_empty();
        let all = segments(&self.active)?;
        let known = self.open.as_ref().map(|open| open.inode);
        for path in all {
            let about = std::fs::metadata(&path)?;
            match known {
                Some(inode) if before && about.ino() == inode => {
                    before = false;
                    behind = behind.saturating_add(about.len().saturating_sub(self.position.offset));
                }
                Some(_) if before => {}
                _ => behind = behind.saturating_add(about.len()),
            }
        }
        Ok(behind)
    }

    /// Opens the segment of the position; the oldest there is when that one is gone.
    fn find(&mut self, gap: &mut bool) -> io::Result<bool> {
        let all = segments(&self.active)?;
        if !self.position.segment.is_empty() {
            for path in &all {
                let file = File::open(path)?;
                if first_line(&file)?.is_some_and(|first| first == self.position.segment) {
                    let inode = file.metadata()?.ino();
                    self.open = Some(Open { file, inode });
                    return Ok(true);
                }
            }
            *gap = !all.is_empty();
        }
        match all.first() {
            Some(first) => self.enter(first),
            None => Ok(false),
        }
    }

    /// Begins a segment, if it has a line.
    fn enter(&mut self, path: &Path) -> io::Result<bool> {
        let file = File::open(path)?;
        let Some(segment) = first_line(&file)? else { return Ok(false) };
        self.position = Position { segment, offset: 0, ..self.position.clone() };
        self.open = Some(Open { inode: file.metadata()?.ino(), file });
        Ok(true)
    }

    /// The segment after the open one, when there is one.
    fn successor(&self) -> io::Result<Option<PathBuf>> {
        let mut all = segments(&self.active)?.into_iter();
        let Some(open) = &self.open else { return Ok(None) };
        let is_open = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|about| about.ino() == open.inode);
        let found = all.any(|path| is_open(&path));
        Ok(if found { all.next() } else { None })
    }
}

/// Digest of a segment's first line; none while it has none.
fn first_line(file: &File) -> io::Result<Option<String>> {
    let bytes = read(file, 0, CHUNK)?;
    let line = bytes.iter().position(|byte| *byte == b'\n').and_then(|at| bytes.get(..at));
    Ok(line.map(|line| Digest::of(line).to_string()))
}

/// Whole lines from `offset` on: as many as fit into `most`, and one at least.
fn lines(file: &File, offset: u64, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = read(file, offset, most.min(CHUNK))?;
    if !bytes.contains(&b'\n') {
        bytes = read(file, offset, CHUNK)?;
    }
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at.saturating_add(1));
    Ok(whole.map(|whole| {
        bytes.truncate(whole);
        bytes
    }))
}

fn read(file: &File, offset: u64, most: u64) -> io::Result<Vec<u8>> {
    let len = file.metadata()?.len().saturating_sub(offset).min(most);
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}
