//! A proxy between a client in the test and servers of the test's making.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_core::{BoxFuture, DomainName, FakeClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::super::*;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.unwrap()
}

/// Writes records down as lines.
#[derive(Default)]
pub(super) struct Book {
    lines: Arc<watch::Sender<Vec<String>>>,
    pub(super) broken: bool,
}

struct Page(Arc<watch::Sender<Vec<String>>>, String);

impl Ledger for Book {
    fn allow<'a>(
        &'a self,
        attempt: &'a Attempt,
        rule: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Entry>, String>> {
        Box::pin(async move {
            if self.broken {
                return Err("the disk is full".to_owned());
            }
            let Attempt { server, way, destination } = attempt;
            let line = format!("{server} {} {destination} allowed by {rule}", way.as_str());
            self.lines.send_modify(|lines| lines.push(line));
            let entry: Box<dyn Entry> = Box::new(Page(self.lines.clone(), destination.clone()));
            Ok(entry)
        })
    }

    fn refuse(&self, attempt: &Attempt, denial: &Denial) {
        let Attempt { server, way, destination } = attempt;
        let line =
            format!("{server} {} {destination} refused by {}: {denial}", way.as_str(), denial.control());
        self.lines.send_modify(|lines| lines.push(line));
    }
}

impl Entry for Page {
    fn close(self: Box<Self>, _: Option<SocketAddr>, end: &End, traffic: Traffic) {
        let end = match end {
            End::Closed => "closed".to_owned(),
            End::Cut(denial) => format!("cut: {denial}"),
        };
        let line = format!("{} {end}, {} sent, {} received", self.1, traffic.sent, traffic.received);
        self.0.send_modify(|lines| lines.push(line));
    }
}

/// Answers to questions for a name, the last one again and again.
#[derive(Default)]
pub(super) struct Zone {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    asked: Mutex<usize>,
}

impl Zone {
    pub(super) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let answers = answers.iter().map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect());
        self.answers.lock().insert(name.to_owned(), answers.collect());
        self
    }
}

impl Resolve for Zone {
    fn lookup<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFault>> {
        *self.asked.lock() += 1;
        let mut answers = self.answers.lock();
        let answer = match answers.get_mut(name.as_str()) {
            // Names without an answer are never answered.
            None => return Box::pin(std::future::pending()),
            Some(left) if left.len() > 1 => left.pop_front(),
            Some(left) => left.front().cloned(),
        };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

/// What a proxy is to be like.
pub(super) struct Wanted<'w> {
    pub(super) hosts: &'w [String],
    pub(super) plain: &'w [String],
    pub(super) private: &'w [&'w str],
    pub(super) zone: Zone,
    pub(super) limits: Limits,
    pub(super) broken: bool,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        let limits = Limits { idle: PATIENCE, ..Limits::default() };
        Self { hosts: &[], plain: &[], private: &["127.0.0.1"], zone: Zone::default(), limits, broken: false }
    }
}

/// A proxy for the server `s`.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) gate: Arc<Gate>,
    zone: Arc<Zone>,
    lines: watch::Receiver<Vec<String>>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(super) async fn open(wanted: Wanted<'_>) -> Self {
        let private: Vec<IpAddr> = wanted.private.iter().map(|text| text.parse().unwrap()).collect();
        let book = Book { broken: wanted.broken, ..Book::default() };
        let (lines, zone) = (book.lines.subscribe(), Arc::new(wanted.zone));
        let gate = Arc::new(Gate::new(GateParts {
            server: "s".parse().unwrap(),
            policy: Policy::new(wanted.hosts, wanted.plain, &private).unwrap(),
            limits: wanted.limits,
            resolver: zone.clone(),
            ledger: Arc::new(book),
            clock: Arc::new(FakeClock::at(0)),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, gate.clone(), std::future::pending()));
        Self { address, gate, zone, lines, task }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads everything until the proxy closes.
    pub(super) async fn say(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is an end like any other.
        let _ = soon(stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Opens a tunnel; the answer when there is none.
    pub(super) async fn tunnel(&self, to: &str) -> Result<TcpStream, String> {
        let mut stream = self.connect().await;
        stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).await.unwrap();
        let head = soon(read_head(&mut stream)).await;
        if head.starts_with("HTTP/1.1 200 ") { Ok(stream) } else { Err(head) }
    }

    /// The records, once there are `count` of them; the first `count` if there are more.
    pub(super) async fn records(&self, count: usize) -> Vec<String> {
        let mut lines = self.lines.clone();
        let lines = soon(lines.wait_for(|lines| lines.len() >= count)).await.unwrap();
        lines.clone()
    }

    pub(super) fn lookups(&self) -> usize {
        *self.zone.asked.lock()
    }
}

pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// `200`, or whatever else the first line of an answer says.
pub(super) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// A server that gives each connection to `serve`, and how many it had.
pub(super) struct Server {
    pub(super) port: u16,
    served: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (count, served) = watch::channel(0);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.send_modify(|count| *count += 1);
                tokio::spawn(serve(stream));
            }
        });
        Self { port, served, task }
    }

    /// Says back what it is told.
    pub(super) async fn echo() -> Self {
        Self::start(|stream| async move {
            let (mut from, mut to) = stream.into_split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        })
        .await
    }

    /// Answers every request with the same bytes and keeps what it was sent, until the other side closes.
    pub(super) async fn answering(answer: String) -> (Self, watch::Receiver<String>) {
        let (heard, hears) = watch::channel(String::new());
        let heard = Arc::new(heard);
        let server = Self::start(move |mut stream| {
            let (heard, answer) = (heard.clone(), answer.clone());
            async move {
                let mut buffer = vec![0; 4_096];
                let mut answered = false;
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    heard.send_modify(|all| all.push_str(&String::from_utf8_lossy(&buffer[..read])));
                    if !answered && heard.borrow().contains("\r\n\r\n") {
                        answered = true;
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            }
        })
        .await;
        (server, hears)
    }

    pub(super) fn connections(&self) -> usize {
        *self.served.borrow()
    }
}
