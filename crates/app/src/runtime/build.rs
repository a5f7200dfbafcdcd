//! From a deployment to a snapshot. A reload builds the next one, keeping the servers it does not change.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use portcullis_audit::{Fsync, JsonLinesOptions, Recorder};
use portcullis_core::{Clock, ControlId, Digest, Launcher, Pins, Secret, SystemClock, wire};
use portcullis_gateway::{
    FetchLimits, Server, SessionLimits, Settings, Snapshot,
    outbound::Timing,
    upstream::{
        Endpoint, HttpConfigError, HttpMode, Observer, Program, Server as UpstreamServer, ServerConfig,
        Transport,
    },
};
use portcullis_identity::{Authenticator, Connector, ConsentPages, Credential, CredentialConfig, Signatures};
use portcullis_inspect::{Inspector, InspectorOptions, MessageLimits, Misfits, Undeclared, data::TokenKey};
use portcullis_policy::{Authoriser, Options};

use super::boundary::stated;
use crate::{
    admission::Admitting,
    approvals::ApprovalFiles,
    compose::{Deployment, Fetched, Upstream as Configured},
    config::{self, Config},
    confine::{Confined, Effects, confine},
    own::Own,
    printer::Printer,
};

/// Controls that must be there for the gateway to start.
const REQUIRED: &[ControlId] =
    &[ControlId::Net05, ControlId::Ti01, ControlId::Ti02, ControlId::Ti03, ControlId::Ti04, ControlId::Ti06];

/// Builds snapshots.
#[derive(Clone)]
pub(super) struct Builder {
    launcher: Arc<dyn Launcher>,
    clock: Arc<dyn Clock>,
    observer: Observer,
    recorder: Recorder,
    pins: Arc<dyn Pins>,
    printer: Printer,
}

impl Builder {
    pub(super) fn new(
        launcher: Arc<dyn Launcher>,
        clock: Arc<dyn Clock>,
        observer: Observer,
        recorder: Recorder,
        pins: Arc<dyn Pins>,
        printer: Printer,
    ) -> Self {
        Self { launcher, clock, observer, recorder, pins, printer }
    }

    pub(super) fn snapshot(
        &self,
        deployment: &Deployment,
        previous: Option<&Snapshot>,
    ) -> Result<Snapshot, String> {
        let config = &deployment.config;
        let options = inspector_options(deployment);
        let mut servers = BTreeMap::new();
        let own = Own::of(config);
        for configured in &deployment.servers {
            servers.insert(configured.name.clone(), self.server(configured, config, &own, previous)?);
        }
        Ok(Snapshot {
            consent: consent(deployment, &self.clock),
            authenticator: Authenticator::new(&deployment.auth)
                .without(deployment.revoked.clone())
                .with_signatures(deployment.signature_keys.clone().map(Signatures::new)),
            authoriser: Authoriser::new(deployment.policies.clone(), Options::default())
                .map_err(|e| e.to_string())?,
            inspector: Inspector::new(options).map_err(|e| e.to_string())?,
            pins: self.pins.clone(),
            approvals: Arc::new(ApprovalFiles::of(config)),
            stated: Some(stated(config, &servers)),
            servers,
            settings: settings(config),
            config_digest: deployment.digest,
        })
    }

    /// The server of the previous snapshot when it would come out the same, with its links and lists.
    fn server(
        &self,
        configured: &Configured,
        config: &Config,
        own: &Own,
        previous: Option<&Snapshot>,
    ) -> Result<Arc<Server>, String> {
        let fingerprint = format!("{}{}", fingerprint(configured, config), own.describe());
        if let Some(same) =
            previous.and_then(|p| p.servers.get(&configured.name)).filter(|s| s.fingerprint == fingerprint)
        {
            return Ok(same.clone());
        }
        let confined = confine(configured, config, own, Effects::Wanted);
        if let Some(confined) = &confined {
            self.printer.status(&confined.described(&configured.name));
        }
        let admission = match &configured.reach {
            Fetched::Command { admission, .. } => admission.clone(),
            Fetched::Url { .. } => None,
        };
        let launcher: Arc<dyn Launcher> = match &admission {
            Some(admission) => {
                Arc::new(Admitting::new(self.launcher.clone(), admission.clone(), self.recorder.clone()))
            }
            None => self.launcher.clone(),
        };
        let server_config = server_config(configured, confined.as_ref(), &config.limits, &self.clock);
        let timing = Timing { idle: server_config.request_timeout, total: server_config.total_timeout };
        let upstream =
            UpstreamServer::new(server_config, launcher, self.observer.clone(), self.clock.clone())
                .map_err(|e| format!("server `{}`: {e}", configured.name))?;
        let server = Server::new(configured.name.clone(), Arc::new(upstream), timing, fingerprint);
        Ok(Arc::new(Server {
            declared: configured.server.declared.clone(),
            views: configured.views.clone(),
            sandbox: confined.as_ref().and_then(Confined::plan),
            isolation: confined.map(|confined| confined.run()),
            admission: admission.map(|admission| admission.run()),
            ..server
        }))
    }
}

