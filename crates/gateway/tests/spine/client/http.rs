//! HTTP/1.1, one connection per request, so that cutting one off touches no other.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use portcullis_core::wire::{self, sse::SseParser};
use portcullis_gateway::{
    edge::{Edge, EdgeLimits, Peer},
    ingress::http::{HttpIngress, HttpOptions, Sites},
    limits::{Limiter, RequestLimits},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{Card, Post, headers_of, id_of};
use crate::house::House;

/// Room in a connection in memory. Small, so that a client that does not read is noticed.
const PIPE: usize = 16 << 10;

/// The way to a gateway's HTTP transport.
#[derive(Clone)]
pub(crate) enum Network {
    Memory(Arc<HttpIngress>),
    Loopback(SocketAddr, CancellationToken),
}

/// Something a request can be sent over.
trait HttpDoor: AsyncRead + AsyncWrite + Unpin + Send {}
impl HttpDoor for DuplexStream {}
impl HttpDoor for TcpStream {}

impl Network {
    pub(crate) fn memory(house: &House) -> Self {
        Self::Memory(ingress(house))
    }

    /// A listener on a loopback address, as the program has it.
    pub(crate) async fn loopback(house: &House) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let limits = EdgeLimits::default();
        let edge = Edge { service: ingress(house), limits, tls: None, gateway: house.gateway.clone() };
        tokio::spawn(edge.run(listener, stop.clone()));
        Self::Loopback(address, stop)
    }

    /// Stops listening.
    pub(crate) fn stop(&self) {
        if let Self::Loopback(_, stop) = self {
            stop.cancel();
        }
    }

    async fn connect(&self) -> Box<dyn HttpDoor> {
        match self {
            Self::Loopback(address, _) => Box::new(TcpStream::connect(address).await.unwrap()),
            Self::Memory(ingress) => {
                let (ours, theirs) = tokio::io::duplex(PIPE);
                let ingress = ingress.clone();
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
                let peer = Peer { address, certificate: None };
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let ingress = ingress.clone();
                    async move { Ok::<_, std::convert::Infallible>(ingress.handle(request, peer).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                let serving = connection.serve_connection(TokioIo::new(theirs), service);
                tokio::spawn(async move {
                    // The client going away is what ends it.
                    let _ = serving.await;
                });
                Box::new(ours)
            }
        }
    }

    /// Sends a request and reads its answer. The connection ends with the future.
    async fn exchange<T, F: Future<Output = T>>(
        &self,
        request: Request<Full<Bytes>>,
        read: impl FnOnce(Response<Incoming>) -> F,
    ) -> Option<T> {
        let io = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
        let work = async {
            let response = sender.send_request(request).await.ok()?;
            Some(read(response).await)
        };
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = connection => {}
        }
        // What had arrived by then is still to be read.
        work.await
    }
}

fn ingress(house: &House) -> Arc<HttpIngress> {
    let options = HttpOptions {
        sites: Sites { hosts: Arc::from(["localhost".to_owned()]), ..Sites::default() },
        body_bytes: 1 << 20,
        body_timeout: Duration::from_secs(10),
        loopback: true,
        origin: "http://localhost".into(),
        keep_alive: Duration::from_secs(15),
        streams: 1_000,
    };
    HttpIngress::new(house.gateway.clone(), options, Limiter::new(RequestLimits::default()))
}

/// One client's side.
pub(super) struct Http {
    network: Network,
    card: Card,
    post_to: Mutex<String>,
    memory: Arc<Mutex<Memory>>,
    pub(super) post: Post,
}

/// What the client remembers of what it was told.
#[derive(Default)]
struct Memory {
    session: Option<String>,
    /// The newest event of each stream, by the id of its request.
    last_events: HashMap<String, String>,
}

impl Http {
    pub(super) fn streamable(network: &Network, card: &Card, post: Post) -> Self {
        let post_to = Mutex::new(card.path("mcp"));
        Self { network: network.clone(), card: card.clone(), post_to, memory: Arc::default(), post }
    }

    /// HTTP+SSE: the stream comes first and says where to post. None when it is refused.
    pub(super) async fn with_stream(network: &Network, card: &Card, post: Post) -> Option<Self> {
        let http = Self::streamable(network, card, post);
        let (tx, rx) = tokio::sync::oneshot::channel();
        let get = http.builder(Method::GET, &card.path("sse")).body(Full::default()).unwrap();
        let (network, post) = (network.clone(), http.post.clone());
        http.post.run(&"stream".into(), async move {
            let mut tx = Some(tx);
            let events = |response: Response<Incoming>| {
                read_events(response, move |event| match tx.take() {
                    Some(tx) => tx.send(String::from_utf8(event.data.to_vec()).unwrap()).unwrap(),
                    None => post.deliver(None, &event.data),
                })
            };
            network.exchange(get, events).await;
        });
        // A refusal has no events.
        *http.post_to.lock().unwrap() = rx.await.ok()?;
        Some(http)
    }

    pub(super) fn session_id(&self) -> Option<String> {
        self.memory.lock().unwrap().session.clone()
    }

    pub(super) fn last_event(&self, id: &Value) -> Option<String> {
        self.memory.lock().unwrap().last_events.get(&id.to_string()).cloned()
    }

    pub(super) fn send(&self, body: Bytes) {
        let path = self.post_to.lock().unwrap().clone();
        let mut request = self.builder(Method::POST, &path);
        for (name, value) in headers_of(&self.card, &body) {
            request = request.header(name, value);
        }
        let id = id_of(&body);
        self.run(&id, request.body(Full::new(body)).unwrap());
    }

    /// GET of the session's stream, or of the rest of one.
    pub(super) fn listen(&self, last_event: Option<&str>) {
        if self.session_id().is_none() {
            return;
        }
        let mut request = self.builder(Method::GET, &self.card.path("mcp"));
        if let Some(id) = last_event {
            request = request.header(wire::header::LAST_EVENT_ID, id);
        }
        let name = last_event.map_or("stream".into(), |id| format!("resumed-{id}"));
        self.run(&name.into(), request.body(Full::default()).unwrap());
    }

    pub(super) async fn end(&self) {
        if self.session_id().is_none() {
            return;
        }
        let request = self.builder(Method::DELETE, &self.card.path("mcp")).body(Full::default()).unwrap();
        self.memory.lock().unwrap().session = None;
        let status = self.network.exchange(request, |response| async move { response.status() }).await;
        // It may have ended before.
        assert!(status.is_some_and(|status| status == 204 || status == 404), "{status:?}");
    }

    fn builder(&self, method: Method, path: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream");
        match self.session_id() {
            Some(id) => request.header(wire::header::SESSION_ID, id),
            None => request,
        }
    }

    fn run(&self, id: &Value, request: Request<Full<Bytes>>) {
        let (network, post, memory) = (self.network.clone(), self.post.clone(), self.memory.clone());
        let name = id.to_string();
        self.post.run(id, async move {
            network.exchange(request, |response| read(response, post, memory, name)).await;
        });
    }
}

async fn read(response: Response<Incoming>, post: Post, memory: Arc<Mutex<Memory>>, name: String) {
    if let Some(id) = response.headers().get(wire::header::SESSION_ID) {
        memory.lock().unwrap().session = Some(id.to_str().unwrap().to_owned());
    }
    let status = Some(response.status().as_u16());
    let kind = response.headers().get(header::CONTENT_TYPE).cloned();
    if kind.is_some_and(|kind| kind == "text/event-stream") {
        return read_events(response, |event| {
            if let Some(id) = event.id {
                memory.lock().unwrap().last_events.insert(name.clone(), id);
            }
            if !event.data.is_empty() {
                post.deliver(status, &event.data);
            }
        })
        .await;
    }
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if !body.is_empty() {
        post.deliver(status, &body);
    }
}

async fn read_events(response: Response<Incoming>, mut each: impl FnMut(wire::sse::Event)) {
    let mut body = response.into_body();
    let mut parser = SseParser::new(1 << 20);
    while let Some(Ok(frame)) = body.frame().await {
        parser.push(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(event) = parser.next() {
            each(event.unwrap());
        }
    }
}
