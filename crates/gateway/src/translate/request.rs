//! Requests on their way to a server.

use bytes::Bytes;
use portcullis_core::{
    Refusal,
    wire::{
        Document, Patch, Request, Version,
        json::write,
        meta::{self, LogLevel},
    },
};

use super::defect;

/// The keys of `_meta` that carry a 2026-07-28 request's context and mean nothing to a legacy server.
const CONTEXT_KEYS: [&str; 4] =
    [meta::PROTOCOL_VERSION, meta::CLIENT_CAPABILITIES, meta::CLIENT_INFO, meta::LOG_LEVEL];

/// A member to be given another value.
pub type Rename<'a> = Option<(&'static [&'static str], &'a str)>;

/// The same era: the bytes as they came, but for the item's name.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Internal`] on a defect.
pub fn unchanged(request: &Request, rename: Rename<'_>) -> Result<Bytes, Refusal> {
    let Some(rename) = rename else { return Ok(request.bytes().clone()) };
    let mut patch = Patch::new(request.document());
    apply_rename(request.document(), &mut patch, rename)?;
    Ok(patch.apply())
}

/// For a legacy server: without the context keys and without the answers to `input_required`, which
/// travel as responses of their own.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Internal`] on a defect.
pub fn to_legacy(request: &Request, rename: Rename<'_>) -> Result<Bytes, Refusal> {
    let document = request.document();
    let mut patch = Patch::new(document);
    if let Some(params) = request.params() {
        for key in ["inputResponses", "requestState"] {
            patch.remove(params, key).map_err(defect)?;
        }
        if let Some(meta) = request.meta() {
            if meta.members().all(|(key, _)| CONTEXT_KEYS.contains(&key.as_ref())) {
                patch.remove(params, "_meta").map_err(defect)?;
            } else {
                for key in CONTEXT_KEYS {
                    patch.remove(meta, key).map_err(defect)?;
                }
            }
        }
    }
    if let Some(rename) = rename {
        apply_rename(document, &mut patch, rename)?;
    }
    Ok(patch.apply())
}

/// What a session knows that a stateless request has to say.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The server's version.
    pub version: Version,
    /// The client's capabilities, a JSON object in the newer form.
    pub capabilities: &'a Bytes,
    /// `clientInfo`, a JSON object.
    pub client_info: &'a Bytes,
    /// The session's log level.
    pub log_level: Option<LogLevel>,
}

/// For a modern server: with the session's context in `_meta`.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Internal`] on a defect.
pub fn to_modern(request: &Request, context: Context<'_>, rename: Rename<'_>) -> Result<Bytes, Refusal> {
    let document = request.document();
    let mut patch = Patch::new(document);
    let root = document.root();
    match (request.params(), request.meta()) {
        (None, _) => {
            let mut params = b"{\"_meta\":".to_vec();
            params.extend_from_slice(&whole_meta(context));
            params.push(b'}');
            patch.set(root, "params", params).map_err(defect)?;
        }
        (Some(params), None) => {
            patch.set(params, "_meta", whole_meta(context)).map_err(defect)?;
        }
        (Some(_), Some(meta)) => {
            for (key, value) in context_members(context) {
                patch.set(meta, key, value).map_err(defect)?;
            }
        }
    }
    // Clients of this era have no such members: nobody has asked them anything in a result.
    for (params, name) in request.params().into_iter().flat_map(|it| RETRY.map(|name| (it, name))) {
        patch.remove(params, name).map_err(defect)?;
    }
    if let Some(rename) = rename {
        apply_rename(document, &mut patch, rename)?;
    }
    Ok(patch.apply())
}

/// What a retry of a stateless client brings (2026-07-28 basic/patterns/mrtr).
const RETRY: [&str; 2] = ["requestState", "inputResponses"];

fn whole_meta(context: Context<'_>) -> Vec<u8> {
    let level = context.log_level.map(LogLevel::as_str);
    crate::outbound::request_meta(context.version, context.capabilities, context.client_info, level)
}

fn context_members(context: Context<'_>) -> Vec<(&'static str, Bytes)> {
    let mut members = vec![
        (meta::PROTOCOL_VERSION, Bytes::from(format!("\"{}\"", context.version))),
        (meta::CLIENT_CAPABILITIES, context.capabilities.clone()),
        (meta::CLIENT_INFO, context.client_info.clone()),
    ];
    if let Some(level) = context.log_level {
        members.push((meta::LOG_LEVEL, Bytes::from(format!("\"{}\"", level.as_str()))));
    }
    members
}

