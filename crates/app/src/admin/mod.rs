//! The operator's endpoint: is it alive, is it ready, how is it doing, and the kill switch.

mod switch;

use std::{convert::Infallible, future::Future, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
pub(crate) use switch::Switch;
use tokio::{net::TcpListener, net::TcpStream, sync::Semaphore};

/// Connections at a time. Probes and scrapers are few.
const CONNECTIONS: usize = 32;
/// Longest a request may take to arrive and to be answered.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest head of a request.
const HEAD_BYTES: usize = 8 * 1024;

/// Whether calls can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// They can.
    Ready,
    /// They cannot, for this reason. Shown to whoever asks, so it names no secret.
    NotReady(String),
}

/// Where the endpoint gets its answers from.
pub(crate) trait Gauges: Send + Sync + 'static {
    /// Every metric in the text format of Prometheus.
    fn metrics(&self) -> String;
    /// Whether calls can be served now.
    fn readiness(&self) -> Readiness;
}

/// Serves until `stop` resolves. Connections that are open then are let go.
pub(crate) async fn serve(
    listener: TcpListener,
    gauges: Arc<dyn Gauges>,
    switch: Arc<dyn Switch>,
    stop: impl Future<Output = ()>,
) {
    let open = Arc::new(Semaphore::new(CONNECTIONS));
    let local_only = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let mut stop = std::pin::pin!(stop);
    loop {
        let stream = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of descriptors: trying again at once would only spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Beyond the limit a connection is closed at once, so that a flood cannot pile up.
        if let Ok(permit) = Arc::clone(&open).try_acquire_owned() {
            let (gauges, switch) = (Arc::clone(&gauges), Arc::clone(&switch));
            tokio::spawn(async move {
                let _permit = permit;
                let _ = tokio::time::timeout(PATIENCE, converse(stream, gauges, switch, local_only)).await;
            });
        }
    }
}

async fn converse(
    stream: TcpStream,
    gauges: Arc<dyn Gauges>,
    switch: Arc<dyn Switch>,
    local_only: bool,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let (gauges, switch) = (Arc::clone(&gauges), Arc::clone(&switch));
        async move {
            Ok::<_, Infallible>(match refused(&request, local_only) {
                Some(refused) => refused,
                None if switch::serves(request.uri().path()) => {
                    switch::answer(request, switch.as_ref()).await
                }
                None => answer(&request, gauges.as_ref()),
            })
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Web pages get nothing, whatever they ask for.
fn refused<B>(request: &Request<B>, local_only: bool) -> Option<Response<Full<Bytes>>> {
    let of_a_page = request.headers().contains_key(header::ORIGIN)
        || (local_only && !names_this_machine(request.headers()));
    of_a_page.then(|| text(StatusCode::FORBIDDEN, "this is not for web pages\n".to_owned()))
}

fn answer<B>(request: &Request<B>, gauges: &dyn Gauges) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n".to_owned());
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" => match gauges.readiness() {
            Readiness::Ready => text(StatusCode::OK, "ready\n".to_owned()),
            Readiness::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        "/metrics" => text(StatusCode::OK, gauges.metrics()),
        _ => text(StatusCode::NOT_FOUND, "here are /healthz, /readyz, /metrics and /stops\n".to_owned()),
    }
}

