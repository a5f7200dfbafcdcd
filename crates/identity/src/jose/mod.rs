//! JSON Web Signatures, with one way to read each (RFC 7515, RFC 7517, RFC 8725).

mod algorithm;
mod fault;
mod jws;
mod key;
mod sign;

pub use algorithm::Algorithm;
pub use fault::TokenFault;
pub(crate) use jws::{Header, Jws};
pub(crate) use key::VerifyingKey;
pub use key::{KeySet, KeySetFault, MAX_KEY_SET};
pub use sign::SigningKey;
