//! Statements about advisories: whose count, about what, and for how long.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::fs;

use portcullis_supply::{
    admit::Ecosystem,
    advisories::{Advisories, Judged, Part, Policy, Verdict, Vex},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const TODAY: &str = "2026-11-29";
const AUTHOR: &str = "Acme Security";
const DAYS: u64 = 90;

fn part(name: &str, version: &str, own: bool) -> Part {
    Part { ecosystem: Ecosystem::Npm, name: name.to_owned(), version: version.to_owned(), own }
}

/// A server that needs one package, of which two things are known; one of another is that it means harm.
fn parts() -> Vec<Part> {
    vec![part("@acme/desk", "1.0.0", true), part("library", "2.0.0", false), part("thief", "1.0.0", false)]
}

fn judge(vex: Vex) -> Vec<Judged> {
    let place = tempfile::tempdir().unwrap();
    for (id, name) in [("GHSA-1", "library"), ("GHSA-2", "library"), ("MAL-3", "thief")] {
        let advisory = json!({
            "id": id, "aliases": [format!("CVE-of-{id}")], "modified": "2026-11-20T00:00:00Z",
            "database_specific": { "severity": "HIGH" },
            "affected": [{ "package": { "ecosystem": "npm", "name": name },
                "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }] }] }],
        });
        fs::write(place.path().join(format!("{id}.json")), advisory.to_string()).unwrap();
    }
    let advisories = Advisories::read(place.path(), &parts()).unwrap();
    Policy { vex, ..Policy::default() }.judge(&advisories, &parts(), TODAY)
}

fn read(document: &Value) -> Result<Vex, String> {
    let mut vex = Vex::default();
    vex.add(document.to_string().as_bytes(), &[AUTHOR.to_owned()], DAYS).map(|()| vex)
}

/// Identifiers of what is no longer refused because of these statements.
fn dismissed(document: &Value) -> Vec<String> {
    let judged = judge(read(document).unwrap());
    assert_eq!(judged.len(), 3);
    let fallen = judged.into_iter().filter(|it| matches!(it.verdict, Verdict::Dismissed { .. }));
    fallen.map(|it| it.id).collect()
}

fn statement(vulnerability: &Value, products: &Value, status: &str, at: &str) -> Value {
    json!({ "vulnerability": vulnerability, "products": products, "status": status, "timestamp": at,
        "justification": "vulnerable_code_not_in_execute_path" })
}

fn openvex(statements: &[Value]) -> Value {
    json!({ "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex/1", "author": AUTHOR,
        "timestamp": "2026-11-01T00:00:00Z", "version": 1, "statements": statements })
}

const NOW: &str = "2026-11-01T00:00:00Z";
const LIBRARY: &str = "pkg:npm/library@2.0.0";
const DESK: &str = "pkg:npm/%40acme/desk@1.0.0";

#[test]
fn statements_are_about_one_advisory_one_package_and_a_time() {
    let name = json!({ "name": "GHSA-1" });
    let product = |id: &str| json!([{ "@id": id }]);
    let inside = |whole: &str, inside: &str| json!([{ "@id": whole, "subcomponents": [{ "@id": inside }] }]);
    for (products, status, at, expected) in [
        (product(LIBRARY), "not_affected", NOW, true),
        (product("pkg:npm/library"), "not_affected", NOW, true),
        (product("pkg:npm/library@1.0.0"), "not_affected", NOW, false),
        (product("pkg:npm/other@2.0.0"), "not_affected", NOW, false),
        (product("pkg:pypi/library@2.0.0"), "not_affected", NOW, false),
        (product("https://library.example"), "not_affected", NOW, false),
        (json!([{ "@id": "a", "identifiers": { "purl": LIBRARY } }]), "not_affected", NOW, true),
        (json!([LIBRARY]), "not_affected", NOW, true),
        (json!([]), "not_affected", NOW, false),
        (product(LIBRARY), "fixed", NOW, true),
        (product("pkg:npm/library"), "fixed", NOW, false),
        (product(LIBRARY), "affected", NOW, false),
        (product(LIBRARY), "under_investigation", NOW, false),
        // Inside of the server, not of whatever needs it.
        (inside(DESK, LIBRARY), "not_affected", NOW, true),
        (inside(DESK, "pkg:npm/other"), "not_affected", NOW, false),
        (inside("pkg:npm/library", LIBRARY), "not_affected", NOW, false),
        (inside(DESK, "https://library.example"), "not_affected", NOW, false),
        (product(DESK), "not_affected", NOW, false),
        (product(LIBRARY), "not_affected", "2026-08-31T23:00:00Z", true),
        (product(LIBRARY), "not_affected", "2026-08-30T00:00:00Z", false),
        (product(LIBRARY), "not_affected", "2026-11-30T00:00:00Z", false),
    ] {
        let document = openvex(&[statement(&name, &products, status, at)]);
        let expected: &[&str] = if expected { &["GHSA-1"] } else { &[] };
        assert_eq!(dismissed(&document), expected, "{document}");
    }
    for vulnerability in
        [json!("GHSA-1"), json!({ "name": "CVE-of-GHSA-1" }), json!({ "aliases": ["GHSA-1"] })]
    {
        let document = openvex(&[statement(&vulnerability, &product(LIBRARY), "not_affected", NOW)]);
        assert_eq!(dismissed(&document), ["GHSA-1"], "{document}");
    }
}

#[test]
fn what_means_harm_stays_refused() {
    for name in ["MAL-3", "CVE-of-MAL-3"] {
        let products = json!([{ "@id": "pkg:npm/thief@1.0.0" }]);
        assert!(dismissed(&openvex(&[statement(&json!(name), &products, "not_affected", NOW)])).is_empty());
    }
}

#[test]
fn the_newest_statement_decides_and_the_worse_of_two() {
    let one = |status: &str, at: &str| statement(&json!("GHSA-1"), &json!([LIBRARY]), status, at);
    let later = "2026-11-02T00:00:00Z";
    for (statements, expected) in [
        ([one("not_affected", NOW), one("affected", later)], false),
        ([one("not_affected", later), one("affected", NOW)], true),
        ([one("not_affected", NOW), one("affected", NOW)], false),
        ([one("under_investigation", NOW), one("fixed", NOW)], false),
        // One that does not count yet has the last word all the same.
        ([one("not_affected", NOW), one("not_affected", "2027-01-01T00:00:00Z")], false),
    ] {
        assert_eq!(dismissed(&openvex(&statements)).len(), usize::from(expected), "{statements:?}");
    }
}

#[test]
fn only_listed_authors_count() {
    let mut document = openvex(&[statement(&json!("GHSA-1"), &json!([LIBRARY]), "not_affected", NOW)]);
    document["author"] = "Acme Security ".into();
    assert_eq!(dismissed(&document), ["GHSA-1"], "blanks around a name are none of it");
    document["author"] = "acme security".into();
    let vex = read(&document).unwrap();
    assert_eq!(vex.unheard(), ["acme security"]);
    assert!(judge(vex).iter().all(Judged::is_refused));
}

#[test]
fn cyclonedx_says_it_too() {
    let document = |analysis: Value, affects: &str| {
        json!({ "bomFormat": "CycloneDX", "specVersion": "1.6",
            "metadata": { "timestamp": NOW, "authors": [{ "name": AUTHOR }] },
            "components": [{ "bom-ref": "one", "purl": LIBRARY }, { "bom-ref": "any", "purl": "pkg:npm/library" }],
            "vulnerabilities": [{ "id": "GHSA-2", "analysis": analysis, "affects": [{ "ref": affects }] }] })
    };
    let state = |state: &str| json!({ "state": state, "justification": "code_not_reachable" });
    for (analysis, affects, expected) in [
        (state("not_affected"), "one", true),
        (state("false_positive"), "one", true),
        (state("resolved"), "one", true),
        (state("not_affected"), LIBRARY, true),
        (state("not_affected"), "any", false),
        (state("not_affected"), "two", false),
        (state("exploitable"), "one", false),
        (state("in_triage"), "one", false),
        (
            json!({ "state": "not_affected", "detail": "x", "lastUpdated": "2026-01-01T00:00:00Z" }),
            "one",
            false,
        ),
    ] {
        let document = document(analysis, affects);
        assert_eq!(dismissed(&document).len(), usize::from(expected), "{document}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let good = || openvex(&[statement(&json!("GHSA-1"), &json!([LIBRARY]), "not_affected", NOW)]);
    let changes: [fn(&mut Value); 7] = [
        |it| it["@context"] = "https://example".into(),
        |it| it["author"] = Value::Null,
        |it| it["statements"][0]["status"] = "fine".into(),
        |it| it["statements"][0]["justification"] = Value::Null,
        |it| it["statements"][0]["timestamp"] = "yesterday".into(),
        |it| it["statements"][0]["vulnerability"] = Value::Null,
        |it| {
            it["timestamp"] = Value::Null;
            it["statements"][0]["timestamp"] = Value::Null;
        },
    ];
    for change in changes {
        let mut document = good();
        change(&mut document);
        // A vulnerability that is there and is nothing has no name: it is about nothing.
        let read = read(&document);
        assert!(read.is_err() || judge(read.unwrap()).iter().all(Judged::is_refused), "{document}");
    }
    let twice = good().to_string().replace("\"version\":1", "\"version\":1,\"author\":\"Acme Security\"");
    assert!(Vex::default().add(twice.as_bytes(), &[AUTHOR.to_owned()], DAYS).is_err());
}

#[test]
fn what_counts_no_longer_is_told() {
    let old = statement(&json!("GHSA-1"), &json!([LIBRARY]), "not_affected", "2026-01-01T00:00:00Z");
    let told = read(&openvex(&[old])).unwrap().expired(TODAY);
    assert_eq!(told, ["the statement of Acme Security about GHSA-1 counted until 2026-04-01"]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Vex::default().add(&bytes, &[AUTHOR.to_owned()], DAYS);
    }

    #[test]
    fn no_shape_of_a_document_is_a_surprise(place in 0_usize..12, value in prop_oneof![
        Just(json!(null)), Just(json!(7)), Just(json!([])), Just(json!({})), Just(json!("")), Just(json!([null, 7, {}])),
    ]) {
        let pointers = ["/@context", "/author", "/timestamp", "/statements", "/statements/0",
            "/statements/0/vulnerability", "/statements/0/products", "/statements/0/products/0",
            "/statements/0/status", "/statements/0/timestamp", "/statements/0/justification", "/version"];
        let mut document = openvex(&[statement(&json!("GHSA-1"), &json!([{ "@id": LIBRARY }]), "not_affected", NOW)]);
        *document.pointer_mut(pointers[place]).unwrap() = value;
        if let Ok(vex) = read(&document) {
            judge(vex);
        }
    }
}
