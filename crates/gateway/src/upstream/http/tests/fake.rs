//! An HTTP server whose answers are written by the test.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use portcullis_core::BoxFuture;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::mpsc,
};

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// `null` when there was none, a string when it was a form.
    pub(super) body: Value,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An answer.
pub(super) struct Reply {
    head: http::response::Builder,
    body: mpsc::Receiver<io::Result<Bytes>>,
}

/// The sending side of a streamed body. Dropping it ends the body; [`Events::cut`] breaks it.
#[derive(Clone)]
pub(super) struct Events(mpsc::Sender<io::Result<Bytes>>);

impl Events {
    /// Whether the client still reads.
    pub(super) async fn raw(&self, text: impl Into<Bytes>) -> bool {
        self.0.send(Ok(text.into())).await.is_ok()
    }

    pub(super) async fn message(&self, message: &Value) -> bool {
        self.raw(format!("event: message\ndata: {message}\n\n")).await
    }

    pub(super) async fn cut(self) {
        let _ = self.0.send(Err(io::ErrorKind::ConnectionReset.into())).await;
    }

    /// Resolves when the client no longer reads.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self { head: Response::builder().status(status), body: mpsc::channel(1).1 }
    }

    pub(super) fn json(message: &Value) -> Self {
        Self::status(200).with_json(message)
    }

    pub(super) fn with_json(self, message: &Value) -> Self {
        self.header("content-type", "application/json").with_body(message.to_string())
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.head = self.head.header(name, value);
        self
    }

    pub(super) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(Ok(body.into())).unwrap();
        self.body = receiver;
        self
    }

    /// A body of which nothing ever comes.
    pub(super) fn with_endless_body(mut self) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move { sender.closed().await });
        self.body = receiver;
        self
    }

    /// An event stream and the way to write it.
    pub(super) fn events() -> (Self, Events) {
        let (sender, receiver) = mpsc::channel(16);
        let head = Response::builder().status(200).header("content-type", "text/event-stream; charset=utf-8");
        (Self { head, body: receiver }, Events(sender))
    }

    /// A whole event stream.
    pub(super) fn event_text(text: impl Into<Bytes>) -> Self {
        Self::status(200).header("content-type", "text/event-stream").with_body(text)
    }
}

struct ChannelBody(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for ChannelBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

type Handler = Box<dyn Fn(Seen) -> BoxFuture<'static, Reply> + Send + Sync>;

/// A server on a loopback port.
pub(super) struct FakeHttp {
    port: u16,
    handler: Handler,
    seen: Mutex<Vec<Seen>>,
    pub(super) connections: AtomicUsize,
}

impl FakeHttp {
    pub(super) async fn start<F>(handler: impl Fn(Seen) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let (server, listener) = Self::bind(handler).await;
        let accepting = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        server
    }

    pub(super) async fn bind<F>(
        handler: impl Fn(Seen) -> F + Send + Sync + 'static,
    ) -> (Arc<Self>, TcpListener)
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let handler: Handler = Box::new(move |seen| Box::pin(handler(seen)));
        let server = Self { port, handler, seen: Mutex::default(), connections: AtomicUsize::new(0) };
        (Arc::new(server), listener)
    }

    /// Serves one connection.
    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: Arc<Self>,
        stream: S,
    ) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let service = service_fn(move |request| self.clone().answer(request));
        let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        // The client may go away, which is for the test to notice.
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    }

    #[allow(clippy::disallowed_methods, reason = "the test sends the body")]
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<ChannelBody>, io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let is_form =
            head.headers.get("content-type").is_some_and(|it| it.as_bytes().ends_with(b"urlencoded"));
        let body = match &*body {
            [] => Value::Null,
            form if is_form => Value::String(String::from_utf8(form.to_vec()).unwrap()),
            json => serde_json::from_slice(json).unwrap(),
        };
        let (method, path) = (head.method.to_string(), head.uri.path_and_query().unwrap().to_string());
        let seen = Seen { method, path, headers: head.headers, body };
        self.seen.lock().push(seen.clone());
        let reply = (self.handler)(seen).await;
        Ok(reply.head.body(ChannelBody(reply.body)).unwrap())
    }

    pub(super) fn url(&self, path: &str) -> Uri {
        self.url_of("http", "127.0.0.1", path)
    }

    pub(super) fn url_of(&self, scheme: &str, host: &str, path: &str) -> Uri {
        format!("{scheme}://{host}:{}{path}", self.port).parse().unwrap()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// What was asked, in short: HTTP method and MCP method.
    pub(super) fn asked(&self) -> Vec<String> {
        let short = |seen: &Seen| match seen.body["method"].as_str() {
            Some(method) => format!("{} {method}", seen.method),
            None => seen.method.clone(),
        };
        self.seen.lock().iter().map(short).collect()
    }

    pub(super) fn count(&self, what: &str) -> usize {
        self.asked().iter().filter(|asked| *asked == what).count()
    }
}
