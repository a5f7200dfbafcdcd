//! The `http`, `inspect` and `inspect2` floors: hyper in and out.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::envelope::{Allowed, Verdict, is_answer};

type Body = Either<Incoming, Full<Bytes>>;

/// How much of an exchange is looked at.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Depth {
    Stream,
    Request,
    RequestAndResponse,
}

pub(crate) struct Proxy {
    depth: Depth,
    upstream: String,
    client: Client<HttpConnector, Body>,
    allowed: Rc<Allowed>,
}

impl Proxy {
    pub(crate) fn new(upstream: String, depth: Depth, allowed: Rc<Allowed>) -> Proxy {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Proxy { depth, upstream, client: Client::builder(TokioExecutor::new()).build(connector), allowed }
    }

    pub(crate) async fn forward(&self, req: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
        let (mut parts, body) = req.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let Ok(uri) = format!("http://{}{path}", self.upstream).parse::<Uri>() else {
            return Ok(refuse(StatusCode::BAD_REQUEST));
        };
        parts.uri = uri;
        for hop_by_hop in [HOST, CONNECTION, TRANSFER_ENCODING] {
            parts.headers.remove(hop_by_hop);
        }
        let body = match self.request_body(body).await? {
            Ok(body) => body,
            Err(code) => return Ok(refuse(code)),
        };
        match self.client.request(Request::from_parts(parts, body)).await {
            Ok(resp) => self.answer(resp).await,
            Err(_) => Ok(refuse(StatusCode::BAD_GATEWAY)),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "the load generator sends the body")]
    async fn request_body(&self, body: Incoming) -> Result<Result<Body, StatusCode>, hyper::Error> {
        if self.depth == Depth::Stream {
            return Ok(Ok(Either::Left(body)));
        }
        let bytes = body.collect().await?.to_bytes();
        let verdict = if bytes.is_empty() { Verdict::Forward } else { self.allowed.judge(&bytes) };
        Ok(match verdict {
            Verdict::Forward => Ok(Either::Right(Full::new(bytes))),
            Verdict::Refuse => Err(StatusCode::FORBIDDEN),
            Verdict::Malformed => Err(StatusCode::BAD_REQUEST),
        })
    }

    #[allow(clippy::disallowed_methods, reason = "the echo server sends the body")]
    async fn answer(&self, resp: Response<Incoming>) -> Result<Response<Body>, hyper::Error> {
        let (mut parts, body) = resp.into_parts();
        parts.headers.remove(CONNECTION);
        if self.depth != Depth::RequestAndResponse {
            return Ok(Response::from_parts(parts, Either::Left(body)));
        }
        let bytes = body.collect().await?.to_bytes();
        if !bytes.is_empty() && !is_answer(&bytes) {
            return Ok(refuse(StatusCode::BAD_GATEWAY));
        }
        parts.headers.remove(TRANSFER_ENCODING);
        Ok(Response::from_parts(parts, Either::Right(Full::new(bytes))))
    }
}

fn refuse(code: StatusCode) -> Response<Body> {
    let mut resp = Response::new(Either::Right(Full::default()));
    *resp.status_mut() = code;
    resp
}
