//! `authorization_details` of a token (RFC 9396), each element in its form.
//!
//! Elements of types that are not known here are kept as they are: they are for somebody else, or for policies that know
//! their names. An element of the type `mcp_tool_call` has no members but those below. One more could be a restriction,
//! and a restriction that is not understood would not be kept.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{
    AuthorizationDetail, Constraint, Details, Scalar, TOOL_CALL, ToolCalls,
    wire::json::{Document, Kind, Limits, Node},
};

use crate::TokenFault;

/// Most elements.
const MAX_DETAILS: usize = 16;
/// Most names, locations or values in one list.
const MAX_LIST: usize = 64;
/// Most arguments that have values.
const MAX_ARGUMENTS: usize = 32;
/// Longest type or name, in bytes.
const MAX_NAME: usize = 128;
/// Longest location or value, in bytes.
const MAX_TEXT: usize = 2_048;
const LIMITS: Limits =
    Limits { max_bytes: 16 * 1024, max_depth: 16, max_string: 8 * 1024, max_members: 512, max_nodes: 2_048 };

/// What is wrong with one of them.
type Wrong = &'static str;

/// `authorization_details` of a token or of what its issuer says about it (RFC 9396 sections 9.1 and 9.2).
pub(super) fn claim(root: Node<'_>) -> Result<Details, TokenFault> {
    const NAME: &str = "authorization_details";
    let Some(value) = root.get(NAME) else { return Ok(Details::default()) };
    read(value).map_err(|wrong| TokenFault::Form(NAME, wrong))
}

/// Reads an array of details.
///
/// # Errors
/// What it would have to be.
pub fn authorization_details(json: &[u8]) -> Result<Details, &'static str> {
    let document = Document::parse(Bytes::copy_from_slice(json), &LIMITS);
    read(document.map_err(|_| "JSON of at most 16 KiB in which no name is written twice")?.root())
}

fn read(value: Node<'_>) -> Result<Details, Wrong> {
    if value.kind() != Kind::Array || value.len() > MAX_DETAILS {
        return Err("an array of at most 16 objects");
    }
    value.elements().map(detail).collect()
}

fn detail(node: Node<'_>) -> Result<AuthorizationDetail, Wrong> {
    if node.kind() != Kind::Object {
        return Err("an array of at most 16 objects");
    }
    let kind = node.get("type").and_then(|kind| name(kind)).ok_or("an array of objects with a `type`")?;
    let json = std::str::from_utf8(node.raw()).map_err(|_| "UTF-8")?.into();
    let calls = (&*kind == TOOL_CALL).then(|| calls(node)).transpose()?;
    Ok(AuthorizationDetail { kind, json, calls })
}

/// The members of `mcp_tool_call`.
fn calls(node: Node<'_>) -> Result<ToolCalls, Wrong> {
    const KNOWN: [&str; 6] = ["type", "locations", "actions", "identifier", "tools", "arguments"];
    if node.members().any(|(name, _)| !KNOWN.contains(&&*name)) {
        return Err("free of members that `mcp_tool_call` does not have");
    }
    let actions = list(node, "actions", name)?;
    let calls = |actions: &Arc<[Arc<str>]>| actions.iter().any(|action| &**action == "tools/call");
    Ok(ToolCalls {
        locations: list(node, "locations", text)?,
        // What is not for calls covers none.
        is_elsewhere: actions.as_ref().is_some_and(|actions| !calls(actions)),
        server: node.get("identifier").map(|it| name(it).ok_or("free of bad identifiers")).transpose()?,
        tools: list(node, "tools", name)?,
        arguments: arguments(node)?,
    })
}

