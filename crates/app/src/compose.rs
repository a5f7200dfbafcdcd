//! From a configuration to what the gateway is built of. Everything a deployment needs from the machine is
//! fetched here, before the first request, and everything that is missing is reported at once.

mod auth;
pub(crate) mod credential;
mod remote;

use std::{cell::OnceCell, net::SocketAddr, sync::Arc};

use portcullis_audit::stream::Receiver;
use portcullis_core::{Digest, Secret, ServerName};
use portcullis_gateway::{upstream::ClientCertificate, views::View};
use portcullis_identity::{AuthConfig, KeySet, MessageSigner, Revocations, SignInConfig};
use portcullis_inspect::data::{Canaries, SHORTEST_CANARY};
use portcullis_policy::{PolicyFault, PolicySet};

use crate::{
    admission::Admission,
    config::{
        self, Code, Config, Destination, HttpUrl, Parameter, Problem, Reach, Report, Sandbox, Server,
        Severity, Transport, read_private, sources,
    },
    requirements::{self, Compared},
    runtime::remote_of,
    streams,
    telemetry::Collector,
    tls::Certificate,
    views,
};

/// A configuration with everything it names fetched and checked.
pub(crate) struct Deployment {
    pub(crate) config: Config,
    /// Digest of the configuration, for records.
    pub(crate) digest: Digest,
    pub(crate) policies: PolicySet,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) auth: AuthConfig,
    /// How people at a browser are known, by the names of their issuers.
    pub(crate) sign_ins: Vec<(String, SignInConfig)>,
    pub(crate) revoked: Revocations,
    /// Keys of which one has to have signed each request over HTTP.
    pub(crate) signature_keys: Option<KeySet>,
    pub(crate) servers: Vec<Upstream>,
    /// Words that nobody has a reason to send.
    pub(crate) canaries: Canaries,
    /// Where records are sent on to.
    pub(crate) streams: Vec<(config::Stream, Box<dyn Receiver>)>,
    /// The way to the collector of telemetry, when there is one.
    pub(crate) collector: Option<Arc<Collector>>,
    /// What is weaker than it should be in what was fetched.
    pub(crate) warnings: Report,
}

/// Where calls come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The configured address.
    Http,
    /// Standard input and output.
    Stdio,
}

pub(crate) use crate::runtime::serve;

/// One upstream server with its secrets at hand.
pub(crate) struct Upstream {
    pub(crate) name: ServerName,
    pub(crate) reach: Fetched,
    /// The configured server, for its limits.
    pub(crate) server: Server,
    /// Narrow tools in place of some of its own.
    pub(crate) views: Vec<Arc<View>>,
}

impl Upstream {
    /// Why it is not started, when it is one of the lock and its admission does not hold.
    pub(crate) fn not_admitted(&self) -> Option<&str> {
        match &self.reach {
            Fetched::Command { admission: Some(admission), .. } => admission.found().err(),
            Fetched::Command { .. } | Fetched::Url { .. } => None,
        }
    }
}

/// How a server is reached, every parameter fetched.
pub(crate) enum Fetched {
    Command {
        program: String,
        args: Vec<String>,
        env: Vec<(String, Secret)>,
        cwd: Option<std::path::PathBuf>,
        sandbox: Sandbox,
        /// For a server of the lock; its program is what that says then.
        admission: Option<Arc<Admission>>,
    },
    Url {
        url: HttpUrl,
        headers: Vec<(http::HeaderName, Secret)>,
        credential: Option<credential::Fetched>,
        ca_file: Option<std::path::PathBuf>,
        certificate: Option<Arc<ClientCertificate>>,
        /// What signs requests, and a digest of its key.
        signer: Option<(Arc<MessageSigner>, Digest)>,
        danger_tls12: bool,
        transport: Transport,
    },
}

impl Deployment {
    /// Fetches what `config` names, its policies included.
    pub(crate) fn of(config: Config) -> Result<Self, Report> {
        Self::examined(config, |_| ())
    }

    /// The same; `look` is shown the servers for which everything could be fetched, whatever is missing besides.
    pub(crate) fn examined(config: Config, look: impl FnOnce(&[Upstream])) -> Result<Self, Report> {
        let mut needs = Needs::new(&config);
        let policies = needs.policies();
        let rest = needs.rest();
        look(&rest.servers);
        let report = needs.report;
        Self::finish(config, policies, rest, report)
    }

