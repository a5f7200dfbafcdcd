//! What a fake server is and does, as data.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{ServerInfo, wire::Version};
use serde::Deserialize;
use serde_json::{Value, json};

/// One thing a server does while it has a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Event {
    /// Sends a notification.
    Note(Value),
    /// Sends a request and waits for its answer.
    Ask(Value),
    /// Sends a request, whose answer goes to the inbox.
    Request(Value),
    /// Answers.
    Result(Value),
    /// Answers with an error.
    Error(Value),
    /// Answers with these bytes.
    Raw(String),
    /// Does nothing for as many milliseconds.
    Pause(u64),
    /// Does nothing more.
    Hang,
    /// Ends the link.
    Break,
}

/// A server's offer and behaviour. Requests that nothing here answers go to the inbox.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Spec {
    #[serde(skip)]
    pub(crate) version: Option<Version>,
    /// Declared instead of what follows from the lists.
    pub(crate) capabilities: Option<Value>,
    #[serde(rename = "serverInfo")]
    pub(crate) server_info: Option<Value>,
    pub(crate) instructions: Option<String>,
    pub(crate) tools: Vec<Value>,
    pub(crate) prompts: Vec<Value>,
    pub(crate) resources: Vec<Value>,
    pub(crate) templates: Vec<Value>,
    /// Items per page of its lists; all on one when absent.
    pub(crate) page: Option<usize>,
    /// Members added to every list.
    pub(crate) list_members: Value,
    /// Whether it is shown a credential of each caller's own, and so has a link for each.
    pub(crate) per_caller: bool,
    /// Methods that go to the inbox although the server could answer them.
    pub(crate) manual: Vec<String>,
    /// By method, or method and name: what happens on the first such request, on the second, and so on; the
    /// last is repeated.
    pub(crate) script: BTreeMap<String, Vec<Vec<Event>>>,
}

/// What a server does by itself.
pub(super) enum Answer {
    Events(Vec<Event>),
    Subscription,
}

impl Spec {
    pub(crate) fn read(version: &str, json: &str) -> Self {
        let mut spec: Self = serde_json::from_str(json).unwrap_or_else(|e| panic!("server: {e}: {json}"));
        spec.version = Some(version.parse().unwrap_or_else(|_| panic!("no version: {version}")));
        spec
    }

    pub(super) fn info(&self) -> ServerInfo {
        let bytes = |value: &Value| Bytes::from(value.to_string());
        ServerInfo {
            version: self.version.expect("a server has a version"),
            capabilities: bytes(&self.declared()),
            server_info: self.server_info.as_ref().map(bytes),
            instructions: self.instructions.as_ref().map(|text| bytes(&json!(text))),
        }
    }

    fn declared(&self) -> Value {
        if let Some(capabilities) = &self.capabilities {
            return capabilities.clone();
        }
        let mut declared = json!({});
        for (name, offers) in [
            ("tools", !self.tools.is_empty()),
            ("prompts", !self.prompts.is_empty()),
            ("resources", !self.resources.is_empty() || !self.templates.is_empty()),
        ] {
            if offers {
                declared[name] = json!({});
            }
        }
        declared
    }

    /// What of a subscription the server grants.
    pub(super) fn honoured(&self, asked: &Value) -> Value {
        let declared = self.declared();
        let mut honoured = json!({});
        for (key, name) in [
            ("toolsListChanged", "tools"),
            ("promptsListChanged", "prompts"),
            ("resourcesListChanged", "resources"),
        ] {
            if asked[key] == true && declared[name]["listChanged"] == true {
                honoured[key] = json!(true);
            }
        }
        if declared["resources"]["subscribe"] == true && asked["resourceSubscriptions"].is_array() {
            honoured["resourceSubscriptions"] = asked["resourceSubscriptions"].clone();
        }
        if declared["extensions"]["io.modelcontextprotocol/tasks"].is_object() && asked["taskIds"].is_array()
        {
            honoured["taskIds"] = asked["taskIds"].clone();
        }
        honoured
    }

    pub(super) fn answer(&self, request: &Value) -> Option<Answer> {
        let method = request["method"].as_str().unwrap_or_default();
        if self.manual.iter().any(|m| m == method) {
            return None;
        }
        let result = match method {
            "tools/list" => self.list("tools", &self.tools, request),
            "prompts/list" => self.list("prompts", &self.prompts, request),
            "resources/list" => self.list("resources", &self.resources, request),
            "resources/templates/list" => self.list("resourceTemplates", &self.templates, request),
            "subscriptions/listen" => return Some(Answer::Subscription),
            _ => return None,
        };
        Some(Answer::Events(vec![Event::Result(result)]))
    }

    fn list(&self, member: &str, items: &[Value], request: &Value) -> Value {
        let start = request["params"]["cursor"].as_str().map_or(0, |c| c.parse().expect("our own cursor"));
        let end = items.len().min(start + self.page.unwrap_or(usize::MAX - start));
        let mut result = self.list_members.clone();
        result[member] = json!(items[start..end]);
        if end < items.len() {
            result["nextCursor"] = json!(end.to_string());
        }
        result
    }
}

/// Decides what a server does with a request that its lists do not answer.
pub(crate) trait Brain: Send + Sync {
    /// None leaves the request to the inbox.
    fn answer(&self, server: &str, request: &Value) -> Option<Vec<Event>>;
}

/// The script of a [`Spec`].
pub(super) struct Scripted {
    script: BTreeMap<String, Vec<Vec<Event>>>,
    played: Mutex<HashMap<String, usize>>,
}

impl Scripted {
    pub(super) fn of(spec: &Spec) -> Self {
        Self { script: spec.script.clone(), played: Mutex::default() }
    }
}

impl Brain for Scripted {
    fn answer(&self, _server: &str, request: &Value) -> Option<Vec<Event>> {
        let method = request["method"].as_str()?;
        let params = &request["params"];
        let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default();
        let key = [format!("{method} {name}"), method.to_owned()]
            .into_iter()
            .find(|k| self.script.contains_key(k))?;
        let turns = &self.script[&key];
        let mut played = self.played.lock();
        let turn = played.entry(key).or_default();
        let events = turns.get(*turn).or(turns.last())?;
        *turn += 1;
        Some(events.clone())
    }
}
