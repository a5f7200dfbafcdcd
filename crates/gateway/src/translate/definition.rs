//! Definitions shown to a client of an older version.

use std::borrow::Cow;

use portcullis_core::wire::{Document, Patch, Version, json::Kind};

/// A tool definition as `version` can read it. A legacy client that meets an `outputSchema` whose type is
/// not `object` rejects the whole list (measured), so that one member is left out.
pub fn tool(raw: &bytes::Bytes, version: Version) -> Cow<'_, [u8]> {
    if version.era() == portcullis_core::wire::Era::Modern {
        return Cow::Borrowed(raw);
    }
    let Ok(document) = Document::parse(raw.clone(), &crate::outbound::GENEROUS) else {
        return Cow::Borrowed(raw);
    };
    let root = document.root();
    let unfit = root.get("outputSchema").is_some_and(|schema| {
        schema.kind() != Kind::Object
            || schema.get("type").and_then(|t| t.as_str()).as_deref() != Some("object")
    });
    if !unfit {
        return Cow::Borrowed(raw);
    }
    let mut patch = Patch::new(&document);
    match patch.remove(root, "outputSchema") {
        Ok(_) => Cow::Owned(patch.apply().to_vec()),
        Err(_) => Cow::Borrowed(raw),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// What a client of `version` is shown of a tool with this member.
    fn check(version: Version, member: &str, kept: bool) {
        let with = format!(r#"{{"name":"t"{member},"inputSchema":{{"type":"object"}}}}"#);
        let without = r#"{"name":"t","inputSchema":{"type":"object"}}"#;
        let raw = Bytes::from(with.clone());
        let expected = if kept { with.as_str() } else { without };
        assert_eq!(String::from_utf8_lossy(&tool(&raw, version)), expected, "{version} {member}");
    }

    #[test]
    fn only_an_output_schema_that_a_legacy_client_cannot_read_is_left_out() {
        for (member, legacy) in [
            ("", true),
            (r#","outputSchema":{"type":"object"}"#, true),
            (r#","outputSchema":{"type":"array"}"#, false),
            (r#","outputSchema":{"type":["object","null"]}"#, false),
            (r#","outputSchema":{}"#, false),
            (r#","outputSchema":true"#, false),
            (r#","outputSchema":null"#, false),
        ] {
            for version in Version::ALL {
                check(version, member, legacy || version == Version::V2026_07_28);
            }
        }
    }
}
