//! Attestations: whatever is read is judged, and nothing is accepted for an artefact that nobody signed.

use std::sync::LazyLock;

use portcullis_supply::verify::{Digests, Expectations, TrustRoot, read, verify};

static ROOT: LazyLock<TrustRoot> = LazyLock::new(|| TrustRoot::sigstore().expect("it is embedded"));

pub fn check(data: &[u8]) {
    let Ok(attestations) = read(data) else { return };
    // An artefact that was never there: no genuine attestation is about it.
    let digests = Digests::of(&b"nobody signed this"[..]).expect("it is in memory");
    let expected = Expectations { danger_any_signer: true, ..Expectations::default() };
    let report = verify(digests, &attestations, &ROOT, &expected);
    assert_eq!(report.attestations.len(), attestations.len());
    assert!(report.refused.is_some());
}
