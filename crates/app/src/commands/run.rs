//! `portcullis run`

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use portcullis_audit::EventKind;
use portcullis_core::{Clock, ControlId, ServerName, SystemClock};

use super::{audit::trust, grants::Grants, tell, unusable};
use crate::{
    clients,
    compose::{self, Deployment, Door, Upstream},
    config::{self, Code, Config, Sandbox, TransparencyConfig, sources},
    egress,
    exit::{Exit, Failure, Outcome},
    own::{self, Found},
    printer::Printer,
    runtime,
    supply::Place,
    variables::{self, Meant},
};

/// Stand in front of one stdio server, without a configuration: write it before the server's command in
/// any client's settings.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the server is called in policies and records; made from its command when absent.
    #[arg(long)]
    name: Option<ServerName>,
    /// Cedar policy; when absent, you may do everything the server offers.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// File the records are appended to; when absent, a new one in ~/.local/state/portcullis/run.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Directory of a transparency log over those records, signed by the keys in the file beside it with `.key`
    /// added, which `portcullis audit key new` makes.
    #[arg(long, value_name = "DIR", requires = "record")]
    log: Option<PathBuf>,
    /// Directory of the pins; when absent, `pins` beside the record when that is named, else
    /// ~/.local/state/portcullis/pins.
    #[arg(long, value_name = "DIR")]
    pins: Option<PathBuf>,
    /// Variable of the gateway's own environment that the server gets, by name; repeat it for more. When absent,
    /// the server gets what the client's settings set for it, where that can be told.
    #[arg(long, value_name = "NAME", value_parser = variable)]
    env: Vec<String>,
    #[command(flatten)]
    grants: Grants,
    /// Run the server in the kernel tier where the runtime of `--tier` is not installed or cannot be used.
    #[arg(long, requires = "tier")]
    danger_tier_fallback: bool,
    /// Run the server without a sandbox, so that it can do whatever you can.
    #[arg(long, conflicts_with_all = ["read", "write", "execute", "allow", "danger_allow_plain", "danger_host_network"])]
    danger_no_sandbox: bool,
    /// Starts this server of portcullis.lock out of the store: only if somebody whose key is known approved it, its
    /// files are what was approved, and it is not retired. What follows `--` are its arguments then.
    #[arg(long, value_name = "NAME")]
    admitted: Option<ServerName>,
    /// Public key of somebody who may approve, or a file of such keys; repeat it for more.
    #[arg(long, value_name = "KEY", requires = "admitted")]
    approver: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// The server's command and its arguments.
    #[arg(required_unless_present = "admitted", last = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(crate) fn run(mut args: Args, printer: &Printer) -> Outcome {
    let name = match args.name.take().or(args.admitted.clone()) {
        Some(name) => name,
        None => name_of(&args.command)?,
    };
    let code = match args.admitted.take() {
        Some(admitted) => Code::Admitted(admitted),
        None if args.command.is_empty() => Code::Program(String::new()),
        None => Code::Program(args.command.remove(0)),
    };
    let env = if args.env.is_empty() { set_by_client(printer) } else { args.env };
    let pins = args.pins.or_else(|| args.record.as_deref().map(config::Pins::beside));
    let record = args.record.map_or_else(|| default_record("run", &name), Ok)?;
    args.grants.reach.policy(printer)?;
    let sandbox = Sandbox {
        tier: args.grants.held.tier,
        runtime: args.grants.held.runtime,
        danger_tier_fallback: args.danger_tier_fallback,
        egress: args.grants.reach.egress(),
        read: args.grants.read,
        write: args.grants.write,
        execute: args.grants.execute,
        danger_host_network: args.grants.danger_host_network,
        danger_none: args.danger_no_sandbox,
    };
    let config = Config::for_command(&name, code, &args.command, &env, sandbox, record);
    let mut config = config.map_err(|report| refuse(&report, printer))?;
    config.supply = args.place.supply(config.supply, trust::keys(&args.approver)?)?;
    config.pins.directory = pins.unwrap_or(config.pins.directory);
    config.audit.transparency = args.log.map(TransparencyConfig::at);
    let deployment = deployment(config, args.policy.as_deref(), &name, printer)?;
    if let Some(reason) = deployment.servers.iter().find_map(Upstream::not_admitted) {
        return Err(not_admitted(&name, reason, &deployment.config.audit.file)?);
    }
    tell(&deployment.warnings, printer);
    compose::serve(deployment, Door::Stdio, printer)
}

