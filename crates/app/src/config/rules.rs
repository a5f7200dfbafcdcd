//! From a document to a configuration: the sections, and other files it names.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis_core::{Digest, ServerName};
use portcullis_inspect::{
    detect::ContentPolicy,
    targets::{DeclaredTargets, TargetPolicy},
};

use super::{
    Audit, Auth, Behaviour, ClientCertificates, Config, Data, Issuer, Loaded, Named, Oauth, Parameter, Pins,
    Reach, Server, Source, Stream, Telemetry, Tls, TransparencyConfig,
    behaviour::BehaviourSection,
    between,
    content::ContentSection,
    credential::{self, Credential},
    data::DataSection,
    issuer,
    kind::{FilePath, OneOrMore, Place},
    problem::{Fault, Report, Severity},
    section::{
        Admin, AuditSection, AuthMode, AuthSection, Fsync, Gateway, Limits, PinsSection, Policy, Protocol,
        Schemas, StopSwitch, TlsSection,
    },
    server,
    setting::{Applies, Origin, Section as _, Setting, Table, Walk},
    sources, stream,
    supply::Supply,
    targets::TargetsSection,
    telemetry::TelemetrySection,
    tree::{Language, Position},
};
use crate::clients;

/// The sections, besides `server`.
pub(super) const SECTIONS: &[&str] = &[
    "gateway",
    "tls",
    "admin",
    "auth",
    "limits",
    "audit",
    "telemetry",
    "pins",
    "policy",
    "content",
    "targets",
    "schemas",
    "protocol",
    "stop",
    "behaviour",
    "supply",
];

/// The one setting outside every section.
pub(super) const MCP_SERVERS: Setting = Setting {
    name: "mcpServers",
    doc: " Configuration files of MCP clients, read as they are: their servers are added to those of this file.\n",
    default: None,
    kind: &OneOrMore(FilePath),
    applies: Applies::Live,
};

/// Everything that was read, as far as it could be.
pub(super) struct Draft {
    pub(super) gateway: Option<Gateway>,
    pub(super) tls: Option<Option<Tls>>,
    pub(super) admin: Option<Admin>,
    pub(super) auth: Option<Auth>,
    pub(super) credentials: Vec<Credential>,
    pub(super) revocations: Option<PathBuf>,
    pub(super) signature_keys: Option<PathBuf>,
    pub(super) limits: Option<Limits>,
    pub(super) audit: Option<Audit>,
    pub(super) telemetry: Option<Telemetry>,
    pub(super) streams: Vec<Stream>,
    pub(super) pins: Option<PinsSection>,
    pub(super) policy: Option<Policy>,
    pub(super) content: Option<ContentPolicy>,
    pub(super) data: Option<Data>,
    pub(super) targets: Option<TargetPolicy>,
    pub(super) schemas: Option<Schemas>,
    pub(super) protocol: Option<Protocol>,
    pub(super) stop: Option<StopSwitch>,
    pub(super) behaviour: Option<Behaviour>,
    pub(super) supply: Option<Supply>,
    pub(super) servers: Vec<Server>,
}

/// The configuration that `text` describes.
pub(super) fn assemble(file: &Path, text: &str, home: Option<&Path>) -> Result<Loaded, Report> {
    match examine(file, text, home) {
        (Some(config), report) if !report.has_errors() => Ok(Loaded { config, warnings: report }),
        (_, report) => Err(report),
    }
}

/// The same as far as it can be made out, and what is wrong with it.
pub(super) fn examine(file: &Path, text: &str, home: Option<&Path>) -> (Option<Config>, Report) {
    let shown = sources::label(file);
    let full = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let base = full.parent().unwrap_or(Path::new("/")).to_owned();
    let named = RefCell::default();
    let mut walk = Walk::new(&shown, Place { base: &base, home, named: &named });
    let (document, faults) = Language::Toml.parse(text);
    let whole = faults.is_empty();
    faults.into_iter().for_each(|fault| walk.fault("", fault));
    let entries = document.entries().unwrap_or_default();
    let root = Table { name: String::new(), at: Position::START, entries };

    let mut draft = read_sections(&mut walk, &root);
    let imported = read_imports(&mut walk, &root, &mut draft.servers);
    let known: Vec<&str> = SECTIONS
        .iter()
        .copied()
        .chain(["server", "issuer", "credential", "stream", MCP_SERVERS.name])
        .collect();
    // After a syntax error, what belongs to a section can look as if it stood outside.
    if whole {
        walk.refuse_unknown(&root, &known);
    }
    between::check(&mut walk, &draft);

    let Walk { report, mut settled, named, .. } = walk;
    let report = report.sorted();
    settled.sort_by(|a, b| a.name.cmp(&b.name));
    let sources = std::iter::once(full.clone()).chain(imported).collect();
    (draft.finish(full, settled, sources, named), report)
}

