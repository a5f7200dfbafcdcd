//! The one strict walk over a document.

use super::fault::{Halt, halt, syntax};
use super::keys::Keys;
use super::scan;
use super::{Fault, FaultKind, Kind, Limits, MAX_DOCUMENT, Span, Visit};

/// What the walk reports to whoever builds something from it.
pub(super) trait Events {
    /// A member name; `span` excludes the quotes. `depth` is that of the member's value.
    fn key(&mut self, depth: u16, span: Span, escaped: bool, raw: &[u8]);
    /// A string value; `span` includes the quotes, `raw` does not.
    fn string(&mut self, depth: u16, span: Span, raw: &[u8]);
    /// A number, boolean or null.
    fn scalar(&mut self, depth: u16, kind: Kind, span: Span);
    /// An object or array starts at `at`.
    fn open(&mut self, depth: u16, kind: Kind, at: usize);
    /// The container opened last at `depth` ends just before `end`.
    fn close(&mut self, depth: u16, end: usize, members: u32);
}

/// Walks a document for its strings alone, building nothing.
///
/// Accepts exactly RFC 8259 without a byte order mark, and less: see [`FaultKind`].
pub fn walk<V: Visit>(bytes: &[u8], limits: &Limits, visitor: &mut V) -> Result<(), Fault> {
    run(bytes, limits, Strings(visitor))
}

struct Strings<'v, V>(&'v mut V);

impl<V: Visit> Events for Strings<'_, V> {
    fn key(&mut self, depth: u16, _: Span, _: bool, raw: &[u8]) {
        self.0.string(depth, raw, true);
    }
    fn string(&mut self, depth: u16, _: Span, raw: &[u8]) {
        self.0.string(depth, raw, false);
    }
    fn scalar(&mut self, _: u16, _: Kind, _: Span) {}
    fn open(&mut self, _: u16, _: Kind, _: usize) {}
    fn close(&mut self, _: u16, _: usize, _: u32) {}
}

/// Walks `bytes` and reports to `events`.
pub(super) fn run<E: Events>(bytes: &[u8], limits: &Limits, events: E) -> Result<(), Fault> {
    if bytes.len() > limits.max_bytes.min(MAX_DOCUMENT) {
        return Err(*halt(FaultKind::TooLong, limits.max_bytes));
    }
    if simdutf8::basic::from_utf8(bytes).is_err() {
        let at = simdutf8::compat::from_utf8(bytes).err().map_or(0, |error| error.valid_up_to());
        return Err(*halt(FaultKind::InvalidUtf8, at));
    }
    let controls = scan::has_control(bytes);
    let stack = Vec::with_capacity(usize::from(limits.max_depth.min(16)));
    Walk { bytes, at: 0, limits, controls, nodes: 0, stack, keys: Keys::new(), events }
        .document()
        .map_err(|halt| *halt)
}

struct Frame {
    object: bool,
    members: u32,
    /// Where the keys of this object start in `Keys`.
    base: usize,
}

struct Walk<'a, E> {
    bytes: &'a [u8],
    at: usize,
    limits: &'a Limits,
    /// Whether any control character occurs, so that strings have to be checked for one.
    controls: bool,
    nodes: u32,
    stack: Vec<Frame>,
    keys: Keys,
    events: E,
}

/// What comes after a token.
enum Next {
    /// Another member of the innermost container has to follow.
    Member,
    /// A value is complete.
    Complete,
}

