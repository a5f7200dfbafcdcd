//! Requests that are signed as a whole (HTTP Message Signatures, RFC 9421; control NET-06).
//!
//! TLS ends at the next machine; a signature over method, target, the headers that matter and the digest of the whole body
//! (RFC 9530) goes from client to gateway, and from gateway to server, whatever is in between. Each is good for a minute
//! and once.

mod base;
mod digest;
mod fault;
mod sign;
#[cfg(test)]
mod vectors;
mod verify;

pub use fault::SignatureFault;
pub use sign::MessageSigner;
pub use verify::{Signatures, SignedBody, signature_input};

/// The algorithms there are here (RFC 9421 section 6.2.2).
const ED25519: &str = "ed25519";
const P256: &str = "ecdsa-p256-sha256";

/// Headers that a signature has to cover where they are: who asks, and what the body is read as or goes on from.
const COVERED: [&str; 4] = ["authorization", "last-event-id", "mcp-protocol-version", "mcp-session-id"];
