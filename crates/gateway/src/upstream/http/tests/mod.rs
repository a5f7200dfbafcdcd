//! The HTTP transports against a scripted server on a loopback socket.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod credential;
mod fake;
mod modern;
mod modern_faults;
mod probe;
mod sse;
mod streamable;
mod streamable_resume;
mod tls;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use portcullis_core::{Link, Outbound, Secret, UpstreamError};
use serde_json::{Value, json};

use self::fake::{FakeHttp, Reply, Seen};
use super::HttpUpstream;
use crate::upstream::{
    config::{Endpoint, HttpMode, ServerConfig, Transport},
    event::ServerEvent,
    fake::{
        discover_result, failure, health, initialize_result, next, observer, outbound, profile, response,
        wait_until,
    },
};

struct Bench {
    upstream: HttpUpstream,
    server: Arc<FakeHttp>,
    events: Arc<Mutex<Vec<ServerEvent>>>,
}

impl Bench {
    async fn new<F: Future<Output = Reply> + Send + 'static>(
        handler: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::with(|_| {}, HttpMode::Auto, handler).await
    }

    /// One that is shown this credential.
    async fn showing<F: Future<Output = Reply> + Send + 'static>(
        credential: Option<Arc<portcullis_identity::Credential>>,
        handler: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::over(|_| {}, HttpMode::Auto, credential, FakeHttp::start(handler).await)
    }

    async fn with<F: Future<Output = Reply> + Send + 'static>(
        change: impl FnOnce(&mut ServerConfig),
        mode: HttpMode,
        handler: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::over(change, mode, None, FakeHttp::start(handler).await)
    }

    fn over(
        change: impl FnOnce(&mut ServerConfig),
        mode: HttpMode,
        credential: Option<Arc<portcullis_identity::Credential>>,
        server: Arc<FakeHttp>,
    ) -> Self {
        let headers = vec![("x-key".parse().unwrap(), Secret::new(b"k3y".to_vec()))];
        let endpoint = Endpoint {
            url: server.url("/mcp"),
            headers,
            credential,
            ca_file: None,
            certificate: None,
            signer: None,
            danger_tls12: false,
            mode,
        };
        let mut config = ServerConfig::new("fake".parse().unwrap(), Transport::Http(endpoint.clone()));
        config.probe_timeout = Duration::from_millis(500);
        config.connect_timeout = Duration::from_secs(5);
        config.stop_grace = Duration::from_millis(500);
        change(&mut config);
        let (observer, events) = observer();
        let upstream = HttpUpstream::new(Arc::new(config), &endpoint, observer, health()).unwrap();
        Self { upstream, server, events }
    }

    async fn connect(&self) -> Result<Arc<dyn Link>, UpstreamError> {
        self.upstream.connect(&profile(&json!({}), None)).await
    }

    fn garbage(&self) -> usize {
        self.events.lock().iter().filter(|event| matches!(event, ServerEvent::Garbage { .. })).count()
    }
}

fn call(id: &str) -> Outbound {
    outbound(id, "tools/call", &json!({"name": "t", "arguments": {}}))
}

fn result(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn error(id: &Value, code: i64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "no"}})
}

/// What a modern server answers to the probe.
fn discovered(seen: &Seen) -> Option<Reply> {
    let probe = seen.method == "POST" && seen.body["method"] == "server/discover";
    probe.then(|| Reply::json(&result(&seen.body["id"], &discover_result(&["2026-07-28"]))))
}

/// What a legacy server with sessions answers until the handshake is over.
fn greeted(seen: &Seen, version: &str) -> Option<Reply> {
    match (seen.method.as_str(), seen.body["method"].as_str()) {
        ("POST", Some("server/discover")) => Some(Reply::status(400).with_json(&error(&Value::Null, -32000))),
        ("POST", Some("initialize")) => {
            let reply = Reply::json(&result(&seen.body["id"], &initialize_result(version)));
            Some(reply.header("mcp-session-id", "s-1"))
        }
        ("POST", Some("notifications/initialized")) => Some(Reply::status(202)),
        ("GET", _) if !seen.headers.contains_key("last-event-id") => Some(Reply::status(405)),
        ("DELETE", _) => Some(Reply::status(200)),
        _ => None,
    }
}
