//! Packages compared with advisories in a folder and in a zip file: what is refused, noted, accepted and overlooked.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{fs, io::Write as _, path::Path};

use portcullis_supply::{
    admit::Ecosystem,
    advisories::{Advisories, DataFault, Exceptions, Judged, Part, Policy, Severity},
};
use serde_json::{Value, json};

const TODAY: &str = "2026-11-29";

fn advisory(id: &str, ecosystem: &str, name: &str, fixed: &str, more: &Value) -> Value {
    let mut advisory = json!({
        "id": id,
        "modified": "2026-11-20T00:00:00Z",
        "summary": "something\nbad",
        "affected": [{
            "package": { "ecosystem": ecosystem, "name": name },
            "ranges": [
                { "type": "GIT", "repo": "https://x", "events": [{ "introduced": "0" }] },
                { "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": fixed }] },
            ],
        }],
    });
    advisory.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    advisory
}

/// Every advisory of these tests.
fn all() -> Vec<Value> {
    let word = |word: &str| json!({ "database_specific": { "severity": word } });
    let mut withdrawn = word("CRITICAL");
    withdrawn["withdrawn"] = "2026-01-01T00:00:00Z".into();
    let mut known = word("CRITICAL");
    known["aliases"] = json!(["CVE-2026-1"]);
    vec![
        advisory("GHSA-high", "npm", "desk", "2.0.0", &word("HIGH")),
        advisory("GHSA-mild", "npm", "desk", "2.0.0", &word("MODERATE")),
        advisory("GHSA-gone", "npm", "desk", "2.0.0", &withdrawn),
        advisory("GHSA-other", "npm", "@acme/desk", "9.0.0", &word("CRITICAL")),
        advisory("GHSA-known", "npm", "known", "9.0.0", &known),
        advisory("GHSA-mute", "npm", "mute", "9.0.0", &json!({})),
        advisory("MAL-1", "npm", "thief", "9.0.0", &json!({})),
        advisory("GHSA-thief", "npm", "thieves", "9.0.0", &json!({ "aliases": ["MAL-2"] })),
        advisory("PYSEC-1", "PyPI", "Acme.Desk", "2.0", &word("CRITICAL")),
        advisory("RUSTSEC-1", "crates.io", "desk", "2.0.0", &word("CRITICAL")),
        json!({ "id": "GHSA-odd", "affected": [{
            "package": { "ecosystem": "npm", "name": "odd" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "whenever" }] }],
        }] }),
    ]
}

fn folder(place: &Path, advisories: &[Value]) {
    for (index, advisory) in advisories.iter().enumerate() {
        // Dumps have folders of folders, and other files beside them.
        let directory = place.join(format!("part-{}", index % 3));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("README.md"), "no advisory").unwrap();
        fs::write(directory.join(format!("{index}.json")), advisory.to_string()).unwrap();
    }
}

