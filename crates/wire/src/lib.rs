//! Bytes to MCP messages and back, for every protocol version, without I/O and without opinions.
//!
//! Everything here reads hostile bytes: nothing panics, recurses, or keeps more than its stated limit.
//!
//! | module | what it turns into what |
//! |---|---|
//! | [`json`] | bytes into a validated, indexed document; edits back into bytes |
//! | [`message`] | documents into JSON-RPC requests, notifications and responses |
//! | [`version`], [`method`], [`code`], [`meta`] | the vocabulary of the protocol, as tables |
//! | [`header`] | HTTP headers that mirror a message, and their agreement with it |
//! | [`sse`], [`stdio`] | byte streams into events and lines |

pub mod code;
pub mod header;
pub mod json;
pub mod message;
pub mod meta;
pub mod method;
pub mod sse;
pub mod stdio;
pub mod version;

pub use json::{Document, Fault, FaultKind, Limits, Node, Patch};
pub use message::{
    DecodeError, Decoded, Message, Notification, Request, RequestId, Response, decode, decode_one,
};
pub use method::Method;
pub use version::{Era, Version};
