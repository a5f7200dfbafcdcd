//! Where an issuer publishes its keys (RFC 8414, OpenID Connect Discovery 1.0).

use bytes::Bytes;
use http::Uri;
use portcullis_core::wire::json::{Document, Limits};

use crate::{Fetch, FetchFault, KeySet};

const LIMITS: Limits = Limits {
    max_bytes: 256 * 1024,
    max_depth: 16,
    max_string: 32 * 1024,
    max_members: 512,
    max_nodes: 8_192,
};

/// Finds and reads the keys of the issuer `url`, which its metadata has to name to the letter (RFC 8414 section
/// 3.3): another's metadata would bring another's keys.
pub(super) async fn keys(fetch: &dyn Fetch, url: &str) -> Result<KeySet, FetchFault> {
    let keys_at = endpoint(fetch, url, "jwks_uri").await?;
    let document = get(fetch, &keys_at, &home(url)?).await?;
    KeySet::parse(document).map_err(|fault| FetchFault::new(&keys_at, fault.to_string()))
}

/// The issuer's own place.
pub(crate) fn home(url: &str) -> Result<Uri, FetchFault> {
    url.parse().map_err(|_| FetchFault::new(&Uri::default(), "the issuer is no URL"))
}

/// What the metadata of the issuer `url` calls `name`.
pub(crate) async fn endpoint(fetch: &dyn Fetch, url: &str, name: &'static str) -> Result<Uri, FetchFault> {
    let home = home(url)?;
    let mut last = FetchFault::new(&home, "it has no metadata");
    for place in places(&home) {
        match metadata(fetch, &place, &home, url, name).await {
            Ok(endpoint) => return Ok(endpoint),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

/// The well-known places, in the order that MCP gives (authorization, "Authorization Server Metadata
/// Discovery").
fn places(issuer: &Uri) -> Vec<Uri> {
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    let place = |path: String| {
        let mut parts = issuer.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        Uri::from_parts(parts).ok()
    };
    paths.into_iter().filter_map(place).collect()
}

/// An endpoint in metadata that is the issuer's.
async fn metadata(
    fetch: &dyn Fetch,
    place: &Uri,
    home: &Uri,
    issuer: &str,
    name: &'static str,
) -> Result<Uri, FetchFault> {
    let fault = |what: String| FetchFault::new(place, what);
    let document = Document::parse(get(fetch, place, home).await?, &LIMITS);
    let document = document.map_err(|error| fault(error.to_string()))?;
    let text = |name| document.root().get(name).and_then(|value| value.as_str());
    if text("issuer").as_deref() != Some(issuer) {
        return Err(fault("its `issuer` is not the configured one".to_owned()));
    }
    let endpoint = text(name).and_then(|uri| uri.parse::<Uri>().ok());
    endpoint.filter(|uri| uri.authority().is_some()).ok_or_else(|| fault(format!("it has no `{name}`")))
}

async fn get(fetch: &dyn Fetch, url: &Uri, home: &Uri) -> Result<Bytes, FetchFault> {
    let fetched = fetch.get(url, home).await?;
    match fetched.status {
        200 => Ok(fetched.body),
        status => Err(FetchFault::new(url, format!("the answer has status {status}"))),
    }
}
