//! The port names are resolved through.

use std::net::IpAddr;

use portcullis_core::{BoxFuture, DomainName};

/// Resolves names.
pub trait Resolve: Send + Sync {
    /// Every address `name` has now, IPv4 and IPv6. The caller bounds how long it waits.
    fn lookup<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFault>>;
}

/// Why a name has no usable addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupFault {
    /// There is no such name, or it has no address.
    #[error("the name has no address: {0}")]
    NoAddress(String),
    /// More addresses than is sensible.
    #[error("the name has {0} addresses, more than are looked at")]
    TooMany(usize),
    /// No answer in time.
    #[error("the name was not resolved in time")]
    Slow,
}
