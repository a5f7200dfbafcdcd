#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

use Observation::{Absent, NotEstablished, Pending, Present};

use super::*;

const ALLOW: &str = r#"{"verdict":"allow","policies":["p"]}"#;
const REFUSE: &str =
    r#"{"verdict":"refuse","kind":"denied","control":"AZ-01","detail":"no policy permits it"}"#;
const CONFIG: &str = "sha256:c1";

fn line(run: &str, sequence: u64, members: &str) -> String {
    let time = format!("2026-11-29T10:{:02}:{sequence:02}.000Z", if run == "1-aaaa" { 0 } else { 30 });
    format!(r#"{{"v":1,"id":"node-x-{run}-{sequence:x}","time":"{time}","seq":{sequence},{members}}}"#)
}

fn event(event: &str, subject: Option<&str>, detail: &str) -> String {
    let subject = subject.map_or_else(|| "null".to_owned(), |subject| format!("\"{subject}\""));
    format!(r#""type":"event","event":"{event}","subject":{subject},"detail":"{detail}""#)
}

fn decision(who: &str, tool: &str, decision: &str) -> String {
    format!(
        r#""type":"decision","caller":{{"principal":{{"kind":"dev","id":"{who}"}},"actor":null,"tenant":"acme"}},
           "server":"odd","item_kind":"Tool","item":"{tool}","trace_id":null,"config":"{CONFIG}","decision":{decision}"#
    )
    .replace("\n           ", "")
}

fn outcome(of: &str, how: &str) -> String {
    format!(
        r#""type":"outcome","decision":"node-x-{of}","outcome":"{how}","response_bytes":1,"duration_us":7,"detail":null"#
    )
}

/// A run that was killed, and the one after it.
fn records() -> Vec<String> {
    let first = [
        event("started", None, "configuration sha256:c0"),
        event("config-changed", None, "configuration sha256:c1"),
        event("child-started", Some("odd"), "process 7"),
        event("connected", Some("odd"), "speaks 2025-11-25"),
        decision("alice", "echo", ALLOW),
        decision("bob", "echo", REFUSE),
        outcome("1-aaaa-5", "completed"),
        decision("bob", "die", ALLOW),
    ];
    let second = [event("started", None, "configuration sha256:c1"), decision("alice", "echo", ALLOW)];
    let number = |run: &'static str| move |(members, n): (String, u64)| line(run, n, &members);
    let first = first.into_iter().zip(1..).map(number("1-aaaa"));
    first.chain(second.into_iter().zip(1..).map(number("2-bbbb"))).collect()
}

fn short(id: &str) -> String {
    id.strip_prefix("node-x-").unwrap().to_owned()
}

fn write(path: &Path, lines: &[String]) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
}

/// A log in three segments.
fn log() -> (tempfile::TempDir, Source) {
    let home = tempfile::tempdir().unwrap();
    let active = home.path().join("audit.jsonl");
    let records = records();
    write(&home.path().join("audit.000001.20261129T100000Z.jsonl"), &records[..3]);
    write(&home.path().join("audit.000002.20261129T100000Z.jsonl"), &records[3..6]);
    write(&active, &records[6..]);
    (home, Source::at(&active))
}

fn found(source: &Source, filter: Filter) -> Vec<String> {
    let mut matcher = Matcher::new(filter);
    let mut found = Vec::new();
    let mut visit = |line: &[u8]| {
        found.extend(matcher.wanted(line).unwrap().map(|record| short(record.id().unwrap())));
    };
    source.scan(&mut visit).unwrap();
    found
}

#[test]
fn every_condition_narrows_down_and_outcomes_come_along() {
    let some = |text: &str| Some(text.to_owned());
    let instant = |text: &str| Some(text.parse().unwrap());
    let who = |text: &str| Some(text.parse().unwrap());
    let all = Filter::default;
    let (_home, source) = log();
    let cases: Vec<(Filter, &[&str])> = vec![
        (Filter { id: some("node-x-1-aaaa-5"), ..all() }, &["1-aaaa-5", "1-aaaa-7"]),
        (Filter { id: some("node-x-1-aaaa-7"), ..all() }, &["1-aaaa-7"]),
        (Filter { id: some("node-x-1-aaaa-"), ..all() }, &[]),
        (Filter { principal: who("dev:alice"), ..all() }, &["1-aaaa-5", "1-aaaa-7", "2-bbbb-2"]),
        (Filter { principal: who("local-user:alice"), ..all() }, &[]),
        (Filter { principal: who("dev:bob"), verdict: Some("allow"), ..all() }, &["1-aaaa-8"]),
        (Filter { tenant: some("acme"), tool: some("die"), ..all() }, &["1-aaaa-8"]),
        (Filter { tenant: some("other"), ..all() }, &[]),
        (Filter { verdict: Some("refuse"), ..all() }, &["1-aaaa-6"]),
        (Filter { control: some("AZ-01"), ..all() }, &["1-aaaa-6"]),
        (Filter { event: some("started"), ..all() }, &["1-aaaa-1", "2-bbbb-1"]),
        (
            Filter { server: some("odd"), until: instant("2026-11-29T10:00:05"), ..all() },
            &["1-aaaa-3", "1-aaaa-4"],
        ),
        (Filter { since: instant("2026-11-29T10:30Z"), ..all() }, &["2-bbbb-1", "2-bbbb-2"]),
        (
            Filter {
                since: instant("2026-11-29T10:00:06.000Z"),
                until: instant("2026-11-29T10:00:08Z"),
                ..all()
            },
            &["1-aaaa-6", "1-aaaa-7"],
        ),
        (Filter { trace_id: some("0af7651916cd43dd8448eb211c80319c"), ..all() }, &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&source, filter.clone()), expected, "{filter:?}");
    }
    assert_eq!(found(&source, Filter::default()).len(), 10);
}

