//! Attestations as they are published: Sigstore bundles, what registries answer, and PEP 740 files.

use portcullis_core::wire::json::Limits;
use serde::Serialize;
use serde_json::{Value, json};
use sigstore_verify::types::{Bundle, SignatureContent, bundle::VerificationMaterialContent};

use super::{Fault, Reason};

/// Largest file of attestations, in bytes. One attestation is about 10 KiB.
pub const MAX_EVIDENCE: usize = 8 << 20;
/// Most attestations in a file. Registries publish one to three for an artefact.
const MAX_ATTESTATIONS: usize = 64;

/// Bounds of a file of attestations, and of a statement in it.
pub(super) const LIMITS: Limits = Limits {
    max_bytes: MAX_EVIDENCE,
    max_depth: 32,
    max_string: 4 << 20,
    max_members: 10_000,
    max_nodes: 100_000,
};

/// The versions of a bundle that are read, by media type.
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
];
const NEWEST: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// How an attestation was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A Sigstore bundle.
    Bundle,
    /// A Python attestation (PEP 740).
    Pep740,
}

/// One attestation, read and not yet believed.
#[derive(Debug)]
pub struct Attestation {
    pub(super) form: Form,
    pub(super) bundle: Bundle,
}

/// Reads every attestation of a file: a bundle, bundles as JSON lines (`gh attestation download`), the answer of
/// npm's or GitHub's attestation endpoint, a PEP 740 attestation, or the provenance of PyPI's integrity API.
///
/// All of them are read or none: what cannot be read is a reason to refuse, not to look at the rest.
pub fn read(bytes: &[u8]) -> Result<Vec<Attestation>, Fault> {
    let mut found = Vec::new();
    match document(bytes) {
        Ok(document) => collect(document, &mut found)?,
        Err(fault) => {
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|it| !blank(it)).collect();
            if lines.len() < 2 || bytes.len() > MAX_EVIDENCE {
                return Err(fault);
            }
            // The fault of the whole says more than that of a first line that is no document.
            let documents = lines.into_iter().map(|line| document(line).map_err(|_| fault.clone()));
            for document in documents.collect::<Result<Vec<_>, _>>()? {
                collect(document, &mut found)?;
            }
        }
    }
    if found.is_empty() {
        return Err(Fault::new(Reason::AttestationMissing, "there is none in it"));
    }
    Ok(found)
}

fn blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// A document that passes the strict walk: no name twice, no depth or size beyond the bounds.
pub(super) fn document(bytes: &[u8]) -> Result<Value, Fault> {
    crate::document::strict(bytes, &LIMITS).map_err(|what| Fault::new(Reason::BundleMalformed, what))
}

fn collect(mut document: Value, found: &mut Vec<Attestation>) -> Result<(), Fault> {
    if document.get("mediaType").is_some() {
        return push(Form::Bundle, document, found);
    }
    if document.get("envelope").is_some() {
        return push(Form::Pep740, pep740(&mut document)?, found);
    }
    if let Some(entries) = list(&mut document, "attestations") {
        for mut entry in entries {
            push(Form::Bundle, entry.get_mut("bundle").map(Value::take).unwrap_or_default(), found)?;
        }
        return Ok(());
    }
    if let Some(publishers) = list(&mut document, "attestation_bundles") {
        for mut publisher in publishers {
            for mut attestation in list(&mut publisher, "attestations").unwrap_or_default() {
                push(Form::Pep740, pep740(&mut attestation)?, found)?;
            }
        }
        return Ok(());
    }
    Err(Fault::new(Reason::BundleUnsupported, "it is neither a Sigstore bundle nor a list of attestations"))
}

fn list(value: &mut Value, name: &str) -> Option<Vec<Value>> {
    value.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take)
}

fn push(form: Form, bundle: Value, found: &mut Vec<Attestation>) -> Result<(), Fault> {
    if found.len() >= MAX_ATTESTATIONS {
        let detail = format!("it holds more than {MAX_ATTESTATIONS} attestations");
        return Err(Fault::new(Reason::BundleUnsupported, detail));
    }
    let media_type = bundle.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    if !MEDIA_TYPES.contains(&media_type) {
        let detail = format!("its media type is `{}`", media_type.chars().take(100).collect::<String>());
        return Err(Fault::new(Reason::BundleUnsupported, detail));
    }
    let bundle: Bundle = serde_json::from_value(bundle)
        .map_err(|error| Fault::new(Reason::BundleMalformed, error.to_string()))?;
    found.push(Attestation { form, bundle });
    Ok(())
}

/// The bundle that a PEP 740 attestation is in other words: the same parts under other names.
fn pep740(attestation: &mut Value) -> Result<Value, Fault> {
    let version = attestation.get("version").and_then(Value::as_u64);
    if version != Some(1) {
        return Err(Fault::new(Reason::BundleUnsupported, "PEP 740 attestations are of version 1"));
    }
    let mut part = |path: [&str; 2]| {
        let [outer, inner] = path;
        let part = attestation.get_mut(outer).and_then(|outer| outer.get_mut(inner)).map(Value::take);
        part.ok_or_else(|| Fault::new(Reason::BundleMalformed, format!("`{outer}.{inner}` is missing")))
    };
    Ok(json!({
        "mediaType": NEWEST,
        "verificationMaterial": {
            "certificate": { "rawBytes": part(["verification_material", "certificate"])? },
            "tlogEntries": part(["verification_material", "transparency_entries"])?,
        },
        "dsseEnvelope": {
            "payloadType": "application/vnd.in-toto+json",
            "payload": part(["envelope", "statement"])?,
            "signatures": [{ "sig": part(["envelope", "signature"])? }],
        },
    }))
}

impl Attestation {
    /// The statement that is signed, when it is not a signature over the artefact itself.
    pub(super) fn statement(&self) -> Option<&[u8]> {
        match &self.bundle.content {
            SignatureContent::DsseEnvelope(envelope) => Some(envelope.payload.as_bytes()),
            _ => None,
        }
    }

    /// The name of the key that signed, when there is no certificate. It proves nothing.
    pub(super) fn key_hint(&self) -> Option<&str> {
        match &self.bundle.verification_material.content {
            VerificationMaterialContent::PublicKey(key) => Some(&key.hint),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_attestations_is_refused() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        for (text, expected) in [
            ("", Reason::BundleMalformed),
            ("null", Reason::BundleUnsupported),
            ("{}", Reason::BundleUnsupported),
            ("[]", Reason::BundleUnsupported),
            (deep.as_str(), Reason::BundleMalformed),
            (r#"{"mediaType":"a","mediaType":"b"}"#, Reason::BundleMalformed),
            (r#"{"mediaType":"text/plain"}"#, Reason::BundleUnsupported),
            (r#"{"mediaType":7}"#, Reason::BundleUnsupported),
            (r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#, Reason::BundleMalformed),
            (r#"{"attestations":[]}"#, Reason::AttestationMissing),
            (r#"{"attestations":[{}]}"#, Reason::BundleUnsupported),
            (r#"{"attestation_bundles":[{"attestations":[]}]}"#, Reason::AttestationMissing),
            (r#"{"version":2,"envelope":{}}"#, Reason::BundleUnsupported),
            (r#"{"version":1,"envelope":{}}"#, Reason::BundleMalformed),
            ("{}\n{}", Reason::BundleUnsupported),
            ("{}\n{", Reason::BundleMalformed),
        ] {
            assert_eq!(read(text.as_bytes()).err().map(|fault| fault.reason), Some(expected), "{text}");
        }
    }
}
