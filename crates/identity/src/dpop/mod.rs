//! Proof that a caller has the key its token is bound to (DPoP, RFC 9449; control AZ-04).

mod nonce;
mod proof;
mod replay;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use portcullis_core::Digest;

use crate::{Head, Resource, TokenFault};
use nonce::Nonces;
use proof::Proof;
pub(crate) use replay::Replays;

/// How old a proof may be, and how far in the future, in seconds.
pub(crate) const WINDOW: u64 = 60;
/// The header of proofs.
const HEADER: &str = "dpop";

/// Why a proof is not one. For the operator, like [`TokenFault`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// No `DPoP` header.
    #[error("the request has no proof in a `DPoP` header")]
    Missing,
    /// More than one.
    #[error("the request has more than one `DPoP` header")]
    Several,
    /// The proof is no signed JWT with its key, or the signature is wrong.
    #[error("the proof: {0}")]
    Form(TokenFault),
    /// Another kind of JWT.
    #[error("`typ` of the proof is not `dpop+jwt`")]
    Type,
    /// No public key, or one that is not for the algorithm.
    #[error("the key of the proof (`jwk`) {0}")]
    Key(&'static str),
    /// The key is not the token's.
    #[error("the key of the proof is not the one the token is bound to (`cnf.jkt`)")]
    OtherKey,
    /// For another HTTP method.
    #[error("`htm` of the proof is not the method of the request")]
    Method,
    /// For another URL.
    #[error("`htu` of the proof is not the URL of the request, {0}")]
    Url(String),
    /// For another token.
    #[error("`ath` of the proof is not the digest of the token")]
    Token,
    /// Made too long ago, or in the future.
    #[error("the proof was not made within {WINDOW} s of now (`iat`)")]
    Time,
    /// Seen before.
    #[error("the proof was used before (`jti`)")]
    Replayed,
    /// So many are remembered that a replay could not be told.
    #[error("too many proofs are remembered to tell whether this one was used before")]
    Crowded,
    /// Not the nonce it was given, or an old one.
    #[error("the proof has no current nonce")]
    Nonce,
}

/// Checks proofs, and remembers them for as long as they could be used again.
#[derive(Debug)]
pub(crate) struct Proofs {
    replays: Replays,
    nonces: Option<Nonces>,
}

impl Proofs {
    /// With `nonces`, each proof needs one that was given out a short time ago, so that none can be made in advance
    /// (RFC 9449 section 8).
    pub(crate) fn new(nonces: bool) -> Self {
        Self { replays: Replays::default(), nonces: nonces.then(Nonces::new) }
    }

    /// The nonce for the next proof, where one is needed.
    pub(crate) fn nonce(&self, now: u64) -> Option<String> {
        self.nonces.as_ref().map(|nonces| nonces.at(now))
    }

    /// Checks that the request carries a proof with the key of that thumbprint (RFC 9449 section 4.3).
    pub(crate) fn check(
        &self,
        head: &Head<'_>,
        resource: Resource<'_>,
        token: &str,
        thumbprint: &str,
    ) -> Result<(), ProofFault> {
        let now = head.now_ms / 1000;
        let proof = Proof::parse(only(head.headers)?)?;
        if proof.thumbprint != thumbprint {
            return Err(ProofFault::OtherKey);
        }
        if proof.method != head.method {
            return Err(ProofFault::Method);
        }
        let url = format!("{}{}", resource.origin, head.path);
        if !same_url(&proof.url, &url) {
            return Err(ProofFault::Url(url));
        }
        if proof.token != URL_SAFE_NO_PAD.encode(Digest::of(token.as_bytes()).as_bytes()) {
            return Err(ProofFault::Token);
        }
        if proof.issued.abs_diff(now) > WINDOW {
            return Err(ProofFault::Time);
        }
        if let Some(nonces) = &self.nonces
            && !proof.nonce.as_deref().is_some_and(|nonce| nonces.knows(nonce, now))
        {
            return Err(ProofFault::Nonce);
        }
        // Last, so that only proofs that are good otherwise are remembered.
        self.replays.first(Digest::of_parts([thumbprint.as_bytes(), proof.id.as_bytes()]), now)
    }
}

fn only(headers: Option<&HeaderMap>) -> Result<&str, ProofFault> {
    let mut values = headers.map(|headers| headers.get_all(HEADER).iter()).into_iter().flatten();
    let value = values.next().ok_or(ProofFault::Missing)?;
    if values.next().is_some() {
        return Err(ProofFault::Several);
    }
    value.to_str().map_err(|_| ProofFault::Form(TokenFault::NotCompact))
}

/// Whether `htu` is `url`, which is canonical, after what RFC 3986 section 6.2.2 lets two spellings differ in and
/// without query and fragment (RFC 9449 section 4.3).
fn same_url(htu: &str, url: &str) -> bool {
    let bare = htu.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else { return false };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let usual_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(usual_port).unwrap_or(&host);
    url == format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_the_same_in_every_spelling_of_one_place() {
        const URL: &str = "https://gw.test/mcp/git";
        for same in
            [URL, "HTTPS://GW.test:443/mcp/git", "https://gw.test/mcp/git?a=b", "https://gw.test/mcp/git#c"]
        {
            assert!(same_url(same, URL), "{same}");
        }
        for other in [
            "http://gw.test/mcp/git",
            "https://gw.test/mcp/Git",
            "https://gw.test:8443/mcp/git",
            "https://gw.test/mcp/git/",
            "https://gw.test",
            "/mcp/git",
            "https://gw.test@evil.test/mcp/git",
            "https://evil.test/mcp/git",
            "",
        ] {
            assert!(!same_url(other, URL), "{other}");
        }
    }
}
