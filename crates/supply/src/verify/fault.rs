//! Why something is not admitted: one table.

use std::fmt;

use serde::{Serialize, Serializer};
use sigstore_verify::{CertificateError, Error, TimestampError, TransparencyLogError, bundle};

macro_rules! reasons {
    ($($variant:ident $id:literal $meaning:literal, $remedy:expr;)+) => {
        /// Why an artefact or what vouches for it was refused. The set is closed; each has a word of its own, what
        /// it means and what can be done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)+
        }

        impl Reason {
            /// Every reason, in order of the table.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),+];

            /// The word for programs, for example `artifact-mismatch`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $id,)+ }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Reason::$variant => $meaning,)+ }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Reason::$variant => $remedy,)+ }
            }
        }
    };
}

const FETCH_AGAIN: &str =
    "fetch the attestation again from where the package was published; do not use this one";

reasons! {
    ArtifactMismatch "artifact-mismatch" "the attestation is about another artefact",
        "fetch the artefact again, and compare its name and version";
    DigestMismatch "digest-mismatch" "the artefact has not the digest that is pinned",
        "fetch the version that was pinned, or review the new one";
    SubjectMismatch "subject-mismatch" "the attestation names another package or file",
        "compare the name and version with what is expected";
    SignerUnauthorised "signer-unauthorised" "nobody who is expected has signed",
        "name who is expected to sign with `--identity` or `--source`";
    IdentityMismatch "identity-mismatch" "somebody else has signed",
        "compare the identity with what the publisher documents";
    IssuerMismatch "issuer-mismatch" "the signer's identity comes from another issuer",
        "compare the issuer with what the publisher documents";
    BuilderMismatch "builder-mismatch" "it was built by another builder",
        "compare the builder with what the publisher documents";
    SourceMismatch "source-mismatch" "it was built from another source repository",
        "compare the repository with what the publisher documents";
    RefMismatch "ref-mismatch" "it was built from another branch or tag",
        "compare the ref with what the publisher documents";
    ProvenanceMissing "provenance-missing" "no attestation says how it was built",
        "ask the publisher for SLSA provenance, or expect less";
    ClaimsDisagree "claims-disagree" "certificate and statement contradict each other on the source",
        FETCH_AGAIN;
    AttestationMissing "attestation-missing" "the file holds no attestation",
        "name the file with the attestation of this artefact";
    BundleMalformed "bundle-malformed" "the attestation cannot be read",
        FETCH_AGAIN;
    BundleUnsupported "bundle-unsupported" "the attestation is of a kind that is not known",
        "publish it as a Sigstore bundle v0.1 to v0.3 or as a PEP 740 attestation";
    SignatureInvalid "signature-invalid" "the signature is wrong",
        FETCH_AGAIN;
    CertificateMissing "certificate-missing" "the attestation holds no signing certificate",
        FETCH_AGAIN;
    CertificateMalformed "certificate-malformed" "the signing certificate cannot be read",
        FETCH_AGAIN;
    CertificateUntrusted "certificate-untrusted" "the signing certificate leads to no trusted authority",
        "check which Sigstore instance signed, and name its root with `--trust-root`";
    AuthorityExpired "authority-expired" "no authority of the trust root was valid when it was signed",
        "check that the trust root is current and that it is the right one";
    CertificateExpired "certificate-expired" "the certificate was not valid when it was used",
        FETCH_AGAIN;
    CertificateNotLogged "certificate-not-logged" "no trusted log vouches for the certificate",
        "check which Sigstore instance signed, and name its root with `--trust-root`";
    LogEntryMissing "log-entry-missing" "no transparency log entry is there",
        "fetch the attestation again: its log entry was left out or taken out";
    LogUnknown "log-unknown" "the log is not one of the trust root",
        "check which Sigstore instance signed, and name its root with `--trust-root`";
    LogEntryMalformed "log-entry-malformed" "the log entry cannot be read",
        FETCH_AGAIN;
    LogEntryMismatch "log-entry-mismatch" "the log entry is about something else",
        FETCH_AGAIN;
    InclusionProofInvalid "inclusion-proof-invalid" "the proof that the log holds the entry is wrong",
        FETCH_AGAIN;
    CheckpointInvalid "checkpoint-invalid" "the log's signed checkpoint is missing or wrong",
        FETCH_AGAIN;
    InclusionPromiseInvalid "inclusion-promise-invalid" "the log's signed promise is missing or wrong",
        FETCH_AGAIN;
    TimeInvalid "time-invalid" "the time of signing is impossible",
        FETCH_AGAIN;
    TimestampInvalid "timestamp-invalid" "the signed timestamp is wrong",
        FETCH_AGAIN;
    TimestampMissing "timestamp-missing" "nothing trusted says when it was signed",
        FETCH_AGAIN;
    KeyUnknown "key-unknown" "it is signed with a key that is not known",
        "name the registry's keys with `--registry-keys`";
    KeyExpired "key-expired" "it is signed with a key that was not valid then",
        "name the registry's keys with `--registry-keys`";
    TrustRootInvalid "trust-root-invalid" "the trust root cannot be used",
        "fetch the trust root again from its publisher";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {detail}", reason.meaning())]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// What was found, and what was expected.
    pub detail: String,
}

