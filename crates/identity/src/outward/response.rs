//! The answer of a token endpoint (RFC 6749 sections 5.1 and 5.2, RFC 8693 section 2.2), believed only as far as it
//! keeps to what was asked.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use portcullis_core::{
    Secret,
    wire::json::{Document, Kind, Limits, Node},
};

use super::{
    CredentialFault, detailed,
    grant::{ACCESS_TOKEN, Grant},
    held::Held,
};
use crate::Fetched;

/// Bounds of an answer, and of the claims in a token.
const LIMITS: Limits =
    Limits { max_bytes: 64 * 1024, max_depth: 16, max_string: 32 * 1024, max_members: 256, max_nodes: 2_048 };
/// Largest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;
/// How long before its end a token is no longer shown, in seconds: it has to arrive, and clocks differ.
const MARGIN: u64 = 15;
/// How far the other clock may be ahead, in seconds.
const SKEW: u64 = 30;
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What a token has to be.
pub(super) struct Asked<'a> {
    pub(super) grant: &'a Grant<'a>,
    /// Whom it is for: one of these has to be its audience, where it can be read.
    pub(super) audiences: Vec<&'a str>,
    /// Longest life, in seconds.
    pub(super) max_lifetime: u64,
    /// Longest chain of actors.
    pub(super) max_delegation: usize,
    /// The gateway.
    pub(super) client_id: &'a str,
}

/// Why there was no token: `error`, if it is one.
pub(crate) fn refusal(from: &Arc<str>, answer: &Fetched) -> CredentialFault {
    let document = Document::parse(answer.body.clone(), &LIMITS).ok();
    let code = document.as_ref().and_then(|it| it.root().get("error")).and_then(|it| it.as_str());
    let plain = |code: &str| {
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let code = code.filter(|code| plain(code)).map(|code| Arc::from(&*code));
    CredentialFault::Refused { from: Arc::clone(from), status: answer.status, code }
}

/// The token in an answer.
pub(super) fn token(body: Bytes, asked: &Asked<'_>, now_ms: u64) -> Result<Held, CredentialFault> {
    let unfit = CredentialFault::Unfit;
    let document = Document::parse(body, &LIMITS).map_err(|_| unfit("it is not JSON"))?;
    let root = document.root();
    let text = |name| root.get(name).and_then(|value| value.as_str());
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
        return Err(unfit("`token_type` is not `Bearer`"));
    }
    let token = text("access_token").ok_or(unfit("it has no `access_token`"))?;
    if !is_token(&token) {
        return Err(unfit("`access_token` is not a token"));
    }
    if let Some(delegation) = &asked.grant.delegation {
        if !text("issued_token_type").is_some_and(|kind| kind == ACCESS_TOKEN || kind == JWT) {
            return Err(unfit("`issued_token_type` is not that of an access token"));
        }
        let known = [Some(delegation.subject.secret()), delegation.actor];
        if known.into_iter().flatten().any(|known| known.expose() == token.as_bytes()) {
            return Err(unfit("it is a token that was sent, not a new one"));
        }
    }
    detailed::check(root.get("authorization_details"), &asked.grant.details)?;
    if asked.grant.assertion.is_some_and(|known| known.expose() == token.as_bytes()) {
        return Err(unfit("it is the assertion that was sent, not a token"));
    }
    check_scopes(text("scope").as_deref(), &asked.grant.scopes)?;
    let seconds = root.get("expires_in").and_then(|value| value.as_f64());
    let seconds = seconds.filter(|it| *it >= 1.0).ok_or(unfit("it has no `expires_in`"))? as u64;
    if seconds > asked.max_lifetime {
        return Err(unfit("the token lives longer than `max_lifetime_seconds`"));
    }
    if let Some(claims) = claims(&token) {
        check_claims(claims.root(), asked, now_ms / 1000)?;
    }
    let shown = seconds.saturating_sub(MARGIN.min(seconds / 4));
    let until_ms = now_ms.saturating_add(shown.saturating_mul(1000));
    Ok(Held { token: Secret::new(token.into_owned().into_bytes()), until_ms })
}

/// Whether this can be a token (RFC 6750 section 2.1).
pub(crate) fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(allowed)
}

/// Absent means as asked (RFC 6749 section 5.1). More than was asked for would be the server's to use.
fn check_scopes(granted: Option<&str>, asked: &[&str]) -> Result<(), CredentialFault> {
    let Some(granted) = granted.filter(|_| !asked.is_empty()) else { return Ok(()) };
    if granted.split(' ').all(|scope| scope.is_empty() || asked.contains(&scope)) {
        return Ok(());
    }
    Err(CredentialFault::Unfit("the token has scopes that were not asked for"))
}

/// The claims of a token that is a JWT. Whoever issued it was asked directly, so its signature is not looked at.
fn claims(token: &str) -> Option<Document> {
    let [_, claims, _] = token.split('.').take(4).collect::<Vec<_>>().try_into().ok()?;
    let bytes = URL_SAFE_NO_PAD.decode(claims).ok()?;
    Document::parse(bytes.into(), &LIMITS).ok().filter(|document| document.root().kind() == Kind::Object)
}

fn check_claims(claims: Node<'_>, asked: &Asked<'_>, now: u64) -> Result<(), CredentialFault> {
    let named =
        |audience: Node<'_>| audience.as_str().is_some_and(|audience| asked.audiences.contains(&&*audience));
    if asked.grant.is_for_server && !claims.get("aud").is_some_and(|it| named(it) || it.elements().any(named))
    {
        return Err(CredentialFault::Unfit("the token is for somebody else (`aud`)"));
    }
    let unfit = |what| Err(CredentialFault::Unfit(what));
    let expires = claims.get("exp").and_then(|it| it.as_f64());
    // What the answer says about its life is not what the server goes by.
    if expires.is_some_and(|it| it > now.saturating_add(asked.max_lifetime).saturating_add(SKEW) as f64) {
        return unfit("the token lives longer than `max_lifetime_seconds`");
    }
    if let Some(delegation) = &asked.grant.delegation {
        if claims.get("sub").and_then(|it| it.as_str()).is_some_and(|it| it == asked.client_id) {
            return unfit("the token is the gateway's own, not one for the caller (`sub`)");
        }
        if delegation.actor.is_some() && claims.get("act").is_none() {
            return unfit("the token does not say who acts for the caller (`act`)");
        }
    }
    let (mut depth, mut node) = (0_usize, claims);
    while let Some(actor) = node.get("act") {
        depth += 1;
        node = actor;
    }
    if depth > asked.max_delegation {
        return Err(CredentialFault::Unfit("the token has a longer chain of actors than `max_delegation`"));
    }
    Ok(())
}
