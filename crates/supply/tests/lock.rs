//! The lock: what is written is read, what was decided stays decided.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use portcullis_core::Digest;
use portcullis_supply::admit::{
    Admitted, Approval, Finding, FindingKind, Lock, LockFault, LockedPart, Provenance, Retirement, State,
    is_day, rfc3339,
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
        retired: None,
        findings: vec![Finding::new(FindingKind::InstallScript, "a: postinstall: x\ny")],
        approvals: vec![Approval {
            by: "bob".into(),
            at: rfc3339(0),
            note: "a\nb\n\n\u{2014} bob x\n".into(),
        }],
        parts: vec![LockedPart { name: "a".into(), version: "1.0.0".into(), artifact: Digest::of(b"a") }],
    }
}

fn retired(mut server: Admitted) -> Admitted {
    server.retired = Some(Retirement { by: "bob".into(), at: rfc3339(0), reason: "old".into() });
    server
}

#[test]
fn what_is_written_is_read_in_one_order() {
    let (mut one, mut other) = (Lock::default(), Lock::default());
    for (lock, order) in [(&mut one, ["a", "b"]), (&mut other, ["b", "a"])] {
        order.iter().for_each(|name| lock.admit(server(name, &format!("npm:{name}@1.0.0"), name)).unwrap());
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
        let admitted = lock.clone().admit(newer);
        assert_eq!(matches!(admitted, Err(LockFault::Republished { .. })), expected, "{package}");
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
    let changes: [fn(&mut Admitted); 9] = [
        |it| it.review = None,
        |it| it.tree = Digest::of(b"x"),
        |it| it.artifact = Digest::of(b"x"),
        |it| it.entry.push('x'),
        |it| it.interpreter = None,
        |it| it.submitted_by = "bob".into(),
        |it| it.findings.clear(),
        |it| it.parts.clear(),
        |it| it.provenance = None,
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
