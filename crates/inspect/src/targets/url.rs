//! URLs, in the one form in which they are compared (RFC 3986, section 6), read so that no two readers can mean
//! different hosts.

use std::net::IpAddr;

use portcullis_core::{Host, HostFault, special_purpose};

use super::{Reading, TargetFault, TargetPolicy};

/// Schemes whose URLs name nothing outside of themselves.
const NOWHERE: &[&str] = &["about", "data"];
/// Names that mean this machine, or one that only machines inside can reach, whatever they resolve to. A name of a
/// single label is one, too.
const INSIDE: &[&str] =
    &["localhost", "localdomain", "local", "internal", "intranet", "lan", "corp", "home.arpa"];

pub(super) fn read(text: &str, policy: &TargetPolicy) -> Reading {
    let mut reading = Reading::of(text.to_owned());
    // Readers that follow the URL standard drop some of these and take a backslash for a slash.
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.chars().any(odd) {
        reading.fault(TargetFault::Disguised);
    }
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim().replace('\\', "/");
    let (scheme, rest) = split_scheme(&clean);
    let scheme = scheme.to_ascii_lowercase();
    if NOWHERE.contains(&scheme.as_str()) {
        return reading;
    }
    match scheme.as_str() {
        "" | "https" | "wss" => {}
        "http" | "ws" => reading.fault(TargetFault::Cleartext),
        other if policy.schemes.iter().any(|known| known == other) => {}
        _ => {
            reading.fault(TargetFault::Scheme);
            return reading;
        }
    }
    let located = match rest.strip_prefix("//") {
        Some(rest) => rest,
        None if scheme.is_empty() && !is_host_first(rest) => return reading,
        None if scheme.is_empty() => rest,
        None => {
            // Nobody's host, or this one.
            reading.fault(TargetFault::Disguised);
            rest
        }
    };
    let bare = located.trim_start_matches('/');
    if bare.len() < located.len() {
        // `https:///host` has no host for some readers and this one for others.
        reading.fault(TargetFault::Disguised);
    }
    read_located(&mut reading, &scheme, bare, policy);
    reading
}

/// Whether a text without a scheme begins with a host, as `example.com/x`, and is not relative to one, as `users/x`.
fn is_host_first(text: &str) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let first = text.get(..end).unwrap_or_default();
    let is_address = matches!(Host::parse(first), Ok(Host::Address(_)) | Err(HostFault::Address { .. }));
    first.contains(['.', ':']) || first.eq_ignore_ascii_case("localhost") || is_address
}

/// What is before the colon, and what is behind it. `host:80` has no scheme.
fn split_scheme(text: &str) -> (&str, &str) {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match text.split_once(':') {
        Some((scheme, rest)) if is_name(scheme) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let port =
                rest.get(..end).is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
            if port { ("", text) } else { (scheme, rest) }
        }
        _ => ("", text),
    }
}

/// A URL that names a host.
fn read_located(reading: &mut Reading, scheme: &str, rest: &str, policy: &TargetPolicy) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host_and_port = match authority.rsplit_once('@') {
        Some((_, host)) => {
            reading.fault(TargetFault::UserInformation);
            host
        }
        None => authority,
    };
    let (host, port) = split_port(host_and_port);
    let host = host_of(reading, host, port, policy);
    let (path, query) = split_query(rest);
    let default =
        matches!((scheme, port), (_, None) | ("https" | "wss", Some("443")) | ("http" | "ws", Some("80")));
    let port = if default { String::new() } else { format!(":{}", port.unwrap_or_default()) };
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
    reading.text = format!("{scheme}//{host}{port}{}{query}", without_dots(&path));
    reading.hosts.push(host);
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

/// The host as it is compared, and what is wrong with it.
fn host_of(reading: &mut Reading, text: &str, port: Option<&str>, policy: &TargetPolicy) -> String {
    let (name, address) = match Host::parse(text) {
        Ok(Host::Name(name)) => (name.as_str().to_owned(), None),
        Ok(host @ Host::Address(address)) => (host.to_string(), Some(address)),
        Err(HostFault::Address { means }) => {
            reading.fault(TargetFault::Disguised);
            (means.map_or_else(|| text.to_owned(), |it| Host::Address(it).to_string()), means)
        }
        // Names with an underscore are in use, and mean the same to everybody.
        Err(HostFault::NotAName) if is_plain(text) => (text.to_ascii_lowercase(), None),
        Err(_) => {
            reading.fault(TargetFault::Disguised);
            (text.to_owned(), None)
        }
    };
    if is_internal(&name, address) && !policy.names(&name, port) {
        reading.fault(TargetFault::Internal);
    }
    name
}

fn is_plain(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    })
}

