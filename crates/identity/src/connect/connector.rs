//! The client of one server's authorization server.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use portcullis_core::{Clock, Principal, Secret};

use super::{
    ConnectFault, Connection, ConnectionStore, PendingConnection, StoreFault, Wanted,
    connection::{self, key, owner},
    discovery::{self, AuthorizationServer, Paths},
    registration, store, token,
};
use crate::{ClientAuthentication, HttpFetch};

/// Harmless requests of both eras: method, version and message.
const PROBES: &[(&str, &str, &str)] = &[
    (
        "server/discover",
        "2026-07-28",
        r#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    ),
    (
        "initialize",
        "2025-11-25",
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"portcullis","version":"1"}}}"#,
    ),
];

/// How people are connected to one server.
#[derive(Clone)]
pub struct ConnectConfig {
    /// How the server's description and its authorization server are reached.
    pub fetch: Arc<HttpFetch>,
    /// The server.
    pub server: Uri,
    /// The only authorization server that is asked; otherwise the first that the server names.
    pub issuer: Option<Arc<str>>,
    /// The gateway there, and what proves it. With a proof, `issuer` is needed.
    pub client: Option<(Arc<str>, Option<ClientAuthentication>)>,
    /// A document that describes the gateway as a client, for authorization servers that take one.
    pub document: Option<Arc<str>>,
    /// Whether the gateway may register itself (RFC 7591).
    pub registers: bool,
    /// The scopes that may be asked for; empty for whatever the server wants.
    pub scopes: Vec<Arc<str>>,
    /// What people do to be connected.
    pub remedy: Remedy,
    /// What is kept, and where.
    pub store: Arc<dyn ConnectionStore>,
}

/// What somebody does to be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Runs a command on this machine; in words.
    Command(Arc<str>),
    /// Opens a page of this gateway's, where callers have access tokens.
    Page {
        /// Scheme, host and port of the gateway.
        origin: Arc<str>,
        /// The server, by its name.
        server: Arc<str>,
    },
}

impl ConnectConfig {
    pub(super) fn issuer_url(&self) -> Option<Uri> {
        self.issuer.as_ref().and_then(|issuer| issuer.parse().ok())
    }
}

impl fmt::Debug for ConnectConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectConfig").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Where a person's browser brings the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A port of this machine, for a while (RFC 8252 section 7.3).
    Loopback {
        /// `http://127.0.0.1:PORT/…`.
        redirect_uri: String,
    },
    /// A page of a gateway that people share.
    Web {
        /// The page.
        redirect_uri: String,
    },
}

impl Place {
    pub(super) fn redirect_uri(&self) -> &str {
        match self {
            Self::Loopback { redirect_uri } | Self::Web { redirect_uri } => redirect_uri,
        }
    }

    pub(super) fn is_loopback(&self) -> bool {
        matches!(self, Self::Loopback { .. })
    }

    /// `application_type` (OpenID Connect Dynamic Client Registration 1.0 section 2).
    pub(super) fn application_type(&self) -> &'static str {
        if self.is_loopback() { "native" } else { "web" }
    }

    /// One registration is kept for this machine, with the port it was made for.
    pub(super) fn kept_as(&self) -> &str {
        if self.is_loopback() { "loopback" } else { self.redirect_uri() }
    }
}

/// Connects people to one server and holds what came of it.
#[derive(Clone)]
pub struct Connector {
    pub(super) config: ConnectConfig,
    pub(super) clock: Arc<dyn Clock>,
}

