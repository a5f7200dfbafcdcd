//! A log's directory as a reader sees it.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{CHECKPOINT, HISTORY, WITNESSED, bundle};
use crate::{
    note::{Checkpoint, CheckpointFault, Note, NoteFault},
    tree::{Kind, Nodes, TILE_HEIGHT, TILE_WIDTH, TilePath, TreeHash, fold},
};

/// A bundle of 256 of the longest entries.
const MAX_FILE: u64 = (TILE_WIDTH as u64) * (bundle::MAX_ENTRY as u64 + 2);
const MAX_HISTORY_LINE: usize = 512 * 1_024;

/// A transparency log in a directory, read without trusting anything in it.
#[derive(Clone, Debug)]
pub struct LogDir(PathBuf);

/// Why a part of a log cannot be used. Paths are below the log's directory.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// It is not there.
    #[error("`{0}` is missing")]
    Missing(String),
    /// The system refused.
    #[error("`{0}` could not be read: {1}")]
    Io(String, io::Error),
    /// It does not hold as much as it should.
    #[error("`{path}` holds {holds} of {wanted}")]
    Short {
        /// Which file.
        path: String,
        /// How many hashes or entries it holds.
        holds: usize,
        /// How many it should.
        wanted: usize,
    },
    /// A checkpoint is no note.
    #[error("`{0}` {1}")]
    Note(String, NoteFault),
    /// A checkpoint's text is none.
    #[error("`{0}` {1}")]
    Checkpoint(String, CheckpointFault),
}

impl LogDir {
    /// The log in `directory`.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The newest checkpoint, unverified.
    ///
    /// # Errors
    /// [`LogFault`] when there is none that can be read.
    pub fn checkpoint(&self) -> Result<(Note, Checkpoint), LogFault> {
        self.note(CHECKPOINT)
    }

    /// The newest checkpoint a witness signed, unverified.
    ///
    /// # Errors
    /// [`LogFault`] when there is none that can be read.
    pub fn witnessed(&self) -> Result<(Note, Checkpoint), LogFault> {
        self.note(WITNESSED)
    }

    /// Checkpoints of earlier sizes, unverified, oldest first. What cannot be read is left out: they only make
    /// findings more precise.
    pub fn history(&self) -> Vec<(Note, Checkpoint)> {
        let text = fs::read_to_string(self.0.join(HISTORY)).unwrap_or_default();
        let lines = text.lines().filter(|line| line.len() <= MAX_HISTORY_LINE);
        let notes = lines.filter_map(|line| serde_json::from_str::<String>(line).ok());
        let notes = notes.filter_map(|text| Note::parse(text.as_bytes()).ok());
        let read = |note: Note| Checkpoint::parse(note.text()).ok().map(|checkpoint| (note, checkpoint));
        notes.filter_map(read).collect()
    }

    fn note(&self, name: &str) -> Result<(Note, Checkpoint), LogFault> {
        let bytes = self.read(name)?.ok_or_else(|| LogFault::Missing(name.to_owned()))?;
        let note = Note::parse(&bytes).map_err(|fault| LogFault::Note(name.to_owned(), fault))?;
        let checkpoint =
            Checkpoint::parse(note.text()).map_err(|fault| LogFault::Checkpoint(name.to_owned(), fault))?;
        Ok((note, checkpoint))
    }

    /// The hashes of a tile.
    ///
    /// # Errors
    /// [`LogFault`] when it is missing or does not hold as many.
    pub fn hashes(&self, path: TilePath) -> Result<Vec<TreeHash>, LogFault> {
        let File { bytes, width } = self.tile(path)?;
        let (whole, rest) = bytes.as_chunks::<{ TreeHash::LEN }>();
        if whole.len() != width || !rest.is_empty() {
            return Err(LogFault::Short { path: path.to_string(), holds: whole.len(), wanted: width });
        }
        Ok(whole.iter().filter_map(|hash| TreeHash::read(hash)).take(path.width).collect())
    }