impl Fault {
    /// A refusal with what was found.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// A refusal because `found` is not what was `expected`.
    pub(super) fn differs(reason: Reason, found: Option<&str>, expected: impl fmt::Display) -> Self {
        let found = found.map_or_else(|| "none".to_owned(), |found| format!("`{found}`"));
        Self::new(reason, format!("found {found}, expected `{expected}`"))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::IdentityMismatch { .. } => Reason::IdentityMismatch,
            Error::IssuerMismatch { .. } => Reason::IssuerMismatch,
            Error::SignatureInvalid(_) | Error::Crypto(_) => Reason::SignatureInvalid,
            Error::ArtifactMismatch(_) => Reason::ArtifactMismatch,
            Error::Certificate(error) => of_certificate(error),
            Error::TransparencyLog(error) => of_log(error),
            Error::Timestamp(error) => of_time(error),
            Error::InvalidBundle(_) | Error::Types(_) => Reason::BundleMalformed,
            Error::Bundle(error) => of_shape(error),
            Error::InvalidTrustRoot(_) | Error::TrustRoot(_) | Error::TrustedCertificate(_) => {
                Reason::TrustRootInvalid
            }
            // Kinds of a later version of the library are refused as well.
            _ => Reason::BundleUnsupported,
        };
        Self::new(reason, error.to_string())
    }
}

fn of_certificate(error: &CertificateError) -> Reason {
    match error {
        CertificateError::Malformed(_) => Reason::CertificateMalformed,
        CertificateError::NoValidAuthority { .. } => Reason::AuthorityExpired,
        CertificateError::NotYetValid { .. } | CertificateError::Expired { .. } => Reason::CertificateExpired,
        CertificateError::Sct(_) => Reason::CertificateNotLogged,
        _ => Reason::CertificateUntrusted,
    }
}

fn of_log(error: &TransparencyLogError) -> Reason {
    match error {
        TransparencyLogError::UnknownLog { .. } => Reason::LogUnknown,
        TransparencyLogError::InclusionProof(_) => Reason::InclusionProofInvalid,
        TransparencyLogError::Checkpoint(_) => Reason::CheckpointInvalid,
        TransparencyLogError::InclusionPromise(_) => Reason::InclusionPromiseInvalid,
        TransparencyLogError::EntryMismatch(_) => Reason::LogEntryMismatch,
        TransparencyLogError::IntegratedTime(_) => Reason::TimeInvalid,
        _ => Reason::LogEntryMalformed,
    }
}

fn of_time(error: &TimestampError) -> Reason {
    match error {
        TimestampError::NoVerifiedTimestamp(_) => Reason::TimestampMissing,
        _ => Reason::TimestampInvalid,
    }
}

fn of_shape(error: &bundle::Error) -> Reason {
    match error {
        bundle::Error::MissingInclusionPromise(_)
        | bundle::Error::MissingInclusionProof(_)
        | bundle::Error::MissingSigningTimeEvidence => Reason::LogEntryMissing,
        bundle::Error::MissingTimestamp => Reason::TimestampMissing,
        bundle::Error::MissingCheckpoint => Reason::CheckpointInvalid,
        bundle::Error::LogIndexOutOfRange { .. } | bundle::Error::CheckpointRootMismatch => {
            Reason::InclusionProofInvalid
        }
        _ => Reason::BundleUnsupported,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
    }
}
