//! What the head of a request to a proxy must and must not have.

use http::{
    HeaderMap, HeaderName,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING},
};
use portcullis_core::Authority;

use super::super::Denial;

/// Fields that are between two neighbours only (RFC 9110, 7.6.1), and those that tell a proxy something.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Refuses a `Host` that names something else than the request does: whoever reads the one or the other
/// must come to the same destination. Requests of HTTP/1.0 have none.
pub(super) fn check_host(headers: &HeaderMap, asked: &str) -> Result<(), Denial> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err(Denial::Malformed("there is more than one Host field"));
    }
    // An unreadable destination is the gate's to refuse, with its own reason.
    let Ok(asked) = Authority::parse(asked, None) else { return Ok(()) };
    let named = host.to_str().ok().and_then(|host| Authority::parse(host, Some(asked.port)).ok());
    if named == Some(asked) { Ok(()) } else { Err(Denial::Malformed("Host names another destination")) }
}

/// A tunnel has no body of its own; a length would leave open where it begins.
pub(super) fn check_no_body(headers: &HeaderMap) -> Result<(), Denial> {
    if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Denial::Malformed("CONNECT has a body"));
    }
    Ok(())
}

/// Removes what is not for the other side, and what the body's framing is worked out from anew.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    named.iter().for_each(|name| drop(headers.remove(name)));
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(*name)));
    headers.remove(EXPECT);
    headers.remove(CONTENT_LENGTH);
}
