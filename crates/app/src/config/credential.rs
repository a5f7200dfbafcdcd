//! What servers are shown: credentials of the gateway's own.

use std::{path::PathBuf, time::Duration};

use portcullis_core::ServerName;

use super::{
    HttpUrl, Parameter,
    credential_kind::{DETAIL, PATH},
    issuer::{ISSUER_URL, SCOPE},
    kind::{Choice, FilePath, Flag, List, Maybe, Seconds, Whole, clip},
    net,
    parameter_kind::Hidden,
    problem::{Fault, Severity},
    section::PRINCIPAL,
    setting::{Section as _, Table, Walk, settings},
    tree::{Entry, key},
};

/// How a credential comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Read from a store.
    Vault,
    /// A token for the gateway.
    ClientCredentials,
    /// A token for each caller.
    Exchange,
    /// A token for each caller, whose identity provider vouches for them.
    IdJag,
    /// A token that each caller agreed to.
    AuthorizationCode,
}

settings! {
    /// What servers that name it with `credential = "NAME"` are shown in `Authorization`. A secret in a file needs none of
    /// this: `headers` of the server can name the file.
    pub(crate) struct CredentialSection {
        /// How it comes about. The token of the caller itself is never passed on.
        Live mode: Mode = Choice { words: &[
            ("vault", Mode::Vault, "a secret from a store with Vault's HTTP API"),
            ("client-credentials", Mode::ClientCredentials, "a token for the gateway itself, RFC 6749"),
            ("exchange", Mode::Exchange, "a token for each caller, made from its own by token exchange, RFC 8693"),
            ("id-jag", Mode::IdJag, "a token for each caller, whose identity provider vouches for them at the server's authorization server (ID-JAG)"),
            ("authorization-code", Mode::AuthorizationCode, "a token that each caller agreed to in a browser, RFC 6749 with PKCE"),
        ] };
        /// Address of the store.
        Live url: Option<HttpUrl> = Maybe(net::URL);
        /// Path of the secret in the store, as in `GET /v1/PATH`; with version 2 of the key-value engine it has `data` in it.
        Live path: Option<String> = Maybe(PATH);
        /// Member of the secret that is the credential.
        Live field: Option<String> = Maybe(PRINCIPAL);
        /// What lets the gateway read the store.
        Live token: Option<Parameter> = Maybe(Hidden);
        /// Namespace in the store.
        Live namespace: Option<String> = Maybe(PRINCIPAL);
        /// How long a secret is used before it is read again. When it cannot be, calls are refused.
        Live refresh_seconds: Duration = Seconds { least: 1, most: 86_400 }, default "60";
        /// Issuer identifier of the authorization server. Its endpoints are found through its metadata. With
        /// `authorization-code` it can be left out where there is no `client_id`: the server then says whom it takes tokens
        /// from.
        Live issuer: Option<String> = Maybe(ISSUER_URL);
        /// Certificate authorities, in PEM, that may vouch for the store's or the authorization server's host besides the
        /// system's.
        Live ca_file: Option<PathBuf> = Maybe(FilePath);
        /// Client id of the gateway at the authorization server.
        Live client_id: Option<String> = Maybe(PRINCIPAL);
        /// Secret of the client (`client_secret_basic`).
        Live client_secret: Option<Parameter> = Maybe(Hidden);
        /// Private key of the client (`private_key_jwt`), in PEM: P-256, Ed25519 or RSA, in a file that only its owner can
        /// read.
        Live client_key: Option<PathBuf> = Maybe(FilePath);
        /// Name of that key at the authorization server (`kid`).
        Live client_key_id: Option<String> = Maybe(PRINCIPAL);
        /// Issuer identifier of the identity provider that vouches for callers with `id-jag`: an `[issuer.NAME]`, whose tokens they
        /// bring.
        Live provider: Option<String> = Maybe(ISSUER_URL);
        /// Client id of the gateway at the identity provider.
        Live provider_client_id: Option<String> = Maybe(PRINCIPAL);
        /// Secret of that client.
        Live provider_client_secret: Option<Parameter> = Maybe(Hidden);
        /// Private key of that client, in PEM, in a file that only its owner can read.
        Live provider_client_key: Option<PathBuf> = Maybe(FilePath);
        /// Scopes that are asked for. With `exchange` they are needed, and only those are asked for that the caller's own
        /// token has. With `authorization-code` they are all that is ever asked for; without them the server says what it needs.
        Live scopes: Vec<String> = List(SCOPE);
        /// What is asked for in detail (`authorization_details`, RFC 9396), each a JSON object with a `type`, as a string. A
        /// token is used only if the answer says that it was granted these, or fewer.
        Live authorization_details: Vec<String> = List(DETAIL);
        /// Types of which the details of the caller's own token are asked for, too, as they stand there. A caller whose token
        /// has none of them is refused.
        Live authorization_details_of_caller: Vec<String> = List(PRINCIPAL);
        /// Address of a document that describes the gateway as a client (client id metadata document), for authorization
        /// servers that take one.
        Live client_document: Option<HttpUrl> = Maybe(net::URL);
        /// Registers the gateway where it is nobody yet (RFC 7591). What is registered is used with that issuer only.
        Live dynamic_registration: bool = Flag, default "true";
        /// Port of this machine to which `portcullis login` lets the browser come back; 0 for one that is free.
        Live callback_port: usize = Whole::<usize>::new("ports", 0, 65_535), default "0";
        /// Logical name of the server (`audience`), where the authorization server wants one besides the URL.
        Live audience: Option<String> = Maybe(PRINCIPAL);
        /// Sends a token of the gateway's own as the actor, so that the new token names caller and gateway.
        Live actor_token: bool = Flag, default "true";
        /// Longest life of a token. One that lives longer is not used.
        Live max_lifetime_seconds: Duration = Seconds { least: 60, most: 86_400 }, default "3600";
        /// Longest chain of actors in a token, the gateway included. One with more is not used.
        Live max_delegation: usize = Whole::<usize>::new("actors", 0, 8), default "4";
        /// Asks for every one of `scopes`, whatever the caller's token grants. A caller can then do at a server what it was
        /// not allowed to do here.
        Live danger_beyond_caller_scopes: bool = Flag, default "false";
    }
}

