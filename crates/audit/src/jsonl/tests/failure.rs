//! What happens when the system does not do as asked.

use portcullis_core::Sink as _;

use super::{
    Fsync, Health, NEVER,
    disk::{Fault, Platter},
    line, log, options, wait_until_failing, wait_until_working,
};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EINTR: i32 = 4;

/// Every line is whole, and `id` says which records are there.
fn names(text: &str) -> Vec<String> {
    let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let name =
        |value: serde_json::Value| value["event"].as_str().or(value["id"].as_str()).unwrap().to_owned();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| name(parse(line))).collect()
}

/// A record nobody waits for and one somebody waits for meet the faults in one batch: the second is refused
/// and must not be in the log, the first was accepted and must be.
async fn check(fsync: Fsync, faults: impl FnOnce(&Platter)) {
    let (log, disk) = log(options(fsync));
    log.append_durable(line("before")).await.unwrap();
    faults(&disk);
    // Held so that both are in the queue before either is written.
    disk.hold_syncs();
    let refused = {
        let _ = log.append(line("blocker"));
        if fsync == Fsync::Always {
            disk.wait_for_syncs_begun(2);
        }
        log.append_durable(line("refused"))
    };
    disk.release();
    let _ = refused.await;
    wait_until_working(&log).await;
    log.append_durable(line("after")).await.unwrap();
    log.shutdown().unwrap();
    let names = names(&disk.synced_text());
    assert_eq!(disk.text(), disk.synced_text());
    assert!(names.contains(&"before".to_owned()) && names.contains(&"blocker".to_owned()), "{names:?}");
    assert_eq!(names.last().map(String::as_str), Some("after"), "{names:?}");
}

#[tokio::test]
async fn accepted_records_survive_every_fault() {
    for fsync in [Fsync::Always, Fsync::Interval(NEVER), Fsync::DangerNever] {
        check(fsync, |disk| disk.fail_writes(&[Fault::Errno(ENOSPC)])).await;
        check(fsync, |disk| disk.fail_writes(&[Fault::Errno(EIO), Fault::Errno(EIO), Fault::Short(3)])).await;
        check(fsync, |disk| disk.fail_writes(&[Fault::Short(7), Fault::Errno(ENOSPC)])).await;
        check(fsync, |disk| disk.fail_writes(&[Fault::Short(0), Fault::Short(9), Fault::Errno(ENOSPC)]))
            .await;
        check(fsync, |disk| disk.fail_writes(&[Fault::Errno(EINTR), Fault::Short(1), Fault::Short(1)])).await;
    }
    check(Fsync::Always, |disk| disk.fail_syncs(&[EIO, EIO])).await;
}

#[tokio::test]
async fn a_refused_record_is_not_in_the_log_and_is_counted_there() {
    for fault in [None, Some(&[Fault::Short(20), Fault::Errno(ENOSPC)][..]), Some(&[Fault::Errno(EIO)][..])] {
        let (log, disk) = log(options(Fsync::Always));
        match fault {
            Some(faults) => disk.fail_writes(faults),
            None => disk.fail_syncs(&[EIO]),
        }
        let error = log.append_durable(line("refused")).await.unwrap_err();
        assert!(error.reason.contains("os error"), "{error}");
        wait_until_working(&log).await;
        log.append_durable(line("after")).await.unwrap();
        assert_eq!(names(&disk.synced_text()), ["log-resumed", "after"]);
        assert!(disk.text().contains("1 records were refused"), "{}", disk.text());
        assert_eq!((log.metrics().failed.get(), log.metrics().failures.get()), (1, 1));
    }
}

#[tokio::test]
async fn an_unwritable_disk_refuses_everything_until_it_works_again() {
    let (log, disk) = log(options(Fsync::Always));
    disk.break_all(ENOSPC);
    assert!(log.append_durable(line("a")).await.is_err());
    wait_until_failing(&log).await;
    for _ in 0..10 {
        assert!(log.append_durable(line("b")).await.is_err());
        assert!(log.append(line("c")).unwrap_err().reason.contains("os error 28"));
    }
    disk.mend();
    wait_until_working(&log).await;
    log.append_durable(line("after")).await.unwrap();
    assert_eq!(names(&disk.synced_text()), ["log-resumed", "after"]);
    assert!(disk.text().contains("21 records were refused"), "{}", disk.text());
}

