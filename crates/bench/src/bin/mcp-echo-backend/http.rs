//! Streamable HTTP, on every path.

use std::{cell::Cell, collections::VecDeque, io, rc::Rc};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::{
    body::Chunks,
    server::{Reply, Server},
};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

struct Endpoint {
    server: Rc<Server>,
    /// Frame every answer as an event stream.
    sse: bool,
    sessions: Cell<u64>,
}

pub(crate) async fn serve(server: Rc<Server>, listen: &str, sse: bool) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let endpoint = Rc::new(Endpoint { server, sse, sessions: Cell::new(1) });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let endpoint = endpoint.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|req| endpoint.answer(req));
            // A client that leaves in the middle of an exchange is no concern of ours.
            let _ = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Endpoint {
    #[allow(clippy::disallowed_methods, reason = "the load generator sends the body")]
    async fn answer(&self, req: Request<Incoming>) -> Result<Response<Chunks>, hyper::Error> {
        match *req.method() {
            Method::POST => {}
            Method::GET => return Ok(open_stream(Bytes::from_static(b": open\n\n"))),
            Method::DELETE => return Ok(status(StatusCode::OK)),
            _ => return Ok(status(StatusCode::METHOD_NOT_ALLOWED)),
        }
        let body = req.into_body().collect().await?.to_bytes();
        Ok(match self.server.handle(&body) {
            Reply::Accepted => status(StatusCode::ACCEPTED),
            Reply::Message(chunks) => self.message(chunks),
            Reply::NewSession(chunks) => self.new_session(chunks),
            Reply::Stream(first) => open_stream(event(&first)),
        })
    }

    fn message(&self, mut chunks: VecDeque<Bytes>) -> Response<Chunks> {
        if self.sse {
            chunks.push_front(Bytes::from_static(b"event: message\ndata: "));
            chunks.push_back(Bytes::from_static(b"\n\n"));
        }
        let mut resp = Response::new(Chunks::whole(chunks));
        resp.headers_mut().insert(CONTENT_TYPE, if self.sse { EVENT_STREAM } else { JSON });
        resp
    }

    fn new_session(&self, chunks: VecDeque<Bytes>) -> Response<Chunks> {
        let mut resp = self.message(chunks);
        self.sessions.set(self.sessions.get() + 1);
        if let Ok(id) = HeaderValue::try_from(format!("bench-{:016x}", self.sessions.get())) {
            resp.headers_mut().insert("mcp-session-id", id);
        }
        resp
    }
}

fn open_stream(first: Bytes) -> Response<Chunks> {
    let mut resp = Response::new(Chunks::open_stream(first));
    resp.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
    resp
}

fn event(message: &[u8]) -> Bytes {
    [b"event: message\ndata: ", message, b"\n\n"].concat().into()
}

fn status(code: StatusCode) -> Response<Chunks> {
    let mut resp = Response::new(Chunks::default());
    *resp.status_mut() = code;
    resp
}
