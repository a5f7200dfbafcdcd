//! Limits on what a record may hold, so that no peer decides how much is written.

use std::{borrow::Cow, sync::Arc};

use crate::EventKind;
use portcullis_core::{Caller, ControlRun, Decision, DecisionRecord, Grant, Principal, Record};

/// Longest item name kept, in bytes. Resource URIs are the longest names in practice.
const MAX_NAME: usize = 1_024;
/// Longest identity, tenant, trace id or method kept, in bytes. No identity that `identity` establishes is longer (a
/// subject of 255 bytes under the name of its issuer), so that whoever is on record can be stopped by what is there.
const MAX_ID: usize = 384;
/// Scopes of a token. `identity` takes no token with more.
const MAX_SCOPES: usize = 64;
/// Longest explanation kept, in bytes.
const MAX_DETAIL: usize = 2_048;

/// Longest statement of what is covered, in bytes. Cut, it would not have the digest that decisions name.
pub const MAX_STATEMENT: usize = 24 * 1_024;

/// Longest line a record may become, in bytes. What is left after cutting comes from the
/// configuration (policy identifiers), so a longer record is a misconfiguration and is refused. The
/// transparency log writes lengths in two bytes.
pub(crate) const MAX_LINE: usize = u16::MAX as usize;

/// Cuts every text a peer can influence to its limit. A cut text ends in `…[N bytes more]`.
pub(crate) fn record(record: &mut Record) {
    match record {
        Record::Decision(decision) => decision_record(decision),
        Record::Outcome(outcome) => cut_option(&mut outcome.detail),
        Record::Event { event, subject, detail } => {
            cut_option(subject);
            let is_statement = *event == EventKind::BoundaryStated.as_str();
            cut(detail, if is_statement { MAX_STATEMENT } else { MAX_DETAIL });
        }
    }
}

fn decision_record(record: &mut DecisionRecord) {
    cut_shared(&mut record.item, MAX_NAME);
    cut_shared(&mut record.method, MAX_ID);
    cut_shared(&mut record.trace_id, MAX_ID);
    cut_shared(&mut record.context.parent_span, MAX_ID);
    if let Some(caller) = &mut record.caller {
        cut_caller(caller);
    }
    if let Decision::Refuse { detail, .. } = &mut record.decision {
        cut(detail, MAX_DETAIL);
    }
    let long = |reason: &Option<Cow<'_, str>>| reason.as_ref().is_some_and(|r| r.len() > MAX_DETAIL);
    if record.controls.iter().any(|run| long(&run.reason)) {
        let cut = |run: &ControlRun| {
            let reason = run.reason.as_deref().filter(|reason| reason.len() > MAX_DETAIL);
            let reason = reason.map(|reason| Cow::Owned(shortened(reason, MAX_DETAIL)));
            ControlRun { reason: reason.or_else(|| run.reason.clone()), ..run.clone() }
        };
        record.controls = record.controls.iter().map(cut).collect();
    }
}

fn cut_caller(caller: &mut Arc<Caller>) {
    let long = |p: &Principal| p.id.len() > MAX_ID;
    let tenant_is_long = caller.tenant.as_ref().is_some_and(|t| t.len() > MAX_ID);
    let grant_is_long = caller.grant.as_deref().is_some_and(grant_is_long);
    let ids_are_long = long(&caller.principal) || caller.actor.as_ref().is_some_and(long);
    if !ids_are_long && !tenant_is_long && !grant_is_long {
        return;
    }
    let caller = Arc::make_mut(caller);
    cut_arc(&mut caller.principal.id, MAX_ID);
    if let Some(actor) = &mut caller.actor {
        cut_arc(&mut actor.id, MAX_ID);
    }
    cut_shared(&mut caller.tenant, MAX_ID);
    if let Some(grant) = caller.grant.as_mut().filter(|_| grant_is_long) {
        cut_grant(Arc::make_mut(grant));
    }
}

fn grant_is_long(grant: &Grant) -> bool {
    let long = |text: &Arc<str>| text.len() > MAX_ID;
    long(&grant.issuer)
        || grant.client.as_ref().is_some_and(long)
        || grant.token_id.as_ref().is_some_and(long)
        || grant.scopes.len() > MAX_SCOPES
        || grant.scopes.iter().any(long)
}

fn cut_grant(grant: &mut Grant) {
    cut_arc(&mut grant.issuer, MAX_ID);
    cut_shared(&mut grant.client, MAX_ID);
    cut_shared(&mut grant.token_id, MAX_ID);
    let mut scopes: Vec<Arc<str>> = grant.scopes.iter().take(MAX_SCOPES).cloned().collect();
    scopes.iter_mut().for_each(|scope| cut_arc(scope, MAX_ID));
    grant.scopes = scopes.into();
}

fn cut_option(text: &mut Option<String>) {
    if let Some(text) = text {
        cut(text, MAX_DETAIL);
    }
}

fn cut_shared(text: &mut Option<Arc<str>>, limit: usize) {
    if let Some(text) = text {
        cut_arc(text, limit);
    }
}

fn cut_arc(text: &mut Arc<str>, limit: usize) {
    if text.len() > limit {
        *text = shortened(text, limit).into();
    }
}

fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        *text = shortened(text, limit);
    }
}

fn shortened(text: &str, limit: usize) -> String {
    let kept = text.get(..text.floor_char_boundary(limit)).unwrap_or_default();
    format!("{kept}…[{} bytes more]", text.len() - kept.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character_and_say_so() {
        for (text, limit, expected) in [
            ("abcdef", 6, "abcdef".to_owned()),
            ("abcdefg", 6, "abcdef…[1 bytes more]".to_owned()),
            ("ab€€", 4, "ab…[6 bytes more]".to_owned()),
        ] {
            let mut text = text.to_owned();
            cut(&mut text, limit);
            assert_eq!(text, expected);
        }
    }
}
