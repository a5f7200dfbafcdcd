//! Whether the settings of a server say one way to it, and go together.

use std::path::PathBuf;

use super::{
    kind::clip,
    net::HttpUrl,
    problem::{Fault, Severity},
    secrecy::secret_name,
    server::{Code, Command, Reach, Remote, Sandbox, ServerSection},
    setting::{Table, Walk},
};

/// Settings that go with a command only, and with a URL only.
const WITH_COMMAND: &[&str] = &[
    "args",
    "env",
    "cwd",
    "sandbox_tier",
    "sandbox_runtime",
    "sandbox_read",
    "sandbox_write",
    "sandbox_execute",
    "sandbox_hosts",
    "sandbox_name_servers",
    "sandbox_connections_per_minute",
    "sandbox_upload_bytes",
    "sandbox_upload_bytes_per_hour",
    "danger_plain_hosts",
    "danger_private_addresses",
    "danger_host_network",
    "danger_tier_fallback",
    "danger_no_sandbox",
];
const WITH_URL: &[&str] = &[
    "headers",
    "credential",
    "credential_resource",
    "transport",
    "ca_file",
    "tls_client_certificate",
    "tls_client_key",
    "signature_key",
    "signature_key_id",
    "danger_allow_plain_http",
    "danger_allow_tls12",
];

pub(super) fn reach(walk: &mut Walk<'_>, table: &Table<'_>, section: &ServerSection) -> Option<Reach> {
    match (&section.command, &section.admitted, &section.url) {
        (Some(program), None, None) => command(walk, table, section, Code::Program(program.clone())),
        (None, Some(name), None) => command(walk, table, section, Code::Admitted(name.clone())),
        (None, None, Some(url)) => {
            let alone = refuse_strays(walk, table, WITH_COMMAND, "command");
            let safe = check_url(walk, table, url, section.danger_allow_plain_http);
            let certificate = certificate(walk, table, section, url).ok()?;
            let signature = signature(walk, table, section).ok()?;
            (alone && safe).then(|| {
                Reach::Url(Remote {
                    url: url.clone(),
                    headers: section.headers.clone(),
                    credential: section.credential.clone(),
                    credential_resource: section.credential_resource.clone(),
                    transport: section.transport,
                    ca_file: section.ca_file.clone(),
                    certificate,
                    signature,
                    danger_tls12: section.danger_allow_tls12,
                })
            })
        }
        ways => {
            let what = if matches!(ways, (None, None, None)) {
                "this server has no `command`, no `admitted` and no `url`"
            } else {
                "this server has more than one of `command`, `admitted` and `url`"
            };
            walk.fault(&table.name, Fault::new(table.at, what, "give it one of the three"));
            None
        }
    }
}

/// What signs requests: a key and its name, or neither.
fn signature(
    walk: &mut Walk<'_>,
    table: &Table<'_>,
    section: &ServerSection,
) -> Result<Option<(PathBuf, String)>, ()> {
    let (set, lacks) = match (&section.signature_key, &section.signature_key_id) {
        (None, None) => return Ok(None),
        (Some(key), Some(id)) => return Ok(Some((key.clone(), id.clone()))),
        (Some(_), None) => ("signature_key", "`signature_key_id`"),
        (None, Some(_)) => ("signature_key_id", "`signature_key`"),
    };
    let what = format!("this has a meaning only together with {lacks}");
    walk.conflict(&format!("{}.{set}", table.name), Severity::Error, what, "add it, or remove this");
    Err(())
}

/// What the server is shown: both files or neither, and only where there is a handshake.
fn certificate(
    walk: &mut Walk<'_>,
    table: &Table<'_>,
    section: &ServerSection,
    url: &HttpUrl,
) -> Result<Option<(PathBuf, PathBuf)>, ()> {
    let (set, lacks) = match (&section.tls_client_certificate, &section.tls_client_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) if url.is_https() => {
            return Ok(Some((certificate.clone(), key.clone())));
        }
        (Some(_), Some(_)) => ("tls_client_certificate", "an https `url`"),
        (Some(_), None) => ("tls_client_certificate", "`tls_client_key`"),
        (None, Some(_)) => ("tls_client_key", "`tls_client_certificate`"),
    };
    let what = format!("this has a meaning only together with {lacks}");
    walk.conflict(&format!("{}.{set}", table.name), Severity::Error, what, "add it, or remove this");
    Err(())
}

fn command(walk: &mut Walk<'_>, table: &Table<'_>, section: &ServerSection, code: Code) -> Option<Reach> {
    let alone = refuse_strays(walk, table, WITH_URL, "url");
    let consistent = one_network(walk, table, section);
    (alone && consistent).then(|| {
        Reach::Command(Command {
            code,
            args: section.args.clone(),
            env: section.env.clone(),
            cwd: section.cwd.clone(),
            sandbox: Sandbox {
                tier: section.sandbox_tier,
                runtime: section.sandbox_runtime.clone(),
                danger_tier_fallback: section.danger_tier_fallback,
                read: section.sandbox_read.clone(),
                write: section.sandbox_write.clone(),
                execute: section.sandbox_execute.clone(),
                egress: section.egress(),
                danger_host_network: section.danger_host_network,
                danger_none: section.danger_no_sandbox,
            },
        })
    })
}

/// Notes settings that have no meaning for this kind of server: whoever wrote them believes they work.
fn refuse_strays(walk: &mut Walk<'_>, table: &Table<'_>, strays: &[&str], need: &str) -> bool {
    let found: Vec<_> = strays.iter().filter_map(|name| table.entry(name)).collect();
    for entry in &found {
        let what = format!("this has a meaning only together with `{need}`");
        walk.fault(&format!("{}.{}", table.name, entry.key), Fault::new(entry.at, what, "remove it"));
    }
    found.is_empty()
}

/// Notes that a command is to have the machine's network and hosts of its own: the one makes the other meaningless.
fn one_network(walk: &mut Walk<'_>, table: &Table<'_>, section: &ServerSection) -> bool {
    let both = section.danger_host_network && !section.egress().is_closed();
    if both {
        let field = format!("{}.danger_host_network", table.name);
        let what =
            "the server has the whole network of the machine, and a list of hosts that is all it may reach";
        walk.fault(&field, Fault::new(table.at, what, "remove one of the two"));
    }
    !both
}

fn check_url(walk: &mut Walk<'_>, table: &Table<'_>, url: &HttpUrl, plain_allowed: bool) -> bool {
    let field = format!("{}.url", table.name);
    let exposed = !url.is_https() && !url.is_loopback();
    if exposed && !plain_allowed {
        let what = format!("`{url}` would be called without encryption");
        walk.conflict(
            &field,
            Severity::Error,
            what,
            "use https; `danger_allow_plain_http = true` allows it nevertheless",
        );
    }
    let credential = url.query_names().find(|name| secret_name(name)).map(str::to_owned);
    if let Some(name) = &credential {
        let what = format!(
            "the query parameter `{}` looks like a secret, and URLs are written down in many places",
            clip(name)
        );
        walk.conflict(
            &field,
            Severity::Error,
            what,
            "send it as a header: headers = { Authorization = { file = \"path\", prefix = \"Bearer \" } }",
        );
    }
    (!exposed || plain_allowed) && credential.is_none()
}
