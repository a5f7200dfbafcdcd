//! One upstream server: a command that is started, or a URL that is called.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis_core::{Deed, ServerName};
use portcullis_gateway::flow;
use portcullis_inspect::targets::DeclaredTargets;
use portcullis_sandbox::Egress;
use serde_json::{Value as Json, json};

use super::{
    kind::{Choice, Describe, FilePath, Flag, Kind, List, Maybe, Parsed, Place, Seconds, Whole, clip, wrong},
    net::{self, HttpUrl},
    parameter::Parameter,
    parameter_kind::{Argument, ENVIRONMENT, HEADERS},
    problem::Fault,
    reach,
    section::PRINCIPAL,
    setting::{Section as _, Table, Walk, settings},
    targets::{Declarations, Declared},
    tree::{Entry, Node, Position, key},
};

const TIB: i64 = 1 << 40;

/// Which HTTP transport a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Found out when connecting.
    Auto,
    /// Streamable HTTP.
    StreamableHttp,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// What holds a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Tier {
    /// The kernel's own boundaries.
    #[default]
    Kernel,
    /// gVisor.
    Gvisor,
    /// A container runtime, by name.
    Oci,
}

settings! {
    /// One upstream MCP server. `NAME` is 1 to 64 of `a-z`, `0-9`, `-` and `_`; it is part of the server's
    /// URL and of tool names. A server has a `command`, or is `admitted`, or has a `url`.
    pub(crate) struct ServerSection {
        /// Whether the server is used.
        Live enabled: bool = Flag, default "true";
        /// Program to start, by name on the `PATH` or by path. The server speaks on its standard input and
        /// output. Nothing is handed to a shell.
        Live command: Option<String> = Maybe(Program);
        /// Server of the lock (`supply.lock`) that is started out of the store, instead of a `command`: only if somebody
        /// in `supply.approvers` approved it, its day of review is not over, it is not retired, and its files are what was
        /// approved. Looked at again at each start. See `docs/supply.md`.
        Live admitted: Option<ServerName> = Maybe(ADMITTED);
        /// Arguments of the command.
        Live args: Vec<Parameter> = List(Argument);
        /// Environment of the command. It gets these variables and a few harmless ones such as `PATH`, and
        /// nothing else of the gateway's environment.
        Live env: Vec<(String, Parameter)> = ENVIRONMENT;
        /// Working directory of the command.
        Live cwd: Option<PathBuf> = Maybe(FilePath);
        /// What holds the command: the kernel's own boundaries, or a container runtime inside of some of them. One that is
        /// not installed or cannot be used is a reason not to start the command. See `docs/sandbox.md`.
        Live sandbox_tier: Tier = Choice { words: &[
            ("kernel", Tier::Kernel, "namespaces, Landlock and a filter of system calls"),
            ("gvisor", Tier::Gvisor, "`runsc`, a kernel of its own"),
            ("oci", Tier::Oci, "the runtime that `sandbox_runtime` names"),
        ] }, default r#""kernel""#;
        /// The runtime of `sandbox_tier`, by name on the `PATH` or by path; of `gvisor` it is `runsc` when absent.
        Live sandbox_runtime: Option<String> = Maybe(Program);
        /// Files and directories the command may read, besides its own package and the system's libraries.
        Live sandbox_read: Vec<PathBuf> = List(FilePath);
        /// Files and directories the command may change, besides those its arguments name.
        Live sandbox_write: Vec<PathBuf> = List(FilePath);
        /// Programs the command may execute, besides itself and its interpreters.
        Live sandbox_execute: Vec<String> = List(Program);
        /// Hosts the command may reach over TLS, through a proxy outside that records each attempt:
        /// `api.example.com`, `*.example.com:8443`. Without a port it is 443. Without any, it has no network.
        Live sandbox_hosts: Vec<String> = List(net::HOST_RULE);
        /// Name servers that are asked for those hosts, instead of the machine's.
        Live sandbox_name_servers: Vec<SocketAddr> = List(net::ADDRESS);
        /// Most connections the command may ask for in a minute, those that are refused included; as many may come at
        /// once.
        Live sandbox_connections_per_minute: u32 = Whole::<u32>::new("connections", 1, 60_000), default "300";
        /// Most bytes one of the command's connections may send.
        Live sandbox_upload_bytes: u64 = Whole::<u64>::new("bytes", 0, TIB), default "67108864";
        /// Most bytes the command may send to one of the hosts listed, in an hour and over all connections.
        Live sandbox_upload_bytes_per_hour: u64 = Whole::<u64>::new("bytes", 0, TIB), default "268435456";
        /// Hosts the command may reach with anything, unencrypted HTTP included. What is said there can be read and
        /// changed on the way.
        Live danger_plain_hosts: Vec<String> = List(net::HOST_RULE);
        /// Addresses that may be connected to although they are private, when one of the command's hosts has them.
        Live danger_private_addresses: Vec<IpAddr> = List(net::IP);
        /// Lets the command use the network as the gateway does, inside a sandbox that holds everything else.
        Live danger_host_network: bool = Flag, default "false";
        /// Starts the command in the kernel tier where the runtime of `sandbox_tier` is not installed or cannot be used.
        Live danger_tier_fallback: bool = Flag, default "false";
        /// Runs the command without a sandbox, so that it can do whatever the gateway's user can.
        Live danger_no_sandbox: bool = Flag, default "false";
        /// URL of the server's MCP endpoint.
        Live url: Option<HttpUrl> = Maybe(net::URL);
        /// Headers sent to the server.
        Live headers: Vec<(String, Parameter)> = HEADERS;
        /// What the server is shown in `Authorization`: the name of a `[credential.NAME]`.
        Live credential: Option<String> = Maybe(PRINCIPAL);
        /// URI under which its authorization server knows it (RFC 8707), when that is not `url`.
        Live credential_resource: Option<String> = Maybe(RESOURCE);
        /// Which transport the URL speaks.
        Live transport: Transport = Choice { words: &[
            ("auto", Transport::Auto, "found out when connecting"),
            ("streamable-http", Transport::StreamableHttp, "Streamable HTTP"),
            ("sse", Transport::Sse, "HTTP+SSE of 2024-11-05"),
        ] }, default r#""auto""#;
        /// Certificate authorities, in PEM, that may vouch for the URL's host besides the system's.
        Live ca_file: Option<PathBuf> = Maybe(FilePath);
        /// Certificate chain, in PEM, that the server is shown in the TLS handshake. Read again with each new connection
        /// when it has changed.
        Live tls_client_certificate: Option<PathBuf> = Maybe(FilePath);
        /// Private key of that certificate, in PEM, in a file that only its owner can read.
        Live tls_client_key: Option<PathBuf> = Maybe(FilePath);
        /// Private key, P-256 or Ed25519, in PEM, in a file that only its owner can read, with which every request to the server
        /// is signed (RFC 9421), its whole body included.
        Live signature_key: Option<PathBuf> = Maybe(FilePath);
        /// Name under which the server knows that key (`keyid`).
        Live signature_key_id: Option<String> = Maybe(PRINCIPAL);
        /// Longest wait for the server to start or to be connected to, handshake included. A first `npx` or
        /// `uvx` downloads.
        Live connect_seconds: Duration = Seconds { least: 1, most: 600 }, default "60";
        /// Longest wait for each message of an answer, instead of `limits.request_seconds`.
        Live request_seconds: Option<Duration> = Maybe(Seconds { least: 1, most: 3600 });
        /// Longest a request may take as a whole, instead of `limits.total_seconds`.
        Live total_seconds: Option<Duration> = Maybe(Seconds { least: 1, most: 86_400 });
        /// Most requests that may be under way at this server; others wait or are refused.
        Live concurrent_requests: usize = Whole::<usize>::new("requests", 1, 10_000), default "256";
        /// Tools whose answers hold text that others wrote, by name; `*` stands for any text. When absent it is
        /// guessed from each definition. `portcullis check --explain` does not show guesses, `portcullis scan` does.
        Live untrusted: Option<Vec<String>> = Maybe(List(NAMES));
        /// Tools whose answers hold data that is not meant for everybody, in the same way.
        Live private: Option<Vec<String>> = Maybe(List(NAMES));
        /// Tools through which what they are given leaves, in the same way.
        Live outward: Option<Vec<String>> = Maybe(List(NAMES));
        /// Tools that do what cannot be taken back, in the same way.
        Live irrevocable: Option<Vec<String>> = Maybe(List(NAMES));
        /// Tools that are called only with an access token whose `authorization_details` cover the very call (RFC 9396), by
        /// name; `*` stands for any text. See `docs/authentication.md`.
        Live detailed: Vec<String> = List(NAMES);
        /// What arguments of the tools name, where the guess is wrong or there is none: for each tool, or `*` for all, its
        /// parameters with `path`, `url`, `uri`, `operand`, `word`, `command`, `sql` or `text`. See `docs/targets.md`.
        Live targets: Declarations = Declared;
        /// Directories that paths in arguments have to be in. Without any, paths can be anywhere.
        Live roots: Vec<PathBuf> = List(FilePath);
        /// File of views: narrow tools in place of the server's broad ones, as `[[view]]` tables with `name`, `tool`,
        /// `description`, `arguments` and `passes`.
        Live views: Option<PathBuf> = Maybe(FilePath);
        /// Calls a URL without encryption although its host is not this machine. Whoever is on the way can then read
        /// and change every call.
        Live danger_allow_plain_http: bool = Flag, default "false";
        /// Takes TLS 1.2 from a URL whose host does not speak TLS 1.3.
        Live danger_allow_tls12: bool = Flag, default "false";
    }
}

