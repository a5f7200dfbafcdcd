//! Newline-delimited messages, as the stdio transport has them.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Splits a byte stream into lines, keeping at most one line of bounded length.
#[derive(Debug)]
pub struct LineFramer {
    max_line: usize,
    partial: BytesMut,
    /// Set while the rest of an over-long line is being thrown away.
    skipping: bool,
    ready: VecDeque<Result<Bytes, LineFault>>,
}

/// Why a line was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Longer than the limit. Reported once; the stream goes on with the next line.
    #[error("line too long")]
    TooLong,
    /// The stream ended inside a line.
    #[error("the stream ended inside a line")]
    Unterminated,
}

impl LineFramer {
    /// A framer for lines of at most `max_line` bytes, line ending not counted.
    pub fn new(max_line: usize) -> Self {
        Self { max_line, partial: BytesMut::new(), skipping: false, ready: VecDeque::new() }
    }

    /// Takes what was read from the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some((line, tail)) = memchr::memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
            self.extend(line);
            self.end_line();
            rest = tail.get(1..).unwrap_or_default();
        }
        self.extend(rest);
    }

    /// The next line without its ending. Empty lines are left out.
    #[allow(
        clippy::should_implement_trait,
        reason = "more may follow `None`, which an iterator must not promise"
    )]
    pub fn next(&mut self) -> Option<Result<Bytes, LineFault>> {
        self.ready.pop_front()
    }

    /// Says that the stream has ended; a line that was not finished is a fault.
    pub fn finish(&mut self) -> Result<(), LineFault> {
        let unfinished = !self.partial.is_empty();
        self.partial = BytesMut::new();
        if unfinished && !std::mem::take(&mut self.skipping) { Err(LineFault::Unterminated) } else { Ok(()) }
    }

    fn extend(&mut self, part: &[u8]) {
        if self.skipping {
            return;
        }
        // One byte more than the limit, as it may turn out to be the carriage return of the ending.
        if self.partial.len() + part.len() > self.max_line.saturating_add(1) {
            self.partial = BytesMut::new();
            self.skipping = true;
            self.ready.push_back(Err(LineFault::TooLong));
            return;
        }
        self.partial.extend_from_slice(part);
    }

    fn end_line(&mut self) {
        let line = self.partial.split().freeze();
        if std::mem::take(&mut self.skipping) {
            return;
        }
        let line = if line.last() == Some(&b'\r') { line.slice(..line.len() - 1) } else { line };
        if line.len() > self.max_line {
            self.ready.push_back(Err(LineFault::TooLong));
        } else if !line.is_empty() {
            self.ready.push_back(Ok(line));
        }
    }
}

/// Appends `message` and a line ending to `out`. Line breaks between its tokens become spaces, as a
/// message must not contain any; JSON strings hold none.
pub fn push_line(out: &mut Vec<u8>, message: &[u8]) {
    out.extend(message.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.push(b'\n');
}
