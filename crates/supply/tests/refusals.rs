//! A genuine package with a genuine attestation, and everything that may be wrong around it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_supply::verify::{Digests, Expectations, Reason, TrustRoot, read, verify};
use proptest::prelude::*;
use serde_json::{Value, json};

const ROOT: &str = "trust/trusted_root.json";
const IDENTITY: &str =
    "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main";
const SOURCE: &str = "https://github.com/sigstore/sigstore-js";

fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

/// A package, its attestation, the trust root, and what is expected.
struct Case {
    artifact: Vec<u8>,
    bundle: Value,
    root: Value,
    keys: Option<Value>,
    expected: Expectations,
}

impl Case {
    /// sigstore 5.0.0 with provenance in a bundle v0.3.
    fn npm() -> Self {
        Self::of("npm/sigstore-5.0.0.tgz", "npm/npm_slsa_bundle_v03.json")
    }

    fn of(artifact: &str, bundle: &str) -> Self {
        let expected = Expectations {
            source: Some(SOURCE.to_owned()),
            builder: "https://github.com/actions/runner/github-hosted".parse().ok(),
            ..Expectations::default()
        };
        Self { artifact: bytes(artifact), bundle: json_of(bundle), root: json_of(ROOT), keys: None, expected }
    }

    /// sigstore 1.3.0 as the registry's key signed it.
    fn published() -> Self {
        let case = Self::of("npm/sigstore-1.3.0.tgz", "npm/npm-sigstore-1.3.0-publish.json");
        let expected = Expectations { registry_suffices: true, ..Expectations::default() };
        Self { expected, ..case }
    }

    /// pypi_attestations 0.0.19 with its PEP 740 attestation.
    fn pypi() -> Self {
        let case = Self::of(
            "pypi/pypi_attestations-0.0.19.tar.gz",
            "pypi/pypi_attestations-0.0.19.tar.gz.publish.attestation",
        );
        let source = Some("https://github.com/trailofbits/pypi-attestations".to_owned());
        let file_name = Some("pypi_attestations-0.0.19.tar.gz".to_owned());
        Self { expected: Expectations { source, file_name, ..Expectations::default() }, ..case }
    }

    fn run(&self) -> Result<(), Reason> {
        let root = TrustRoot::from_json(self.root.to_string().as_bytes()).map_err(|fault| fault.reason)?;
        let root = match &self.keys {
            Some(keys) => root.with_registry_keys(keys.to_string().as_bytes()).map_err(|it| it.reason)?,
            None => root,
        };
        let attestations = read(self.bundle.to_string().as_bytes()).map_err(|fault| fault.reason)?;
        let digests = Digests::of(self.artifact.as_slice()).unwrap();
        verify(digests, &attestations, &root, &self.expected)
            .refused
            .map_or(Ok(()), |fault| Err(fault.reason))
    }
}

fn edit(mut case: Case, change: impl FnOnce(&mut Case)) -> Result<(), Reason> {
    change(&mut case);
    case.run()
}

/// The attestation with one bit of a base64 text turned.
fn turn(value: &mut Value, pointer: &str) {
    let place = value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}"));
    let mut raw = STANDARD.decode(place.as_str().unwrap()).unwrap();
    let middle = raw.len() / 2;
    raw[middle] ^= 1;
    *place = STANDARD.encode(raw).into();
}

#[test]
fn what_is_as_expected_is_accepted() {
    for case in [Case::npm(), Case::published(), Case::pypi()] {
        assert_eq!(case.run(), Ok(()));
    }
    let all = |case: &mut Case| {
        case.expected.identity = IDENTITY.parse().ok();
        case.expected.issuer = Some("https://token.actions.githubusercontent.com".into());
        case.expected.git_ref = "refs/heads/*".parse().ok();
        case.expected.subject = Some("pkg:npm/sigstore@5.0.0".into());
        let digests = Digests::of(case.artifact.as_slice()).unwrap();
        case.expected.pins.push(format!("sha512:{}", digests.sha512).parse().unwrap());
    };
    assert_eq!(edit(Case::npm(), all), Ok(()));
}

