//! An issuer that is trusted as usual, for tests to change.
#![allow(clippy::expect_used, reason = "test code")]

use portcullis_identity::{Algorithm, AuthConfig, Authenticator, Issuer, KeySet, KeySource, OauthConfig};
use serde_json::Value;

/// The issuer `corp` at `url` with these keys: any algorithm of its own, no delegation, tokens of an hour at most, and
/// clocks that agree.
pub(crate) fn issuer(url: &str, jwks: &Value) -> Issuer {
    Issuer {
        name: "corp".into(),
        url: url.into(),
        keys: KeySource::Fixed(KeySet::parse(jwks.to_string().into()).expect("it is a set of keys")),
        introspection: None,
        algorithms: ["ES256", "ES384", "EdDSA", "PS256", "RS256"]
            .into_iter()
            .filter_map(Algorithm::parse)
            .collect(),
        clients: Vec::new(),
        tenant: None,
        skew: 0,
        max_lifetime: 3_600,
        max_delegation: 0,
        require_dpop: false,
        require_mtls: false,
        danger_accept_untyped: false,
    }
}

/// Trust in one issuer, tokens of which need no scope.
pub(crate) fn trusting(issuer: Issuer) -> OauthConfig {
    OauthConfig {
        issuers: vec![issuer],
        required_scopes: Vec::new(),
        dpop_nonces: false,
        client_certificates: true,
        keep_tokens: false,
    }
}

/// Callers are known by the tokens of one issuer.
pub(crate) fn gate(config: &OauthConfig) -> Authenticator {
    Authenticator::new(&AuthConfig::Oauth(config.clone()))
}
