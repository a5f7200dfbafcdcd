//! The way out: links to MCP servers over every transport and in both protocol eras.
//!
//! [`Server`] is a configured server; it implements [`Upstream`](portcullis_core::Upstream) and hands out one
//! link for everybody or one for each caller, as the server's version allows.
//!
//! | module | what it is for |
//! |---|---|
//! | `server` | which link a caller gets, and when it is opened, kept and replaced |
//! | `stdio` | servers that are child processes |
//! | `http` | servers over the network |
//! | `mux` | many callers on one connection |
//! | `handshake`, `era` | which version a server speaks |
//! | `renumber` | ids and progress tokens of our own on the wire |
//! | `patience`, `backoff` | how long to wait, and how long not to try |
//! | `health`, `event` | what operators see |

mod backoff;
mod config;
mod era;
mod event;
#[cfg(test)]
mod fake;
mod handshake;
mod health;
mod http;
mod mux;
mod patience;
mod renumber;
mod server;
mod stdio;

pub use config::{Endpoint, HttpMode, Program, ServerConfig, Transport};
pub use event::{Observer, ServerEvent};
pub use health::{HealthReport, HealthState};
pub use http::{ClientCertificate, HttpConfigError, HttpsConnector, https, tls_client};
pub use server::Server;
