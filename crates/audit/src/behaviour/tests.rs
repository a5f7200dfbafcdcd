#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use serde_json::{Value, json};

use super::*;
use crate::time;

/// A step of a story: what is on record, and when, in seconds.
enum Step {
    Allow(&'static str, &'static str),
    Refuse(&'static str, &'static str),
    Nobody(&'static str),
    Out(&'static str),
    NotOut(&'static str),
    Denied(u32),
    NotOutTo(&'static str),
    Unsealed,
    Result(u64),
    Withheld,
}

use Step::{Allow, Denied, Nobody, NotOut, NotOutTo, Out, Refuse, Result, Unsealed, Withheld};

const START_MS: u64 = 1_764_500_400_000;

fn record(number: u64, at_ms: u64, members: Value) -> Vec<u8> {
    let mut record =
        json!({"v": 1, "id": format!("n-{number:x}"), "time": time::rfc3339(at_ms), "seq": number});
    record.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    record.to_string().into_bytes()
}

fn decision(who: Value, verdict: Value, rest: Value) -> Value {
    let mut decision = json!({"type": "decision", "channel": "http", "server": "s", "caller": who,
        "context": {"peer": "192.0.2.1"}, "decision": verdict});
    decision.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    decision
}

fn lines(number: u64, at_ms: u64, step: &Step) -> Vec<Vec<u8>> {
    let who = |id: &str| json!({"principal": {"kind": "oauth", "id": id}});
    let (allow, refuse) =
        (json!({"verdict": "allow"}), |kind: &str| json!({"verdict": "refuse", "kind": kind}));
    let tool = |name: &str| json!({"item_kind": "Tool", "item": name});
    let out = json!({"channel": "egress", "item_kind": "Destination", "item": "h:443"});
    let call = |who: Value| decision(who, allow.clone(), tool("t"));
    let ended = |outcome: &str, bytes: u64| json!({"type": "outcome", "decision": format!("n-{:x}", 2 * number), "outcome": outcome, "response_bytes": bytes});
    let all = match step {
        Allow(id, name) => vec![decision(who(id), allow, tool(name))],
        Refuse(id, kind) => vec![decision(who(id), refuse(kind), tool("t"))],
        Nobody(kind) => vec![decision(Value::Null, refuse(kind), json!({}))],
        Out(host) => {
            let to = json!({"channel": "egress", "item_kind": "Destination", "item": host});
            vec![decision(Value::Null, allow, to)]
        }
        NotOut(kind) => vec![decision(Value::Null, refuse(kind), out)],
        Denied(times) => {
            let detail = format!("{times} times `ptrace` by `/x, 900 times`: why");
            vec![json!({"type": "event", "event": "denied", "subject": "s", "detail": detail})]
        }
        NotOutTo(host) => {
            let to = json!({"channel": "egress", "item_kind": "Destination", "item": host});
            vec![decision(Value::Null, refuse("denied"), to)]
        }
        Unsealed => {
            let verdict = json!({"verdict": "refuse", "kind": "invalid-params", "control": "ST-03"});
            vec![decision(who("a"), verdict, tool("t"))]
        }
        Result(bytes) => vec![call(who("a")), ended("completed", *bytes)],
        Withheld => vec![call(who("a")), ended("withheld", 0)],
    };
    all.into_iter().zip(0..).map(|(members, part)| record(2 * number + part, at_ms, members)).collect()
}

fn thresholds() -> Thresholds {
    Thresholds { new_after: 10, ..Thresholds::default() }
}

/// What rules say about a story told at the given pace.
#[track_caller]
fn check(thresholds: Thresholds, story: &[(u32, Step)], every_ms: u64, expected: &[(&str, &str)]) {
    let mut behaviour = Behaviour::new(thresholds);
    let (mut number, mut found) = (1, Vec::new());
    for (times, step) in story {
        for _ in 0..*times {
            for line in lines(number, START_MS + number * every_ms, step) {
                let alerts = behaviour.see(&line);
                found.extend(alerts.iter().map(|it| (it.rule.as_str(), it.subject.to_string())));
            }
            number += 1;
        }
    }
    let found: Vec<_> = found.iter().map(|(rule, subject)| (*rule, subject.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_refused_often_is_told_once() {
    let (a, s, peer) = ("principal:oauth:a", "server:s", "peer:192.0.2.1");
    for (story, every_ms, expected) in [
        (vec![(19, Refuse("a", "denied"))], 1_000, vec![]),
        (vec![(20, Refuse("a", "denied"))], 1_000, vec![("refusals", a)]),
        (vec![(100, Refuse("a", "denied"))], 1_000, vec![("refusals", a)]),
        (vec![(100, Refuse("a", "denied"))], 4_000, vec![]),
        (vec![(10, Refuse("a", "denied")), (10, Refuse("b", "denied"))], 1_000, vec![]),
        (vec![(100, Refuse("a", "stopped"))], 100, vec![]),
        (vec![(3, Refuse("a", "header-mismatch"))], 60_000, vec![("header-mismatches", a)]),
        (vec![(30, Nobody("unauthenticated"))], 1_000, vec![("unauthenticated", peer)]),
        (vec![(5, NotOut("denied"))], 5_000, vec![("egress-refusals", s)]),
        (vec![(1, Denied(19))], 1_000, vec![]),
        (vec![(2, Denied(10))], 1_000, vec![("denied-calls", s)]),
        (vec![(2, Denied(10))], 61_000, vec![]),
        (vec![(1, Denied(u32::MAX))], 1_000, vec![("denied-calls", s)]),
        (vec![(2, Unsealed)], 60_000, vec![]),
        (vec![(3, Unsealed)], 60_000, vec![("seal-failures", a)]),
        (vec![(1, NotOutTo("169.254.169.254:80"))], 1_000, vec![("metadata-service", s)]),
        (
            vec![(1, NotOutTo("http://metadata.google.internal/computeMetadata/v1/"))],
            1_000,
            vec![("metadata-service", s)],
        ),
        (
            vec![
                (1, NotOutTo("169.254.169.254.example.com:80")),
                (1, NotOutTo("x.metadata.google.internal:80")),
            ],
            1_000,
            vec![],
        ),
        (vec![(50, NotOut("upstream-unavailable"))], 1_000, vec![]),
        (vec![(50, NotOut("denied"))], 30_000, vec![]),
        (vec![(5, Withheld)], 60_000, vec![("withheld", s)]),
        (vec![(200, Refuse("a", "denied"))], 3_000, vec![("refusals", a)]),
        (vec![(400, Refuse("a", "denied"))], 3_000, vec![("refusals", a), ("refusals", a)]),
    ] {
        check(thresholds(), &story, every_ms, &expected);
    }
}

#[test]
fn what_was_never_done_before_is_told_after_a_while() {
    let (a, s) = ("principal:oauth:a", "server:s");
    for (story, expected) in [
        (vec![(9, Allow("a", "read")), (1, Allow("a", "delete"))], vec![]),
        (vec![(10, Allow("a", "read")), (2, Allow("a", "delete"))], vec![("new-tool", a)]),
        (vec![(10, Allow("a", "read")), (1, Allow("b", "delete"))], vec![]),
        (vec![(10, Out("a:443")), (2, Out("b:443"))], vec![("new-destination", s)]),
        (vec![(60, Result(100)), (1, Result(2 << 20))], vec![("result-size", a)]),
        (vec![(60, Result(1 << 20)), (1, Result(2 << 20))], vec![]),
        (vec![(40, Result(100)), (1, Result(2 << 20))], vec![]),
    ] {
        check(thresholds(), &story, 20_000, &expected);
    }
    let off = Thresholds { new_after: 0, ..thresholds() };
    check(off, &[(50, Allow("a", "read")), (1, Allow("a", "delete"))], 20_000, &[]);
}

#[test]
fn a_pace_is_compared_with_the_busiest_minute_before() {
    let mut pace = habits::Pace::default();
    for minute in 0..10 {
        for _ in 0..20 {
            assert_eq!(pace.call(minute * 60_000, 10), None);
        }
    }
    let beyond = (0..400).filter(|_| pace.call(10 * 60_000, 10).is_some()).count();
    assert_eq!(beyond, 1, "once a minute");
    assert!((0..400).all(|_| pace.call(11 * 60_000, 10).is_none()), "it is usual now");
}

#[test]
fn what_was_learnt_is_no_news() {
    let mut behaviour = Behaviour::new(thresholds());
    for number in 1..50 {
        lines(number, START_MS, &Refuse("a", "denied")).iter().for_each(|line| behaviour.learn(line));
        lines(100 + number, START_MS, &Allow("a", "read")).iter().for_each(|line| behaviour.learn(line));
    }
    assert!(behaviour.see(&lines(200, START_MS, &Refuse("a", "denied"))[0]).is_empty());
    assert_eq!(behaviour.see(&lines(201, START_MS, &Allow("a", "write"))[0]).len(), 1);
}

#[test]
fn quiet_hours_are_read_and_kept() {
    for (text, within, without) in
        [("22-6", &[22, 23, 0, 5][..], &[6, 12, 21][..]), ("9-17", &[9, 16], &[8, 17])]
    {
        let hours = QuietHours::parse(text).unwrap();
        assert_eq!(hours.to_string(), text);
        assert!(
            within.iter().all(|hour| hours.contains(START_MS / 86_400_000 * 86_400_000 + hour * 3_600_000))
        );
        assert!(without.iter().all(|hour| !hours.contains(hour * 3_600_000)));
    }
    for bad in ["", "22", "22-", "-6", "24-6", "6-6", "+1-6", "022-6", "a-b"] {
        assert_eq!(QuietHours::parse(bad), None, "{bad}");
    }
}

#[test]
fn what_is_no_record_is_passed_over() {
    let mut behaviour = Behaviour::new(thresholds());
    for line in
        ["", "{}", "null", r#"{"type":"decision","decision":[]}"#, r#"{"type":"event","id":"x","time":"y"}"#]
    {
        assert!(behaviour.see(line.as_bytes()).is_empty(), "{line}");
    }
}

#[test]
fn a_subject_can_be_stopped_unless_nobody_knows_it() {
    for (subject, stop) in [
        (Subject::Principal("oauth:corp:a".into()), Some("principal:oauth:corp:a")),
        (Subject::Principal("local-user:loopback".into()), Some("principal:local-user:loopback")),
        (Subject::Server("s".into()), Some("server:s")),
        (Subject::Peer("192.0.2.1".into()), None),
    ] {
        assert_eq!(subject.stop().map(|stop| stop.to_string()).as_deref(), stop);
    }
}

#[test]
fn hours_are_compared_with_those_of_the_days_before() {
    const HOUR_MS: u64 = 3_600_000;
    let at = |day: u64, hour: u64| day * 24 * HOUR_MS + hour * HOUR_MS;
    let mut hours = habits::Hours::default();
    for day in 1..=10 {
        for hour in [8, 12, 23] {
            assert_eq!(hours.call(at(day, hour), 10), None, "{day} {hour}");
        }
    }
    for (hour, off) in [(9, false), (0, false), (3, true), (3, false), (4, false), (11, false), (16, true)] {
        assert_eq!(hours.call(at(11, hour), 10).is_some(), off, "{hour}");
    }
    assert_eq!(hours.call(at(12, 19), 0), None, "switched off");
    assert_eq!(habits::Hours::default().call(at(1, 3), 10), None, "nothing is known yet");
}