/// A configured credential.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its name.
    pub name: ServerName,
    /// Certificate authorities besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How it comes about.
    pub way: Way,
}

/// How a credential comes about.
#[derive(Clone, Debug)]
pub enum Way {
    /// Read from a store.
    Vault(Vault),
    /// A token for the gateway.
    ClientCredentials(Issued),
    /// A token for each caller.
    Exchange {
        /// From whom.
        issued: Issued,
        /// Whether the gateway's own token goes with it.
        actor: bool,
        /// Asks for what the caller's token does not grant.
        danger_beyond_caller_scopes: bool,
    },
    /// A token for each caller, whose identity provider vouches for them.
    IdJag {
        /// The identity provider, the gateway there, and what proves it.
        provider: (String, String, ClientProof),
        /// From whom.
        issued: Issued,
    },
    /// A token that each caller agreed to.
    AuthorizationCode(Consented),
}

/// How callers agree.
#[derive(Clone, Debug)]
pub struct Consented {
    /// The only authorization server that is asked.
    pub issuer: Option<String>,
    /// The gateway there, and what proves it.
    pub client: Option<(String, Option<ClientProof>)>,
    /// A document that describes the gateway.
    pub document: Option<String>,
    /// Whether it registers itself.
    pub registers: bool,
    /// What may be asked for; empty for what the server wants.
    pub scopes: Vec<String>,
    /// Where `portcullis login` waits for the browser.
    pub callback_port: u16,
}

/// A secret in a store.
#[derive(Clone, Debug)]
pub struct Vault {
    /// The secret's own URL.
    pub url: http::Uri,
    /// What lets the gateway read it.
    pub token: Parameter,
    /// The namespace.
    pub namespace: Option<String>,
    /// The member.
    pub field: String,
    /// How long it is used.
    pub refresh: Duration,
}

