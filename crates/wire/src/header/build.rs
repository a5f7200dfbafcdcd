//! The headers a client sends with a modern request.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};

use super::{METHOD, MirroredParam, MirroredType, NAME, PROTOCOL_VERSION, encode_value, value::is_literal};
use crate::json::Node;
use crate::message::Request;
use crate::version::Version;

/// Why the headers of a request cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildFault {
    /// A method name with characters that no header may hold; `Mcp-Method` has no encoding for them.
    #[error("the method name cannot be written in a header")]
    Method,
    /// The message lacks the value that `Mcp-Name` has to repeat.
    #[error("the request lacks `params.{0}`")]
    Name(&'static str),
    /// An annotated argument is not of its declared type, or an integer outside ±(2⁵³−1).
    #[error("the argument for header `{0}` is not of its declared type")]
    Argument(HeaderName),
}

/// The standard headers and one header per annotated argument that has a value.
pub fn build(
    request: &Request,
    mirrored: &[MirroredParam],
    version: Version,
) -> Result<Vec<(HeaderName, HeaderValue)>, BuildFault> {
    let method = literal(request.method()).ok_or(BuildFault::Method)?;
    let mut headers = vec![(PROTOCOL_VERSION, HeaderValue::from_static(version.as_str())), (METHOD, method)];
    if let Some(param) = request.method_kind().name_param() {
        let name = request.name_or_uri().ok_or(BuildFault::Name(param))?;
        headers.push((NAME, encoded(&name).ok_or(BuildFault::Name(param))?));
    }
    for param in mirrored {
        if let Some(argument) = param.argument(request) {
            let value = text(param.kind, argument).and_then(|text| encoded(&text));
            let value = value.ok_or_else(|| BuildFault::Argument(param.header.clone()))?;
            headers.push((param.header.clone(), value));
        }
    }
    Ok(headers)
}

fn literal(text: &str) -> Option<HeaderValue> {
    is_literal(text).then(|| HeaderValue::from_str(text).ok()).flatten()
}

fn encoded(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&encode_value(text)).ok()
}

fn text(kind: MirroredType, argument: Node<'_>) -> Option<Cow<'_, str>> {
    match kind {
        MirroredType::String => argument.as_str(),
        MirroredType::Boolean => {
            argument.as_bool().map(|value| Cow::Borrowed(if value { "true" } else { "false" }))
        }
        MirroredType::Integer => argument.as_integer().map(|value| Cow::Owned(value.to_string())),
    }
}
