//! `host:port` as requests to a proxy and allow-lists write it.

use std::fmt;

use super::{Host, HostFault};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, never 0.
    pub port: u16,
}

/// Why a text is not `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityFault {
    /// The host.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// Not 1 to 65535 in plain decimal digits.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// A user name before the host, which can make another host look like the one meant.
    #[error("there is user information before the host")]
    UserInformation,
}

impl Authority {
    /// Reads `host` or `host:port`; a port that is not written is `port`.
    ///
    /// # Errors
    /// [`AuthorityFault`] when it is neither, or carries anything besides.
    pub fn parse(text: &str, port: Option<u16>) -> Result<Self, AuthorityFault> {
        if text.contains('@') {
            return Err(AuthorityFault::UserInformation);
        }
        let (host, written) = split(text);
        let port = match written {
            Some(digits) => parse_port(digits),
            None => port,
        };
        Ok(Self {
            host: Host::parse(host)?,
            port: port.filter(|port| *port > 0).ok_or(AuthorityFault::Port)?,
        })
    }
}

/// Parts at the last colon outside brackets. Several colons without brackets are left to the host, where only
/// an IPv6 address has them, and it then has no port.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = (1..=5).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for (text, default, expected) in [
            ("a.example:443", None, Ok("a.example:443")),
            ("A.example.:443", None, Ok("a.example:443")),
            ("a.example", Some(80), Ok("a.example:80")),
            ("a.example:8080", Some(80), Ok("a.example:8080")),
            ("[2001:db8::1]:443", None, Ok("[2001:db8::1]:443")),
            ("2001:db8::1", Some(443), Ok("[2001:db8::1]:443")),
            ("192.0.2.1:1", None, Ok("192.0.2.1:1")),
            ("a.example", None, Err(AuthorityFault::Port)),
            ("a.example:", Some(80), Err(AuthorityFault::Port)),
            ("a.example:0", None, Err(AuthorityFault::Port)),
            ("a.example:65536", None, Err(AuthorityFault::Port)),
            ("a.example:0443", None, Err(AuthorityFault::Port)),
            ("a.example:+443", None, Err(AuthorityFault::Port)),
            ("a.example:443 ", None, Err(AuthorityFault::Port)),
            ("a.example:４４３", None, Err(AuthorityFault::Port)),
            ("[::1]x:443", None, Err(AuthorityFault::Host(HostFault::NotAName))),
            ("[::1]:443:80", None, Err(AuthorityFault::Host(HostFault::NotAName))),
            ("a.example:443:80", Some(443), Err(AuthorityFault::Host(HostFault::NotAName))),
            ("good.example@evil.example:443", None, Err(AuthorityFault::UserInformation)),
            (":443", None, Err(AuthorityFault::Host(HostFault::Empty))),
            (
                "2130706433:80",
                None,
                Err(AuthorityFault::Host(HostFault::Address {
                    means: Some(std::net::Ipv4Addr::LOCALHOST.into()),
                })),
            ),
        ] {
            let seen = Authority::parse(text, default).map(|it| it.to_string());
            assert_eq!(seen, expected.map(str::to_owned), "{text}");
        }
    }
}
