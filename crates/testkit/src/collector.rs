//! A receiver of OTLP over HTTP that keeps what it is sent, whole and in order.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    routing::post,
};
use bytes::Bytes;
use tokio::{net::TcpListener, task::JoinHandle};

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

async fn keep(State(kept): State<Kept>, Path(signal): Path<String>, body: Bytes) {
    kept.lock().expect("no panic under the lock").push((signal, body));
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
