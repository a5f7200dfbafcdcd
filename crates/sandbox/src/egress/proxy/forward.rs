//! Requests in absolute form.

use std::sync::Arc;

use http::{HeaderValue, Uri, Version, header::HOST, request::Parts, uri::PathAndQuery};
use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{
    super::{
        Denial, End, Gate, Limits, Way,
        gate::{Account, Passage},
    },
    answer::{self, Answer},
    body::{Counted, Direction},
    head,
};

/// Passes a request on and its answer back.
pub(super) async fn forward(gate: &Gate, request: Request<Incoming>) -> Response<Answer> {
    let asked = match destination(&request) {
        Ok(asked) => asked,
        Err(denial) => {
            return answer::denied(&gate.refuse(Way::Http, &named(request.uri()), denial));
        }
    };
    let opened = match head::check_host(request.headers(), &asked) {
        Ok(()) => gate.open(Way::Http, &asked).await,
        Err(denial) => Err(gate.refuse(Way::Http, &asked, denial)),
    };
    match opened {
        Ok(passage) => exchange(gate.limits(), request, passage).await,
        Err(denial) => answer::denied(&denial),
    }
}

/// What a request that cannot be passed on asked for, without its path and query, which may hold secrets.
fn named(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    uri.scheme_str().map_or_else(String::new, |scheme| format!("{scheme}://{authority}"))
}

/// `host:port` of a request in absolute form.
fn destination(request: &Request<Incoming>) -> Result<String, Denial> {
    let uri = request.uri();
    let authority = uri.authority().ok_or(Denial::Malformed("this is a proxy: ask for a whole URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(Denial::Scheme);
    }
    let port = if authority.port().is_some() { "" } else { ":80" };
    Ok(format!("{authority}{port}"))
}

async fn exchange(limits: &Arc<Limits>, request: Request<Incoming>, passage: Passage) -> Response<Answer> {
    let Passage { stream, account, .. } = passage;
    let handshake = Builder::new()
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, driver) = match handshake {
        Ok((sender, connection)) => (sender, AbortOnDropHandle::new(tokio::spawn(connection))),
        Err(error) => return broken(account, Denial::Unreachable(error.to_string())),
    };
    match send(limits, request, sender, &account).await {
        Ok(response) => {
            let (mut head, body) = response.into_parts();
            head::strip(&mut head.headers);
            // Each side of a proxy speaks its own version.
            head.version = Version::HTTP_11;
            let counted = Counted::new(body, Direction::Down, account.meter.clone(), limits.idle);
            Response::from_parts(head, counted.ending(account, driver).boxed_unsync())
        }
        Err(denial) => broken(account, denial),
    }
}

fn broken(account: Account, denial: Denial) -> Response<Answer> {
    let response = answer::denied(&denial);
    account.close(&End::Cut(denial));
    response
}

async fn send(
    limits: &Limits,
    request: Request<Incoming>,
    mut sender: SendRequest<Counted>,
    account: &Account,
) -> Result<Response<Incoming>, Denial> {
    let (mut head, body) = request.into_parts();
    // What was checked, in the form it was checked in.
    let to = account.destination();
    let host = HeaderValue::try_from(to.strip_suffix(":80").unwrap_or(to));
    let host = host.map_err(|_| Denial::Malformed("the host cannot be a field"))?;
    head::strip(&mut head.headers);
    head.headers.insert(HOST, host);
    head.uri = origin_form(&head.uri);
    head.version = Version::HTTP_11;
    let refused = Arc::new(Mutex::new(None));
    let body = Counted::new(body, Direction::Up, account.meter.clone(), limits.idle).telling(refused.clone());
    // The head leaves as well.
    account.meter.send(size_of(&head))?;
    let answered = timeout(limits.idle, sender.send_request(Request::from_parts(head, body))).await;
    let answered = answered.map_err(|_| Denial::Slow("the answer"))?;
    answered.map_err(|error| refused.lock().take().unwrap_or(Denial::Unreachable(error.to_string())))
}

fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into()
}

/// Bytes of a request's head, without the few that framing adds.
fn size_of(head: &Parts) -> usize {
    let line = head.method.as_str().len() + head.uri.path_and_query().map_or(1, |path| path.as_str().len());
    head.headers.iter().fold(line, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}
