//! One authorization server whose access tokens are accepted.

use std::{path::PathBuf, time::Duration};

use portcullis_core::ServerName;
use portcullis_identity::{Algorithm, is_scope};

use super::{
    Parameter,
    credential::ClientProof,
    kind::{Choice, FilePath, Flag, List, Maybe, Parsed, Seconds, Whole, clip},
    net,
    parameter_kind::Hidden,
    problem::{Fault, Severity},
    section::PRINCIPAL,
    setting::{Section as _, Table, Walk, settings},
    tree::{Entry, key},
};

const ALGORITHM: Choice<Algorithm> = Choice {
    words: &[
        ("ES256", Algorithm::Es256, "ECDSA on P-256"),
        ("ES384", Algorithm::Es384, "ECDSA on P-384"),
        ("EdDSA", Algorithm::EdDsa, "Ed25519"),
        ("PS256", Algorithm::Ps256, "RSA-PSS"),
        ("PS384", Algorithm::Ps384, "RSA-PSS"),
        ("PS512", Algorithm::Ps512, "RSA-PSS"),
        ("RS256", Algorithm::Rs256, "RSA with PKCS #1 v1.5"),
        ("RS384", Algorithm::Rs384, "RSA with PKCS #1 v1.5"),
        ("RS512", Algorithm::Rs512, "RSA with PKCS #1 v1.5"),
    ],
};

settings! {
    /// One authorization server whose access tokens are accepted when `auth.mode` is `"oauth"`. `NAME` is 1 to 64 of
    /// `a-z`, `0-9`, `-` and `_`; the subject `alice` of its tokens is the principal `oauth:NAME:alice`.
    pub(crate) struct IssuerSection {
        /// Its issuer identifier. `iss` of its tokens has to equal this to the letter.
        Live url: String = ISSUER_URL;
        /// JWK Set with its public keys, in a file that is read again when it changes. Without it they are fetched from
        /// where the issuer's metadata says (RFC 8414, OpenID Connect Discovery).
        Live jwks_file: Option<PathBuf> = Maybe(FilePath);
        /// Certificate authorities, in PEM, that may vouch for the issuer's host besides the system's.
        Live ca_file: Option<PathBuf> = Maybe(FilePath);
        /// How long fetched keys are used before they are looked at again. A token with an unknown key has them looked at
        /// at once, at most every 30 seconds.
        Live keys_seconds: Duration = Seconds { least: 30, most: 86_400 }, default "300";
        /// How much longer they are used when the issuer cannot be reached. After that its tokens are refused.
        Live keys_grace_seconds: Duration = Seconds { least: 0, most: 86_400 }, default "3600";
        /// Asks the issuer about tokens that are no JWT (RFC 7662), as this client. At most one issuer can be asked: such a
        /// token does not say whose it is.
        Live introspection_client_id: Option<String> = Maybe(PRINCIPAL);
        /// Secret of that client.
        Live introspection_client_secret: Option<Parameter> = Maybe(Hidden);
        /// Private key of that client, in PEM, in a file that only its owner can read.
        Live introspection_client_key: Option<PathBuf> = Maybe(FilePath);
        /// How long an answer is believed. No longer does a token work after the issuer has taken it back.
        Live introspection_seconds: Duration = Seconds { least: 1, most: 300 }, default "30";
        /// Lets people log in at a browser as this client, to agree to being connected to servers whose credential has
        /// `mode = "authorization-code"`. Its redirect URI is `gateway.public_url` with `/connect/signed-in`.
        Live login_client_id: Option<String> = Maybe(PRINCIPAL);
        /// Secret of that client; without it, it is a public one.
        Live login_client_secret: Option<Parameter> = Maybe(Hidden);
        /// Algorithms it may sign with.
        Live algorithms: Vec<Algorithm> = List(ALGORITHM), default r#"["ES256", "ES384", "EdDSA", "PS256", "RS256"]"#;
        /// Clients whose tokens are accepted, by `client_id`; empty for all.
        Live clients: Vec<String> = List(PRINCIPAL);
        /// Tenant that its subjects belong to.
        Live tenant: Option<String> = Maybe(PRINCIPAL);
        /// How far its clock and this machine's may be apart.
        Live skew_seconds: Duration = Seconds { least: 0, most: 300 }, default "30";
        /// Longest life of a token, from `iat` to `exp`.
        Live max_lifetime_seconds: Duration = Seconds { least: 60, most: 86_400 }, default "3600";
        /// Longest chain of actors in a token (`act`): 0 takes no delegated token.
        Live max_delegation: usize = Whole::<usize>::new("actors", 0, 8), default "3";
        /// Takes only tokens that are bound to a key of the caller's, each request with a proof (DPoP, RFC 9449). Bound
        /// tokens need their proof in any case.
        Live require_dpop: bool = Flag, default "false";
        /// Takes only tokens that are bound to a certificate that the caller connects with (RFC 8705). Needs `tls.client_ca`,
        /// and excludes `require_dpop`: a token is bound in one way.
        Live require_mtls: bool = Flag, default "false";
        /// Takes JWTs that do not say that they are access tokens (`typ` is `JWT` or absent), and does without `client_id`
        /// and `jti`. An ID token for the same audience then opens the door too.
        Live danger_accept_untyped: bool = Flag, default "false";
    }
}

