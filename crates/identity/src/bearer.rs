//! The token of a request (RFC 6750 section 2.1, RFC 9449 section 7.1).

use http::{HeaderMap, header};
use portcullis_core::{Challenge, ControlId, Refusal, RefusalKind};

/// How a token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// By itself.
    Bearer,
    /// With a proof.
    Dpop,
}

/// The token of the `Authorization` header; none when there is no such header, or one of another scheme.
///
/// # Errors
/// [`RefusalKind::InvalidRequest`] when there are several, or one that no token can be read from: two readers
/// could see two different callers.
pub(crate) fn token(headers: Option<&HeaderMap>) -> Result<Option<(Scheme, &str)>, Refusal> {
    let Some(headers) = headers else { return Ok(None) };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(unclear("the request has more than one `Authorization` header"));
    }
    let value = value.to_str().map_err(|_| unclear("the `Authorization` header is not ASCII"))?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return Ok(None),
    };
    let token = token.trim_start_matches(' ');
    if is_token68(token) {
        Ok(Some((scheme, token)))
    } else {
        Err(unclear("what follows the scheme is not a token"))
    }
}

/// `b64token` of RFC 6750.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(allowed)
}

fn unclear(detail: &'static str) -> Refusal {
    Refusal::new(RefusalKind::InvalidRequest, "send one access token, in one `Authorization` header")
        .by(ControlId::Iam01)
        .operator(detail)
        .challenging(Challenge::OneToken)
}
