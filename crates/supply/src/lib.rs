//! Where servers are (control SC-02).
//!
//! [`discover`] finds MCP servers that run on this machine, by looking at processes and by asking sockets.

pub mod discover;
