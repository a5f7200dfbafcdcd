//! The kill switch over the operator's endpoint: `POST /stop`, `POST /resume` and `GET /stops`.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes};
use portcullis_core::{Stop, StopSubject};
use serde::Deserialize;

use super::text;

/// Longest body of a request.
const BODY_BYTES: usize = 8 * 1024;

/// What the endpoint switches.
pub(crate) trait Switch: Send + Sync + 'static {
    /// Whether this is the credential.
    fn knows(&self, token: &[u8]) -> bool;
    /// Stops something; the error is for the operator.
    fn stop(&self, subject: &StopSubject, reason: &str) -> Result<(), String>;
    /// Takes back what the endpoint has stopped.
    fn resume(&self, subject: &StopSubject) -> Result<(), String>;
    /// What is stopped, by all sources.
    fn in_force(&self) -> Arc<[Stop]>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    subject: StopSubject,
    #[serde(default)]
    reason: String,
}

/// Whether a path belongs here.
pub(super) fn serves(path: &str) -> bool {
    matches!(path, "/stop" | "/resume" | "/stops")
}

/// Answers whoever has the credential. Whoever can reach the endpoint can read metrics; stopping, and more so
/// resuming, takes more than that.
pub(super) async fn answer<B>(request: Request<B>, switch: &dyn Switch) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    if !bearer(request.headers()).is_some_and(|token| switch.knows(token)) {
        let mut refused = text(
            StatusCode::UNAUTHORIZED,
            "send `Authorization: Bearer` with the content of `api.token` in `stop.directory`\n".to_owned(),
        );
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        return refused;
    }
    let path = request.uri().path().to_owned();
    if path == "/stops" && request.method() == Method::GET {
        return listed(&switch.in_force());
    }
    if path == "/stops" || request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET /stops, POST /stop or POST /resume\n".to_owned());
    }
    let asked = match read(request).await {
        Ok(asked) => asked,
        Err(what) => return text(StatusCode::BAD_REQUEST, format!("{what}\n")),
    };
    let done = match path.as_str() {
        "/stop" => switch.stop(&asked.subject, &asked.reason),
        _ => switch.resume(&asked.subject),
    };
    match done {
        Ok(()) => listed(&switch.in_force()),
        Err(what) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}\n")),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

#[expect(
    clippy::disallowed_methods,
    reason = "`Limited` bounds it, and the connection has a time limit of its own"
)]
async fn read<B>(request: Request<B>) -> Result<Asked, String>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let body = Limited::new(request.into_body(), BODY_BYTES).collect().await.map_err(|e| e.to_string())?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|e| format!("send {{\"subject\": \"server:NAME\", \"reason\": \"…\"}}: {e}"))
}

fn listed(stops: &[Stop]) -> Response<Full<Bytes>> {
    // Texts and numbers always serialise.
    let mut body = serde_json::to_vec(&serde_json::json!({ "stops": stops })).unwrap_or_default();
    body.push(b'\n');
    let mut response = text(StatusCode::OK, String::new());
    *response.body_mut() = Full::new(Bytes::from(body));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
