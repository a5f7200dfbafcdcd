//! The log on a real file system.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod common;

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::Path,
    sync::Arc,
    time::Duration,
};

use common::{allowed, directory, open, options, read_all, recorder, refused};
use portcullis_audit::{
    Fsync, Holder, JsonLines, JsonLinesOptions, Notice, OpenError, ReadProblem, read_records,
    remove_stale_locks, segments, unfinished,
};
use portcullis_core::{FakeClock, Outcome, Sink as _};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_sequence() {
    const TASKS: usize = 64;
    const CALLS: usize = 500;
    const RECORDS: usize = TASKS * CALLS * 2;
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let log = Arc::new(open(JsonLinesOptions {
        fsync: Fsync::Interval(Duration::from_millis(5)),
        rotate_bytes: Some(4 << 20),
        ..options(&path)
    }));
    let recorder = recorder(log.clone());
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let recorder = recorder.clone();
            tokio::spawn(async move {
                for _ in 0..CALLS {
                    let ticket = recorder.open(allowed()).await.unwrap();
                    let _ = ticket.close(Outcome::Completed, 1, None);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    log.shutdown().unwrap();
    let records = read_all(&path);
    let numbered: Vec<_> =
        records.iter().filter(|r| r.id().is_some_and(|id| !id.starts_with("log-"))).collect();
    assert_eq!(numbered.len(), RECORDS);
    assert!(numbered.iter().map(|r| r.sequence().unwrap()).eq(1..=RECORDS as u64), "in order, none missing");
    assert_eq!(unfinished(&records).len(), 0);
    assert_eq!(log.metrics().appended.get(), RECORDS as u64);
    assert_eq!(log.metrics().rotations.get() as usize + 1, segments(&path).unwrap().len());
    assert!(log.metrics().rotations.get() >= 5, "{:?}", log.metrics());
    assert_eq!((log.metrics().failed.get(), log.metrics().queue_depth.get()), (0, 0));
}

#[tokio::test]
async fn a_log_goes_on_where_it_ended() {
    let directory = directory();
    let path = directory.path().join("state/audit.jsonl");
    for _ in 0..3 {
        let log = Arc::new(open(JsonLinesOptions::new(&path)));
        let recorder = recorder(log.clone());
        let _ = recorder.open(allowed()).await.unwrap().close(Outcome::Completed, 1, None);
        let _ = recorder.refuse(refused("no")).unwrap();
        log.shutdown().unwrap();
    }
    let records = read_all(&path);
    let sequences: Vec<_> = records.iter().map(|r| r.sequence().unwrap()).collect();
    assert_eq!(sequences, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    let mut ids: Vec<_> = records.iter().map(|r| r.id().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 9, "runs at the same instant have different identifiers");
}

#[test]
fn a_log_is_for_its_owner_alone() {
    let directory = directory();
    let path = directory.path().join("new/audit.jsonl");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(open(options(&path)));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(options(&path)));
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn one_process_writes_a_log_at_a_time() {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let again = || JsonLines::open(options(&path), Arc::new(FakeClock::at(0)));
    let first = open(options(&path));
    let Err(error) = again() else { panic!("opened twice") };
    assert!(
        matches!(error, OpenError::InUse { holder: Holder(Some(pid)), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    first.shutdown().unwrap();
    again().unwrap();
}

#[test]
fn only_a_regular_file_is_a_log() {
    let directory = directory();
    let target = directory.path().join("target");
    fs::write(&target, "").unwrap();
    let link = directory.path().join("link.jsonl");
    symlink(&target, &link).unwrap();
    let folder = directory.path().join("folder.jsonl");
    fs::create_dir(&folder).unwrap();
    for path in [&link, &folder, Path::new("/dev/null")] {
        let opened = JsonLines::open(options(path), Arc::new(FakeClock::at(0)));
        let refused =
            matches!(opened, Err(OpenError::NotAFile { .. } | OpenError::Io { action: "lock", .. }));
        assert!(refused, "{path:?}");
    }
    assert_eq!(fs::read(&target).unwrap(), b"");
}

/// Leaves `content` at the end of a log, opens it, appends, and compares what is read.
fn check_torn(whole: &[u8], tail: &[u8], expected_kept: usize) {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).unwrap();
    file.write_all(whole).unwrap();
    file.write_all(tail).unwrap();
    drop(file);
    let log = open(options(&path));
    log.append(br#"{"v":1,"id":"after","type":"event"}"#.to_vec()).unwrap();
    log.shutdown().unwrap();
    let records = read_all(&path);
    let whole_lines = whole.iter().filter(|b| **b == b'\n').count();
    let marker = usize::from(!tail.is_empty());
    assert_eq!(records.len(), whole_lines + expected_kept + marker + 1, "tail of {} bytes", tail.len());
    assert_eq!(records.last().unwrap().id(), Some("after"));
    assert!(fs::read(&path).unwrap().starts_with(whole), "whole records stay as they were");
    let aside = fs::read_dir(directory.path())
        .unwrap()
        .map(|e| e.unwrap())
        .find(|e| e.file_name().to_string_lossy().contains(".torn-"));
    if tail.is_empty() || expected_kept == 1 {
        assert!(aside.is_none());
    } else {
        let aside = aside.unwrap();
        assert_eq!(fs::read(aside.path()).unwrap(), tail);
        assert_eq!(aside.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let marker = &records[records.len() - 2];
        assert_eq!(marker.event(), Some("log-torn-tail"));
        assert_eq!(marker.get("subject").unwrap(), &*aside.file_name().to_string_lossy());
    }
}

#[tokio::test]
async fn a_log_torn_at_any_byte_keeps_every_whole_record() {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let log = Arc::new(open(options(&path)));
    let recorder = recorder(log.clone());
    let _ = recorder.open(allowed()).await.unwrap().close(
        Outcome::Completed,
        1,
        Some("{\"\\\u{1f980}\"}".into()),
    );
    log.shutdown().unwrap();
    let content = fs::read(&path).unwrap();
    for end in 0..=content.len() {
        let written = &content[..end];
        let whole = written.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let lacks_newline_only = whole < end && content[end] == b'\n';
        check_torn(&written[..whole], &written[whole..], usize::from(lacks_newline_only));
    }
}

#[test]
fn tails_that_were_never_records_are_set_aside() {
    let whole = b"{\"v\":1,\"type\":\"event\"}\n".repeat(5_000);
    for tail in [&[0; 4_096][..], &[b'x'; 200_000], b"[]", b"1", b"\xff\xfe", &whole[..10]] {
        check_torn(&whole, tail, 0);
        check_torn(b"", tail, 0);
    }
}

#[tokio::test]
async fn a_segment_moved_by_another_program_is_replaced() {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let log = open(JsonLinesOptions { look_every: Duration::ZERO, ..JsonLinesOptions::new(&path) });
    let line = |name: &str| format!(r#"{{"v":1,"id":"{name}","type":"event"}}"#).into_bytes();
    log.append_durable(line("a")).await.unwrap();
    fs::rename(&path, directory.path().join("moved")).unwrap();
    log.append_durable(line("b")).await.unwrap();
    fs::remove_file(&path).unwrap();
    log.append_durable(line("c")).await.unwrap();
    log.shutdown().unwrap();
    let records = read_all(&path);
    assert_eq!(
        records.iter().map(|r| r.event().or(r.id()).unwrap()).collect::<Vec<_>>(),
        ["log-replaced", "c"]
    );
    assert_eq!(read_all(&directory.path().join("moved")).len(), 1);
}

#[tokio::test]
async fn segments_are_numbered_across_restarts() {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    for run in 0..3 {
        let log = open(JsonLinesOptions { rotate_bytes: Some(60), ..JsonLinesOptions::new(&path) });
        log.append_durable(
            format!(r#"{{"v":1,"id":"{run}","type":"event","pad":"{:40}"}}"#, "").into_bytes(),
        )
        .await
        .unwrap();
        log.shutdown().unwrap();
    }
    let names: Vec<_> = segments(&path)
        .unwrap()
        .iter()
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(
        names.len() > 3
            && names[0] == "audit.000001.20261122T101500Z.jsonl"
            && names.last().unwrap() == "audit.jsonl",
        "{names:?}"
    );
    let records = read_all(&path);
    let (markers, ids): (Vec<_>, Vec<_>) = records.iter().partition(|r| r.event().is_some());
    assert_eq!(ids.iter().map(|r| r.id().unwrap()).collect::<Vec<_>>(), ["0", "1", "2"]);
    // What the log says about itself has numbers of its own.
    assert!(markers.len() > 2, "{markers:?}");
    for marker in markers {
        let (run, number) = marker.id().unwrap().rsplit_once('-').unwrap();
        assert!(run.starts_with("log-"), "{marker:?}");
        assert_eq!(u64::from_str_radix(number, 16).ok(), marker.sequence(), "{marker:?}");
    }
}

#[tokio::test]
async fn finished_segments_that_were_removed_are_told_at_the_next_start() {
    for removed in [1, 2, 3] {
        let directory = directory();
        let path = directory.path().join("audit.jsonl");
        let line = format!(r#"{{"v":1,"id":"x","type":"event","pad":"{:40}"}}"#, "").into_bytes();
        let log = open(JsonLinesOptions { rotate_bytes: Some(60), ..JsonLinesOptions::new(&path) });
        while segments(&path).unwrap().len() < 4 {
            log.append_durable(line.clone()).await.unwrap();
        }
        log.shutdown().unwrap();
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let tell = told.clone();
        let notice = Notice(Arc::new(move |what: &str| tell.lock().unwrap().push(what.to_owned())));
        let again = || open(JsonLinesOptions { notice: Some(notice.clone()), ..options(&path) });
        assert_eq!(again().gaps(), 0, "nothing is missing yet");
        fs::remove_file(&segments(&path).unwrap()[removed - 1]).unwrap();
        let log = again();
        assert_eq!(log.gaps(), 1);
        log.shutdown().unwrap();
        let name = format!("{removed:06}");
        let said = told.lock().unwrap().join("\n");
        assert!(
            said.starts_with("log-gap: finished segments are not there: ") && said.contains(&name),
            "{said}"
        );
        assert_eq!(read_all(&path).last().unwrap().event(), Some("log-gap"));
    }
}

#[tokio::test]
async fn a_lock_file_goes_with_its_log_and_those_of_the_killed_are_swept() {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let locks = || {
        let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".lock")).count()
    };
    for _ in 0..2 {
        let log = open(options(&path));
        assert_eq!(locks(), 1);
        log.shutdown().unwrap();
        assert_eq!(locks(), 0);
    }
    let made = |name: &str, age: u64| {
        let file = fs::File::create(directory.path().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
        file
    };
    let held = made("held.lock", 3_600);
    held.lock().unwrap();
    drop((made("killed.lock", 3_600), made("starting.lock", 0)));
    remove_stale_locks(directory.path());
    assert_eq!(locks(), 2, "one that is held, and one that may be in a moment");
    assert!(!directory.path().join("killed.lock").exists());
}

#[tokio::test]
async fn decisions_without_outcome_are_found() {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let log = Arc::new(open(options(&path)));
    let recorder = recorder(log.clone());
    let lost: Vec<_> =
        [recorder.open(allowed()).await.unwrap(), recorder.open(allowed()).await.unwrap()].into();
    let _ = recorder.open(allowed()).await.unwrap().close(Outcome::Unknown, 0, None);
    let _ = recorder.refuse(refused("no")).unwrap();
    log.shutdown().unwrap();
    // The log is closed, so dropping them cannot write anything: as if the process had been killed.
    let expected: Vec<_> = lost.iter().map(|ticket| ticket.record_id().to_string()).collect();
    drop(lost);
    let records = read_all(&path);
    assert_eq!(unfinished(&records).iter().map(|r| r.id().unwrap()).collect::<Vec<_>>(), expected);
    assert_eq!(recorder.metrics().outcomes_lost.get(), 2);
}

#[test]
fn a_reader_names_the_line_it_cannot_read_and_goes_on() {
    let directory = directory();
    let path = directory.path().join("audit.jsonl");
    let good = "{\"v\":1,\"type\":\"event\"}\n";
    let long = "x".repeat(1 << 20);
    fs::write(&path, format!("{good}nonsense\n{good}[]\n{{\"v\":2}}\n{long}\n{good}\n{good}{{\"v\":1"))
        .unwrap();
    let read: Vec<_> = read_records(&path).unwrap().collect();
    let good: Vec<_> = read.iter().flatten().map(|r| r.line).collect();
    assert_eq!(good, [1, 3, 7, 9]);
    let faults: Vec<_> = read.iter().filter_map(|r| r.as_ref().err()).collect();
    assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [2, 4, 5, 6, 8, 10]);
    assert!(matches!(faults[2].problem, ReadProblem::Version), "{faults:?}");
    assert!(matches!(faults[3].problem, ReadProblem::TooLong), "{faults:?}");
    assert!(matches!(faults[5].problem, ReadProblem::Torn), "{faults:?}");
}
