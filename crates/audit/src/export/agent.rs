//! One call as an agent audit record (draft-gilda-wimse-agent-audit-record-02): an in-toto Statement in a DSSE envelope, whose
//! derived members a relying party computes again.
//!
//! The draft is about observers of a file system; a gateway sees messages. So the tier is `voluntary`, the interval covers no
//! path, the request is `not-bindable` (the log commits to it with a key, so nobody else could compute its digest), and
//! `doesNotAssert` says what of it a reader must not take for granted.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::AuthMethod;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::containment::{Evidence, EvidenceFault, digest as named_digest};
use crate::{
    jcs,
    note::{DSSE_PAYLOAD, KeyRing},
};

/// What a reader is to expect as `predicateType`.
const AGENT_AUDIT_RECORD: &str =
    "https://probityai.github.io/agent-evidence-vectors/predicate/v1/agent-audit-record";

/// Git's name of a tree with nothing in it: SHA-256 of `tree 0` and a zero byte.
const EMPTY_TREE: &str = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";

const DOES_NOT_ASSERT: [&str; 5] = [
    "that the server did, or did not do, anything: the gateway sees messages, and no path is in the interval's scope",
    "that the credential had a digest: the gateway keeps none",
    "that the arguments are those of any other record: the log commits to them with a key of the operator's",
    "that the server's way out was observed from below it: the posture is the gateway's own",
    "that this record has been or will be kept for any time",
];

/// The members that `fieldEvidence` has to speak of.
const TOLD_BY_US: [&str; 7] =
    ["agent", "correlation", "decision", "delegation", "posture", "remediation", "resource"];

/// What a request is about.
struct Resource {
    kind: &'static str,
    id: String,
}

impl Resource {
    /// The digest of a request whose arguments are not bound to it.
    fn request_digest(&self, action: &str) -> Result<String, EvidenceFault> {
        digest(&json!({ "action": action, "resourceId": self.id, "resourceKind": self.kind }))
    }
}

impl Evidence<'_> {
    /// The envelope, signed with the Ed25519 key of `keys`. `issued` is the time as RFC 3339.
    ///
    /// # Errors
    /// [`EvidenceFault`] when the record is no decision or cannot be signed.
    pub fn agent_audit(&self, keys: &KeyRing, issued: &str) -> Result<Value, EvidenceFault> {
        let id = self.decision.id().filter(|_| self.decision.kind() == "decision");
        let id = id.ok_or(EvidenceFault::NoDecision)?;
        let (resource, action) = (self.resource(), text_or(self.of("/method"), "none"));
        let request = resource.request_digest(&action)?;
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                { "name": id, "digest": { "sha256": request } },
                { "name": format!("{id}/after"), "digest": { "sha256": EMPTY_TREE } },
            ],
            "predicateType": AGENT_AUDIT_RECORD,
            "predicate": {
                "recordId": id,
                "tier": "voluntary",
                "hashAlgorithm": "sha256",
                "agent": self.agent(),
                "delegation": self.delegation()?,
                "resource": { "kind": resource.kind, "id": resource.id, "binding": "not-bindable" },
                "effect": self.effect(),
                "agreement": if self.decision.allows() { "not-exercised" } else { "agree" },
                "decision": {
                    "action": action,
                    "requestDigest": request,
                    "reported": if self.decision.allows() { "permit" } else { "deny" },
                    "decisionPointId": format!("portcullis:{}", id.rsplit_once('-').map_or(id, |(run, _)| run)),
                    "policyDigest": bare(&self.of("/policy")),
                    "reportedAt": self.of("/time"),
                },
                "correlation": {
                    "id": text_or(self.of("/trace_id"), id), "scope": "producer", "timeBasis": "asserted",
                },
                "posture": self.posture(),
                "remediation": [],
                "observation": { "vantage": "peer", "coverage": { "scopeComplete": false, "gaps": ["/"] } },
                "fieldEvidence": TOLD_BY_US.map(|member| (member, "producer-asserted"))
                    .into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                "doesNotAssert": DOES_NOT_ASSERT,
                "issuedAt": issued,
                "evaluation": { "status": "evaluated" },
            },
        });
        envelope(&statement, keys)
    }

    fn of(&self, path: &str) -> Value {
        self.decision.to_json().pointer(path).cloned().unwrap_or_default()
    }

    /// Who acted: the actor, or the principal where nobody acts for it.
    fn agent(&self) -> Value {
        let actor = self.of("/caller/actor/id");
        let id = if actor.is_null() { self.of("/caller/principal/id") } else { actor };
        json!({
            "id": text_or(id, "none"), "credentialDigest": null,
            "authentication": authentication(&self.of("/caller/method")), "signers": [],
        })
    }

    fn delegation(&self) -> Result<Value, EvidenceFault> {
        let (principal, caller) = (self.of("/caller/principal/id"), self.of("/caller"));
        let kind = match self.of("/caller/principal/kind").as_str() {
            None => "none",
            Some("gateway") => "system",
            Some(_) => "user",
        };
        Ok(json!({
            "subject": text_or(principal, "none"), "subjectKind": kind, "authorityDigest": digest(&caller)?,
        }))
    }

    fn resource(&self) -> Resource {
        let (server, item) = (text_or(self.of("/server"), ""), text_or(self.of("/item"), ""));
        match self.of("/item_kind").as_str() {
            Some("Tool") => Resource { kind: "tool", id: format!("mcp://{server}/{item}") },
            Some("Resource") => Resource { kind: "uri", id: item },
            _ => Resource { kind: "uri", id: format!("mcp://{server}/{item}") },
        }
    }

    /// An interval in whose scope there is no path: nothing was written in it, and nothing is claimed by that.
    fn effect(&self) -> Value {
        let opened = self.of("/time");
        let sealed = self.outcome.and_then(|outcome| outcome.get("time")).unwrap_or(&opened);
        json!({
            "observed": "none", "pathScope": [], "writes": [],
            "interval": {
                "beforeRoot": EMPTY_TREE, "afterRoot": EMPTY_TREE, "baseResolution": "empty-tree",
                "openedAt": opened, "sealedAt": sealed,
            },
        })
    }

    /// The server's way out: through the gate of its sandbox alone, or past the gateway; the latter too where the record
    /// does not show the sandbox, as those of refused calls.
    fn posture(&self) -> Value {
        let posture = if self.is_held_to_its_gate() { "allowlist" } else { "unsafe_bypass_egress" };
        let digest = bare(&self.of("/context/sandbox"));
        json!({
            "reported": posture, "reportedDigest": digest, "observed": posture, "observedDigest": digest,
            "assessedAt": self.of("/time"), "agreement": "agree",
        })
    }

    /// Whether the record shows a sandbox that leaves the server no network of the machine's.
    fn is_held_to_its_gate(&self) -> bool {
        let (plan, controls) = (self.of("/context/sandbox"), self.of("/controls"));
        let text = |control: &Value, name: &str| {
            control.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut isolation =
            controls.as_array().into_iter().flatten().filter(|it| text(it, "control") == "ISO-01");
        !plan.is_null()
            && isolation.next().is_some_and(|it| !text(it, "reason").contains("danger_host_network"))
    }
}

