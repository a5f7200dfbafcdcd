//! The JSON lines as the tree reads them: from where it ended, through the segments that are there, to what is
//! being written.

use std::{collections::VecDeque, fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::Arc};

use portcullis_core::Digest;

use super::{bundle::MAX_ENTRY, state::State};
use crate::{
    jsonl::{Durable, Piece, segments},
    tree::TreeHash,
};

/// Bytes read at a time, which bounds what the tree holds in memory. More than the longest line.
const CHUNK: u64 = 4 << 20;

/// Where lines come from next.
pub(super) struct Journal {
    /// Segments, or parts of them, that were there when the log was opened.
    earlier: VecDeque<Span>,
    durable: Arc<Durable>,
    /// The part of a segment that is being read, once something was read from it.
    current: Option<Span>,
}

/// A part of a segment.
#[derive(Debug)]
struct Span {
    file: Arc<File>,
    segment: String,
    at: u64,
    end: u64,
}

/// Whole lines and where they end.
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    pub(super) segment: String,
    pub(super) offset: u64,
}

/// What there was to read.
pub(super) enum Read {
    Lines(Lines),
    /// Nothing now.
    Nothing,
}

impl Journal {
    /// The lines that follow `state`, or all there are. Says whether lines may be missing in between.
    pub(super) fn open(
        path: &Path,
        state: Option<&State>,
        last_leaf: Option<TreeHash>,
        durable: Arc<Durable>,
    ) -> io::Result<(Self, bool)> {
        let live = durable.first().map_or(0, |piece| piece.start);
        let mut spans = Vec::new();
        for segment in segments(path)? {
            let is_live = segment == path;
            let file = File::open(&segment)?;
            let end = if is_live { live } else { file.metadata()?.len() };
            let Some(first) = first_line(&file, end)? else { continue };
            spans.push(Span { file: Arc::new(file), segment: first, at: 0, end });
        }
        let gap = match state {
            None => false,
            Some(state) => !skip_to(&mut spans, state, last_leaf)?,
        };
        Ok((Self { earlier: spans.into(), durable, current: None }, gap))
    }

    /// Whole lines that are not in the tree yet.
    pub(super) fn read(&mut self) -> io::Result<Read> {
        while let Some(span) = self.earlier.front_mut() {
            match span.read()? {
                Some(lines) => return Ok(Read::Lines(lines)),
                None => drop(self.earlier.pop_front()),
            }
        }
        while let Some(piece) = self.durable.first() {
            let Some(span) = self.current_of(&piece)? else { break };
            span.end = piece.end;
            if let Some(lines) = span.read()? {
                return Ok(Read::Lines(lines));
            }
            if !piece.finished {
                break;
            }
            self.drop_first();
        }
        Ok(Read::Nothing)
    }

    /// Waits for more than has been read. Says whether there can be more.
    pub(super) fn wait(&self) -> bool {
        let seen = self.current.as_ref().map(|span| span.at);
        self.durable.wait(seen.or_else(|| self.durable.first().map(|piece| piece.start)).unwrap_or(0))
    }

    fn drop_first(&mut self) {
        self.durable.drop_first();
        self.current = None;
    }

    /// The span of the live segment; none before its first line is durable.
    fn current_of(&mut self, piece: &Piece) -> io::Result<Option<&mut Span>> {
        if self.current.is_none() && (piece.end > piece.start || piece.finished) {
            let file =
                piece.file.clone().ok_or_else(|| io::Error::other("a segment could not be followed"))?;
            let segment = first_line(&file, piece.end)?.unwrap_or_default();
            self.current = Some(Span { file, segment, at: piece.start, end: piece.end });
        }
        Ok(self.current.as_mut())
    }
}

impl Span {
    /// The next whole lines; none at the end.
    fn read(&mut self) -> io::Result<Option<Lines>> {
        let len = self.end.saturating_sub(self.at).min(CHUNK);
        if len == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.at)?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
            bytes.truncate(last + 1);
        }
        self.at += bytes.len() as u64;
        Ok(Some(Lines { bytes, segment: self.segment.clone(), offset: self.at }))
    }
}

/// Leaves in `spans` what follows the tree's end. When that place is not there, only the active segment stays.
/// Says whether it was there.
fn skip_to(spans: &mut Vec<Span>, state: &State, last_leaf: Option<TreeHash>) -> io::Result<bool> {
    let position = &state.position;
    let found = spans.iter().position(|span| span.segment == position.segment && span.end >= position.offset);
    if let Some(at) = found {
        spans.drain(..at);
        if let Some(span) = spans.first_mut() {
            span.at = position.offset;
            return match last_leaf {
                Some(leaf) => ends_with(span, leaf),
                None => Ok(true),
            };
        }
    }
    let same = spans.iter().rposition(|span| span.segment == position.segment);
    let keep = spans.len().saturating_sub(1);
    spans.drain(..keep);
    // The segment is shorter than what is in the tree: nothing in it is new.
    if same == Some(keep) {
        spans.clear();
    }
    Ok(false)
}

/// Whether the line before the span is the tree's last entry.
fn ends_with(span: &Span, leaf: TreeHash) -> io::Result<bool> {
    let start = span.at.saturating_sub(MAX_ENTRY as u64 + 2);
    let mut bytes = vec![0; usize::try_from(span.at - start).map_err(io::Error::other)?];
    span.file.read_exact_at(&mut bytes, start)?;
    let Some(line) = bytes.strip_suffix(b"\n") else { return Ok(false) };
    let begin = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(line.get(begin..).is_some_and(|line| TreeHash::leaf(line) == leaf))
}

/// Digest of a segment's first line; none while it has none.
fn first_line(file: &File, end: u64) -> io::Result<Option<String>> {
    let len = usize::try_from(end.min(MAX_ENTRY as u64 + 1)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    let line = bytes.iter().position(|byte| *byte == b'\n').and_then(|at| bytes.get(..at));
    Ok(line.map(|line| Digest::of(line).to_string()))
}
