//! Tokens for a person's consent, and new ones for old (RFC 6749 sections 4.1.3 and 6).

use std::sync::Arc;

use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use portcullis_core::{
    Secret,
    wire::json::{Document, Limits},
};

use super::{
    ConnectConfig,
    challenge::scopes,
    connection::{Client, Connection, Hidden, Method},
    discovery::Paths,
};
use crate::{
    ClientAuthentication, CredentialFault,
    outward::{Form, is_token, refusal},
};

const LIMITS: Limits =
    Limits { max_bytes: 64 * 1024, max_depth: 16, max_string: 32 * 1024, max_members: 256, max_nodes: 2_048 };

/// What a token endpoint gave.
pub(super) struct Issued {
    pub(super) access: Hidden,
    pub(super) refresh: Option<Hidden>,
    pub(super) expires_ms: Option<u64>,
    pub(super) scopes: Option<Vec<Arc<str>>>,
}

/// The token for a code.
pub(super) async fn redeem(
    config: &ConnectConfig,
    pending: &super::PendingConnection,
    code: &Secret,
    now_ms: u64,
) -> Result<Issued, CredentialFault> {
    let mut form = Form::default();
    form.text("grant_type", "authorization_code");
    form.add("code", code.expose());
    form.text("redirect_uri", &pending.client.redirect_uri);
    form.add("code_verifier", pending.verifier.expose());
    form.text("resource", &pending.resource);
    ask(config, &pending.client, &pending.server.token, form, now_ms).await
}

/// The token that takes the place of this one.
pub(super) async fn refresh(
    config: &ConnectConfig,
    connection: &Connection,
    token: &Hidden,
    now_ms: u64,
) -> Result<Issued, CredentialFault> {
    let mut form = Form::default();
    form.text("grant_type", "refresh_token");
    form.add("refresh_token", token.0.expose());
    form.text("resource", &connection.resource);
    let endpoint: Uri = connection.token_endpoint.parse().map_err(|_| no_url())?;
    ask(config, &connection.client, &endpoint, form, now_ms).await
}

/// Takes a token back (RFC 7009).
pub(super) async fn revoke(
    config: &ConnectConfig,
    connection: &Connection,
    endpoint: &Uri,
    now_ms: u64,
) -> Result<(), CredentialFault> {
    let mut form = Form::default();
    let (token, hint) = match &connection.refresh_token {
        Some(token) => (token, "refresh_token"),
        None => (&connection.access_token, "access_token"),
    };
    form.add("token", token.0.expose());
    form.text("token_type_hint", hint);
    let answer = send(config, &connection.client, endpoint, form, now_ms).await?;
    if answer.status == 200 {
        Ok(())
    } else {
        Err(refusal(&connection.client.issuer.as_str().into(), &answer))
    }
}

fn no_url() -> CredentialFault {
    CredentialFault::Request("the endpoint is no URL")
}

async fn ask(
    config: &ConnectConfig,
    client: &Client,
    endpoint: &Uri,
    form: Form,
    now_ms: u64,
) -> Result<Issued, CredentialFault> {
    let answer = send(config, client, endpoint, form, now_ms).await?;
    if answer.status != 200 {
        return Err(refusal(&client.issuer.as_str().into(), &answer));
    }
    read(answer.body, now_ms)
}

async fn send(
    config: &ConnectConfig,
    client: &Client,
    endpoint: &Uri,
    mut form: Form,
    now_ms: u64,
) -> Result<crate::Fetched, CredentialFault> {
    let authentication = authentication(config, client)?;
    let header = authentication.apply(&client.client_id, &client.issuer, &mut form, now_ms / 1000)?;
    let mut request = Request::post(endpoint.clone())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form.bytes().to_vec()))
        .map_err(|_| no_url())?;
    if let Some(value) = header {
        let unfit = |_| CredentialFault::Request("the client's secret fits no header");
        let mut value = HeaderValue::from_bytes(value.expose()).map_err(unfit)?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let issuer = config.issuer_url();
    let paths = Paths { fetch: &config.fetch, server: &config.server, issuer: issuer.as_ref() };
    Ok(config.fetch.send(request, &paths.home(endpoint)).await?)
}

fn authentication(config: &ConnectConfig, client: &Client) -> Result<ClientAuthentication, CredentialFault> {
    let secret = || client.secret.as_ref().map(|it| it.0.clone());
    let made = match client.method {
        Method::None => Some(ClientAuthentication::None),
        Method::Basic => secret().map(ClientAuthentication::Secret),
        Method::Post => secret().map(ClientAuthentication::SecretInForm),
        // INVARIANT: with a configured proof an issuer is configured too, and no other is ever asked.
        Method::Configured => config.client.as_ref().and_then(|(_, authentication)| authentication.clone()),
    };
    made.ok_or(CredentialFault::Request("the gateway has nothing to prove itself with"))
}

fn read(body: bytes::Bytes, now_ms: u64) -> Result<Issued, CredentialFault> {
    let unfit = CredentialFault::Unfit;
    let document = Document::parse(body, &LIMITS).map_err(|_| unfit("it is not JSON"))?;
    let root = document.root();
    let text = |name| root.get(name).and_then(|value| value.as_str());
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
        return Err(unfit("`token_type` is not `Bearer`"));
    }
    let access =
        text("access_token").filter(|it| is_token(it)).ok_or(unfit("it has no usable `access_token`"))?;
    let refresh = match text("refresh_token") {
        Some(token) if !is_token(&token) => return Err(unfit("`refresh_token` is not a token")),
        other => other.map(|it| Hidden::new(&it)),
    };
    let seconds = root.get("expires_in").and_then(|it| it.as_f64()).filter(|it| *it >= 1.0);
    let expires_ms = seconds.map(|it| now_ms.saturating_add((it as u64).saturating_mul(1000)));
    Ok(Issued {
        access: Hidden::new(&access),
        refresh,
        expires_ms,
        scopes: text("scope").map(|it| scopes(&it)),
    })
}
