//! An endpoint of an authorization server that wants to know who asks.

use std::{fmt, sync::Arc};

use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use portcullis_core::Secret;
use tokio::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{ClientAuthentication, CredentialFault, grant::Form};
use crate::{FetchFault, Fetched, HttpFetch, oauth::discovery};

/// The gateway as a client of an authorization server.
#[derive(Clone)]
pub struct OauthClient {
    /// How the authorization server is reached.
    pub fetch: Arc<HttpFetch>,
    /// Its identifier (RFC 8414 section 2).
    pub issuer: Arc<str>,
    /// The gateway's `client_id` there.
    pub client_id: Arc<str>,
    /// What proves that it is the gateway.
    pub authentication: ClientAuthentication,
}

impl fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (issuer, client_id) = (&self.issuer, &self.client_id);
        f.debug_struct("OauthClient")
            .field("issuer", issuer)
            .field("client_id", client_id)
            .finish_non_exhaustive()
    }
}

/// One endpoint, found once through the server's metadata.
pub(crate) struct Endpoint {
    client: OauthClient,
    name: &'static str,
    place: Mutex<Place>,
}

/// Where it is, as far as that is known.
#[derive(Debug, Default)]
enum Place {
    #[default]
    Unknown,
    Found(Uri),
    /// Not to be looked for again before this.
    Failed(FetchFault, Instant),
}

/// How long a failed search is the answer to everybody.
const PAUSE: Duration = Duration::from_secs(2);

impl Endpoint {
    /// The endpoint that metadata calls `name`.
    pub(crate) fn new(client: &OauthClient, name: &'static str) -> Self {
        Self { client: client.clone(), name, place: Mutex::default() }
    }

    pub(crate) fn issuer(&self) -> &Arc<str> {
        &self.client.issuer
    }

    /// Sends a form with the client's authentication.
    pub(crate) async fn post(&self, mut form: Form, now_ms: u64) -> Result<Fetched, CredentialFault> {
        let OauthClient { fetch, issuer, client_id, authentication } = &self.client;
        let basic = authentication.apply(client_id, issuer, &mut form, now_ms / 1000)?;
        let home = discovery::home(issuer)?;
        let mut request = Request::post(self.place().await?)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form.bytes().to_vec()))
            .map_err(|_| CredentialFault::Request("the endpoint is no URL"))?;
        if let Some(basic) = basic {
            request.headers_mut().insert(header::AUTHORIZATION, sensitive(&basic)?);
        }
        Ok(fetch.send(request, &home).await?)
    }
}

impl Endpoint {
    /// Where it is. Who asks first looks while the others wait.
    async fn place(&self) -> Result<Uri, FetchFault> {
        let mut place = self.place.lock().await;
        match &*place {
            Place::Found(uri) => return Ok(uri.clone()),
            Place::Failed(fault, until) if Instant::now() < *until => return Err(fault.clone()),
            _ => {}
        }
        let OauthClient { fetch, issuer, .. } = &self.client;
        let found = discovery::endpoint(&**fetch, issuer, self.name).await;
        *place = match &found {
            Ok(uri) => Place::Found(uri.clone()),
            Err(fault) => Place::Failed(fault.clone(), Instant::now() + PAUSE),
        };
        found
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

fn sensitive(secret: &Secret) -> Result<HeaderValue, CredentialFault> {
    let unfit = |_| CredentialFault::Request("the client's secret fits no header");
    let mut value = HeaderValue::from_bytes(secret.expose()).map_err(unfit)?;
    value.set_sensitive(true);
    Ok(value)
}
