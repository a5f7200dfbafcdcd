//! What one document may cost, and how a refused one is described.

/// The largest document any limit can allow, in bytes: offsets and a flag share 32 bits.
pub const MAX_DOCUMENT: usize = i32::MAX as usize;

/// Upper bounds for one JSON document. Every bound is inclusive.
///
/// The defaults suit one MCP message from an untrusted peer. Callers that know better set their own
/// `max_bytes` and `max_string`; the rest seldom needs to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the whole document in bytes, surrounding whitespace included. Never above
    /// [`MAX_DOCUMENT`], whatever is set here. Default 4 MiB.
    pub max_bytes: usize,
    /// Containers open at the same time. A lone scalar needs 0, `[]` needs 1. Default 64.
    pub max_depth: u16,
    /// Length of one string or key in bytes, as written between its quotes. Default 4 MiB.
    pub max_string: usize,
    /// Members of one object or elements of one array. Default 100,000.
    pub max_members: u32,
    /// Values in the whole document, containers included, keys not. Default 250,000.
    pub max_nodes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 4 << 20,
            max_depth: 64,
            max_string: 4 << 20,
            max_members: 100_000,
            max_nodes: 250_000,
        }
    }
}