/// Names of tools.
const NAMES: Parsed<String> =
    Parsed { phrase: "a name, in which `*` stands for any text", example: "get_*", parse: parse_name };

/// The name of an admitted server.
const ADMITTED: Parsed<ServerName> =
    Parsed { phrase: "a name in the lock", example: "server-memory", parse: parse_admitted };

fn parse_admitted(text: &str) -> Result<ServerName, String> {
    text.parse().map_err(|_| "is not the name of a server".to_owned())
}

/// A resource indicator.
const RESOURCE: Parsed<String> =
    Parsed { phrase: "an absolute URI", example: "https://mcp.example.com/mcp", parse: parse_resource };

fn parse_resource(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|_| "is not a URI".to_owned())?;
    if uri.scheme().is_some() && !text.contains(['#', '?']) {
        Ok(text.to_owned())
    } else {
        Err("is not absolute, or has a query or fragment".to_owned())
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    match text.chars().count() {
        1..=128 => Ok(text.to_owned()),
        _ => Err("is not a name of 1 to 128 characters".to_owned()),
    }
}

/// A program, by name or by path. Only a path is relative to the file; a name is looked up.
struct Program;

impl Describe for Program {
    fn phrase(&self) -> String {
        "a program such as `\"npx\"`, or a path with a `/` in it".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

impl Kind for Program {
    type Value = String;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<String, Vec<Fault>> {
        let Some(text) = node.text() else {
            return Err(wrong(self, node, format!("this is {}", node.shape())));
        };
        if text.is_empty() || text.contains('\0') {
            return Err(wrong(self, node, "this is not a program"));
        }
        if text.contains('/') {
            return FilePath.read(node, place).map(|path| path.to_string_lossy().into_owned());
        }
        if text.contains(' ') {
            let what = format!("`{}` has arguments in it, and there is no shell to part them", clip(text));
            return Err(vec![Fault::new(node.at, what, "write the arguments into `args`")]);
        }
        Ok(text.to_owned())
    }
}

/// A configured upstream server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name.
    pub name: ServerName,
    /// How it is reached.
    pub reach: Reach,
    /// Longest wait for it to start or to be connected to.
    pub connect: Duration,
    /// Longest wait for each message of an answer, when it differs from the limits.
    pub request: Option<Duration>,
    /// Longest a request may take, when it differs from the limits.
    pub total: Option<Duration>,
    /// Most requests under way.
    pub concurrent_requests: usize,
    /// What is declared about its tools.
    pub declared: flow::Declared,
    /// What is declared about the arguments of its tools.
    pub targets: DeclaredTargets,
    /// File of views.
    pub views: Option<PathBuf>,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub enum Reach {
    /// As a process.
    Command(Command),
    /// Over HTTP.
    Url(Remote),
}

/// A process to start.
#[derive(Clone, Debug)]
pub struct Command {
    /// What is started.
    pub code: Code,
    /// Its arguments.
    pub args: Vec<Parameter>,
    /// Variables it is given.
    pub env: Vec<(String, Parameter)>,
    /// Its working directory.
    pub cwd: Option<PathBuf>,
    /// What it may do besides what its command says.
    pub sandbox: Sandbox,
}

/// Whose code a process executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// A program, by name or path.
    Program(String),
    /// The server of this name in the lock, out of the store.
    Admitted(ServerName),
}

impl Code {
    /// The program, where one is named.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Program(program) => Some(program),
            Self::Admitted(_) => None,
        }
    }
}

