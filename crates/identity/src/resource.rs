//! What a token is for.

use std::fmt;

use portcullis_core::ServerName;

/// One endpoint of the gateway as a protected resource. Its canonical URI (RFC 8707 section 2; MCP
/// authorization, "Canonical Server URI") is the URL that clients use: a token for one endpoint is good for no
/// other.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// Scheme, host and port under which clients reach the gateway, in lower case and without a default port.
    pub origin: &'a str,
    /// The path of the endpoint in front of all servers, `/mcp` or `/sse`.
    pub door: &'static str,
    /// The server whose own endpoint it is.
    pub server: Option<&'a ServerName>,
}

impl Resource<'_> {
    /// Whether `uri` is its URI, to the letter (RFC 3986 section 6.2.1).
    pub fn is(&self, uri: &str) -> bool {
        let rest = uri.strip_prefix(self.origin).and_then(|rest| rest.strip_prefix(self.door));
        match (rest, self.server) {
            (Some(rest), None) => rest.is_empty(),
            (Some(rest), Some(server)) => rest.strip_prefix('/') == Some(server.as_str()),
            (None, _) => false,
        }
    }

    /// Where its metadata is (RFC 9728 section 3.1).
    pub fn metadata_url(&self) -> String {
        let server = self.server.map(|server| format!("/{server}")).unwrap_or_default();
        format!("{}{METADATA_PATH}{}{server}", self.origin, self.door)
    }
}

/// The path in front of a resource's own path (RFC 9728 section 3).
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.door)?;
        self.server.map_or(Ok(()), |server| write!(f, "/{server}"))
    }
}
