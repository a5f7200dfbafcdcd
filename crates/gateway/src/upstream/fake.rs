//! Servers and callers for tests: a stdio server is an async function on two pipes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{
    BoxFuture, Exchange, Exit, LaunchError, LaunchPlan, Launched, Launcher, LinkProfile, OnBehalf, Outbound,
    Principal, PrincipalKind, Process, UpstreamError, UpstreamEvent,
};
use portcullis_wire::RequestId;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use super::{
    event::{Observer, ServerEvent},
    health::Health,
};

/// The server's side of the pipes.
pub(crate) struct FakeServer {
    input: Lines<BufReader<DuplexStream>>,
    output: DuplexStream,
    /// Lines for standard error.
    pub(crate) stderr: mpsc::Sender<portcullis_core::StderrLine>,
    /// Which start of the program this is, from 0.
    pub(crate) run: usize,
}

impl FakeServer {
    /// The next message; `None` once the input is closed.
    pub(crate) async fn recv(&mut self) -> Option<Value> {
        let line = self.input.next_line().await.unwrap()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    /// The next message, which must be of this method.
    pub(crate) async fn expect(&mut self, method: &str) -> Value {
        let message = self.recv().await.unwrap_or_else(|| panic!("input closed, expected {method}"));
        assert_eq!(message["method"], method, "{message}");
        message
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.line(&message.to_string()).await;
    }

    pub(crate) async fn line(&mut self, line: &str) {
        // The link may be gone, which is for the test to notice.
        let _ = self.output.write_all(format!("{line}\n").as_bytes()).await;
    }

    /// Writes without a line ending; false once nobody reads.
    pub(crate) async fn text(&mut self, text: &str) -> bool {
        self.output.write_all(text.as_bytes()).await.is_ok()
    }

    /// Closes its input and lives on.
    pub(crate) fn turn_deaf(&mut self) {
        self.input = BufReader::new(tokio::io::duplex(1).0).lines();
    }

    pub(crate) async fn result(&mut self, request: &Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
    }

    pub(crate) async fn error(&mut self, request: &Value, code: i64, data: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": "no", "data": data}})).await;
    }

    /// The modern handshake.
    pub(crate) async fn be_modern(&mut self) {
        let probe = self.expect("server/discover").await;
        self.result(&probe, discover_result(&["2026-07-28"])).await;
    }

    /// The legacy handshake, the probe answered as old servers do.
    pub(crate) async fn be_legacy(&mut self) {
        let probe = self.expect("server/discover").await;
        self.error(&probe, -32601, Value::Null).await;
        self.greet("2025-11-25").await;
    }

    /// `initialize`, answered with this version.
    pub(crate) async fn greet(&mut self, version: &str) {
        let hello = self.expect("initialize").await;
        assert_eq!(hello["params"]["protocolVersion"], "2025-11-25");
        self.result(&hello, initialize_result(version)).await;
        self.expect("notifications/initialized").await;
    }

    /// Reads until the input is closed.
    pub(crate) async fn drain(&mut self) {
        while self.recv().await.is_some() {}
    }
}

pub(crate) fn discover_result(versions: &[&str]) -> Value {
    json!({"resultType": "complete", "supportedVersions": versions, "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "1"}}})
}

pub(crate) fn initialize_result(version: &str) -> Value {
    json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "fake", "version": "1"}, "instructions": "be kind"})
}

type Script = Box<dyn Fn(FakeServer) -> BoxFuture<'static, ()> + Send + Sync>;

/// Starts scripts in place of programs.
pub(crate) struct FakeLauncher {
    script: Script,
    pub(crate) launches: AtomicUsize,
}

impl FakeLauncher {
    pub(crate) fn new<F>(script: impl Fn(FakeServer) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Arc::new(Self {
            script: Box::new(move |server| Box::pin(script(server))),
            launches: AtomicUsize::new(0),
        })
    }
}