impl Connector {
    /// A connector; nothing is asked before somebody is to be connected.
    pub fn new(config: &ConnectConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config: config.clone(), clock }
    }

    /// The port of this machine that the gateway is registered with where somebody was connected last, if it is.
    pub fn registered_port(&self, principal: &Principal) -> Option<u16> {
        let client = match (self.connection(principal).ok()?, &self.config.issuer) {
            (Some(connection), _) => connection.client,
            (None, Some(issuer)) => {
                let anywhere = Place::Loopback { redirect_uri: String::new() };
                let kept = self.config.store.load(&registration::key(issuer, &anywhere)).ok()??;
                connection::read(&kept).ok()?
            }
            (None, None) => return None,
        };
        client.redirect_uri.parse::<Uri>().ok()?.port_u16()
    }

    /// Finds out whom the server wants tokens from and asks for the person's consent. The person has to open
    /// [`PendingConnection::url`], and the query of the answer goes to [`Self::finish`].
    ///
    /// # Errors
    /// [`ConnectFault`].
    pub async fn begin(
        &self,
        principal: &Principal,
        place: &Place,
    ) -> Result<PendingConnection, ConnectFault> {
        let config = &self.config;
        let wanted = self.ask_server().await?;
        let issuer = config.issuer_url();
        let paths = Paths { fetch: &config.fetch, server: &config.server, issuer: issuer.as_ref() };
        let resource = discovery::resource(&paths, &wanted).await?;
        let server = self.authorization_server(&paths, resource.as_ref()).await?;
        let owner = owner(principal);
        let described = resource.as_ref().map(|it| it.scopes.as_slice()).unwrap_or_default();
        // One that cannot be read must not keep somebody from having another.
        let before = self.read(&owner).await.unwrap_or_default();
        let scopes = self.scopes(before.as_ref(), &wanted, described, &server);
        let now = self.clock.now_ms() / 1000;
        let client = registration::client(config, &paths, &server, place, now).await?;
        let resource = resource.map_or_else(|| config.server.to_string(), |it| it.resource);
        PendingConnection::new(owner, client, resource, server, scopes)
    }

    /// What the server says to somebody without a token. Some let a greeting through and nothing that follows.
    async fn ask_server(&self) -> Result<Wanted, ConnectFault> {
        for (method, version, body) in PROBES {
            let request = Request::post(self.config.server.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::ACCEPT, "application/json, text/event-stream")
                .header("mcp-protocol-version", *version)
                .header("mcp-method", *method)
                .body(Full::from(Bytes::from_static(body.as_bytes())))
                .map_err(|_| ConnectFault::metadata(&self.config.server, "it is no URL"))?;
            let (status, headers) = self.config.fetch.head(request, &self.config.server).await?;
            if status == 401 {
                return Ok(Wanted::read(&headers));
            }
        }
        Ok(Wanted::default())
    }

    async fn authorization_server(
        &self,
        paths: &Paths<'_>,
        resource: Option<&discovery::ProtectedResource>,
    ) -> Result<AuthorizationServer, ConnectFault> {
        let named = resource.map(|it| it.servers.as_slice()).unwrap_or_default();
        let issuer = match (&self.config.issuer, named) {
            (Some(issuer), named) if named.is_empty() || named.iter().any(|it| **it == **issuer) => issuer,
            (Some(issuer), _) => {
                let what = format!("it does not take tokens of the configured issuer `{issuer}`");
                return Err(ConnectFault::metadata(paths.server, what));
            }
            (None, [first, ..]) => &Arc::from(first.as_str()),
            (None, []) => return discovery::of_old(paths).await,
        };
        let found = discovery::authorization_server(paths, issuer).await?;
        found.ok_or_else(|| ConnectFault::metadata(issuer, "the authorization server has no metadata"))
    }

    /// What is asked for: what the server wants, together with what it wanted and was given before, and nothing that
    /// the operator did not name when some are named.
    fn scopes(
        &self,
        before: Option<&Connection>,
        wanted: &Wanted,
        described: &[Arc<str>],
        server: &AuthorizationServer,
    ) -> Vec<Arc<str>> {
        let first = if wanted.scopes.is_empty() { described } else { wanted.scopes.as_slice() };
        let (granted, lacking) = before.map(|it| (&*it.scopes, &*it.lacking)).unwrap_or_default();
        let limit = &self.config.scopes;
        let mut scopes: Vec<Arc<str>> = if limit.is_empty() {
            // Where the server said what was lacking, that is more exact than what it describes.
            let first = if lacking.is_empty() { first } else { &[] };
            [first, granted, lacking].concat()
        } else {
            limit.clone()
        };
        let offline: Arc<str> = "offline_access".into();
        if server.scopes.contains(&offline) && !scopes.is_empty() {
            scopes.push(offline);
        }
        let mut seen = Vec::new();
        scopes.retain(|scope| {
            !seen.contains(scope) && {
                seen.push(scope.clone());
                true
            }
        });
        scopes
    }

    /// Lets a client use the connection that somebody has, as long as that needs nothing new; says whether it may now.
    ///
    /// # Errors
    /// [`ConnectFault::Store`].
    pub async fn allow(&self, principal: &Principal, client: &str) -> Result<bool, ConnectFault> {
        let owner = owner(principal);
        let key = self.key(&owner);
        let _turn = self.config.store.lock(&key).await?;
        let Some(mut connection) = self.read(&owner).await? else { return Ok(false) };
        let is_good =
            connection.lacking.is_empty() && (connection.is_renewable() || self.is_fresh(&connection));
        let is_new = !connection.clients.iter().any(|it| it == client);
        if !is_good || !is_new {
            return Ok(false);
        }
        connection.clients.push(client.to_owned());
        self.keep(&key, &connection).await?;
        Ok(true)
    }

    /// Where the server is.
    pub(crate) fn host(&self) -> String {
        self.config.server.host().unwrap_or_default().to_owned()
    }

    /// Takes the answer to what was asked, in the query of the page that the person was sent to.
    ///
    /// # Errors
    /// [`ConnectFault`]; nothing is kept then.
    pub async fn finish(
        &self,
        pending: &PendingConnection,
        query: &str,
        client: Option<&str>,
    ) -> Result<Connection, ConnectFault> {
        let code = pending.code(query)?;
        let now_ms = self.clock.now_ms();
        let issued = token::redeem(&self.config, pending, &code, now_ms).await?;
        let key = self.key(&pending.owner);
        let _turn = self.config.store.lock(&key).await?;
        let before = self.read(&pending.owner).await.unwrap_or_default();
        let mut clients = before.map(|before| before.clients).unwrap_or_default();
        clients.extend(client.filter(|client| !clients.iter().any(|it| it == client)).map(str::to_owned));
        let connection = Connection {
            server: self.config.server.to_string(),
            owner: pending.owner.clone(),
            resource: pending.resource.clone(),
            client: pending.client.clone(),
            token_endpoint: pending.server.token.to_string(),
            revocation_endpoint: pending.server.revocation.as_ref().map(ToString::to_string),
            access_token: issued.access,
            refresh_token: issued.refresh,
            expires_ms: issued.expires_ms,
            scopes: issued.scopes.unwrap_or_else(|| pending.scopes.clone()),
            lacking: Vec::new(),
            clients,
            connected_ms: now_ms,
        };
        self.keep(&key, &connection).await?;
        Ok(connection)
    }

    /// Forgets a registration that the authorization server turned out not to know, so that the next attempt makes
    /// another.
    ///
    /// # Errors
    /// [`ConnectFault::Store`].
    pub fn forget_registration(
        &self,
        pending: &PendingConnection,
        place: &Place,
    ) -> Result<(), ConnectFault> {
        registration::forget(&self.config, &pending.client, place)
    }

    /// Somebody's connection, if there is one.
    ///
    /// # Errors
    /// [`StoreFault`] when it cannot be read.
    pub fn connection(&self, principal: &Principal) -> Result<Option<Connection>, StoreFault> {
        self.load(&owner(principal))
    }

    /// Ends somebody's connection: it is forgotten here whatever the authorization server says, and taken back there.
    /// Says whether there was one.
    ///
    /// # Errors
    /// [`ConnectFault`]: in the store, it is still there; otherwise the authorization server did not take it back.
    pub async fn disconnect(&self, principal: &Principal) -> Result<bool, ConnectFault> {
        let owner = owner(principal);
        let key = self.key(&owner);
        let _turn = self.config.store.lock(&key).await?;
        let connection = self.read(&owner).await;
        let removed = store::aside(&self.config.store, move |store| store.remove(&key)).await?;
        if let Ok(Some(connection)) = connection
            && let Some(endpoint) = connection.revocation_endpoint.as_ref().and_then(|it| it.parse().ok())
        {
            token::revoke(&self.config, &connection, &endpoint, self.clock.now_ms()).await?;
        }
        Ok(removed)
    }

    pub(super) fn key(&self, owner: &str) -> portcullis_core::Digest {
        key(&self.config.server.to_string(), owner)
    }

    /// What [`Self::load`] gives.
    pub(super) async fn read(&self, owner: &str) -> Result<Option<Connection>, StoreFault> {
        let key = self.key(owner);
        let kept = store::aside(&self.config.store, move |store| store.load(&key)).await?;
        kept.map(|kept| self.own(owner, &kept)).transpose().map(Option::flatten)
    }

    /// Keeps a connection.
    pub(super) async fn keep(
        &self,
        key: &portcullis_core::Digest,
        connection: &Connection,
    ) -> Result<(), StoreFault> {
        let (key, content) = (*key, connection::write(connection)?);
        store::aside(&self.config.store, move |store| store.save(&key, &content)).await
    }

    fn load(&self, owner: &str) -> Result<Option<Connection>, StoreFault> {
        let server = self.config.server.to_string();
        let kept = self.config.store.load(&key(&server, owner))?;
        kept.map(|kept| self.own(owner, &kept)).transpose().map(Option::flatten)
    }

    /// A connection that was kept, as far as it is this one.
    fn own(&self, owner: &str, kept: &Secret) -> Result<Option<Connection>, StoreFault> {
        let server = self.config.server.to_string();
        let connection: Connection = connection::read(kept)?;
        let own = connection.server == server && connection.owner == owner;
        // Under the configured issuer only: a token of another was for whom the operator no longer trusts.
        let trusted = self.config.issuer.as_deref().is_none_or(|it| it == connection.client.issuer);
        Ok(Some(connection).filter(|_| own && trusted))
    }
}

/// Asks a person who is configured to be known to the configured issuer, for a token for `resource`.
pub(crate) async fn begin_at(
    config: &ConnectConfig,
    resource: &str,
    redirect_uri: &str,
) -> Result<PendingConnection, ConnectFault> {
    let issuer = config.issuer_url();
    let paths = Paths { fetch: &config.fetch, server: &config.server, issuer: issuer.as_ref() };
    let identifier = config.issuer.as_deref().unwrap_or_default();
    let found = discovery::authorization_server(&paths, identifier).await?;
    let server = found.ok_or_else(|| ConnectFault::metadata(identifier, "the issuer has no metadata"))?;
    let place = Place::Web { redirect_uri: redirect_uri.to_owned() };
    let client = registration::client(config, &paths, &server, &place, 0).await?;
    PendingConnection::new(String::new(), client, resource.to_owned(), server, config.scopes.clone())
}

/// The access token for the answer to such a question.
pub(crate) async fn redeem(
    config: &ConnectConfig,
    pending: &PendingConnection,
    query: &str,
    now_ms: u64,
) -> Result<Secret, ConnectFault> {
    let code = pending.code(query)?;
    Ok(token::redeem(config, pending, &code, now_ms).await?.access.0)
}
