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
        let document = metadata(fetch, &place, &home, url).await;
        match document.and_then(|document| named(&document, &place, name)) {
            Ok(endpoint) => return Ok(endpoint),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

fn named(document: &Document, place: &Uri, name: &str) -> Result<Uri, FetchFault> {
    let endpoint = document.root().get(name).and_then(|value| value.as_str());
    let endpoint = endpoint.and_then(|uri| uri.parse::<Uri>().ok()).filter(|uri| uri.authority().is_some());
    endpoint.ok_or_else(|| FetchFault::new(place, format!("it has no `{name}`")))
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

/// Metadata that is the issuer's.
async fn metadata(fetch: &dyn Fetch, place: &Uri, home: &Uri, issuer: &str) -> Result<Document, FetchFault> {
    read(get(fetch, place, home).await?, place, issuer)
}

fn read(body: Bytes, place: &Uri, issuer: &str) -> Result<Document, FetchFault> {
    let fault = |what: String| FetchFault::new(place, what);
    let document = Document::parse(body, &LIMITS).map_err(|error| fault(error.to_string()))?;
    let named = document.root().get("issuer").and_then(|value| value.as_str());
    if named.as_deref() != Some(issuer) {
        return Err(fault("its `issuer` is not the one that was asked for".to_owned()));
    }
    Ok(document)
}

/// The metadata of the issuer `url` and where it was found; nothing when there is none. `home` is as for
/// [`Fetch::get`].
pub(crate) async fn document(
    fetch: &dyn Fetch,
    url: &str,
    home: &Uri,
) -> Result<Option<(Uri, Document)>, FetchFault> {
    for place in places(&self::home(url)?) {
        let fetched = fetch.get(&place, home).await?;
        if fetched.status == 200 {
            return read(fetched.body, &place, url).map(|document| Some((place, document)));
        }
    }
    Ok(None)
}

async fn get(fetch: &dyn Fetch, url: &Uri, home: &Uri) -> Result<Bytes, FetchFault> {
    let fetched = fetch.get(url, home).await?;
    match fetched.status {
        200 => Ok(fetched.body),
        status => Err(FetchFault::new(url, format!("the answer has status {status}"))),
    }
}