impl Launcher for FakeLauncher {
    fn launch<'a>(&'a self, _plan: &'a LaunchPlan) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        let run = self.launches.fetch_add(1, Ordering::SeqCst);
        let (stdin, input) = tokio::io::duplex(4096);
        let (output, stdout) = tokio::io::duplex(4096);
        let (stderr_lines, stderr) = mpsc::channel(16);
        let server = FakeServer { input: BufReader::new(input).lines(), output, stderr: stderr_lines, run };
        let (exited, exit) = watch::channel(None);
        let kill = CancellationToken::new();
        let running = kill.clone().run_until_cancelled_owned((self.script)(server));
        tokio::spawn(async move {
            let exit = if running.await.is_some() { Exit::Code(0) } else { Exit::Signal(9) };
            exited.send_replace(Some(exit));
        });
        let process = Arc::new(FakeProcess { exit, kill });
        let launched = Launched { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr, process };
        Box::pin(async { Ok(launched) })
    }
}

struct FakeProcess {
    exit: watch::Receiver<Option<Exit>>,
    kill: CancellationToken,
}

impl Process for FakeProcess {
    fn id(&self) -> u32 {
        1
    }

    fn exited(&self) -> BoxFuture<'_, Exit> {
        let mut exit = self.exit.clone();
        Box::pin(async move {
            exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Unknown)
        })
    }

    fn stop(&self, grace: Duration) -> BoxFuture<'_, Exit> {
        Box::pin(async move {
            let _ = tokio::time::timeout(grace, self.exited()).await;
            self.kill.cancel();
            self.exited().await
        })
    }
}

impl Drop for FakeProcess {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

/// An observer and what it has seen.
pub(crate) fn observer() -> (Observer, Arc<Mutex<Vec<ServerEvent>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    (Arc::new(move |_server, event| sink.lock().push(event)), seen)
}

pub(crate) fn health() -> Arc<Health> {
    Arc::new(Health::new(Arc::new(portcullis_core::SystemClock)))
}

pub(crate) fn profile(capabilities: &Value, session: Option<&str>) -> LinkProfile {
    LinkProfile {
        on_behalf: OnBehalf::of(Principal { kind: PrincipalKind::Dev, id: "alice".into() }),
        tenant: None,
        session: session.map(Into::into),
        capabilities: capabilities.to_string().into(),
        client_info: Bytes::from_static(br#"{"name":"test","version":"1"}"#),
    }
}

/// A request with patience for tests.
pub(crate) fn outbound(id: &str, method: &str, params: &Value) -> Outbound {
    let id = RequestId::parse(id.as_bytes()).unwrap();
    let body = portcullis_wire::message::request(&id, method, Some(params.to_string().as_bytes()));
    let patience = Duration::from_secs(10);
    Outbound {
        body,
        id,
        method: method.into(),
        headers: Vec::new(),
        idle_timeout: patience,
        total_timeout: patience,
    }
}

/// An event as a word and its JSON.
pub(crate) fn event(event: UpstreamEvent) -> (&'static str, Value) {
    let (word, bytes) = match event {
        UpstreamEvent::Notification(bytes) => ("notification", bytes),
        UpstreamEvent::ServerRequest(bytes) => ("request", bytes),
        UpstreamEvent::Response(bytes) => ("response", bytes),
    };
    (word, serde_json::from_slice(&bytes).unwrap())
}

pub(crate) async fn next(exchange: &mut Box<dyn Exchange>) -> (&'static str, Value) {
    event(exchange.next().await.unwrap())
}

/// The response, which must come next.
pub(crate) async fn response(mut exchange: Box<dyn Exchange>) -> Value {
    let (word, value) = next(&mut exchange).await;
    assert_eq!(word, "response", "{value}");
    value
}

pub(crate) async fn failure(mut exchange: Box<dyn Exchange>) -> UpstreamError {
    loop {
        match exchange.next().await {
            Ok(UpstreamEvent::Response(bytes)) => panic!("answered: {}", String::from_utf8_lossy(&bytes)),
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

/// Looks again and again until `found` says yes, and fails the test when it never does.
pub(crate) async fn wait_until(what: &str, mut found: impl FnMut() -> bool) {
    let looked = async {
        while !found() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looked).await.unwrap_or_else(|_| panic!("never: {what}"));
}