/// RFC 8414 section 2: https, no query, no fragment. Kept as it is written, because it is compared as it is.
pub(super) const ISSUER_URL: Parsed<String> =
    Parsed { phrase: "an issuer identifier", example: "https://login.example.com", parse: parse_issuer };

fn parse_issuer(text: &str) -> Result<String, String> {
    let url = net::HttpUrl::parse(text)?;
    if text.contains('?') {
        return Err("has a query, which no issuer identifier has".to_owned());
    }
    if !url.is_https() && !url.is_loopback() {
        return Err("is not https".to_owned());
    }
    Ok(text.to_owned())
}

/// A scope.
pub(super) const SCOPE: Parsed<String> =
    Parsed { phrase: "a scope", example: "tools:call", parse: parse_scope };

fn parse_scope(text: &str) -> Result<String, String> {
    if is_scope(text) { Ok(text.to_owned()) } else { Err("is not one scope (RFC 6749)".to_owned()) }
}

/// A configured issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name.
    pub name: ServerName,
    /// Its issuer identifier.
    pub url: String,
    /// Where its keys are.
    pub keys: Keys,
    /// How it is asked about tokens that are no JWT.
    pub introspection: Option<Introspection>,
    /// The client as which people log in at a browser, and its secret.
    pub login: Option<(String, Option<Parameter>)>,
    /// Certificate authorities besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Algorithms it may sign with.
    pub algorithms: Vec<Algorithm>,
    /// Clients whose tokens are accepted; empty for all.
    pub clients: Vec<String>,
    /// Tenant of its subjects.
    pub tenant: Option<String>,
    /// Difference between the clocks.
    pub skew: Duration,
    /// Longest life of a token.
    pub max_lifetime: Duration,
    /// Longest chain of actors.
    pub max_delegation: usize,
    /// Takes only tokens that are bound to a key.
    pub require_dpop: bool,
    /// Takes only tokens that are bound to a certificate.
    pub require_mtls: bool,
    /// Takes JWTs that do not say what they are.
    pub danger_accept_untyped: bool,
}

/// How an issuer is asked about its tokens.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The gateway there.
    pub client_id: String,
    /// What proves it.
    pub proof: ClientProof,
    /// Certificate authorities besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long an answer is believed.
    pub fresh: Duration,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug)]
pub enum Keys {
    /// In a file.
    File(PathBuf),
    /// Where its metadata says.
    Discovered {
        /// Certificate authorities besides the system's.
        ca_file: Option<PathBuf>,
        /// How long they are used.
        fresh: Duration,
        /// How much longer when it cannot be reached.
        grace: Duration,
    },
}

/// Reads every `[issuer.NAME]` table.
pub(super) fn read_all(walk: &mut Walk<'_>, root: &Table<'_>) -> Vec<Issuer> {
    let Some(entry) = root.entry("issuer") else { return Vec::new() };
    let Some(issuers) = walk.table("issuer", entry) else { return Vec::new() };
    let issuers: Vec<_> = issuers.entries.iter().filter_map(|entry| read_one(walk, entry)).collect();
    for (at, issuer) in issuers.iter().enumerate() {
        if let Some(first) = issuers.iter().take(at).find(|other| other.url == issuer.url) {
            let what = format!("this is the issuer of `issuer.{}` already", first.name);
            walk.conflict(
                &format!("issuer.{}.url", issuer.name),
                Severity::Error,
                what,
                "keep one of the two",
            );
        }
    }
    let mut asked = issuers.iter().filter(|issuer| issuer.introspection.is_some());
    if let (Some(first), Some(second)) = (asked.next(), asked.next()) {
        let what = format!("`issuer.{}` is asked already", first.name);
        let field = format!("issuer.{}.introspection_client_id", second.name);
        walk.conflict(&field, Severity::Error, what, "ask one of the two");
    }
    issuers
}