#[test]
fn another_artefact_is_refused() {
    let cut = |case: &mut Case| {
        case.artifact.pop();
    };
    assert_eq!(edit(Case::npm(), cut), Err(Reason::ArtifactMismatch));
    assert_eq!(edit(Case::published(), cut), Err(Reason::ArtifactMismatch));
    assert_eq!(edit(Case::pypi(), cut), Err(Reason::ArtifactMismatch));
    let other = |case: &mut Case| case.artifact = bytes("npm/sigstore-2.0.0.tgz");
    assert_eq!(edit(Case::npm(), other), Err(Reason::ArtifactMismatch));
    let pinned = |case: &mut Case| {
        let zeros = "00".repeat(32);
        case.expected.pins.push(format!("sha256:{zeros}").parse().unwrap());
    };
    assert_eq!(edit(Case::npm(), pinned), Err(Reason::DigestMismatch));
}

#[test]
fn another_signer_or_origin_is_refused() {
    let check = |change: fn(&mut Expectations), reason: Reason| {
        assert_eq!(edit(Case::npm(), |case| change(&mut case.expected)), Err(reason));
    };
    check(|it| it.identity = IDENTITY.replace("release", "other").parse().ok(), Reason::IdentityMismatch);
    check(
        |it| it.identity = "https://github.com/sigstore/*".replace("sigstore", "evil").parse().ok(),
        Reason::IdentityMismatch,
    );
    check(|it| it.issuer = Some("https://gitlab.com".into()), Reason::IssuerMismatch);
    check(|it| it.source = Some(format!("{SOURCE}2")), Reason::SourceMismatch);
    check(|it| it.git_ref = "refs/tags/*".parse().ok(), Reason::RefMismatch);
    check(
        |it| it.builder = "https://github.com/actions/runner/self-hosted".parse().ok(),
        Reason::BuilderMismatch,
    );
    check(|it| it.subject = Some("pkg:npm/sigstore@4.0.0".into()), Reason::SubjectMismatch);
    check(|it| *it = Expectations::default(), Reason::SignerUnauthorised);
    check(
        |it| *it = Expectations { registry_suffices: true, ..Expectations::default() },
        Reason::SignerUnauthorised,
    );
    let renamed = |case: &mut Case| case.expected.file_name = Some("pypi_attestations-0.0.20.tar.gz".into());
    assert_eq!(edit(Case::pypi(), renamed), Err(Reason::SubjectMismatch));
    let builder = |case: &mut Case| case.expected.builder = "https://github.com/actions/*".parse().ok();
    assert_eq!(edit(Case::pypi(), builder), Err(Reason::ProvenanceMissing));
    let registry = |case: &mut Case| case.expected.registry_suffices = false;
    assert_eq!(edit(Case::published(), registry), Err(Reason::SignerUnauthorised));
}

#[test]
fn a_registrys_word_is_no_builders() {
    let check = |change: fn(&mut Expectations)| {
        let published = edit(Case::published(), |case| change(&mut case.expected));
        assert_eq!(published, Err(Reason::SignerUnauthorised));
    };
    check(|it| it.source = Some(SOURCE.into()));
    check(|it| it.identity = IDENTITY.parse().ok());
    check(|it| it.issuer = Some("https://token.actions.githubusercontent.com".into()));
    check(|it| it.git_ref = "refs/heads/main".parse().ok());
    check(|it| it.builder = "https://github.com/actions/runner".parse().ok());
    // Both together: the registry's word, and the builder's as expected.
    let both = |change: fn(&mut Expectations)| {
        edit(Case::published(), |case| {
            let other = json_of("npm/npm-sigstore-1.3.0-provenance.json");
            case.bundle = json!({ "attestations": [{ "bundle": case.bundle }, { "bundle": other }] });
            change(&mut case.expected);
        })
    };
    assert_eq!(both(|it| it.source = Some(SOURCE.into())), Ok(()));
    assert_eq!(both(|it| it.source = Some("https://github.com/a/b".into())), Err(Reason::SourceMismatch));
    // Nobody said whose signature is expected: that it stands beside the registry's changes nothing.
    assert_eq!(both(|_| ()), Err(Reason::SignerUnauthorised));
}

