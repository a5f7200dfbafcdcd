//! Bills of materials: those that other programs write are read, those that are written are read again, and what differs
//! from what is there is told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{fs, path::PathBuf};

use portcullis_core::Digest;
use portcullis_supply::{
    admit::{
        Admitted, Claims, LockedPart, Package,
        resolve::{Part, Resolved, Start},
    },
    sbom::{Bill, BillFault, Comparison, Form, compare, read, write},
    verify::Digests,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn bytes(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sbom").join(name)).unwrap()
}

/// SHA-512 of the archive of `debug` 4.4.1, as npm's registry announces it.
const DEBUG: &str = "29c282aa27ed049719afefbbca4a03204c126b75d6a304df34fa3dd816318d78b260456b51087668bca1c410b0c30fa17a8aed505c44258711ce8b2cb5310161";

fn part(name: &str, version: &str, sha512: &str) -> Part {
    let sha256 = format!("{:x}", name.len()).repeat(64);
    Part {
        name: name.into(),
        version: version.into(),
        sha256,
        sha512: sha512.into(),
        bundled: false,
        licence: None,
    }
}

/// What the bills of the vectors are about: a package that needs `debug`, which needs `ms`.
fn resolved(parts: &[(&str, &str)]) -> Resolved {
    let parts: Vec<Part> = parts
        .iter()
        .map(|(name, version)| part(name, version, if *name == "debug" { DEBUG } else { "" }))
        // The digest of `ms` is not looked at here.
        .map(|it| Part { bundled: it.name == "ms", ..it })
        .collect();
    Resolved {
        version: "1.0.0".into(),
        archive: PathBuf::new(),
        artifact: Digests { sha256: "00".repeat(32), sha512: String::new(), bytes: 0 },
        tree: PathBuf::new(),
        start: Start { interpreter: Some("node"), entry: "main.js".into() },
        parts,
        claims: Claims::default(),
        signer: None,
        findings: Vec::new(),
    }
}

fn compared(bill: &Bill, parts: &[(&str, &str)]) -> Comparison {
    compare(bill, &"npm:@acme/desk@1.0.0".parse::<Package>().unwrap(), &resolved(parts))
}

const WHOLE: [(&str, &str); 3] = [("@acme/desk", "1.0.0"), ("debug", "4.4.1"), ("ms", "2.1.3")];

#[test]
fn bills_of_npm_and_syft_are_read() {
    for (name, form) in [
        ("npm.cdx.json", Form::CycloneDx),
        ("npm.spdx.json", Form::Spdx),
        ("syft.cdx.json", Form::CycloneDx),
        ("syft.spdx.json", Form::Spdx),
    ] {
        let bill = read(&bytes(name)).unwrap();
        assert_eq!(bill.form, form);
        let same = compared(&bill, &WHOLE);
        assert_eq!(same, Comparison::default(), "{name}");
        assert!(same.covers() && same.in_words().is_empty());
        let missing = compared(&bill, &[WHOLE[0], WHOLE[1], WHOLE[2], ("thief", "1.0.0")]);
        assert_eq!((missing.missing, missing.extra), (vec!["thief@1.0.0".to_owned()], vec![]), "{name}");
        let other = compared(&bill, &[WHOLE[0], ("debug", "4.4.2"), WHOLE[2]]);
        assert!(!other.covers(), "{name}");
        assert_eq!(
            other.in_words(),
            ["not in it: debug@4.4.2", "in it and not there: debug@4.4.1"],
            "{name}"
        );
        let fewer = compared(&bill, &WHOLE[..2]);
        assert!(fewer.covers() && fewer.extra == ["ms@2.1.3"], "{name}");
    }
}

#[test]
fn digests_and_the_subject_are_compared() {
    for name in ["npm.cdx.json", "npm.spdx.json"] {
        let swapped = String::from_utf8(bytes(name)).unwrap().replacen("29c282aa", "00000000", 1);
        let told = compared(&read(swapped.as_bytes()).unwrap(), &WHOLE);
        assert_eq!(told.in_words(), ["with another digest in it: debug@4.4.1"], "{name}");
        let other = String::from_utf8(bytes(name)).unwrap().replace("desk@1.0.0", "desk@1.0.1");
        let told = compared(&read(other.as_bytes()).unwrap(), &WHOLE);
        assert!(!told.covers() && told.about_another.is_some(), "{name}: {told:?}");
    }
}

#[test]
fn other_forms_are_refused() {
    for (document, expected) in [
        (json!({ "bomFormat": "CycloneDX", "specVersion": "1.4" }), Ok(())),
        (json!({ "bomFormat": "CycloneDX", "specVersion": "1.7" }), Ok(())),
        (json!({ "bomFormat": "CycloneDX", "specVersion": "1.3" }), Err(BillFault::Form)),
        (json!({ "bomFormat": "CycloneDX" }), Err(BillFault::Form)),
        (json!({ "spdxVersion": "SPDX-2.3" }), Ok(())),
        (json!({ "spdxVersion": "SPDX-3.0" }), Err(BillFault::Form)),
        (json!([]), Err(BillFault::Form)),
    ] {
        assert_eq!(read(document.to_string().as_bytes()).map(drop), expected, "{document}");
    }
    let twice = br#"{"bomFormat":"CycloneDX","bomFormat":"CycloneDX","specVersion":"1.6"}"#;
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    for bytes in [&twice[..], b"", b"\xff", deep.as_bytes()] {
        assert!(matches!(read(bytes), Err(BillFault::Document(_))));
    }
    let nested = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        { "name": "a", "components": [{ "name": "b" }, { "name": "c", "scope": "excluded", "components": [{ "name": "d" }] }] },
    ] });
    let mut names: Vec<String> =
        read(nested.to_string().as_bytes()).unwrap().components.into_iter().map(|it| it.name).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "d"]);
}

