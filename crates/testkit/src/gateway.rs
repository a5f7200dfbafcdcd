//! The real program `portcullis`, started for a test: ready when the call returns, stopped in order when the
//! value is dropped.
//!
//! [`Setup`] says what it is configured with, [`Gateway`] is the running process, [`Record`] a line of the log
//! it wrote.

mod disk;
mod program;
mod records;
mod setup;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

pub use disk::{Disk, FakeClock, Medium};
pub use program::{portcullis, program_beside};
pub use records::{Record, RecordsError, read_records, wait_for_record};
pub use setup::{ALLOW_ALL, Setup};

use crate::{
    browser::Login,
    server::{Process, SpawnError},
};

/// How long a gateway may take to be ready: servers it starts are interpreters on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// How long it may take to stop. More than its own drain time, see [`Setup`].
const STOPPING: Duration = Duration::from_secs(20);
/// How often a waiting test looks again.
const POLL: Duration = Duration::from_millis(5);

/// A running `portcullis serve`.
pub struct Gateway {
    program: PathBuf,
    address: SocketAddr,
    admin: SocketAddr,
    /// What it reads and writes; goes away with the value.
    home: Option<TempDir>,
    log: PathBuf,
    process: Option<Process>,
}

impl Gateway {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint in front of all servers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// The endpoint of one server.
    #[must_use]
    pub fn url_of(&self, server: &str) -> String {
        format!("http://{}/mcp/{server}", self.address)
    }

    /// The HTTP+SSE endpoint in front of all servers.
    #[must_use]
    pub fn sse_url(&self) -> String {
        format!("http://{}/sse", self.address)
    }

    /// The HTTP+SSE endpoint of one server.
    #[must_use]
    pub fn sse_url_of(&self, server: &str) -> String {
        format!("http://{}/sse/{server}", self.address)
    }

    /// Asks the operator's endpoint and returns status and body.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn admin(&self, path: &str) -> std::io::Result<(u16, String)> {
        get(self.admin, path).await
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.as_ref().expect("the process is there until the value is dropped").pid()
    }

    /// The configuration file, to be changed under the running gateway.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.file(setup::CONFIG)
    }

    /// The policy file.
    #[must_use]
    pub fn policy(&self) -> PathBuf {
        self.file(setup::POLICY)
    }

    /// Starts `portcullis login` for a server of this gateway.
    ///
    /// # Errors
    /// When it ends before it has said which page to open.
    pub async fn login(&self, server: &str) -> std::io::Result<Login> {
        let config = self.config();
        Login::start(&self.program, &config, config.parent().unwrap_or(&config), server).await
    }

    /// Runs the program on the files of this gateway and returns status, output and errors.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn command(&self, words: &[&str]) -> std::io::Result<(bool, String, String)> {
        let config = self.config();
        let mut command = tokio::process::Command::new(&self.program);
        command.args(words).arg("--config").arg(&config).env("HOME", config.parent().unwrap_or(&config));
        let ended = command.stdin(std::process::Stdio::null()).output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((ended.status.success(), text(&ended.stdout), text(&ended.stderr)))
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.log.clone()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.as_ref().expect("the files are there until the value is dropped").path().join(name)
    }

    /// Everything recorded so far, in order.
    ///
    /// # Errors
    /// When the log cannot be read or holds a complete line that is no record.
    pub fn records(&self) -> Result<Vec<Record>, RecordsError> {
        read_records(&self.log())
    }

    /// Waits until a record satisfies `predicate` and returns the first that does. `wanted` says in words what is
    /// waited for.
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

    /// The end of what it said on standard error.
    #[must_use]
    pub fn said(&self) -> String {
        self.process.as_ref().map(Process::said).unwrap_or_default()
    }

    /// Every line it said on standard error since this was last asked.
    pub fn heard(&mut self) -> Vec<String> {
        let errors = self.process.as_mut().map(|process| &mut process.errors);
        errors.map_or_else(Vec::new, |lines| std::iter::from_fn(|| lines.try_recv().ok()).collect())
    }

    /// Where the operator's endpoint listens.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Ends it without warning, as the kernel would when memory runs out. Its files stay.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.end(Signal::KILL, STOPPING);
        }
    }

    /// Asks it to stop and returns how it did, with all it recorded. The status is `None` when it had to be
    /// killed.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn stop(mut self) -> Result<(Option<ExitStatus>, Vec<Record>), RecordsError> {
        let mut process = self.process.take().expect("a gateway is stopped once");
        let ending = tokio::task::spawn_blocking(move || process.end(Signal::TERM, STOPPING));
        let status = ending.await.expect("ending a process does not panic");
        Ok((status, self.records()?))
    }

    /// Starts another gateway on the files of this one, which was killed. It listens elsewhere.
    ///
    /// # Errors
    /// As for [`Setup::start`].
    pub async fn again(mut self) -> Result<Self, SpawnError> {
        let home = self.home.take().expect("the files are there until the value is dropped");
        let process = program::serve(self.program.clone(), &home.path().join(setup::CONFIG), home.path())?;
        Self::ready(self.program.clone(), home, self.log.clone(), process).await
    }

    /// Starts another gateway on the files of this one, which was killed, and waits for its end, which has to come by
    /// itself. What it said.
    ///
    /// # Errors
    /// When it serves.
    pub async fn does_not_start(&self) -> Result<String, SpawnError> {
        let home = self.home.as_ref().expect("the files are there until the value is dropped").path();
        let mut process = program::serve(self.program.clone(), &home.join(setup::CONFIG), home)?;
        let end = Instant::now() + DEADLINE;
        while !process.has_ended() {
            if Instant::now() >= end || announced(&process.said(), "listening on ").is_some() {
                let (wanted, said) = ("that it does not start".to_owned(), process.said());
                return Err(SpawnError::Silent {
                    program: self.program.clone(),
                    wanted,
                    waited: DEADLINE,
                    said,
                });
            }
            sleep(POLL).await;
        }
        // Its last words may not have been read yet.
        while timeout(DEADLINE, process.errors.recv()).await.is_ok_and(|line| line.is_some()) {}
        Ok(process.said())
    }

    /// Waits until a process that was just started says where it listens, and that it is ready.
    async fn ready(
        program: PathBuf,
        home: TempDir,
        log: PathBuf,
        mut process: Process,
    ) -> Result<Self, SpawnError> {
        let wanted = || "that it is ready".to_owned();
        let end = Instant::now() + DEADLINE;
        loop {
            let said = process.said();
            if let (Some(address), Some(admin)) =
                (announced(&said, "listening on "), announced(&said, "endpoint on "))
                && get(admin, "/readyz").await.is_ok_and(|(status, _)| status == 200)
            {
                return Ok(Self { program, address, admin, home: Some(home), log, process: Some(process) });
            }
            if process.has_ended() {
                return Err(SpawnError::Ended { program, wanted: wanted(), said: process.said() });
            }
            if Instant::now() >= end {
                return Err(SpawnError::Silent { program, wanted: wanted(), waited: DEADLINE, said });
            }
            sleep(POLL).await;
        }
    }
}

/// The address in the URL that follows `words`.
fn announced(said: &str, words: &str) -> Option<SocketAddr> {
    let (_, url) = said.split_once(words)?;
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '\n']).next()?.parse().ok()
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.end(Signal::TERM, STOPPING);
        }
    }
}

async fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

fn write(path: &Path, text: &str) -> Result<(), SpawnError> {
    fs::write(path, text).map_err(|source| SpawnError::File { path: path.to_owned(), source })
}
