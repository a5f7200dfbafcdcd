//! What an endpoint says about itself: `initialize` and `server/discover`.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{
    Answer, Call, Consent, Context, PinKind, Refusal, RefusalKind, ServerInfo, ServerName, Surface,
    wire::{Era, RequestId, Version, json::write::Object, message, meta},
};
use serde_json::{Map, Value, json};

use crate::{
    client::Client,
    gateway::Gateway,
    outbound,
    resolve::{Resolved, no_server, profile},
    snapshot::Snapshot,
    translate::capabilities::{Declared, merged},
};

/// An endpoint's self-description.
pub(super) struct Described {
    capabilities: Map<String, Value>,
    server_info: Value,
    instructions: Option<String>,
}

impl Described {
    pub(super) fn as_initialize(&self, version: Version) -> Vec<u8> {
        let mut result = json!({
            "protocolVersion": version.as_str(),
            "capabilities": self.capabilities,
            "serverInfo": self.server_info,
        });
        self.add_instructions(&mut result);
        result.to_string().into_bytes()
    }

    fn as_discover(&self, floor: Version) -> Vec<u8> {
        let supported: Vec<_> =
            Version::ALL.iter().rev().filter(|v| **v >= floor).map(|v| v.as_str()).collect();
        let mut result = json!({
            "resultType": "complete",
            "supportedVersions": supported,
            "capabilities": self.capabilities,
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": { meta::SERVER_INFO: self.server_info },
        });
        self.add_instructions(&mut result);
        result.to_string().into_bytes()
    }

    fn add_instructions(&self, result: &mut Value) {
        if let (Some(text), Value::Object(members)) = (&self.instructions, result) {
            members.insert("instructions".to_owned(), Value::String(text.clone()));
        }
    }
}

impl Gateway {
    pub(super) async fn discover(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        resolved: &Resolved,
    ) -> Result<Vec<u8>, Refusal> {
        let described = self.describe(snapshot, &resolved.call, &resolved.client).await?;
        Ok(described.as_discover(snapshot.settings.floor))
    }

    /// Asks the endpoint's servers. One server speaks for itself, and its failure is the answer; on the
    /// aggregate a server that cannot be reached is left out, and said so in the log and in readiness.
    pub(super) async fn describe(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        call: &Call,
        client: &Client,
    ) -> Result<Described, Refusal> {
        let servers = snapshot.behind(call.endpoint.as_ref());
        if let (Some(name), true) = (&call.endpoint, servers.is_empty()) {
            return Err(no_server(name));
        }
        let profile = profile(&call.caller, client);
        let links =
            futures_util::future::join_all(servers.iter().map(|s| self.link_of(s, &profile, client))).await;
        let mut declared = Vec::new();
        let mut single = None;
        let mut texts = Vec::new();
        for (server, link) in servers.iter().zip(links) {
            let link = match link {
                Ok(link) => link,
                Err(refusal) if call.endpoint.is_some() => return Err(refusal),
                Err(refusal) => {
                    self.note_left_out(&server.name, &refusal);
                    continue;
                }
            };
            let info = link.info();
            if let Err(refusal) = self.introduced(snapshot, &server.name, info) {
                self.note_withheld(&server.name, &refusal);
                let capabilities = bare(&info.capabilities);
                declared.push(Declared { era: info.version.era(), capabilities });
                single = None;
                continue;
            }
            let said = match self.trusted_texts(snapshot, &server.name, info).await {
                Ok(said) => said,
                Err(refusal) if call.endpoint.is_some() => return Err(refusal),
                Err(refusal) => {
                    self.note_left_out(&server.name, &refusal);
                    continue;
                }
            };
            declared.push(Declared { era: info.version.era(), capabilities: info.capabilities.clone() });
            texts.extend(said.instructions.map(|text| (server.name.clone(), text)));
            single = said.server_info;
        }
        let aggregate = call.endpoint.is_none();
        Ok(Described {
            capabilities: merged(&declared, client.version.era()),
            server_info: single.filter(|_| !aggregate).unwrap_or_else(own_info),
            instructions: instructions(texts, aggregate),
        })
    }
}