/// Pages for the servers that ask their users, where callers have access tokens.
fn consent(deployment: &Deployment, clock: &Arc<dyn Clock>) -> Option<Arc<ConsentPages>> {
    let connectors = deployment.servers.iter().filter_map(|server| match &server.reach {
        Fetched::Url { credential: Some(credential), .. } => match &credential.config {
            CredentialConfig::AuthorizationCode(connect) => {
                Some((server.name.to_string(), Arc::new(Connector::new(connect, clock.clone()))))
            }
            _ => None,
        },
        _ => None,
    });
    let origin = deployment.public_origin().filter(|_| !deployment.sign_ins.is_empty())?;
    Some(Arc::new(ConsentPages::new(&origin, connectors, &deployment.sign_ins, clock.clone())))
}

fn inspector_options(deployment: &Deployment) -> InspectorOptions {
    let config = &deployment.config;
    let config::Schemas { danger_accept_undeclared, danger_accept_misfits } = config.schemas;
    InspectorOptions {
        required: REQUIRED.to_vec(),
        limits: message_limits(&config.limits),
        targets: config.targets.clone(),
        content: config.content,
        data: config.data.policy,
        canaries: deployment.canaries.clone(),
        token_key: token_key(),
        undeclared: if danger_accept_undeclared { Undeclared::Accept } else { Undeclared::Refuse },
        misfits: if danger_accept_misfits { Misfits::Accept } else { Misfits::Refuse },
        ..InspectorOptions::default()
    }
}

/// The same for as long as the process runs, so that a reload changes no word. Without randomness there is none.
fn token_key() -> Option<TokenKey> {
    static KEY: OnceLock<Option<TokenKey>> = OnceLock::new();
    let made = || {
        let mut bytes = vec![0; 32];
        getrandom::fill(&mut bytes).ok()?;
        Some(TokenKey::new(Secret::new(bytes)))
    };
    KEY.get_or_init(made).clone()
}

/// Settings of other sections that decide what of a server's lists is offered, and how.
const LISTS: [&str; 5] = ["limits.", "targets.", "schemas.", "content.tool_description", "content.schema"];

/// Everything a server's behaviour depends on: its settings, and digests of the secrets they lead to, so that a
/// rotated one reaches it.
fn fingerprint(configured: &Configured, config: &Config) -> String {
    let own = format!("server.{}.", configured.name);
    let credential = match &configured.reach {
        Fetched::Url { credential: Some(credential), .. } => format!("credential.{}.", credential.name),
        _ => String::new(),
    };
    let of_credential = |name: &str| !credential.is_empty() && name.starts_with(&credential);
    let wanted = |s: &&config::Settled| {
        s.name.starts_with(&own)
            || LISTS.iter().any(|other| s.name.starts_with(other))
            || of_credential(&s.name)
    };
    let settings: String =
        config.settled.iter().filter(wanted).map(|s| format!("{}={}\n", s.name, s.value)).collect();
    let secrets: Vec<&[u8]> = match &configured.reach {
        Fetched::Command { env, .. } => env.iter().map(|(_, secret)| secret.expose()).collect(),
        Fetched::Url { headers, credential, signer, .. } => {
            let secrets = headers.iter().map(|(_, secret)| secret.expose());
            let signer = signer.iter().map(|(_, key)| key.as_bytes().as_slice());
            secrets
                .chain(credential.iter().map(|it| it.secrets.as_bytes().as_slice()))
                .chain(signer)
                .collect()
        }
    };
    let admitted = match &configured.reach {
        Fetched::Command { admission: Some(admission), .. } => format!("{:?}", admission.found()),
        Fetched::Command { .. } | Fetched::Url { .. } => String::new(),
    };
    format!("{settings}{}{:?}{admitted}", Digest::of_parts(secrets), configured.views)
}

