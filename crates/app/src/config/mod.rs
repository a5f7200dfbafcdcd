//! The configuration: one TOML file, read into types that cannot be wrong, every mistake reported at once.

pub mod behaviour;
mod beside;
mod between;
mod content;
pub(crate) mod credential;
mod credential_kind;
mod data;
pub(crate) mod issuer;
pub(crate) mod kind;
mod net;
mod parameter;
pub(crate) mod parameter_kind;
pub(crate) mod problem;
mod reach;
pub mod reference;
mod rules;
pub mod schema;
pub(crate) mod secrecy;
mod section;
mod server;
mod setting;
pub(crate) mod sources;
pub mod stream;
mod supply;
mod targets;
pub mod telemetry;
pub(crate) mod tree;
pub mod watch;
mod word_table;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis_audit::note::VerifierKey;
use portcullis_core::{Digest, ServerName};
use portcullis_inspect::detect::ContentPolicy;
use portcullis_inspect::pins::Trust;
use portcullis_inspect::targets::TargetPolicy;

pub use behaviour::Behaviour;
pub(crate) use beside::Beside;
pub use credential::Credential;
pub use data::Data;
pub use issuer::Issuer;
pub use net::{HostName, HttpUrl, Origin};
pub(crate) use parameter::MAX_SECRET;
pub use parameter::{Parameter, SecretError, Source, read_private};
pub use problem::{Problem, Report, Severity};
pub(crate) use section::WitnessAt;
pub use section::{Admin, Fsync, Gateway, Limits, Policy, Protocol, Schemas, StopSwitch};
pub use server::{Code, Command, Reach, Remote, Sandbox, Server, Tier, Transport};
pub use setting::{Applies, Named, Settled};
pub use stream::{Destination, Stream, StreamFormat};
pub use supply::Supply;
pub use telemetry::{Collector, OtlpProtocol, Telemetry};
pub use tree::Position;
pub(crate) use tree::quote;

/// A configuration in which every setting is right and goes with the others.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// Where to listen.
    pub gateway: Gateway,
    /// Encryption of the MCP endpoint.
    pub tls: Option<Tls>,
    /// The operator's endpoint.
    pub admin: Admin,
    /// Which behaviour is out of the ordinary.
    pub behaviour: Behaviour,
    /// The kill switch.
    pub stop: StopSwitch,
    /// Who the callers are.
    pub auth: Auth,
    /// What servers are shown.
    pub credentials: Vec<Credential>,
    /// The list of what was taken back.
    pub revocations: PathBuf,
    /// Keys of which one has to have signed each request over HTTP.
    pub signature_keys: Option<PathBuf>,
    /// How much of everything.
    pub limits: Limits,
    /// Where records go.
    pub audit: Audit,
    /// Where records are sent on to.
    pub streams: Vec<Stream>,
    /// What is told of records as they are made.
    pub telemetry: Telemetry,
    /// What definitions are compared with.
    pub pins: Pins,
    /// Who may do what.
    pub policy: Policy,
    /// What is done about text that gives orders to a model.
    pub content: ContentPolicy,
    /// What is done about secrets and personal data.
    pub data: Data,
    /// What arguments may name outside of their tool.
    pub targets: TargetPolicy,
    /// Which servers are admitted, and on whose word.
    pub supply: Supply,
    /// What tools are held to by their schemas.
    pub schemas: Schemas,
    /// Which protocol versions are served.
    pub protocol: Protocol,
    /// The upstream servers, by name.
    pub servers: Vec<Server>,
    /// Every setting in force, secrets hidden, by name.
    pub settled: Vec<Settled>,
    /// Every file that was read for it, itself first.
    pub sources: Vec<PathBuf>,
    /// Every path that a setting names, defaults included.
    pub named: Vec<Named>,
    /// The configuration of this user's gateway, where this is none of a gateway but what a command says: what is that
    /// gateway's own is out of reach here too.
    pub users: Option<Box<Config>>,
}

/// Certificate and key.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Whose certificates clients may show; none is asked for without.
    pub clients: Option<ClientCertificates>,
}

/// Certificates of clients.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    /// The authorities that vouch for them, PEM.
    pub authorities: PathBuf,
    /// Whether a client without one is turned away.
    pub required: bool,
}

/// How callers are identified.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Loopback callers are the user the gateway runs as.
    LoopbackUser,
    /// Every caller is this principal.
    Dev {
        /// Its name.
        principal: String,
    },
    /// Access tokens tell who calls.
    Oauth(Oauth),
}

/// Which access tokens are accepted.
#[derive(Clone, Debug)]
pub struct Oauth {
    /// Whose.
    pub issuers: Vec<Issuer>,
    /// Scopes that every one of them needs.
    pub required_scopes: Vec<String>,
    /// Whether proofs need a nonce.
    pub dpop_nonce: bool,
}