/// What is served without a configuration file: with the policy that is named, or one that allows its user everything.
///
/// What is the user's own gateway's is kept from the server.
pub(super) fn deployment(
    mut config: Config,
    policy: Option<&Path>,
    name: &ServerName,
    printer: &Printer,
) -> Result<Deployment, Failure> {
    match own::found(printer) {
        Found::Nothing => {}
        Found::Unreadable(named) => config.named.push(named),
        Found::Config(users) => config.users = Some(users),
    }
    let (label, policy) = match policy {
        Some(path) => (path.to_string_lossy().into_owned(), read_policy(path, printer)?),
        None => ("built-in policy".to_owned(), portcullis_policy::run_policy(name)),
    };
    Deployment::with_policy(config, &label, &policy).map_err(|report| refuse(&report, printer))
}

/// A start that is refused is on record like one that is not.
fn not_admitted(name: &ServerName, reason: &str, file: &Path) -> Result<Failure, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (log, recorder) = egress::open_records(file, None, &clock)?;
    let detail = format!("{}: {reason}", ControlId::Sc01);
    let recorded = recorder.event_durable(EventKind::NotStarted, Some(name.to_string()), detail);
    let recorded = runtime::runtime()?.block_on(recorded);
    let closed = log.shutdown();
    let unwritten =
        |what: String| Failure::new(Exit::Findings, format!("{reason}; it could not be recorded: {what}"));
    let record = recorded.map_err(|refusal| unwritten(refusal.detail().to_owned()))?;
    closed.map_err(|error| unwritten(error.to_string()))?;
    Ok(Failure::new(Exit::Findings, reason).remedy(format!("record {record} in {}", file.display())))
}

/// A name. A value would be there for every process to read.
fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        None if !text.is_empty() => Ok(text.to_owned()),
        None => Err("a variable has a name".to_owned()),
        Some((name, _)) => {
            let name = config::kind::clip(name);
            Err(format!(
                "other programs can read arguments: set `{name}` in the `env` block and write `--env {name}`"
            ))
        }
    }
}

/// Names shown of those that are not passed on.
const SHOWN: usize = 8;

/// Variables that the client has set for this server.
fn set_by_client(printer: &Printer) -> Vec<String> {
    match variables::of_this_process() {
        Meant::ForServer(names) => {
            if !names.is_empty() {
                printer.status(&format!("the server gets what the client set for it: {}", names.join(", ")));
            }
            names
        }
        Meant::Unclear(names) => {
            if let (Some(first), shown) = (names.first(), names.iter().take(SHOWN)) {
                let shown: Vec<_> = shown.map(String::as_str).collect();
                let more = if names.len() > SHOWN { ", …" } else { "" };
                printer.status(&format!(
                    "not passed on to the server: {}{more}; `--env {first}` passes one on",
                    shown.join(", ")
                ));
            }
            Vec::new()
        }
    }
}

pub(super) fn refuse(report: &config::Report, printer: &Printer) -> Failure {
    tell(report, printer);
    unusable(Path::new("the command line"), report)
}

fn read_policy(path: &Path, printer: &Printer) -> Result<String, Failure> {
    sources::read(path).map_err(|problem| {
        let mut report = config::Report::default();
        report.push(problem);
        refuse(&report, printer)
    })
}

/// Programs that run another one, which then is what the server should be called after, without their versions.
const RUNNERS: &[&str] = &[
    "bash", "bun", "bunx", "deno", "docker", "env", "node", "nodejs", "npx", "perl", "pipx", "podman",
    "pypy", "python", "ruby", "sh", "uv", "uvx",
];

