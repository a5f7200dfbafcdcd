//! The lock: what is written is read, what was decided stays decided.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use portcullis_core::Digest;
use portcullis_supply::admit::{
    Admitted, Approval, Claims, Difference, Finding, FindingKind, Lock, LockFault, LockedPart, Provenance,
    Retirement, Seat, State, is_day, rfc3339,
};
use proptest::prelude::*;

fn server(name: &str, package: &str, tree: &str) -> Admitted {
    Admitted {
        name: name.parse().unwrap(),
        package: package.to_owned(),
        version: "1.0.0".to_owned(),
        artifact: Digest::of(tree.as_bytes()),
        tree: Digest::of(tree.as_bytes()),
        interpreter: Some("node".to_owned()),
        entry: "node_modules/a/main.js".to_owned(),
        owner: "alice".to_owned(),
        purpose: Some("notes".to_owned()),
        review: Some("2027-01-31".to_owned()),
        submitted_by: "alice".to_owned(),
        submitted_at: rfc3339(0),
        provenance: Some(Provenance { signer: "https://x".to_owned(), ..Provenance::default() }),
        claims: None,
        sbom: None,
        rolled_back: None,
        retired: None,
        findings: vec![Finding::new(FindingKind::InstallScript, "a: postinstall: x\ny")],
        approvals: vec![Approval {
            by: "bob".into(),
            at: rfc3339(0),
            note: "a\nb\n\n\u{2014} bob x\n".into(),
        }],
        parts: vec![part("a", "1.0.0")],
    }
}

fn part(name: &str, version: &str) -> LockedPart {
    let artifact = Digest::of(name.as_bytes());
    LockedPart { name: name.into(), version: version.into(), artifact, bundled: false, licence: None }
}

fn why(reason: &str) -> Retirement {
    Retirement { by: "bob".into(), at: rfc3339(0), reason: reason.into() }
}

fn submitted(mut server: Admitted) -> Admitted {
    server.approvals.clear();
    server
}

fn retired(mut server: Admitted) -> Admitted {
    server.retired = Some(why("old"));
    server
}

