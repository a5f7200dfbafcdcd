//! `portcullis connect`

use std::path::{Path, PathBuf};

use portcullis_core::ServerName;

use super::{
    run::{self, default_record, refuse},
    tell,
};
use crate::{
    clients,
    compose::{self, Door},
    config::{self, Config, HttpUrl, quote},
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Stand in front of one server behind a URL, without a configuration: write it as the server's command in any client's
/// settings. What the client sends on its pipe is signed, if wanted, inspected and recorded on its way.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the server is called in policies and records; made from its host when absent.
    #[arg(long)]
    name: Option<ServerName>,
    /// Private key, P-256 or Ed25519, in PEM, in a file only you can read, with which every request is signed (RFC 9421).
    #[arg(long, value_name = "FILE", requires = "sign_key_id")]
    sign_key: Option<PathBuf>,
    /// Name under which the server knows that key.
    #[arg(long, value_name = "ID", requires = "sign_key")]
    sign_key_id: Option<String>,
    /// File, which only you can read, with the access token that the server is shown.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificate authorities, in PEM, that may vouch for the server's host besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Cedar policy; when absent, you may do everything the server offers.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// File the records are appended to; when absent, a new one in ~/.local/state/portcullis/connect.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Directory of the pins; when absent, `pins` beside the record when that is named, else
    /// ~/.local/state/portcullis/pins.
    #[arg(long, value_name = "DIR")]
    pins: Option<PathBuf>,
    /// URL of the server's MCP endpoint.
    url: String,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Outcome {
    let name = args.name.clone().map_or_else(|| name_of(&args.url), Ok)?;
    let settings = settings(&args)?;
    let pins = args.pins.or_else(|| args.record.as_deref().map(config::Pins::beside));
    let record = args.record.map_or_else(|| default_record("connect", &name), Ok)?;
    let config = Config::for_url(&name, &settings, record);
    let mut config = config.map_err(|report| refuse(&report, printer))?;
    config.pins.directory = pins.unwrap_or(config.pins.directory);
    let deployment = run::deployment(config, args.policy.as_deref(), &name, printer)?;
    tell(&deployment.warnings, printer);
    compose::serve(deployment, Door::Stdio, printer)
}

/// The settings of the server, as a configuration file would have them.
fn settings(args: &Args) -> Result<Vec<(&'static str, String)>, Failure> {
    let file = |path: &Path| {
        let absolute = std::path::absolute(path);
        let absolute =
            absolute.map_err(|error| Failure::new(Exit::Usage, format!("`{}`: {error}", path.display())))?;
        Ok(quote(&absolute.to_string_lossy()))
    };
    let mut settings = vec![("url", quote(&args.url))];
    if let (Some(key), Some(id)) = (&args.sign_key, &args.sign_key_id) {
        settings.push(("signature_key", file(key)?));
        settings.push(("signature_key_id", quote(id)));
    }
    if let Some(token) = &args.token_file {
        let value = format!("{{ Authorization = {{ file = {}, prefix = \"Bearer \" }} }}", file(token)?);
        settings.push(("headers", value));
    }
    if let Some(ca_file) = &args.ca_file {
        settings.push(("ca_file", file(ca_file)?));
    }
    Ok(settings)
}

fn name_of(url: &str) -> Result<ServerName, Failure> {
    let parsed = HttpUrl::parse(url).map_err(|what| Failure::new(Exit::Usage, format!("the URL {what}")))?;
    let host = parsed.uri().host().unwrap_or_default().to_owned();
    clients::server_name(&host).map_err(|_| {
        Failure::new(Exit::Usage, format!("no server name can be made of `{}`", config::kind::clip(&host)))
            .remedy("give it one with `--name`")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn servers_are_called_after_their_hosts() {
        for (url, name) in [
            ("https://mcp.example.com/mcp", Some("mcp-example-com")),
            ("http://127.0.0.1:8930/mcp/git", Some("127-0-0-1")),
            ("mcp.example.com", None),
        ] {
            assert_eq!(name_of(url).map(|name| name.to_string()).ok().as_deref(), name, "{url}");
        }
    }
}
