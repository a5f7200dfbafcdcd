//! The side that writes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use super::Received;

/// Appends to a journal file. Clones share the file, so lines of concurrent requests never interleave.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Mutex<File>>);

impl Writer {
    /// Opens `path` for appending and creates it when it is missing.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    /// Appends one line with a single unbuffered write: a reader sees the whole line or nothing of it, and
    /// the line is there before the message is handled.
    ///
    /// # Errors
    /// When the write fails. The fixture then refuses the message, so that nothing it did goes unrecorded.
    pub fn record(&self, received: &Received) -> io::Result<()> {
        let mut line = serde_json::to_vec(received)?;
        line.push(b'\n');
        self.0.lock().expect("no writer panics while it holds the lock").write_all(&line)
    }
}