fn apply_rename<'d>(
    document: &'d Document,
    patch: &mut Patch<'d>,
    (path, name): (&'static [&'static str], &str),
) -> Result<(), Refusal> {
    if let Some(node) = document.root().path(path) {
        let mut quoted = Vec::with_capacity(name.len().saturating_add(2));
        write::push_str(&mut quoted, name);
        patch.replace(node, quoted);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

    use portcullis_core::wire::{Message, decode_one};

    use super::*;
    use crate::outbound::GENEROUS;

    fn read(json: &str) -> Request {
        match decode_one(Bytes::from(json.to_owned()), &GENEROUS).unwrap() {
            Message::Request(request) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    fn framed(method: &str, params: &str) -> String {
        let params = if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) };
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"{params}}}"#)
    }

    const TOOL: Rename<'static> = Some((&["params", "name"], "echo"));
    const PROMPT: Rename<'static> = Some((&["params", "ref", "name"], "say \"hi\""));

    #[test]
    fn the_same_era_changes_nothing_but_the_name() {
        let rows: &[(Rename<'_>, &str, &str, &str)] = &[
            (None, "tools/call", r#"{ "name" : "a__echo" }"#, r#"{ "name" : "a__echo" }"#),
            (TOOL, "tools/call", r#"{ "name" : "a__echo", "x":1.0 }"#, r#"{ "name" : "echo", "x":1.0 }"#),
            (
                PROMPT,
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"a__p"}}"#,
                r#"{"ref":{"type":"ref/prompt","name":"say \"hi\""}}"#,
            ),
            (TOOL, "ping", "", ""),
        ];
        for (rename, method, input, output) in rows {
            let sent = unchanged(&read(&framed(method, input)), *rename).unwrap();
            assert_eq!(sent, framed(method, output), "{input}");
        }
    }

    #[test]
    fn without_a_rename_the_bytes_are_not_copied() {
        let request = read(&framed("tools/call", r#"{"name":"echo"}"#));
        assert_eq!(unchanged(&request, None).unwrap().as_ptr(), request.bytes().as_ptr());
    }

    #[test]
    fn a_legacy_server_is_told_nothing_of_the_newer_context() {
        const CONTEXT: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"c"},"io.modelcontextprotocol/logLevel":"debug""#;
        let with = |rest: &str, meta: &str| format!(r#"{{"name":"a__echo"{rest},"_meta":{{{meta}}}}}"#);
        let rows: &[(Rename<'_>, String, String)] = &[
            (None, with("", CONTEXT), r#"{"name":"a__echo"}"#.into()),
            (TOOL, with("", CONTEXT), r#"{"name":"echo"}"#.into()),
            (
                None,
                with("", &format!(r#"{CONTEXT},"progressToken":7,"com.example/x":[1]"#)),
                with("", r#""progressToken":7,"com.example/x":[1]"#),
            ),
            (
                None,
                with(r#","requestState":"s","inputResponses":{"k":{}}"#, CONTEXT),
                r#"{"name":"a__echo"}"#.into(),
            ),
            (None, with("", ""), r#"{"name":"a__echo"}"#.into()),
        ];
        for (rename, input, output) in rows {
            let sent = to_legacy(&read(&framed("tools/call", input)), *rename).unwrap();
            assert_eq!(sent, framed("tools/call", output), "{input}");
        }
        assert_eq!(to_legacy(&read(&framed("ping", "")), None).unwrap(), framed("ping", ""));
    }

    #[test]
    fn a_modern_server_gets_the_sessions_context() {
        const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"c"}"#;
        const LEVEL: &str = r#","io.modelcontextprotocol/logLevel":"warning""#;
        let rows: &[(Option<LogLevel>, Rename<'_>, &str, String)] = &[
            (None, None, "", format!(r#"{{"_meta":{{{META}}}}}"#)),
            (None, None, "{}", format!(r#"{{"_meta":{{{META}}}}}"#)),
            (
                Some(LogLevel::Warning),
                TOOL,
                r#"{"name":"a__echo"}"#,
                format!(r#"{{"name":"echo","_meta":{{{META}{LEVEL}}}}}"#),
            ),
            (
                None,
                None,
                r#"{"name":"e","_meta":{"progressToken":"t"}}"#,
                format!(r#"{{"name":"e","_meta":{{"progressToken":"t",{META}}}}}"#),
            ),
            // What a legacy client claims about itself in a newer key is not believed.
            (
                None,
                None,
                r#"{"name":"e","_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}"#,
                concat!(
                    r#"{"name":"e","_meta":{"io.modelcontextprotocol/clientCapabilities":{"roots":{}},"#,
                    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c"}}}"#
                )
                .to_owned(),
            ),
        ];
        for (log_level, rename, input, output) in rows {
            let context = Context {
                version: Version::LATEST,
                capabilities: &Bytes::from_static(br#"{"roots":{}}"#),
                client_info: &Bytes::from_static(br#"{"name":"c"}"#),
                log_level: *log_level,
            };
            let sent = to_modern(&read(&framed("tools/call", input)), context, *rename).unwrap();
            assert_eq!(sent, framed("tools/call", output), "{input}");
        }
    }
}