/// Who issues tokens.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its identifier.
    pub issuer: String,
    /// The gateway there.
    pub client_id: String,
    /// What proves it.
    pub proof: ClientProof,
    /// What may be asked for.
    pub scopes: Vec<String>,
    /// What is asked for in detail, as JSON objects.
    pub details: Vec<String>,
    /// Types of details that are taken over from the caller's token.
    pub details_of_caller: Vec<String>,
    /// Logical name of the server.
    pub audience: Option<String>,
    /// Longest life.
    pub max_lifetime: Duration,
    /// Longest chain of actors.
    pub max_delegation: usize,
}

/// What proves that the gateway is the client.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// A secret.
    Secret(Parameter),
    /// A key.
    Key {
        /// Its file.
        file: PathBuf,
        /// Its name.
        id: Option<String>,
    },
}

impl ClientProof {
    /// The file it is in, if it is.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Secret(secret) => secret.file(),
            Self::Key { file, .. } => Some(file),
        }
    }
}

impl Credential {
    /// Whether it is made from the caller's token.
    pub fn is_of_callers_token(&self) -> bool {
        matches!(self.way, Way::Exchange { .. } | Way::IdJag { .. })
    }

    /// Whether callers agree to it.
    pub(crate) fn is_agreed_to(&self) -> bool {
        matches!(self.way, Way::AuthorizationCode(_))
    }

    /// The files it depends on.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut secrets = Vec::new();
        let secret = match &self.way {
            Way::Vault(vault) => vault.token.file(),
            Way::ClientCredentials(issued) | Way::Exchange { issued, .. } => issued.proof.file(),
            Way::IdJag { provider: (_, _, proof), issued } => {
                secrets.extend(proof.file());
                issued.proof.file()
            }
            Way::AuthorizationCode(consented) => {
                consented.client.as_ref().and_then(|(_, proof)| proof.as_ref()).and_then(ClientProof::file)
            }
        };
        self.ca_file.iter().chain(secret).chain(secrets).cloned().collect()
    }
}

/// Reads every `[credential.NAME]` table.
pub(super) fn read_all(walk: &mut Walk<'_>, root: &Table<'_>) -> Vec<Credential> {
    let Some(entry) = root.entry("credential") else { return Vec::new() };
    let Some(credentials) = walk.table("credential", entry) else { return Vec::new() };
    credentials.entries.iter().filter_map(|entry| read_one(walk, entry)).collect()
}

fn read_one(walk: &mut Walk<'_>, entry: &Entry) -> Option<Credential> {
    let field = format!("credential.{}", key(&clip(&entry.key)));
    let name = entry.key.parse::<ServerName>().map_err(|error| {
        walk.fault(&field, Fault::new(entry.at, error.to_string(), "rename the credential"));
    });
    let table = walk.table(&field, entry)?;
    let section = CredentialSection::read(walk, &table)?;
    let alone = refuse_strays(walk, &table, section.mode);
    let ca_file = section.ca_file.clone();
    let way = match section.mode {
        Mode::Vault => Way::Vault(vault(walk, &table, section)?),
        Mode::ClientCredentials => Way::ClientCredentials(issued(walk, &table, section)?),
        Mode::Exchange => {
            let (actor, danger) = (section.actor_token, section.danger_beyond_caller_scopes);
            let issued = issued(walk, &table, section)?;
            if issued.scopes.is_empty() {
                need(walk, &table, "scopes", None::<()>, "scopes = [\"notes:read\"]");
                return None;
            }
            Way::Exchange { issued, actor, danger_beyond_caller_scopes: danger }
        }
        Mode::IdJag => {
            let provider = provider(walk, &table, &section);
            let issued = issued(walk, &table, section);
            Way::IdJag { provider: provider?, issued: issued? }
        }
        Mode::AuthorizationCode => Way::AuthorizationCode(consented(walk, &table, section)?),
    };
    Some(Credential { name: name.ok().filter(|_| alone)?, ca_file, way })
}

