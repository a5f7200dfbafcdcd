//! The kill switch over the operator's endpoint: `POST /stop`, `POST /resume` and `GET /stops`.

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes};
use portcullis_core::StopSubject;
use serde::Deserialize;

use super::text;
use crate::stops::InForce;

/// Longest body of a request.
const BODY_BYTES: usize = 8 * 1024;

/// What the endpoint switches.
pub(crate) trait Switch: Send + Sync + 'static {
    /// Whether this is the credential.
    fn knows(&self, token: &[u8]) -> bool;
    /// What a text names, if it is `anyway` to be stopped whether there is such a thing or not; the error is for the
    /// operator.
    fn subject(&self, text: &str, anyway: bool) -> Result<StopSubject, String>;
    /// Stops something; the error is for the operator.
    fn stop(&self, subject: &StopSubject, reason: &str) -> Result<(), String>;
    /// Takes back what the endpoint has stopped; says whether it had.
    fn resume(&self, subject: &StopSubject) -> Result<bool, String>;
    /// What is stopped, by all sources.
    fn in_force(&self) -> Vec<InForce>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    subject: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    anyway: bool,
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
    let resumes = path == "/resume";
    // What is stopped can be resumed, whether it is still known or not.
    let whole =
        |what| if resumes { switch.subject(&asked.subject, true).map_err(|_| what) } else { Err(what) };
    let subject = match switch.subject(&asked.subject, asked.anyway).or_else(whole) {
        Ok(subject) => subject,
        Err(what) => return text(StatusCode::BAD_REQUEST, format!("{what}\n")),
    };
    let done = match resumes {
        false => switch.stop(&subject, &asked.reason).map(|()| true),
        true => switch.resume(&subject),
    };
    match done {
        Ok(true) => listed(&switch.in_force()),
        Ok(false) => {
            text(StatusCode::NOT_FOUND, format!("`{subject}` was not stopped through this endpoint\n"))
        }
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

fn listed(stops: &[InForce]) -> Response<Full<Bytes>> {
    // Texts and numbers always serialise.
    let mut body = serde_json::to_vec(&serde_json::json!({ "stops": stops })).unwrap_or_default();
    body.push(b'\n');
    let mut response = text(StatusCode::OK, String::new());
    *response.body_mut() = Full::new(Bytes::from(body));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
