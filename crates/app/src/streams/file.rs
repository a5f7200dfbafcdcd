//! Records appended to a file that belongs to its stream alone.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use portcullis_audit::stream::{Batch, Position, Receiver};
use portcullis_core::BoxFuture;

use super::lines::Lines;

/// One file.
pub(super) struct FileReceiver {
    path: PathBuf,
    lines: Lines,
    begun: bool,
}

impl FileReceiver {
    pub(super) fn new(path: PathBuf, lines: Lines) -> Self {
        Self { path, lines, begun: false }
    }

    fn append(&mut self, batch: &Batch, position: &Position) -> io::Result<u64> {
        let text: String = self.lines.of(batch).into_iter().map(|line| line.text + "\n").collect();
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        let len = file.metadata()?.len();
        // What a crash left behind the kept place is written again.
        if !self.begun && !position.segment.is_empty() && len > position.written {
            file.set_len(position.written)?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        self.begun = true;
        Ok(file.metadata()?.len())
    }
}

impl Receiver for FileReceiver {
    fn take<'r>(
        &'r mut self,
        batch: &'r Batch,
        position: &'r Position,
    ) -> BoxFuture<'r, Result<u64, String>> {
        let taken =
            self.append(batch, position).map_err(|error| format!("`{}`: {error}", self.path.display()));
        if taken.is_err() {
            // Part of it may be there.
            self.begun = false;
        }
        Box::pin(std::future::ready(taken))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::fs;

    use super::*;
    use crate::config::StreamFormat;

    #[test]
    fn what_a_crash_left_is_not_there_twice() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        let position = |offset, written| Position { segment: "s".to_owned(), offset, written };
        let batch = |text: &str, end| Batch { bytes: text.as_bytes().to_vec(), end, gap: false };
        let receiver = || FileReceiver::new(path.clone(), Lines::new(StreamFormat::Jsonl));
        let mut first = receiver();
        assert_eq!(first.append(&batch("one\n", position(4, 0)), &Position::default()).unwrap(), 4);
        first.append(&batch("two\n", position(8, 0)), &position(4, 4)).unwrap();
        // It was killed before it could keep the second place.
        receiver().append(&batch("two\nthree\n", position(14, 0)), &position(4, 4)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
    }
}