#[test]
fn a_builder_counts_when_the_certificate_names_it() {
    let old = Case::of("npm/sigstore-1.3.0.tgz", "npm/npm-sigstore-1.3.0-provenance.json");
    let stated = |case: &mut Case| case.expected.builder = "https://github.com/actions/runner".parse().ok();
    assert_eq!(edit(old, stated), Err(Reason::BuilderMismatch));
    let pypi = Case::of(
        "pypi/pypi_attestations-0.0.19.tar.gz",
        "pypi/pypi_attestations-0.0.19.tar.gz.slsa.attestation",
    );
    let workflow = |case: &mut Case| {
        case.expected.source = Some("https://github.com/trailofbits/pypi-attestations".into());
        let builder = "https://github.com/trailofbits/pypi-attestations/.github/workflows/release.yml@*";
        case.expected.builder = Some(builder.parse().unwrap());
    };
    assert_eq!(edit(pypi, workflow), Ok(()));
}

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";

#[test]
fn what_was_taken_out_is_missed() {
    let none = |case: &mut Case| case.bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    assert_eq!(edit(Case::npm(), none), Err(Reason::LogEntryMissing));
    assert_eq!(edit(Case::published(), none), Err(Reason::LogEntryMissing));
    for (part, reason) in [
        ("inclusionProof", Reason::LogEntryMissing),
        // Without the promise nothing signed says when it was signed.
        ("inclusionPromise", Reason::TimestampMissing),
    ] {
        let strip = |case: &mut Case| {
            case.bundle.pointer_mut(ENTRY).unwrap().as_object_mut().unwrap().remove(part);
        };
        assert_eq!(edit(Case::npm(), strip), Err(reason), "{part}");
    }
    let pypi = |case: &mut Case| case.bundle["verification_material"]["transparency_entries"] = json!([]);
    assert_eq!(edit(Case::pypi(), pypi), Err(Reason::LogEntryMissing));
    let empty = |case: &mut Case| case.bundle = json!({ "attestations": [] });
    assert_eq!(edit(Case::npm(), empty), Err(Reason::AttestationMissing));
}

#[test]
fn what_was_changed_is_noticed() {
    for (place, reason) in [
        ("/dsseEnvelope/signatures/0/sig".to_owned(), Reason::SignatureInvalid),
        (format!("{ENTRY}/inclusionPromise/signedEntryTimestamp"), Reason::InclusionPromiseInvalid),
        (format!("{ENTRY}/inclusionProof/hashes/0"), Reason::InclusionProofInvalid),
        (format!("{ENTRY}/logId/keyId"), Reason::LogUnknown),
    ] {
        assert_eq!(edit(Case::npm(), |case| turn(&mut case.bundle, &place)), Err(reason), "{place}");
    }
    let later =
        |case: &mut Case| case.bundle.pointer_mut(ENTRY).unwrap()["integratedTime"] = "1780348000".into();
    assert_eq!(edit(Case::npm(), later), Err(Reason::InclusionPromiseInvalid));
    let entry_of_another = |case: &mut Case| {
        let other = json_of("npm/sigstore.js@2.0.0-provenance.sigstore.json");
        *case.bundle.pointer_mut(ENTRY).unwrap() = other.pointer(ENTRY).unwrap().clone();
    };
    assert!(edit(Case::npm(), entry_of_another).is_err());
    let certificate_of_another = |case: &mut Case| {
        let other = json_of("sigstore/bundle_v03.json");
        case.bundle["verificationMaterial"]["certificate"] =
            other["verificationMaterial"]["certificate"].clone();
    };
    assert!(edit(Case::npm(), certificate_of_another).is_err());
    let checkpoint = |case: &mut Case| {
        let place = case.bundle.pointer_mut(&format!("{ENTRY}/inclusionProof/checkpoint/envelope")).unwrap();
        *place = place.as_str().unwrap().replace("rekor.sigstore.dev", "rekor.sigstore.net").into();
    };
    assert_eq!(edit(Case::npm(), checkpoint), Err(Reason::CheckpointInvalid));
}

