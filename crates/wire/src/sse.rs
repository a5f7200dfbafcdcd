//! Server-sent events (HTML Living Standard, section 9.2).

use std::io::Write as _;

use bytes::{Buf, Bytes, BytesMut};

/// One block of an event stream.
///
/// A block without data is delivered too: its `id` and `retry` matter to whoever forwards the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The `id` field. An empty one resets the last event id.
    pub id: Option<String>,
    /// The `event` field; absent means `message`.
    pub event: Option<String>,
    /// The `data` lines, joined by line feeds.
    pub data: Bytes,
    /// The `retry` field: the reconnection time in milliseconds.
    pub retry: Option<u64>,
}

/// Why a stream cannot be read on. Every call after a fault repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseFault {
    /// An event, or one line of it, is longer than the limit.
    #[error("event too long")]
    TooLong,
    /// An event name or id is not UTF-8.
    #[error("event field is not UTF-8")]
    InvalidUtf8,
    /// The stream ended inside an event.
    #[error("the stream ended inside an event")]
    Truncated,
}

/// Reads a stream chunk by chunk.
#[derive(Debug)]
pub struct SseParser {
    max_event: usize,
    buffer: BytesMut,
    /// How much of `buffer` is known to hold no line ending.
    scanned: usize,
    started: bool,
    /// The last line ended with a carriage return, so a line feed next belongs to it.
    after_return: bool,
    pending: Option<Pending>,
    fault: Option<SseFault>,
}

#[derive(Debug, Default)]
struct Pending {
    event: Event,
    /// Second and later lines of data; the first stays in `event` without a copy.
    joined: Option<BytesMut>,
    has_data: bool,
    size: usize,
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

impl SseParser {
    /// A parser that keeps at most `max_event_bytes` of one event, field names included.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event: max_event_bytes,
            buffer: BytesMut::new(),
            scanned: 0,
            started: false,
            after_return: false,
            pending: None,
            fault: None,
        }
    }

    /// Takes what was read from the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.fault.is_none() {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The next complete event.
    #[allow(
        clippy::should_implement_trait,
        reason = "more may follow `None`, which an iterator must not promise"
    )]
    pub fn next(&mut self) -> Option<Result<Event, SseFault>> {
        if let Some(fault) = self.fault {
            return Some(Err(fault));
        }
        self.read().map_err(|fault| self.fail(fault)).transpose()
    }

    /// Says that the stream has ended. What was not finished by an empty line is discarded, as the
    /// standard has it, and reported.
    pub fn finish(&mut self) -> Result<(), SseFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.pending.is_some() || !self.buffer.is_empty() => Err(self.fail(SseFault::Truncated)),
            None => Ok(()),
        }
    }

    fn fail(&mut self, fault: SseFault) -> SseFault {
        self.fault = Some(fault);
        self.buffer = BytesMut::new();
        self.pending = None;
        fault
    }

    fn read(&mut self) -> Result<Option<Event>, SseFault> {
        if !self.skip_bom() {
            return Ok(None);
        }
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if let Some(pending) = self.pending.take() {
                    return Ok(Some(pending.finish()));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    /// False while it cannot be told yet whether the stream starts with a byte order mark.
    fn skip_bom(&mut self) -> bool {
        if self.started {
            return true;
        }
        if self.buffer.len() < BOM.len() && BOM.starts_with(&self.buffer) {
            return false;
        }
        if self.buffer.starts_with(BOM) {
            self.buffer.advance(BOM.len());
        }
        self.started = true;
        true
    }

    /// The next line without its ending.
    fn line(&mut self) -> Result<Option<Bytes>, SseFault> {
        if self.after_return && !self.buffer.is_empty() {
            self.after_return = false;
            if self.buffer.first() == Some(&b'\n') {
                self.buffer.advance(1);
            }
        }
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr::memchr2(b'\n', b'\r', fresh).map(|at| at + self.scanned) else {
            self.scanned = self.buffer.len();
            let size = self.pending.as_ref().map_or(0, |pending| pending.size);
            return if size + self.scanned > self.max_event { Err(SseFault::TooLong) } else { Ok(None) };
        };
        self.scanned = 0;
        let line = self.buffer.split_to(at).freeze();
        self.after_return = self.buffer.first() == Some(&b'\r');
        self.buffer.advance(1);
        Ok(Some(line))
    }

    fn field(&mut self, line: &Bytes) -> Result<(), SseFault> {
        let colon = memchr::memchr(b':', line);
        if colon == Some(0) {
            // A comment. Its length is checked as that of any line, but it does not add up.
            let size = self.pending.as_ref().map_or(0, |pending| pending.size);
            return if size + line.len() > self.max_event { Err(SseFault::TooLong) } else { Ok(()) };
        }
        let name = line.slice(..colon.unwrap_or(line.len()));
        let from = colon.map_or(line.len(), |at| at + 1);
        let from = from + usize::from(line.get(from) == Some(&b' '));
        let value = line.slice(from..);
        let pending = self.pending.get_or_insert_default();
        pending.size += line.len() + 1;
        if pending.size > self.max_event {
            return Err(SseFault::TooLong);
        }
        pending.set(&name, value)
    }
}

impl Pending {
    fn set(&mut self, name: &[u8], value: Bytes) -> Result<(), SseFault> {
        match name {
            b"data" => self.data(value),
            b"event" => self.event.event = Some(text(&value)?),
            // An id with a NUL is ignored, and so is a retry that is not all digits.
            b"id" if !value.contains(&0) => self.event.id = Some(text(&value)?),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.event.retry = std::str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    fn data(&mut self, line: Bytes) {
        if !std::mem::replace(&mut self.has_data, true) {
            self.event.data = line;
            return;
        }
        let joined = self.joined.get_or_insert_with(|| BytesMut::from(&*self.event.data));
        joined.extend_from_slice(b"\n");
        joined.extend_from_slice(&line);
    }

    fn finish(self) -> Event {
        let mut event = self.event;
        if let Some(joined) = self.joined {
            event.data = joined.freeze();
        }
        event
    }
}

fn text(value: &[u8]) -> Result<String, SseFault> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| SseFault::InvalidUtf8)
}

/// Writes one block. Line breaks inside `id` and `event` are left out, as they would start a new field;
/// data is split into one `data` line per line.
///
/// A block that has neither data nor an id nor a name is written without a `data` line, so that a bare
/// `retry` stays one.
pub fn encode(event: &Event) -> Bytes {
    let mut out = Vec::with_capacity(event.data.len() + 64);
    if let Some(id) = &event.id {
        push_field(&mut out, b"id", id);
    }
    if let Some(name) = &event.event {
        push_field(&mut out, b"event", name);
    }
    if let Some(retry) = event.retry {
        // Writing to a vector cannot fail.
        let _ = writeln!(out, "retry: {retry}");
    }
    if !event.data.is_empty() || event.id.is_some() || event.event.is_some() {
        push_data(&mut out, &event.data);
    }
    out.push(b'\n');
    out.into()
}

fn push_field(out: &mut Vec<u8>, name: &[u8], value: &str) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend(value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r' | 0)));
    out.push(b'\n');
}

fn push_data(out: &mut Vec<u8>, data: &[u8]) {
    let mut rest = data;
    loop {
        out.extend_from_slice(b"data: ");
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        out.extend_from_slice(line);
        out.push(b'\n');
        rest = match tail {
            [] => return,
            [b'\r', b'\n', tail @ ..] | [_, tail @ ..] => tail,
        };
    }
}

/// A comment line, which keeps a quiet connection open and means nothing.
pub fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}
