//! The gateway as an OAuth 2.1 client of a server's own authorization server, for one person at a time: authorization
//! code with PKCE (MCP authorization; controls IAM-04, AZ-07, threat T9).
//!
//! | step | where | by |
//! |---|---|---|
//! | what the server wants | `challenge`, `discovery` | RFC 9728, RFC 8414 |
//! | who the gateway is there | `registration` | configured, a metadata document, or RFC 7591 |
//! | asking the person | `request` | RFC 7636 (S256), RFC 8707, RFC 9207 |
//! | tokens | `token` | RFC 6749 |
//! | what is kept | `connection`, `store` | |
//! | what a server is shown | `shown` | RFC 9700 section 4.14 |
//!
//! What a server says leads to fetches. They go to its own place, to that of the configured issuer, and else over https
//! to public addresses only.

mod challenge;
mod connection;
mod connector;
mod discovery;
mod fault;
mod registration;
mod request;
mod shown;
mod store;
mod token;

pub(crate) use challenge::Wanted;
pub use connection::Connection;
pub use connector::{ConnectConfig, Connector, Place, Remedy};
pub use fault::ConnectFault;
pub use request::PendingConnection;
pub use store::{ConnectionStore, StoreFault};
pub(crate) use {
    connection::owner,
    connector::{begin_at, redeem},
    request::fields,
};