/// What is listed for a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// What holds it.
    pub tier: Tier,
    /// The runtime for that, when it is named.
    pub runtime: Option<String>,
    /// The kernel tier instead where the other cannot be had.
    pub danger_tier_fallback: bool,
    /// Files that may be read.
    pub read: Vec<PathBuf>,
    /// Files that may be changed.
    pub write: Vec<PathBuf>,
    /// Programs that may be executed.
    pub execute: Vec<String>,
    /// Hosts that may be reached.
    pub egress: Egress,
    /// The network of the machine.
    pub danger_host_network: bool,
    /// No sandbox.
    pub danger_none: bool,
}

/// A server on the network.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its endpoint.
    pub url: HttpUrl,
    /// Headers it is sent.
    pub headers: Vec<(String, Parameter)>,
    /// Its transport.
    pub transport: Transport,
    /// What it is shown.
    pub credential: Option<String>,
    /// What its authorization server calls it, when that is not the URL.
    pub credential_resource: Option<String>,
    /// Certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate and private key that the server is shown.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The key that signs requests, and its name.
    pub signature: Option<(PathBuf, String)>,
    /// Whether TLS 1.2 will do.
    pub danger_tls12: bool,
}

/// Reads every `[server.NAME]` table; those that are switched off are checked and left out.
pub(super) fn read_all(walk: &mut Walk<'_>, root: &Table<'_>) -> Vec<Server> {
    let Some(entry) = root.entry("server") else { return Vec::new() };
    let Some(servers) = walk.table("server", entry) else { return Vec::new() };
    servers.entries.iter().filter_map(|entry| read_one(walk, entry)).collect()
}

