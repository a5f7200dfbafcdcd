//! Calls of every kind, each with a trace of its own by which servers and records name it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use portcullis_testkit::gateway::Gateway;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    message::{LEGACY, call, initialize, legacy, modern},
    raw::{Answer, Request, SOON},
    until::until,
};

/// Calls at a time.
const WORKERS: usize = 16;

/// Path, method, and what is asked for; the era is that of the endpoint's client.
const KINDS: [(&str, &str, &str); 10] = [
    ("/mcp/web", "tools/call", "test_simple_text"),
    ("/mcp/pipe", "tools/call", "test_simple_text"),
    ("/mcp/web", "prompts/get", "test_simple_prompt"),
    ("/mcp/web", "resources/read", "test://static-text"),
    ("/mcp/web", "tools/call", "test_error_handling"),
    ("/mcp/web", "tools/call", "no_such_tool"),
    (IN_SESSION, "tools/call", "test_simple_text"),
    ("/mcp", "tools/call", "web__test_simple_text"),
    ("/mcp/web", "tools/call", "test_tool_with_progress"),
    ("/mcp/pipe", "prompts/get", "test_simple_prompt"),
];

/// Of a client of an earlier version.
const IN_SESSION: &str = "/mcp/web#session";

/// What a client met.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Met {
    /// A result.
    Answer,
    /// An error that quotes no record: a server's, or a refusal that could not be recorded.
    Bare { status: u16 },
    /// A refusal, its status, and the record it quotes; and when it came.
    Refusal { status: u16, record: String, life: usize, at: Instant },
    /// No answer, or part of one.
    Broken,
}

/// All calls so far.
#[derive(Clone, Default)]
pub(super) struct Load {
    next: Arc<AtomicU64>,
    answered: Arc<AtomicUsize>,
    met: Arc<Mutex<Vec<(String, Met)>>>,
    /// When each life ended.
    pub(super) killed: Vec<Instant>,
    session: String,
}

impl Load {
    /// Calls begun.
    pub(super) fn done(&self) -> usize {
        usize::try_from(self.next.load(Relaxed)).unwrap()
    }

    /// Trace and fate of each call.
    pub(super) fn met(&self) -> Vec<(String, Met)> {
        self.met.lock().unwrap().clone()
    }

    /// Begins the session that a gateway which was killed took along.
    pub(super) async fn begin_life(&mut self, gateway: SocketAddr) {
        let opened = Request::post("/mcp/web", initialize(LEGACY).to_string()).send(gateway).await;
        self.session = opened.headers["mcp-session-id"].clone();
    }

    /// So many calls, one after the other in each of several tasks.
    pub(super) async fn calls(&self, gateway: SocketAddr, count: usize) {
        let left = Arc::new(AtomicUsize::new(count));
        self.together(move |load| {
            let left = left.clone();
            async move {
                let taken = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
                while taken() {
                    load.one(gateway).await;
                }
            }
        })
        .await;
    }

    /// Calls without end, and a kill while many are under way, once `count` have been answered.
    pub(super) async fn killed_after(&mut self, gateway: &mut Gateway, count: usize) {
        let (address, before) = (gateway.address(), self.answered.load(Relaxed));
        let load = self.clone();
        let flood = tokio::spawn(async move {
            load.together(move |load| async move { while load.one(address).await != Met::Broken {} }).await;
        });
        self.answered(before + count).await;
        self.kill(gateway);
        flood.await.unwrap();
    }

    /// Waits for so many answers, as long as they come.
    async fn answered(&self, wanted: usize) {
        loop {
            let before = self.answered.load(Relaxed);
            if before >= wanted {
                return;
            }
            until("answer", || self.answered.load(Relaxed) > before).await;
        }
    }

    pub(super) fn kill(&mut self, gateway: &mut Gateway) {
        self.killed.push(Instant::now());
        gateway.kill();
    }

    /// Calls until one meets what is wanted.
    pub(super) async fn until(&self, gateway: SocketAddr, wanted: &str, is_it: impl Fn(&Met) -> bool) {
        let calling = async { while !is_it(&self.one(gateway).await) {} };
        timeout(SOON, calling).await.unwrap_or_else(|_| panic!("no call met {wanted} within {SOON:?}"));
    }

    async fn together<F: Future<Output = ()> + Send + 'static>(&self, work: impl Fn(Load) -> F) {
        let tasks: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(self.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }

    async fn one(&self, gateway: SocketAddr) -> Met {
        let number = self.next.fetch_add(1, Relaxed);
        let trace = format!("{:032x}", number + 1);
        let met = match exchange(gateway, &self.request(number, &trace).bytes()).await {
            Some(answer) => self.understood(&answer),
            None => Met::Broken,
        };
        if met != Met::Broken {
            self.answered.fetch_add(1, Relaxed);
        }
        self.met.lock().unwrap().push((trace, met.clone()));
        met
    }

    fn request(&self, number: u64, trace: &str) -> Request {
        let (path, method, what) = KINDS[usize::try_from(number).unwrap() % KINDS.len()];
        let params = match method {
            "tools/call" => call(what, json!({})),
            "resources/read" => json!({ "uri": what }),
            _ => json!({ "name": what }),
        };
        let traceparent = Value::from(format!("00-{trace}-00f067aa0ba902b7-01"));
        if path == IN_SESSION {
            let mut message = legacy(number, method, params);
            message["params"]["_meta"]["traceparent"] = traceparent;
            let post = Request::post("/mcp/web", message.to_string());
            return post.header("mcp-session-id", &self.session).header("mcp-protocol-version", LEGACY);
        }
        let mut message = modern(number, method, params);
        message["params"]["_meta"]["traceparent"] = traceparent;
        Request::modern(path, &message)
    }

    fn understood(&self, answer: &Answer) -> Met {
        let (json, record) = (answer.json(), answer.record());
        match (json.get("result"), json.get("error")) {
            (Some(_), _) => Met::Answer,
            (None, Some(_)) if record.is_empty() => Met::Bare { status: answer.status },
            (None, Some(_)) => {
                let (status, life, at) = (answer.status, self.killed.len(), Instant::now());
                Met::Refusal { status, record, life, at }
            }
            // The head of an answer, or the beginning of a stream.
            (None, None) => Met::Broken,
        }
    }
}

/// Sends a request; what came back, unless the gateway was gone before it said anything.
async fn exchange(gateway: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(gateway).await.ok()?;
    stream.write_all(request).await.ok()?;
    let mut bytes = Vec::new();
    let read = timeout(SOON + Duration::from_secs(5), stream.read_to_end(&mut bytes)).await;
    read.expect("every call is answered or its connection ends").ok();
    (!bytes.is_empty()).then(|| Answer::parse(&String::from_utf8_lossy(&bytes)))
}
