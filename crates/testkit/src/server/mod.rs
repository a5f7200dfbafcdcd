//! Real MCP servers as child processes.
//!
//! A [`Launch`] is a command line as data, for a test that hands it to the gateway. [`StdioServer`] and
//! [`HttpServer`] run one directly: ready when the call returns, and gone, with everything they started, when
//! the value is dropped.

mod error;
mod http;
mod launch;
mod process;
mod stdio;

pub use error::SpawnError;
pub use http::HttpServer;
pub use launch::{Launch, Reach, Sandbox};
pub use stdio::StdioServer;

pub(crate) use process::{Channel, Process};