/// Words that runners take before what they run.
const RUNNER_WORDS: &[&str] = &["dlx", "exec", "run", "tool", "x"];

/// Endings of files that runners run.
const ENDINGS: &[&str] = &[".js", ".mjs", ".cjs", ".py", ".ts", ".sh"];

/// Names of files and directories that many servers have.
const GENERIC: &[&str] =
    &["__main__", "bin", "build", "cli", "dist", "index", "lib", "main", "out", "server", "src"];

pub(super) fn name_of(command: &[String]) -> Result<ServerName, Failure> {
    let file = |text: &str| text.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let (program, args) =
        command.split_first().map_or(("", [].as_slice()), |(program, args)| (program, args));
    let runner = file(program);
    let unversioned = runner.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let runs_another = RUNNERS.contains(&unversioned);
    let what = args.iter().find(|arg| !arg.starts_with('-') && !RUNNER_WORDS.contains(&arg.as_str()));
    let called = what.filter(|_| runs_another).map_or(program, String::as_str);
    let stem = |part: &str| {
        let unversioned = part.split('@').find(|part| !part.is_empty()).unwrap_or_default();
        let bare = ENDINGS.iter().find_map(|end| unversioned.strip_suffix(end));
        bare.unwrap_or(unversioned).to_owned()
    };
    // A file that every project has says nothing; the directory it is in does.
    let telling = called
        .rsplit(['/', '\\'])
        .map(stem)
        .find(|part| !part.is_empty() && !GENERIC.contains(&part.as_str()));
    clients::server_name(&telling.unwrap_or_else(|| stem(&file(called)))).map_err(|_| {
        Failure::new(Exit::Usage, format!("no server name can be made of `{}`", config::kind::clip(called)))
            .remedy("give it one with `--name`")
    })
}

/// A log is written by one process, and a client may start the same server twice.
pub(super) fn default_record(kind: &str, name: &ServerName) -> Result<PathBuf, Failure> {
    let home = std::env::home_dir().filter(|home| home.is_absolute()).ok_or_else(|| {
        Failure::new(Exit::Usage, "the home directory is not known")
            .remedy("say with `--record` where records go")
    })?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let file = format!("{name}-{started}-{}.jsonl", std::process::id());
    let directory = home.join(".local/state/portcullis").join(kind);
    portcullis_audit::remove_stale_locks(&directory);
    Ok(directory.join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_called_after_what_is_run() {
        for (command, expected) in [
            ("npx -y @modelcontextprotocol/server-filesystem /notes", "server-filesystem"),
            ("npx -y @acme/tool@1.2.3", "tool"),
            ("uvx mcp-server-git --repository .", "mcp-server-git"),
            ("/usr/bin/python3 servers/weather.py", "weather"),
            ("python3.11 servers/weather.py", "weather"),
            ("/opt/bin/python3.12 -m mcp_server_time", "mcp_server_time"),
            ("pypy3 weather.py", "weather"),
            ("node20 /opt/clock/dist/index.js", "clock"),
            ("server2 x", "server2"),
            ("./my-server --stdio", "my-server"),
            ("deno run -A npm:thing", "npm-thing"),
            ("npx", "npx"),
            ("node /opt/server-everything/dist/index.js stdio", "server-everything"),
            ("python3 main.py", "main"),
        ] {
            let command: Vec<String> = command.split(' ').map(str::to_owned).collect();
            assert_eq!(
                name_of(&command).map(|name| name.to_string()).ok(),
                Some(expected.to_owned()),
                "{command:?}"
            );
        }
        assert!(name_of(&["日本".to_owned()]).is_err());
    }

    #[test]
    fn variables_are_named_and_not_written_out() {
        assert_eq!(variable("API_KEY").as_deref(), Ok("API_KEY"));
        for bad in ["", "API_KEY=value", "=value", "API_KEY="] {
            let told = variable(bad);
            assert!(told.as_ref().is_err_and(|it| !it.contains("value")), "{bad}: {told:?}");
        }
    }
}
