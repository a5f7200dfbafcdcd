//! When a record counts as durable.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use portcullis_core::Sink as _;

use super::{Fsync, NEVER, line, log, options};

/// Polls once and says whether it is ready.
async fn ready<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())).await
}

#[tokio::test]
async fn always_resolves_after_the_sync_and_not_before() {
    let (log, disk) = log(options(Fsync::Always));
    disk.hold_syncs();
    let mut durable = pin!(log.append_durable(line("a")));
    disk.wait_for_syncs_begun(1);
    assert!(disk.text().contains(r#""id":"a""#), "written before the sync");
    assert_eq!(disk.synced_text(), "");
    assert!(!ready(&mut durable).await, "not durable while the sync is under way");
    disk.release();
    durable.await.unwrap();
    assert!(disk.synced_text().contains(r#""id":"a""#));
}

#[tokio::test]
async fn interval_resolves_after_the_write_and_syncs_by_itself() {
    let (log, disk) = log(options(Fsync::Interval(Duration::from_millis(1))));
    disk.hold_syncs();
    log.append_durable(line("a")).await.unwrap();
    assert!(disk.text().contains(r#""id":"a""#));
    assert_eq!(disk.synced_text(), "");
    disk.wait_for_syncs_begun(1);
    disk.release();
    log.shutdown().unwrap();
    assert!(disk.synced_text().contains(r#""id":"a""#));
}

#[tokio::test]
async fn whoever_waits_writes_where_being_written_is_enough() {
    let mut patient = options(Fsync::DangerNever);
    patient.linger = NEVER;
    let (log, disk) = log(patient);
    // The log's thread has nothing to do here, so it never has the pen.
    let mut durable = log.append_durable(line("polled"));
    assert_eq!(disk.text(), "");
    assert!(ready(&mut durable).await, "written by this very poll");
    log.append(line("outcome")).unwrap();
    log.append_durable(line("next")).await.unwrap();
    assert_eq!((disk.text().lines().count(), log.metrics().batches.get()), (3, 2));
    assert_eq!(disk.writers(), [std::thread::current().id()].into());
}

#[tokio::test]
async fn a_record_whose_caller_left_is_written_all_the_same() {
    let (log, disk) = log(options(Fsync::Interval(NEVER)));
    drop(log.append_durable(line("left")));
    disk.wait_for_text("left");
    assert!(!disk.writers().contains(&std::thread::current().id()));
    drop(log);
}

#[tokio::test]
async fn a_log_that_never_syncs_does_so_at_the_end_only() {
    let (log, disk) = log(options(Fsync::DangerNever));
    log.append_durable(line("a")).await.unwrap();
    assert_eq!(disk.synced_text(), "");
    log.shutdown().unwrap();
    assert!(disk.synced_text().contains(r#""id":"a""#));
}

#[tokio::test]
async fn what_queues_up_during_a_sync_shares_the_next_one() {
    let (log, disk) = log(options(Fsync::Always));
    disk.hold_syncs();
    let first = log.append_durable(line("first"));
    disk.wait_for_syncs_begun(1);
    let rest: Vec<_> = (0..50).map(|n| log.append_durable(line(&n.to_string()))).collect();
    disk.release();
    first.await.unwrap();
    for durable in rest {
        durable.await.unwrap();
    }
    assert_eq!((log.metrics().batches.get(), log.metrics().syncs.get()), (2, 2));
    assert_eq!(log.metrics().appended.get(), 51);
    let written: Vec<_> = disk.text().lines().map(str::to_owned).collect();
    let expected = std::iter::once("first".to_owned()).chain((0..50).map(|n| n.to_string()));
    assert!(written.into_iter().eq(expected.map(|name| String::from_utf8(line(&name)).unwrap())));
}

#[tokio::test]
async fn a_record_nobody_waits_for_is_written_with_the_next_or_by_itself() {
    let mut patient = options(Fsync::Always);
    patient.linger = NEVER;
    let (log, disk) = log(patient);
    log.append(line("outcome")).unwrap();
    log.append_durable(line("decision")).await.unwrap();
    assert_eq!((disk.synced_text().lines().count(), log.metrics().syncs.get()), (2, 1));

    let (log, disk) = super::log(options(Fsync::Always));
    log.append(line("outcome")).unwrap();
    disk.wait_for_syncs_begun(1);
    assert!(disk.text().contains(r#""id":"outcome""#));
    drop(log);
}

#[tokio::test]
async fn a_crowded_queue_does_not_linger() {
    let mut patient = options(Fsync::Always);
    (patient.linger, patient.queue_records) = (NEVER, 4);
    let (log, disk) = log(patient);
    for n in 0..3 {
        log.append(line(&n.to_string())).unwrap();
    }
    disk.wait_for_syncs_begun(1);
    drop(log);
    assert_eq!(disk.synced_text().lines().count(), 3);
}

#[tokio::test]
async fn shutdown_writes_and_syncs_what_is_queued_and_refuses_the_rest() {
    let (log, disk) = log(options(Fsync::Interval(NEVER)));
    for n in 0..100 {
        log.append(line(&n.to_string())).unwrap();
    }
    log.shutdown().unwrap();
    assert_eq!(disk.synced_text().lines().count(), 100);
    assert_eq!(log.append(line("late")).unwrap_err().reason, "the log is closed");
    assert!(log.append_durable(line("late")).await.is_err());
    log.shutdown().unwrap();
}

#[tokio::test]
async fn segments_end_at_the_limit_and_name_the_one_before() {
    let (log, disk) = {
        let mut options = options(Fsync::Always);
        options.rotate_bytes = Some(80);
        log(options)
    };
    for n in 0..6 {
        log.append_durable(line(&n.to_string())).await.unwrap();
    }
    log.shutdown().unwrap();
    let finished = disk.finished();
    assert!(finished.len() >= 2, "{finished:?}");
    assert_eq!(log.metrics().rotations.get(), finished.len() as u64);
    let all: String = finished.concat() + &disk.text();
    for n in 0..6 {
        assert_eq!(all.matches(&format!(r#""id":"{n}""#)).count(), 1);
    }
    assert!(
        finished[1].starts_with(r#"{"v":1,"id":"log-"#) && finished[1].contains("finished-1"),
        "{finished:?}"
    );
}
