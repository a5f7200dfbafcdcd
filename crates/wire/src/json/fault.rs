//! Why a document was refused.

/// Why and where a document was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {at}")]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Byte offset of the offending token in the document.
    pub at: usize,
}

/// A fault on its way up. Boxed so that the results of the walk's many small steps fit registers: this
/// is worth a tenth of its time, and a refused document costs one allocation.
pub(super) type Halt = Box<Fault>;

#[cold]
pub(super) fn halt(kind: FaultKind, at: usize) -> Halt {
    Box::new(Fault { kind, at })
}

#[cold]
pub(super) fn syntax(problem: &'static str, at: usize) -> Halt {
    halt(FaultKind::Syntax(problem), at)
}

/// The reasons a document can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Outside the grammar of RFC 8259. The text says what was expected or what is not allowed.
    #[error("malformed JSON: {0}")]
    Syntax(&'static str),
    /// More bytes than `Limits::max_bytes`.
    #[error("document too long")]
    TooLong,
    /// More open containers than `Limits::max_depth`.
    #[error("nesting too deep")]
    TooDeep,
    /// A string or key longer than `Limits::max_string`.
    #[error("string too long")]
    StringTooLong,
    /// A container with more members than `Limits::max_members`.
    #[error("too many members in one object or array")]
    TooManyMembers,
    /// More values than `Limits::max_nodes`.
    #[error("too many values")]
    TooManyNodes,
    /// Two members of one object have the same name once escapes are decoded (RFC 8259 section 4
    /// leaves the meaning open, so two readers could see two different calls).
    #[error("duplicate object key")]
    DuplicateKey,
    /// A `\u` escape for half of a surrogate pair (RFC 8259 section 8.2).
    #[error("lone surrogate escape")]
    LoneSurrogate,
    /// The bytes are not UTF-8 (RFC 8259 section 8.1).
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// A well-formed number that common readers disagree about: longer than
    /// [`MAX_NUMBER`](super::MAX_NUMBER) bytes, or infinite as an IEEE 754 double (RFC 8259 section 6).
    #[error("number out of range")]
    NumberForm,
    /// Something other than whitespace follows the document.
    #[error("trailing data after the document")]
    TrailingData,
    /// Nothing but whitespace.
    #[error("empty document")]
    Empty,
}
