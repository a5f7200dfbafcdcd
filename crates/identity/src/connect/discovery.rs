//! Whom a server wants tokens from, as it and its authorization server say (RFC 9728, RFC 8414).

use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use portcullis_core::{
    Host,
    wire::json::{Document, Limits, Node},
};

use super::{
    ConnectFault, Wanted,
    challenge::{SCOPES, scopes},
};
use crate::{Fetch, HttpFetch, METADATA_PATH, oauth::discovery};

const LIMITS: Limits = Limits {
    max_bytes: 256 * 1024,
    max_depth: 16,
    max_string: 32 * 1024,
    max_members: 512,
    max_nodes: 8_192,
};

/// From where to where fetches may lead.
pub(super) struct Paths<'a> {
    pub(super) fetch: &'a HttpFetch,
    /// The server. Who configured it chose the machine.
    pub(super) server: &'a Uri,
    /// The issuer, when it is configured.
    pub(super) issuer: Option<&'a Uri>,
}

impl Paths<'_> {
    /// The place that may be on any address when `url` is in it. A server on this machine may name others on this
    /// machine: it can reach them itself (MCP security best practices, "SSRF").
    pub(super) fn home(&self, url: &Uri) -> Uri {
        let same = |home: &&Uri| home.authority() == url.authority() && home.scheme() == url.scheme();
        let here = |uri: &Uri| uri.host().and_then(|host| Host::parse(host).ok()).is_some_and(is_loopback);
        match self.issuer.filter(same) {
            Some(issuer) => issuer.clone(),
            None if here(self.server) && here(url) => url.clone(),
            None => self.server.clone(),
        }
    }

    fn is_home(&self, url: &Uri) -> bool {
        let home = self.home(url);
        home.authority() == url.authority() && home.scheme() == url.scheme()
    }

    async fn get(&self, url: &Uri) -> Result<(u16, Bytes), ConnectFault> {
        let fetched = self.fetch.get(url, &self.home(url)).await?;
        Ok((fetched.status, fetched.body))
    }
}

fn is_loopback(host: Host) -> bool {
    match host {
        Host::Address(address) => address.is_loopback(),
        Host::Name(name) => name.as_str() == "localhost",
    }
}

/// What a server says about itself (RFC 9728 section 2).
pub(super) struct ProtectedResource {
    pub(super) resource: String,
    pub(super) servers: Vec<String>,
    pub(super) scopes: Vec<Arc<str>>,
}

/// What the server says about itself; nothing when it says nothing.
pub(super) async fn resource(
    paths: &Paths<'_>,
    wanted: &Wanted,
) -> Result<Option<ProtectedResource>, ConnectFault> {
    if let Some(place) = &wanted.resource_metadata {
        return match paths.get(place).await? {
            (200, body) => described(paths.server, place, body).map(Some),
            (status, _) => Err(ConnectFault::metadata(place, format!("the answer has status {status}"))),
        };
    }
    for place in well_known(paths.server) {
        if let (200, body) = paths.get(&place).await? {
            return described(paths.server, &place, body).map(Some);
        }
    }
    Ok(None)
}

/// For the endpoint, then for the host as a whole (MCP authorization, "Protected Resource Metadata Discovery").
fn well_known(server: &Uri) -> Vec<Uri> {
    let path = server.path().trim_end_matches('/');
    let mut paths = vec![format!("{METADATA_PATH}{path}"), METADATA_PATH.to_owned()];
    paths.dedup();
    paths.into_iter().filter_map(|path| at(server, &path)).collect()
}

/// A path at the origin of `uri`.
fn at(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).ok()
}

fn described(server: &Uri, place: &Uri, body: Bytes) -> Result<ProtectedResource, ConnectFault> {
    let fault = |what: &str| ConnectFault::metadata(place, what);
    let document = Document::parse(body, &LIMITS).map_err(|error| fault(&error.to_string()))?;
    let root = document.root();
    let resource = text(root, "resource").ok_or_else(|| fault("it has no `resource`"))?;
    // Another's metadata would bring another's authorization server (RFC 9728 section 3.3).
    // For the host as a whole its root speaks, and none of those that have a path there.
    let of_host = at(server, METADATA_PATH).as_ref() == Some(place);
    if !covers(&resource, server, of_host) {
        return Err(fault("its `resource` is not this server"));
    }
    let listed = root.get("authorization_servers").into_iter().flat_map(|it| it.elements());
    let servers = listed.filter_map(|it| it.as_str().map(|it| it.into_owned())).take(16).collect();
    Ok(ProtectedResource { resource, servers, scopes: list(root, "scopes_supported") })
}