#[tokio::test]
async fn shutdown_of_an_unwritable_log_says_what_was_lost() {
    let (log, disk) = log(options(Fsync::Interval(NEVER)));
    disk.break_all(EIO);
    log.append(line("lost")).unwrap();
    wait_until_failing(&log).await;
    assert!(log.shutdown().unwrap_err().reason.contains("os error 5"));
    assert_eq!(log.metrics().failed.get(), 1);
    assert_eq!(disk.text(), "");
}

#[tokio::test]
async fn records_in_doubt_after_a_failed_sync_are_named() {
    let (log, disk) = log(options(Fsync::Interval(std::time::Duration::from_millis(1))));
    disk.fail_syncs(&[EIO]);
    log.append_durable(line("in doubt")).await.unwrap();
    // It may have failed and resumed before anybody looks.
    let has_resumed = |health: &Health| *health == Health::Working && log.metrics().failures.get() == 1;
    log.health().wait_for(has_resumed).await.unwrap();
    let doubtful = line("in doubt").len() + 1;
    assert_eq!(names(&disk.text()), ["in doubt", "log-resumed"]);
    assert!(disk.text().contains(&format!("the {doubtful} bytes before may not survive")), "{}", disk.text());
}

#[tokio::test]
async fn a_full_queue_refuses_and_the_log_says_so() {
    let mut bounded = options(Fsync::Always);
    bounded.queue_records = 3;
    let (log, disk) = log(bounded);
    disk.hold_syncs();
    let first = log.append_durable(line("first"));
    disk.wait_for_syncs_begun(1);
    for n in 0..3 {
        log.append(line(&n.to_string())).unwrap();
    }
    for _ in 0..5 {
        assert!(log.append(line("one too many")).unwrap_err().reason.contains("too many records"));
    }
    disk.release();
    first.await.unwrap();
    log.shutdown().unwrap();
    assert_eq!(names(&disk.synced_text()), ["first", "log-refused", "0", "1", "2"]);
    assert!(disk.text().contains("5 records were refused"));
}

#[tokio::test]
async fn a_record_is_one_line() {
    let (log, disk) = log(options(Fsync::Always));
    for bad in [&b""[..], b"\n", b"{}\n{}", b"{}\n", &[b'x'; 64 * 1_024 + 1]] {
        assert!(log.append(bad.to_vec()).unwrap_err().reason.contains("one line"), "{bad:?}");
    }
    log.shutdown().unwrap();
    assert_eq!(names(&disk.text()), ["log-refused"]);
}

#[tokio::test]
async fn a_rotation_that_fails_costs_no_record() {
    let mut rotating = options(Fsync::Always);
    rotating.rotate_bytes = Some(80);
    let (log, disk) = log(rotating);
    disk.fail_rotations(true);
    for n in 0..10 {
        log.append_durable(line(&n.to_string())).await.unwrap();
    }
    assert!(log.metrics().failed_rotations.get() > 0);
    assert_eq!(names(&disk.synced_text()).len(), 10);
    disk.fail_rotations(false);
    log.append_durable(line("last")).await.unwrap();
    log.shutdown().unwrap();
    let all = disk.finished().concat() + &disk.text();
    assert_eq!(names(&all).into_iter().filter(|name| name != "log-continued").count(), 11);
}

#[tokio::test]
async fn a_file_moved_away_is_replaced() {
    let mut watchful = options(Fsync::Always);
    watchful.look_every = std::time::Duration::ZERO;
    let (log, disk) = log(watchful);
    log.append_durable(line("old")).await.unwrap();
    disk.displace();
    log.append_durable(line("new")).await.unwrap();
    log.shutdown().unwrap();
    assert_eq!(names(&disk.finished()[0]), ["old"]);
    assert_eq!(names(&disk.synced_text()), ["log-replaced", "new"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_replaced_stops_the_log() {
    let mut watchful = options(Fsync::Always);
    watchful.look_every = std::time::Duration::ZERO;
    let (log, disk) = log(watchful);
    log.append_durable(line("old")).await.unwrap();
    disk.displace();
    disk.break_all(EIO);
    assert!(log.append_durable(line("nowhere")).await.is_err());
    wait_until_failing(&log).await;
    disk.mend();
    wait_until_working(&log).await;
    log.append_durable(line("new")).await.unwrap();
    assert_eq!(names(&disk.finished()[0]), ["old"]);
    assert_eq!(names(&disk.synced_text()), ["log-resumed", "new"]);
}
