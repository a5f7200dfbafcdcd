//! Batches of records to a URL, signed (Standard Webhooks).

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use portcullis_audit::stream::{Batch, Position, Receiver, WebhookKey};
use portcullis_core::{BoxFuture, Secret};
use tokio::time::timeout;

use super::lines::Lines;
use crate::{
    config::HttpUrl,
    post::{self, Client, root_cause},
};

/// Longest a batch may take.
const PATIENCE: Duration = Duration::from_secs(15);

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// One URL.
pub(super) struct Webhook {
    client: Client,
    url: Uri,
    headers: HeaderMap,
    key: WebhookKey,
    lines: Lines,
}

impl Webhook {
    pub(super) fn new(
        url: &HttpUrl,
        ca_file: Option<&Path>,
        headers: Vec<(String, Secret)>,
        key: WebhookKey,
        lines: Lines,
    ) -> Result<Self, String> {
        let client = post::client(url.is_https(), ca_file, false)?;
        Ok(Self { client, url: url.uri().clone(), headers: post::headers(headers)?, key, lines })
    }

    async fn send(&mut self, batch: &Batch) -> Result<u64, String> {
        let body: String = self.lines.of(batch).into_iter().map(|line| line.text + "\n").collect();
        let request = self.request(body.into());
        let answered = timeout(PATIENCE, self.client.request(request)).await;
        let late = |_| format!("no answer within {} s", PATIENCE.as_secs());
        let response = answered.map_err(late)?.map_err(|error| root_cause(&error))?;
        // What it says besides is not needed.
        if response.status().is_success() {
            Ok(0)
        } else {
            Err(format!("the webhook answered {}", response.status()))
        }
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let signature = self.key.sign(&body, now_s);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        headers.insert(TIMESTAMP, HeaderValue::from(signature.timestamp));
        for (name, value) in [(ID, signature.id), (SIGNATURE, signature.value)] {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        }
        request
    }
}

impl Receiver for Webhook {
    fn take<'r>(&'r mut self, batch: &'r Batch, _: &'r Position) -> BoxFuture<'r, Result<u64, String>> {
        Box::pin(self.send(batch))
    }
}
