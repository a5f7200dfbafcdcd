//! Why a token is not accepted.

use portcullis_core::wire::json;

/// Why an access token is not accepted: for the operator, never for the peer. No text repeats anything of the
/// token but names that are in the clear anyway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Larger than any access token.
    #[error("the token has {bytes} bytes, more than {most}")]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// Five parts.
    #[error("the token is encrypted (JWE); only signed ones are accepted")]
    Encrypted,
    /// Neither three parts nor five.
    #[error("the token is not a signed JWT of three parts")]
    NotCompact,
    /// A part is not base64url, without padding and in its one spelling.
    #[error("the {0} of the token is not base64url")]
    Base64(&'static str),
    /// A part is not JSON that every reader reads alike.
    #[error("the {part} of the token: {fault}")]
    Json {
        /// Header or claims.
        part: &'static str,
        /// What is wrong, and where.
        fault: json::Fault,
    },
    /// A part is JSON, but no object.
    #[error("the {0} of the token is not a JSON object")]
    NotObject(&'static str),
    /// `alg` is absent or no string.
    #[error("the header names no algorithm")]
    NoAlgorithm,
    /// RFC 8725 section 2.1.
    #[error("the token is not signed (`alg` is `none`)")]
    Unsigned,
    /// RFC 8725 section 2.1: a public key taken for a shared secret.
    #[error("the token is signed with a shared secret (`HS…`), which no issuer here has")]
    SharedSecret,
    /// No algorithm that is implemented here.
    #[error("the algorithm of the token is not known here")]
    UnknownAlgorithm,
    /// Not on the issuer's list.
    #[error("the algorithm `{0}` is not on the list of this issuer")]
    AlgorithmNotAllowed(&'static str),
    /// RFC 7515 section 4.1.11: an extension that has to be understood.
    #[error("the header has `{0}`, which has to be understood and is not")]
    Critical(&'static str),
    /// The token brings, or says where to get, the key it wants to be verified with.
    #[error("the header wants its own key to be used (`{0}`)")]
    OwnKey(&'static str),
    /// RFC 8725 section 3.11: another kind of JWT is not an access token.
    #[error("`typ` is not `at+jwt`: this is another kind of JWT, for example an ID token")]
    Type,
    /// A JWT in a JWT.
    #[error("the token has another one inside (`cty`)")]
    Nested,
    /// Not a string, or longer than any identifier of a key.
    #[error("`kid` is not a string of 1 to 256 characters")]
    KeyId,
    /// They could not be fetched.
    #[error("the keys of the issuer cannot be had: {0}")]
    NoKeys(String),
    /// The issuer could not be asked.
    #[error("the issuer cannot be asked about the token: {0}")]
    NotIntrospected(String),
    /// RFC 7662 section 2.2: expired, taken back, or never given.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// No key of that name.
    #[error("the issuer has no key of that `kid`")]
    UnknownKey,
    /// Without `kid` the key has to be the only one that fits.
    #[error("the token names no key, and several of the issuer's would fit")]
    AmbiguousKey,
    /// RFC 8725 section 3.1: the key is for another algorithm, curve or kind.
    #[error("the key of that `kid` is not for the algorithm `{0}`")]
    WrongKey(&'static str),
    /// The signature does not fit.
    #[error("the signature is wrong")]
    Signature,
    /// A claim is not there.
    #[error("the claim `{0}` is missing")]
    Missing(&'static str),
    /// A claim is there, but not in its form.
    #[error("the claim `{0}` is not {1}")]
    Form(&'static str, &'static str),
    /// Not among the configured ones, compared to the letter.
    #[error("`iss` is not one of the configured issuers")]
    Issuer,
    /// RFC 8707: made for somebody else.
    #[error("`aud` does not name this endpoint, {0}")]
    Audience(String),
    /// The time is over.
    #[error("the token expired {0} s ago")]
    Expired(u64),
    /// The time has not come.
    #[error("the token is not valid before {0} s from now")]
    NotYet(u64),
    /// Issued in the future.
    #[error("the token was issued {0} s from now")]
    IssuedLater(u64),
    /// Control IAM-06.
    #[error("the token lives {seconds} s, more than {most}")]
    Lifetime {
        /// From `iat` to `exp`.
        seconds: u64,
        /// `max_lifetime_seconds`.
        most: u64,
    },
    /// A sender-constrained token would be taken from whoever holds it.
    #[error("the token is bound to a key (`cnf`), and was sent as `Bearer`: `DPoP` and a proof are needed")]
    Bound,
    /// Proof of having a key that nobody asked for.
    #[error("the token is bound to no key, and was sent as `DPoP`")]
    Unbound,
    /// The issuer's tokens have to be bound.
    #[error("the token is bound to no key, and `require_dpop` of its issuer wants it to be")]
    NotBound,
    /// The issuer's tokens have to be bound to certificates.
    #[error("the token is bound to no certificate, and `require_mtls` of its issuer wants it to be")]
    NotCertified,
    /// RFC 8705 section 3.
    #[error("the token is bound to a certificate (`cnf.x5t#S256`) that its caller did not connect with")]
    Certificate,
    /// Bound in a way that is not known here.
    #[error(
        "the token is bound in a way that cannot be checked here (`cnf` is neither `jkt` nor `x5t#S256` alone)"
    )]
    Confirmation,
    /// Not on the issuer's list.
    #[error("the client the token was issued to is not on the list of this issuer")]
    Client,
    /// Control AZ-03.
    #[error("the token was delegated {depth} times, more than {most}")]
    Delegation {
        /// Members of the chain of actors.
        depth: usize,
        /// The limit.
        most: usize,
    },
}
