//! Who is calling. Sole maker of [`Authenticated`], the proof that a [`Caller`](portcullis_core::Caller) was established.
//!
//! Every request is authenticated on its own from its [`Head`], before its body is read; a session id,
//! a task id or anything else inside a message is never an identity.
//!
//! There are two ways. Without credentials, the user at the other end of our standard input and the user behind
//! a loopback socket are known; everyone else is refused (control IAM-01), an `Authorization` header is ignored,
//! because nothing could verify it, and a token in the query string is refused, because query strings end up in
//! logs and histories (MCP authorization, "Access Token Usage"). With issuers configured, the gateway is an
//! OAuth 2.1 resource server: a caller is the subject of a signed access token (RFC 9068) of one of them, made
//! for the very endpoint that was asked.
//!
//! Requests may have to be signed as a whole (RFC 9421), whoever the caller is.
//!
//! A token that is bound to a key needs a proof of having it with each request (DPoP, RFC 9449).
//!
//! A caller's token ends here. What is kept of it is its digest, in memory (control AZ-07); where a server is called
//! with a token that is made from its caller's, also the token itself, until it expires, for the authorization server
//! alone. What servers are shown is a credential of the gateway's own (`outward`).

mod authenticated;
mod authenticator;
mod bearer;
mod connect;
mod consent;
mod dpop;
mod fetch;
mod head;
mod jose;
mod oauth;
mod outward;
mod resource;
mod revocation;
mod signature;

pub use authenticated::Authenticated;
pub use authenticator::{AuthConfig, Authenticator};
pub use connect::{
    ConnectConfig, ConnectFault, Connection, ConnectionStore, Connector, PendingConnection, Place, Remedy,
    StoreFault,
};
pub use consent::{CONSENT_PATH, ConsentPages, SignInConfig, Visit};
pub use dpop::ProofFault;
pub use fetch::{Fetch, FetchFault, Fetched, HttpFetch};
pub use head::Head;
pub use jose::{Algorithm, KeySet, KeySetFault, MAX_KEY_SET, SigningKey, TokenFault};
pub use oauth::{Introspection, Issuer, KeySource, OauthConfig, authorization_details, is_scope};
pub use outward::{
    ClientAuthentication, Credential, CredentialConfig, CredentialFault, IdJagConfig, IssuedConfig,
    OauthClient, Shown, StoredConfig,
};
pub use resource::{METADATA_PATH, Resource};
pub use revocation::{RevocationFault, Revocations, Revoked};
pub use signature::{MessageSigner, SignatureFault, Signatures, SignedBody, signature_input};