fn list(
    node: Node<'_>,
    member: &str,
    read: impl Fn(Node<'_>) -> Option<Arc<str>>,
) -> Result<Option<Arc<[Arc<str>]>>, Wrong> {
    const WRONG: Wrong = "free of lists that are not 1 to 64 strings";
    let Some(value) = node.get(member) else { return Ok(None) };
    if value.kind() != Kind::Array || !(1..=MAX_LIST).contains(&value.len()) {
        return Err(WRONG);
    }
    value.elements().map(read).collect::<Option<_>>().map(Some).ok_or(WRONG)
}

fn arguments(node: Node<'_>) -> Result<Arc<[Constraint]>, Wrong> {
    const WRONG: Wrong = "free of `arguments` that are not 1 to 32 names with 1 to 64 values each";
    let Some(value) = node.get("arguments") else { return Ok(Arc::default()) };
    if value.kind() != Kind::Object || !(1..=MAX_ARGUMENTS).contains(&value.len()) {
        return Err(WRONG);
    }
    let argument = |(name, values): (std::borrow::Cow<'_, str>, Node<'_>)| {
        let fits = values.kind() == Kind::Array && (1..=MAX_LIST).contains(&values.len());
        let name = Some(Arc::from(&*name)).filter(|_| fits && (1..=MAX_NAME).contains(&name.len()))?;
        Some((name, values.elements().map(scalar).collect::<Option<_>>()?))
    };
    value.members().map(argument).collect::<Option<_>>().ok_or(WRONG)
}

fn scalar(node: Node<'_>) -> Option<Scalar> {
    match node.kind() {
        Kind::Bool => node.as_bool().map(Scalar::Bool),
        Kind::Number => std::str::from_utf8(node.raw()).ok().map(|raw| Scalar::Number(raw.into())),
        Kind::String => node.as_str().filter(|it| it.len() <= MAX_TEXT).map(|it| Scalar::Text((&*it).into())),
        _ => None,
    }
}

fn name(node: Node<'_>) -> Option<Arc<str>> {
    text(node).filter(|text| text.len() <= MAX_NAME && !text.chars().any(char::is_control))
}

fn text(node: Node<'_>) -> Option<Arc<str>> {
    let text = node.as_str().filter(|text| (1..=MAX_TEXT).contains(&text.len()))?;
    Some((&*text).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn details_are_in_their_form_or_refused() {
        for (json, wrong) in [
            ("[]", None),
            (r#"[{"type":"payment","amount":{"eur":5}}]"#, None),
            (r#"[{"type":"mcp_tool_call"}]"#, None),
            (
                r#"[{"type":"mcp_tool_call","locations":["https://gw.test/mcp"],"actions":["tools/call"],"identifier":"git",
                    "tools":["push"],"arguments":{"remote":["origin"],"force":[false],"depth":[1,2.50]}}]"#,
                None,
            ),
            ("{}", Some("an array of at most 16 objects")),
            ("[1]", Some("an array of at most 16 objects")),
            ("[{}]", Some("an array of objects with a `type`")),
            (r#"[{"type":""}]"#, Some("an array of objects with a `type`")),
            (r#"[{"type":1}]"#, Some("an array of objects with a `type`")),
            (
                r#"[{"type":"a","type":"b"}]"#,
                Some("JSON of at most 16 KiB in which no name is written twice"),
            ),
            (
                r#"[{"type":"mcp_tool_call","until":5}]"#,
                Some("free of members that `mcp_tool_call` does not have"),
            ),
            (r#"[{"type":"mcp_tool_call","tools":[]}]"#, Some("free of lists that are not 1 to 64 strings")),
            (
                r#"[{"type":"mcp_tool_call","tools":"push"}]"#,
                Some("free of lists that are not 1 to 64 strings"),
            ),
            (r#"[{"type":"mcp_tool_call","tools":[1]}]"#, Some("free of lists that are not 1 to 64 strings")),
            (r#"[{"type":"mcp_tool_call","identifier":["git"]}]"#, Some("free of bad identifiers")),
            (
                r#"[{"type":"mcp_tool_call","arguments":{"to":"a"}}]"#,
                Some("free of `arguments` that are not 1 to 32 names with 1 to 64 values each"),
            ),
            (
                r#"[{"type":"mcp_tool_call","arguments":{"to":[null]}}]"#,
                Some("free of `arguments` that are not 1 to 32 names with 1 to 64 values each"),
            ),
            (
                r#"[{"type":"mcp_tool_call","arguments":{}}]"#,
                Some("free of `arguments` that are not 1 to 32 names with 1 to 64 values each"),
            ),
        ] {
            assert_eq!(authorization_details(json.as_bytes()).err(), wrong, "{json}");
        }
        let many = format!("[{}]", vec![r#"{"type":"a"}"#; 17].join(","));
        assert!(authorization_details(many.as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_for_calls_or_not_here_covers_none() {
        let is_elsewhere = |json: &str| {
            let details = authorization_details(json.as_bytes()).unwrap();
            let details = details.at(|uri| uri == "https://gw.test/mcp/git");
            details.calls().map(|calls| calls.is_elsewhere).collect::<Vec<_>>()
        };
        for (member, expected) in [
            (r#""tools":["a"]"#, false),
            (r#""locations":["https://gw.test/mcp/git"]"#, false),
            (r#""locations":["https://gw.test/mcp","https://gw.test/mcp/git"]"#, false),
            (r#""locations":["https://gw.test/mcp"]"#, true),
            (r#""actions":["tools/call"]"#, false),
            (r#""actions":["tools/list"]"#, true),
            (r#""actions":["tools/list"],"locations":["https://gw.test/mcp/git"]"#, true),
        ] {
            assert_eq!(
                is_elsewhere(&format!(r#"[{{"type":"mcp_tool_call",{member}}}]"#)),
                [expected],
                "{member}"
            );
        }
    }
}
