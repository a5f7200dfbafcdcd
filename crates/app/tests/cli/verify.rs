//! Signatures and provenance, as a user sees them.

use std::{fs, path::Path};

use crate::case::Case;

/// A case with one package and what vouches for it.
fn case(name: &str) -> Case {
    let case = Case::new(name);
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../supply/tests/vectors");
    for file in [
        "npm/sigstore-5.0.0.tgz",
        "npm/sigstore-1.3.0.tgz",
        "npm/npm_slsa_bundle_v03.json",
        "npm/npm-sigstore-1.3.0-publish.json",
        "npm/npm-sigstore-1.3.0-provenance.json",
        "trust/trusted_root_staging.json",
    ] {
        fs::copy(vectors.join(file), case.path(file.split_once('/').unwrap().1)).unwrap();
    }
    case
}

const PROVENANCE: [&str; 4] = ["verify", "sigstore-5.0.0.tgz", "--bundle", "npm_slsa_bundle_v03.json"];
const SOURCE: [&str; 2] = ["--source", "https://github.com/sigstore/sigstore-js"];

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    PROVENANCE.iter().chain(more).copied().collect()
}

#[test]
fn what_its_publisher_signed_is_verified() {
    let case = case("verify");
    case.succeed(&args(&SOURCE)).check("verify/source");
    let identity = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@*";
    case.succeed(&args(&["--identity", identity, "--ref", "refs/heads/main"]));
    let registry = ["verify", "sigstore-1.3.0.tgz", "--bundle", "npm-sigstore-1.3.0-publish.json"];
    let mut both = [&registry[..], &["--bundle", "npm-sigstore-1.3.0-provenance.json"], &SOURCE].concat();
    case.succeed(&both).check("verify/both");
    both.push("--json");
    let report: serde_json::Value = serde_json::from_str(&case.succeed(&both).stdout).unwrap();
    assert_eq!(report["attestations"].as_array().unwrap().len(), 2);
    assert_eq!(report["attestations"][1]["verified"]["origin"]["source"], SOURCE[1]);
    assert!(report.get("refused").is_none());
}

#[test]
fn what_is_not_expected_is_refused_with_its_reason() {
    let case = case("verify-refused");
    for (name, more) in [
        ("other-source", vec!["--source", "https://github.com/evil/sigstore-js"]),
        ("pin", vec![SOURCE[0], SOURCE[1], "--digest", &format!("sha256:{}", "0".repeat(64))]),
        ("other-root", vec![SOURCE[0], SOURCE[1], "--trust-root", "trusted_root_staging.json"]),
    ] {
        let run = case.run(&args(&more));
        assert_eq!(run.status, 1, "{name}");
        run.check(&format!("verify/{name}"));
    }
    let other = ["verify", "sigstore-1.3.0.tgz", "--bundle", "npm_slsa_bundle_v03.json"];
    let other = case.run(&[&other[..], &SOURCE].concat());
    assert_eq!((other.status, other.stderr.contains("artifact-mismatch")), (1, true), "{}", other.stderr);
    case.write("empty.json", "{}");
    case.run(&[&["verify", "sigstore-5.0.0.tgz", "--bundle", "empty.json"][..], &SOURCE].concat())
        .check("verify/no-bundle");
}

#[test]
fn it_has_to_be_said_who_is_expected() {
    let case = case("verify-usage");
    for (name, more) in [
        ("nobody", vec![]),
        ("no-issuer", vec!["--identity", "me@example.com"]),
        ("star", vec!["--identity", "https://github.com/sig*"]),
        ("root", vec![SOURCE[0], SOURCE[1], "--trust-root", "empty"]),
    ] {
        case.write("empty", "{}");
        let run = case.run(&args(&more));
        assert_eq!(run.status, 2, "{name}");
        run.check(&format!("verify/usage-{name}"));
    }
    let anybody = case.succeed(&args(&["--danger-any-signer"]));
    assert!(anybody.stderr.contains("danger-any-signer"), "{}", anybody.stderr);
}
