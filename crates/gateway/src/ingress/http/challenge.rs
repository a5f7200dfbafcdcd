//! `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1).

use std::fmt::Write as _;

use http::{HeaderValue, Response, header};
use portcullis_core::{Challenge, Refusal};
use portcullis_identity::Resource;

use super::Body;

/// Adds what a refused caller has to bring, where a token would help.
pub(super) fn add(response: &mut Response<Body>, refusal: &Refusal, resource: Option<Resource<'_>>) {
    let (Some(challenge), Some(resource)) = (refusal.challenge(), resource) else { return };
    // Host names, paths and scopes have no character that a header may not have.
    if let Ok(value) = HeaderValue::from_str(&text(challenge, refusal.public(), resource)) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    if let Challenge::Nonce(nonce) = challenge
        && let Ok(nonce) = HeaderValue::from_str(nonce)
    {
        response.headers_mut().insert("dpop-nonce", nonce);
    }
}

/// A request without credentials gets no error code, because it made no mistake (RFC 6750 section 3.1).
fn text(challenge: &Challenge, description: &str, resource: Resource<'_>) -> String {
    let (scheme, error) = match challenge {
        Challenge::Token => ("Bearer", None),
        Challenge::AnotherToken => ("Bearer", Some("invalid_token")),
        Challenge::OneToken => ("Bearer", Some("invalid_request")),
        Challenge::Scopes(_) => ("Bearer", Some("insufficient_scope")),
        // RFC 9396 leaves it open; this is the word of draft-zehavi-oauth-rar-metadata. What is wanted is in the body.
        Challenge::Details => ("Bearer", Some("insufficient_authorization_details")),
        Challenge::BoundToken => ("DPoP", Some("invalid_token")),
        Challenge::Proof => ("DPoP", Some("invalid_dpop_proof")),
        Challenge::Nonce(_) => ("DPoP", Some("use_dpop_nonce")),
    };
    let mut text = format!("{scheme} resource_metadata=\"{}\"", resource.metadata_url());
    let Some(error) = error else { return text };
    // Writing to a string cannot fail.
    let _ = write!(text, ", error=\"{error}\", error_description=\"{}\"", quotable(description));
    if let Challenge::Scopes(scopes) = challenge {
        let _ = write!(text, ", scope=\"{scopes}\"");
    }
    text
}

/// `error_description` knows neither quotes nor backslashes.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(challenge: &Challenge, expected: &str) {
        let server = "git".parse().ok();
        let resource = Resource { origin: "https://gw.test", door: "/mcp", server: server.as_ref() };
        assert_eq!(text(challenge, "say `\"why\"`", resource), expected);
    }

    #[test]
    fn challenges_are_exact() {
        const METADATA: &str =
            "Bearer resource_metadata=\"https://gw.test/.well-known/oauth-protected-resource/mcp/git\"";
        let with = |error: &str| format!("{METADATA}, error=\"{error}\", error_description=\"say `why`\"");
        check(&Challenge::Token, METADATA);
        check(&Challenge::AnotherToken, &with("invalid_token"));
        check(&Challenge::OneToken, &with("invalid_request"));
        let dpop = |error| with(error).replace("Bearer", "DPoP");
        check(&Challenge::BoundToken, &dpop("invalid_token"));
        check(&Challenge::Proof, &dpop("invalid_dpop_proof"));
        check(&Challenge::Nonce("n".into()), &dpop("use_dpop_nonce"));
        check(&Challenge::Details, &with("insufficient_authorization_details"));
        let scoped = format!("{}, scope=\"a:b c\"", with("insufficient_scope"));
        check(&Challenge::Scopes("a:b c".into()), &scoped);
    }
}
