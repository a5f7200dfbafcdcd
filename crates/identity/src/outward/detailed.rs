//! What a token was granted in detail, beside what was asked for (RFC 9396 section 7).
//!
//! An authorization server has to say what it granted, and may grant less, or add members that say more about what was
//! asked. What it may not do is grant something else: the server would take that for what the gateway wants.

use bytes::Bytes;
use portcullis_core::wire::json::{Document, Kind, Limits, Node};

use super::CredentialFault;

const LIMITS: Limits =
    Limits { max_bytes: 16 * 1024, max_depth: 16, max_string: 8 * 1024, max_members: 512, max_nodes: 2_048 };

/// Whether what was granted is within what was asked for, JSON objects.
pub(super) fn check(granted: Option<Node<'_>>, asked: &[&str]) -> Result<(), CredentialFault> {
    let unfit = |what| Err(CredentialFault::Unfit(what));
    if asked.is_empty() {
        // What was asked for was asked for by its scopes alone; details could only narrow that.
        return Ok(());
    }
    let Some(granted) = granted.filter(|granted| granted.kind() == Kind::Array && !granted.is_empty()) else {
        return unfit("it does not say which `authorization_details` were granted");
    };
    let parse = |json: &&str| Document::parse(Bytes::copy_from_slice(json.as_bytes()), &LIMITS).ok();
    let asked: Vec<Document> = asked.iter().filter_map(parse).collect();
    match granted.elements().all(|one| asked.iter().any(|document| is_within(one, document.root()))) {
        true => Ok(()),
        false => unfit("the token has `authorization_details` that were not asked for"),
    }
}

/// Objects may have more members, arrays fewer elements; all else is the same.
fn is_within(granted: Node<'_>, asked: Node<'_>) -> bool {
    match (granted.kind(), asked.kind()) {
        (Kind::Object, Kind::Object) => asked
            .members()
            .all(|(name, asked)| granted.get(&name).is_some_and(|granted| is_within(granted, asked))),
        (Kind::Array, Kind::Array) => {
            granted.elements().all(|one| asked.elements().any(|other| is_within(one, other)))
                && granted.is_empty() == asked.is_empty()
        }
        (Kind::String, Kind::String) => granted.as_str() == asked.as_str(),
        (granted_kind, asked_kind) => granted_kind == asked_kind && granted.raw() == asked.raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_may_be_granted_and_nothing_else() {
        const ASKED: &str = r#"{"type":"pay","to":"a","actions":["x","y"],"sum":{"eur":5}}"#;
        for (granted, fits) in [
            (r#"[{"type":"pay","to":"a","actions":["x","y"],"sum":{"eur":5}}]"#, true),
            (r#"[{"sum":{"eur":5},"type":"p\u0061y","to":"a","actions":["y"],"id":"7"}]"#, true),
            (r#"[{"type":"pay","to":"b","actions":["x"],"sum":{"eur":5}}]"#, false),
            (r#"[{"type":"pay","to":"a","actions":["x","z"],"sum":{"eur":5}}]"#, false),
            (r#"[{"type":"pay","to":"a","actions":[],"sum":{"eur":5}}]"#, false),
            (r#"[{"type":"pay","to":"a","actions":["x"],"sum":{"eur":50}}]"#, false),
            (r#"[{"type":"pay","to":"a","actions":["x"],"sum":5}]"#, false),
            (r#"[{"type":"pay","to":"a"}]"#, false),
            (r#"[{"type":"pay","to":"a","actions":["x"],"sum":{"eur":5}},{"type":"pay"}]"#, false),
            ("[]", false),
            ("{}", false),
        ] {
            let document = Document::parse(Bytes::copy_from_slice(granted.as_bytes()), &LIMITS);
            let result = check(document.as_ref().ok().map(Document::root), &[ASKED]);
            assert_eq!(result.is_ok(), fits, "{granted}");
        }
        assert!(check(None, &[ASKED]).is_err(), "RFC 9396 section 7");
        assert!(check(None, &[]).is_ok());
    }
}
