//! What the tests stand on: a conformance fixture server, a journal of what an upstream really
//! received, and real MCP servers started and stopped by the test that needs them.
//!
//! | module | what it gives |
//! |---|---|
//! | [`fixture`] | an MCP server with every name the official conformance suite asks for, on Streamable HTTP and stdio, in both protocol eras |
//! | [`journal`] | the record an upstream keeps of each message before it handles it, and the reader tests wait on |
//! | [`bed`] | where `scripts/testbed` put Node, the npm packages and the Python environment |
//! | [`gateway`] | the real program `portcullis` with a configuration of the test's own, and the log it writes |
//! | [`collector`] | what a collector of telemetry is sent |
//! | [`egress`] | the real program as a proxy on the way out |
//! | [`registry`] | a registry that speaks like npm and PyPI, and serves what it is told to |
//! | [`names`] | a name server that says what a test wants it to say |
//! | [`token_server`] | an authorization server and a secret store that answer as a test says |
//! | [`server`] | real servers as child processes: ready when the call returns, gone when the value is dropped |
//!
//! Nothing here ships: the crate is a dev-dependency only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a broken assumption has to stop the test that relies on it, at the line that broke"
)]

pub mod bed;
pub mod browser;
pub mod collector;
pub mod egress;
pub mod fixture;
pub mod gateway;
pub mod issuer;
pub mod journal;
pub mod names;
pub mod registry;
pub mod server;
pub mod token_server;
