//! Who the gateway is at an authorization server: a client that is configured, a document on the web, or one that it
//! registers (RFC 7591), in this order (MCP authorization, "Client Registration Approaches").

use http::{Request, Uri, header};
use http_body_util::Full;
use portcullis_core::{
    Digest, Secret,
    wire::json::{Document, Limits},
};
use serde_json::json;

use super::{
    ConnectConfig, ConnectFault, Place,
    connection::{self, Client, Hidden, Method},
    discovery::{AuthorizationServer, Paths},
};

const LIMITS: Limits =
    Limits { max_bytes: 64 * 1024, max_depth: 16, max_string: 16 * 1024, max_members: 256, max_nodes: 2_048 };
/// Longest client id and secret, in bytes.
const LONGEST: usize = 4 * 1024;

/// The gateway at this authorization server, for answers to `place`.
pub(super) async fn client(
    config: &ConnectConfig,
    paths: &Paths<'_>,
    server: &AuthorizationServer,
    place: &Place,
    now: u64,
) -> Result<Client, ConnectFault> {
    let fault =
        |what: &str| ConnectFault::Registration { issuer: server.issuer.clone(), what: what.to_owned() };
    let made = |client_id: &str, method| Client {
        issuer: server.issuer.clone(),
        client_id: client_id.to_owned(),
        redirect_uri: place.redirect_uri().to_owned(),
        method,
        secret: None,
        until: None,
    };
    if let Some((client_id, authentication)) = &config.client {
        let method = if authentication.is_some() { Method::Configured } else { Method::None };
        return Ok(made(client_id, method));
    }
    if let (Some(document), true) = (&config.document, server.takes_documents) {
        return Ok(made(document, Method::None));
    }
    if !config.registers {
        return Err(fault("set `client_id`, or let it register itself with `dynamic_registration`"));
    }
    let endpoint = server.registration.as_ref();
    let endpoint = endpoint.ok_or_else(|| fault("it registers nobody: set `client_id`"))?;
    if let Some(kept) = kept(config, &server.issuer, place, now)? {
        return Ok(kept);
    }
    let client = register(paths, server, endpoint, place).await?;
    config.store.save(&key(&server.issuer, place), &connection::write(&client)?)?;
    Ok(client)
}

pub(super) fn key(issuer: &str, place: &Place) -> Digest {
    Digest::of_parts(["registration", issuer, place.kept_as()].map(str::as_bytes))
}

/// What was registered before, as long as it is good.
pub(super) fn kept(
    config: &ConnectConfig,
    issuer: &str,
    place: &Place,
    now: u64,
) -> Result<Option<Client>, ConnectFault> {
    let Some(kept) = config.store.load(&key(issuer, place))? else { return Ok(None) };
    let client: Client = connection::read(&kept)?;
    let fits = client.issuer == issuer && client.redirect_uri == place.redirect_uri();
    Ok(Some(client).filter(|client| fits && client.until.is_none_or(|until| now < until)))
}

/// Forgets a registration that the authorization server no longer knows.
pub(super) fn forget(config: &ConnectConfig, client: &Client, place: &Place) -> Result<(), ConnectFault> {
    if config.client.is_none() && client.method != Method::Configured {
        config.store.remove(&key(&client.issuer, place))?;
    }
    Ok(())
}

async fn register(
    paths: &Paths<'_>,
    server: &AuthorizationServer,
    endpoint: &Uri,
    place: &Place,
) -> Result<Client, ConnectFault> {
    let fault = |what: String| ConnectFault::Registration { issuer: server.issuer.clone(), what };
    let method = method(server, place).ok_or_else(|| {
        fault("it takes none of `none`, `client_secret_basic` and `client_secret_post`".to_owned())
    })?;
    let asked = json!({
        "client_name": "Portcullis",
        "redirect_uris": [place.redirect_uri()],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "application_type": place.application_type(),
    });
    let request = Request::post(endpoint.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(asked.to_string()))
        .map_err(|_| fault("its `registration_endpoint` is no URL".to_owned()))?;
    let answer = paths.fetch.send(request, &paths.home(endpoint)).await?;
    if !matches!(answer.status, 200 | 201) {
        return Err(fault(format!("it answered the registration with status {}", answer.status)));
    }
    let document = Document::parse(answer.body, &LIMITS).map_err(|error| fault(error.to_string()))?;
    let text = |name| document.root().get(name).and_then(|it| it.as_str());
    let usable = |text: &str| {
        (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    let client_id = text("client_id").filter(|it| usable(it));
    let client_id = client_id.ok_or_else(|| fault("it gave no usable `client_id`".to_owned()))?.into_owned();
    let secret = text("client_secret").filter(|it| usable(it));
    // What it says it registered counts (RFC 7591 section 3.2.1).
    let said = text("token_endpoint_auth_method").and_then(|it| serde_json::from_value(json!(it)).ok());
    let method = said.filter(|it| *it != Method::Configured).unwrap_or(method);
    if method != Method::None && secret.is_none() {
        return Err(fault("it gave no `client_secret`".to_owned()));
    }
    let until =
        document.root().get("client_secret_expires_at").and_then(|it| it.as_u64()).filter(|it| *it > 0);
    Ok(Client {
        issuer: server.issuer.clone(),
        client_id,
        redirect_uri: place.redirect_uri().to_owned(),
        method,
        secret: secret
            .filter(|_| method != Method::None)
            .map(|it| Hidden(Secret::new(it.into_owned().into_bytes()))),
        until,
    })
}

/// How the gateway is to prove itself: what runs on a person's machine keeps no secret from that person (RFC 8252
/// section 8.4), what runs on a server does.
fn method(server: &AuthorizationServer, place: &Place) -> Option<Method> {
    const NAMES: [(&str, Method); 3] = [
        ("none", Method::None),
        ("client_secret_basic", Method::Basic),
        ("client_secret_post", Method::Post),
    ];
    let takes = |name: &str| server.methods.iter().any(|it| &**it == name);
    // Nothing said means `client_secret_basic` (RFC 8414 section 2).
    if server.methods.is_empty() {
        return Some(if place.is_loopback() { Method::None } else { Method::Basic });
    }
    let native = NAMES.iter();
    let web = [1, 2, 0].into_iter().filter_map(|at| NAMES.get(at));
    let pick = |(name, method): &(&str, Method)| takes(name).then_some(*method);
    if place.is_loopback() { native.into_iter().find_map(pick) } else { web.into_iter().find_map(pick) }
}
