//! What is known about a request before its body is read.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};
use portcullis_core::{Channel, Digest};

use crate::Resource;

/// Everything authentication may look at.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Through which door.
    pub channel: Channel,
    /// Address of the peer on the other end of the socket, never one taken from a header.
    pub peer: Option<IpAddr>,
    /// SHA-256 of the certificate that the peer proved to have the key of, if the listener asked for one and verified it.
    pub certificate: Option<Digest>,
    /// HTTP headers; none on stdio.
    pub headers: Option<&'a HeaderMap>,
    /// The query component of the request target, still percent-encoded, without `?`.
    pub query: Option<&'a str>,
    /// Whether the listener is bound to a loopback address.
    pub listener_is_loopback: bool,
    /// HTTP method; empty on stdio.
    pub method: &'a str,
    /// The path without its query; empty on stdio.
    pub path: &'a str,
    /// The endpoint asked, which a token has to be for; none on stdio.
    pub resource: Option<Resource<'a>>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Query parameters that carry tokens (RFC 6750 section 2.3, OpenID Connect, RFC 6749).
const TOKEN_PARAMETERS: [&[u8]; 3] = [b"access_token", b"id_token", b"refresh_token"];

/// Headers that only a proxy adds (RFC 7239 and its predecessors).
const PROXY_HEADERS: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

impl Head<'_> {
    /// The query parameter that carries a token, if one does.
    pub(crate) fn token_in_query(&self) -> Option<&'static str> {
        let names = self.query?.split(['&', ';']).filter_map(|pair| pair.split('=').next());
        names.map(percent_decode).find_map(|name| {
            let found =
                TOKEN_PARAMETERS.iter().find(|token| name.trim_ascii().eq_ignore_ascii_case(token))?;
            std::str::from_utf8(found).ok()
        })
    }

    /// The header that shows that somebody else's request is being passed on, if there is one.
    pub(crate) fn proxy_header(&self) -> Option<&'static str> {
        let headers = self.headers?;
        let at = PROXY_HEADERS.iter().position(|name| headers.contains_key(name))?;
        ["forwarded", "via", "x-forwarded-for", "x-real-ip"].get(at).copied()
    }

    /// Whether the peer is on this machine. An IPv4 address mapped into IPv6 counts as IPv4.
    pub(crate) fn peer_is_loopback(&self) -> bool {
        self.peer.is_some_and(|peer| peer.to_canonical().is_loopback())
    }
}

/// Decodes `%41` and `+`; anything that is not an escape stays as it is.
fn percent_decode(text: &str) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape =
            (*byte == b'%').then(|| Some(hex(bytes.get(at + 1))? * 16 + hex(bytes.get(at + 2))?)).flatten();
        match escape.and_then(|value| u8::try_from(value).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    decoded
}
