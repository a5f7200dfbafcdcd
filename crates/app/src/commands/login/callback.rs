//! The port of this machine to which a browser brings the answer (RFC 8252 section 7.3).

use std::{cell::RefCell, convert::Infallible, future::Future, mem, net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_identity::{ConnectFault, Connection, PendingConnection};
use tokio::net::{TcpListener, TcpStream};

use crate::exit::{Exit, Failure};

const PATH: &str = "/callback";
/// Longest a request may take to arrive and to be answered.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest head of a request.
const HEAD_BYTES: usize = 32 * 1024;

/// Connections at a time.
const CONNECTIONS: usize = 16;

/// What came of the answer.
#[derive(Default)]
struct Outcome {
    begun: bool,
    done: Option<Result<Connection, ConnectFault>>,
}

pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Listens on `port`, or, when that may be any, on the one that was used before as long as it is free.
    pub(super) async fn bind(port: u16, before: Option<u16>) -> Result<Self, Failure> {
        let here = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = match (port, before) {
            (0, Some(before)) => match here(before).await {
                Ok(listener) => Ok(listener),
                Err(_) => here(0).await,
            },
            (port, _) => here(port).await,
        };
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Unreachable, format!("cannot listen on 127.0.0.1:{port}: {error}"))
                .remedy("choose another `callback_port`")
        };
        let listener = listener.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    pub(super) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the answer to `pending` and finishes with it while the browser waits. What is no answer to it is
    /// turned away: anybody on this machine can come by.
    pub(super) async fn answer<F>(
        self,
        pending: &PendingConnection,
        finish: impl Fn(String) -> F,
    ) -> Result<Connection, ConnectFault>
    where
        F: Future<Output = Result<Connection, ConnectFault>>,
    {
        let outcome = RefCell::new(Outcome::default());
        // Browsers open connections that they do not use; the answer may come on any.
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if open.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        let serve = self.converse(stream, pending, &finish, &outcome);
                        open.push(tokio::time::timeout(PATIENCE, serve));
                    }
                    // Out of descriptors: trying again at once would only spin.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = open.next() => {
                    if let Some(done) = outcome.borrow_mut().done.take() {
                        return done;
                    }
                }
            }
        }
    }

    async fn converse<F>(
        &self,
        stream: TcpStream,
        pending: &PendingConnection,
        finish: &impl Fn(String) -> F,
        outcome: &RefCell<Outcome>,
    ) -> Result<(), hyper::Error>
    where
        F: Future<Output = Result<Connection, ConnectFault>>,
    {
        let service = service_fn(|request: Request<Incoming>| async move {
            let Some(query) = self.query(&request) else {
                return Ok::<_, Infallible>(page(StatusCode::NOT_FOUND, "Nothing is here."));
            };
            // A code works once.
            if !pending.is_answered_by(&query) || mem::replace(&mut outcome.borrow_mut().begun, true) {
                return Ok(page(
                    StatusCode::BAD_REQUEST,
                    "This does not answer what was asked. Nothing was changed.",
                ));
            }
            let done = finish(query).await;
            let page = match &done {
                Ok(_) => page(StatusCode::OK, "You are connected. You can close this page."),
                Err(_) => page(StatusCode::BAD_REQUEST, "You are not connected. The terminal says why."),
            };
            outcome.borrow_mut().done = Some(done);
            Ok(page)
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(HEAD_BYTES)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    /// The query of an answer. A page that had its own name resolve to this machine sends that name.
    fn query(&self, request: &Request<Incoming>) -> Option<String> {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        let here = host == format!("127.0.0.1:{}", self.port);
        let is_answer = here && request.method() == Method::GET && request.uri().path() == PATH;
        is_answer.then(|| request.uri().query().unwrap_or_default().to_owned())
    }
}

fn page(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let html = format!("<!doctype html><meta charset=utf-8><title>Portcullis</title><p>{text}</p>\n");
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}