fn read_sections(walk: &mut Walk<'_>, root: &Table<'_>) -> Draft {
    let gateway = walk.section(root, "gateway");
    let tls = walk.section::<TlsSection>(root, "tls");
    let admin = walk.section(root, "admin");
    let auth = walk.section::<AuthSection>(root, "auth");
    let issuers = issuer::read_all(walk, root);
    let limits = walk.section(root, "limits");
    let audit = walk.section::<AuditSection>(root, "audit");
    let telemetry = walk.section::<TelemetrySection>(root, "telemetry");
    let (content, data) = read_content(walk, root);
    let targets = walk.section::<TargetsSection>(root, "targets");
    let behaviour = walk.section::<BehaviourSection>(root, "behaviour");
    Draft {
        gateway,
        tls: tls.and_then(|section| settle_tls(walk, section)),
        admin,
        revocations: auth.as_ref().map(|section| section.revocations.clone()),
        signature_keys: auth.as_ref().and_then(|section| section.signature_keys.clone()),
        auth: auth.and_then(|section| settle_auth(walk, section, issuers)),
        credentials: credential::read_all(walk, root),
        limits,
        audit: audit.and_then(|section| settle_audit(walk, section)),
        telemetry: telemetry.map(|section| section.settle(walk)),
        streams: stream::read_all(walk, root),
        pins: walk.section(root, "pins"),
        policy: walk.section(root, "policy"),
        content: content.map(|section| section.settle(walk)),
        data: data.map(|section| section.settle(walk)),
        targets: targets.map(|section| section.settle(walk)),
        schemas: walk.section(root, "schemas"),
        protocol: walk.section(root, "protocol"),
        stop: walk.section(root, "stop"),
        behaviour: behaviour.map(|section| section.settle(walk)),
        supply: walk.section(root, "supply"),
        servers: server::read_all(walk, root),
    }
}

/// `[content]`, and `[content.data]` inside of it.
fn read_content(walk: &mut Walk<'_>, root: &Table<'_>) -> (Option<ContentSection>, Option<DataSection>) {
    let entry = root.entry("content");
    let table = entry.map_or(Some(empty("content")), |entry| walk.table("content", entry));
    let Some(table) = table else { return (None, None) };
    let own: Vec<_> = table.entries.iter().filter(|entry| entry.key != "data").cloned().collect();
    let content =
        ContentSection::read(walk, &Table { entries: &own, name: table.name.clone(), at: table.at });
    let inner = table.entry("data");
    let inner = inner.map_or(Some(empty("content.data")), |entry| walk.table("content.data", entry));
    (content, inner.and_then(|table| DataSection::read(walk, &table)))
}

fn empty(name: &str) -> Table<'static> {
    Table { name: name.to_owned(), at: Position::START, entries: &[] }
}

impl Draft {
    fn finish(
        self,
        file: PathBuf,
        settled: Vec<super::Settled>,
        sources: Vec<PathBuf>,
        named: Vec<Named>,
    ) -> Option<Config> {
        let audit = self.audit?;
        let mut servers = self.servers;
        servers.sort_by(|a, b| a.name.cmp(&b.name));
        Some(Config {
            file,
            gateway: self.gateway?,
            tls: self.tls?,
            admin: self.admin?,
            auth: self.auth?,
            credentials: self.credentials,
            revocations: self.revocations?,
            signature_keys: self.signature_keys,
            limits: self.limits?,
            pins: pins(self.pins?, &audit.file),
            audit,
            telemetry: self.telemetry?,
            streams: self.streams,
            policy: self.policy?,
            content: self.content?,
            data: self.data?,
            targets: TargetPolicy { servers: declared_targets(&servers), ..self.targets? },
            schemas: self.schemas?,
            protocol: self.protocol?,
            stop: self.stop?,
            behaviour: self.behaviour?,
            supply: self.supply?,
            servers,
            settled,
            sources,
            named,
            users: None,
        })
    }
}

pub(super) fn declared_targets(servers: &[Server]) -> BTreeMap<ServerName, DeclaredTargets> {
    servers.iter().map(|server| (server.name.clone(), server.targets.clone())).collect()
}

