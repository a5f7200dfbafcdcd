//! Whether an artefact is what somebody vouched for (control SC-01), without asking anybody.
//!
//! Signatures, certificates, log entries and times are checked by the library of the Sigstore project; what is
//! read, what is expected and what is refused with which reason is decided here.

mod digests;
mod evidence;
mod expect;
mod fault;
pub mod mcpb;
mod root;
mod statement;

use serde::Serialize;
use sigstore_verify::{
    PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult,
    types::{ArtifactDigest, DigestBytes, HashAlgorithm},
};

pub(crate) use digests::unhex;
pub use digests::{Digests, Pin, PinFault};
pub use evidence::{Attestation, Form, MAX_EVIDENCE, read};
pub use expect::{Expectations, Pattern, PatternFault};
pub use fault::{Fault, Reason};
pub use root::TrustRoot;
pub use statement::Origin;
use statement::Statement;

/// What was found out about an artefact.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The artefact.
    pub artifact: Digests,
    /// Each attestation, in the order in which it was given.
    pub attestations: Vec<Judged>,
    /// Why it is refused, unless it is what is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Fault>,
}

/// One attestation.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// How it was written.
    pub form: Form,
    /// What it says, when it is genuine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// Why it is refused, unless it is genuine and says what is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Fault>,
}

/// What a genuine attestation says.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Who signed.
    pub signer: Signer,
    /// What kind of statement it is; none when the artefact itself is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// Names that it gives to the artefact.
    pub subjects: Vec<String>,
    /// Where the artefact comes from.
    pub origin: Origin,
    /// When it was signed, as far as somebody trusted says so; the earliest first (RFC 3339).
    pub signed_at: Vec<String>,
    /// Whether it is in a transparency log.
    pub logged: bool,
    /// Whether the signer's certificate is in a certificate log; false when there is none.
    pub certificate_logged: bool,
    /// That part of the origin which the certificate's authority vouches for.
    #[serde(skip)]
    certified: Origin,
    /// Names of the builder that the certificate vouches for.
    #[serde(skip)]
    builders: Vec<String>,
    #[serde(skip)]
    is_provenance: bool,
    #[serde(skip)]
    names_file: bool,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signer {
    /// Somebody whom an authority gave a certificate.
    Certificate {
        /// Who it is: a workflow's URL, an address.
        identity: Option<String>,
        /// Who says so.
        issuer: Option<String>,
    },
    /// A registry.
    Registry {
        /// Its key.
        key: String,
    },
}

/// Judges an artefact by its attestations. Every attestation has to be genuine, about this artefact, and from whom
/// it is expected; one that is not refuses the whole.
pub fn verify(
    artifact: Digests,
    attestations: &[Attestation],
    root: &TrustRoot,
    expected: &Expectations,
) -> Report {
    let judged: Vec<Judged> =
        attestations.iter().map(|attestation| judge(attestation, &artifact, root, expected)).collect();
    let refused = overall(&artifact, &judged, expected).err();
    Report { artifact, attestations: judged, refused }
}

fn overall(artifact: &Digests, judged: &[Judged], expected: &Expectations) -> Result<(), Fault> {
    if let Some(pin) = expected.pins.iter().find(|pin| !pin.holds(artifact)) {
        return Err(Fault::new(Reason::DigestMismatch, format!("`{pin}` is pinned")));
    }
    if let Some(fault) = judged.iter().find_map(|judged| judged.refused.clone()) {
        return Err(fault);
    }
    let verified: Vec<&Verified> = judged.iter().filter_map(|judged| judged.verified.as_ref()).collect();
    expected.suffice(&verified)
}

fn judge(attestation: &Attestation, artifact: &Digests, root: &TrustRoot, expected: &Expectations) -> Judged {
    let form = attestation.form;
    match genuine(attestation, artifact, root) {
        Ok(verified) => {
            let refused = expected.judge(&verified).err();
            Judged { form, verified: Some(verified), refused }
        }
        Err(fault) => Judged { form, verified: None, refused: Some(fault) },
    }
}

