//! What the operator says about a server.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderName, Uri};
use portcullis_core::{Boundary, Secret, ServerName};
use portcullis_identity::{Credential, MessageSigner};
use portcullis_wire::json::Limits;

use super::http::{ClientCertificate, HttpClient, HttpConfigError};
use crate::outbound::GENEROUS;

/// A configured server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its name.
    pub name: ServerName,
    /// How it is reached.
    pub transport: Transport,
    /// Starting or connecting, handshake included. Default 60 s: a first `npx` or `uvx` downloads.
    pub connect_timeout: Duration,
    /// The answer to a version probe on stdio, where old servers may ignore what they do not know.
    /// Default 3 s.
    pub probe_timeout: Duration,
    /// Silence within one request. Default 60 s.
    pub request_timeout: Duration,
    /// One request, whatever progress it reports. Default 600 s.
    pub total_timeout: Duration,
    /// How long a link to a server with sessions is kept without use. Default 300 s.
    pub idle_close: Duration,
    /// Patience at each step of ending a link: input closed, SIGTERM, SIGKILL; or `DELETE`. Default 3 s.
    pub stop_grace: Duration,
    /// Largest message accepted from the server, in bytes. Default 4 MiB.
    pub max_message_bytes: usize,
    /// Most values in one message from the server, because reading each takes memory. Default a million.
    pub max_message_values: u32,
    /// Requests under way on one link. Default 256.
    pub max_in_flight: usize,
    /// Links to a server with sessions, each for one caller. Default 64.
    pub max_links: usize,
    /// Lines or messages outside the protocol before a link is given up. Default 100.
    pub max_garbage: u32,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Transport {
    /// As a child process.
    Stdio(Program),
    /// Over the network.
    Http(Endpoint),
}

/// A program that is a server on its standard input and output.
#[derive(Clone, Default)]
pub struct Program {
    /// A path, or a name looked up in `PATH`.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables it gets besides the few that are passed through.
    pub env: Vec<(String, Secret)>,
    /// Its working directory.
    pub cwd: Option<PathBuf>,
    /// What is put around it.
    pub boundary: Boundary,
}

/// A server on the network.
#[derive(Clone)]
pub struct Endpoint {
    /// `http` or `https`, absolute, without user name.
    pub url: Uri,
    /// Sent with every request, for example `Authorization`.
    pub headers: Vec<(HeaderName, Secret)>,
    /// What the server is shown besides, in `Authorization`.
    pub credential: Option<Arc<Credential>>,
    /// What signs every request to it (RFC 9421).
    pub signer: Option<Arc<MessageSigner>>,
    /// PEM file of certificate authorities trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What the server is shown in the handshake.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Whether TLS 1.2 will do where the server does not speak TLS 1.3.
    pub danger_tls12: bool,
    /// Which of the HTTP transports.
    pub mode: HttpMode,
}

/// Which of the HTTP transports a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpMode {
    /// Found out by asking.
    #[default]
    Auto,
    /// Streamable HTTP, stateless or with sessions.
    Streamable,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

impl ServerConfig {
    /// A server with the default limits.
    pub fn new(name: ServerName, transport: Transport) -> Self {
        Self {
            name,
            transport,
            connect_timeout: Duration::from_secs(60),
            probe_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(60),
            total_timeout: Duration::from_secs(600),
            idle_close: Duration::from_secs(300),
            stop_grace: Duration::from_secs(3),
            max_message_bytes: 4 << 20,
            max_message_values: 1_000_000,
            max_in_flight: 256,
            max_links: 64,
            max_garbage: 100,
        }
    }
}

impl ServerConfig {
    /// Whether a server can be made of it.
    ///
    /// # Errors
    /// When the configuration of a server over HTTP cannot be used.
    pub fn check(&self) -> Result<(), HttpConfigError> {
        match &self.transport {
            Transport::Stdio(_) => Ok(()),
            Transport::Http(endpoint) => {
                HttpClient::new(endpoint, self.connect_timeout, self.reading()).map(drop)
            }
        }
    }

    /// Bounds for finding out whom a message belongs to. The configured bounds on what is in it are inspection's
    /// to enforce, which can then tell the caller; here a message beyond its bounds belongs to nobody.
    pub(crate) fn reading(&self) -> Limits {
        Limits {
            max_bytes: self.max_message_bytes,
            max_string: self.max_message_bytes,
            max_members: self.max_message_values,
            max_nodes: self.max_message_values,
            ..GENEROUS
        }
    }
}

impl fmt::Display for Transport {
    /// The command without its arguments, or the origin of the URL: arguments, paths and queries are all
    /// places where tokens are put.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio(program) => write!(f, "command `{}`", program.command.display()),
            Self::Http(Endpoint { url, .. }) => {
                let (scheme, host) = (url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default());
                write!(f, "`{scheme}://{host}")?;
                url.port().map_or(Ok(()), |port| write!(f, ":{port}"))?;
                f.write_str("`")
            }
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
