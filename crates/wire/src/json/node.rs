//! Reading a document.

use std::borrow::Cow;

use bytes::Bytes;

use super::document::{Document, Entry};
use super::{Span, scan, unescape};

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number of any form.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// One value of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    document: &'a Document,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Indexed(u32),
    /// Below the index: only where the value is.
    Scanned(Span),
}

impl<'a> Node<'a> {
    pub(super) fn indexed(document: &'a Document, at: u32) -> Self {
        Self { document, place: Place::Indexed(at) }
    }

    /// The value at index position `at`, which [`position`](Self::position) returned for this document.
    pub(crate) fn at(document: &'a Document, at: u32) -> Self {
        Self::indexed(document, at)
    }

    /// Where this value is in the index of its document, if it is that near to the root.
    pub(crate) fn position(self) -> Option<u32> {
        match self.place {
            Place::Indexed(at) => Some(at),
            Place::Scanned(_) => None,
        }
    }

    pub(super) fn document_bytes(self) -> &'a [u8] {
        self.document.bytes()
    }

    fn entry(self) -> Option<&'a Entry> {
        self.document.entry(self.position()?)
    }

    /// The type of the value.
    pub fn kind(self) -> Kind {
        if let Some(entry) = self.entry() {
            return entry.kind;
        }
        match self.raw().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Where the value is in the document; a string includes its quotes.
    pub fn span(self) -> Span {
        match self.place {
            Place::Indexed(at) => self.document.entry(at).map(|entry| entry.value).unwrap_or_default(),
            Place::Scanned(span) => span,
        }
    }

    /// The value as written.
    pub fn raw(self) -> &'a [u8] {
        self.document.bytes().get(self.span().range()).unwrap_or_default()
    }

    /// The value as written, sharing the document's memory.
    pub fn to_bytes(self) -> Bytes {
        // INVARIANT: spans lie inside the document, so this cannot be out of range.
        self.document.bytes().slice_ref(self.raw())
    }

    /// The member called `key`, its name compared after decoding escapes.
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        Items::new(self).find(|item| item.named(key)).map(|item| item.node)
    }

    /// Follows member names from here.
    pub fn path(self, keys: &[&str]) -> Option<Node<'a>> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The members of an object in document order; none for any other type.
    pub fn members(self) -> Members<'a> {
        Members(Items::of_kind(self, Kind::Object))
    }

    /// The elements of an array in document order; none for any other type.
    pub fn elements(self) -> Elements<'a> {
        Elements(Items::of_kind(self, Kind::Array))
    }

    /// Number of members or elements; 0 for a scalar.
    pub fn len(self) -> usize {
        match self.entry() {
            Some(entry) => entry.members as usize,
            None => Items::new(self).count(),
        }
    }

    /// Whether there are no members or elements; true for a scalar.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The text of a string, decoded; `None` for any other type.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        unescape(self.as_raw_str()?)
    }

    /// The text of a string as written between its quotes; `None` for any other type.
    pub fn as_raw_str(self) -> Option<&'a [u8]> {
        match self.raw() {
            [b'"', text @ .., b'"'] => Some(text),
            _ => None,
        }
    }

    /// An integer written without fraction or exponent, if it fits.
    pub fn as_i64(self) -> Option<i64> {
        self.number()?.parse().ok()
    }

    /// A non-negative integer written without fraction or exponent, if it fits.
    pub fn as_u64(self) -> Option<u64> {
        self.number()?.parse().ok()
    }

    /// An integer that every JSON reader keeps exactly, in whatever form it is written: `42`, `42.0`,
    /// `4.2e1`. `None` outside ±(2⁵³−1).
    pub fn as_integer(self) -> Option<i64> {
        const SAFE: i64 = (1 << 53) - 1;
        let whole =
            |number: f64| (number.fract() == 0.0 && number.abs() <= SAFE as f64).then_some(number as i64);
        self.as_i64()
            .or_else(|| self.as_f64().and_then(whole))
            .filter(|number| (-SAFE..=SAFE).contains(number))
    }

    /// Any number, rounded to the nearest double.
    pub fn as_f64(self) -> Option<f64> {
        self.number()?.parse().ok()
    }

    fn number(self) -> Option<&'a str> {
        if self.kind() == Kind::Number { std::str::from_utf8(self.raw()).ok() } else { None }
    }

    /// The value of `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.raw() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// Whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }
}

