//! Whom to trust: the authorities and logs of a Sigstore instance, and the keys of a registry.

use bytes::Bytes;
use portcullis_core::wire::json::{Limits, walk};
use serde::Deserialize;
use sigstore_verify::{
    Verifier,
    trust_root::{SIGSTORE_GITHUB_TRUSTED_ROOT, SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot},
    types::{Bundle, DerPublicKey, TimeRange},
};

use super::{Fault, Reason};

/// The public keys of the npm registry, as its TUF repository publishes them.
const NPM_KEYS: &str = include_str!("npm-keys.json");

/// Bounds of files that say whom to trust.
const LIMITS: Limits =
    Limits { max_bytes: 1 << 20, max_depth: 16, max_string: 64 << 10, max_members: 1_000, max_nodes: 20_000 };

/// The authorities, logs and registry keys that are trusted.
pub struct TrustRoot {
    pub(super) verifier: Verifier,
    pub(super) keys: Vec<RegistryKey>,
    /// Ids of the transparency logs. An instance that has none has no entries to show, and none are demanded.
    logs: Vec<Vec<u8>>,
    /// Whether certificates must be in a certificate log.
    pub(super) certificates_logged: bool,
}

impl TrustRoot {
    /// The public Sigstore instance and the npm registry, as embedded in this version.
    pub fn sigstore() -> Result<Self, Fault> {
        Self::new(SIGSTORE_PRODUCTION_TRUSTED_ROOT)
    }

    /// GitHub's instance, which signs for private repositories: without a transparency log, with signed times.
    pub fn github() -> Result<Self, Fault> {
        Self::new(SIGSTORE_GITHUB_TRUSTED_ROOT)
    }

    /// An instance's `trusted_root.json`.
    pub fn from_json(json: &[u8]) -> Result<Self, Fault> {
        Self::new(text(json)?)
    }

    fn new(json: &str) -> Result<Self, Fault> {
        let root = TrustedRoot::from_json(json).map_err(|error| unusable(&error))?;
        if root.certificate_authorities.is_empty() {
            return Err(Fault::new(Reason::TrustRootInvalid, "it names no certificate authority"));
        }
        Ok(Self {
            verifier: Verifier::new(&root).map_err(|error| unusable(&error))?,
            keys: keys(NPM_KEYS)?,
            logs: root.tlogs.iter().map(|log| log.log_id.key_id.as_bytes().to_vec()).collect(),
            certificates_logged: !root.ctlogs.is_empty(),
        })
    }

    /// Whether entries in a transparency log are demanded.
    pub(super) fn demands_log(&self) -> bool {
        !self.logs.is_empty()
    }

    /// Whether each promise in a bundle is of a log that is trusted.
    pub(super) fn knows_logs(&self, bundle: &Bundle) -> Result<(), Fault> {
        let promised =
            bundle.verification_material.tlog_entries.iter().filter(|it| it.inclusion_promise.is_some());
        let mut ids = promised.map(|entry| &entry.log_id.key_id);
        match ids.find(|id| !self.logs.iter().any(|log| log == id.as_bytes())) {
            Some(id) => Err(Fault::new(Reason::LogUnknown, format!("`{id}`"))),
            None => Ok(()),
        }
    }

    /// Trusts the keys of this file in the place of npm's: `{"keys":[…]}` as npm's TUF repository writes them.
    pub fn with_registry_keys(self, json: &[u8]) -> Result<Self, Fault> {
        Ok(Self { keys: keys(text(json)?)?, ..self })
    }
}

/// A key with which a registry signs attestations.
#[derive(Clone, Debug)]
pub(super) struct RegistryKey {
    pub(super) id: String,
    pub(super) key: DerPublicKey,
    pub(super) valid_for: TimeRange,
}

#[derive(Deserialize)]
struct KeyFile {
    keys: Vec<KeyEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyEntry {
    key_id: String,
    key_usage: String,
    public_key: KeyBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyBody {
    raw_bytes: DerPublicKey,
    valid_for: TimeRange,
}

/// Usage of a key that signs attestations; the other usage is for the packages themselves.
const ATTESTATIONS: &str = "npm:attestations";

fn keys(json: &str) -> Result<Vec<RegistryKey>, Fault> {
    let file: KeyFile = serde_json::from_str(json).map_err(|error| unusable(&error))?;
    let of_use = file.keys.into_iter().filter(|key| key.key_usage == ATTESTATIONS);
    let body = |entry: KeyEntry| RegistryKey {
        id: entry.key_id,
        key: entry.public_key.raw_bytes,
        valid_for: entry.public_key.valid_for,
    };
    Ok(of_use.map(body).collect())
}

/// The text of a file that passes the strict walk.
fn text(json: &[u8]) -> Result<&str, Fault> {
    walk(&Bytes::copy_from_slice(json), &LIMITS, &mut ()).map_err(|error| unusable(&error))?;
    std::str::from_utf8(json).map_err(|error| unusable(&error))
}

fn unusable(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(Reason::TrustRootInvalid, error.to_string())
}

#[cfg(test)]
mod tests {
    use portcullis_core::Digest;

    use super::*;

    #[test]
    fn what_is_trusted_changes_in_a_review_and_not_with_a_library() {
        for (name, text, digest) in [
            (
                "sigstore",
                SIGSTORE_PRODUCTION_TRUSTED_ROOT,
                "sha256:6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66",
            ),
            (
                "github",
                SIGSTORE_GITHUB_TRUSTED_ROOT,
                "sha256:484cdfe1a7c65479c5ba2a22193d1be90f0020db1997de696ab207434c62fbb7",
            ),
        ] {
            assert_eq!(Digest::of(text.as_bytes()).to_string(), digest, "{name}");
        }
    }

    #[test]
    fn a_root_that_cannot_be_used_is_refused() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"mediaType":"x","mediaType":"y"}"#,
            r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#,
        ] {
            let fault = TrustRoot::from_json(bad.as_bytes()).err().map(|fault| fault.reason);
            assert_eq!(fault, Some(Reason::TrustRootInvalid), "{bad}");
        }
    }
}
