//! A second log that takes records for a while when the first cannot be written. It weakens what a record proves: whoever
//! looks at the first log alone does not see them, and no transparency log covers them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Clock, Sink, SinkError, TakenBy};

use crate::jsonl::{Event, Markers};

/// A log with a spare one. What the first refuses goes to the spare, as durable as that is, until the time since the first
/// refusal is over; from then on it is refused. Each record is in one of the two.
pub struct WithSpare {
    first: Arc<dyn Sink>,
    spare: Arc<dyn Sink>,
    /// Where the spare is, for the marker in the first log.
    place: String,
    /// Of what is said in the first log, and in the spare one.
    markers: [Markers; 2],
    longest: Duration,
    using: Mutex<Option<Using>>,
}

/// The spare takes records.
#[derive(Clone, Copy)]
struct Using {
    since: Instant,
    records: u64,
}

impl WithSpare {
    /// `first`, and `spare` for at most `longest` at a time. `place` says where that is.
    pub fn new(
        first: Arc<dyn Sink>,
        spare: Arc<dyn Sink>,
        place: String,
        longest: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let markers = [Markers::new(clock.clone(), None), Markers::new(clock, None)];
        Self { first, spare, place, markers, longest, using: Mutex::default() }
    }

    /// The first log has taken a record: it says what it missed.
    fn works(&self) {
        let Some(over) = self.using.lock().take() else { return };
        let detail = format!("{} records are in the spare log and not in this one", over.records);
        let [first, _] = &self.markers;
        mark(&self.first, first.line(Event::SpareEnds, Some(&self.place), &detail));
    }

    /// Whether the spare may be used for one more record.
    fn may_use(&self) -> bool {
        let mut using = self.using.lock();
        let begins = using.is_none();
        let now = using.get_or_insert_with(|| Using { since: Instant::now(), records: 0 });
        if now.since.elapsed() >= self.longest {
            return false;
        }
        now.records += 1;
        drop(using);
        if begins {
            let minutes = self.longest.as_secs() / 60;
            let detail = format!("the log cannot be written; records are here for at most {minutes} minutes");
            let [_, spare] = &self.markers;
            mark(&self.spare, spare.line(Event::SpareBegins, None, &detail));
        }
        true
    }
}

fn mark(log: &Arc<dyn Sink>, mut line: Vec<u8>) {
    line.pop();
    // A log that refuses it refuses the record it is about as well.
    let _ = log.append(line);
}

impl Sink for WithSpare {
    fn append(&self, line: Vec<u8>) -> Result<(), SinkError> {
        match self.first.append(line.clone()) {
            Ok(()) => {
                self.works();
                Ok(())
            }
            Err(_) if self.may_use() => self.spare.append(line),
            Err(error) => Err(error),
        }
    }

    fn append_durable(&self, line: Vec<u8>) -> BoxFuture<'_, Result<TakenBy, SinkError>> {
        let first = self.first.append_durable(line.clone());
        Box::pin(async move {
            match first.await {
                Ok(kept) => {
                    self.works();
                    Ok(kept)
                }
                Err(_) if self.may_use() => self.spare.append_durable(line).await.map(|_| TakenBy::Spare),
                Err(error) => Err(error),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

    use portcullis_core::FakeClock;

    use super::*;
    use crate::MemorySink;

    fn texts(sink: &MemorySink) -> Vec<String> {
        let text = |it: &serde_json::Value| it["event"].as_str().or(it["n"].as_str()).unwrap().to_owned();
        sink.records().iter().map(text).collect()
    }

    #[tokio::test]
    async fn the_spare_takes_what_the_log_refuses_for_a_while() {
        let (first, spare) = (Arc::new(MemorySink::new()), Arc::new(MemorySink::new()));
        let clock = Arc::new(FakeClock::at(1_795_342_500_042));
        for (longest, kept) in [(Duration::from_secs(600), true), (Duration::ZERO, false)] {
            let log =
                WithSpare::new(first.clone(), spare.clone(), "spare.jsonl".into(), longest, clock.clone());
            log.append_durable(br#"{"n":"a"}"#.to_vec()).await.unwrap();
            first.fail("full");
            assert_eq!(log.append_durable(br#"{"n":"b"}"#.to_vec()).await.is_ok(), kept);
            assert_eq!(log.append(br#"{"n":"c"}"#.to_vec()).is_ok(), kept);
            spare.fail("full as well");
            assert!(log.append_durable(br#"{"n":"d"}"#.to_vec()).await.is_err());
            first.recover();
            spare.recover();
            log.append(br#"{"n":"e"}"#.to_vec()).unwrap();
            log.append(br#"{"n":"f"}"#.to_vec()).unwrap();
        }
        let all = ["a", "e", "log-spare-ends", "f", "a", "e", "log-spare-ends", "f"];
        assert_eq!(texts(&first), all);
        assert_eq!(texts(&spare), ["log-spare-begins", "b", "c"]);
        assert_eq!(first.records()[2]["subject"], "spare.jsonl");
    }
}