fn pins(section: PinsSection, record: &Path) -> Pins {
    let directory = section.directory.unwrap_or_else(|| Pins::beside(record));
    Pins { directory, suffix: String::new(), trust: section.trust, keys: section.keys }
}

fn settle_tls(walk: &mut Walk<'_>, section: TlsSection) -> Option<Option<Tls>> {
    let clients = client_certificates(walk, &section)?;
    match (section.cert, section.key) {
        (Some(cert), Some(key)) => Some(Some(Tls { cert, key, clients })),
        (None, None) if clients.is_some() => {
            let remedy = "add `tls.cert` and `tls.key`";
            walk.conflict("tls.client_ca", Severity::Error, "certificates of clients need TLS", remedy);
            None
        }
        (None, None) => Some(None),
        (Some(_), None) => {
            walk.conflict("tls.cert", Severity::Error, "a certificate without its key", "add `tls.key`");
            None
        }
        (None, Some(_)) => {
            walk.conflict("tls.key", Severity::Error, "a key without its certificate", "add `tls.cert`");
            None
        }
    }
}

#[allow(clippy::option_option, reason = "none asked for and a mistake differ")]
fn client_certificates(walk: &mut Walk<'_>, section: &TlsSection) -> Option<Option<ClientCertificates>> {
    let required = section.require_client_certificate;
    let clients = section.client_ca.clone().map(|authorities| ClientCertificates { authorities, required });
    if required && clients.is_none() {
        let what = "nobody is named who vouches for certificates of clients";
        walk.conflict("tls.require_client_certificate", Severity::Error, what, "add `tls.client_ca`");
        return None;
    }
    Some(clients)
}

fn settle_auth(walk: &mut Walk<'_>, section: AuthSection, issuers: Vec<Issuer>) -> Option<Auth> {
    if section.mode != AuthMode::Oauth {
        refuse_oauth_settings(walk, &issuers);
    }
    match (section.mode, section.danger_dev_principal) {
        (AuthMode::Oauth, None) if !issuers.is_empty() => Some(Auth::Oauth(Oauth {
            issuers,
            required_scopes: section.required_scopes,
            dpop_nonce: section.dpop_nonce,
        })),
        (AuthMode::Oauth, None) => {
            let remedy = "add `[issuer.NAME]` with its `url`";
            walk.conflict("auth.mode", Severity::Error, "`oauth` needs an issuer of tokens", remedy);
            None
        }
        (AuthMode::LoopbackUser, None) => Some(Auth::LoopbackUser),
        (AuthMode::Dev, Some(principal)) => Some(Auth::Dev { principal }),
        (AuthMode::Dev, None) => {
            let remedy = "add `danger_dev_principal = \"name\"`, or use `mode = \"loopback-user\"`";
            walk.conflict(
                "auth.mode",
                Severity::Error,
                "`dev` needs the principal it takes every caller for",
                remedy,
            );
            None
        }
        (AuthMode::LoopbackUser | AuthMode::Oauth, Some(_)) => {
            let what = "this has a meaning only together with `mode = \"dev\"`";
            walk.conflict(
                "auth.danger_dev_principal",
                Severity::Error,
                what,
                "remove it, or add `mode = \"dev\"`",
            );
            None
        }
    }
}

/// Whoever configures issuers and no `oauth` believes that tokens are looked at.
fn refuse_oauth_settings(walk: &mut Walk<'_>, issuers: &[Issuer]) {
    let mut fields: Vec<String> =
        issuers.iter().map(|issuer| format!("issuer.{}.url", issuer.name)).collect();
    fields.extend(walk.is_set("auth.required_scopes").then(|| "auth.required_scopes".to_owned()));
    for field in fields {
        let what = "this has a meaning only together with `auth.mode = \"oauth\"`";
        walk.conflict(&field, Severity::Error, what, "remove it, or add `mode = \"oauth\"` to `[auth]`");
    }
}