/// Whether `Host` is an address or `localhost`. A page that had its own name resolve to this machine
/// (DNS rebinding) sends that name.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::sync::atomic::{AtomicBool, Ordering};

    use parking_lot::Mutex;
    use portcullis_core::{Stop, StopSource, StopSubject};
    use portcullis_gateway::Met;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::stops::InForce;

    #[derive(Default)]
    struct Fake {
        ready: AtomicBool,
        stops: Mutex<Vec<Stop>>,
    }

    impl Gauges for Fake {
        fn metrics(&self) -> String {
            "portcullis_up 1\n".to_owned()
        }

        fn readiness(&self) -> Readiness {
            if self.ready.load(Ordering::SeqCst) {
                Readiness::Ready
            } else {
                Readiness::NotReady("the policy is unreadable".to_owned())
            }
        }
    }

    impl Switch for Fake {
        fn knows(&self, token: &[u8]) -> bool {
            token == b"secret"
        }

        fn subject(&self, text: &str, anyway: bool) -> Result<StopSubject, String> {
            let read = text.parse::<StopSubject>().map_err(|fault| fault.to_string())?;
            if anyway || text == "server:odd" { Ok(read) } else { Err(format!("there is no {text}")) }
        }

        fn stop(&self, subject: &StopSubject, reason: &str) -> Result<(), String> {
            let stop = Stop {
                subject: subject.clone(),
                source: StopSource::Api,
                reason: reason.into(),
                requested_ms: 1,
            };
            self.stops.lock().push(stop);
            Ok(())
        }

        fn resume(&self, subject: &StopSubject) -> Result<bool, String> {
            let mut stops = self.stops.lock();
            let before = stops.len();
            stops.retain(|stop| stop.subject != *subject);
            Ok(stops.len() < before)
        }

        fn in_force(&self) -> Vec<InForce> {
            let met = Met { calls: 2, ..Met::default() };
            self.stops.lock().iter().map(|stop| InForce { stop: stop.clone(), met }).collect()
        }
    }

    async fn ask(address: std::net::SocketAddr, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }

    #[tokio::test]
    async fn probes_and_scrapers_are_answered_and_web_pages_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Arc::new(Fake { ready: AtomicBool::new(true), ..Fake::default() });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let gauges: Arc<dyn Gauges> = Arc::<Fake>::clone(&fake);
        let server =
            tokio::spawn(serve(listener, gauges, Arc::<Fake>::clone(&fake), async { drop(stopped.await) }));
        for (line, headers, status, body) in [
            ("GET /healthz", "Host: 127.0.0.1", 200, "alive\n"),
            ("GET /readyz", "Host: localhost:9", 200, "ready\n"),
            ("GET /metrics", "Host: [::1]:9", 200, "portcullis_up 1\n"),
            ("HEAD /healthz", "Host: 127.0.0.1", 200, ""),
            ("GET /", "Host: 127.0.0.1", 404, "here are /healthz, /readyz, /metrics and /stops\n"),
            ("POST /metrics", "Host: 127.0.0.1\r\nContent-Length: 0", 405, "ask with GET\n"),
            ("GET /metrics", "Host: rebound.example", 403, "this is not for web pages\n"),
            (
                "GET /metrics",
                "Host: 127.0.0.1\r\nOrigin: https://evil.example",
                403,
                "this is not for web pages\n",
            ),
        ] {
            let answer = ask(address, &format!("{line} HTTP/1.1\r\n{headers}\r\n\r\n")).await;
            assert_eq!(answer, (status, body.to_owned()), "{line} {headers}");
        }
        fake.ready.store(false, Ordering::SeqCst);
        let answer = ask(address, "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
        assert_eq!(answer, (503, "not ready: the policy is unreadable\n".to_owned()));
        drop(stop);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn switching_takes_the_credential() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Arc::new(Fake::default());
        let (gauges, switch) = (Arc::<Fake>::clone(&fake), Arc::<Fake>::clone(&fake));
        let server = tokio::spawn(serve(listener, gauges, switch, std::future::pending()));
        let bearer = "Authorization: Bearer secret\r\n";
        let odd = r#"{"subject":"server:odd","reason":"leak"}"#;
        let stopped = r#""subject":"server:odd""#;
        for (line, headers, body, status, says) in [
            ("POST /stop", "", odd, 401, "api.token"),
            ("POST /stop", "Authorization: Bearer secre\r\n", odd, 401, "api.token"),
            ("GET /stops", "", "", 401, "api.token"),
            ("GET /stop", bearer, "", 405, "POST /stop"),
            ("POST /stop", bearer, "{}", 400, "subject"),
            ("POST /stop", bearer, r#"{"subject":"sever:odd"}"#, 400, "nothing that can be stopped"),
            (
                "POST /stop",
                "Authorization: Bearer secret\r\nOrigin: https://evil.example\r\n",
                odd,
                403,
                "web pages",
            ),
            ("GET /stops", bearer, "", 200, r#"{"stops":[]}"#),
            ("POST /stop", bearer, r#"{"subject":"server:none"}"#, 400, "there is no server:none"),
            ("POST /stop", bearer, odd, 200, stopped),
            ("GET /stops", bearer, "", 200, r#""met":{"calls":2,"sessions":0,"tasks":0}"#),
            ("GET /stops", bearer, "", 200, stopped),
            ("POST /resume", bearer, r#"{"subject":"server:odd"}"#, 200, r#"{"stops":[]}"#),
            ("POST /resume", bearer, r#"{"subject":"server:odd"}"#, 404, "was not stopped"),
        ] {
            let length = body.len();
            let request = format!(
                "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            );
            let answer = ask(address, &request).await;
            assert!(answer.0 == status && answer.1.contains(says), "{line} {headers} {body}: {answer:?}");
        }
        server.abort();
    }
}