impl<E: Events> Walk<'_, E> {
    fn document(mut self) -> Result<(), Halt> {
        self.space();
        if self.at == self.bytes.len() {
            return Err(halt(FaultKind::Empty, 0));
        }
        loop {
            let mut next = self.value()?;
            while let Next::Complete = next {
                self.space();
                next = match self.stack.last() {
                    Some(frame) if frame.object => self.after_member()?,
                    Some(_) => self.after_element()?,
                    None => return self.end(),
                };
            }
            self.member()?;
        }
    }

    fn end(&self) -> Result<(), Halt> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(halt(FaultKind::TrailingData, self.at)) }
    }

    /// One value, or the opening of a container up to where its first member has to follow.
    #[inline]
    fn value(&mut self) -> Result<Next, Halt> {
        self.nodes += 1;
        if self.nodes > self.limits.max_nodes {
            return Err(self.fault(FaultKind::TooManyNodes));
        }
        match self.peek() {
            Some(b'"') => self.string_value(),
            Some(b'{') => self.open(Kind::Object, b'}'),
            Some(b'[') => self.open(Kind::Array, b']'),
            Some(b'-' | b'0'..=b'9') => {
                let end = scan::number(self.bytes, self.at)?;
                Ok(self.scalar(Kind::Number, end))
            }
            Some(b't') => self.literal(b"true", Kind::Bool),
            Some(b'f') => self.literal(b"false", Kind::Bool),
            Some(b'n') => self.literal(b"null", Kind::Null),
            Some(_) => Err(self.syntax("expected a value")),
            None => Err(self.syntax("document ends where a value has to follow")),
        }
    }

    #[inline]
    fn string_value(&mut self) -> Result<Next, Halt> {
        let (text, _) = self.string()?;
        let raw = self.bytes.get(text.range()).unwrap_or_default();
        self.events.string(self.depth(), Span { start: text.start - 1, end: text.end + 1 }, raw);
        Ok(Next::Complete)
    }

    fn literal(&mut self, word: &'static [u8], kind: Kind) -> Result<Next, Halt> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.syntax("expected a value"));
        }
        Ok(self.scalar(kind, self.at + word.len()))
    }

    fn scalar(&mut self, kind: Kind, end: usize) -> Next {
        self.events.scalar(self.depth(), kind, Span::new(self.at, end));
        self.at = end;
        Next::Complete
    }

    #[inline]
    fn open(&mut self, kind: Kind, closing: u8) -> Result<Next, Halt> {
        if self.stack.len() >= usize::from(self.limits.max_depth) {
            return Err(self.fault(FaultKind::TooDeep));
        }
        self.events.open(self.depth(), kind, self.at);
        self.stack.push(Frame { object: kind == Kind::Object, members: 0, base: self.keys.base() });
        self.at += 1;
        self.space();
        if self.peek() == Some(closing) { self.close() } else { Ok(Next::Member) }
    }

    #[inline]
    fn after_member(&mut self) -> Result<Next, Halt> {
        match self.peek() {
            Some(b',') => Ok(self.comma()),
            Some(b'}') => self.close(),
            _ => Err(self.syntax("expected `,` or `}`")),
        }
    }

    #[inline]
    fn after_element(&mut self) -> Result<Next, Halt> {
        match self.peek() {
            Some(b',') => Ok(self.comma()),
            Some(b']') => self.close(),
            _ => Err(self.syntax("expected `,` or `]`")),
        }
    }

    fn comma(&mut self) -> Next {
        self.at += 1;
        self.space();
        Next::Member
    }

    /// Counts a member of the innermost container and reads its key if it has one.
    #[inline]
    fn member(&mut self) -> Result<(), Halt> {
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        frame.members += 1;
        if frame.members > self.limits.max_members {
            return Err(self.fault(FaultKind::TooManyMembers));
        }
        if frame.object {
            let base = frame.base;
            self.key(base)?;
        }
        Ok(())
    }

    #[inline]
    fn key(&mut self, base: usize) -> Result<(), Halt> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax("expected a quoted key"));
        }
        let (text, escaped) = self.string()?;
        if !self.keys.add(self.bytes, base, text, escaped) {
            return Err(halt(FaultKind::DuplicateKey, text.start as usize));
        }
        let raw = self.bytes.get(text.range()).unwrap_or_default();
        self.events.key(self.depth(), text, escaped, raw);
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.syntax("expected `:`"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    #[inline]
    fn close(&mut self) -> Result<Next, Halt> {
        self.at += 1;
        let Some(frame) = self.stack.pop() else { return Ok(Next::Complete) };
        if frame.object
            && let Some(at) = self.keys.close(self.bytes, frame.base)
        {
            return Err(halt(FaultKind::DuplicateKey, at));
        }
        self.events.close(self.depth(), self.at, frame.members);
        Ok(Next::Complete)
    }

    /// Reads the string at the cursor: its text without the quotes, and whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<(Span, bool), Halt> {
        let from = self.at + 1;
        let scan::StringEnd { quote, escaped } = scan::string(self.bytes, from)?;
        let text = Span { start: from as u32, end: quote };
        let len = text.range().len();
        if len > self.limits.max_string {
            return Err(self.fault(FaultKind::StringTooLong));
        }
        if self.controls && scan::has_control(self.bytes.get(text.range()).unwrap_or_default()) {
            return Err(self.syntax("control character in a string"));
        }
        self.at = quote as usize + 1;
        Ok((text, escaped))
    }

    /// Depth of the value at the cursor: the number of containers around it.
    fn depth(&self) -> u16 {
        self.stack.len() as u16
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        self.at = scan::space(self.bytes, self.at);
    }

    #[cold]
    fn fault(&self, kind: FaultKind) -> Halt {
        halt(kind, self.at)
    }

    #[cold]
    fn syntax(&self, problem: &'static str) -> Halt {
        syntax(problem, self.at)
    }
}