#[test]
fn a_genuine_attestation_does_not_carry_one_that_is_not() {
    let both = |case: &mut Case| {
        let other = json_of("npm/sigstore.js@2.0.0-provenance.sigstore.json");
        case.bundle = json!({ "attestations": [{ "bundle": case.bundle }, { "bundle": other }] });
    };
    assert_eq!(edit(Case::npm(), both), Err(Reason::ArtifactMismatch));
}

#[test]
fn an_expired_or_foreign_root_is_refused() {
    let expired = |case: &mut Case| {
        for authority in case.root["certificateAuthorities"].as_array_mut().unwrap() {
            authority["validFor"]["end"] = "2024-01-01T00:00:00Z".into();
        }
    };
    assert_eq!(edit(Case::npm(), expired), Err(Reason::AuthorityExpired));
    let log = |case: &mut Case| {
        case.root["tlogs"][0]["publicKey"]["validFor"]["end"] = "2024-01-01T00:00:00Z".into();
    };
    assert_eq!(edit(Case::npm(), log), Err(Reason::InclusionPromiseInvalid));
    let staging = json_of("trust/trusted_root_staging.json");
    let authorities =
        |case: &mut Case| case.root["certificateAuthorities"] = staging["certificateAuthorities"].clone();
    assert_eq!(edit(Case::npm(), authorities), Err(Reason::CertificateUntrusted));
    let certificates = |case: &mut Case| case.root["ctlogs"] = staging["ctlogs"].clone();
    assert_eq!(edit(Case::npm(), certificates), Err(Reason::CertificateNotLogged));
}

#[test]
fn a_key_counts_while_it_is_valid_and_when_it_is_known() {
    let keys: Value = serde_json::from_str(include_str!("../src/verify/npm-keys.json")).unwrap();
    let with = |change: fn(&mut Value)| {
        edit(Case::published(), |case| {
            let mut keys = keys.clone();
            for key in keys["keys"].as_array_mut().unwrap() {
                change(key);
            }
            case.keys = Some(keys);
        })
    };
    assert_eq!(with(|_| ()), Ok(()));
    let ended = |key: &mut Value| key["publicKey"]["validFor"]["end"] = "2023-01-01T00:00:00Z".into();
    assert_eq!(with(ended), Err(Reason::KeyExpired));
    assert_eq!(with(|key| key["keyId"] = "another".into()), Err(Reason::KeyUnknown));
    assert_eq!(with(|key| key["keyUsage"] = "npm:signatures".into()), Err(Reason::KeyUnknown));
}

#[test]
fn a_statement_that_says_two_things_is_refused() {
    let twice = |case: &mut Case| {
        let place = case.bundle.pointer_mut("/dsseEnvelope/payload").unwrap();
        let payload = String::from_utf8(STANDARD.decode(place.as_str().unwrap()).unwrap()).unwrap();
        let forged = payload.replacen('{', r#"{"subject":[],"#, 1);
        *place = STANDARD.encode(forged).into();
    };
    assert_eq!(edit(Case::npm(), twice), Err(Reason::BundleMalformed));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// No bytes make the reader fail otherwise than with a fault.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = read(&bytes);
    }

    /// One byte changed anywhere: refused, or it changed nothing that counts.
    #[test]
    fn a_changed_byte_never_changes_what_is_vouched_for(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let root = TrustRoot::sigstore().unwrap();
        let artifact = Digests::of(bytes("npm/sigstore-5.0.0.tgz").as_slice()).unwrap();
        let genuine = bytes("npm/npm_slsa_bundle_v03.json");
        let expected = Case::npm().expected;
        let facts = |bundle: &[u8]| {
            let report = verify(artifact.clone(), &read(bundle).ok()?, &root, &expected);
            report.refused.is_none().then(|| serde_json::to_string(&report).unwrap())
        };
        let mut changed = genuine.clone();
        let at = at.index(changed.len());
        changed[at] = byte;
        if let Some(found) = facts(&changed) {
            prop_assert_eq!(Some(found), facts(&genuine));
        }
    }
}
