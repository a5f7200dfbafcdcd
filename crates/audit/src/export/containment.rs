//! One call as a containment evidence record, in the shape of the sample of the Coalition for Secure AI's agent-containment
//! paper (section 7.1): a decision before dispatch, an accounting decision, an outcome, each chained to the one before by
//! its hash, under a signed checkpoint. What was not established is said to be so.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::AuthMethod;
use serde::Deserialize as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{LoggedRecord, jcs, note::KeyRing};

/// What there is of one call.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'r> {
    /// The decision.
    pub decision: &'r LoggedRecord,
    /// The outcome, when it is on record.
    pub outcome: Option<&'r LoggedRecord>,
    /// The event `boundary-stated` whose digest the decision names.
    pub stated: Option<&'r LoggedRecord>,
}

/// Why there is no such record of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceFault {
    /// It is about a decision.
    #[error("the record is no decision")]
    NoDecision,
    /// The record says what the claim covered.
    #[error("no record states the boundary that the decision names")]
    NoStatement,
    /// The statement has another digest than its record says.
    #[error("the statement on record does not have the digest that the decision names")]
    Statement,
    /// A number is too large for canonical JSON.
    #[error("a number of the record has no exact form in canonical JSON")]
    Number,
    /// Only Ed25519 signs it.
    #[error("the key file has no Ed25519 key")]
    Key,
}

const BEFORE_DISPATCH: &str =
    "the decision is durable before a call is dispatched, so no call takes effect without one";

