//! An authorization server and a secret store on a port of 127.0.0.1, for tests of whoever asks them. They answer as
//! the test says, prove nothing about real ones, and remember every question.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// The largest form that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// One question.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// Every header, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The fields of its form, decoded.
    pub form: BTreeMap<String, String>,
}

impl Asked {
    /// A field of the form; empty when there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

/// HTTP status and body.
pub type Answer = (u16, Value);
type Answering = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A running server; it ends with the value.
pub struct TokenServer {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Desk {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Answering>,
}

impl TokenServer {
    /// Starts one. Its metadata (RFC 8414) is right; everything else is answered by `answer`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let asked = Arc::default();
        let desk = Desk { url: url.clone(), asked: Arc::clone(&asked), answer: Arc::new(answer) };
        let router = Router::new().fallback(serve).with_state(desk);
        let serving = tokio::spawn(async move {
            // Ends when the value is dropped.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { url, asked, serving })
    }

    /// Its address, which is its issuer identifier.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Every question so far, in order, those for metadata left out.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(State(desk): State<Desk>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path == "/.well-known/oauth-authorization-server" {
        let metadata = json!({
            "issuer": desk.url, "token_endpoint": format!("{}/token", desk.url),
            "introspection_endpoint": format!("{}/introspect", desk.url),
        });
        return answered((200, metadata));
    }
    let (parts, body) = request.into_parts();
    let named = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let bytes = to_bytes(body, LARGEST).await.unwrap_or_default();
    let asked = Asked { path, headers: named.collect(), form: form(&String::from_utf8_lossy(&bytes)) };
    desk.asked.lock().unwrap().push(asked.clone());
    answered((desk.answer)(&asked))
}

fn answered((status, body): Answer) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("the test says a status");
    response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

/// The fields of `application/x-www-form-urlencoded`.
fn form(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [bytes.next().unwrap_or_default(), bytes.next().unwrap_or_default()];
                u8::from_str_radix(&String::from_utf8_lossy(&hex), 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}
