//! JSON-RPC 2.0 messages as MCP uses them.

mod decode;
mod encode;
mod id;
mod parts;

pub use decode::{
    DecodeError, DecodeErrorKind, Decoded, MAX_BATCH, decode, decode_one, decode_one_with, decode_with,
};
pub use encode::{notification, request, response_error, response_result, with_id};
pub use id::{IdFault, MAX_ID, RequestId};
pub use parts::{ErrorView, Message, Notification, Request, Response, ResponseId};