/// Whether this resource is the server's endpoint, or, for a description `of_host`, a path above it at the same origin:
/// many servers describe themselves as a whole. A token for a path above is good for whoever else is below it.
fn covers(resource: &str, server: &Uri, of_host: bool) -> bool {
    let Ok(uri) = resource.parse::<Uri>() else { return false };
    let same_host = match (uri.authority(), server.authority()) {
        (Some(a), Some(b)) => a.as_str().eq_ignore_ascii_case(b.as_str()),
        _ => false,
    };
    let (above, path) = (uri.path().trim_end_matches('/'), server.path().trim_end_matches('/'));
    let below =
        path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || (of_host && rest.starts_with('/')));
    same_host
        && uri.scheme() == server.scheme()
        && uri.query().is_none_or(|it| server.query() == Some(it))
        && below
}

/// What an authorization server says about itself (RFC 8414 section 2).
pub(super) struct AuthorizationServer {
    pub(super) issuer: String,
    pub(super) authorization: Uri,
    pub(super) token: Uri,
    pub(super) registration: Option<Uri>,
    pub(super) revocation: Option<Uri>,
    /// It names itself in its answers (RFC 9207).
    pub(super) states_issuer: bool,
    /// A client may be a document (`client_id_metadata_document_supported`).
    pub(super) takes_documents: bool,
    /// How clients may prove themselves.
    pub(super) methods: Vec<Arc<str>>,
    pub(super) scopes: Vec<Arc<str>>,
}

/// What the authorization server `issuer` says about itself, which has to name it to the letter; nothing when it says
/// nothing.
pub(super) async fn authorization_server(
    paths: &Paths<'_>,
    issuer: &str,
) -> Result<Option<AuthorizationServer>, ConnectFault> {
    let url: Uri = issuer.parse().map_err(|_| ConnectFault::metadata(issuer, "the issuer is no URL"))?;
    let found = discovery::document(paths.fetch, issuer, &paths.home(&url)).await?;
    found.map(|(place, document)| described_server(paths, issuer, &place, document.root())).transpose()
}

fn described_server(
    paths: &Paths<'_>,
    issuer: &str,
    place: &Uri,
    root: Node<'_>,
) -> Result<AuthorizationServer, ConnectFault> {
    let fault = |what: &str| ConnectFault::metadata(place, what);
    // A server that does not say so may take `plain`, or nothing at all (MCP authorization, "PKCE").
    if !list(root, "code_challenge_methods_supported").iter().any(|it| &**it == "S256") {
        return Err(fault("it does not support PKCE with `S256`"));
    }
    let uri =
        |name| text(root, name).and_then(|it| it.parse::<Uri>().ok()).filter(|it| it.authority().is_some());
    let is_true = |name: &str| root.get(name).and_then(|it| it.as_bool()) == Some(true);
    let authorization =
        uri("authorization_endpoint").ok_or_else(|| fault("it has no `authorization_endpoint`"))?;
    // A browser is sent there: nothing but a page of the web.
    let web = authorization.scheme_str() == Some("https") || paths.is_home(&authorization);
    if !web || authorization.to_string().contains('#') {
        return Err(fault("its `authorization_endpoint` is not https"));
    }
    Ok(AuthorizationServer {
        issuer: issuer.to_owned(),
        authorization,
        token: uri("token_endpoint").ok_or_else(|| fault("it has no `token_endpoint`"))?,
        registration: uri("registration_endpoint"),
        revocation: uri("revocation_endpoint"),
        states_issuer: is_true("authorization_response_iss_parameter_supported"),
        takes_documents: is_true("client_id_metadata_document_supported"),
        methods: list(root, "token_endpoint_auth_methods_supported"),
        scopes: list(root, "scopes_supported"),
    })
}