impl Gateway {
    /// Inspects what a server said about itself when the link to it was made.
    fn introduced(&self, snapshot: &Snapshot, server: &ServerName, info: &ServerInfo) -> Result<(), Refusal> {
        let mut result = Vec::new();
        let mut object = Object::start(&mut result);
        object.raw("capabilities", &info.capabilities);
        for (member, value) in [("serverInfo", &info.server_info), ("instructions", &info.instructions)] {
            if let Some(value) = value {
                object.raw(member, value);
            }
        }
        object.end();
        let body = message::response_result(&RequestId::from_u64(0), &result);
        let message = outbound::decode(body, &snapshot.inspector.limits().response).map_err(|e| {
            let what = "a server described itself in a way that cannot be read";
            Refusal::new(RefusalKind::UpstreamInvalid, what).operator(format!("server `{server}`: {e}"))
        })?;
        let answer = Answer { server: Some(server.clone()), surface: Surface::Introduction, message };
        let cx = Context { now_ms: self.clock.now_ms() };
        let released = snapshot.inspector.response(answer, None, Consent::Absent, &cx)?;
        self.note_findings(server, released.findings());
        Ok(())
    }

    /// What a server says about itself, as far as it is what was trusted. The rest is left out: a client can do
    /// without.
    async fn trusted_texts(
        &self,
        snapshot: &Snapshot,
        server: &ServerName,
        info: &ServerInfo,
    ) -> Result<Said, Refusal> {
        let instructions = info.instructions.as_ref();
        let server_info = info.server_info.as_ref();
        let follow = self.pinned_text(snapshot, server, PinKind::Instructions, instructions).await?;
        let present = self.pinned_text(snapshot, server, PinKind::ServerInfo, server_info).await?;
        Ok(Said {
            instructions: instructions.filter(|_| follow).and_then(|i| serde_json::from_slice(i).ok()),
            server_info: server_info.filter(|_| present).and_then(|i| serde_json::from_slice(i).ok()),
        })
    }
}

/// What one server says about itself.
struct Said {
    instructions: Option<String>,
    server_info: Option<Value>,
}

/// Which features there are, without the words of a server that is not trusted with any.
fn bare(capabilities: &Bytes) -> Bytes {
    fn plain(key: &str) -> bool {
        key.len() <= 20 && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }
    fn flags(value: Value) -> Option<Value> {
        match value {
            Value::Bool(flag) => Some(Value::Bool(flag)),
            Value::Object(members) => {
                let named = members.into_iter().filter(|(key, _)| plain(key));
                let flagged = named.filter_map(|(key, value)| Some((key, flags(value)?)));
                Some(Value::Object(flagged.collect()))
            }
            _ => None,
        }
    }
    let Ok(Value::Object(all)) = serde_json::from_slice::<Value>(capabilities) else {
        return Bytes::from_static(b"{}");
    };
    let standard = all.into_iter().filter(|(key, _)| STANDARD.contains(&key.as_str()));
    let standard = standard.filter_map(|(key, value)| Some((key, flags(value)?)));
    Value::Object(standard.collect()).to_string().into()
}

/// Capabilities the protocol itself defines.
const STANDARD: &[&str] = &["completions", "logging", "prompts", "resources", "tasks", "tools"];

fn own_info() -> Value {
    json!({ "name": "portcullis", "version": env!("CARGO_PKG_VERSION") })
}

/// A server's own text for its own endpoint; under a heading per server on the aggregate, so that a model
/// can tell which text speaks of which tools.
fn instructions(texts: Vec<(ServerName, String)>, aggregate: bool) -> Option<String> {
    if !aggregate {
        return texts.into_iter().next().map(|(_, text)| text);
    }
    let parts: Vec<_> =
        texts.iter().map(|(server, text)| format!("## Server `{server}`\n\n{text}")).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// Which era a client of this version belongs to; kept here so that callers need not know the enum.
pub(crate) fn is_modern(version: Version) -> bool {
    version.era() == Era::Modern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[(&str, &str)], aggregate: bool, expected: Option<&str>) {
        let texts = texts
            .iter()
            .filter_map(|(server, text)| Some((server.parse().ok()?, (*text).to_owned())))
            .collect();
        assert_eq!(instructions(texts, aggregate).as_deref(), expected);
    }

    #[test]
    fn a_server_that_is_not_trusted_keeps_its_features_without_words() {
        let said = r#"{"tools":{"listChanged":true,"note":"x","send it":true},"experimental":{"x":{}},"resources":{},"logging":1}"#;
        assert_eq!(
            bare(&Bytes::from_static(said.as_bytes())),
            r#"{"tools":{"listChanged":true},"resources":{}}"#
        );
        assert_eq!(bare(&Bytes::from_static(b"no")), "{}");
    }

    #[test]
    fn instructions_say_whose_they_are_where_there_are_several() {
        check(&[], false, None);
        check(&[], true, None);
        check(&[("a", "be kind")], false, Some("be kind"));
        check(&[("a", "be kind")], true, Some("## Server `a`\n\nbe kind"));
        check(&[("a", "x"), ("b", "y")], true, Some("## Server `a`\n\nx\n\n## Server `b`\n\ny"));
    }
}
