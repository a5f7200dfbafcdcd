//! HTTP requests of the gateway's own, other than to MCP servers.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use portcullis_core::Secret;
use portcullis_gateway::upstream::{HttpsConnector, https};

/// Longest a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A pooled client. It follows no redirect: that would lead to a place nobody configured.
pub(crate) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client for one place. `tls` says whether there has to be somebody to trust, `ca_file` whom besides the system's.
pub(crate) fn client(tls: bool, ca_file: Option<&Path>, http2_only: bool) -> Result<Client, String> {
    let connector = https(tls, ca_file, CONNECT).map_err(|error| error.to_string())?;
    Ok(legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_only(http2_only)
        .build(connector))
}

/// The whole of a body of at most `limit` bytes.
#[allow(clippy::disallowed_methods, reason = "the body is limited")]
pub(crate) async fn whole(body: Incoming, limit: usize) -> Result<Bytes, String> {
    let collected = Limited::new(body, limit).collect().await;
    collected.map(|body| body.to_bytes()).map_err(|error| root_cause(&*error))
}

/// Configured headers, which may be credentials.
pub(crate) fn headers(configured: Vec<(String, Secret)>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in configured {
        let unusable = || format!("header `{name}` has characters that no header may have");
        let mut value = HeaderValue::from_bytes(value.expose()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        map.append(HeaderName::try_from(&name).map_err(|_| unusable())?, value);
    }
    Ok(map)
}

/// The last of a chain of errors, which is the one that says what happened.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
