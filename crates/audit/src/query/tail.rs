//! Lines of a log that may still be growing, across its segments.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::Scanned;
use crate::{bound::MAX_LINE, segments};

/// Reads whole lines of a log, oldest segment first, and goes on where it ended when asked again.
#[derive(Debug)]
pub struct Tail {
    active: PathBuf,
    open: Option<Segment>,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
    /// Whether there are, or may be, lines before those it began with.
    cut: bool,
}

#[derive(Debug)]
struct Segment {
    reader: BufReader<File>,
    inode: u64,
}

impl Tail {
    /// At the beginning of the log whose active file is `active`.
    pub fn new(active: &Path) -> Self {
        Self { active: active.to_owned(), open: None, partial: Vec::new(), cut: false }
    }

    /// Near the end of the log whose active file is `active`: at most `bytes` before it, finished segments included.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn near_end(active: &Path, bytes: u64) -> io::Result<Self> {
        let segments = match segments(active) {
            Ok(segments) => segments,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new(active)),
            Err(error) => return Err(error),
        };
        let (mut first, mut left) = (None, bytes);
        for path in segments.into_iter().rev() {
            if left == 0 {
                break;
            }
            let len = fs::metadata(&path)?.len();
            first = Some((path, len.saturating_sub(left)));
            left = left.saturating_sub(len);
        }
        let Some((path, from)) = first else { return Ok(Self::new(active)) };
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        file.seek(io::SeekFrom::Start(from.saturating_sub(1)))?;
        let mut reader = BufReader::new(file);
        if from > 0 {
            // What is left of the line that is cut.
            reader.skip_until(b'\n')?;
        }
        let open = Some(Segment { inode: about.ino(), reader });
        Ok(Self { active: active.to_owned(), open, partial: Vec::new(), cut: left == 0 })
    }

    /// Whether it began after the beginning of its log.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Hands every whole line that has not been read to `visit`, without its newline.
    ///
    /// # Errors
    /// When the log cannot be read; none of it is lost for the next time.
    pub fn read(&mut self, visit: &mut dyn FnMut(&[u8])) -> io::Result<Scanned> {
        let mut scanned = Scanned::default();
        loop {
            // Looked up before the segment is read to its end: one that is finished by then gets no more lines.
            let next = self.after()?;
            self.rest(visit, &mut scanned)?;
            let Some(next) = next else { return Ok(scanned) };
            let file = File::open(next)?;
            if !self.partial.is_empty() {
                scanned.unreadable += 1;
                self.partial.clear();
            }
            self.open = Some(Segment { inode: file.metadata()?.ino(), reader: BufReader::new(file) });
        }
    }

    /// The segment after the open one, when there is one.
    fn after(&self) -> io::Result<Option<PathBuf>> {
        let mut all = segments(&self.active)?.into_iter();
        if let Some(open) = &self.open {
            let is_open = |path: &PathBuf| fs::metadata(path).is_ok_and(|about| about.ino() == open.inode);
            // One that was moved away by somebody else is followed by whatever took its place.
            if all.any(|path| is_open(&path)) {
                return Ok(all.next());
            }
            return Ok(self.active.try_exists()?.then(|| self.active.clone()));
        }
        Ok(all.next())
    }

    fn rest(&mut self, visit: &mut dyn FnMut(&[u8]), scanned: &mut Scanned) -> io::Result<()> {
        let Some(segment) = &mut self.open else { return Ok(()) };
        loop {
            let room = (MAX_LINE + 1).saturating_sub(self.partial.len()) as u64;
            segment.reader.by_ref().take(room).read_until(b'\n', &mut self.partial)?;
            match self.partial.split_last() {
                Some((b'\n', line)) => {
                    visit(line);
                    scanned.lines += 1;
                    self.partial.clear();
                }
                _ if self.partial.len() > MAX_LINE => {
                    segment.reader.skip_until(b'\n')?;
                    scanned.unreadable += 1;
                    self.partial.clear();
                }
                _ => return Ok(()),
            }
        }
    }
}
