//! Attacks as data, and what is asked of each.

use std::time::Duration;

use portcullis_testkit::gateway::{Gateway, Record};

use tokio::time::{Instant, sleep};

use crate::{
    ground::SOON,
    http::{Answer, Request, exchange},
    report::{Kind, Report},
    trouble::Trouble,
};

/// Something to send and what has to come of it.
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wanted: Wanted,
}

/// The refusal an attack gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// HTTP status.
    pub(crate) status: u16,
    /// JSON-RPC error code; 0 where the answer has no body.
    pub(crate) code: i64,
    /// The reason on record.
    pub(crate) kind: &'static str,
}

/// What an answer must be besides: an objection, or none.
pub(crate) type Judge = fn(&Answer) -> Option<String>;

impl Attack {
    pub(crate) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>, wanted: Wanted) -> Self {
        Self { name: name.into(), bytes: bytes.into(), wanted }
    }
}

pub(crate) const fn wanted(status: u16, code: i64, kind: &'static str) -> Wanted {
    Wanted { status, code, kind }
}

/// Sends each attack on a connection of its own. One answer at most may come back, it must be the refusal
/// wanted, the connection must be closed, and the reason must be on record.
pub(crate) async fn refuse_all(
    gateway: &Gateway,
    report: &mut Report,
    attacks: impl IntoIterator<Item = Attack>,
    judge: Judge,
) -> Result<(), Trouble> {
    for attack in attacks {
        let before = last(gateway)?;
        let exchange = exchange(gateway.address(), &attack.bytes).await?;
        let answer = exchange.first();
        let kind = reason(gateway, &answer, before).await?;
        let mut seen = format!("{} {} {kind}", answer.status, answer.code());
        let mut passed = (answer.status, answer.code(), &*kind)
            == (attack.wanted.status, attack.wanted.code, attack.wanted.kind);
        let mut object = |to: bool, objection: &str| {
            if to {
                passed = false;
                seen = format!("{seen}, {objection}");
            }
        };
        object(exchange.answers.len() > 1, "and a second request was answered");
        object(!exchange.closed, "and the connection stays open");
        object(answer.header("mcp-session-id").is_some(), "and a session was opened");
        object(answer.header("set-cookie").is_some(), "and a cookie was set");
        let objection = judge(&answer);
        object(objection.is_some(), objection.as_deref().unwrap_or_default());
        let Wanted { status, code, kind } = attack.wanted;
        report.check(Kind::Attack, attack.name, format!("{status} {code} {kind}"), seen, passed);
    }
    Ok(())
}

/// Nothing more to ask of an answer.
pub(crate) fn nothing_more(_: &Answer) -> Option<String> {
    None
}

/// The number of the last record.
pub(crate) fn last(gateway: &Gateway) -> Result<u64, Trouble> {
    Ok(gateway.records()?.last().map_or(0, number))
}

pub(crate) fn number(record: &Record) -> u64 {
    record.value().get("seq").and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// Why, according to the record: the one the answer names, else the first refusal after record `before`.
async fn reason(gateway: &Gateway, answer: &Answer, before: u64) -> Result<String, Trouble> {
    let id = answer.record();
    let is_it = |record: &Record| match &*id {
        "" => number(record) > before && !record.refused().is_empty(),
        id => record.text("id") == id,
    };
    match gateway.wait_for("the refusal", SOON, is_it).await {
        Ok(record) if record.is_allowed() => after_all(gateway, &record).await,
        Ok(record) => Ok(record.refused().to_owned()),
        Err(portcullis_testkit::gateway::RecordsError::Deadline { .. }) => Ok("unrecorded".to_owned()),
        Err(error) => Err(error.into()),
    }
}

/// What became of a call that was allowed and refused later on.
async fn after_all(gateway: &Gateway, decision: &Record) -> Result<String, Trouble> {
    let its = |record: &Record| record.text("decision") == decision.text("id");
    let outcome = gateway.wait_for("the outcome", SOON, its).await?;
    Ok(format!("allowed, {}", outcome.text("outcome")))
}

/// How many refusals of this kind are on record: those written one by one, and the sums of the seconds in which
/// there were too many to write.
pub(crate) fn refusals(gateway: &Gateway, kind: &str) -> Result<usize, Trouble> {
    let records = gateway.records()?;
    let single = records.iter().filter(|record| record.refused() == kind).count();
    let sums = records.iter().filter(|record| record.text("event") == "refusal-summary");
    // `timeout by NET-05: 244, denied by the gateway: 3`
    let parts = sums.flat_map(|record| record.text("detail").split(", "));
    let parts = parts.filter_map(|part| part.strip_prefix(kind)?.strip_prefix(" by ")?.rsplit_once(": "));
    Ok(single + parts.filter_map(|(_, count)| count.parse::<usize>().ok()).sum::<usize>())
}

/// Waits until `wanted` refusals of this kind are on record and returns how many are.
pub(crate) async fn refusals_of(gateway: &Gateway, kind: &str, wanted: usize) -> Result<usize, Trouble> {
    let end = Instant::now() + SOON;
    // The sum of a second is written with the first record after it, so something else is refused.
    let other = Request::new("GET", "/mcp").header("host", "evil.test").bytes();
    loop {
        let seen = refusals(gateway, kind)?;
        if seen >= wanted || Instant::now() >= end {
            return Ok(seen);
        }
        sleep(Duration::from_millis(100)).await;
        exchange(gateway.address(), &other).await?;
    }
}