/// Whom a server without any metadata wants tokens from: itself (MCP 2025-03-26 authorization, "Fallbacks").
pub(super) async fn of_old(paths: &Paths<'_>) -> Result<AuthorizationServer, ConnectFault> {
    let origin = at(paths.server, "/").map(|uri| uri.to_string().trim_end_matches('/').to_owned());
    let origin = origin.ok_or_else(|| ConnectFault::metadata(paths.server, "it is no URL"))?;
    if let Some(server) = authorization_server(paths, &origin).await? {
        return Ok(server);
    }
    let endpoint = |path| at(paths.server, path);
    match (endpoint("/authorize"), endpoint("/token")) {
        (Some(authorization), Some(token)) => Ok(AuthorizationServer {
            issuer: origin,
            authorization,
            token,
            registration: endpoint("/register"),
            revocation: None,
            states_issuer: false,
            takes_documents: false,
            methods: Vec::new(),
            scopes: Vec::new(),
        }),
        _ => Err(ConnectFault::metadata(paths.server, "it is no URL")),
    }
}

fn text(root: Node<'_>, name: &str) -> Option<String> {
    root.get(name).and_then(|it| it.as_str()).map(|it| it.into_owned())
}

fn list(root: Node<'_>, name: &str) -> Vec<Arc<str>> {
    let listed = root.get(name).into_iter().flat_map(|it| it.elements());
    let texts = listed.filter_map(|it| it.as_str().map(|it| it.into_owned())).take(SCOPES);
    scopes(&texts.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn a_server_is_described_by_itself_only() {
        let server: Uri = "https://s.test/a/mcp".parse().unwrap();
        for (resource, is_it) in [
            ("https://s.test/a/mcp", Some(true)),
            ("https://S.test/a/mcp/", Some(true)),
            ("https://s.test/a", None),
            ("https://s.test", None),
            ("https://s.test/", None),
            ("https://s.test/a/m", Some(false)),
            ("https://s.test/a/mcp/more", Some(false)),
            ("http://s.test/a/mcp", Some(false)),
            ("https://s.test:8443/a/mcp", Some(false)),
            ("https://evil.test/a/mcp", Some(false)),
            ("https://s.test/a/mcp?x=1", Some(false)),
            ("not a url", Some(false)),
        ] {
            // Where it depends on who says so, the root of the host may.
            for (place, of_host) in [
                ("https://s.test/.well-known/oauth-protected-resource", true),
                ("https://s.test/.well-known/oauth-protected-resource/a/mcp", false),
                ("https://s.test/.well-known/oauth-protected-resource?a", false),
                ("https://s.test/a/description", false),
                ("https://evil.test/.well-known/oauth-protected-resource", false),
            ] {
                let text = format!(r#"{{"resource":"{resource}"}}"#);
                let described = described(&server, &place.parse().unwrap(), text.into());
                assert_eq!(described.is_ok(), is_it.unwrap_or(of_host), "{resource} at {place}");
            }
        }
    }

    #[test]
    fn metadata_leads_nowhere_but_home() {
        let fetch = HttpFetch::new(None).unwrap();
        for (server, issuer, url, home) in [
            ("https://s.test/mcp", None, "https://s.test/x", "https://s.test/mcp"),
            ("https://s.test/mcp", None, "http://127.0.0.1:9/", "https://s.test/mcp"),
            ("https://s.test/mcp", Some("https://10.0.0.1"), "https://10.0.0.1/x", "https://10.0.0.1/"),
            ("https://s.test/mcp", Some("https://10.0.0.1"), "http://10.0.0.1/x", "https://s.test/mcp"),
            ("http://127.0.0.1:1/mcp", None, "http://127.0.0.1:9/x", "http://127.0.0.1:9/x"),
            ("http://localhost:1/mcp", None, "http://10.0.0.1/x", "http://localhost:1/mcp"),
        ] {
            let (server, issuer) = (server.parse().unwrap(), issuer.map(|it: &str| it.parse().unwrap()));
            let paths = Paths { fetch: &fetch, server: &server, issuer: issuer.as_ref() };
            assert_eq!(paths.home(&url.parse().unwrap()).to_string(), home, "{server} {url}");
        }
    }
}