fn server_config(
    configured: &Configured,
    confined: Option<&Confined>,
    limits: &config::Limits,
    clock: &Arc<dyn Clock>,
) -> ServerConfig {
    let transport = match &configured.reach {
        Fetched::Command { program, args, env, cwd, .. } => Transport::Stdio(match confined {
            Some(confined) => Program {
                command: confined.program.clone(),
                args: confined.args.clone(),
                env: env.clone(),
                cwd: cwd.clone(),
                boundary: confined.boundary.clone(),
            },
            // Not settled: it will not be started.
            None => Program { command: program.into(), args: args.clone(), ..Program::default() },
        }),
        Fetched::Url { url, headers, credential, ca_file, certificate, signer, danger_tls12, transport } => {
            Transport::Http(Endpoint {
                url: url.uri().clone(),
                headers: headers.clone(),
                credential: credential
                    .as_ref()
                    .map(|credential| Arc::new(Credential::new(&credential.config, clock.clone()))),
                ca_file: ca_file.clone(),
                certificate: certificate.clone(),
                signer: signer.as_ref().map(|(signer, _)| signer.clone()),
                danger_tls12: *danger_tls12,
                mode: match transport {
                    config::Transport::Auto => HttpMode::Auto,
                    config::Transport::StreamableHttp => HttpMode::Streamable,
                    config::Transport::Sse => HttpMode::Sse,
                },
            })
        }
    };
    let server = &configured.server;
    ServerConfig {
        connect_timeout: server.connect,
        request_timeout: server.request.unwrap_or(limits.request_seconds),
        total_timeout: server.total.unwrap_or(limits.total_seconds),
        idle_close: limits.idle_seconds,
        max_message_bytes: limits.response_bytes,
        max_message_values: message_limits(limits).response.max_nodes,
        max_in_flight: server.concurrent_requests,
        // One for each session there may be, and some for stateless callers.
        max_links: limits.sessions.saturating_add(64),
        ..ServerConfig::new(configured.name.clone(), transport)
    }
}

/// Whether a client can be made for a server behind a URL.
pub(crate) fn remote_of(configured: &Configured, config: &Config) -> Result<(), HttpConfigError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    server_config(configured, None, &config.limits, &clock).check()
}

fn message_limits(limits: &config::Limits) -> MessageLimits {
    let both = wire::Limits {
        max_bytes: limits.body_bytes,
        max_depth: limits.json_depth,
        max_string: limits.json_string_bytes,
        max_members: limits.json_members,
        max_nodes: limits.json_nodes,
    };
    let response = wire::Limits {
        max_bytes: limits.response_bytes,
        max_string: limits.json_string_bytes.max(limits.response_bytes),
        max_nodes: limits.json_nodes.max(MessageLimits::default().response.max_nodes),
        ..both
    };
    MessageLimits { request: both, response }
}

fn settings(config: &Config) -> Settings {
    let limits = &config.limits;
    Settings {
        floor: config.protocol.floor,
        lists: FetchLimits { items: limits.list_items, ..FetchLimits::default() },
        sessions: SessionLimits {
            total: limits.sessions,
            per_principal: limits.sessions_per_principal,
            idle_ms: u64::try_from(limits.idle_seconds.as_millis()).unwrap_or(u64::MAX),
        },
        baggage: config.telemetry.baggage.iter().map(|key| key.as_str().into()).collect(),
        ..Settings::default()
    }
}

/// How the log is kept.
pub(super) fn log_options(config: &Config) -> JsonLinesOptions {
    JsonLinesOptions {
        fsync: match config.audit.fsync {
            config::Fsync::Always => Fsync::Always,
            config::Fsync::Interval(interval) => Fsync::Interval(interval),
            config::Fsync::Never => Fsync::DangerNever,
        },
        rotate_bytes: config.audit.rotate_bytes,
        ..JsonLinesOptions::new(&config.audit.file)
    }
}

/// Settings in force that weaken security, by name and value. A secret written into the file itself is named
/// without its value.
pub(super) fn dangers(config: &Config) -> impl Iterator<Item = String> + '_ {
    let set = config.settled.iter().filter(|s| s.origin.is_some() && s.value != "false");
    set.filter_map(|s| {
        match (
            s.name.contains("danger") || s.value.contains("danger_pass"),
            s.value.contains("danger_inline"),
        ) {
            (_, true) => Some(format!("{} has a `danger_inline` secret", s.name)),
            (true, false) => Some(format!("{} = {}", s.name, s.value)),
            (false, false) => None,
        }
    })
}

/// The name of this machine, as far as it can stand in a record id.
pub(crate) fn node_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().filter(allowed).take(64).collect();
    if name.is_empty() { "node".to_owned() } else { name }
}