fn zip(file: &Path, advisories: &[Value]) {
    let mut writer = zip::ZipWriter::new(fs::File::create(file).unwrap());
    for (index, advisory) in advisories.iter().enumerate() {
        writer.start_file(format!("{index}.json"), zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(advisory.to_string().as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

fn part(text: &str) -> Part {
    let (ecosystem, rest) = text.split_once(':').unwrap();
    let ecosystem = if ecosystem == "npm" { Ecosystem::Npm } else { Ecosystem::PyPi };
    let (name, version) = rest.rsplit_once('@').unwrap();
    Part { ecosystem, name: name.to_owned(), version: version.to_owned(), own: false }
}

/// `ID verdict` of everything that is said about a package, worst first.
fn said(judged: &[Judged]) -> String {
    let verdict = |it: &Judged| serde_json::to_value(&it.verdict).unwrap()["verdict"].clone();
    let said = judged.iter().map(|it| format!("{} {}", it.id, verdict(it).as_str().unwrap()));
    said.collect::<Vec<_>>().join(", ")
}

fn check(place: &Path, policy: &Policy, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let parts = [part(text)];
        let advisories = Advisories::read(place, &parts).unwrap();
        assert_eq!(advisories.count(), all().len());
        assert_eq!(said(&policy.judge(&advisories, &parts, TODAY)), *expected, "{text}");
    }
}

#[test]
fn what_is_said_about_a_package_and_what_follows() {
    let place = tempfile::tempdir().unwrap();
    let (directory, archive) = (place.path().join("osv"), place.path().join("all.zip"));
    folder(&directory, &all());
    zip(&archive, &all());
    let usual = [
        ("npm:desk@1.0.0", "GHSA-high refused, GHSA-mild noted"),
        ("npm:desk@2.0.0", ""),
        ("npm:desk@2.0.0-rc.1", "GHSA-high refused, GHSA-mild noted"),
        ("npm:@acme/desk@1.0.0", "GHSA-other refused"),
        ("npm:Desk@1.0.0", ""),
        ("npm:unheard-of@1.0.0", ""),
        ("npm:mute@1.0.0", "GHSA-mute refused"),
        ("npm:thief@1.0.0", "MAL-1 refused"),
        ("npm:thieves@1.0.0", "GHSA-thief refused"),
        ("npm:odd@1.0.0", "GHSA-odd refused"),
        ("pypi:acme-desk@1.9.post1", "PYSEC-1 refused"),
        ("pypi:acme-desk@2.0", ""),
        ("pypi:desk@1.0.0", ""),
    ];
    for place in [&directory, &archive] {
        check(place, &Policy::default(), &usual);
    }
    let strict = Policy { refuse: Severity::Medium, ..Policy::default() };
    let lax = Policy { refuse: Severity::Critical, ..Policy::default() };
    check(&directory, &strict, &[("npm:desk@1.0.0", "GHSA-high refused, GHSA-mild refused")]);
    // What means harm is refused by any policy.
    let mild = ("npm:desk@1.0.0", "GHSA-high noted, GHSA-mild noted");
    check(
        &directory,
        &lax,
        &[mild, ("npm:mute@1.0.0", "GHSA-mute noted"), ("npm:thief@1.0.0", "MAL-1 refused")],
    );
}

#[test]
fn exceptions_are_for_one_advisory_one_package_and_a_time() {
    let place = tempfile::tempdir().unwrap();
    let (directory, file) = (place.path().join("osv"), place.path().join("exceptions.toml"));
    folder(&directory, &all());
    let except = |id: &str, package: &str, until: &str| {
        format!(
            "[[except]]\nid = \"{id}\"\npackage = \"{package}\"\nuntil = \"{until}\"\nreason = \"no path to it\"\n"
        )
    };
    for (text, case, expected) in [
        (except("GHSA-high", "desk", "2026-11-29"), "npm:desk@1.0.0", "GHSA-mild noted, GHSA-high excepted"),
        (except("GHSA-high", "desk", "2026-11-28"), "npm:desk@1.0.0", "GHSA-high refused, GHSA-mild noted"),
        (except("GHSA-high", "other", "2027-01-01"), "npm:desk@1.0.0", "GHSA-high refused, GHSA-mild noted"),
        (except("CVE-2026-1", "known", "2027-01-01"), "npm:known@1.0.0", "GHSA-known excepted"),
        (except("MAL-1", "thief", "2027-01-01"), "npm:thief@1.0.0", "MAL-1 refused"),
        (except("MAL-2", "thieves", "2027-01-01"), "npm:thieves@1.0.0", "GHSA-thief refused"),
    ] {
        fs::write(&file, &text).unwrap();
        let exceptions = Exceptions::read(&file).unwrap();
        let over = exceptions.expired(TODAY).count();
        assert_eq!(over, usize::from(text.contains("2026-11-28")), "{text}");
        let policy = Policy { exceptions, ..Policy::default() };
        let seen = policy.judge(&Advisories::read(&directory, &[part(case)]).unwrap(), &[part(case)], TODAY);
        let seen = said(&seen);
        let mut seen: Vec<&str> = seen.split(", ").collect();
        let mut expected: Vec<&str> = expected.split(", ").collect();
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{text}");
    }
    for bad in [
        "except = 1".to_owned(),
        except("GHSA-high", "desk", "tomorrow"),
        except("", "desk", "2027-01-01"),
        except("GHSA-high", "desk", "2027-01-01").replace("no path to it", " "),
        except("GHSA-high", "desk", "2027-01-01").replace("reason", "because"),
    ] {
        fs::write(&file, &bad).unwrap();
        assert!(Exceptions::read(&file).is_err(), "{bad}");
    }
    assert!(Exceptions::read(&place.path().join("none.toml")).is_err());
}

#[test]
fn advisories_say_how_old_they_are() {
    const DAY_MS: u64 = 86_400_000;
    /// 2026-11-20T00:00:00Z
    const NEWEST_MS: u64 = 1_795_132_800_000;
    let place = tempfile::tempdir().unwrap();
    folder(place.path(), &all());
    let advisories = Advisories::read(place.path(), &[]).unwrap();
    for (now, expected) in [(NEWEST_MS, 0), (NEWEST_MS + 9 * DAY_MS + 1, 9), (0, 0)] {
        assert_eq!(advisories.age_days(now), Some(expected), "{now}");
    }
    // One of an ecosystem that is new says nothing about another, and none says nothing at all.
    let fresh = json!({ "id": "X-2", "modified": "2026-12-31T00:00:00Z",
        "affected": [{ "package": { "ecosystem": "PyPI", "name": "other" } }] });
    let fresh_only = place.path().join("fresh");
    folder(&fresh_only, &[fresh]);
    let npm = [part("npm:desk@1.0.0")];
    assert!(matches!(Advisories::read(&fresh_only, &npm), Err(DataFault::Empty { ecosystem: "npm", .. })));
    assert_eq!(Advisories::read(place.path(), &npm).unwrap().age_days(NEWEST_MS + DAY_MS), Some(1));
    let undated = place.path().join("undated");
    folder(&undated, &[json!({ "id": "X-1" })]);
    assert_eq!(Advisories::read(&undated, &[]).unwrap().age_days(NEWEST_MS), None);
}

#[test]
fn what_cannot_be_read_is_not_taken_for_nothing() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let directory = place.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("a.json"), text).unwrap();
        directory
    };
    let parts = [part("npm:desk@1.0.0")];
    let read = |path: &Path| Advisories::read(path, &parts).map(drop);
    assert!(matches!(read(&at("text", "no json")), Err(DataFault::Record { .. })));
    let without_id = r#"{"affected": [{"package": {"ecosystem": "npm", "name": "desk"}}]}"#;
    assert!(matches!(read(&at("nameless", without_id)), Err(DataFault::Record { .. })));
    let wrong =
        r#"{"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "desk"}, "ranges": 3}]}"#;
    assert!(matches!(read(&at("shapeless", wrong)), Err(DataFault::Record { .. })));
    let large = format!(r#"{{"id": "X", "details": "{}"}}"#, "x".repeat(9 << 20));
    assert!(matches!(read(&at("large", &large)), Err(DataFault::Bound(_))));
    fs::create_dir(place.path().join("empty")).unwrap();
    assert!(matches!(read(&place.path().join("empty")), Err(DataFault::Empty { .. })));
    assert!(matches!(read(&place.path().join("none")), Err(DataFault::Disk { .. })));
    fs::write(place.path().join("not.zip"), "not a zip").unwrap();
    assert!(matches!(read(&place.path().join("not.zip")), Err(DataFault::Archive { .. })));
}
