//! Responses on their way to a client of the other era.

use bytes::Bytes;
use portcullis_core::{
    Refusal,
    wire::{Document, Method, Node, Patch, Response, Version, code, json::write, message, meta},
};

use super::{content, defect, input, untranslatable};

/// Members that only 2026-07-28 results have.
const MODERN_MEMBERS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// What kind of result a response carries (`resultType`; absent means complete).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// The answer.
    Complete,
    /// Questions to the client instead of an answer.
    InputRequired,
    /// A handle to a task.
    Task,
    /// A value nobody negotiated.
    Unknown,
}

/// Reads `resultType`.
pub fn result_type(result: Node<'_>) -> ResultType {
    match result.get("resultType").map(|t| t.as_str().unwrap_or_default()).as_deref() {
        None | Some("complete") => ResultType::Complete,
        Some("input_required") => ResultType::InputRequired,
        Some("task") => ResultType::Task,
        Some(_) => ResultType::Unknown,
    }
}

/// A legacy server's response for a 2026-07-28 client: `resultType` on every result, caching members
/// where they are required, newer error codes.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Internal`] on a defect.
pub fn to_modern(response: &Response, method: Method, server_info: Option<&Bytes>) -> Result<Bytes, Refusal> {
    if response.error().is_some() {
        return error_to_modern(response);
    }
    let Some(result) = response.result() else { return Ok(response.bytes().clone()) };
    let document = response.document();
    let mut patch = Patch::new(document);
    patch.set(result, "resultType", &b"\"complete\""[..]).map_err(defect)?;
    if method.is_cacheable() {
        patch.set(result, "ttlMs", &b"0"[..]).map_err(defect)?;
        patch.set(result, "cacheScope", &b"\"private\""[..]).map_err(defect)?;
    }
    if let Some(info) = server_info {
        match result.get("_meta") {
            Some(own) => {
                patch.set(own, meta::SERVER_INFO, info.clone()).map_err(defect)?;
            }
            None => {
                let whole = [format!("{{\"{}\":", meta::SERVER_INFO).as_bytes(), info, b"}"].concat();
                patch.set(result, "_meta", whole).map_err(defect)?;
            }
        }
    }
    Ok(patch.apply())
}

fn error_to_modern(response: &Response) -> Result<Bytes, Refusal> {
    let document = response.document();
    let Some(error) = document.root().get("error") else { return Ok(response.bytes().clone()) };
    match error.get("code").and_then(|c| c.as_i64()) {
        Some(code::RESOURCE_NOT_FOUND) => replace_code(document, error, code::INVALID_PARAMS),
        Some(code::URL_ELICITATION_REQUIRED) => {
            let Some(id) = response.id() else { return Err(untranslatable("an error without an id")) };
            let result = input::url_elicitations(error)?;
            Ok(message::response_result(id, &result))
        }
        _ => Ok(response.bytes().clone()),
    }
}

/// A 2026-07-28 server's response for a legacy client.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Untranslatable`] for a task or an unknown kind of result: a legacy
/// client would take it for an empty success (measured with two SDKs).
pub fn to_legacy(response: &Response, method: Method, version: Version) -> Result<Bytes, Refusal> {
    if response.error().is_some() {
        return error_to_legacy(response, method);
    }
    let Some(result) = response.result() else { return Ok(response.bytes().clone()) };
    match result_type(result) {
        ResultType::Complete => {}
        ResultType::Task => {
            return Err(untranslatable("the tool answers with a task, which needs 2026-07-28"));
        }
        ResultType::InputRequired => {
            return Err(untranslatable("the server asks for input here, which needs 2026-07-28"));
        }
        ResultType::Unknown => {
            return Err(untranslatable("the server answered with a kind of result nobody negotiated"));
        }
    }
    let mut patch = Patch::new(response.document());
    for member in MODERN_MEMBERS {
        patch.remove(result, member).map_err(defect)?;
    }
    content::to_version(&mut patch, result, method, version)?;
    Ok(patch.apply())
}

fn error_to_legacy(response: &Response, method: Method) -> Result<Bytes, Refusal> {
    let document = response.document();
    let Some(error) = document.root().get("error") else { return Ok(response.bytes().clone()) };
    match error.get("code").and_then(|c| c.as_i64()) {
        Some(code::INVALID_PARAMS) if method == Method::ResourcesRead => {
            replace_code(document, error, code::RESOURCE_NOT_FOUND)
        }
        Some(
            code::HEADER_MISMATCH
            | code::MISSING_REQUIRED_CLIENT_CAPABILITY
            | code::UNSUPPORTED_PROTOCOL_VERSION,
        ) => replace_code(document, error, code::INTERNAL_ERROR),
        _ => Ok(response.bytes().clone()),
    }
}

fn replace_code(document: &Document, error: Node<'_>, code: i64) -> Result<Bytes, Refusal> {
    let mut patch = Patch::new(document);
    patch.set(error, "code", code.to_string()).map_err(defect)?;
    Ok(patch.apply())
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().saturating_add(2));
    write::push_str(&mut out, text);
    out
}

#[cfg(test)]
mod tests;
