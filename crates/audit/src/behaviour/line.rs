//! What of a record matters here.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Subject;
use crate::{EventKind, time};

pub(super) enum Line {
    Decided(Decided),
    Ended(Ended),
    Denied(Denied),
}

/// System calls of a server that were refused.
pub(super) struct Denied {
    pub(super) id: String,
    pub(super) at_ms: u64,
    pub(super) server: String,
    pub(super) count: usize,
}

/// A decision.
pub(super) struct Decided {
    pub(super) id: String,
    pub(super) at_ms: u64,
    /// Whether it is about a server's own connection.
    pub(super) egress: bool,
    pub(super) server: String,
    pub(super) item: String,
    is_tool: bool,
    principal: Option<(String, String)>,
    peer: String,
    /// The kind of refusal; none where the call was allowed.
    pub(super) refused: Option<String>,
    /// The control that refused.
    pub(super) control: String,
}

impl Decided {
    pub(super) fn subject(&self) -> Subject {
        match &self.principal {
            Some((kind, id)) => Subject::Principal(format!("{kind}:{id}")),
            None => Subject::Peer(self.peer.clone()),
        }
    }

    /// The tool called, as clients of the aggregate name it.
    pub(super) fn tool(&self) -> Option<String> {
        self.is_tool.then(|| format!("{}__{}", self.server, self.item))
    }
}

/// An outcome.
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) at_ms: u64,
    pub(super) decision: String,
    pub(super) withheld: bool,
    pub(super) bytes: u64,
}

#[derive(Deserialize)]
struct Members<'l> {
    id: Option<Cow<'l, str>>,
    time: Cow<'l, str>,
    r#type: Cow<'l, str>,
    #[serde(default)]
    channel: Cow<'l, str>,
    #[serde(default)]
    caller: Option<Who<'l>>,
    #[serde(default)]
    server: Option<Cow<'l, str>>,
    #[serde(default)]
    item_kind: Option<Cow<'l, str>>,
    #[serde(default)]
    item: Option<Cow<'l, str>>,
    #[serde(default)]
    context: Context<'l>,
    /// Of a decision what was decided, of an outcome the record of that.
    #[serde(borrow, default)]
    decision: Option<&'l RawValue>,
    #[serde(default)]
    outcome: Cow<'l, str>,
    #[serde(default)]
    response_bytes: u64,
    /// Of an event.
    #[serde(default)]
    event: Cow<'l, str>,
    #[serde(default)]
    subject: Option<Cow<'l, str>>,
    #[serde(default)]
    detail: Cow<'l, str>,
}

#[derive(Deserialize)]
struct Who<'l> {
    #[serde(borrow)]
    principal: Principal<'l>,
}

#[derive(Deserialize)]
struct Principal<'l> {
    kind: Cow<'l, str>,
    id: Cow<'l, str>,
}

#[derive(Default, Deserialize)]
struct Context<'l> {
    #[serde(default)]
    peer: Option<Cow<'l, str>>,
}

#[derive(Deserialize)]
struct Verdict<'l> {
    verdict: Cow<'l, str>,
    #[serde(default)]
    kind: Cow<'l, str>,
    #[serde(default)]
    control: Option<Cow<'l, str>>,
}

/// Reads a decision, an outcome or a refused system call; none for anything else.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    let members: Members<'_> = serde_json::from_slice(line).ok()?;
    let (id, at_ms) = (members.id?.into_owned(), time::read_rfc3339(&members.time)?);
    if members.r#type == "event" && members.event == EventKind::Denied.as_str() {
        // It begins with how often.
        let count = members.detail.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(1);
        return Some(Line::Denied(Denied { id, at_ms, server: members.subject?.into_owned(), count }));
    }
    let decision = members.decision?.get();
    if members.r#type == "outcome" {
        return Some(Line::Ended(Ended {
            id,
            at_ms,
            decision: serde_json::from_str(decision).ok()?,
            withheld: members.outcome == "withheld",
            bytes: members.response_bytes,
        }));
    }
    let verdict: Verdict<'_> = serde_json::from_str(decision).ok()?;
    let text = |member: Option<Cow<'_, str>>| member.unwrap_or_default().into_owned();
    Some(Line::Decided(Decided {
        id,
        at_ms,
        egress: members.channel == "egress",
        is_tool: members.item_kind.as_deref() == Some("Tool"),
        server: text(members.server),
        item: text(members.item),
        principal: members.caller.map(|it| (it.principal.kind.into_owned(), it.principal.id.into_owned())),
        peer: members.context.peer.map_or_else(|| "unknown".to_owned(), Cow::into_owned),
        refused: (verdict.verdict != "allow").then(|| verdict.kind.into_owned()),
        control: text(verdict.control),
    }))
}
