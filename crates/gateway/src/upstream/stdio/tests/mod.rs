//! The stdio link against scripted servers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_core::{Link, LinkProfile, Outbound, UpstreamError};
use portcullis_wire::Version;
use serde_json::{Value, json};

use super::StdioUpstream;
use crate::upstream::{
    config::{Program, ServerConfig, Transport},
    event::ServerEvent,
    fake::{
        FakeLauncher, FakeServer, discover_result, failure, health, next, observer, outbound, profile,
        response, wait_until,
    },
};

struct Bench {
    upstream: StdioUpstream,
    launcher: Arc<FakeLauncher>,
    events: Arc<Mutex<Vec<ServerEvent>>>,
}

impl Bench {
    fn new<F: Future<Output = ()> + Send + 'static>(
        script: impl Fn(FakeServer) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::with(|_| {}, script)
    }

    fn with<F: Future<Output = ()> + Send + 'static>(
        change: impl FnOnce(&mut ServerConfig),
        script: impl Fn(FakeServer) -> F + Send + Sync + 'static,
    ) -> Self {
        let program = Program { command: "fake".into(), ..Program::default() };
        let mut config = ServerConfig::new("fake".parse().unwrap(), Transport::Stdio(program.clone()));
        config.probe_timeout = Duration::from_millis(200);
        config.stop_grace = Duration::from_millis(200);
        change(&mut config);
        let launcher = FakeLauncher::new(script);
        let (observer, events) = observer();
        let upstream = StdioUpstream::new(Arc::new(config), &program, launcher.clone(), observer, health());
        Self { upstream, launcher, events }
    }

    async fn connect(&self) -> Result<Arc<dyn Link>, UpstreamError> {
        self.upstream.connect(&plain()).await
    }

    fn garbage(&self) -> usize {
        self.events.lock().iter().filter(|event| matches!(event, ServerEvent::Garbage { .. })).count()
    }
}

fn plain() -> LinkProfile {
    profile(&json!({}), None)
}

fn call(id: &str) -> Outbound {
    outbound(id, "tools/call", &json!({"name": "t", "arguments": {}}))
}

/// A script that follows a handshake.
macro_rules! script {
    ($handshake:ident, $server:ident => $body:block) => {
        |mut $server: FakeServer| async move {
            $server.$handshake().await;
            $body
        }
    };
}

mod faults;
mod handshake;
mod messages;
mod requests;
