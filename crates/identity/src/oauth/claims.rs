//! The claims of an access token (RFC 9068 section 2.2), each in its form.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::{
    Details, Digest,
    wire::json::{Kind, Node},
};

use super::details;
use crate::TokenFault;

/// Longest identifier: of a subject, a client, a token or an audience.
const MAX_ID: usize = 255;
/// Most scopes of a token.
const MAX_SCOPES: usize = 64;
/// Most audiences of a token.
const MAX_AUDIENCES: usize = 32;
/// 9999-12-31, beyond which a number is no date but a mistake.
const LAST_DATE: f64 = 253_402_300_799.0;

/// What a token says. Nothing of it is known to be true.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: Vec<String>,
    /// Seconds since 1970, as all times here.
    pub(crate) expires: u64,
    pub(crate) issued: u64,
    pub(crate) not_before: Option<u64>,
    pub(crate) client: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) scopes: Vec<Arc<str>>,
    /// What it is for in detail (RFC 9396).
    pub(crate) details: Details,
    /// What it may be used with (RFC 7800).
    pub(crate) binding: Option<Binding>,
    /// Who acts now, and who acted before (RFC 8693 section 4.1).
    pub(crate) actors: Vec<String>,
}

/// What a token may be used with, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// The key of this thumbprint (`jkt`, RFC 9449 section 6).
    Key(String),
    /// The certificate of this thumbprint (`x5t#S256`, RFC 8705 section 3.1).
    Certificate(String),
}

impl Binding {
    /// Whether it is this certificate, by the SHA-256 of its DER.
    pub(super) fn is_certificate(&self, presented: Option<&Digest>) -> bool {
        let Self::Certificate(thumbprint) = self else { return false };
        presented.is_some_and(|it| URL_SAFE_NO_PAD.encode(it.as_bytes()) == *thumbprint)
    }
}

impl Claims {
    pub(crate) fn read(root: Node<'_>) -> Result<Self, TokenFault> {
        Ok(Self {
            issuer: required("iss", id(root, "iss")?)?,
            subject: required("sub", id(root, "sub")?)?,
            audiences: audiences(root)?,
            expires: required("exp", date(root, "exp")?)?,
            issued: required("iat", date(root, "iat")?)?,
            not_before: date(root, "nbf")?,
            client: id(root, "client_id")?,
            token_id: id(root, "jti")?,
            scopes: scopes(root)?,
            details: details::claim(root)?,
            binding: confirmation(root)?,
            actors: actors(root)?,
        })
    }
}

impl Claims {
    /// What an issuer says about a token of its own (RFC 7662 section 2.2). It may leave out what it is asked
    /// anew each time, but not for whom the token is and until when.
    pub(super) fn introspected(root: Node<'_>, issuer: &str, now: u64) -> Result<Self, TokenFault> {
        let client = id(root, "client_id")?;
        let named = id(root, "iss")?.unwrap_or_else(|| issuer.to_owned());
        if named != issuer {
            return Err(TokenFault::Issuer);
        }
        Ok(Self {
            issuer: named,
            // A token that a client was given for itself has no other subject (RFC 9068 section 2.2).
            subject: required("sub", id(root, "sub")?.or_else(|| client.clone()))?,
            audiences: audiences(root)?,
            expires: required("exp", date(root, "exp")?)?,
            issued: date(root, "iat")?.unwrap_or(now),
            not_before: date(root, "nbf")?,
            client,
            token_id: id(root, "jti")?,
            scopes: scopes(root)?,
            details: details::claim(root)?,
            binding: confirmation(root)?,
            actors: actors(root)?,
        })
    }
}

pub(super) fn required<T>(name: &'static str, value: Option<T>) -> Result<T, TokenFault> {
    value.ok_or(TokenFault::Missing(name))
}

fn id(node: Node<'_>, name: &'static str) -> Result<Option<String>, TokenFault> {
    node.get(name).map(|value| identifier(value, name)).transpose()
}

fn identifier(value: Node<'_>, name: &'static str) -> Result<String, TokenFault> {
    let text = value.as_str().filter(|text| (1..=MAX_ID).contains(&text.len()));
    let text = text.filter(|text| !text.chars().any(char::is_control));
    text.map(String::from)
        .ok_or(TokenFault::Form(name, "a string of 1 to 255 bytes without control characters"))
}

fn audiences(root: Node<'_>) -> Result<Vec<String>, TokenFault> {
    const NAME: &str = "aud";
    let value = required(NAME, root.get(NAME))?;
    match value.kind() {
        Kind::Array if (1..=MAX_AUDIENCES).contains(&value.len()) => {
            value.elements().map(|element| identifier(element, NAME)).collect()
        }
        Kind::String => Ok(vec![identifier(value, NAME)?]),
        _ => Err(TokenFault::Form(NAME, "a string or an array of 1 to 32 strings")),
    }
}

/// A `NumericDate` (RFC 7519 section 2); fractions of a second are left out.
fn date(root: Node<'_>, name: &'static str) -> Result<Option<u64>, TokenFault> {
    let Some(value) = root.get(name) else { return Ok(None) };
    match value.as_f64() {
        Some(seconds) if (0.0..=LAST_DATE).contains(&seconds) => Ok(Some(seconds as u64)),
        _ => Err(TokenFault::Form(name, "a number of seconds since 1970")),
    }
}

/// `scope` (RFC 6749 section 3.3), each once.
fn scopes(root: Node<'_>) -> Result<Vec<Arc<str>>, TokenFault> {
    let Some(value) = root.get("scope") else { return Ok(Vec::new()) };
    let malformed = || TokenFault::Form("scope", "a string of at most 64 scopes between blanks");
    let text = value.as_str().ok_or_else(malformed)?;
    let mut scopes: Vec<Arc<str>> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if !is_scope(scope) || scopes.len() == MAX_SCOPES {
            return Err(malformed());
        }
        if !scopes.iter().any(|known| **known == *scope) {
            scopes.push(scope.into());
        }
    }
    Ok(scopes)
}

/// Whether a text is one scope: `NQCHAR` of RFC 6749, no longer than an identifier.
pub fn is_scope(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(allowed)
}

/// `cnf` with one thumbprint, and nothing else that would have to be checked too.
fn confirmation(root: Node<'_>) -> Result<Option<Binding>, TokenFault> {
    const THUMBPRINT: usize = 43;
    let Some(value) = root.get("cnf") else { return Ok(None) };
    let thumbprint = |name: &str| {
        let text = value.get(name).filter(|_| value.len() == 1)?.as_str()?;
        (text.len() == THUMBPRINT).then(|| text.into_owned())
    };
    let key = thumbprint("jkt").map(Binding::Key);
    let binding = key.or_else(|| thumbprint("x5t#S256").map(Binding::Certificate));
    binding.map(Some).ok_or(TokenFault::Confirmation)
}

/// The chain of actors, the current one first. An actor of another issuer would need that issuer's word.
fn actors(root: Node<'_>) -> Result<Vec<String>, TokenFault> {
    let issuer = root.get("iss").and_then(|issuer| issuer.as_str());
    let (mut actors, mut node) = (Vec::new(), root);
    while let Some(actor) = node.get("act") {
        let name = id(actor, "sub")?.ok_or(TokenFault::Form("act", "an object with `sub`"))?;
        if actor.get("iss").is_some_and(|of| of.as_str() != issuer) {
            return Err(TokenFault::Form("act", "an actor of the token's own issuer"));
        }
        actors.push(name);
        node = actor;
    }
    Ok(actors)
}
