//! The port that starts stdio servers.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};

use crate::{BoxFuture, Secret, ServerName};

/// What to start.
#[derive(Clone, Debug)]
pub struct LaunchPlan {
    /// The server this is for; labels its diagnostics.
    pub server: ServerName,
    /// Program: a path, or a name looked up in the `PATH` the server will see.
    pub command: PathBuf,
    /// Arguments after the program name.
    pub args: Vec<String>,
    /// Variables to set besides the few that the launcher passes through. Values may be credentials.
    pub env: Vec<(String, Secret)>,
    /// Working directory; the gateway's own when absent.
    pub cwd: Option<PathBuf>,
    /// What is put around it.
    pub boundary: Boundary,
}

/// What a launcher puts around a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Nothing could be settled, so the server is not started; this is why.
    Unsettled(Arc<str>),
    /// What a plan says, in the launcher's own form.
    Plan(Arc<str>),
    /// Nothing: the server can do what the gateway's user can.
    DangerNone,
}

impl Default for Boundary {
    fn default() -> Self {
        Self::Unsettled("nobody has said what may be done".into())
    }
}

/// A server that has been started. Dropping `process` ends it and everything it started.
pub struct Launched {
    /// Its standard input. Dropping it is the first step of an orderly stop.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its diagnostics. A receiver that is slow or dropped loses lines; it never slows the server down.
    pub stderr: mpsc::Receiver<StderrLine>,
    /// The process tree.
    pub process: Arc<dyn Process>,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").field("process", &self.process.id()).finish_non_exhaustive()
    }
}

/// A line a server wrote to its standard error: untrusted text, safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StderrLine {
    /// The line, cut to the launcher's limit, control characters and invalid UTF-8 escaped.
    pub text: String,
    /// How many lines before this one were left out because the server wrote too much.
    pub skipped: u64,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// A signal with this number killed it.
    Signal(i32),
    /// The kernel killed it because all of it together used more memory than its limit.
    OutOfMemory,
    /// Its supervisor was lost, so its own status is not known; the tree has been killed.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with status {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
            Self::OutOfMemory => f.write_str("was killed for using more memory than its limit"),
            Self::Unknown => f.write_str("was killed after its supervisor was lost"),
        }
    }
}

/// A running server and everything it started.
pub trait Process: Send + Sync {
    /// Process id to name in records; that of the outermost process of the tree.
    fn id(&self) -> u32;

    /// Resolves once the whole tree is gone.
    fn exited(&self) -> BoxFuture<'_, Exit>;

    /// Ends the tree the way MCP asks for on stdio, once the caller has closed the server's input: wait
    /// `grace`, ask with SIGTERM, wait `grace` again, then SIGKILL. Resolves once the whole tree is gone.
    fn stop(&self, grace: Duration) -> BoxFuture<'_, Exit>;
}

/// Why a server could not be started. Nothing of it is running.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program itself could not be executed.
    #[error("`{command}` could not be started: {reason}")]
    Command {
        /// The configured program.
        command: String,
        /// What the system said.
        reason: String,
    },
    /// The launcher could not do its own part.
    #[error("no process could be prepared for `{server}`: {reason}")]
    Setup {
        /// For which server.
        server: ServerName,
        /// What the system said.
        reason: String,
    },
}

/// Starts stdio servers.
pub trait Launcher: Send + Sync {
    /// Starts a server; resolves once the program has been executed.
    fn launch<'a>(&'a self, plan: &'a LaunchPlan) -> BoxFuture<'a, Result<Launched, LaunchError>>;
}