fn read_one(walk: &mut Walk<'_>, entry: &Entry) -> Option<Server> {
    let field = format!("server.{}", key(&clip(&entry.key)));
    let name = entry.key.parse::<ServerName>().map_err(|error| {
        walk.fault(&field, Fault::new(entry.at, error.to_string(), "rename the server"));
    });
    let table = walk.table(&field, entry)?;
    let section = ServerSection::read(walk, &table);
    let (name, section) = (name.ok()?, section?);
    let reach = reach::reach(walk, &table, &section)?;
    section.enabled.then(|| section.server(name, reach))
}

/// A server of which only the name and the way to it are given.
pub(super) fn with_defaults(name: ServerName, reach: Reach) -> Option<Server> {
    let nowhere = Path::new("");
    let named = RefCell::default();
    let mut walk = Walk::new(nowhere, Place { base: nowhere, home: None, named: &named });
    let table = Table { name: String::new(), at: Position::START, entries: &[] };
    Some(ServerSection::read(&mut walk, &table)?.server(name, reach))
}

impl ServerSection {
    pub(super) fn egress(&self) -> Egress {
        Egress {
            hosts: self.sandbox_hosts.iter().cloned().collect(),
            danger_plain_hosts: self.danger_plain_hosts.iter().cloned().collect(),
            danger_addresses: self.danger_private_addresses.iter().copied().collect(),
            name_servers: self.sandbox_name_servers.clone(),
            connections_per_minute: self.sandbox_connections_per_minute,
            upload_bytes: self.sandbox_upload_bytes,
            upload_bytes_per_hour: self.sandbox_upload_bytes_per_hour,
        }
    }

    fn deeds(&self) -> Vec<(Deed, Vec<String>)> {
        let declared = [
            (Deed::Untrusted, &self.untrusted),
            (Deed::Private, &self.private),
            (Deed::Outward, &self.outward),
            (Deed::Irrevocable, &self.irrevocable),
        ];
        declared.into_iter().filter_map(|(deed, names)| Some((deed, names.clone()?))).collect()
    }

    fn server(&self, name: ServerName, reach: Reach) -> Server {
        let hosts = own_hosts(&reach);
        Server {
            name,
            reach,
            connect: self.connect_seconds,
            request: self.request_seconds,
            total: self.total_seconds,
            concurrent_requests: self.concurrent_requests,
            declared: flow::Declared { deeds: self.deeds(), detailed: self.detailed.clone() },
            targets: DeclaredTargets {
                parameters: self.targets.clone(),
                roots: self.roots.iter().map(|root| root.to_string_lossy().into_owned()).collect(),
                hosts,
            },
            views: self.views.clone(),
        }
    }
}

/// Hosts that a server may reach out of its sandbox, without their ports: whoever lists them means them.
fn own_hosts(reach: &Reach) -> Vec<String> {
    let Reach::Command(command) = reach else { return Vec::new() };
    let egress = &command.sandbox.egress;
    let host = |rule: &String| match rule.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
        _ => rule.clone(),
    };
    egress.hosts.iter().chain(&egress.danger_plain_hosts).map(host).collect()
}