impl Evidence<'_> {
    /// The record, with a checkpoint signed by the Ed25519 key of `keys`.
    ///
    /// # Errors
    /// [`EvidenceFault`] when something the record has to say is not known.
    pub fn containment(&self, keys: &KeyRing, version: &str) -> Result<Value, EvidenceFault> {
        let id = self.decision.id().filter(|_| self.decision.kind() == "decision");
        let id = id.ok_or(EvidenceFault::NoDecision)?;
        let sequence_id = format!("portcullis:{id}");
        let mut entries = vec![chained(self.enforcement(id)?, 0, "")?];
        entries.push(chained(self.accounting(id, hash_of(&entries)), 1, hash_of(&entries))?);
        if let Some(outcome) = self.outcome {
            let reconciled = hash_of(&entries).to_owned();
            let decided = entries.first().map_or("", |first| text(first, "entry_hash")).to_owned();
            entries.push(chained(ended(outcome, id, &decided, &reconciled), 2, &reconciled)?);
        }
        let last = entries.len() - 1;
        let checkpoint = json!({
            "sequence_id": sequence_id, "index": last, "entry_hash": hash_of(&entries),
            "collection_scope": {
                "declared": format!("the call of record {id}"),
                "omitted_before_recording": { "status": "absent", "reason": BEFORE_DISPATCH },
            },
            "expected_boundaries": { "first_index": 0, "last_index": last },
        });
        let checkpoint = signed(checkpoint, keys)?;
        Ok(json!({
            "record_format": "cosai-ws4/agent-containment/evidence-sample",
            "producer": { "platform": "software-only", "software": format!("portcullis {version} (Apache-2.0)") },
            "sequence": {
                "id": sequence_id,
                "hash": "sha256 over the RFC 8785 canonical form of the entry without its entry_hash member",
                "chain": "each entry's prev_hash is the previous entry's entry_hash; index 0 has an empty prev_hash",
                "checkpoint": checkpoint,
            },
            "entries": entries,
        }))
    }

    fn enforcement(&self, id: &str) -> Result<Value, EvidenceFault> {
        let of = |path: &str| self.decision.to_json().pointer(path).cloned().unwrap_or_default();
        let (principal, actor) = (of("/caller/principal/id"), of("/caller/actor/id"));
        let (server, item) = (of("/server"), of("/item"));
        Ok(json!({
            "kind": "enforcement_decision",
            "recorded_at": of("/time"),
            "sequenced_before_dispatch": true,
            "principal": { "id": principal, "delegation_chain": chain(&principal, &actor), "tenant": or_absent(of("/caller/tenant"), "callers belong to no tenant") },
            "actor": {
                "actor_id": or_absent(actor.clone(), "nobody acted for the principal"),
                "provenance": if actor.is_null() { "absent" } else { "signed-request-claim" },
            },
            "subject": { "subject_id": principal, "provenance": provenance(&of("/caller/method")), "method": of("/caller/method") },
            "policy": { "version": of("/policy"), "identified_by": "content digest of the policies in force at the decision", "enforcement_mode": "enforce" },
            "assurance_boundary": self.boundary()?,
            "tool_catalog": { "version": or_absent(of("/context/catalogue"), "the call is of no listed item"), "identified_by": "content digest of the list as the gateway showed it" },
            "action_id": id,
            "action": { "method": of("/method"), "server": server, "item": item, "definition": of("/definition") },
            "request_digest": {
                "commitment": of("/request"), "covers": ["the request's bytes as received"],
                "covered_as": "the request as made, before any redaction",
                "canonicalization": "none: the bytes on the wire",
                "keyed": { "alg": "HMAC-SHA256", "key_holder": "operator", "why": "arguments may be guessable" },
            },
            "runtime": {
                "platform": "software-only",
                "attestation": { "status": of("/context/attestation/state"), "reason": of("/context/attestation/reason") },
                "sandbox": or_absent(of("/context/sandbox"), "nothing of this machine contains the server"),
            },
            "decision": {
                "verdict": of("/decision/verdict"),
                "reason": { "policies": of("/decision/policies"), "kind": of("/decision/kind"), "control": of("/decision/control"), "detail": of("/decision/detail"), "policy_version": of("/policy") },
                "enforcement_point": format!("portcullis run {}", id.rsplit_once('-').map_or(id, |(run, _)| run)),
                "outcome": { "status": if self.decision.allows() { "pending" } else { "absent" } },
            },
        }))
    }

    /// The statement as it stood at the decision.
    fn boundary(&self) -> Result<Value, EvidenceFault> {
        let named = self.decision.to_json().pointer("/context/boundary").cloned().unwrap_or_default();
        let stated = self.stated.ok_or(EvidenceFault::NoStatement)?;
        let detail = stated.get("detail").and_then(Value::as_str).unwrap_or_default();
        let statement: Value = serde_json::from_str(detail).map_err(|_| EvidenceFault::Statement)?;
        let digest = digest(&statement)?;
        if named.as_str() != Some(&digest) {
            return Err(EvidenceFault::Statement);
        }
        Ok(json!({
            "statement_digest": digest,
            "identified_by": "content digest of `statement` in its RFC 8785 canonical form, as it stood at the decision",
            "statement": statement,
        }))
    }

    fn accounting(&self, id: &str, decided: &str) -> Value {
        let bytes = self.decision.get("request_bytes").cloned().unwrap_or_default();
        let (verdict, code) = match self.decision.allows() {
            true => ("allowed", "rate.within_limits"),
            false => ("refused", "request.refused"),
        };
        json!({
            "kind": "accounting_decision",
            "recorded_at": self.decision.get("time"),
            "references": { "decision_entry_hash": decided, "action_id": id },
            "decision": {
                "verdict": verdict,
                "reason": { "code": code, "detail": "limits on requests and connections are looked at before policy" },
            },
            "budget": {
                "applicable": { "status": "absent", "reason": "callers have rates and no budgets" },
                "reserved": { "request_bytes": bytes },
                "remaining": { "status": "not_established", "missing_premise": "no budget, so nothing remains of one" },
            },
        })
    }
}

