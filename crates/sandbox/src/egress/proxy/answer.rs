//! What the proxy itself answers.

use bytes::Bytes;
use http::{HeaderValue, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::Response;

use super::super::Denial;

pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of any answer.
pub(super) type Answer = UnsyncBoxBody<Bytes, BodyError>;

pub(super) fn empty() -> Answer {
    text(String::new())
}

/// The answer to what may not be: a reason a person can read, and one a program can (RFC 9209).
pub(super) fn denied(denial: &Denial) -> Response<Answer> {
    let mut response = Response::new(text(format!("portcullis: {}\n", denial.public())));
    *response.status_mut() = denial.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(status) = HeaderValue::try_from(format!("portcullis; error={}", denial.proxy_error())) {
        headers.insert("proxy-status", status);
    }
    response
}

fn text(text: String) -> Answer {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}