#[test]
fn what_is_written_is_read_in_one_order() {
    let (mut one, mut other) = (Lock::default(), Lock::default());
    for (lock, order) in [(&mut one, ["a", "b"]), (&mut other, ["b", "a"])] {
        for name in order {
            lock.admit(server(name, &format!("npm:{name}@1.0.0"), name)).unwrap();
        }
    }
    let text = one.write().unwrap();
    assert_eq!(text, other.write().unwrap());
    let read = Lock::read(&text).unwrap();
    assert_eq!(read, one);
    assert_eq!(read.servers().first().map(Admitted::state), Some(State::Approved));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let mut lock = Lock::default();
    lock.admit(server("a", "npm:a@1.0.0", "a")).unwrap();
    let text = lock.write().unwrap();
    let twice = format!(
        "{text}\n{}",
        text.split_once("[[server]]").map(|(_, it)| format!("[[server]]{it}")).unwrap()
    );
    for (bad, expected) in [
        (twice.as_str(), "twice"),
        (&text.replace("version = 1\n", "version = 2\n"), "of version 2"),
        (&text.replace("owner", "owners"), "cannot be read"),
        (&text.replace("sha256:", "sha1:"), "cannot be read"),
        (&text.replace("\"a\"", "\"A A\""), "cannot be read"),
        ("", "cannot be read"),
    ] {
        let fault = Lock::read(bad).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn the_same_version_stays_what_it_was() {
    let mut lock = Lock::default();
    lock.admit(server("a", "npm:a@1.0.0", "one")).unwrap();
    lock.admit(server("a", "npm:a@1.0.0", "one")).unwrap();
    let again = lock.admit(server("b", "npm:a@1.0.0", "two"));
    assert!(matches!(again, Err(LockFault::Republished { .. })), "{again:?}");
    // A part of a new version counts too, of npm.
    for (package, expected) in [("npm:a@2.0.0", true), ("pypi:a==2.0.0", false), ("npm:b@1.0.0", true)] {
        let mut newer = server("a", package, "newer");
        newer.parts[0].artifact = Digest::of(b"another");
        let admitted = lock.clone().admit(newer.clone());
        assert_eq!(matches!(admitted, Err(LockFault::Republished { .. })), expected, "{package}");
        // What comes in the archive of another package has that one's digest.
        newer.parts[0].bundled = true;
        newer.artifact = Digest::of(b"one");
        assert!(lock.clone().admit(newer).is_ok(), "{package}");
    }
    lock.admit(server("a", "npm:a@1.1.0", "two")).unwrap();
    assert_eq!(lock.servers().len(), 1);
}

#[test]
fn what_is_retired_stays_so_when_its_name_is_given_again() {
    let mut lock = Lock::default();
    lock.admit(server("a", "npm:a@1.0.0", "one")).unwrap();
    *lock.find_mut(&"a".parse().unwrap()).unwrap() = retired(server("a", "npm:a@1.0.0", "one"));
    for again in ["npm:a@1.0.0", "npm:other@1.0.0", "file:a"] {
        let fault = lock.admit(server("c", again, "one"));
        assert!(matches!(fault, Err(LockFault::Retired(..))), "{fault:?}");
    }
    lock.admit(server("a", "npm:a@2.0.0", "two")).unwrap();
    let lock = Lock::read(&lock.write().unwrap()).unwrap();
    assert_eq!(lock.retired(Digest::of(b"one")), Some("npm:a@1.0.0"));
    assert_eq!(lock.retired(Digest::of(b"two")), None);
}

#[test]
fn what_is_signed_changes_with_everything_that_counts() {
    let genuine = server("a", "npm:a@1.0.0", "one");
    let text = genuine.statement("now");
    let changes: [fn(&mut Admitted); 13] = [
        |it| it.review = None,
        |it| it.tree = Digest::of(b"x"),
        |it| it.artifact = Digest::of(b"x"),
        |it| it.entry.push('x'),
        |it| it.interpreter = None,
        |it| it.submitted_by = "bob".into(),
        |it| it.findings.clear(),
        |it| it.parts.clear(),
        |it| it.provenance = None,
        |it| it.claims = Some(Claims { publisher: Some("x".into()), repository: None }),
        |it| it.sbom = Some(Digest::of(b"x")),
        |it| it.parts[0].licence = Some("MIT".into()),
        |it| it.parts[0].bundled = true,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = genuine.clone();
        change(&mut changed);
        assert_ne!(changed.statement("now"), text, "{number}");
    }
    let mut forged = genuine.clone();
    forged.submitted_by = "alice\nprovenance x".into();
    assert_eq!(forged.statement("now").lines().count(), text.lines().count());
}

/// The packages of a server: present, waiting, and previous ones.
fn seats(lock: &Lock) -> (String, String, String) {
    let name = "a".parse().unwrap();
    let package = |it: Option<&Admitted>| it.map(|it| it.version.clone()).unwrap_or_default();
    let previous: Vec<String> = lock.previous(&name).map(|it| it.version.clone()).collect();
    (package(lock.find(&name)), package(lock.next(&name)), previous.join(" "))
}

fn version(version: &str) -> Admitted {
    Admitted { version: version.into(), ..server("a", &format!("npm:a@{version}"), version) }
}

#[test]
fn a_newer_version_waits_and_the_one_before_is_kept() {
    let mut lock = Lock::default();
    let check = |lock: &Lock, present: &str, next: &str, previous: &str| {
        assert_eq!(seats(lock), (present.into(), next.into(), previous.into()));
        assert_eq!(Lock::read(&lock.write().unwrap()).as_ref(), Ok(lock));
    };
    assert_eq!(lock.admit(submitted(version("1"))), Ok(Seat::Present));
    // Nothing runs that would have to go on.
    assert_eq!(lock.admit(submitted(version("2"))), Ok(Seat::Present));
    check(&lock, "2", "", "");
    assert!(lock.approve(version("2")).is_empty());
    assert_eq!(lock.admit(submitted(version("3"))), Ok(Seat::Next));
    assert_eq!(lock.admit(submitted(version("4"))), Ok(Seat::Next));
    check(&lock, "2", "4", "");
    assert!(lock.approve(version("4")).is_empty());
    check(&lock, "4", "", "2");
    // The same files, looked at again: there is nothing to go back to.
    let again = Admitted { review: Some("2028-01-01".into()), ..version("4") };
    assert_eq!(lock.admit(submitted(again.clone())), Ok(Seat::Next));
    assert!(lock.approve(again).is_empty());
    check(&lock, "4", "", "2");
    let name = "a".parse().unwrap();
    assert!(lock.roll_back(&name, Digest::of(b"3"), why("slow")).is_none());
    assert_eq!(lock.roll_back(&name, Digest::of(b"2"), why("slow")), Some(Vec::new()));
    check(&lock, "2", "", "4");
    assert_eq!(lock.previous(&name).next().unwrap().rolled_back, Some(why("slow")));
    for newer in ["5", "6", "7"] {
        lock.admit(submitted(version(newer))).unwrap();
        let dropped = lock.approve(version(newer));
        assert_eq!(dropped.first().map(|it| it.version.as_str()), (newer == "7").then_some("4"));
    }
    check(&lock, "7", "", "6 5 2");
    lock.admit(submitted(version("8"))).unwrap();
    assert!(lock.needs(Digest::of(b"8")) && !lock.needs(Digest::of(b"4")));
    let trees = lock.retire(&name, &why("old"));
    check(&lock, "7", "", "");
    for ended in ["7", "8", "6", "5", "2"] {
        let tree = Digest::of(ended.as_bytes());
        assert!(trees.contains(&tree) && lock.retired(tree).is_some() && !lock.needs(tree), "{ended}");
    }
}

#[test]
fn what_waits_beside_nothing_is_refused() {
    let mut lock = Lock::default();
    lock.admit(version("1")).unwrap();
    lock.admit(submitted(version("2"))).unwrap();
    let text = lock.write().unwrap();
    assert!(Lock::read(&text.replace("[next", "[previous")).is_ok());
    let alone = text.replacen("name = \"a\"", "name = \"b\"", 1);
    assert_eq!(Lock::read(&alone), Err(LockFault::Alone("a".parse().unwrap())));
}

#[test]
fn what_changes_is_told() {
    let vouched = |signer: &str, source: &str| {
        let (signer, source) = (signer.to_owned(), Some(source.to_owned()));
        Some(Provenance { signer, source, ..Provenance::default() })
    };
    let mut before = version("1");
    before.parts = vec![part("a", "1"), part("gone", "1"), part("same", "1"), part("two", "1")];
    before.provenance = vouched("https://g/w@refs/tags/1", "https://g");
    let mut after = version("2");
    after.parts =
        vec![part("a", "2"), part("new", "1"), part("same", "1"), part("two", "1"), part("two", "2")];
    after.provenance = vouched("https://g/w@refs/tags/2", "https://h");
    after.findings.push(Finding::new(FindingKind::InstallScript, "new: install: x"));
    after.parts[2].licence = Some("MIT".into());
    let told = Difference::between(&before, &after);
    assert_eq!(told.identity_in_words(), ["source: https://g -> https://h"]);
    let packages: Vec<_> =
        told.packages.iter().map(|it| (&*it.name, it.before.len(), it.after.len())).collect();
    assert_eq!(packages, [("a", 1, 1), ("gone", 1, 0), ("new", 0, 1), ("two", 1, 2)]);
    assert_eq!(told.new_findings.len(), 1);
    assert_eq!(told.licences.first().map(|it| (&*it.what, it.after.as_deref())), Some(("same", Some("MIT"))));
    let none = Difference::between(&before, &before);
    assert_eq!(none, Difference { package: none.package.clone(), ..Difference::default() });
    let lost = Difference::between(&before, &Admitted { provenance: None, ..before.clone() });
    assert_eq!(lost.identity.len(), 2);
}

#[test]
fn days_are_days() {
    for (text, expected) in [("2027-01-31", true), ("2027-02-31", false), ("2027-1-31", false), ("", false)] {
        assert_eq!(is_day(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = Lock::read(&text);
    }
}
