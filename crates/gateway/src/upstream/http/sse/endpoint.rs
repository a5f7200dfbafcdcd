//! The address for messages, as a server names it.

use http::{Uri, uri::PathAndQuery};

/// The URI that `reference` means relative to `base` (RFC 3986 section 5.2), unless it is on another origin:
/// credentials and messages go nowhere that was not configured.
///
/// Dot segments are left to the server, as a path cannot leave the origin.
pub(super) fn resolve(base: &Uri, reference: &[u8]) -> Option<Uri> {
    let reference = std::str::from_utf8(reference).ok()?.trim_ascii();
    let reference = reference.split('#').next().filter(|reference| !reference.is_empty())?;
    let path = match reference.strip_prefix("//") {
        Some(_) => absolute(base, &format!("{}:{reference}", base.scheme_str()?))?,
        None if reference.starts_with('/') => reference.to_owned(),
        None if has_scheme(reference) => absolute(base, reference)?,
        None if reference.starts_with('?') => format!("{}{reference}", base.path()),
        None => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{reference}")
        }
    };
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// The path and query of a URI on the origin of `base`.
fn absolute(base: &Uri, reference: &str) -> Option<String> {
    let uri: Uri = reference.parse().ok()?;
    let same =
        uri.scheme_str() == base.scheme_str() && host(&uri)? == host(base)? && port(&uri)? == port(base)?;
    let plain = !uri.authority()?.as_str().contains('@');
    (same && plain).then(|| uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned())
}

fn host(uri: &Uri) -> Option<String> {
    uri.host().map(str::to_ascii_lowercase)
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

/// Whether a reference begins with a scheme: letters before a colon that comes before any slash or query.
fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']);
    end.and_then(|end| reference.get(end..)).is_some_and(|rest| rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_stay_on_their_origin() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("http://h:1/sse", "/message?sessionId=a", Some("http://h:1/message?sessionId=a")),
            ("http://h:1/a/sse", "message?x=1", Some("http://h:1/a/message?x=1")),
            ("http://h:1/sse?k=v", "?s=1", Some("http://h:1/sse?s=1")),
            ("http://h:1/sse", "http://h:1/m", Some("http://h:1/m")),
            ("http://h/sse", "http://H:80/m#f", Some("http://h/m")),
            ("https://h/sse", "//h:443/m", Some("https://h/m")),
            ("http://h:1/sse", "../m", Some("http://h:1/../m")),
            ("http://h:1/sse", "http://h:2/m", None),
            ("http://h:1/sse", "https://h:1/m", None),
            ("http://h:1/sse", "http://evil/m", None),
            ("http://h:1/sse", "//evil/m", None),
            ("http://h:1/sse", "http://user@h:1/m", None),
            ("http://h:1/sse", "javascript:alert(1)", None),
            ("http://h:1/sse", "", None),
            ("http://h:1/sse", "/with space", None),
            ("http://h:1/sse", "/line\r\nbreak", None),
        ];
        for (base, reference, expected) in cases {
            let base: Uri = base.parse().unwrap_or_default();
            let resolved = resolve(&base, reference.as_bytes()).map(|uri| uri.to_string());
            assert_eq!(resolved.as_deref(), *expected, "{reference} from {base}");
        }
    }
}
