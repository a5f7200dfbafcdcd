//! Enterprise-managed authorisation: the identity provider that a caller's token is of vouches for the caller at a server's
//! own authorization server (Identity Assertion JWT Authorization Grant, draft-ietf-oauth-identity-assertion-authz-grant;
//! MCP enterprise-managed authorization, SEP-990).
//!
//! 1. The caller's token is exchanged at the identity provider (RFC 8693) for an ID-JAG: a statement about the caller for that
//!    authorization server, this server and the gateway there.
//! 2. The ID-JAG is what the gateway gets a token with (RFC 7523 section 2.1).

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use portcullis_core::{
    Secret, SubjectToken,
    wire::json::{Document, Limits, Node},
};

use super::{
    CredentialFault,
    endpoint::{Endpoint, OauthClient},
    grant::{ACCESS_TOKEN, EXCHANGE, Form, Grant},
    held::Held,
    response,
    server::{IssuedConfig, TokenEndpoint},
};

/// What the identity provider is asked for.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const LIMITS: Limits =
    Limits { max_bytes: 64 * 1024, max_depth: 16, max_string: 32 * 1024, max_members: 256, max_nodes: 2_048 };
/// How far the other clock may be ahead, in seconds.
const SKEW: u64 = 30;

/// Who vouches, and who issues tokens.
#[derive(Clone, Debug)]
pub struct IdJagConfig {
    /// The gateway at the identity provider, whose tokens callers bring.
    pub provider: OauthClient,
    /// The gateway at the server's own authorization server.
    pub issued: IssuedConfig,
}

/// Both of them.
pub(super) struct IdJag {
    provider: Endpoint,
    config: IdJagConfig,
    server: TokenEndpoint,
}

impl IdJag {
    pub(super) fn new(config: &IdJagConfig) -> Self {
        Self {
            provider: Endpoint::new(&config.provider, "token_endpoint"),
            server: TokenEndpoint::new(&config.issued),
            config: config.clone(),
        }
    }

    pub(super) fn server(&self) -> &TokenEndpoint {
        &self.server
    }

    /// The identity provider.
    pub(super) fn provider(&self) -> &Arc<str> {
        self.provider.issuer()
    }

    /// A token for the caller.
    pub(super) async fn token(
        &self,
        subject: &SubjectToken,
        scopes: &[&str],
        details: &[&str],
        now_ms: u64,
    ) -> Result<Held, CredentialFault> {
        let assertion = self.assertion(subject, scopes, details, now_ms).await?;
        self.server.token(&Grant::assertion(&assertion, scopes, details), now_ms).await
    }

    /// The ID-JAG.
    async fn assertion(
        &self,
        subject: &SubjectToken,
        scopes: &[&str],
        details: &[&str],
        now_ms: u64,
    ) -> Result<Secret, CredentialFault> {
        let issued = &self.config.issued;
        let mut form = Form::default();
        form.text("grant_type", EXCHANGE);
        form.text("requested_token_type", ID_JAG);
        form.text("audience", &issued.client.issuer);
        form.text("resource", &issued.resource);
        if !scopes.is_empty() {
            form.text("scope", &scopes.join(" "));
        }
        if !details.is_empty() {
            form.text("authorization_details", &format!("[{}]", details.join(",")));
        }
        form.add("subject_token", subject.secret().expose());
        form.text("subject_token_type", ACCESS_TOKEN);
        let answer = self.provider.post(form, now_ms).await?;
        if answer.status != 200 {
            return Err(response::refusal(self.provider.issuer(), &answer));
        }
        self.read(answer.body, subject, now_ms / 1000)
    }

    fn read(&self, body: Bytes, subject: &SubjectToken, now: u64) -> Result<Secret, CredentialFault> {
        let unfit = CredentialFault::Unfit;
        let document = Document::parse(body, &LIMITS).map_err(|_| unfit("it is not JSON"))?;
        let text = |name| document.root().get(name).and_then(|value| value.as_str());
        if text("issued_token_type").as_deref() != Some(ID_JAG) {
            return Err(unfit("`issued_token_type` is not that of an ID-JAG"));
        }
        // It is no access token, and must not be used as one (RFC 8693 section 2.2.1).
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("N_A")) {
            return Err(unfit("`token_type` of an ID-JAG is not `N_A`"));
        }
        let token = text("access_token").ok_or(unfit("it has no `access_token`"))?;
        if subject.secret().expose() == token.as_bytes() {
            return Err(unfit("it is the token that was sent, not a new one"));
        }
        self.check(&token, now).map_err(unfit)?;
        Ok(Secret::new(token.into_owned().into_bytes()))
    }

    /// Whether it is an ID-JAG for this use. Whoever made it was asked directly, so its signature is the authorization server's
    /// to look at.
    fn check(&self, token: &str, now: u64) -> Result<(), &'static str> {
        let issued = &self.config.issued;
        let (header, claims) = parts(token).ok_or("the ID-JAG is no signed JWT")?;
        let is = |node: Node<'_>, name: &str, value: &str| {
            node.get(name).and_then(|it| it.as_str()).is_some_and(|it| it == value)
        };
        let names = |node: Node<'_>, name: &str, value: &str| {
            let all = node.get(name);
            is(node, name, value)
                || all.is_some_and(|all| all.elements().any(|it| it.as_str().is_some_and(|it| it == value)))
        };
        let (header, claims) = (header.root(), claims.root());
        let expires = claims.get("exp").and_then(|it| it.as_f64()).ok_or("the ID-JAG has no `exp`")?;
        let latest = now.saturating_add(issued.max_lifetime).saturating_add(SKEW);
        for (holds, what) in [
            (is(header, "typ", "oauth-id-jag+jwt"), "`typ` of the ID-JAG is not `oauth-id-jag+jwt`"),
            (is(claims, "iss", &self.config.provider.issuer), "the ID-JAG is somebody else's (`iss`)"),
            (names(claims, "aud", &issued.client.issuer), "the ID-JAG is for somebody else (`aud`)"),
            (
                is(claims, "client_id", &issued.client.client_id),
                "the ID-JAG is another client's (`client_id`)",
            ),
            (
                claims.get("resource").is_none() || names(claims, "resource", &issued.resource),
                "the ID-JAG is for another server (`resource`)",
            ),
            (claims.get("sub").is_some(), "the ID-JAG names nobody (`sub`)"),
            (expires > now as f64, "the ID-JAG has expired"),
            (expires <= latest as f64, "the ID-JAG lives longer than `max_lifetime_seconds`"),
        ] {
            if !holds {
                return Err(what);
            }
        }
        Ok(())
    }
}

/// Header and claims of a signed JWT.
fn parts(token: &str) -> Option<(Document, Document)> {
    let [header, claims, _] = token.split('.').take(4).collect::<Vec<_>>().try_into().ok()?;
    let read = |part: &str| Document::parse(URL_SAFE_NO_PAD.decode(part).ok()?.into(), &LIMITS).ok();
    Some((read(header)?, read(claims)?))
}
