//! What a gateway under test is configured with.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{Disk, Gateway, program, write};
use crate::server::{Launch, SpawnError};

pub(super) const CONFIG: &str = "portcullis.toml";
pub(super) const POLICY: &str = "policy.cedar";
pub(super) const LOG: &str = "audit.jsonl";

/// A policy that refuses nothing, for tests of everything else.
pub const ALLOW_ALL: &str = "@id(\"allow-all\")\npermit (principal, action, resource);\n";

/// A configuration in the making: a free loopback port, the local user as the caller, everything allowed, and
/// no servers.
#[derive(Debug, Clone)]
pub struct Setup {
    servers: String,
    gateway: String,
    audit: String,
    sections: String,
    policy: String,
    program: Option<PathBuf>,
    disk: Option<Disk>,
    listen: String,
}

impl Default for Setup {
    fn default() -> Self {
        let [servers, gateway, audit, sections] = [const { String::new() }; 4];
        Self {
            servers,
            gateway,
            audit,
            sections,
            policy: ALLOW_ALL.to_owned(),
            program: None,
            disk: None,
            listen: "127.0.0.1:0".to_owned(),
        }
    }
}

impl Setup {
    /// No servers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a server that the gateway starts.
    #[must_use]
    pub fn stdio(mut self, name: &str, launch: &Launch) -> Self {
        let args: Vec<_> = launch.args.iter().map(|arg| quoted(arg)).collect();
        let env: Vec<_> =
            launch.env.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        self.line(format_args!("[server.{name}]"));
        self.line(format_args!("command = {}", quoted(text(&launch.program))));
        self.line(format_args!("args = [{}]", args.join(", ")));
        self.line(format_args!("env = {{ {} }}", env.join(", ")));
        self.line(format_args!("{}", launch.sandbox.settings().trim_end()));
        self
    }

    /// Adds a server on Streamable HTTP.
    #[must_use]
    pub fn http(self, name: &str, url: &str) -> Self {
        self.remote(name, url, "streamable-http")
    }

    /// Adds a server on HTTP+SSE.
    #[must_use]
    pub fn sse(self, name: &str, url: &str) -> Self {
        self.remote(name, url, "sse")
    }

    /// Adds settings to the server added last, in TOML.
    #[must_use]
    pub fn with(mut self, settings: &str) -> Self {
        self.line(format_args!("{settings}"));
        self
    }

    /// Adds settings to the section `[gateway]`, in TOML.
    #[must_use]
    pub fn gateway(mut self, settings: &str) -> Self {
        self.gateway.push_str(settings);
        self.gateway.push('\n');
        self
    }

    /// Adds settings to the section `[audit]`, in TOML.
    #[must_use]
    pub fn audit(mut self, settings: &str) -> Self {
        self.audit.push_str(settings);
        self.audit.push('\n');
        self
    }

    /// Adds whole sections, in TOML: `[limits]` and what follows.
    #[must_use]
    pub fn sections(mut self, toml: &str) -> Self {
        self.sections.push_str(toml);
        self.sections.push('\n');
        self
    }

    /// Decides by this policy.
    #[must_use]
    pub fn policy(mut self, cedar: &str) -> Self {
        cedar.clone_into(&mut self.policy);
        self
    }

    /// Listens on this address instead of a free port.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Starts this program instead of the one [`super::portcullis`] finds.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Keeps the log on a disk of its own: the program is started in the disk's mount namespace.
    #[must_use]
    pub fn disk(mut self, disk: &Disk) -> Self {
        self.disk = Some(disk.clone());
        self
    }

    /// Starts `portcullis serve`. It is ready when this returns.
    ///
    /// # Errors
    /// When the program was not built, does not start, or is not ready within 60 s.
    pub async fn start(&self) -> Result<Gateway, SpawnError> {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        self.write(home.path())?;
        let mut program = self.program.clone().map_or_else(program::portcullis, Ok)?;
        let mut log = home.path().join(LOG);
        if let Some(disk) = &self.disk {
            program = disk.program(&program, home.path())?;
            log = disk.seen().join(LOG);
        }
        let process = program::serve(program.clone(), &home.path().join(CONFIG), home.path())?;
        Gateway::ready(program, home, log, process).await
    }

    /// Writes configuration and policy into `home` and returns the path of the configuration, for a gateway that
    /// somebody else starts.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_to(&self, home: &Path) -> Result<PathBuf, SpawnError> {
        self.write(home)?;
        Ok(home.join(CONFIG))
    }

    /// Port 0 takes a free port, and the program says which.
    fn toml(&self, home: &Path) -> String {
        let log = self.disk.as_ref().map_or_else(|| home.to_owned(), Disk::path).join(LOG);
        let log = quoted(text(&log));
        let policy = quoted(text(&home.join(POLICY)));
        format!(
            "[gateway]\nlisten = \"{}\"\ndrain_seconds = 5\n{}\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
             [policy]\nfiles = [{policy}]\n\n[audit]\nfile = {log}\n{}\n{}\n{}",
            self.listen, self.gateway, self.audit, self.sections, self.servers
        )
    }

    fn write(&self, home: &Path) -> Result<(), SpawnError> {
        write(&home.join(POLICY), &self.policy)?;
        write(&home.join(CONFIG), &self.toml(home))
    }

    fn remote(mut self, name: &str, url: &str, transport: &str) -> Self {
        self.line(format_args!("[server.{name}]"));
        self.line(format_args!("url = {}", quoted(url)));
        self.line(format_args!("transport = {}", quoted(transport)));
        self
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.servers, "{line}");
    }
}

/// A JSON string is a TOML basic string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the paths of tests are UTF-8")
}
