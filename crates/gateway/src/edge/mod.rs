//! Listeners: connections under limits, TLS, and an orderly end.

mod opening;
mod places;
mod turned;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{HttpService, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use portcullis_core::{Channel, ControlId, Digest, Refusal, RefusalKind};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use places::{Full, Places};

use crate::{gateway::Gateway, trail::Sender};
use opening::Opening;
use turned::TurnedAway;

/// Bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct EdgeLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections per client address.
    pub per_address: usize,
    /// Time to finish the TLS handshake.
    pub handshake: Duration,
    /// Time to send a whole request head, which is what a slow client stretches. Counts from the end of the
    /// answer before it, so an idle connection ends by it too.
    pub head: Duration,
    /// Largest request head in bytes.
    pub head_bytes: usize,
    /// Time for requests under way to finish when the listener closes.
    pub drain: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            per_address: 2_000,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            head_bytes: 32 * 1024,
            drain: Duration::from_secs(30),
        }
    }
}

/// Who is on the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// SHA-256 of the certificate it proved to have the key of, when the handshake asked for one and it was verified.
    pub certificate: Option<Digest>,
}

/// What a listener does with a request.
pub trait Service: Send + Sync + 'static {
    /// Body of a response.
    type Body: http_body::Body<Data = bytes::Bytes, Error = std::convert::Infallible> + Send + 'static;

    /// Answers a request.
    fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// A listener and everything it needs.
pub struct Edge<S> {
    /// What answers.
    pub service: Arc<S>,
    /// Bounds.
    pub limits: EdgeLimits,
    /// Certificate and key; plain HTTP without.
    pub tls: Option<TlsAcceptor>,
    /// The gateway whose metrics count connections.
    pub gateway: Arc<Gateway>,
}

impl<S: Service> Edge<S> {
    /// Accepts until `stop` fires, then lets requests under way finish within the drain time. Returns
    /// whether all of them did.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> bool {
        let drain = self.limits.drain;
        let places = Places::new(self.limits.connections, self.limits.per_address);
        let edge = Arc::new(self);
        let turned = TurnedAway::new(edge.gateway.clone());
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // Out of descriptors, most likely: give connections time to close.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let place = match places.take(peer.ip()) {
                Ok(place) => place,
                Err(full) => {
                    turned.turn_away(stream, peer, full, edge.tls.is_none());
                    continue;
                }
            };
            edge.gateway.metrics.connections.add(1);
            let watcher = graceful.watcher();
            let edge = edge.clone();
            tokio::spawn(async move {
                edge.connection(stream, peer, watcher).await;
                drop(place);
            });
        }
        drop(listener);
        turned.finish();
        tokio::time::timeout(drain, graceful.shutdown()).await.is_ok()
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        // Without it small messages wait for acknowledgements; a socket that refuses still works.
        let _ = stream.set_nodelay(true);
        let ended = match &self.tls {
            None => self.http1(stream, Peer { address, certificate: None }, watcher).await,
            Some(tls) => match tokio::time::timeout(self.limits.handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let session = stream.get_ref().1;
                    let certificate =
                        session.peer_certificates().and_then(<[_]>::first).map(|it| Digest::of(it));
                    let (peer, two) = (Peer { address, certificate }, session.alpn_protocol() == Some(b"h2"));
                    match two {
                        true => self.http2(Opening::new(stream, self.limits.head), peer, watcher).await,
                        false => self.http1(stream, peer, watcher).await,
                    }
                }
                _ => return,
            },
        };
        // How a connection ends is the client's business, except when what it sent was refused unread.
        if let Err(error) = ended
            && let Some(refusal) = unreadable(&error)
        {
            let sender = Sender { channel: Channel::Http, peer: Some(address.ip()), caller: None };
            self.gateway.refuse_unread(sender, refusal);
        }
    }

    async fn http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        watcher: Watcher,
    ) -> Result<(), hyper::Error> {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(self.limits.head_bytes.max(8 * 1024))
            .serve_connection(TokioIo::new(stream), self.answers(peer));
        watcher.watch(connection).await
    }

    async fn http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        watcher: Watcher,
    ) -> Result<(), hyper::Error> {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(256)
            .max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_secs(30))
            .serve_connection(TokioIo::new(stream), self.answers(peer));
        watcher.watch(connection).await
    }

    fn answers(
        &self,
        peer: Peer,
    ) -> impl HttpService<Incoming, ResBody = S::Body, Error = Infallible, Future: Send> + use<S> {
        let service = self.service.clone();
        service_fn(move |request| {
            let service = service.clone();
            async move { Ok::<_, Infallible>(service.call(request, peer).await) }
        })
    }
}

/// Why a request head was refused, when it was: hyper has answered by then, and closed the connection so that
/// nothing after such a head can be taken for a request (RFC 9112 section 11.2).
fn unreadable(error: &hyper::Error) -> Option<Refusal> {
    let io = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let refusal = if error.is_parse_too_large() {
        Refusal::new(RefusalKind::TooLarge, "the head is larger than `limits.header_bytes`")
    } else if error.is_parse() {
        Refusal::new(RefusalKind::InvalidRequest, "the head is no HTTP request")
    } else if error.is_timeout() || io.is_some_and(opening::is_late) {
        Refusal::new(RefusalKind::Timeout, "the head did not arrive within `limits.header_read_seconds`")
    } else {
        return None;
    };
    Some(refusal.operator(format!("request head: {error}")).by(ControlId::Net05))
}