const CLIENT: &[Mode] = &[Mode::ClientCredentials, Mode::Exchange, Mode::IdJag, Mode::AuthorizationCode];
const ISSUED: &[Mode] = &[Mode::ClientCredentials, Mode::Exchange, Mode::IdJag];
const OF_CALLER: &[Mode] = &[Mode::Exchange, Mode::IdJag];

/// Settings that have a meaning in some modes only.
const ONLY: &[(&str, &[Mode])] = &[
    ("url", &[Mode::Vault]),
    ("path", &[Mode::Vault]),
    ("field", &[Mode::Vault]),
    ("token", &[Mode::Vault]),
    ("namespace", &[Mode::Vault]),
    ("refresh_seconds", &[Mode::Vault]),
    ("issuer", CLIENT),
    ("client_id", CLIENT),
    ("client_secret", CLIENT),
    ("client_key", CLIENT),
    ("client_key_id", CLIENT),
    ("scopes", CLIENT),
    ("authorization_details", ISSUED),
    ("authorization_details_of_caller", OF_CALLER),
    ("provider", &[Mode::IdJag]),
    ("provider_client_id", &[Mode::IdJag]),
    ("provider_client_secret", &[Mode::IdJag]),
    ("provider_client_key", &[Mode::IdJag]),
    ("client_document", &[Mode::AuthorizationCode]),
    ("dynamic_registration", &[Mode::AuthorizationCode]),
    ("callback_port", &[Mode::AuthorizationCode]),
    ("audience", ISSUED),
    ("max_lifetime_seconds", ISSUED),
    ("actor_token", &[Mode::Exchange]),
    ("max_delegation", OF_CALLER),
    ("danger_beyond_caller_scopes", &[Mode::Exchange]),
];

fn refuse_strays(walk: &mut Walk<'_>, table: &Table<'_>, mode: Mode) -> bool {
    let strays = ONLY.iter().filter(|(_, modes)| !modes.contains(&mode));
    let found: Vec<_> = strays.filter_map(|(name, _)| table.entry(name)).collect();
    for entry in &found {
        let what = "this has no meaning in this mode";
        walk.fault(&format!("{}.{}", table.name, entry.key), Fault::new(entry.at, what, "remove it"));
    }
    found.is_empty()
}

/// What has to be there in this mode.
fn need<T>(walk: &mut Walk<'_>, table: &Table<'_>, name: &str, value: Option<T>, example: &str) -> Option<T> {
    if value.is_none() {
        let fault = Fault::new(table.at, "this setting is missing in this mode", format!("add `{example}`"));
        walk.fault(&format!("{}.{name}", table.name), fault);
    }
    value
}

fn vault(walk: &mut Walk<'_>, table: &Table<'_>, section: CredentialSection) -> Option<Vault> {
    let url = need(walk, table, "url", section.url, "url = \"https://vault.example.com\"");
    let path = need(walk, table, "path", section.path, "path = \"secret/data/notes\"");
    let field = need(walk, table, "field", section.field, "field = \"token\"");
    let token = need(walk, table, "token", section.token, "token = { file = \"path\" }");
    let (url, path) = (url?, path?);
    let name = format!("{}.url", table.name);
    if !url.is_https() && !url.is_loopback() {
        let what = format!("the secret would come from `{url}` without encryption");
        walk.conflict(&name, Severity::Error, what, "use https");
        return None;
    }
    let whole = format!("{}/v1/{path}", url.to_string().trim_end_matches('/'));
    if url.uri().query().is_some() {
        walk.conflict(&name, Severity::Error, "this has a query", "leave it out");
        return None;
    }
    Some(Vault {
        url: whole.parse().ok()?,
        token: token?,
        namespace: section.namespace,
        field: field?,
        refresh: section.refresh_seconds,
    })
}