/// Where records go.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The file.
    pub file: PathBuf,
    /// When it is forced to disk.
    pub fsync: Fsync,
    /// Size in bytes at which a new file is begun; never when absent.
    pub rotate_bytes: Option<u64>,
    /// What takes records while the file cannot be written, and for how long.
    pub spare: Option<(PathBuf, Duration)>,
    /// The tree over the records, when there is one.
    pub transparency: Option<TransparencyConfig>,
    /// Key of the commitments in records.
    pub commitment_key: PathBuf,
    /// Whether an answer is withheld when the record of its outcome cannot be written.
    pub withhold_on_failed_outcome: bool,
}

/// The transparency log.
#[derive(Clone, Debug)]
pub struct TransparencyConfig {
    /// Its directory.
    pub directory: PathBuf,
    /// The private keys.
    pub key: PathBuf,
    /// The shortest time between two checkpoints.
    pub checkpoint: Duration,
    /// Who is to cosign them.
    pub(crate) witnesses: Vec<WitnessAt>,
}

impl TransparencyConfig {
    /// A log in `directory` with its keys beside it.
    pub(crate) fn at(directory: PathBuf) -> Self {
        let key = Self::key_beside(&directory);
        Self { directory, key, checkpoint: Duration::from_secs(1), witnesses: Vec::new() }
    }

    fn key_beside(directory: &Path) -> PathBuf {
        let mut name = directory.as_os_str().to_owned();
        name.push(".key");
        name.into()
    }
}

/// What servers' definitions are compared with.
#[derive(Clone, Debug)]
pub struct Pins {
    /// Directory of the files.
    pub directory: PathBuf,
    /// What follows a server's name in the name of its file.
    pub suffix: String,
    /// What is trusted without an operator's word.
    pub trust: Trust,
    /// Whose signed lists are believed.
    pub keys: Vec<VerifierKey>,
}

impl Pins {
    /// The directory beside a file of records.
    pub(crate) fn beside(record: &Path) -> PathBuf {
        record.with_file_name("pins")
    }
}

/// A configuration and what should be known about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is weaker than it should be.
    pub warnings: Report,
}

/// Where stops are kept when no configuration says so.
pub(crate) fn default_stop_directory() -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let label = Path::new("the defaults");
    rules::assemble(label, "", home.as_deref()).ok().map(|loaded| loaded.config.stop.directory)
}

/// Reads the configuration in `file`.
///
/// # Errors
/// A [`Report`] of everything that is wrong with it, warnings included.
pub fn load(file: &Path) -> Result<Loaded, Report> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let text = sources::read(file).map_err(|problem| {
        let mut report = Report::default();
        report.push(problem);
        report
    })?;
    rules::assemble(file, &text, home.as_deref())
}

/// Everything that is wrong with the configuration in `file`, and the configuration as far as it can be made out: one
/// with errors is there to look for more of them, and for nothing else.
pub(crate) fn examine(file: &Path) -> (Option<Config>, Report) {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    match sources::read(file) {
        Ok(text) => rules::examine(file, &text, home.as_deref()),
        Err(problem) => {
            let mut report = Report::default();
            report.push(problem);
            (None, report)
        }
    }
}

/// Whether `text` would be a valid configuration in `file`.
pub(crate) fn validate(file: &Path, text: &str) -> Result<(), Report> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    rules::assemble(file, text, home.as_deref()).map(drop)
}

impl Config {
    /// A configuration with the servers of a client's settings and nothing else set.
    pub(crate) fn for_client(file: &Path) -> Result<Loaded, Report> {
        let full = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let text = format!("{} = {}", rules::MCP_SERVERS.name, tree::quote(&full.to_string_lossy()));
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        rules::assemble(Path::new("the command line"), &text, home.as_deref())
    }