    /// The same with this policy in place of the configured files.
    pub(crate) fn with_policy(config: Config, name: &str, text: &str) -> Result<Self, Report> {
        let mut needs = Needs::new(&config);
        let policies = needs.load_policies(&[(name.to_owned(), text.to_owned())]);
        let rest = needs.rest();
        let report = needs.report;
        Self::finish(config, policies, rest, report)
    }

    fn finish(
        config: Config,
        policies: Option<PolicySet>,
        rest: Rest,
        report: Report,
    ) -> Result<Self, Report> {
        let digest = config.digest();
        match policies {
            Some(policies) if !report.has_errors() => Ok(Self {
                config,
                digest,
                policies,
                certificate: rest.certificate,
                auth: rest.auth,
                sign_ins: rest.sign_ins,
                revoked: rest.revoked,
                signature_keys: rest.signature_keys,
                servers: rest.servers,
                canaries: rest.canaries,
                collector: rest.collector,
                streams: rest.streams,
                warnings: report.sorted(),
            }),
            _ => Err(report.sorted()),
        }
    }

    /// The origin that is configured, where one is.
    pub(crate) fn public_origin(&self) -> Option<String> {
        self.config.gateway.public_url.as_ref().map(origin_of)
    }

    /// Scheme, host and port under which clients reach a gateway that listens on `address`, as tokens name them
    /// (RFC 3986 section 6.2.2).
    pub(crate) fn origin(&self, address: SocketAddr) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        self.public_origin().unwrap_or_else(|| {
            let (host, usual_port) = (address.to_string(), if scheme == "https" { ":443" } else { ":80" });
            format!("{scheme}://{}", host.strip_suffix(usual_port).unwrap_or(&host))
        })
    }

    /// Values of the `Host` header that name this gateway, without ports.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let gateway = &self.config.gateway;
        let mut hosts: Vec<String> =
            gateway.allowed_hosts.iter().map(|host| host.as_str().to_owned()).collect();
        hosts.extend(gateway.public_url.iter().filter_map(|url| url.uri().host()).map(str::to_lowercase));
        match gateway.listen.ip() {
            ip if ip.is_loopback() => {
                hosts.extend(["localhost", "127.0.0.1", "[::1]", "::1"].map(str::to_owned))
            }
            std::net::IpAddr::V4(ip) => hosts.push(ip.to_string()),
            std::net::IpAddr::V6(ip) => hosts.extend([ip.to_string(), format!("[{ip}]")]),
        }
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

/// Scheme, host and port of a URL, as tokens name them (RFC 3986 section 6.2.2).
fn origin_of(url: &HttpUrl) -> String {
    let (scheme, host) = (url.uri().scheme_str().unwrap_or("https"), url.uri().authority());
    let usual_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.map(|it| it.to_string()).unwrap_or_default();
    format!("{scheme}://{}", host.strip_suffix(usual_port).unwrap_or(&host).to_ascii_lowercase())
}

/// What besides the policies was fetched.
struct Rest {
    certificate: Option<Arc<Certificate>>,
    auth: AuthConfig,
    sign_ins: Vec<(String, SignInConfig)>,
    revoked: Revocations,
    signature_keys: Option<KeySet>,
    servers: Vec<Upstream>,
    canaries: Canaries,
    collector: Option<Arc<Collector>>,
    streams: Vec<(config::Stream, Box<dyn Receiver>)>,
}

/// Fetches and notes what is missing.
struct Needs<'c> {
    config: &'c Config,
    report: Report,
    /// What is known against the packages of admitted servers.
    known: OnceCell<Result<Option<Compared>, String>>,
}

impl<'c> Needs<'c> {
    fn new(config: &'c Config) -> Self {
        Self { config, report: Report::default(), known: OnceCell::new() }
    }

    fn policies(&mut self) -> Option<PolicySet> {
        let mut texts = Vec::new();
        for path in &self.config.policy.files {
            match sources::read(path) {
                Ok(text) => texts.push((sources::label(path).to_string_lossy().into_owned(), text)),
                Err(unfit) => {
                    let what = format!("`{}`: {}", unfit.file.display(), unfit.what);
                    self.report.push(self.config.problem(
                        "policy.files",
                        Severity::Error,
                        what,
                        unfit.remedy,
                    ));
                }
            }
        }
        let all = texts.len() == self.config.policy.files.len();
        self.load_policies(&texts).filter(|_| all)
    }

