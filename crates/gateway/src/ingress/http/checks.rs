//! Checks that need only the head of a request (controls NET-02, NET-03, NET-07).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, header, request::Parts};
use portcullis_core::{ControlId, Refusal, RefusalKind};

use super::Body;

/// The names a listener answers to and the web origins it lets in. Both lists are exact; an empty list of
/// origins lets no web page in.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    /// Allowed `Host` values without port, lower case; `localhost` and the loopback addresses on a loopback
    /// listener.
    pub hosts: Arc<[String]>,
    /// Allowed `Origin` values, `scheme://host[:port]`.
    pub origins: Arc<[String]>,
    /// Whether the listener speaks TLS, which decides what its own origin is.
    pub secure: bool,
}

impl Sites {
    /// A name that resolves to us but is not ours means DNS rebinding; an origin that is not allowed means
    /// somebody's web page.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Refusal> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let host = match (parts.uri.authority(), hosts.next(), hosts.next()) {
            (Some(authority), None, None) => authority.as_str().to_owned(),
            (None, Some(host), None) => host.to_str().unwrap_or_default().to_owned(),
            (Some(authority), Some(host), None) if host.as_bytes() == authority.as_str().as_bytes() => {
                authority.as_str().to_owned()
            }
            _ => return Err(bad_host("`Host` must be given once")),
        };
        if !self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name_of(&host))) {
            return Err(bad_host("`Host` is not a name of this gateway; add it to `gateway.allowed_hosts`"));
        }
        let mut origins = parts.headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.allows(origin) || self.is_own(origin, &host) => Ok(()),
            _ => Err(Refusal::new(
                RefusalKind::BadOrigin,
                "`Origin` is not allowed; add it to `gateway.allowed_origins` if you trust that site",
            )
            .by(ControlId::Net03)),
        }
    }

    /// Whether a page of this very gateway sent the request: its origin is our scheme and the `Host` that has
    /// just been found to be ours.
    fn is_own(&self, origin: &HeaderValue, host: &str) -> bool {
        let scheme = if self.secure { "https://" } else { "http://" };
        origin.as_bytes().strip_prefix(scheme.as_bytes()) == Some(host.as_bytes())
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }

    /// Cross-origin headers for an allowed origin, and for no other. Never with credentials: a cookie is
    /// not an identity here.
    pub(super) fn with_cors(
        &self,
        mut response: Response<Body>,
        origin: Option<&HeaderValue>,
    ) -> Response<Body> {
        let headers = response.headers_mut();
        if !self.origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let Some(origin) = origin.filter(|o| self.allows(o)) else { return response };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, DELETE"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
        response
    }
}

/// The origin of a request that names one.
pub(super) fn only_origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.next().filter(|_| origins.next().is_none())
}

/// A browser's client has to read the challenge to find its authorization server.
const EXPOSED_HEADERS: &str = "mcp-session-id, www-authenticate, dpop-nonce";

const ALLOWED_HEADERS: &str = "authorization, dpop, content-type, accept, last-event-id, mcp-session-id, \
                               mcp-protocol-version, mcp-method, mcp-name";

/// The host without its port; an IPv6 literal keeps its brackets. What follows the last colon and is no port
/// is part of the name, which then is nobody's.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn bad_host(what: &'static str) -> Refusal {
    Refusal::new(RefusalKind::BadHost, what).by(ControlId::Net03)
}

/// A POST carries JSON and takes both JSON and events (2025-03-26 and later, basic/transports). Requiring
/// the media type also keeps HTML forms out (control NET-03).
pub(super) fn media_types(headers: &HeaderMap) -> Result<(), Refusal> {
    content_type(headers)?;
    if accepts(headers, "application/json") && accepts(headers, "text/event-stream") {
        return Ok(());
    }
    Err(Refusal::new(RefusalKind::NotAcceptable, "`Accept` must list application/json and text/event-stream"))
}

pub(super) fn content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if essence(value).eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(RefusalKind::MediaType, "`Content-Type` must be application/json"))
}

pub(super) fn accepts_events(headers: &HeaderMap) -> Result<(), Refusal> {
    if accepts(headers, "text/event-stream") {
        return Ok(());
    }
    Err(Refusal::new(RefusalKind::NotAcceptable, "`Accept` must list text/event-stream"))
}

fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).map(essence).any(|offered| {
        let whole_type = wanted.split_once('/').is_some_and(|(kind, _)| {
            offered.strip_suffix("/*").is_some_and(|k| k.eq_ignore_ascii_case(kind))
        });
        offered == "*/*" || whole_type || offered.eq_ignore_ascii_case(wanted)
    })
}

fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> Option<RefusalKind> {
        let sites = Sites {
            hosts: Arc::from(["localhost".to_owned(), "gw.test".to_owned(), "[::1]".to_owned()]),
            origins: Arc::from(["https://app.test".to_owned()]),
            secure: false,
        };
        let mut request = http::Request::builder().uri("/mcp").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let (parts, ()) = request.body(()).ok()?.into_parts();
        sites.check(&parts).err().map(|r| r.kind())
    }

    #[test]
    fn hosts_are_exact() {
        for good in ["localhost", "LOCALHOST:80", "gw.test:8443", "[::1]:1", "[::1]"] {
            assert_eq!(check(good, None), None, "{good}");
        }
        for bad in [
            "evil.test",
            "gw.test.evil.test",
            "evilgw.test",
            "127.0.0.1",
            "",
            "gw.test:80:80",
            "[::1",
            "gw.test:80@evil.test",
        ] {
            assert_eq!(check(bad, None), Some(RefusalKind::BadHost), "{bad}");
        }
    }

    #[test]
    fn a_request_has_one_origin_or_none() {
        let (app, evil) = ("https://app.test", "https://evil.test");
        for (origins, only) in
            [(vec![], None), (vec![app], Some(app)), (vec![app, evil], None), (vec![app, app], None)]
        {
            let mut headers = HeaderMap::new();
            for origin in &origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(only_origin(&headers).and_then(|o| o.to_str().ok()), only, "{origins:?}");
        }
    }

    #[test]
    fn origins_are_exact() {
        assert_eq!(check("gw.test", Some("https://app.test")), None);
        assert_eq!(check("localhost:8930", Some("http://localhost:8930")), None);
        for other in
            ["http://localhost", "http://localhost:1", "https://localhost:8930", "http://gw.test:8930"]
        {
            assert_eq!(check("localhost:8930", Some(other)), Some(RefusalKind::BadOrigin), "{other}");
        }
        for bad in [
            "https://app.test.evil.test",
            "https://evilapp.test",
            "null",
            "http://app.test",
            "file://",
            "",
            "*",
        ] {
            assert_eq!(check("gw.test", Some(bad)), Some(RefusalKind::BadOrigin), "{bad}");
        }
    }
}