/// The draft's word for how a caller showed who it is.
fn authentication(method: &Value) -> &'static str {
    match AuthMethod::deserialize(method) {
        Ok(AuthMethod::BearerToken | AuthMethod::DpopToken) => "oauth-access-token",
        Ok(AuthMethod::MtlsToken) => "mtls",
        Ok(
            AuthMethod::StdioPeer | AuthMethod::LoopbackPeer | AuthMethod::StaticDev | AuthMethod::Internal,
        )
        | Err(_) => "none",
    }
}

fn text_or(value: Value, otherwise: &str) -> String {
    if let Value::String(text) = value { text } else { otherwise.to_owned() }
}

/// A digest without the name of its algorithm.
fn bare(digest: &Value) -> Value {
    digest.as_str().map_or(Value::Null, |text| text.trim_start_matches("sha256:").into())
}

fn digest(value: &Value) -> Result<String, EvidenceFault> {
    named_digest(value).map(|named| named.trim_start_matches("sha256:").to_owned())
}

fn envelope(statement: &Value, keys: &KeyRing) -> Result<Value, EvidenceFault> {
    let key = keys.for_json().ok_or(EvidenceFault::Key)?;
    let payload = jcs::canonical(statement).ok_or(EvidenceFault::Number)?;
    let signature = key.sign_statement(&payload).ok_or(EvidenceFault::Key)?;
    Ok(json!({
        "payloadType": DSSE_PAYLOAD,
        "payload": STANDARD.encode(&payload),
        "signatures": [{ "keyid": format!("{:08x}", key.public().id()), "sig": STANDARD.encode(signature) }],
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn a_way_out_past_the_gateway_is_said_to_be_one() {
        let plan = "sha256:00";
        let open = "danger_host_network: uses the machine's network; kernel tier";
        let ran = |reason: &str| json!([{ "control": "ISO-01", "state": "degraded", "reason": reason }]);
        for (sandbox, controls, expected) in [
            (json!(plan), ran("kernel tier"), "allowlist"),
            (json!(plan), ran(open), "unsafe_bypass_egress"),
            (json!(plan), json!([]), "unsafe_bypass_egress"),
            (Value::Null, ran("danger_no_sandbox: runs without a sandbox"), "unsafe_bypass_egress"),
        ] {
            let record = json!({ "v": 1, "type": "decision", "controls": controls, "context": { "sandbox": sandbox } });
            let decision = crate::LoggedRecord::parse(record.to_string().as_bytes()).unwrap();
            let posture = Evidence { decision: &decision, outcome: None, stated: None }.posture();
            assert_eq!((&posture["observed"], &posture["agreement"]), (&json!(expected), &json!("agree")));
        }
    }

    #[test]
    fn the_tree_with_nothing_in_it_has_its_name() {
        let name: String = Sha256::digest(b"tree 0\0").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(name, EMPTY_TREE);
    }
}