fn settle_audit(walk: &mut Walk<'_>, section: AuditSection) -> Option<Audit> {
    if section.danger_fsync_never && walk.is_set("audit.fsync") {
        let what = "this says when records are forced to disk, and `danger_fsync_never` says never";
        walk.conflict("audit.fsync", Severity::Error, what, "keep one of the two");
        return None;
    }
    if section.danger_spare_file.is_none() && walk.is_set("audit.danger_spare_minutes") {
        let what = "this has a meaning only together with `danger_spare_file`";
        walk.conflict("audit.danger_spare_minutes", Severity::Warning, what, "remove it, or name a file");
    }
    let transparency = transparency(walk, &section);
    let longest = Duration::from_secs(60 * u64::from(section.danger_spare_minutes));
    Some(Audit {
        spare: section.danger_spare_file.clone().map(|file| (file, longest)),
        file: section.file,
        fsync: if section.danger_fsync_never { Fsync::Never } else { section.fsync },
        rotate_bytes: Some(section.rotate_bytes).filter(|bytes| *bytes > 0),
        transparency,
        commitment_key: section.commitment_key,
        withhold_on_failed_outcome: section.withhold_on_failed_outcome,
    })
}

fn transparency(walk: &mut Walk<'_>, section: &AuditSection) -> Option<TransparencyConfig> {
    let Some(directory) = section.log.clone() else {
        for field in ["audit.log_key", "audit.checkpoint_seconds", "audit.witnesses"] {
            if walk.is_set(field) {
                let what = "this has a meaning only together with `log`";
                walk.conflict(field, Severity::Warning, what, "remove it, or name a directory with `log`");
            }
        }
        return None;
    };
    let key = section.log_key.clone().unwrap_or_else(|| TransparencyConfig::key_beside(&directory));
    let (checkpoint, witnesses) = (section.checkpoint_seconds, section.witnesses.clone());
    Some(TransparencyConfig { directory, key, checkpoint, witnesses })
}

/// Adds the servers of every client's file that `mcpServers` names; gives back the files.
fn read_imports(walk: &mut Walk<'_>, root: &Table<'_>, servers: &mut Vec<Server>) -> Vec<PathBuf> {
    let files = walk.setting(root, &MCP_SERVERS, &OneOrMore(FilePath)).unwrap_or_default();
    for path in &files {
        match sources::read(path) {
            Ok(text) => read_import(walk, path, &text, servers),
            Err(unfit) => {
                let what = format!("`{}`: {}", unfit.file.display(), unfit.what);
                walk.conflict(MCP_SERVERS.name, Severity::Error, what, unfit.remedy);
            }
        }
    }
    files
}

fn read_import(walk: &mut Walk<'_>, path: &Path, text: &str, servers: &mut Vec<Server>) {
    let shown = sources::label(path);
    let reading = match clients::read(path, text, None) {
        Ok(reading) => reading,
        Err(faults) => {
            faults.into_iter().for_each(|fault| walk.report.push(fault.in_file(&shown, "")));
            return;
        }
    };
    let value = format!("{} {}", super::tree::quote(&shown.to_string_lossy()), Digest::of(text.as_bytes()));
    for (field, fault) in reading.faults {
        walk.report.push(fault.in_file(&shown, &field));
    }
    for found in reading.servers {
        let field = found.label.clone();
        let note = |walk: &mut Walk<'_>, fault: Fault| walk.report.push(fault.in_file(&shown, &field));
        for text in found.notes {
            note(walk, Fault::new(found.at, text, "say it in the policy, or ignore this").warning());
        }
        match found.reach {
            Err(why) => note(
                walk,
                Fault::new(found.at, format!("left out: {why}"), "nothing needs to be done").warning(),
            ),
            Ok(_) if servers.iter().any(|server| server.name == found.name) => {
                let what = format!("there is a server `{}` already", found.name);
                note(walk, Fault::new(found.at, what, "rename one of the two"));
            }
            Ok(reach) => {
                if has_inline_secret(&reach) {
                    let remedy = "`portcullis import --write` moves it into a private file";
                    note(
                        walk,
                        Fault::new(found.at, "this file has what may be a secret written in it", remedy)
                            .warning(),
                    );
                }
                let origin = Origin { file: shown.clone(), line: found.at.line, column: found.at.column };
                let name = format!("server.{}.{}", found.name, MCP_SERVERS.name);
                walk.settle(name, value.clone(), Some(origin), Applies::Live);
                servers.extend(server::with_defaults(found.name, reach));
            }
        }
    }
}

fn has_inline_secret(reach: &Reach) -> bool {
    let inline =
        |parameter: &Parameter| matches!(parameter, Parameter::Fetched { source: Source::Inline(_), .. });
    match reach {
        Reach::Command(command) => {
            command.args.iter().any(inline) || command.env.iter().any(|(_, value)| inline(value))
        }
        Reach::Url(remote) => remote.headers.iter().any(|(_, value)| inline(value)),
    }
}
