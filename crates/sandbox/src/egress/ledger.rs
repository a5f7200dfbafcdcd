//! The port through which every attempt to leave is recorded.

use portcullis_core::{BoxFuture, ServerName};

use super::Denial;

/// How a server asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `CONNECT`, for a tunnel.
    Connect,
    /// A request in absolute form, in plain HTTP.
    Http,
}

impl Way {
    /// The way as records name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Http => "HTTP",
        }
    }
}

/// Longest destination that is kept of what a server asked for, in characters.
const MAX_DESTINATION: usize = 300;

/// One attempt to leave.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The server.
    pub server: ServerName,
    /// How it asked.
    pub way: Way,
    /// For what, in its own words, cut and without control characters.
    pub destination: String,
}

impl Attempt {
    pub(super) fn new(server: ServerName, way: Way, asked: &str) -> Self {
        let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        Self { server, way, destination: asked.chars().take(MAX_DESTINATION).map(plain).collect() }
    }
}

/// Bytes that went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the server to the world.
    pub sent: u64,
    /// From the world to the server.
    pub received: u64,
}

/// How an allowed connection ended.
#[derive(Debug)]
pub enum End {
    /// Both sides said all they had to say, or one of them closed.
    Closed,
    /// It was cut off.
    Cut(Denial),
}

/// Where attempts are written down.
pub trait Ledger: Send + Sync {
    /// Records that `attempt` is allowed by `rule`, and resolves once that is durable: nothing is sent before.
    fn allow<'a>(
        &'a self,
        attempt: &'a Attempt,
        rule: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Entry>, String>>;

    /// Records that `attempt` was refused.
    fn refuse(&self, attempt: &Attempt, denial: &Denial);
}

/// An allowed connection that is on record. Dropped without [`close`](Entry::close), it is recorded as abandoned.
pub trait Entry: Send + Sync {
    /// Records how it ended. `via` is the address that was connected to.
    fn close(self: Box<Self>, via: Option<std::net::SocketAddr>, end: &End, traffic: Traffic);
}