fn is_internal(name: &str, address: Option<IpAddr>) -> bool {
    match address {
        Some(address) => special_purpose(address).is_some(),
        None => {
            let below = |inside: &&&str| name.strip_suffix(**inside).is_some_and(|rest| rest.ends_with('.'));
            !name.contains('.') || INSIDE.contains(&name) || INSIDE.iter().any(|inside| below(&inside))
        }
    }
}

/// Path and query; what comes behind `#` goes nowhere.
fn split_query(rest: &str) -> (String, &str) {
    let rest = rest.split('#').next().unwrap_or_default();
    let at = rest.find('?').unwrap_or(rest.len());
    let (path, query) = rest.split_at_checked(at).unwrap_or((rest, ""));
    (unreserved(path), query)
}

/// Percent-encoded letters, digits, `-`, `.`, `_` and `~` mean themselves (RFC 3986, section 6.2.2.2).
fn unreserved(path: &str) -> String {
    let mut parts = path.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let decoded = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match decoded.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                out.push(char::from(byte));
                out.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                out.push('%');
                out.push_str(part);
            }
        }
    }
    out
}

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let names = path.strip_prefix('/').unwrap_or(path);
    let last = names.rsplit('/').next().unwrap_or_default();
    for segment in names.split('/') {
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    if matches!(last, "." | "..") {
        segments.push("");
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetFault::{Cleartext, Disguised, Internal, Scheme, UserInformation};

    fn check(text: &str, expected: &str, faults: &[TargetFault]) {
        let policy = TargetPolicy {
            hosts: vec!["localhost:3000".to_owned(), "wiki.corp".to_owned()],
            ..Default::default()
        };
        let mut reading = read(text, &policy);
        reading.faults.sort();
        assert_eq!((reading.text.as_str(), &*reading.faults), (expected, faults), "{text}");
    }

    #[test]
    fn urls_have_one_form() {
        for (text, expected) in [
            ("https://API.Example.com", "https://api.example.com/"),
            ("HTTPS://api.example.com:443/a/./b/../c?q=1#part", "https://api.example.com/a/c?q=1"),
            ("https://api.example.com:8443/%7euser/%2e%2e/x%2fy", "https://api.example.com:8443/x%2fy"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("https://[2606:4700::0:1111]/", "https://[2606:4700::1111]/"),
            ("api.example.com/x", "//api.example.com/x"),
            ("api.example.com:8443", "//api.example.com:8443/"),
            ("https://a_b.example/", "https://a_b.example/"),
            ("/v1/users", "/v1/users"),
            ("users/list", "users/list"),
            ("about:blank", "about:blank"),
            ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ] {
            check(text, expected, &[]);
        }
    }

    #[test]
    fn what_is_wrong_with_one_is_told() {
        for (text, expected, faults) in [
            ("http://example.com/", "http://example.com/", &[Cleartext][..]),
            ("file:///etc/passwd", "file:///etc/passwd", &[Scheme]),
            ("https:evil.example/", "https://evil.example/", &[Disguised]),
            ("gopher://example.com/", "gopher://example.com/", &[Scheme]),
            ("javascript:alert(1)", "javascript:alert(1)", &[Scheme]),
            ("https://good.example@evil.example/", "https://evil.example/", &[UserInformation]),
            ("https://good.example\\@evil.example/", "https://good.example/@evil.example/", &[Disguised]),
            ("https://evil.example\n/", "https://evil.example/", &[Disguised]),
            ("https:///evil.example/", "https://evil.example/", &[Disguised]),
            ("https://127.0.0.1/", "https://127.0.0.1/", &[Internal]),
            ("https://2130706433/", "https://127.0.0.1/", &[Disguised, Internal]),
            ("https://0x7f.1/", "https://127.0.0.1/", &[Disguised, Internal]),
            ("https://0177.0.0.1/", "https://127.0.0.1/", &[Disguised, Internal]),
            ("https://１２７.0.0.1/", "https://127.0.0.1/", &[Disguised, Internal]),
            ("https://169.254.169.254/latest", "https://169.254.169.254/latest", &[Internal]),
            ("https://[::ffff:10.0.0.1]/", "https://[::ffff:10.0.0.1]/", &[Internal]),
            ("https://[::1]:8080/", "https://[::1]:8080/", &[Internal]),
            ("https://[fe80::1%25eth0]/", "https://[fe80::1%25eth0]/", &[Disguised, Internal]),
            ("https://%6cocalhost/", "https://%6cocalhost/", &[Disguised, Internal]),
            ("https://localhost/", "https://localhost/", &[Internal]),
            ("https://localhost:3000/", "https://localhost:3000/", &[]),
            ("localhost:3000/x", "//localhost:3000/x", &[]),
            ("//intranet/x", "//intranet/x", &[Internal]),
            ("https://metadata.google.internal/", "https://metadata.google.internal/", &[Internal]),
            ("https://wiki.corp/", "https://wiki.corp/", &[]),
        ] {
            check(text, expected, faults);
        }
    }
}
