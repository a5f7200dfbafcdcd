//! A receiver of OTLP over HTTP that keeps what it is sent, whole and in order, and the real collector rotel that passes
//! on to it what it understood.

use std::{
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::HeaderMap;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    routing::post,
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    bed::Bed,
    server::{Launch, Process, Sandbox, SpawnError},
};

/// A running receiver.
pub struct Receiver {
    address: SocketAddr,
    kept: Kept,
    task: JoinHandle<()>,
}

type Kept = Arc<Mutex<Vec<(String, Bytes)>>>;

impl Receiver {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, kept) = (listener.local_addr()?, Kept::default());
        let router = Router::new()
            .route("/v1/{signal}", post(keep))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&kept));
        // A receiver that cannot serve is one that gets nothing, which its test will notice.
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { address, kept, task })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bodies for one signal: `traces`, `metrics` or `logs`.
    ///
    /// # Panics
    /// When another thread panicked with the bodies in hand.
    #[must_use]
    pub fn bodies(&self, signal: &str) -> Vec<Bytes> {
        let kept = self.kept.lock().expect("no panic under the lock");
        kept.iter().filter(|(of, _)| of == signal).map(|(_, body)| body.clone()).collect()
    }
}

async fn keep(State(kept): State<Kept>, Path(signal): Path<String>, headers: HeaderMap, body: Bytes) {
    let body = match headers.get("content-encoding").map(|encoding| encoding.as_bytes()) {
        Some(b"gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(&*body).read_to_end(&mut plain).expect("a collector compresses well");
            plain.into()
        }
        _ => body,
    };
    kept.lock().expect("no panic under the lock").push((signal, body));
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A running rotel: it takes OTLP on both protocols and passes it on.
pub struct Collector {
    grpc: SocketAddr,
    http: SocketAddr,
    _home: TempDir,
    _process: Process,
}

/// How long it may take to listen.
const DEADLINE: Duration = Duration::from_secs(30);

impl Collector {
    /// Starts one in front of `receiver`, on addresses that were free a moment ago.
    ///
    /// # Errors
    /// When it is not installed, does not start or does not listen within 30 s.
    ///
    /// # Panics
    /// When there is no directory for its files.
    pub async fn start(bed: &Bed, receiver: &Receiver) -> Result<Self, SpawnError> {
        let program = bed.rotel().unwrap_or_else(|error| panic!("{error}"));
        let home = TempDir::new().expect("a directory can be made");
        let file =
            |name: &str| home.path().join(name).to_str().expect("the paths of tests are UTF-8").to_owned();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let unfit = |source| SpawnError::Start { program: program.clone(), source };
        let (grpc, http) = (free().map_err(unfit)?, free().map_err(unfit)?);
        let (grpc_text, http_text) = (grpc.to_string(), http.to_string());
        let (pid, log, url) = (file("pid"), file("log"), receiver.url());
        let args = [
            ["--pid-file", &pid],
            ["--log-file", &log],
            ["--otlp-grpc-endpoint", &grpc_text],
            ["--otlp-http-endpoint", &http_text],
            ["--exporter", "otlp"],
            ["--otlp-exporter-endpoint", &url],
            ["--otlp-exporter-protocol", "http"],
        ];
        let args = ["start"].into_iter().chain(args.into_iter().flatten()).map(str::to_owned).collect();
        let launch = Launch { program: program.clone(), args, env: Vec::new(), sandbox: Sandbox::none() };
        let mut process = Process::start(&launch)?;
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect(grpc).await.is_err() || TcpStream::connect(http).await.is_err() {
            let (wanted, said) = ("that it listens".to_owned(), process.said());
            if process.has_ended() {
                return Err(SpawnError::Ended { program, wanted, said });
            }
            if Instant::now() >= end {
                return Err(SpawnError::Silent { program, wanted, waited: DEADLINE, said });
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { grpc, http, _home: home, _process: process })
    }

    /// Where it takes OTLP over gRPC.
    #[must_use]
    pub fn grpc(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Where it takes OTLP over HTTP.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://{}", self.http)
    }
}
