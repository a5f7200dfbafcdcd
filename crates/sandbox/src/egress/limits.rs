//! How much of everything a server may have on its way out.

use std::time::Duration;

/// Limits of one server's egress.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time; further ones wait.
    pub connections: usize,
    /// Connections that may be asked for in a minute, those that are refused included; as many may come at once.
    pub connections_per_minute: u32,
    /// Largest head of a request or of an answer to it, in bytes.
    pub head_bytes: usize,
    /// Most header fields of a request or of an answer.
    pub headers: usize,
    /// Longest wait for a request's head, or for a TLS client's first message.
    pub head: Duration,
    /// Longest a name may take to be resolved.
    pub lookup: Duration,
    /// Most addresses a name may have.
    pub addresses: usize,
    /// Longest all attempts to connect may take together.
    pub connect: Duration,
    /// Longest time without a byte in either direction.
    pub idle: Duration,
    /// Most bytes one connection may send.
    pub upload_bytes: u64,
    /// Most bytes that may be sent under one rule in an hour, over all connections.
    pub upload_bytes_per_hour: u64,
    /// Most bytes one connection may receive.
    pub download_bytes: u64,
}

const MIB: u64 = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            connections_per_minute: 300,
            head_bytes: 32 * 1024,
            headers: 100,
            head: Duration::from_secs(10),
            lookup: Duration::from_secs(10),
            addresses: 32,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            upload_bytes: 64 * MIB,
            upload_bytes_per_hour: 256 * MIB,
            download_bytes: 4096 * MIB,
        }
    }
}