    /// The entries of a bundle.
    ///
    /// # Errors
    /// [`LogFault`] when it is missing or does not hold as many.
    pub fn entries(&self, path: TilePath) -> Result<Vec<Vec<u8>>, LogFault> {
        let bundle = self.bundle(path)?;
        if bundle.entries.len() == path.width && !bundle.surplus {
            return Ok(bundle.entries);
        }
        Err(LogFault::Short { path: path.to_string(), holds: bundle.entries.len(), wanted: path.width })
    }

    /// What there is of a bundle.
    ///
    /// # Errors
    /// [`LogFault`] when it is missing.
    pub fn bundle(&self, path: TilePath) -> Result<Bundle, LogFault> {
        let File { bytes, width } = self.tile(path)?;
        let (entries, rest) = bundle::decode_whole(&bytes);
        let surplus = entries.len() > width || (entries.len() == width && !rest.is_empty());
        Ok(Bundle { entries: entries.into_iter().take(path.width).map(<[u8]>::to_vec).collect(), surplus })
    }

    /// A tile; a wider one of the same index when this width has been superseded.
    fn tile(&self, path: TilePath) -> Result<File, LogFault> {
        let full = TilePath::full(path.kind, path.index);
        let exact = [path.width, TILE_WIDTH];
        let wider = self.widths(full).into_iter().filter(|width| *width > path.width);
        for width in exact.into_iter().chain(wider) {
            if let Some(bytes) = self.read(&TilePath { width, ..path }.to_string())? {
                return Ok(File { bytes, width });
            }
        }
        Err(LogFault::Missing(path.to_string()))
    }

    /// The widths in which a tile is there in part, smallest first.
    fn widths(&self, full: TilePath) -> Vec<usize> {
        let directory = self.0.join(format!("{full}.p"));
        let names = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut widths: Vec<_> = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        widths.sort_unstable();
        widths
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, LogFault> {
        let io = |error| LogFault::Io(name.to_owned(), error);
        let path = self.0.join(name);
        match fs::metadata(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(io(error)),
            Ok(about) if !about.is_file() => Ok(None),
            Ok(about) if about.len() > MAX_FILE => {
                Err(io(io::Error::other("it is longer than any part of a log")))
            }
            Ok(_) => fs::read(&path).map(Some).map_err(io),
        }
    }
}

/// The entries of a bundle, as many as are there of those asked for.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The entries.
    pub entries: Vec<Vec<u8>>,
    /// Whether the file holds more than it should.
    pub surplus: bool,
}

/// A file and how many hashes or entries its name promises.
struct File {
    bytes: Vec<u8>,
    width: usize,
}

/// The nodes of a log's tree at one size, from its tiles.
pub(crate) struct TileNodes<'d> {
    directory: &'d LogDir,
    size: u64,
    read: HashMap<(u8, u64), Vec<TreeHash>>,
}

impl<'d> TileNodes<'d> {
    pub(crate) fn new(directory: &'d LogDir, size: u64) -> Self {
        Self { directory, size, read: HashMap::new() }
    }
}

impl Nodes for TileNodes<'_> {
    type Error = LogFault;

    fn node(&mut self, height: u32, index: u64) -> Result<TreeHash, LogFault> {
        let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(u8::MAX);
        let inside = height % TILE_HEIGHT;
        let first = index << inside;
        let (tile, at) = (first / TILE_WIDTH as u64, usize::try_from(first % TILE_WIDTH as u64).unwrap_or(0));
        let hashes = self.size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
        let left = hashes.saturating_sub(tile * TILE_WIDTH as u64);
        let width = usize::try_from(left).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
        let path = TilePath { kind: Kind::Hashes(level), index: tile, width };
        if !self.read.contains_key(&(level, tile)) {
            self.read.insert((level, tile), self.directory.hashes(path)?);
        }
        let part = self.read.get(&(level, tile)).and_then(|hashes| hashes.get(at..at + (1 << inside)));
        part.and_then(fold).ok_or_else(|| LogFault::Missing(path.to_string()))
    }
}
