//! Decisions that were made, from their records.

use portcullis_audit::{LoggedRecord, query::Instant};
use portcullis_core::{
    AuthMethod, Caller, Context, Details, Flow, Principal,
    wire::{Method, Version},
};
use portcullis_policy::{Answer, Known};
use serde_json::Value;

use super::{Asked, Parts, canonical, channel, conduct, grant, item, labels, method_of};

/// A decision of policy that is on record.
pub(crate) struct Recorded {
    /// What became of it.
    pub(crate) answer: Answer,
    /// The policies that allowed it.
    pub(crate) policies: Vec<String>,
    /// For the operator, when it was refused.
    pub(crate) detail: String,
    /// What was asked, as far as the record says; or why that is not enough.
    pub(crate) asked: Result<Asked, String>,
}

/// The policy's decision in a record; none in one that says nothing about policy.
pub(crate) fn read_record(record: &LoggedRecord) -> Option<Recorded> {
    if record.kind() != "decision" || record.get("item_kind")?.is_null() {
        return None;
    }
    let decision = record.get("decision")?;
    let text = |name: &str| decision.get(name).and_then(Value::as_str).unwrap_or_default();
    // What another control refused, policy may have had no say in.
    let answer = match (text("verdict"), text("kind"), text("control")) {
        ("allow", ..) => Answer::Allow,
        ("refuse", "denied", "AZ-01" | "AZ-02") => Answer::Deny,
        ("refuse", "denied", "AZ-08") => Answer::Approve,
        _ => return None,
    };
    let policies = words(decision.get("policies")).unwrap_or_default();
    Some(Recorded { answer, policies, detail: text("detail").to_owned(), asked: asked(record) })
}

fn asked(record: &LoggedRecord) -> Result<Asked, String> {
    let lacks = |what: &str| format!("the record does not say {what}");
    let at = |path: &[&str]| {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(record.get(first)?, |value, name| value.get(name))
    };
    let text = |path: &[&str]| at(path).and_then(Value::as_str);
    if record.get("controls").is_some_and(is_view) {
        return Err("it came through a view, whose arguments its server got in another form".to_owned());
    }
    let name =
        whole(text(&["item"]).unwrap_or_default()).ok_or_else(|| lacks("the whole name of the item"))?;
    let kind = text(&["item_kind"]).unwrap_or_default();
    let method = Method::parse(text(&["method"]).unwrap_or_default());
    let server =
        text(&["server"]).map(str::parse).transpose().map_err(|_| lacks("which server was meant"))?;
    let endpoint = text(&["endpoint"]).map(str::parse).transpose();
    let has_arguments = matches!(method, Method::ToolsCall | Method::PromptsGet);
    let flow = flow(at(&["context"])).ok_or_else(|| lacks("what had entered the conversation"))?;
    let now_ms = text(&["time"]).and_then(|time| time.parse::<Instant>().ok()?.milliseconds());
    let parts = Parts {
        caller: at(&["caller"]).and_then(caller).ok_or_else(|| lacks("who asked"))?,
        channel: text(&["channel"]).and_then(channel).ok_or_else(|| lacks("through which door"))?,
        endpoint: endpoint.map_err(|_| lacks("which endpoint was asked"))?,
        version: text(&["version"])
            .and_then(|version| version.parse::<Version>().ok())
            .ok_or_else(|| lacks("the protocol version"))?,
        method,
        server,
        item: item(kind, name).ok_or_else(|| lacks("what was asked for"))?,
        arguments: None,
    };
    Ok(Asked {
        call: parts.call().map_err(|_| lacks("which method was called"))?,
        known: Known { arguments: !has_arguments, conversation: flow.is_some() },
        flow: flow.unwrap_or_default(),
        cx: Context { now_ms: now_ms.ok_or_else(|| lacks("when it was asked"))? },
    })
}

/// A text that was not shortened and in which nothing was masked; what stands for that is in brackets.
fn whole(text: &str) -> Option<&str> {
    (!text.contains('[')).then_some(text)
}

/// Whether the call was asked for as another tool.
fn is_view(controls: &Value) -> bool {
    let reason = |run: &Value| {
        run.get("reason")
            .and_then(Value::as_str)
            .is_some_and(|it| it.starts_with("asked for as the narrower tool"))
    };
    controls.as_array().is_some_and(|runs| runs.iter().any(reason))
}

fn words(value: Option<&Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
}

/// Who asked; none where a part of it is missing or was shortened.
fn caller(value: &Value) -> Option<Caller> {
    let who = |value: &Value| -> Option<Principal> {
        let part = |name: &str| value.get(name)?.as_str();
        format!("{}:{}", part("kind")?, whole(part("id")?)?).parse().ok()
    };
    let member = |name: &str| value.get(name).filter(|member| !member.is_null());
    let principal = who(value.get("principal")?)?;
    let granted = match member("grant") {
        None => None,
        Some(value) => {
            let client = match value.get("client").and_then(Value::as_str) {
                Some(client) => Some(whole(client)?),
                None => None,
            };
            let scopes = words(value.get("scopes"))?;
            if scopes.iter().any(|scope| scope.contains("bytes more]")) {
                return None;
            }
            // Records say of which types a token's details were, and not what they said.
            if value.get("authorization_detail_types").is_some() {
                return None;
            }
            Some(grant(whole(value.get("issuer")?.as_str()?)?, client, &scopes, Details::default()))
        }
    };
    let method = match value.get("method")?.as_str()? {
        "dpop-token" => AuthMethod::DpopToken,
        "mtls-token" => AuthMethod::MtlsToken,
        _ => method_of(principal.kind),
    };
    Some(Caller {
        actor: match member("actor") {
            Some(actor) => Some(who(actor)?),
            None => None,
        },
        tenant: match member("tenant") {
            Some(tenant) => Some(whole(tenant.as_str()?)?.into()),
            None => None,
        },
        method,
        grant: granted,
        principal,
    })
}

/// What was known of the conversation; inner none where policies had not been told, outer where it cannot be read.
#[allow(clippy::option_option, reason = "not told and not readable differ")]
fn flow(context: Option<&Value>) -> Option<Option<Flow>> {
    let Some(conducts) = context.and_then(|it| it.get("conduct")).filter(|it| !it.is_null()) else {
        return Some(None);
    };
    let context = context?;
    let labels = labels(&words(context.get("labels"))?).ok()?;
    let conduct = conduct(&words(Some(conducts))?).ok()?;
    let approved = context.get("approved")?.as_bool()?;
    Some(Some(Flow {
        labels,
        conduct,
        approved,
        needs_detail: false,
        canonical: canonical(Vec::new(), Vec::new(), Vec::new()),
    }))
}
