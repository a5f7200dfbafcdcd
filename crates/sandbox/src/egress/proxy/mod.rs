//! The forward proxy: `CONNECT`, and requests in absolute form where plain HTTP is allowed.
//!
//! Each connection carries one request. A second one behind it, hidden in its body or not, is never read.

mod answer;
mod body;
mod connect;
mod forward;
mod head;

use std::{convert::Infallible, future::Future, sync::Arc};

use hyper::{
    Method, Request, Response, body::Incoming, server::conn::http1::Builder, service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;

use super::{Denial, Gate, Listener, Way, crowd, gate::Passage, listener::Stream, tunnel};
use answer::Answer;

/// Serves a server's way out until `stop` resolves. Connections that are open then are ended.
pub async fn serve(listener: impl Into<Listener>, gate: Arc<Gate>, stop: impl Future<Output = ()>) {
    let listener = listener.into();
    let connections = gate.limits().connections;
    crowd::each(&listener, connections, stop, |stream| connection(stream, gate.clone())).await;
}

/// A tunnel that begins when its request has been answered.
struct Waiting {
    upgrade: OnUpgrade,
    passage: Passage,
}

async fn connection(stream: Box<dyn Stream>, gate: Arc<Gate>) {
    let waiting: Arc<Mutex<Option<Waiting>>> = Arc::default();
    let service = service_fn(|request| {
        let (gate, waiting) = (gate.clone(), waiting.clone());
        async move { Ok::<_, Infallible>(respond(&gate, request, &waiting).await) }
    });
    let limits = gate.limits();
    let served = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if served.as_ref().is_err_and(hyper::Error::is_parse) {
        gate.refuse(Way::Http, "", Denial::Malformed("this is not a request in HTTP/1"));
    }
    let tunnel = waiting.lock().take();
    if let Some(Waiting { upgrade, passage }) = tunnel {
        // Without it the client has gone, and dropping the passage records that.
        if let Ok(upgraded) = upgrade.await {
            tunnel::run(TokioIo::new(upgraded), passage, gate.limits()).await;
        }
    }
}

async fn respond(
    gate: &Gate,
    request: Request<Incoming>,
    waiting: &Mutex<Option<Waiting>>,
) -> Response<Answer> {
    if request.method() != Method::CONNECT {
        return forward::forward(gate, request).await;
    }
    match connect::connect(gate, request).await {
        Ok(tunnel) => {
            *waiting.lock() = Some(tunnel);
            Response::new(answer::empty())
        }
        Err(denial) => answer::denied(&denial),
    }
}
