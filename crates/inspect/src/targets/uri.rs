//! URIs of whatever scheme: those of resources, and others that only their server understands.

use portcullis_core::wire::Node;

use super::{Reading, TargetFault, TargetPolicy, encoded, path, url};

/// Schemes whose URIs name a host on the network.
const LOCATED: &[&str] = &["http", "https", "ws", "wss"];

pub(super) fn read(text: &str, policy: &TargetPolicy) -> Reading {
    let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if LOCATED.contains(&scheme.as_str()) {
        return url::read(text, policy);
    }
    if scheme == "file" {
        let reading = path::read(text);
        return Reading { text: format!("file://{}", reading.text), is_path: true, ..reading };
    }
    let mut reading = Reading::of(text.to_owned());
    if path::climbs(text) {
        reading.fault(TargetFault::Climbs);
    }
    if path::hides(text) || encoded::layers(text).any(|layer| path::climbs(&layer) || path::hides(&layer)) {
        reading.fault(TargetFault::Hidden);
    }
    reading
}

/// The URI that a request for a resource names.
pub(super) fn of_resource(params: Option<Node<'_>>) -> Option<Node<'_>> {
    params.and_then(|params| params.get("uri"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetFault::{Climbs, Hidden, Internal};

    #[test]
    fn uris_are_read_by_their_scheme() {
        for (text, expected, faults) in [
            ("file:///srv/./notes/a.md", "file:///srv/notes/a.md", &[][..]),
            ("notes://owner%2Frepo/a", "notes://owner%2Frepo/a", &[]),
            ("postgres://db/schema/table", "postgres://db/schema/table", &[]),
            ("https://127.0.0.1/", "https://127.0.0.1/", &[Internal]),
            ("file:///srv/notes/../../etc/passwd", "file:///etc/passwd", &[Climbs]),
            ("file:///srv/%2e%2e/etc/passwd", "file:///srv/%2e%2e/etc/passwd", &[Hidden]),
            ("notes://a/../../b", "notes://a/../../b", &[Climbs]),
            ("notes://a/%252e%252e/b", "notes://a/%252e%252e/b", &[Hidden]),
            ("notes://a%00", "notes://a%00", &[Hidden]),
        ] {
            let reading = read(text, &TargetPolicy::default());
            assert_eq!((reading.text.as_str(), &*reading.faults), (expected, faults), "{text}");
        }
    }
}