    fn load_policies(&mut self, texts: &[(String, String)]) -> Option<PolicySet> {
        let borrowed: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        match PolicySet::load(&borrowed) {
            Ok(set) => {
                set.warnings()
                    .iter()
                    .for_each(|fault| self.report.push(policy_problem(fault, Severity::Warning)));
                Some(set)
            }
            Err(faults) => {
                faults.iter().for_each(|fault| self.report.push(policy_problem(fault, Severity::Error)));
                None
            }
        }
    }

    fn rest(&mut self) -> Rest {
        let certificate = self.config.tls.as_ref().and_then(|tls| match Certificate::load(tls) {
            Ok(certificate) => Some(certificate),
            Err(errors) => {
                for error in errors.0 {
                    let what = error.to_string();
                    self.report.push(self.config.problem(error.field, Severity::Error, what, error.remedy));
                }
                None
            }
        });
        let servers = self.config.servers.iter().filter_map(|server| self.upstream(server)).collect();
        self.note_age();
        Rest {
            certificate,
            auth: auth::fetch(self.config, &mut self.report),
            sign_ins: auth::sign_ins(self.config, &mut self.report),
            revoked: auth::revoked(self.config, &mut self.report),
            signature_keys: auth::signature_keys(self.config, &mut self.report),
            servers,
            canaries: self.canaries(),
            collector: self.collector(),
            streams: self.streams(),
        }
    }

    fn collector(&mut self) -> Option<Arc<Collector>> {
        let wanted = self.config.telemetry.collector.as_ref()?;
        let headers = self.named("telemetry.headers", &wanted.headers)?;
        match Collector::new(wanted, headers) {
            Ok(collector) => Some(Arc::new(collector)),
            Err(what) => {
                let remedy = "correct it, or remove `telemetry.endpoint`";
                self.report.push(self.config.problem("telemetry.endpoint", Severity::Error, what, remedy));
                None
            }
        }
    }

    fn streams(&mut self) -> Vec<(config::Stream, Box<dyn Receiver>)> {
        let streams = &self.config.streams;
        streams.iter().filter_map(|stream| Some((stream.clone(), self.stream(stream)?))).collect()
    }

    fn stream(&mut self, stream: &config::Stream) -> Option<Box<dyn Receiver>> {
        let field = format!("stream.{}", stream.name);
        let headers = match &stream.to {
            Destination::Webhook { headers, .. } => self.named(&format!("{field}.headers"), headers)?,
            Destination::Syslog { .. } | Destination::File(_) => Vec::new(),
        };
        match streams::receiver(stream, headers) {
            Ok(receiver) => Some(receiver),
            Err(what) => {
                let remedy = "correct it, or remove the stream";
                self.report.push(self.config.problem(&field, Severity::Error, what, remedy));
                None
            }
        }
    }

    /// The words of the file of canaries, one a line.
    fn canaries(&mut self) -> Canaries {
        const FIELD: &str = "content.data.canaries";
        let Some(path) = &self.config.data.canaries else { return Canaries::default() };
        let text = match read_private(path) {
            Ok(text) => text,
            Err(error) => {
                let problem = self.config.problem(FIELD, Severity::Error, error.to_string(), error.remedy());
                self.report.push(problem);
                return Canaries::default();
            }
        };
        let lines = text.expose().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let words: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
        let short = words.iter().filter(|word| word.len() < SHORTEST_CANARY).count();
        if short > 0 {
            let what =
                format!("`{}` has {short} words of fewer than {SHORTEST_CANARY} bytes", path.display());
            let remedy = "make them longer: a short word is found by chance";
            self.report.push(self.config.problem(FIELD, Severity::Error, what, remedy));
        }
        Canaries::new(words.into_iter().map(|word| Secret::new(word.to_vec())))
    }

    fn upstream(&mut self, server: &Server) -> Option<Upstream> {
        let name = server.name.clone();
        let (reach, views) = (self.reach(server), self.views(server));
        let upstream = Upstream { name, reach: reach?, server: server.clone(), views: views? };
        if let Err(error) = remote_of(&upstream, self.config) {
            let field = format!("server.{}.url", server.name);
            let remedy = "correct it, or remove the server";
            self.report.push(self.config.problem(&field, Severity::Error, error.to_string(), remedy));
        }
        Some(upstream)
    }