fn ended(outcome: &LoggedRecord, id: &str, decided: &str, reconciled: &str) -> Value {
    let of = |name: &str| outcome.get(name).cloned().unwrap_or_default();
    let known = matches!(
        of("outcome").as_str(),
        Some("completed" | "upstream-error" | "input-required" | "withheld")
    );
    let status = if known { of("outcome") } else { "unknown".into() };
    json!({
        "kind": "outcome",
        "recorded_at": of("time"),
        "references": { "decision_entry_hash": decided, "action_id": id },
        "outcome": { "status": status, "recorded_as": of("outcome"), "duration_us": of("duration_us"), "detail": of("detail") },
        "effect_observed": { "status": "not_established", "missing_premise": "the gateway sees messages, not what a server does" },
        "accounting": { "consumed": { "bytes": of("cost") }, "reconciled_with": reconciled },
    })
}

/// From the principal to who acts for it.
fn chain(principal: &Value, actor: &Value) -> Value {
    match actor {
        Value::Null => json!([]),
        actor => {
            json!([{ "hop": 0, "from": principal, "to": actor, "grant": "the access token that names both" }])
        }
    }
}

/// What the identity of a caller rests on.
fn provenance(method: &Value) -> &'static str {
    match AuthMethod::deserialize(method) {
        Ok(AuthMethod::BearerToken | AuthMethod::DpopToken | AuthMethod::MtlsToken) => "signed-request-claim",
        Ok(
            AuthMethod::StdioPeer | AuthMethod::LoopbackPeer | AuthMethod::StaticDev | AuthMethod::Internal,
        ) => "connection-credential",
        Err(_) => "absent",
    }
}

fn or_absent(value: Value, reason: &str) -> Value {
    if value.is_null() { json!({ "status": "absent", "reason": reason }) } else { value }
}

/// An entry at its place.
fn chained(mut entry: Value, index: usize, before: &str) -> Result<Value, EvidenceFault> {
    if let Some(members) = entry.as_object_mut() {
        members.insert("index".to_owned(), index.into());
        members.insert("prev_hash".to_owned(), before.into());
    }
    let hash = digest(&entry)?;
    if let Some(members) = entry.as_object_mut() {
        members.insert("entry_hash".to_owned(), hash.into());
    }
    Ok(entry)
}

fn signed(mut checkpoint: Value, keys: &KeyRing) -> Result<Value, EvidenceFault> {
    let key = keys.for_json().ok_or(EvidenceFault::Key)?;
    let canonical = jcs::canonical(&checkpoint).ok_or(EvidenceFault::Number)?;
    let signature = key.sign_json(&canonical).ok_or(EvidenceFault::Key)?;
    let signer = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key.public_bytes()) });
    let signature = json!({ "alg": "EdDSA", "value": URL_SAFE_NO_PAD.encode(signature), "signer": signer });
    if let Some(members) = checkpoint.as_object_mut() {
        members.insert("signature".to_owned(), signature);
    }
    Ok(checkpoint)
}

/// SHA-256 of the canonical form, with the algorithm's name.
pub(super) fn digest(value: &Value) -> Result<String, EvidenceFault> {
    let canonical = jcs::canonical(value).ok_or(EvidenceFault::Number)?;
    let hex: String = Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{hex}"))
}

fn hash_of(entries: &[Value]) -> &str {
    entries.last().map_or("", |last| text(last, "entry_hash"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_identity_comes_from_is_told_of_every_method() {
        for (method, expected) in [
            (json!(AuthMethod::BearerToken), "signed-request-claim"),
            (json!(AuthMethod::DpopToken), "signed-request-claim"),
            (json!(AuthMethod::MtlsToken), "signed-request-claim"),
            (json!(AuthMethod::StdioPeer), "connection-credential"),
            (json!(AuthMethod::LoopbackPeer), "connection-credential"),
            (json!(AuthMethod::StaticDev), "connection-credential"),
            (json!("something else"), "absent"),
            (Value::Null, "absent"),
        ] {
            assert_eq!(provenance(&method), expected, "{method}");
        }
    }
}
