//! `portcullis revoke`

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use portcullis_core::{Clock as _, SystemClock};
use portcullis_identity::{Revocations, Revoked};
use serde::Serialize;

use super::{locate, tell, unusable};
use crate::{
    config::{self, Auth, Config},
    exit::{Exit, Failure, Outcome},
    files,
    printer::Printer,
    stops::Known,
};

/// Take back access: of a principal, of a client, or of one token. A running gateway follows at once.
///
/// Sessions and streams of whoever is concerned end, calls under way are cancelled and their answers withheld.
/// To give access back, remove the line from the list that `auth.revocations` names.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A principal as policies write it, such as `oauth:corp:alice`.
    #[arg(long, value_name = "KIND:ID", group = "what")]
    principal: Option<String>,
    /// A client: every token it was given by `--issuer`.
    #[arg(long, value_name = "CLIENT_ID", group = "what", requires = "issuer")]
    client: Option<String>,
    /// One token of `--issuer`, by the `jti` in its record (`caller.grant.token_id`).
    #[arg(long, value_name = "JTI", group = "what", requires = "issuer")]
    token_id: Option<String>,
    /// The issuer, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Why, for whoever reads the list.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Show what was taken back so far.
    #[arg(long, group = "what", conflicts_with = "reason")]
    list: bool,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// A line of the list.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    revoked: &'a Revoked,
    /// Seconds since 1970.
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The result for programs.
#[derive(Serialize)]
struct Taken<'a> {
    file: &'a Path,
    revoked: &'a Revoked,
    /// Whether it was on the list before.
    already: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let file = locate(args.config.as_deref())?;
    let config = config::load(&file).map_err(|report| {
        tell(&report, printer);
        unusable(&file, &report)
    })?;
    let list = &config.config.revocations;
    let known = read(list)?;
    if args.list {
        show(&known, args.json, printer);
        return Ok(Exit::Fine);
    }
    let revoked = wanted(args, &config.config)?;
    let already = known.contains(&revoked);
    if !already {
        append(list, &revoked, args.reason.as_deref())?;
    }
    if args.json {
        printer.json(&Taken { file: list, revoked: &revoked, already });
    } else {
        let before = if already { " was already" } else { " is now" };
        printer.done(&format!("{revoked}{before} on the list in {}", list.display()));
    }
    Ok(Exit::Fine)
}

fn read(list: &Path) -> Result<Revocations, Failure> {
    let failed = |what: String| Failure::new(Exit::Usage, format!("`{}`: {what}", list.display()));
    match fs::read(list) {
        Ok(text) => Revocations::parse(&text).map_err(|fault| failed(fault.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Revocations::default()),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn wanted(args: &Args, config: &Config) -> Result<Revoked, Failure> {
    let issuer = || {
        let name = args.issuer.as_deref().unwrap_or_default();
        let known: &[config::Issuer] = match &config.auth {
            Auth::Oauth(oauth) => &oauth.issuers,
            Auth::LoopbackUser | Auth::Dev { .. } => &[],
        };
        let found = known.iter().find(|issuer| issuer.name.as_str() == name);
        found.map(|issuer| issuer.url.clone()).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("there is no `[issuer.{name}]`"))
                .remedy("name one of the configuration")
        })
    };
    match (&args.principal, &args.client, &args.token_id) {
        (Some(principal), ..) => {
            let principal = Known::of(config).principal(principal)?.to_string();
            Ok(Revoked::Principal { principal })
        }
        (_, Some(client), _) => Ok(Revoked::Client { issuer: issuer()?, client: client.clone() }),
        (_, _, Some(token_id)) => Ok(Revoked::Token { issuer: issuer()?, token_id: token_id.clone() }),
        (None, None, None) => Err(Failure::new(Exit::Usage, "it is not said what is to be taken back")
            .remedy("give `--principal`, `--client` or `--token-id`")),
    }
}

/// One line at the end, on disk when this returns.
fn append(list: &Path, revoked: &Revoked, reason: Option<&str>) -> Result<(), Failure> {
    if let Some(directory) = list.parent() {
        files::private_directory(directory)?;
    }
    let line = Line { revoked, at: SystemClock.now_ms() / 1000, reason };
    let written = serde_json::to_string(&line).map_err(std::io::Error::other).and_then(|mut line| {
        line.push('\n');
        let mut options = fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(list)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        Failure::new(Exit::Usage, format!("`{}` could not be written: {error}", list.display()))
            .remedy("check the directory")
    })
}

fn show(known: &Revocations, json: bool, printer: &Printer) {
    if json {
        printer.json(&known.iter().collect::<Vec<_>>());
        return;
    }
    let mut lines: Vec<String> = known.iter().map(ToString::to_string).collect();
    lines.sort_unstable();
    lines.iter().for_each(|line| printer.line(line));
}
