//! Secrets from a store that speaks Vault's HTTP API (`GET /v1/PATH`), both versions of its key-value engine.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::Full;
use portcullis_core::{
    Secret,
    wire::json::{Document, Limits},
};

use super::{CredentialFault, held::Held};
use crate::HttpFetch;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const LIMITS: Limits = Limits {
    max_bytes: 256 * 1024,
    max_depth: 16,
    max_string: 64 * 1024,
    max_members: 512,
    max_nodes: 4_096,
};

/// Where a secret is.
#[derive(Clone)]
pub struct StoredConfig {
    /// How the store is reached.
    pub fetch: Arc<HttpFetch>,
    /// The secret's own URL, `/v1/` included.
    pub url: Uri,
    /// What lets the gateway read it.
    pub token: Secret,
    /// The namespace, where the store has several.
    pub namespace: Option<Arc<str>>,
    /// The member that is the secret.
    pub field: Arc<str>,
    /// How long it is used before it is read again, in milliseconds.
    pub fresh_ms: u64,
}

impl StoredConfig {
    /// Reads the secret.
    pub(super) async fn fetch(&self, now_ms: u64) -> Result<Held, CredentialFault> {
        let request = Request::get(self.url.clone()).body(Full::<Bytes>::default());
        let mut request = request.map_err(|_| CredentialFault::Request("the secret's place is no URL"))?;
        let unfit = |_| CredentialFault::Request("the store's token fits no header");
        let mut token = HeaderValue::from_bytes(self.token.expose()).map_err(unfit)?;
        token.set_sensitive(true);
        request.headers_mut().insert(TOKEN, token);
        if let Some(namespace) = &self.namespace {
            let unfit = |_| CredentialFault::Request("the namespace fits no header");
            request.headers_mut().insert(NAMESPACE, HeaderValue::from_str(namespace).map_err(unfit)?);
        }
        let answer = self.fetch.send(request, &self.url).await?;
        if answer.status != 200 {
            let from = Arc::from(self.url.authority().map_or("", |it| it.as_str()));
            return Err(CredentialFault::Refused { from, status: answer.status, code: None });
        }
        let secret = self.read(answer.body)?;
        Ok(Held { token: secret, until_ms: now_ms.saturating_add(self.fresh_ms) })
    }

    fn read(&self, body: Bytes) -> Result<Secret, CredentialFault> {
        let unfit = CredentialFault::Unfit;
        let document = Document::parse(body, &LIMITS).map_err(|_| unfit("it is not JSON"))?;
        let data = document.root().get("data").ok_or(unfit("it has no `data`"))?;
        // Version 2 wraps the secret once more, beside what it says about it.
        let inner = data.get("data").filter(|_| data.get("metadata").is_some()).unwrap_or(data);
        let value = inner.get(&self.field).and_then(|value| value.as_str());
        let value = value.filter(|value| !value.is_empty()).ok_or(unfit("it has no such `field`"))?;
        Ok(Secret::new(value.into_owned().into_bytes()))
    }
}

impl fmt::Debug for StoredConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredConfig").field("url", &self.url).finish_non_exhaustive()
    }
}
