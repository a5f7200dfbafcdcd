//! From parts to bytes.

use bytes::Bytes;

use super::RequestId;
use crate::json::{Document, Kind, Patch, write};

/// Bytes a message needs besides its parts.
const FRAME: usize = 64;

/// A successful answer. `result` must be a JSON object.
pub fn response_result(id: &RequestId, result: &[u8]) -> Bytes {
    message(id.raw().len() + result.len(), |object| {
        object.raw("id", id.raw()).raw("result", result);
    })
}

/// An error answer. Without an id it answers a message whose id could not be read; the id is then `null`,
/// as JSON-RPC 2.0 section 5 has it. `data` must be JSON.
pub fn response_error(id: Option<&RequestId>, code: i64, message_text: &str, data: Option<&[u8]>) -> Bytes {
    message(message_text.len() + data.map_or(0, <[u8]>::len), |object| {
        object.raw("id", id.map_or(b"null", |id| id.raw()));
        let mut error = write::Object::start(object.key("error"));
        error.int("code", code).str("message", message_text);
        if let Some(data) = data {
            error.raw("data", data);
        }
        error.end();
    })
}

/// A request. `params` must be a JSON object.
pub fn request(id: &RequestId, method: &str, params: Option<&[u8]>) -> Bytes {
    message(method.len() + params.map_or(0, <[u8]>::len), |object| {
        object.raw("id", id.raw()).str("method", method);
        if let Some(params) = params {
            object.raw("params", params);
        }
    })
}

/// A notification. `params` must be a JSON object.
pub fn notification(method: &str, params: Option<&[u8]>) -> Bytes {
    message(method.len() + params.map_or(0, <[u8]>::len), |object| {
        object.str("method", method);
        if let Some(params) = params {
            object.raw("params", params);
        }
    })
}

fn message(size: usize, write: impl FnOnce(&mut write::Object<'_>)) -> Bytes {
    let mut out = Vec::with_capacity(size + FRAME);
    let mut object = write::Object::start(&mut out);
    object.str("jsonrpc", "2.0");
    write(&mut object);
    object.end();
    out.into()
}

/// The message with another id and every other byte as it was. The bytes are shared if the id is the
/// same already, and a document that is not an object is returned as it is.
pub fn with_id(document: &Document, id: &RequestId) -> Bytes {
    let root = document.root();
    if root.kind() != Kind::Object || root.get("id").is_some_and(|old| old.raw() == id.raw()) {
        return document.bytes().clone();
    }
    let mut patch = Patch::new(document);
    // Cannot fail: the root is an object.
    let _ = patch.set(root, "id", id.raw().clone());
    patch.apply()
}