/// Members of an object: name and value.
#[derive(Clone, Debug)]
pub struct Members<'a>(Items<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|item| (item.name(), item.node))
    }
}

/// Elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a>(Items<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        self.0.next().map(|item| item.node)
    }
}

/// A member or an element; elements have an empty key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) node: Node<'a>,
    pub(super) key: Span,
    escaped: bool,
}

impl<'a> Item<'a> {
    fn raw_name(&self) -> &'a [u8] {
        self.node.document.bytes().get(self.key.range()).unwrap_or_default()
    }

    fn name(&self) -> Cow<'a, str> {
        if self.escaped {
            return unescape(self.raw_name()).unwrap_or_default();
        }
        std::str::from_utf8(self.raw_name()).map(Cow::Borrowed).unwrap_or_default()
    }

    pub(super) fn named(&self, key: &str) -> bool {
        if self.escaped { self.name() == key } else { self.raw_name() == key.as_bytes() }
    }
}

/// What a container holds, from the index where it reaches and by scanning below it.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    document: &'a Document,
    cursor: Cursor,
}

#[derive(Clone, Debug)]
enum Cursor {
    Index { next: u32, end: u32 },
    Scan { at: usize, object: bool },
    Done,
}

impl<'a> Items<'a> {
    fn of_kind(node: Node<'a>, kind: Kind) -> Self {
        if node.kind() == kind {
            Self::new(node)
        } else {
            Self { document: node.document, cursor: Cursor::Done }
        }
    }

    /// What `node` holds; nothing if it is a scalar.
    pub(super) fn new(node: Node<'a>) -> Self {
        let cursor = match (node.place, node.entry()) {
            (Place::Indexed(at), Some(entry)) if entry.indexed => {
                Cursor::Index { next: at + 1, end: entry.after }
            }
            _ => match node.kind() {
                Kind::Object => Cursor::Scan { at: node.span().start as usize + 1, object: true },
                Kind::Array => Cursor::Scan { at: node.span().start as usize + 1, object: false },
                _ => Cursor::Done,
            },
        };
        Self { document: node.document, cursor }
    }

    fn indexed_item(&mut self, at: u32) -> Option<Item<'a>> {
        let entry = self.document.entry(at)?;
        if let Cursor::Index { next, .. } = &mut self.cursor {
            *next = entry.after;
        }
        Some(Item { node: Node::indexed(self.document, at), key: entry.key, escaped: entry.key_escaped })
    }

    fn scanned_item(&mut self, from: usize, object: bool) -> Option<Item<'a>> {
        let bytes: &[u8] = self.document.bytes();
        let mut at = scan::space(bytes, from);
        if bytes.get(at) == Some(&b',') {
            at = scan::space(bytes, at + 1);
        }
        if matches!(bytes.get(at), None | Some(b'}' | b']')) {
            self.cursor = Cursor::Done;
            return None;
        }
        let mut key = Span::default();
        if object {
            let end = scan::validated_string(bytes, at);
            key = Span::new(at + 1, end - 1);
            at = scan::space(bytes, end);
            at = scan::space(bytes, at + 1);
        }
        let end = scan::validated_value(bytes, at);
        self.cursor = Cursor::Scan { at: end, object };
        let escaped = memchr::memchr(b'\\', bytes.get(key.range()).unwrap_or_default()).is_some();
        Some(Item {
            node: Node { document: self.document, place: Place::Scanned(Span::new(at, end)) },
            key,
            escaped,
        })
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        match self.cursor {
            Cursor::Index { next, end } if next < end => self.indexed_item(next),
            Cursor::Scan { at, object } => self.scanned_item(at, object),
            _ => None,
        }
    }
}
