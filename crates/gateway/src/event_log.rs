//! A bounded, replayable stream of messages to a legacy client.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Messages of one SSE stream, numbered from 1, kept until the bound for `Last-Event-ID` replay
/// (MCP 2025-03-26 … 2025-11-25, Streamable HTTP, "Resumability and Redelivery").
///
/// One writer, any number of readers, each with a cursor of its own.
#[derive(Debug)]
pub struct EventLog {
    state: Mutex<State>,
    changed: Notify,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<(u64, Bytes)>,
    bytes: usize,
    last: u64,
    lost: u64,
    finished: bool,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The event after the cursor; the number is the new cursor.
    Event(u64, Bytes),
    /// The stream is complete and the reader has seen all of it.
    Finished,
}

impl EventLog {
    /// An empty stream keeping at most `max_bytes` of messages.
    pub fn new(max_bytes: usize) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), max_bytes }
    }

    /// Appends a message. When the bound is reached the oldest goes first and is counted as lost.
    pub fn push(&self, message: Bytes) {
        {
            let mut state = self.state.lock();
            if state.finished {
                return;
            }
            state.last = state.last.saturating_add(1);
            state.bytes = state.bytes.saturating_add(message.len());
            let number = state.last;
            state.events.push_back((number, message));
            while state.bytes > self.max_bytes && state.events.len() > 1 {
                if let Some((_, dropped)) = state.events.pop_front() {
                    state.bytes = state.bytes.saturating_sub(dropped.len());
                    state.lost = state.lost.saturating_add(1);
                }
            }
        }
        self.changed.notify_waiters();
    }

    /// Says that nothing more will come.
    pub fn finish(&self) {
        self.state.lock().finished = true;
        self.changed.notify_waiters();
    }

    /// Whether nothing more will come.
    pub fn is_finished(&self) -> bool {
        self.state.lock().finished
    }

    /// Number of the newest message; 0 before the first.
    pub fn last(&self) -> u64 {
        self.state.lock().last
    }

    /// Messages dropped because no reader kept up.
    pub fn lost(&self) -> u64 {
        self.state.lock().lost
    }

    /// Waits for the first message numbered above `cursor`.
    pub async fn after(&self, cursor: u64) -> Next {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that a push in between is not missed.
            changed.as_mut().enable();
            if let Some(next) = self.peek(cursor) {
                return next;
            }
            changed.await;
        }
    }

    fn peek(&self, cursor: u64) -> Option<Next> {
        let state = self.state.lock();
        let first = state.events.partition_point(|(number, _)| *number <= cursor);
        match state.events.get(first) {
            Some((number, message)) => Some(Next::Event(*number, message.clone())),
            None if state.finished => Some(Next::Finished),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(n: u64) -> Bytes {
        Bytes::from(format!("message {n}"))
    }

    #[tokio::test]
    async fn a_reader_resumes_after_its_cursor_and_ends_with_the_stream() {
        let log = EventLog::new(1 << 20);
        for n in 1..=3 {
            log.push(message(n));
        }
        log.finish();
        assert_eq!(log.after(1).await, Next::Event(2, message(2)));
        assert_eq!(log.after(2).await, Next::Event(3, message(3)));
        assert_eq!(log.after(3).await, Next::Finished);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let log = std::sync::Arc::new(EventLog::new(1 << 20));
        let reader = tokio::spawn({
            let log = log.clone();
            async move { log.after(0).await }
        });
        tokio::task::yield_now().await;
        log.push(message(1));
        assert_eq!(reader.await.ok(), Some(Next::Event(1, message(1))));
    }

    #[tokio::test]
    async fn the_bound_drops_the_oldest_and_counts_them() {
        let log = EventLog::new(30);
        for n in 1..=9 {
            log.push(message(n));
        }
        assert_eq!(log.lost(), 6);
        assert_eq!(log.after(0).await, Next::Event(7, message(7)));
    }
}
