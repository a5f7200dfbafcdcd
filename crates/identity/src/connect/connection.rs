//! Who is connected to which server, and with what.

use std::{fmt, sync::Arc};

use portcullis_core::{Digest, Principal, PrincipalKind, Secret};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

use super::StoreFault;

/// The name of somebody's connections. The user of this machine is one person, however the gateway is reached.
pub(crate) fn owner(principal: &Principal) -> String {
    match principal.kind {
        PrincipalKind::LocalUser => "local-user".to_owned(),
        _ => principal.to_string(),
    }
}

/// Where the connection of `owner` to the server with this URL is kept. It belongs to the URL and not to a name that
/// may be given to another server.
pub(super) fn key(server: &str, owner: &str) -> Digest {
    Digest::of_parts(["connection", server, owner].map(str::as_bytes))
}

/// Text that is written to the store and nowhere else.
#[derive(Clone)]
pub(super) struct Hidden(pub(super) Secret);

impl Hidden {
    pub(super) fn new(text: &str) -> Self {
        Self(Secret::new(text.as_bytes().to_vec()))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0.expose()) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Err(serde::ser::Error::custom("a secret is no text")),
        }
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        if text.is_empty() { Err(D::Error::custom("a secret is empty")) } else { Ok(Self::new(&text)) }
    }
}

/// How the gateway proves itself at a token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Method {
    /// It does not: a public client.
    #[serde(rename = "none")]
    None,
    /// `client_secret_basic`.
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_secret_post`.
    #[serde(rename = "client_secret_post")]
    Post,
    /// As configured; nothing of it is kept.
    #[serde(rename = "configured")]
    Configured,
}

/// The gateway at one authorization server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    /// INVARIANT: shown to this authorization server only (MCP authorization, "Authorization Server Binding").
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<Hidden>,
    /// When the secret ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
}

/// Somebody's connection to a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The server's URL.
    pub(super) server: String,
    /// Whose it is.
    pub(super) owner: String,
    /// Whom the token is for (RFC 8707).
    pub(super) resource: String,
    pub(super) client: Client,
    pub(super) token_endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revocation_endpoint: Option<String>,
    pub(super) access_token: Hidden,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<Hidden>,
    /// When the access token ends, in milliseconds since 1970; nobody said when it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_ms: Option<u64>,
    /// The scopes it was given.
    pub(super) scopes: Vec<Arc<str>>,
    /// The scopes that the server has asked for since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lacking: Vec<Arc<str>>,
    /// The clients that may use it, where clients are told apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) clients: Vec<String>,
    /// When the person said yes, in milliseconds since 1970.
    pub(super) connected_ms: u64,
}

impl Connection {
    /// Whom the token is for.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The authorization server.
    pub fn issuer(&self) -> &str {
        &self.client.issuer
    }

    /// What the token grants.
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.scopes
    }

    /// When the access token ends, in milliseconds since 1970, where that is known.
    pub fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    /// Whether a new access token can be had without the person.
    pub fn is_renewable(&self) -> bool {
        self.refresh_token.is_some()
    }
}

/// Reads what was kept.
pub(super) fn read<T: for<'de> Deserialize<'de>>(kept: &Secret) -> Result<T, StoreFault> {
    // The reason would repeat what is in it.
    serde_json::from_slice(kept.expose()).map_err(|_| StoreFault::new("what was kept cannot be read"))
}

/// Writes what is to be kept.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Secret, StoreFault> {
    let bytes = serde_json::to_vec(value).map_err(|_| StoreFault::new("what is to be kept is no text"))?;
    Ok(Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn nothing_secret_is_printed_and_everything_is_kept() {
        let text = r#"{"server":"https://s.test/mcp","owner":"oauth:a","resource":"https://s.test/mcp",
            "client":{"issuer":"https://as.test","client_id":"c","redirect_uri":"http://127.0.0.1/callback",
            "method":"client_secret_basic","secret":"sesame"},"token_endpoint":"https://as.test/token",
            "access_token":"opened","refresh_token":"again","scopes":["a"],"connected_ms":1}"#;
        let connection: Connection = read(&Secret::new(text.as_bytes().to_vec())).unwrap();
        let shown = format!("{connection:?}");
        for secret in ["sesame", "opened", "again"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let kept = write(&connection).unwrap();
        let again: Connection = read(&kept).unwrap();
        assert_eq!(again.access_token.0.expose(), b"opened");
        assert_eq!(write(&again).unwrap().expose(), kept.expose());
        assert!(read::<Connection>(&Secret::new(b"{\"access_token\":\"sesame\"}".to_vec())).is_err());
    }

    #[test]
    fn a_connection_is_one_persons_and_one_servers() {
        let of = |kind, id: &str| owner(&Principal { kind, id: id.into() });
        assert_eq!(of(PrincipalKind::LocalUser, "uid:1000"), of(PrincipalKind::LocalUser, "loopback"));
        assert_ne!(of(PrincipalKind::Dev, "alice"), of(PrincipalKind::Dev, "bob"));
        assert_ne!(key("https://a.test", "bob"), key("https://b.test", "bob"));
        assert_ne!(key("https://a.test", "bob"), key("https://a.test", "alice"));
    }
}