fn server(package: &str, parts: Vec<LockedPart>) -> Admitted {
    let Package { name, version, .. } = package.parse().unwrap();
    let artifact = Digest::of(b"own");
    let own = LockedPart { name, version: version.clone().unwrap(), artifact, bundled: false, licence: None };
    Admitted {
        name: "desk".parse().unwrap(),
        package: package.into(),
        version: version.unwrap(),
        artifact,
        tree: Digest::of(b"tree"),
        interpreter: None,
        entry: "main.js".into(),
        owner: "alice".into(),
        purpose: None,
        review: None,
        submitted_by: "alice".into(),
        submitted_at: "2026-11-01T00:00:00Z".into(),
        provenance: None,
        claims: None,
        sbom: None,
        rolled_back: None,
        retired: None,
        findings: Vec::new(),
        approvals: Vec::new(),
        parts: std::iter::once(own).chain(parts).collect(),
    }
}

#[test]
fn licences_are_written_as_what_they_are() {
    let part = |licence: &str| LockedPart {
        name: "b".into(),
        version: "1".into(),
        artifact: Digest::of(b"b"),
        bundled: false,
        licence: Some(licence.into()),
    };
    for (licence, cyclonedx, spdx) in [
        ("MIT OR ISC", json!([{ "expression": "MIT OR ISC" }]), "MIT OR ISC"),
        ("SEE LICENSE", json!([{ "license": { "name": "SEE LICENSE" } }]), "NOASSERTION"),
    ] {
        let server = server("npm:@acme/desk@1.0.0", vec![part(licence)]);
        assert_eq!(write(&server, Form::CycloneDx)["components"][0]["licenses"], cyclonedx);
        assert_eq!(write(&server, Form::Spdx)["packages"][1]["licenseDeclared"], spdx);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        names in proptest::collection::btree_map("(@[a-z]{1,6}/)?[a-z][a-z0-9-]{0,8}", "[0-9]{1,3}(\\.[0-9]{1,3}){0,2}", 0..8),
        bundled in any::<bool>(),
    ) {
        let parts = names.iter().map(|(name, version)| LockedPart {
            name: name.clone(), version: version.clone(), artifact: Digest::of(name.as_bytes()), bundled, licence: None,
        });
        let server = server("npm:@acme/desk@1.0.0", parts.collect());
        for form in [Form::CycloneDx, Form::Spdx] {
            let text = serde_json::to_vec(&write(&server, form)).unwrap();
            let bill = read(&text).unwrap();
            let subject = bill.subject.unwrap();
            prop_assert_eq!((&*subject.name, subject.version.as_deref()), ("@acme/desk", Some("1.0.0")));
            let found: Vec<(String, Option<String>, bool)> =
                bill.components.into_iter().map(|it| (it.name, it.version, it.sha256.is_some())).collect();
            let mut found = found;
            found.sort();
            let mut expected: Vec<_> =
                names.iter().map(|(name, version)| (name.clone(), Some(version.clone()), !bundled)).collect();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_shape_of_a_bill_is_a_surprise(name in 0_usize..4, at in any::<prop::sample::Index>(), value in prop_oneof![
        Just(json!(null)), Just(json!(7)), Just(json!([])), Just(json!({})), Just(json!("pkg:npm/%")), Just(json!([null, {}])),
    ]) {
        let file = ["npm.cdx.json", "npm.spdx.json", "syft.cdx.json", "syft.spdx.json"][name];
        let mut document: Value = serde_json::from_slice(&bytes(file)).unwrap();
        let mut places = Vec::new();
        pointers(&document, String::new(), &mut places);
        let place: &String = at.get(&places);
        *document.pointer_mut(place).unwrap() = value;
        if let Ok(bill) = read(document.to_string().as_bytes()) {
            compared(&bill, &WHOLE);
        }
    }
}

/// Every place in a document.
fn pointers(value: &Value, place: String, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, it)| pointers(it, format!("{place}/{at}"), found));
        }
        Value::Object(members) => {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            members.iter().for_each(|(name, it)| pointers(it, format!("{place}/{}", escaped(name)), found));
        }
        _ => {}
    }
    found.push(place);
}
