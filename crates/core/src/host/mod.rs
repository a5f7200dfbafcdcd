//! Hosts as they are written in URLs, in requests to a proxy and in allow-lists.

mod authority;
mod ipv4;
mod special;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::Serialize;

pub use authority::{Authority, AuthorityFault};
pub use special::{Special, special_purpose};

/// Longest text that is looked at, in bytes. A name has 253 at most, and mapping to ASCII lengthens it.
const MAX_TEXT: usize = 1_024;
/// Longest name in its ASCII form, in bytes (RFC 1035).
const MAX_NAME: usize = 253;

/// A domain name in the one form it is compared in: ASCII (IDNA, UTS #46), lower case, without the root's
/// dot. It is never something that any reader takes for an IP address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`HostFault`] when it is no name, or an IP address in any spelling.
    pub fn parse(text: &str) -> Result<Self, HostFault> {
        match Host::parse(text)? {
            Host::Name(name) => Ok(name),
            Host::Address(address) => Err(HostFault::Address { means: Some(address) }),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name is below `parent`, which is not below itself.
    pub fn is_below(&self, parent: &DomainName) -> bool {
        self.0.strip_suffix(&*parent.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host, read so that no two readers can mean different ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name.
    Name(DomainName),
    /// An IP address in its plain spelling: four decimal numbers, or IPv6 without a zone.
    Address(IpAddr),
}

/// Why a text is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// Nothing there.
    #[error("there is no host")]
    Empty,
    /// Longer than any name.
    #[error("the host is longer than a name can be")]
    TooLong,
    /// An IP address in a spelling that only some readers understand, or where a name has to be.
    #[error("the host is an IP address{}, not a name", means.map(|a| format!(" ({a})")).unwrap_or_default())]
    Address {
        /// The address that a lenient reader sees.
        means: Option<IpAddr>,
    },
    /// `fe80::1%eth0`: an address that depends on who reads it.
    #[error("the host is an IPv6 address with a zone")]
    Zone,
    /// A `%` that hides other characters.
    #[error("the host is percent-encoded")]
    PercentEncoded,
    /// Not letters, digits and hyphens after IDNA, or an internationalised name that is not valid.
    #[error("the host is not a valid domain name")]
    NotAName,
}

impl Host {
    /// Reads a host; an IPv6 address may be in brackets.
    ///
    /// # Errors
    /// [`HostFault`] when it is none, or an IP address in an unusual spelling.
    pub fn parse(text: &str) -> Result<Self, HostFault> {
        if text.is_empty() {
            return Err(HostFault::Empty);
        }
        if text.len() > MAX_TEXT {
            return Err(HostFault::TooLong);
        }
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match bracketed.or_else(|| text.contains(':').then_some(text)) {
            Some(literal) => ipv6(literal),
            None => name_or_ipv4(text),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn ipv6(literal: &str) -> Result<Host, HostFault> {
    if literal.contains('%') {
        return Err(HostFault::Zone);
    }
    literal.parse::<Ipv6Addr>().map(|it| Host::Address(it.into())).map_err(|_| HostFault::NotAName)
}

fn name_or_ipv4(text: &str) -> Result<Host, HostFault> {
    if text.contains('%') {
        return Err(HostFault::PercentEncoded);
    }
    // Maps full-width digits, ideographic full stops and capitals, so it comes before everything else.
    let mapped = Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Ignore)
        .map_err(|_| HostFault::NotAName)?;
    let name = mapped.strip_suffix('.').unwrap_or(&mapped);
    if ipv4::ends_in_number(name) {
        return match text.parse::<Ipv4Addr>() {
            Ok(plain) => Ok(Host::Address(plain.into())),
            Err(_) => Err(HostFault::Address { means: ipv4::lenient(name).map(IpAddr::V4) }),
        };
    }
    let label_fits = |label: &str| (1..=63).contains(&label.len());
    if name.len() > MAX_NAME {
        return Err(HostFault::TooLong);
    }
    if !name.split('.').all(label_fits) {
        return Err(HostFault::NotAName);
    }
    Ok(Host::Name(DomainName(name.into())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> Result<String, HostFault> {
        Host::parse(text).map(|host| host.to_string())
    }

    #[test]
    fn names_have_one_form() {
        for (text, expected) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("api。example。com", "api.example.com"),
            ("ａｐｉ.example.com", "api.example.com"),
            ("a\u{ad}pi.example.com", "api.example.com"),
            ("127.0.0.1.evil.test", "127.0.0.1.evil.test"),
            ("r3---sn.example", "r3---sn.example"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("2001:DB8:0::1", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
        ] {
            assert_eq!(check(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn no_spelling_of_an_address_is_a_name() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0X7F.1",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "127.0.0.01",
            "１２７.０.０.１",
            "127。0。0。1",
            "①②⑦.⓪.⓪.①",
            "127.0.0.0x1",
        ] {
            assert_eq!(
                check(text),
                Err(HostFault::Address { means: Some(Ipv4Addr::LOCALHOST.into()) }),
                "{text}"
            );
        }
        for (text, fault) in [
            ("", HostFault::Empty),
            (".", HostFault::NotAName),
            ("..", HostFault::NotAName),
            ("a..b", HostFault::NotAName),
            (".a", HostFault::NotAName),
            ("256.256.256.256", HostFault::Address { means: None }),
            ("1.2.3.4.5", HostFault::Address { means: None }),
            ("evil.test.99", HostFault::Address { means: None }),
            ("%31%32%37.0.0.1", HostFault::PercentEncoded),
            ("127.0.0.1%00.example.com", HostFault::PercentEncoded),
            ("[fe80::1%25eth0]", HostFault::Zone),
            ("fe80::1%eth0", HostFault::Zone),
            ("[::1", HostFault::NotAName),
            ("[v1.fe80::a]", HostFault::NotAName),
            ("[127.0.0.1]", HostFault::NotAName),
            ("a b", HostFault::NotAName),
            ("a/b", HostFault::NotAName),
            ("a\\b", HostFault::NotAName),
            ("a@b", HostFault::NotAName),
            ("a#b", HostFault::NotAName),
            ("a\0b", HostFault::NotAName),
            ("a\r\nb", HostFault::NotAName),
            ("-a.example", HostFault::NotAName),
            ("a_b.example", HostFault::NotAName),
            ("*.example.com", HostFault::NotAName),
            ("xn--a.example", HostFault::NotAName),
            (&"a".repeat(64), HostFault::NotAName),
            (&"a.".repeat(150), HostFault::TooLong),
            (&"a".repeat(2_000), HostFault::TooLong),
        ] {
            assert_eq!(check(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn below_means_below() {
        let name = |text| DomainName::parse(text).ok();
        for (child, parent, expected) in [
            ("a.example.com", "example.com", true),
            ("b.a.example.com", "example.com", true),
            ("example.com", "example.com", false),
            ("badexample.com", "example.com", false),
            ("com", "example.com", false),
        ] {
            let below = name(child).zip(name(parent)).map(|(child, parent)| child.is_below(&parent));
            assert_eq!(below, Some(expected), "{child} {parent}");
        }
    }

    /// One number in one of the spellings readers know.
    fn spelled(number: u32, style: u8) -> String {
        match style % 4 {
            0 => number.to_string(),
            1 => format!("0x{number:x}"),
            2 => format!("0{number:o}"),
            _ => number.to_string().chars().filter_map(|c| char::from_u32(c as u32 + 0xfee0)).collect(),
        }
    }

    proptest! {
        #[test]
        fn plain_addresses_are_read_as_std_reads_them(address in any::<IpAddr>()) {
            prop_assert_eq!(Host::parse(&address.to_string()), Ok(Host::Address(address)));
        }

        #[test]
        fn any_other_spelling_is_seen_through(bits in any::<u32>(), parts in 1_usize..=4, styles in any::<[u8; 4]>()) {
            let address = Ipv4Addr::from_bits(bits);
            let bytes = address.octets().map(u32::from);
            let (head, tail) = bytes.split_at(parts - 1);
            let last = tail.iter().fold(0_u32, |sum, byte| sum << 8 | byte);
            let numbers = head.iter().copied().chain([last]);
            let text: Vec<String> = numbers.zip(styles).map(|(n, style)| spelled(n, style)).collect();
            let text = text.join(".");
            let expected = match text.parse::<Ipv4Addr>() {
                Ok(plain) => Ok(Host::Address(plain.into())),
                Err(_) => Err(HostFault::Address { means: Some(address.into()) }),
            };
            prop_assert_eq!(Host::parse(&text), expected, "{}", text);
        }

        #[test]
        fn what_is_a_name_stays_the_same_name(text in "\\PC{0,40}") {
            if let Ok(Host::Name(name)) = Host::parse(&text) {
                prop_assert!(name.as_str().parse::<IpAddr>().is_err());
                prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
                prop_assert_eq!(Host::parse(name.as_str()), Ok(Host::Name(name)));
            }
        }
    }
}
