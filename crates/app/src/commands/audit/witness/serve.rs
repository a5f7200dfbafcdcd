//! A witness that logs bring their checkpoints to.

use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_audit::{
    note::{KeyRing, VerifierKey},
    witness::{MAX_SUBMISSION, Refused, Witnesses},
};
use portcullis_core::{Clock as _, SystemClock};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use crate::{
    exit::{Exit, Failure, Outcome},
    post::whole,
    printer::Printer,
    runtime::{runtime, stop_on_signal},
};

/// Connections at a time. Each log has one.
const CONNECTIONS: usize = 256;
/// Longest a connection may be idle, or a request take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 8 * 1_024;
/// C2SP tlog-witness.
const SIZE_TYPE: &str = "text/x.tlog.size";

pub(super) fn run(
    address: SocketAddr,
    store: &Path,
    keys: KeyRing,
    trusted: Vec<VerifierKey>,
    printer: &Printer,
) -> Outcome {
    let unusable = |what: String| Failure::new(Exit::Usage, what);
    let witnesses = Witnesses::open(store, keys, trusted)
        .map_err(|error| unusable(error.to_string()).remedy("name another directory with `--store`"))?;
    runtime()?.block_on(async {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| unusable(format!("cannot listen on {address}: {error}")))?;
        let address = listener.local_addr().map_err(|error| unusable(error.to_string()))?;
        for origin in witnesses.origins() {
            printer.status(&format!("witness of {origin}"));
        }
        printer.status(&format!("listening on http://{address}/"));
        serve(listener, Arc::new(witnesses), *printer).await;
        Ok(Exit::Fine)
    })
}

async fn serve(listener: TcpListener, witnesses: Arc<Witnesses>, printer: Printer) {
    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(stop.clone()));
    let open = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: trying again at once would only spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Beyond the limit a connection is closed at once, so that a flood cannot pile up.
        if let Ok(permit) = open.clone().try_acquire_owned() {
            let witnesses = witnesses.clone();
            tokio::spawn(async move {
                let _permit = permit;
                let _broken = converse(stream, witnesses, printer).await;
            });
        }
    }
    signals.abort();
}

async fn converse(
    stream: TcpStream,
    witnesses: Arc<Witnesses>,
    printer: Printer,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let witnesses = witnesses.clone();
        async move { Ok::<_, Infallible>(answer(request, witnesses, printer).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(
    request: Request<Incoming>,
    witnesses: Arc<Witnesses>,
    printer: Printer,
) -> Response<Full<Bytes>> {
    if request.uri().path() != "/add-checkpoint" {
        return text(StatusCode::NOT_FOUND, "here is /add-checkpoint\n".to_owned());
    }
    if request.method() != Method::POST {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use POST\n".to_owned());
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
        return response;
    }
    let body = whole(request.into_body(), MAX_SUBMISSION);
    let Ok(Ok(body)) = tokio::time::timeout(PATIENCE, body).await else {
        return text(StatusCode::BAD_REQUEST, "the body is too long or did not arrive\n".to_owned());
    };
    // It waits for a disk.
    let looked =
        tokio::task::spawn_blocking(move || witnesses.add(&body, SystemClock.now_ms() / 1_000)).await;
    match looked {
        Ok(Ok(signatures)) => {
            text(StatusCode::OK, signatures.iter().map(|signature| format!("{signature}\n")).collect())
        }
        Ok(Err(refused)) => refusal(&refused, &printer),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n".to_owned()),
    }
}

fn refusal(refused: &Refused, printer: &Printer) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match refused {
        Refused::Conflict(size) => return conflict(status, *size),
        Refused::Forked { size, kept } => {
            let remedy = match kept {
                true => "both are in the store; look at the log with `portcullis audit verify`",
                false => "`evidence` in the store is full and does not hold this one: move it away",
            };
            printer.warning(&refused.to_string(), Some(remedy));
            return conflict(status, *size);
        }
        Refused::Unproven => {
            let remedy = "nothing of it is kept; look at the log with `portcullis audit verify`";
            printer.warning(&refused.to_string(), Some(remedy));
        }
        Refused::Failed(_) => {
            printer.warning(&refused.to_string(), Some("check `--store`"));
            return text(status, "the witness cannot cosign now\n".to_owned());
        }
        _ => {}
    }
    text(status, format!("{refused}\n"))
}

fn conflict(status: StatusCode, size: u64) -> Response<Full<Bytes>> {
    let mut response = text(status, format!("{size}\n"));
    let size_type = header::HeaderValue::from_static(SIZE_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, size_type);
    response
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