#[test]
fn times_are_read_in_part_and_as_ago() {
    const NOW: u64 = 1_795_342_500_042;
    for (text, expected) in [
        ("2026-11", Some("2026-11")),
        ("2026-11-29", Some("2026-11-29")),
        ("2026-11-29T10:15", Some("2026-11-29T10:15")),
        ("2026-11-29T10:15:00.042Z", Some("2026-11-29T10:15:00.042")),
        ("90s", Some("2026-11-22T10:13:30.042")),
        ("1d", Some("2026-11-21T10:15:00.042")),
        ("99999999999999999999d", None),
        ("2026-11-29 10:15", None),
        ("2026-11-29T10:15:00+01:00", None),
        ("yesterday", None),
        ("5y", None),
        ("", None),
    ] {
        let read = Instant::read(text, NOW).ok().map(|instant| instant.to_string());
        assert_eq!(read.as_deref(), expected, "{text}");
    }
}

#[test]
fn a_growing_log_is_followed_across_segments_and_torn_lines() {
    let home = tempfile::tempdir().unwrap();
    let active = home.path().join("audit.jsonl");
    let records = records();
    let mut tail = Tail::new(&active);
    let mut read = Vec::new();
    let mut look = |tail: &mut Tail| {
        let scanned = tail.read(&mut |line| read.push(String::from_utf8(line.to_vec()).unwrap())).unwrap();
        (read.len(), scanned.unreadable)
    };
    assert_eq!(look(&mut tail), (0, 0), "before there is a file");
    write(&active, &records[..2]);
    assert_eq!(look(&mut tail), (2, 0));
    let (begin, end) = records[2].split_at(20);
    fs::OpenOptions::new().append(true).open(&active).unwrap().write_all(begin.as_bytes()).unwrap();
    assert_eq!(look(&mut tail), (2, 0), "half a line is none");
    write(&active, &[end.to_owned(), records[3].clone()]);
    fs::rename(&active, home.path().join("audit.000001.20261129T100000Z.jsonl")).unwrap();
    write(&active, &records[4..5]);
    fs::rename(&active, home.path().join("audit.000002.20261129T100000Z.jsonl")).unwrap();
    write(&active, &records[5..6]);
    assert_eq!(look(&mut tail), (6, 0), "two rotations between two looks");
    fs::OpenOptions::new().append(true).open(&active).unwrap().write_all(b"torn").unwrap();
    assert_eq!(look(&mut tail), (6, 0));
    fs::rename(&active, home.path().join("moved-by-somebody")).unwrap();
    write(&active, &["x".repeat(70_000), records[6].clone()]);
    assert_eq!(look(&mut tail), (7, 2), "a torn line and one that is too long");
    assert_eq!(read, records[..7]);
}

/// The parts of a trace with their states and the ends of the records they name.
fn chain(source: &Source, id: &str) -> Vec<(Part, Observation, String)> {
    let trace = trace(source, &format!("node-x-{id}")).unwrap().unwrap();
    let short = |link: Link| (link.part, link.state, link.record.map(|id| short(&id)).unwrap_or_default());
    trace.chain.into_iter().map(short).collect()
}

#[test]
fn a_chain_is_rebuilt_from_records_alone() {
    let (_home, source) = log();
    let common = |asked: &str| {
        vec![
            (Part::Run, Present, "1-aaaa-1".to_owned()),
            (Part::Configuration, Present, "1-aaaa-2".to_owned()),
            (Part::Launch, Present, "1-aaaa-3".to_owned()),
            (Part::Connection, Present, "1-aaaa-4".to_owned()),
            (Part::Catalogue, NotEstablished, String::new()),
            (Part::Caller, Present, asked.to_owned()),
            (Part::Actor, Absent, asked.to_owned()),
            (Part::TraceContext, Absent, asked.to_owned()),
            (Part::Decision, Present, asked.to_owned()),
        ]
    };
    for (id, asked, outcome) in [
        ("1-aaaa-5", "1-aaaa-5", (Part::Outcome, Present, "1-aaaa-7")),
        ("1-aaaa-7", "1-aaaa-5", (Part::Outcome, Present, "1-aaaa-7")),
        ("1-aaaa-6", "1-aaaa-6", (Part::Outcome, Absent, "")),
        ("1-aaaa-8", "1-aaaa-8", (Part::Outcome, NotEstablished, "")),
    ] {
        let mut expected = common(asked);
        expected.push((outcome.0, outcome.1, outcome.2.to_owned()));
        assert_eq!(chain(&source, id), expected, "{id}");
    }
}

#[test]
fn what_no_record_shows_is_not_established() {
    let (_home, source) = log();
    let second = chain(&source, "2-bbbb-2");
    let state = |part| second.iter().find(|(it, ..)| *it == part).unwrap().1;
    assert_eq!(state(Part::Configuration), Present, "the start put it in force");
    assert_eq!(state(Part::Launch), NotEstablished, "the launch of the run before does not count");
    assert_eq!(state(Part::Outcome), Pending, "the gateway may still be at it");
    assert_eq!(chain(&source, "1-aaaa-3"), [(Part::Run, Present, "1-aaaa-1".to_owned())]);
    assert!(trace(&source, "node-x-1-aaaa-ff").unwrap().is_none());
    let of_call = trace(&source, "node-x-1-aaaa-7").unwrap().unwrap();
    let ids: Vec<_> = of_call.records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!((ids, of_call.is_established()), (vec![1, 2, 3, 4, 5, 7], false));
}