fn read_one(walk: &mut Walk<'_>, entry: &Entry) -> Option<Issuer> {
    let field = format!("issuer.{}", key(&clip(&entry.key)));
    let name = entry.key.parse::<ServerName>().map_err(|error| {
        walk.fault(&field, Fault::new(entry.at, error.to_string(), "rename the issuer"));
    });
    let table = walk.table(&field, entry)?;
    let section = IssuerSection::read(walk, &table)?;
    if section.algorithms.is_empty() {
        let what = "an issuer that may sign with nothing has no tokens";
        walk.conflict(&format!("{field}.algorithms"), Severity::Error, what, "name one, or leave this out");
        return None;
    }
    if section.require_dpop && section.require_mtls {
        let what = "a token is bound to a key or to a certificate, and `require_dpop` wants a key";
        walk.conflict(&format!("{field}.require_mtls"), Severity::Error, what, "keep one of the two");
    }
    let keys = keys(walk, &table, &section);
    let login = match (section.login_client_id.clone(), section.login_client_secret.clone()) {
        (Some(id), secret) => Some((id, secret)),
        (None, None) => None,
        (None, Some(_)) => {
            let what = "this has a meaning only together with `login_client_id`";
            let setting = format!("{field}.login_client_secret");
            walk.conflict(&setting, Severity::Error, what, "add it, or remove this");
            return None;
        }
    };
    let introspection = introspection(walk, &field, &section)?;
    Some(Issuer {
        name: name.ok()?,
        url: section.url,
        keys,
        introspection,
        login,
        ca_file: section.ca_file,
        algorithms: section.algorithms,
        clients: section.clients,
        tenant: section.tenant,
        skew: section.skew_seconds,
        max_lifetime: section.max_lifetime_seconds,
        max_delegation: section.max_delegation,
        require_dpop: section.require_dpop,
        require_mtls: section.require_mtls,
        danger_accept_untyped: section.danger_accept_untyped,
    })
}

/// What is configured, if it is; nothing at all when that is contradictory.
fn introspection(walk: &mut Walk<'_>, table: &str, section: &IssuerSection) -> Option<Option<Introspection>> {
    let proof = match (&section.introspection_client_secret, &section.introspection_client_key) {
        (Some(secret), None) => Some(ClientProof::Secret(secret.clone())),
        (None, Some(file)) => Some(ClientProof::Key { file: file.clone(), id: None }),
        (None, None) => None,
        (Some(_), Some(_)) => {
            let field = format!("{table}.introspection_client_secret");
            let what = "there is an `introspection_client_key` too, and only one of them is used";
            walk.conflict(&field, Severity::Error, what, "keep one of the two");
            return None;
        }
    };
    match (section.introspection_client_id.clone(), proof) {
        (Some(client_id), Some(proof)) => {
            let (ca_file, fresh) = (section.ca_file.clone(), section.introspection_seconds);
            Some(Some(Introspection { client_id, proof, ca_file, fresh }))
        }
        (None, None) => Some(None),
        (id, _) => {
            let (set, wanted) = match id {
                Some(_) => {
                    ("introspection_client_id", "`introspection_client_key` or `introspection_client_secret`")
                }
                None if section.introspection_client_key.is_some() => {
                    ("introspection_client_key", "`introspection_client_id`")
                }
                None => ("introspection_client_secret", "`introspection_client_id`"),
            };
            let what = format!("this has a meaning only together with {wanted}");
            walk.conflict(&format!("{table}.{set}"), Severity::Error, what, "add it, or remove this");
            None
        }
    }
}

/// Settings that have a meaning only for keys that are fetched.
const FETCHED: &[&str] = &["keys_seconds", "keys_grace_seconds"];

fn keys(walk: &mut Walk<'_>, table: &Table<'_>, section: &IssuerSection) -> Keys {
    let Some(file) = &section.jwks_file else {
        return Keys::Discovered {
            ca_file: section.ca_file.clone(),
            fresh: section.keys_seconds,
            grace: section.keys_grace_seconds,
        };
    };
    let unused = ["ca_file"]
        .into_iter()
        .filter(|_| section.introspection_client_id.is_none() && section.login_client_id.is_none());
    for entry in FETCHED.iter().copied().chain(unused).filter_map(|name| table.entry(name)) {
        let what = "this has a meaning only for keys that are fetched";
        walk.fault(
            &format!("{}.{}", table.name, entry.key),
            Fault::new(entry.at, what, "remove it, or `jwks_file`"),
        );
    }
    Keys::File(file.clone())
}
