//! Putting stops in force: calls end, links end, and the record says how long it took.

use std::{sync::Arc, time::Duration};

use portcullis_audit::EventKind;
use portcullis_core::{Channel, ServerName, Stop, StopSubject};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;

/// How long calls that were stopped may take to end before the record says that they did not.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a stop met when it was put in force, and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Calls under way and subscriptions.
    pub calls: usize,
    /// Sessions.
    pub sessions: usize,
    /// Tasks.
    pub tasks: usize,
}

impl Gateway {
    /// Puts these stops in force in place of those that were: the union of all sources. Calls that fall under a new
    /// one end at once, with the links to a server that is stopped. What each new one met is returned.
    pub fn put_stops(self: &Arc<Self>, stops: Vec<Stop>) -> Vec<(Stop, Met)> {
        let changed = self.stops.put(stops);
        let mut begun = Vec::new();
        for stop in &changed.lifted {
            self.event_about(EventKind::StopLifted, &stop.subject, format!("by {}", stop.source.as_str()));
        }
        for (stop, calls) in changed.begun {
            let in_force_ms = self.clock.now_ms();
            let detail = format!("{stop}; requested_ms={} in_force_ms={in_force_ms}", stop.requested_ms);
            self.event_about(EventKind::StopInForce, &stop.subject, detail);
            self.parked.let_go_of_stopped();
            let tasks = self.tasks.release_stopped(&stop.subject);
            let met =
                Met { calls: calls.len(), tasks: tasks.len(), sessions: self.end_sessions_of(&stop.subject) };
            self.end_tasks(tasks, &stop.to_string());
            begun.push((stop.clone(), met));
            let gateway = self.clone();
            tokio::spawn(async move { gateway.contained(&stop, &calls, in_force_ms).await });
        }
        self.enforce_stops();
        begun
    }

    /// What is stopped now.
    pub fn stops_in_force(&self) -> Arc<[Stop]> {
        self.stops.in_force()
    }

    /// Ends links to stopped servers that were being opened when they were stopped.
    pub fn enforce_stops(&self) {
        let stops = self.stops.in_force();
        if stops.is_empty() {
            return;
        }
        let snapshot = self.snapshot();
        let stopped = |name: &ServerName| stops.iter().any(|stop| stop.subject.covers_server(name));
        snapshot.servers.values().filter(|server| stopped(&server.name)).for_each(|s| s.upstream.end_links());
    }

    /// Sessions hear from servers outside any call; those of a stopped caller hear nothing any more. A pipe stays
    /// open, for its client is to be told why.
    fn end_sessions_of(&self, subject: &StopSubject) -> usize {
        let sessions = self.sessions.of(|owner| subject.covers_caller(owner));
        for (id, channel) in &sessions {
            match channel {
                Channel::Stdio => {
                    self.snapshot().servers.values().for_each(|server| server.upstream.end_session(id));
                }
                _ => self.close_session(id),
            }
        }
        sessions.len()
    }

    /// Records when every call under the stop has ended, or that some have not.
    async fn contained(&self, stop: &Stop, calls: &[CancellationToken], in_force_ms: u64) {
        let all = futures_util::future::join_all(calls.iter().map(CancellationToken::cancelled));
        let in_time = timeout(PATIENCE, all).await.is_ok();
        let left = calls.iter().filter(|call| !call.is_cancelled()).count();
        let detail = format!(
            "source={} requested_ms={} in_force_ms={in_force_ms} contained_ms={} calls={} left={left} clock=system",
            stop.source.as_str(),
            stop.requested_ms,
            self.clock.now_ms(),
            calls.len(),
        );
        let kind = if in_time { EventKind::Contained } else { EventKind::NotContained };
        self.event_about(kind, &stop.subject, detail);
    }

    fn event_about(&self, kind: EventKind, subject: &StopSubject, detail: String) {
        if self.audit.event(kind, Some(subject.to_string()), detail).is_err() {
            self.metrics.events_lost.add(1);
        }
    }
}