    /// All of it is fetched before the first that is missing ends this, so that all that is missing is told.
    fn reach(&mut self, server: &Server) -> Option<Fetched> {
        let name = &server.name;
        Some(match &server.reach {
            Reach::Command(command) => {
                let args: Vec<_> = command
                    .args
                    .iter()
                    .enumerate()
                    .map(|(index, arg)| self.argument(name, index, arg))
                    .collect();
                let env = self.named(&format!("server.{name}.env"), &command.env);
                let (mut words, admission) = self.code(name, &command.code);
                words.extend(args.into_iter().collect::<Option<Vec<String>>>()?);
                let mut words = words.into_iter();
                Fetched::Command {
                    program: words.next().unwrap_or_default(),
                    args: words.collect(),
                    env: env?,
                    cwd: command.cwd.clone(),
                    sandbox: command.sandbox.clone(),
                    admission,
                }
            }
            Reach::Url(remote) => {
                let headers = self.named(&format!("server.{name}.headers"), &remote.headers);
                let credential = credential::fetch(self.config, &mut self.report, name, remote);
                let (certificate, signer) = (self.certificate(name, remote), self.signer(name, remote));
                // The names were checked when they were read.
                let parsed =
                    headers?.into_iter().filter_map(|(name, value)| Some((name.parse().ok()?, value)));
                Fetched::Url {
                    url: remote.url.clone(),
                    headers: parsed.collect(),
                    credential: credential.ok()?,
                    ca_file: remote.ca_file.clone(),
                    certificate: certificate?,
                    signer: signer?,
                    danger_tls12: remote.danger_tls12,
                    transport: remote.transport,
                }
            }
        })
    }

    /// The program and its first arguments. A server whose admission does not hold has none, and the others are served.
    fn code(&mut self, server: &ServerName, code: &Code) -> (Vec<String>, Option<Arc<Admission>>) {
        let admitted = match code {
            Code::Program(program) => return (vec![program.clone()], None),
            Code::Admitted(name) => name,
        };
        let known = self.known.get_or_init(|| requirements::against(self.config));
        let admission = Admission::of(&self.config.supply, admitted).unless(known);
        let words = match admission.found() {
            Ok(start) => start.command.clone(),
            Err(reason) => {
                let field = format!("server.{server}.admitted");
                let remedy = "its calls are refused until it is admitted again";
                let problem = self.config.problem(&field, Severity::Warning, reason, remedy);
                self.report.push(problem);
                vec![String::new()]
            }
        };
        (words, Some(Arc::new(admission)))
    }

    fn note_age(&mut self) {
        if let Some(Ok(Some(known))) = self.known.get()
            && let Some(what) = known.stale()
        {
            let remedy = "fetch them again";
            self.report.push(self.config.problem("supply.osv", Severity::Warning, what, remedy));
        }
    }

    fn views(&mut self, server: &Server) -> Option<Vec<Arc<View>>> {
        let Some(file) = &server.views else { return Some(Vec::new()) };
        views::read(file).map_err(|report| self.report.extend(report)).ok()
    }

    fn argument(&mut self, server: &ServerName, index: usize, argument: &Parameter) -> Option<String> {
        let secret = self.fetch(&format!("server.{server}.args"), &format!("[{index}]"), argument)?;
        let text = String::from_utf8(secret.expose().to_vec()).ok();
        if text.is_none() {
            let field = format!("server.{server}.args");
            self.report.push(self.config.problem(
                &field,
                Severity::Error,
                "an argument is not UTF-8",
                "correct its source",
            ));
        }
        text
    }

    fn named(&mut self, table: &str, values: &[(String, Parameter)]) -> Option<Vec<(String, Secret)>> {
        let fetched: Vec<_> = values
            .iter()
            .map(|(name, value)| Some((name.clone(), self.fetch(table, &format!(".{name}"), value)?)))
            .collect();
        fetched.into_iter().collect()
    }

    fn fetch(&mut self, field: &str, inside: &str, value: &Parameter) -> Option<Secret> {
        match value.fetch() {
            Ok(secret) => Some(secret),
            Err(error) => {
                let mut problem =
                    self.config.problem(field, Severity::Error, error.to_string(), error.remedy());
                problem.field.push_str(inside);
                self.report.push(problem);
                None
            }
        }
    }
}

/// What is wrong with a policy, as a problem of its file.
pub(crate) fn policy_problem(fault: &PolicyFault, severity: Severity) -> Problem {
    Problem {
        severity,
        file: fault.file.as_ref().into(),
        line: fault.line,
        column: fault.column,
        field: fault.policy.as_deref().map(|policy| format!("policy `{policy}`")).unwrap_or_default(),
        what: fault.problem.clone(),
        remedy: fault.remedy.clone(),
    }
}
