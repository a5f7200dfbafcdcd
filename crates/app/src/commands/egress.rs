//! `portcullis egress`

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use portcullis_audit::{EventKind, Recorder};
use portcullis_core::{Clock, Digest, ServerName, SystemClock};
use portcullis_sandbox::egress::{Gate, GateParts, Listener, Policy, Resolve, serve as serve_gate};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

use super::{grants::Reach, run::default_record};
use crate::{
    egress::{self, RecordedEgress},
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    runtime::{runtime, stop_on_signal},
};

/// Be the only way out for a container or a network of its own: a proxy that lets its clients reach listed
/// hosts by name, over TLS to that very name, at public addresses, and records every attempt.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address to listen on.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:3128", conflicts_with = "unix")]
    listen: SocketAddr,
    /// Unix socket to listen on instead; it must not exist yet.
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// What the clients are called in records.
    #[arg(long, default_value = "egress")]
    name: ServerName,
    /// File the records are appended to; when absent, a new one in ~/.local/state/portcullis/egress.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Listen on an address that other machines can reach. Whoever they are, they can reach the listed hosts.
    #[arg(long)]
    danger_allow_insecure_bind: bool,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Outcome {
    let policy = args.reach.policy(printer)?;
    check_listen(&args)?;
    let record = args.record.clone().map_or_else(|| default_record("egress", &args.name), Ok)?;
    let runtime = runtime()?;
    runtime.block_on(serve(args, policy, record, printer))
}

fn check_listen(args: &Args) -> Result<(), Failure> {
    let ip = args.listen.ip();
    if args.unix.is_some() || ip.is_loopback() {
        return Ok(());
    }
    if ip.is_unspecified() {
        return Err(Failure::new(Exit::Usage, format!("`{ip}` is every address of this machine"))
            .remedy("name the one address its clients use"));
    }
    if args.danger_allow_insecure_bind {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, format!("other machines can reach `{}` and use the proxy", args.listen))
        .remedy(
            "listen on 127.0.0.1, or on a Unix socket; `--danger-allow-insecure-bind` listens nevertheless",
        ))
}

async fn serve(args: Args, policy: Policy, record: PathBuf, printer: &Printer) -> Outcome {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let (log, recorder) = egress::open_records(&record, Some(digest(&args)), &clock)?;
    let resolver: Arc<dyn Resolve> = Arc::new(args.reach.egress().resolver().map_err(usage)?);
    let (listener, place) = listen(&args).await?;
    let limits = args.reach.egress().limits();
    let gate = Arc::new(Gate::new(GateParts {
        server: args.name.clone(),
        policy,
        limits,
        resolver,
        ledger: Arc::new(RecordedEgress::new(recorder.clone())),
        clock,
    }));
    note_start(&recorder, &args);
    printer.status(&format!("listening on {place}, recording in {}", record.display()));
    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(stop.clone()));
    serve_gate(listener, gate.clone(), stop.cancelled()).await;
    signals.abort();
    if let Some(path) = &args.unix {
        let _gone_already = std::fs::remove_file(path);
    }
    let summary = summary(&gate);
    printer.status(&summary);
    // An event that cannot be written cannot be helped any more.
    let _ = recorder.event_durable(EventKind::Stopped, Some(args.name.to_string()), summary).await;
    log.shutdown().map_err(|e| Failure::new(Exit::Findings, e.to_string()))?;
    Ok(Exit::Fine)
}

async fn listen(args: &Args) -> Result<(Listener, String), Failure> {
    let failed = |place: &str, e: std::io::Error| {
        Failure::new(Exit::Usage, format!("`{place}` cannot be listened on: {e}"))
    };
    if let Some(path) = &args.unix {
        let place = path.display().to_string();
        let listener = UnixListener::bind(path).map_err(|e| failed(&place, e))?;
        return Ok((listener.into(), place));
    }
    let place = args.listen.to_string();
    let listener = TcpListener::bind(args.listen).await.map_err(|e| failed(&place, e))?;
    let place = listener.local_addr().map_or(place, |address| address.to_string());
    Ok((listener.into(), place))
}

/// What is allowed, in one number for every record.
fn digest(args: &Args) -> Digest {
    let addresses = args.reach.danger_allow_address.iter().map(ToString::to_string);
    let hosts = args.reach.allow.iter().map(|host| format!("allow {host}"));
    let plain = args.reach.danger_allow_plain.iter().map(|host| format!("plain {host}"));
    let rules: Vec<String> = hosts.chain(plain).chain(addresses).collect();
    Digest::of_parts(rules.iter().map(String::as_bytes))
}

/// What is in force, and what is weaker than it should be, is the first thing on record.
fn note_start(recorder: &Recorder, args: &Args) {
    let version = env!("CARGO_PKG_VERSION");
    let subject = Some(args.name.to_string());
    let allowed =
        if args.reach.allow.is_empty() { "nothing".to_owned() } else { args.reach.allow.join(", ") };
    let mut notes = vec![(EventKind::Started, format!("portcullis {version}, egress allowed to {allowed}"))];
    let plain = args.reach.danger_allow_plain.iter().map(|host| format!("--danger-allow-plain {host}"));
    let private =
        args.reach.danger_allow_address.iter().map(|address| format!("--danger-allow-address {address}"));
    let bind = args.danger_allow_insecure_bind.then(|| "--danger-allow-insecure-bind".to_owned());
    notes.extend(plain.chain(private).chain(bind).map(|danger| (EventKind::Danger, danger)));
    for (kind, detail) in notes {
        // The first decision that cannot be recorded refuses its connection; no need to fail twice.
        let _ = recorder.event(kind, subject.clone(), detail);
    }
}

pub(super) fn summary(gate: &Gate) -> String {
    let metrics = gate.metrics();
    let traffic = metrics.traffic();
    format!(
        "{} allowed, {} refused, {} cut off, {} bytes sent, {} received",
        metrics.allowed(),
        metrics.refused(),
        metrics.cut(),
        traffic.sent,
        traffic.received
    )
}
