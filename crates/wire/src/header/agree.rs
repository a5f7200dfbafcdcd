//! Whether headers and message say the same.

use http::{HeaderMap, HeaderName};

use super::{METHOD, MirroredParam, MirroredType, NAME, PROTOCOL_VERSION, decode_value};
use crate::code;
use crate::json::Node;
use crate::message::Request;
use crate::meta;
use crate::method::Method;

/// A header that does not agree with the message. To be answered with HTTP 400 and
/// [`code::HEADER_MISMATCH`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header `{header}` {why}")]
pub struct HeaderMismatch {
    /// Which header.
    pub header: HeaderName,
    /// What is wrong with it.
    pub why: Mismatch,
}

impl HeaderMismatch {
    /// The JSON-RPC error code to answer with.
    pub fn code(&self) -> i64 {
        code::HEADER_MISMATCH
    }
}

/// How a header can disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The message requires it and it is not there.
    #[error("is missing")]
    Missing,
    /// More than one value: readers could pick different ones.
    #[error("is repeated")]
    Repeated,
    /// Not a legal value: wrong characters, broken base64, or not of the declared type.
    #[error("has a malformed value")]
    Malformed,
    /// Another value than in the message.
    #[error("does not match the request body")]
    Differs,
    /// The message has no value that the header could repeat.
    #[error("has no counterpart in the request body")]
    Unexpected,
    /// The message has a value, but not of the declared type.
    #[error("repeats an argument that is not of its declared type")]
    ArgumentType,
}

/// Compares the headers of a modern request with its body. `mirrored` are the annotated parameters of
/// the tool that is called; empty for any other method.
///
/// Unknown `Mcp-Param-*` headers are left alone, as the specification wants.
pub fn agree(
    headers: &HeaderMap,
    request: &Request,
    mirrored: &[MirroredParam],
) -> Result<(), HeaderMismatch> {
    agree_on_version(headers, request)?;
    exact(headers, METHOD, request.method())?;
    name(headers, request)?;
    mirrored.iter().try_for_each(|param| parameter(headers, request, param))
}

/// The part of [`agree`] that concerns the version, for readers who need to know it before all else.
pub fn agree_on_version(headers: &HeaderMap, request: &Request) -> Result<(), HeaderMismatch> {
    let named = request.meta().and_then(|meta| meta.get(meta::PROTOCOL_VERSION)).and_then(Node::as_str);
    exact(headers, PROTOCOL_VERSION, named.as_deref().unwrap_or_default())
}

/// A header that is never encoded.
fn exact(headers: &HeaderMap, header: HeaderName, body: &str) -> Result<(), HeaderMismatch> {
    match single(headers, &header)? {
        None => Err(mismatch(&header, Mismatch::Missing)),
        Some(value) if value == body => Ok(()),
        Some(_) => Err(mismatch(&header, Mismatch::Differs)),
    }
}

fn name(headers: &HeaderMap, request: &Request) -> Result<(), HeaderMismatch> {
    let header = single(headers, &NAME)?;
    let required = request.method_kind().name_param().is_some();
    match (header, request.name_or_uri()) {
        (None, _) if required => Err(mismatch(&NAME, Mismatch::Missing)),
        (None, _) => Ok(()),
        (Some(value), Some(name)) => same(&NAME, decoded(&NAME, value)? == name),
        // An extension may define the header for a method of its own.
        (Some(_), None) if request.method_kind() == Method::Other => Ok(()),
        (Some(_), None) => Err(mismatch(&NAME, Mismatch::Unexpected)),
    }
}

fn parameter(headers: &HeaderMap, request: &Request, param: &MirroredParam) -> Result<(), HeaderMismatch> {
    let header = &param.header;
    match (single(headers, header)?, param.argument(request)) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(mismatch(header, Mismatch::Missing)),
        (Some(_), None) => Err(mismatch(header, Mismatch::Unexpected)),
        (Some(value), Some(argument)) => argument_matches(param, &decoded(header, value)?, argument),
    }
}

fn argument_matches(param: &MirroredParam, value: &str, argument: Node<'_>) -> Result<(), HeaderMismatch> {
    let wrong_type = || mismatch(&param.header, Mismatch::ArgumentType);
    let equal = match param.kind {
        MirroredType::String => argument.as_str().ok_or_else(wrong_type)? == value,
        MirroredType::Boolean => {
            if argument.as_bool().is_none() {
                return Err(wrong_type());
            }
            argument.raw() == value.as_bytes()
        }
        MirroredType::Integer => {
            let body = argument.as_integer().ok_or_else(wrong_type)?;
            let header = integer(value).ok_or_else(|| mismatch(&param.header, Mismatch::Malformed))?;
            body == header
        }
    };
    same(&param.header, equal)
}

/// A number in a header that has an exact integer value, such as `42` or `42.0`.
fn integer(value: &str) -> Option<i64> {
    let limits =
        crate::Limits { max_bytes: crate::json::MAX_NUMBER, max_depth: 0, ..crate::Limits::default() };
    let document = crate::Document::parse(bytes::Bytes::copy_from_slice(value.as_bytes()), &limits).ok()?;
    document.root().as_integer()
}

fn single<'h>(headers: &'h HeaderMap, header: &HeaderName) -> Result<Option<&'h str>, HeaderMismatch> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(mismatch(header, Mismatch::Repeated));
    }
    value.to_str().map(Some).map_err(|_| mismatch(header, Mismatch::Malformed))
}

fn decoded<'h>(header: &HeaderName, value: &'h str) -> Result<std::borrow::Cow<'h, str>, HeaderMismatch> {
    decode_value(value).ok_or_else(|| mismatch(header, Mismatch::Malformed))
}

fn same(header: &HeaderName, equal: bool) -> Result<(), HeaderMismatch> {
    if equal { Ok(()) } else { Err(mismatch(header, Mismatch::Differs)) }
}

fn mismatch(header: &HeaderName, why: Mismatch) -> HeaderMismatch {
    HeaderMismatch { header: header.clone(), why }
}
