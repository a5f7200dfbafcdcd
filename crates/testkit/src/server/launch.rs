//! Command lines as data.

use std::path::{Path, PathBuf};

use super::SpawnError;
use crate::{bed::Bed, gateway::program_beside};

/// How to start a server on standard input and output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, by absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables it needs on top of the environment.
    pub env: Vec<(String, String)>,
    /// What it needs besides what its command says.
    pub sandbox: Sandbox,
}

/// What a server that the gateway starts is allowed besides what is made of its command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Files it may read.
    pub read: Vec<PathBuf>,
    /// Files it may change.
    pub write: Vec<PathBuf>,
    /// Hosts it may reach.
    pub reach: Reach,
    /// The network of the machine.
    pub host_network: bool,
    /// Everything: there is no sandbox.
    pub none: bool,
}

/// Hosts a server may reach through the gateway's own proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// With TLS.
    pub hosts: Vec<String>,
    /// With anything.
    pub plain: Vec<String>,
    /// At these addresses, although they are private.
    pub addresses: Vec<String>,
    /// As this name server says.
    pub name_servers: Vec<String>,
}

impl Reach {
    /// Setting, option and values.
    fn rows(&self) -> [(&'static str, &'static str, &[String]); 4] {
        [
            ("sandbox_hosts", "--allow", &self.hosts),
            ("danger_plain_hosts", "--danger-allow-plain", &self.plain),
            ("danger_private_addresses", "--danger-allow-address", &self.addresses),
            ("sandbox_name_servers", "--name-server", &self.name_servers),
        ]
    }
}

impl Sandbox {
    /// No sandbox, for servers whose tests look at their processes from outside.
    #[must_use]
    pub fn none() -> Self {
        Self { none: true, ..Self::default() }
    }

    /// Something to write.
    #[must_use]
    pub fn writing(path: &Path) -> Self {
        Self { write: vec![path.to_owned()], ..Self::default() }
    }

    /// Lines of a `[server.NAME]`.
    #[must_use]
    pub fn settings(&self) -> String {
        let list = |paths: &[PathBuf]| {
            paths.iter().map(|path| format!("{:?}", text(path))).collect::<Vec<_>>().join(", ")
        };
        let mut lines =
            format!("sandbox_read = [{}]\nsandbox_write = [{}]\n", list(&self.read), list(&self.write));
        for (setting, _, values) in self.reach.rows() {
            lines.push_str(&format!("{setting} = {values:?}\n"));
        }
        for (set, name) in [(self.host_network, "danger_host_network"), (self.none, "danger_no_sandbox")] {
            if set {
                lines.push_str(&format!("{name} = true\n"));
            }
        }
        lines
    }

    /// Options of `portcullis run`.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let paths = |option: &'static str, paths: &[PathBuf]| -> Vec<String> {
            paths.iter().flat_map(|path| [option.to_owned(), text(path).to_owned()]).collect()
        };
        let mut options = [paths("--read", &self.read), paths("--write", &self.write)].concat();
        for (_, option, values) in self.reach.rows() {
            options.extend(values.iter().flat_map(|value| [option.to_owned(), value.clone()]));
        }
        options.extend(self.host_network.then(|| "--danger-host-network".to_owned()));
        options.extend(self.none.then(|| "--danger-no-sandbox".to_owned()));
        options
    }
}

impl Launch {
    /// The reference server with one of everything (legacy era).
    #[must_use]
    pub fn everything(bed: &Bed) -> Self {
        Self::node(bed, EVERYTHING, &["stdio"])
    }

    /// The reference file server over `directory` (legacy era).
    #[must_use]
    pub fn filesystem(bed: &Bed, directory: &Path) -> Self {
        Self::node(bed, "@modelcontextprotocol/server-filesystem/dist/index.js", &[text(directory)])
    }

    /// The reference knowledge graph, kept in `file` (legacy era).
    #[must_use]
    pub fn memory(bed: &Bed, file: &Path) -> Self {
        let launch = Self::node(bed, "@modelcontextprotocol/server-memory/dist/index.js", &[]);
        let sandbox = file.parent().map(Sandbox::writing).unwrap_or_default();
        Self { env: vec![("MEMORY_FILE_PATH".to_owned(), text(file).to_owned())], sandbox, ..launch }
    }

    /// The reference git server over `repository` (both eras).
    #[must_use]
    pub fn git(bed: &Bed, repository: &Path) -> Self {
        Self::python(bed, &["-m", "mcp_server_git", "--repository", text(repository)])
    }

    /// The reference time server (both eras).
    #[must_use]
    pub fn time(bed: &Bed) -> Self {
        Self::python(bed, &["-m", "mcp_server_time", "--local-timezone", "UTC"])
    }

    /// The reference server that fetches web pages (both eras), by way of `proxy`, trusting the authorities in
    /// `ca`. It fetches from private addresses too: what keeps it from them is not to be itself.
    #[must_use]
    pub fn fetch(bed: &Bed, proxy: &str, ca: &Path) -> Self {
        let env = [("HTTP_PROXY", proxy), ("HTTPS_PROXY", proxy), ("SSL_CERT_FILE", text(ca))];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sandbox = Sandbox { read: vec![ca.to_owned()], host_network: true, ..Sandbox::default() };
        Self { env, sandbox, ..Self::python(bed, &["-m", "mcp_server_fetch", "--allow-private-ips"]) }
    }

    /// The same in a sandbox from which it reaches these hosts, and nothing else.
    #[must_use]
    pub fn fetch_contained(bed: &Bed, reach: Reach, ca: &Path) -> Self {
        let env = vec![("SSL_CERT_FILE".to_owned(), text(ca).to_owned())];
        let sandbox = Sandbox { read: vec![ca.to_owned()], reach, ..Sandbox::default() };
        Self { env, sandbox, ..Self::python(bed, &["-m", "mcp_server_fetch", "--allow-private-ips"]) }
    }

    /// Our own conformance fixture (both eras), recording to `journal`.
    ///
    /// # Errors
    /// When the program `conformance-fixture` was not built.
    pub fn fixture(journal: Option<&Path>) -> Result<Self, SpawnError> {
        let mut args = vec!["--stdio".to_owned()];
        args.extend(
            journal.into_iter().flat_map(|journal| ["--journal".to_owned(), text(journal).to_owned()]),
        );
        let sandbox = journal.and_then(Path::parent).map(Sandbox::writing).unwrap_or_default();
        Ok(Self { program: fixture_program()?, args, env: Vec::new(), sandbox })
    }

    pub(super) fn node(bed: &Bed, module: &str, args: &[&str]) -> Self {
        let module = bed.module(module);
        let args = [text(&module)].into_iter().chain(args.iter().copied());
        let args = args.map(str::to_owned).collect();
        Self { program: bed.node().to_owned(), args, env: Vec::new(), sandbox: Sandbox::default() }
    }

    fn python(bed: &Bed, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { program: bed.python().to_owned(), args, env: Vec::new(), sandbox: Sandbox::default() }
    }
}

pub(super) const EVERYTHING: &str = "@modelcontextprotocol/server-everything/dist/index.js";

pub(super) fn fixture_program() -> Result<PathBuf, SpawnError> {
    program_beside("conformance-fixture", "cargo build -p portcullis-testkit")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the paths of tests are UTF-8")
}
