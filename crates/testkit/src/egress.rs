//! The real program as a proxy on the way out, with the log it writes.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    gateway::{Record, RecordsError, read_records, wait_for_record},
    server::{Channel, Launch, Process, Sandbox, SpawnError},
};

/// How long it may take to listen.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOPPING: Duration = Duration::from_secs(20);

/// A running `portcullis egress`.
pub struct EgressProxy {
    address: SocketAddr,
    home: TempDir,
    process: Process,
}

impl EgressProxy {
    /// Starts `program` on a free port with these arguments besides.
    ///
    /// # Errors
    /// When it does not start or does not listen within 60 s.
    ///
    /// # Panics
    /// When there is no directory for its files.
    pub async fn start(program: PathBuf, args: &[&str]) -> Result<Self, SpawnError> {
        let home = TempDir::new().expect("a directory can be made");
        let log = home.path().join("log");
        let log = log.to_str().expect("the paths of tests are UTF-8");
        let args =
            ["egress", "--listen", "127.0.0.1:0", "--record", log].into_iter().chain(args.iter().copied());
        let launch = Launch {
            program,
            args: args.map(str::to_owned).collect(),
            env: Vec::new(),
            sandbox: Sandbox::none(),
        };
        let mut process = Process::start(&launch)?;
        let address = |line: &str| line.strip_prefix("listening on ")?.split(',').next()?.parse().ok();
        let address = process.wait_for(Channel::Errors, "where it listens", DEADLINE, address).await?;
        Ok(Self { address, home, process })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The proxy as clients are told about it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything recorded so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, RecordsError> {
        read_records(&self.log())
    }

    /// Waits until a record satisfies `predicate`.
    ///
    /// # Errors
    /// When `deadline` passes first or the log cannot be read.
    pub async fn wait_for(
        &self,
        wanted: &str,
        deadline: Duration,
        predicate: impl Fn(&Record) -> bool,
    ) -> Result<Record, RecordsError> {
        wait_for_record(&self.log(), wanted, deadline, predicate).await
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }
}

impl Drop for EgressProxy {
    fn drop(&mut self) {
        self.process.end(Signal::TERM, STOPPING);
    }
}