/// Checks everything that does not depend on what is expected.
fn genuine(attestation: &Attestation, artifact: &Digests, root: &TrustRoot) -> Result<Verified, Fault> {
    // Read before it is verified, so that a statement the library would read otherwise is refused.
    let statement = attestation.statement().map(|payload| Statement::read(payload, artifact)).transpose()?;
    let digest = digest_for(statement.as_ref(), artifact)?;
    let (signer, result) = match attestation.key_hint() {
        Some(hint) => by_key(attestation, hint, digest, root)?,
        None => by_certificate(attestation, digest, root)?,
    };
    if statement.as_ref().is_some_and(|statement| statement.names.is_empty()) {
        return Err(Fault::new(Reason::ArtifactMismatch, "no subject of the statement has its digest"));
    }
    let mut times = result.verified_timestamps().to_vec();
    times.sort();
    let stated = statement.as_ref().map(|it| it.origin.clone()).unwrap_or_default();
    let certified = result.certificate().map(statement::certified).unwrap_or_default();
    Ok(Verified {
        signer,
        origin: stated.agree(certified.clone())?,
        certified,
        signed_at: times.iter().map(ToString::to_string).collect(),
        logged: result.tlog_verified(),
        certificate_logged: result.sct_verified(),
        builders: result.certificate().map(statement::builders).unwrap_or_default(),
        is_provenance: statement.as_ref().is_some_and(Statement::is_provenance),
        names_file: statement.as_ref().is_some_and(Statement::names_file),
        predicate_type: statement.as_ref().map(|it| it.predicate_type.clone()),
        subjects: statement.map(|it| it.names).unwrap_or_default(),
    })
}

/// The artefact's digest in the algorithm that the attestation uses.
fn digest_for(statement: Option<&Statement>, artifact: &Digests) -> Result<ArtifactDigest, Fault> {
    let (algorithm, hex) = if statement.is_some_and(|it| it.by_sha512) {
        (HashAlgorithm::Sha2512, &artifact.sha512)
    } else {
        (HashAlgorithm::Sha2256, &artifact.sha256)
    };
    let bytes = digests::unhex(hex).unwrap_or_default();
    ArtifactDigest::new(algorithm, DigestBytes::new(bytes))
        .map_err(|error| Fault::new(Reason::ArtifactMismatch, error.to_string()))
}

fn by_certificate(
    attestation: &Attestation,
    digest: ArtifactDigest,
    root: &TrustRoot,
) -> Result<(Signer, VerificationResult), Fault> {
    if attestation.bundle.signing_certificate().is_none() {
        return Err(Fault::new(Reason::CertificateMissing, "its chain is empty"));
    }
    root.knows_logs(&attestation.bundle)?;
    let mut policy = VerificationPolicy::any_identity();
    if !root.demands_log() {
        policy = policy.skip_tlog_unsafe();
    }
    if !root.certificates_logged {
        policy = policy.skip_sct();
    }
    let result = root.verifier.verify(digest, &attestation.bundle, &policy)?;
    let identity = result.identity().map(|identity| identity.as_str().to_owned());
    let issuer = result.issuer().map(str::to_owned);
    Ok((Signer::Certificate { identity, issuer }, result))
}

fn by_key(
    attestation: &Attestation,
    hint: &str,
    digest: ArtifactDigest,
    root: &TrustRoot,
) -> Result<(Signer, VerificationResult), Fault> {
    let found = root.keys.iter().find(|key| key.id == hint);
    let key = found.ok_or_else(|| {
        Fault::new(Reason::KeyUnknown, format!("`{}`", hint.chars().take(100).collect::<String>()))
    })?;
    root.knows_logs(&attestation.bundle)?;
    let policy = PublicKeyVerificationPolicy::new(key.key.clone());
    let result = root.verifier.verify(digest, &attestation.bundle, &policy)?;
    let times = result.verified_timestamps();
    if times.is_empty() {
        return Err(Fault::new(Reason::TimestampMissing, "the key's validity cannot be checked"));
    }
    if let Some(time) = times.iter().find(|time| !key.valid_for.contains(**time)) {
        return Err(Fault::new(Reason::KeyExpired, format!("`{}` signed at {time}", key.id)));
    }
    Ok((Signer::Registry { key: key.id.clone() }, result))
}
