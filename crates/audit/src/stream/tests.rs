#![allow(clippy::unwrap_used, reason = "test code")]

use std::{fs, io::Write as _, path::Path, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Sink as _};

use super::*;
use crate::{Health, MemorySink};

/// A receiver that fails as often as it is told to, and keeps what it takes.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<(usize, Vec<u8>)>>);

impl Receiver for Fake {
    fn take<'r>(&'r mut self, batch: &'r Batch, _: &'r Position) -> BoxFuture<'r, Result<u64, String>> {
        let mut state = self.0.lock();
        let taken = match state.0.checked_sub(1) {
            Some(fewer) => {
                state.0 = fewer;
                Err("away".to_owned())
            }
            None => {
                state.1.extend_from_slice(&batch.bytes);
                Ok(0)
            }
        };
        Box::pin(std::future::ready(taken))
    }
}

impl Fake {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().1.clone()).unwrap()
    }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn options(home: &Path, batch_bytes: u64, refuse_behind: Option<u64>) -> StreamOptions {
    StreamOptions {
        log: home.join("audit.jsonl"),
        place: home.join("place.json"),
        batch_bytes,
        refuse_behind,
    }
}

/// Streams what is there and stops.
async fn once(home: &Path, fake: &Fake, batch_bytes: u64) {
    let backlog = Backlog::default();
    let stream = Stream::open(options(home, batch_bytes, None), Box::new(fake.clone()), backlog).unwrap();
    stream.run(std::future::ready(())).await;
}

#[tokio::test]
async fn every_line_is_handed_over_once_across_rotations_and_restarts() {
    for batch_bytes in [1, 9, 1 << 20] {
        let home = tempfile::tempdir().unwrap();
        let (log, fake) = (home.path().join("audit.jsonl"), Fake::default());
        once(home.path(), &fake, batch_bytes).await;
        append(&log, "{\"n\":1}\n{\"n\":2}\n{\"n\":");
        once(home.path(), &fake, batch_bytes).await;
        assert_eq!(fake.text(), "{\"n\":1}\n{\"n\":2}\n", "the rest of a line is not there yet");
        append(&log, "3}\n{\"n\":4}\n");
        fs::rename(&log, home.path().join("audit.000001.20261122T101500Z.jsonl")).unwrap();
        append(&log, "{\"n\":5}\n");
        once(home.path(), &fake, batch_bytes).await;
        fs::rename(&log, home.path().join("audit.000002.20261122T101501Z.jsonl")).unwrap();
        append(&log, "");
        once(home.path(), &fake, batch_bytes).await;
        append(&log, "{\"n\":6}\n");
        once(home.path(), &fake, batch_bytes).await;
        let all: String = (1..=6).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        assert_eq!(fake.text(), all, "{batch_bytes}");
    }
}

#[tokio::test]
async fn what_is_gone_is_said_and_the_rest_is_streamed() {
    let home = tempfile::tempdir().unwrap();
    let (log, fake) = (home.path().join("audit.jsonl"), Fake::default());
    append(&log, "{\"n\":1}\n");
    once(home.path(), &fake, 1 << 20).await;
    fs::remove_file(&log).unwrap();
    append(&log, "{\"n\":9}\n");
    let mut cursor = Cursor::open(&log, &home.path().join("place.json")).unwrap();
    let batch = cursor.next(1 << 20).unwrap().unwrap();
    assert!(batch.gap && batch.bytes == b"{\"n\":9}\n");
    fs::write(home.path().join("place.json"), "{").unwrap();
    assert!(Cursor::open(&log, &home.path().join("place.json")).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_is_asked_again_and_what_waits_is_bounded_by_refusing() {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    fake.0.lock().0 = 3;
    append(&home.path().join("audit.jsonl"), "{\"n\":1}\n{\"n\":2}\n");
    let backlog = Backlog::default();
    let options = options(home.path(), 1 << 20, Some(10));
    let stream = Stream::open(options, Box::new(fake.clone()), backlog.clone()).unwrap();
    let (mut health, metrics) = (stream.health(), stream.metrics());
    let limited = Limited::new(Arc::new(MemorySink::new()), backlog.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(stream.run(async { drop(stopped.await) }));
    health.wait_for(|health| *health != Health::Working).await.unwrap();
    assert!(backlog.is_over() && limited.append_durable(Vec::new()).await.is_err());
    assert!(limited.append(Vec::new()).is_ok(), "a refusal is recorded all the same");
    health.wait_for(|health| *health == Health::Working).await.unwrap();
    let caught_up = async {
        while metrics.behind.get() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), caught_up).await.unwrap();
    assert!(!backlog.is_over() && limited.append_durable(Vec::new()).await.is_ok());
    assert_eq!((fake.text().as_str(), metrics.failures.get()), ("{\"n\":1}\n{\"n\":2}\n", 3));
    drop(stop);
    task.await.unwrap();
}