fn issued(walk: &mut Walk<'_>, table: &Table<'_>, section: CredentialSection) -> Option<Issued> {
    let issuer = need(walk, table, "issuer", section.issuer, "issuer = \"https://login.example.com\"");
    let client_id = need(walk, table, "client_id", section.client_id, "client_id = \"portcullis\"");
    let given = (section.client_secret, section.client_key, section.client_key_id);
    let proof = match proof(walk, table, given).ok()? {
        None => need(walk, table, "client_key", None, "client_key = \"client.pem\""),
        given => given,
    };
    Some(Issued {
        issuer: issuer?,
        client_id: client_id?,
        proof: proof?,
        scopes: section.scopes,
        details: section.authorization_details,
        details_of_caller: section.authorization_details_of_caller,
        audience: section.audience,
        max_lifetime: section.max_lifetime_seconds,
        max_delegation: section.max_delegation,
    })
}

/// Who vouches for callers.
fn provider(
    walk: &mut Walk<'_>,
    table: &Table<'_>,
    section: &CredentialSection,
) -> Option<(String, String, ClientProof)> {
    let provider =
        need(walk, table, "provider", section.provider.clone(), "provider = \"https://login.example.com\"");
    let id = section.provider_client_id.clone();
    let id = need(walk, table, "provider_client_id", id, "provider_client_id = \"portcullis\"");
    let proof = match (&section.provider_client_secret, &section.provider_client_key) {
        (Some(secret), None) => Some(ClientProof::Secret(secret.clone())),
        (None, Some(file)) => Some(ClientProof::Key { file: file.clone(), id: None }),
        (None, None) => {
            need(walk, table, "provider_client_key", None, "provider_client_key = \"client.pem\"")
        }
        (Some(_), Some(_)) => {
            let field = format!("{}.provider_client_secret", table.name);
            let what = "there is a `provider_client_key` too, and only one of them is used";
            walk.conflict(&field, Severity::Error, what, "keep one of the two");
            None
        }
    };
    Some((provider?, id?, proof?))
}

/// The one proof that is given, if one is.
fn proof(
    walk: &mut Walk<'_>,
    table: &Table<'_>,
    given: (Option<Parameter>, Option<PathBuf>, Option<String>),
) -> Result<Option<ClientProof>, ()> {
    match given {
        (Some(secret), None, _) => Ok(Some(ClientProof::Secret(secret))),
        (None, Some(file), id) => Ok(Some(ClientProof::Key { file, id })),
        (None, None, _) => Ok(None),
        (Some(_), Some(_), _) => {
            let field = format!("{}.client_secret", table.name);
            let what = "there is a `client_key` too, and only one of them is used";
            walk.conflict(&field, Severity::Error, what, "keep one of the two");
            Err(())
        }
    }
}

fn consented(walk: &mut Walk<'_>, table: &Table<'_>, section: CredentialSection) -> Option<Consented> {
    let given = (section.client_secret, section.client_key, section.client_key_id);
    let proof = proof(walk, table, given).ok()?;
    let client = match (section.client_id, proof) {
        (Some(id), proof) => {
            // What is registered with one authorization server is shown to no other.
            need(walk, table, "issuer", section.issuer.as_ref(), "issuer = \"https://login.example.com\"")?;
            Some((id, proof))
        }
        (None, None) => None,
        (None, Some(_)) => return need(walk, table, "client_id", None, "client_id = \"portcullis\""),
    };
    let document = section.client_document.filter(|url| {
        let fits = url.is_https() && url.uri().path().len() > 1;
        if !fits {
            let field = format!("{}.client_document", table.name);
            let what = "a client id metadata document has an https address with a path";
            walk.conflict(&field, Severity::Error, what, "correct it, or leave it out");
        }
        fits
    });
    Some(Consented {
        issuer: section.issuer,
        client,
        document: document.map(|url| url.to_string()),
        registers: section.dynamic_registration,
        scopes: section.scopes,
        callback_port: u16::try_from(section.callback_port).unwrap_or_default(),
    })
}
