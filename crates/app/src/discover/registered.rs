//! What is known to go through Portcullis.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use portcullis_supply::discover::{Executables, Processes};

use crate::config::{Config, Reach};

/// The servers of a configuration, and the gateway itself.
#[derive(Debug, Default)]
pub(crate) struct Registered {
    /// Where servers of the configuration are.
    servers: Vec<(String, u16)>,
    /// Where the gateway is.
    gateway: Vec<(String, u16)>,
    /// The digest of this very program.
    own: Option<String>,
}

impl Registered {
    /// What a configuration, if there is one, makes known.
    pub(crate) fn new(config: Option<&Config>, executables: &Executables) -> Self {
        let mut registered =
            Self { own: executables.of(std::process::id()).map(|program| program.digest), ..Self::default() };
        let Some(config) = config else { return registered };
        let listen = config.gateway.listen;
        registered.gateway.push((listen.ip().to_string(), listen.port()));
        registered
            .gateway
            .extend(config.gateway.public_url.as_ref().and_then(|url| authority(&url.to_string())));
        for server in &config.servers {
            if let Reach::Url(remote) = &server.reach {
                registered.servers.extend(authority(&remote.url.uri().to_string()));
            }
        }
        registered
    }

    /// Whether a URL leads to the gateway.
    pub(super) fn is_own_url(&self, url: &str) -> bool {
        authority(url).is_some_and(|(host, port)| known(&self.gateway, &host, port))
    }

    /// Whether an address is that of a server of the configuration.
    pub(super) fn is_server(&self, address: SocketAddr) -> bool {
        known(&self.servers, &address.ip().to_string(), address.port())
    }

    /// Whether a process is this program, or started by it. One that only has its name is not.
    pub(super) fn holds(&self, processes: &Processes, executables: &Executables, pid: u32) -> bool {
        let is_own =
            |pid: u32| self.own.is_some() && executables.of(pid).map(|program| program.digest) == self.own;
        let called = |name: &str| name == "portcullis" || name == "portcullis (deleted)";
        let line = processes.get(pid).into_iter().chain(processes.ancestors(pid));
        line.filter(|process| called(process.name())).any(|process| is_own(process.pid))
    }
}

/// Whether a host and port are among those known. All names of this machine's loopback interface are one.
fn known(all: &[(String, u16)], host: &str, port: u16) -> bool {
    let host = plain(host);
    all.iter().any(|(other, known)| *known == port && plain(other) == host)
}

fn plain(host: &str) -> &str {
    let local = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    if local { "localhost" } else { host }
}

fn authority(url: &str) -> Option<(String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some((uri.host()?.to_ascii_lowercase(), uri.port_u16().unwrap_or(default)))
}

/// Scheme, host, port and path: what a URL says beyond them may be a secret.
pub(super) fn without_secrets(url: &str) -> String {
    let parsed = url.parse::<Uri>().ok();
    let parts =
        parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16(), uri.path())));
    match parts {
        Some((scheme, host, Some(port), path)) => format!("{scheme}://{host}:{port}{path}"),
        Some((scheme, host, None, path)) => format!("{scheme}://{host}{path}"),
        None => "a URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_lead_to_the_gateway() {
        let registered =
            Registered { gateway: vec![("127.0.0.1".to_owned(), 8930)], ..Registered::default() };
        for (url, expected) in [
            ("http://127.0.0.1:8930/mcp", true),
            ("http://localhost:8930/mcp/notes", true),
            ("http://[::1]:8930/mcp", true),
            ("http://localhost:8931/mcp", false),
            ("http://localhost.evil.test:8930/mcp", false),
            ("not a url", false),
        ] {
            assert_eq!(registered.is_own_url(url), expected, "{url}");
        }
    }

    #[test]
    fn urls_are_shown_without_what_may_be_secret() {
        for (url, expected) in [
            ("https://user:pw@example.com/mcp?key=hunter2", "https://example.com/mcp"),
            ("http://localhost:3000/sse", "http://localhost:3000/sse"),
            ("${URL}?key=hunter2", "a URL"),
        ] {
            assert_eq!(without_secrets(url), expected);
        }
    }
}
