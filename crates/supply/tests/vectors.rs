//! Published attestations, valid and broken: each accepted with its identity, or refused with its own reason.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_supply::verify::{Digests, Expectations, Reason, Report, Signer, TrustRoot, read, verify};
use serde_json::Value;

/// Bytes of a file of `tests/vectors`.
fn bytes(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn digests(bytes: &[u8]) -> Digests {
    Digests::of(bytes).unwrap()
}

/// The digests a bundle says its artefact has: for those whose artefact is not kept here.
fn as_stated(bundle: &[u8]) -> Digests {
    let document: Value = serde_json::from_slice(bundle).unwrap();
    let hex = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(digest) = document.pointer("/messageSignature/messageDigest/digest") {
        let raw = STANDARD.decode(digest.as_str().unwrap()).unwrap();
        let sha256 = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        return Digests { sha256, sha512: "00".repeat(64), bytes: 0 };
    }
    let payload = STANDARD.decode(document["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let subjects = statement["subject"].as_array().unwrap();
    let subject = subjects.iter().find(|it| it["digest"]["sha256"].is_string()).unwrap_or(&subjects[0]);
    let or = |text: String, length: usize| if text.is_empty() { "00".repeat(length) } else { text };
    Digests {
        sha256: or(hex(&subject["digest"]["sha256"]), 32),
        sha512: or(hex(&subject["digest"]["sha512"]), 64),
        bytes: 0,
    }
}

/// Anybody's signature will do: what is looked at is whether it is genuine.
fn anybody() -> Expectations {
    Expectations { danger_any_signer: true, ..Expectations::default() }
}

fn judge(
    artifact: Digests,
    bundle: &[u8],
    root: &TrustRoot,
    expected: &Expectations,
) -> Result<Report, Reason> {
    let attestations = read(bundle).map_err(|fault| fault.reason)?;
    let report = verify(artifact, &attestations, root, expected);
    match &report.refused {
        Some(fault) => Err(fault.reason),
        None => Ok(report),
    }
}

fn root(name: &str) -> TrustRoot {
    match name {
        "sigstore" => TrustRoot::sigstore().unwrap(),
        "github" => TrustRoot::github().unwrap(),
        file => TrustRoot::from_json(&bytes(file)).unwrap(),
    }
}

const STAGING: &str = "trust/trusted_root_staging.json";
const SIGSTORE_JS: &str =
    "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main";
const TRAILOFBITS: &str =
    "https://github.com/trailofbits/pypi-attestations/.github/workflows/release.yml@refs/tags/v0.0.19";
const NPM_KEY: &str = "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA";

/// Artefact (none when it is not kept here), attestation, root, who signed, source repository.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const VALID: &[Row] = &[
    (
        "npm/sigstore-1.3.0.tgz",
        "npm/npm-sigstore-1.3.0-provenance.json",
        "sigstore",
        SIGSTORE_JS,
        "https://github.com/sigstore/sigstore-js",
    ),
    ("npm/sigstore-1.3.0.tgz", "npm/npm-sigstore-1.3.0-publish.json", "sigstore", NPM_KEY, ""),
    (
        "npm/sigstore-2.0.0.tgz",
        "npm/sigstore.js@2.0.0-provenance.sigstore.json",
        "sigstore",
        SIGSTORE_JS,
        "https://github.com/sigstore/sigstore-js",
    ),
    (
        "npm/sigstore-5.0.0.tgz",
        "npm/npm_slsa_bundle_v03.json",
        "sigstore",
        SIGSTORE_JS,
        "https://github.com/sigstore/sigstore-js",
    ),
    (
        "pypi/pypi_attestations-0.0.19.tar.gz",
        "pypi/pypi_attestations-0.0.19.tar.gz.publish.attestation",
        "sigstore",
        TRAILOFBITS,
        "https://github.com/trailofbits/pypi-attestations",
    ),
    (
        "pypi/pypi_attestations-0.0.19.tar.gz",
        "pypi/pypi_attestations-0.0.19.tar.gz.slsa.attestation",
        "sigstore",
        TRAILOFBITS,
        "https://github.com/trailofbits/pypi-attestations",
    ),
    (
        "pypi/pypi_attestations-0.0.19.tar.gz",
        "pypi/pypi_attestations-0.0.19.tar.gz.provenance",
        "sigstore",
        TRAILOFBITS,
        "https://github.com/trailofbits/pypi-attestations",
    ),
    (
        "pypi/gitlab_oidc_project-0.0.3.tar.gz",
        "pypi/gitlab_oidc_project-0.0.3.tar.gz.publish.attestation",
        "sigstore",
        "https://gitlab.com/facutuesca/gitlab-oidc-project//.gitlab-ci.yml@refs/heads/main",
        "https://gitlab.com/facutuesca/gitlab-oidc-project",
    ),
    (
        "pypi/circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl",
        "pypi/circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl.provenance",
        "sigstore",
        "https://circleci.com/api/v2/projects/fdd9283f-e619-46af-8f9c-851f7d3e8b2b/pipeline-definitions/8e4f8ab2-8d7c-4827-9f15-de076d6d647f",
        "github.com/CircleCI-Public/sign-and-publish-examples",
    ),
    (
        "pypi/gcb_attestation_test-0.0.0.tar.gz",
        "pypi/gcb_attestation_test-0.0.0.tar.gz.provenance",
        "sigstore",
        "919436158236-compute@developer.gserviceaccount.com",
        "",
    ),
    (
        "pypi/pypi_attestation_models-0.0.4a2.tar.gz",
        "pypi/pypi_attestation_models-0.0.4a2.tar.gz.sigstore",
        "sigstore",
        "https://github.com/trailofbits/pypi-attestation-models/.github/workflows/release.yml@refs/tags/v0.0.4a2",
        "https://github.com/trailofbits/pypi-attestation-models",
    ),
    (
        "",
        "sigstore/bundle_v3_github.whl.sigstore",
        "sigstore",
        "https://github.com/trailofbits/rfc8785.py/.github/workflows/release.yml@refs/tags/v0.1.2",
        "https://github.com/trailofbits/rfc8785.py",
    ),
    ("", "sigstore/v3.0.2-bundle.json", "sigstore", "keyless@projectsigstore.iam.gserviceaccount.com", ""),
    (
        "",
        "sigstore/dsse.sigstore.json",
        "sigstore",
        "brian@dehamer.com",
        "https://github.com/github/slsa-provenance",
    ),
    (
        "",
        "sigstore/bundle_v03.json",
        "sigstore",
        "https://github.com/kubewarden/kubewarden-controller/.github/workflows/release.yml@refs/tags/v1.34.0",
        "https://github.com/kubewarden/kubewarden-controller",
    ),
    (
        "sigstore/cosign-v3-blob.txt",
        "sigstore/cosign-v3-blob.sigstore.json",
        "sigstore",
        "w.vollprecht@gmail.com",
        "",
    ),
    (
        "sigstore/signed-package-2.1.0-hb0f4dca_0.conda",
        "sigstore/conda-attestation.sigstore.json",
        "sigstore",
        "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main",
        "https://github.com/prefix-dev/sigstore-example",
    ),
    (
        "sigstore/signed-package-2.1.0-hb0f4dca_0.conda",
        "sigstore/conda-attestation-rekor2.sigstore.json",
        STAGING,
        "jku@goto.fi",
        "",
    ),
    ("", "sigstore/bundle_v3_jdx_communique.json", "github", "https://dotcom.releases.github.com", ""),
    (
        "",
        "sigstore/github-private-attestation.sigstore.json",
        "github",
        "https://dotcom.releases.github.com",
        "",
    ),
    (
        "pypi/rfc8785-0.1.2-py3-none-any.whl",
        "pypi/rfc8785-0.1.2-py3-none-any.whl.sigstore",
        STAGING,
        "william@yossarian.net",
        "",
    ),
];

#[test]
fn valid_ones_are_accepted_with_their_identity() {
    let mut wrong = Vec::new();
    for (artifact, attestation, trust, signer, source) in VALID {
        let bundle = bytes(attestation);
        let artifact = if artifact.is_empty() { as_stated(&bundle) } else { digests(&bytes(artifact)) };
        let publish = attestation.ends_with("publish.json");
        let expected = Expectations { registry_suffices: publish, ..anybody() };
        match judge(artifact, &bundle, &root(trust), &expected) {
            Err(reason) => wrong.push(format!("{attestation}: {reason}")),
            Ok(report) => {
                let verified = report.attestations[0].verified.as_ref().unwrap();
                let found = match &verified.signer {
                    Signer::Certificate { identity, .. } => identity.clone().unwrap(),
                    Signer::Registry { key } => key.clone(),
                };
                let origin = verified.origin.source.clone().unwrap_or_default();
                if (found.as_str(), origin.as_str()) != (*signer, *source) {
                    wrong.push(format!("{attestation}: {found}, {origin}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Attestation, root, reason. The artefact is the one that is stated: what is broken is something else.
const BROKEN: &[(&str, &str, Reason)] = &[
    ("sigstore/bundle_no_log_entry.txt.sigstore", "sigstore", Reason::LogEntryMissing),
    ("sigstore/bundle_no_checkpoint.txt.sigstore", STAGING, Reason::CheckpointInvalid),
    ("sigstore/bundle_no_cert_v1.txt.sigstore", "sigstore", Reason::CertificateMissing),
    ("sigstore/bundle_invalid_version.txt.sigstore", "sigstore", Reason::BundleUnsupported),
    ("sigstore/bundle_v3_no_signed_time.txt.sigstore.json", STAGING, Reason::TimestampMissing),
    ("sigstore/bundle_cve_2022_36056.txt.sigstore", STAGING, Reason::LogEntryMismatch),
    ("sigstore/dsse-2sigs.sigstore.json", "sigstore", Reason::BundleMalformed),
    (
        "sigstore/invalid-ct-key_fail/bundle.sigstore.json",
        "sigstore/invalid-ct-key_fail/trusted_root.json",
        Reason::CertificateNotLogged,
    ),
    // Genuine, and of another instance than the one that is trusted.
    ("sigstore/othername.sigstore.json", "sigstore", Reason::LogUnknown),
    ("pypi/rfc8785-0.1.2-py3-none-any.whl.sigstore", "sigstore", Reason::LogUnknown),
    ("sigstore/conda-attestation-rekor2.sigstore.json", "sigstore", Reason::TimestampInvalid),
    ("sigstore/bundle_v3_jdx_communique.json", "sigstore", Reason::LogEntryMissing),
    ("sigstore/github-private-attestation.sigstore.json", "sigstore", Reason::LogEntryMissing),
    ("npm/npm_slsa_bundle_v03.json", "github", Reason::LogUnknown),
];

#[test]
fn broken_ones_are_refused_each_with_its_reason() {
    let mut wrong = Vec::new();
    for (attestation, trust, expected) in BROKEN {
        let bundle = bytes(attestation);
        let found = judge(as_stated(&bundle), &bundle, &root(trust), &anybody()).err();
        if found != Some(*expected) {
            wrong.push(format!("{attestation} with {trust}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