    /// The configuration of `portcullis connect`: one server behind a URL, with these settings, as a file would have them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn for_url(
        name: &ServerName,
        settings: &[(&str, String)],
        record: PathBuf,
    ) -> Result<Self, Report> {
        let label = Path::new("the command line");
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let lines = settings.iter().map(|(setting, value)| format!("{setting} = {value}\n"));
        let text = format!("[server.{name}]\n{}", lines.collect::<String>());
        let mut config = rules::assemble(label, &text, home.as_deref())?.config;
        let url = settings.iter().find(|(setting, _)| *setting == "url").map_or("", |(_, url)| url);
        config.of_command_line(record, &Digest::of_parts(["url", url].map(str::as_bytes)));
        Ok(config)
    }

    /// Without what a file would bring. `whole` tells servers apart that have the same name.
    fn of_command_line(&mut self, record: PathBuf, whole: &Digest) {
        self.audit.file = record;
        self.pins.suffix =
            whole.to_string().chars().skip("sha256".len()).take(9).collect::<String>().replace(':', "-");
        self.policy.files.clear();
        self.sources.clear();
        // There is neither here, whatever lies in the working directory under their names.
        self.named.retain(|it| !matches!(it.field.as_str(), "policy.files" | "supply.lock"));
    }

    /// A configuration with one server and nothing else set, for a gateway without a file. The server gets the
    /// variables named in `env` as we have them.
    pub(crate) fn for_command(
        name: &ServerName,
        code: Code,
        args: &[String],
        env: &[String],
        sandbox: Sandbox,
        record: PathBuf,
    ) -> Result<Self, Report> {
        let label = Path::new("the command line");
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let mut config = rules::assemble(label, "", home.as_deref())?.config;
        let settle = |setting: &str, value: String| Settled {
            name: format!("server.{name}.{setting}"),
            value,
            origin: None,
            applies: Applies::Restart,
        };
        let listed = |words: &[String]| {
            let quoted: Vec<String> = words.iter().map(|word| tree::quote(word)).collect();
            format!("[{}]", quoted.join(", "))
        };
        let paths = |paths: &[PathBuf]| {
            listed(&paths.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>())
        };
        let (setting, what) = match &code {
            Code::Program(program) => ("command", program.as_str()),
            Code::Admitted(name) => ("admitted", name.as_str()),
        };
        // Two servers that are started in different ways may well get the same name.
        let whole = [setting, what].into_iter().skip(usize::from(setting == "command"));
        let whole = Digest::of_parts(whole.chain(args.iter().map(String::as_str)).map(str::as_bytes));
        config.settled.push(settle(setting, tree::quote(what)));
        config.settled.push(settle("args", listed(args)));
        config.settled.push(settle("sandbox_read", paths(&sandbox.read)));
        config.settled.push(settle("sandbox_write", paths(&sandbox.write)));
        config.settled.push(settle("sandbox_execute", listed(&sandbox.execute)));
        let hosts = |hosts: &BTreeSet<String>| listed(&hosts.iter().cloned().collect::<Vec<_>>());
        let addresses: Vec<_> = sandbox.egress.danger_addresses.iter().map(ToString::to_string).collect();
        config.settled.push(settle("sandbox_hosts", hosts(&sandbox.egress.hosts)));
        config.settled.push(settle("danger_plain_hosts", hosts(&sandbox.egress.danger_plain_hosts)));
        config.settled.push(settle("danger_private_addresses", listed(&addresses)));
        config.settled.push(settle("danger_host_network", sandbox.danger_host_network.to_string()));
        let tier = format!("{:?}", sandbox.tier).to_lowercase();
        config.settled.push(settle("sandbox_tier", tree::quote(&tier)));
        config
            .settled
            .push(settle("sandbox_runtime", tree::quote(sandbox.runtime.as_deref().unwrap_or_default())));
        config.settled.push(settle("danger_tier_fallback", sandbox.danger_tier_fallback.to_string()));
        config.settled.push(settle("danger_no_sandbox", sandbox.danger_none.to_string()));
        let variables =
            env.iter().map(|name| format!("{} = {{ env = {} }}", tree::key(name), tree::quote(name)));
        if !env.is_empty() {
            config.settled.push(settle("env", format!("{{ {} }}", variables.collect::<Vec<_>>().join(", "))));
        }
        let args = args.iter().cloned().map(Parameter::Plain).collect();
        let from_ours = |name: &String| {
            (name.clone(), Parameter::Fetched { source: Source::Env(name.clone()), prefix: String::new() })
        };
        let env = env.iter().map(from_ours).collect();
        let reach = Reach::Command(Command { code, args, env, cwd: None, sandbox });
        config.servers.extend(server::with_defaults(name.clone(), reach));
        config.targets.servers = rules::declared_targets(&config.servers);
        config.of_command_line(record, &whole);
        Ok(config)
    }

    /// Whether it is what a command line says, with options in place of settings.
    pub(crate) fn is_of_command_line(&self) -> bool {
        self.sources.is_empty()
    }

    /// Digest of every setting in force, defaults included, whatever its spelling or order. Secrets have no
    /// part in it; the places they come from do.
    pub fn digest(&self) -> Digest {
        let lines = self.settled.iter().map(|settled| format!("{}={}", settled.name, settled.value));
        let mut lines: Vec<String> = lines.collect();
        lines.sort_unstable();
        Digest::of_parts(lines.iter().map(String::as_bytes))
    }

    /// A problem with the setting `field`, at the place where it is set.
    pub(crate) fn problem(
        &self,
        field: &str,
        severity: Severity,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Problem {
        // A server that a client's file describes is set there as a whole.
        let whole =
            field.splitn(3, '.').take(2).chain([rules::MCP_SERVERS.name]).collect::<Vec<_>>().join(".");
        let mut settled =
            self.settled.iter().filter(|settled| settled.name == field || settled.name == whole);
        let origin = settled.find_map(|settled| settled.origin.as_ref());
        let (file, line, column) = match origin {
            Some(origin) => (origin.file.clone(), origin.line, origin.column),
            None => (sources::label(&self.file), 1, 1),
        };
        Problem {
            severity,
            file,
            line,
            column,
            field: field.to_owned(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// The settings that differ in `newer` and take effect only with the next start.
    pub fn needs_restart(&self, newer: &Config) -> Vec<String> {
        let fixed = |config: &Config| -> Vec<(String, String)> {
            let restart = config.settled.iter().filter(|settled| settled.applies == Applies::Restart);
            restart.map(|settled| (settled.name.clone(), settled.value.clone())).collect()
        };
        let (old, new) = (fixed(self), fixed(newer));
        let changed =
            old.iter().filter(|one| !new.contains(one)).chain(new.iter().filter(|one| !old.contains(one)));
        let mut names: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
