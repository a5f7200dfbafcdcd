//! Addresses, URLs, hosts and origins.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::Uri;
use portcullis_sandbox::egress::Policy;

use super::kind::Parsed;

/// An `http` or `https` URL without user information or fragment. Shown without its query, which is a
/// place where credentials turn up.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong, phrased to follow the URL itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('#') {
            return Err("has a fragment (`#…`), which is never sent".to_owned());
        }
        let uri: Uri = text.parse().map_err(|_| "is not a URL".to_owned())?;
        let authority = uri.authority().ok_or("has no host")?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("is neither http nor https".to_owned());
        }
        if authority.as_str().contains('@') {
            return Err("carries a user name or password".to_owned());
        }
        if authority.host().is_empty() {
            return Err("has no host".to_owned());
        }
        if has_port(authority.as_str()) && uri.port_u16().unwrap_or(0) == 0 {
            return Err("has a port that is not between 1 and 65535".to_owned());
        }
        Ok(Self(uri))
    }

    /// The whole URL, for the one place that connects.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Whether the host is this machine by name or address.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.0.host().unwrap_or_default())
    }

    /// Names of the query's parameters.
    pub fn query_names(&self) -> impl Iterator<Item = &str> {
        let pairs = self.0.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}{}", self.0.scheme_str().unwrap_or("https"), self.0.path())?;
        if self.0.query().is_some() { f.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether an authority spells out a port, even an impossible one.
fn has_port(authority: &str) -> bool {
    authority.rsplit_once(']').map_or(authority, |(_, after)| after).contains(':')
}

/// Whether `host`, with or without brackets, means this machine. Only the reserved name and the loopback
/// ranges do: any other name is whatever a resolver says at the time.
fn is_loopback_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A host that may be reached.
pub(super) const HOST_RULE: Parsed<String> =
    Parsed { phrase: "a host, or `*.` and what ends it", example: "api.example.com", parse: parse_host_rule };

fn parse_host_rule(text: &str) -> Result<String, String> {
    let rule = Policy::new(&[text.to_owned()], &[], &[])
        .map_err(|faults| faults.first().map_or_else(String::new, |fault| fault.problem().to_owned()));
    rule.map(|_| text.to_owned())
}

/// An address without a port.
pub(super) const IP: Parsed<IpAddr> =
    Parsed { phrase: "an IP address", example: "10.0.0.7", parse: parse_ip };

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "is not an IP address".to_owned())
}

/// An address to listen on.
pub(super) const ADDRESS: Parsed<SocketAddr> =
    Parsed { phrase: "an IP address and port", example: "127.0.0.1:8930", parse: parse_address };

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.rsplit_once(':') {
        Some((host, _)) if host.eq_ignore_ascii_case("localhost") => {
            "uses a name, which can mean several addresses".to_owned()
        }
        _ => "is not an IP address with a port".to_owned(),
    })
}

/// A URL.
pub(super) const URL: Parsed<HttpUrl> =
    Parsed { phrase: "a URL", example: "https://mcp.example.com/mcp", parse: HttpUrl::parse };

/// A host name or address as the `Host` header gives it, without its port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The host as it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A host the gateway answers to.
pub(super) const HOST: Parsed<HostName> =
    Parsed { phrase: "a host name", example: "mcp.example.com", parse: parse_host };

fn parse_host(text: &str) -> Result<HostName, String> {
    let authority = parse_authority(text)?;
    if has_port(authority.as_str()) {
        return Err("has a port; hosts are compared without one".to_owned());
    }
    Ok(HostName(authority.as_str().to_ascii_lowercase()))
}

fn parse_authority(text: &str) -> Result<http::uri::Authority, String> {
    if text.contains('*') {
        return Err("has a wildcard; names are compared exactly".to_owned());
    }
    if text.contains('/') {
        return Err("has more than a host in it".to_owned());
    }
    let authority: http::uri::Authority = text.parse().map_err(|_| "is not a host".to_owned())?;
    if authority.host().is_empty() || text.contains('@') {
        return Err("is not a host".to_owned());
    }
    Ok(authority)
}

/// A value of the `Origin` header: `scheme://host` or `scheme://host:port`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin as it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An origin the gateway accepts.
pub(super) const ORIGIN: Parsed<Origin> =
    Parsed { phrase: "an origin", example: "https://app.example.com", parse: parse_origin };

fn parse_origin(text: &str) -> Result<Origin, String> {
    if text == "null" {
        return Err("is what any sandboxed page sends, so it identifies nobody".to_owned());
    }
    let (scheme, host) = text.split_once("://").ok_or("has no scheme")?;
    let plain_scheme =
        scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) && !scheme.is_empty();
    if !plain_scheme {
        return Err("has no scheme".to_owned());
    }
    let authority = parse_authority(host)?;
    Ok(Origin(format!("{}://{}", scheme.to_ascii_lowercase(), authority.as_str().to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("https://a.example/mcp", "https://a.example/mcp"),
            ("http://127.0.0.1:1/x?token=abc", "http://127.0.0.1:1/x?…"),
            ("https://[::1]:8443/", "https://[::1]:8443/"),
        ] {
            assert_eq!(HttpUrl::parse(text).map(|url| url.to_string()), Ok(expected.to_owned()));
        }
        for (text, expected) in [
            ("ftp://a.example", "is neither http nor https"),
            ("/mcp", "has no host"),
            ("https://u:p@a.example", "carries a user name or password"),
            ("https://a.example/#x", "has a fragment (`#…`), which is never sent"),
            ("https://a.example:0/", "has a port that is not between 1 and 65535"),
            ("https://a.example:99999/", "has a port that is not between 1 and 65535"),
            ("https://a b/", "is not a URL"),
        ] {
            assert_eq!(HttpUrl::parse(text).map(|url| url.to_string()), Err(expected.to_owned()), "{text}");
        }
        assert!(HttpUrl::parse("http://[::1]:8/").is_ok_and(|url| url.is_loopback()));
        assert!(HttpUrl::parse("http://LocalHost/").is_ok_and(|url| url.is_loopback()));
        assert!(HttpUrl::parse("http://localhost.example/").is_ok_and(|url| !url.is_loopback()));
    }

    #[test]
    fn hosts_and_origins() {
        assert_eq!(parse_host("MCP.example.com").map(|h| h.0), Ok("mcp.example.com".to_owned()));
        for bad in ["a.example:8443", "*.example.com", "https://a", "a/b", "", "u@a"] {
            assert!(parse_host(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse_origin("HTTPS://App.example.com").map(|o| o.0),
            Ok("https://app.example.com".to_owned())
        );
        assert!(parse_origin("vscode-webview://panel").is_ok());
        assert!(parse_origin("http://localhost:6274").is_ok());
        for bad in ["null", "*", "https://*.example.com", "app.example.com", "https://a/", "://a"] {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }
}
