//! The port of this machine to which a browser brings the answer (RFC 8252 section 7.3).

use std::{cell::Cell, convert::Infallible, future::Future, net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};

use crate::exit::{Exit, Failure};

const PATH: &str = "/callback";
/// Longest a request may take to arrive and to be answered.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest head of a request.
const HEAD_BYTES: usize = 32 * 1024;

/// Connections at a time.
const CONNECTIONS: usize = 16;

/// An answer that is finished with, and where the browser's page goes.
struct Taken {
    query: String,
    page: oneshot::Sender<Response<Full<Bytes>>>,
}

/// What takes the answer, once.
struct Taking<'a, A> {
    is_answer: &'a A,
    begun: Cell<bool>,
    taken: mpsc::Sender<Taken>,
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

    /// Waits for what `is_answer`, by its query, and finishes with it while the browser waits. What is no answer is
    /// turned away: anybody on this machine can come by.
    pub(super) async fn answer<T, E, F>(
        self,
        is_answer: impl Fn(&str) -> bool,
        finish: impl Fn(String) -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let (sender, mut taken) = mpsc::channel(1);
        let taking = Taking { is_answer: &is_answer, begun: Cell::new(false), taken: sender };
        // Browsers open connections that they do not use; the answer may come on any.
        let (mut open, mut finishing, mut result) = (FuturesUnordered::new(), FuturesUnordered::new(), None);
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if open.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => open.push(tokio::time::timeout(PATIENCE, self.converse(stream, &taking))),
                    // Out of descriptors: trying again at once would only spin.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                // The code is spent by it, so it takes as long as it takes, whether or not the browser waits.
                Some(Taken { query, page }) = taken.recv() => finishing.push({
                    let finish = finish(query);
                    async move { (finish.await, page) }
                }),
                Some((done, page)) = finishing.next(), if !finishing.is_empty() => {
                    if page.send(told(done.is_ok())).is_err() {
                        return done;
                    }
                    result = Some(done);
                }
                Some(_) = open.next(), if !open.is_empty() => {
                    if let Some(done) = result.take() {
                        return done;
                    }
                }
            }
        }
    }

    async fn converse<A: Fn(&str) -> bool>(
        &self,
        stream: TcpStream,
        taking: &Taking<'_, A>,
    ) -> Result<(), hyper::Error> {
        let service = service_fn(|request: Request<Incoming>| async move {
            let Some(query) = self.query(&request) else {
                return Ok::<_, Infallible>(page(StatusCode::NOT_FOUND, "Nothing is here."));
            };
            let (sender, shown) = oneshot::channel();
            // A code works once.
            let is_taken = (taking.is_answer)(&query)
                && !taking.begun.replace(true)
                && taking.taken.try_send(Taken { query, page: sender }).is_ok();
            if !is_taken {
                return Ok(page(
                    StatusCode::BAD_REQUEST,
                    "This does not answer what was asked. Nothing was changed.",
                ));
            }
            Ok(shown.await.unwrap_or_else(|_| told(false)))
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

fn told(is_connected: bool) -> Response<Full<Bytes>> {
    if is_connected {
        page(StatusCode::OK, "You are connected. You can close this page.")
    } else {
        page(StatusCode::BAD_REQUEST, "You are not connected. The terminal says why.")
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What comes of an answer that takes this long to finish with, and what the browser is shown.
    async fn finished(after: Duration) -> (Result<(), String>, String) {
        let callback = Callback::bind(0, None).await.unwrap();
        let here = (Ipv4Addr::LOCALHOST, callback.port);
        let asked = format!("GET {PATH}?code=x HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", callback.port);
        let mut browser = TcpStream::connect(here).await.unwrap();
        browser.write_all(asked.as_bytes()).await.unwrap();
        let finish = move |query: String| async move {
            tokio::time::sleep(after).await;
            Err::<(), _>(query)
        };
        let answer = callback.answer(|query| query == "code=x", finish);
        let answer = tokio::time::timeout(PATIENCE * 10, answer);
        let mut shown = String::new();
        let (done, _) = tokio::join!(answer, browser.read_to_string(&mut shown));
        (done.unwrap(), shown)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_finished_with_however_long_that_takes() {
        for (after, is_shown) in [(Duration::ZERO, true), (PATIENCE * 3, false)] {
            let (done, shown) = finished(after).await;
            assert_eq!(done, Err("code=x".to_owned()), "{after:?}");
            assert_eq!(shown.contains("You are not connected"), is_shown, "{after:?}: {shown}");
        }
    }
}
