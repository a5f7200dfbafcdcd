//! A running gateway: everything of a deployment put together, and its orderly end.

pub(crate) mod ask;
mod boundary;
mod build;
mod denied;
mod hangup;
mod http;
mod left;
mod logs;
mod observe;
mod reload;
mod switch;
mod witnesses;

use std::{sync::Arc, time::Duration};

use portcullis_audit::{
    CommitmentKey, Digests, EventKind, Recorder, RecorderOptions,
    otel::Telemetry,
    stream::{Backlog, Limited},
};
use portcullis_core::{Clock, RunState, Sink, SystemClock};
use portcullis_gateway::{
    Gateway, Snapshot,
    ingress::stdio::{self, StdioOptions},
};
use portcullis_sandbox::{ProcessLauncher, egress::Gates};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    behaviour::Watch,
    compose::{Deployment, Door},
    egress::RecordedEgress,
    exit::{Exit, Failure, Outcome},
    lasting,
    pins::{self, PinFiles},
    printer::Printer,
    stops::StopDirectory,
    streams::Streams,
    telemetry::{self, telling},
};
use build::Builder;
pub(crate) use build::{node_name, remote_of};
use denied::DeniedCalls;
use logs::Logs;
pub(crate) use logs::key_remedy;
use switch::KillSwitch;

/// How often idle sessions and held calls are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// How long servers that end are waited for, for what was refused of them.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until the gateway is told to stop, or its client is gone.
pub(crate) fn serve(deployment: Deployment, door: Door, printer: &Printer) -> Outcome {
    let runtime = runtime()?;
    let outcome = runtime.block_on(run(deployment, door, printer));
    // Standard input is read by a thread that only its next line would wake.
    runtime.shutdown_background();
    outcome
}

/// One thread on a machine with one processor for us, where more would only take turns.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Usage, format!("no runtime could be started: {e}")))
}

async fn run(mut deployment: Deployment, door: Door, printer: &Printer) -> Outcome {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let logs = Logs::open(&deployment.config, &clock, *printer)?;
    let (telemetry, exporter) = telling(&deployment);
    let backlog = Backlog::default();
    let lines = logs.with_spare(&deployment.config, &clock)?;
    let sink: Arc<dyn Sink> = match deployment.config.streams.iter().any(|it| it.refuse_behind.is_some()) {
        true => Arc::new(Limited::new(lines, backlog.clone())),
        false => lines,
    };
    let origin = logs.tree.as_ref().map(|tree| tree.origin().into());
    let recorder = recorder(&deployment, sink, (telemetry, origin), &clock)?;
    let launcher = ProcessLauncher::new()
        .map_err(|e| Failure::new(Exit::Usage, format!("servers could not be supervised: {e}")))?;
    let allows = if deployment.config.is_of_command_line() { "--allow HOST" } else { "sandbox_hosts" };
    let egress = RecordedEgress::new(recorder.clone()).hinting(*printer, allows);
    let gates = Gates::new(Arc::new(egress), clock.clone());
    let denied = Arc::new(DeniedCalls::new(recorder.clone()));
    let launcher = Arc::new(launcher.through(Arc::new(gates)).telling(denied.clone().listener()));
    let pins = PinFiles::new(&deployment.config.pins);
    let observer = observe::observer(recorder.clone(), *printer);
    let builder = Builder::new(
        launcher.clone(),
        clock.clone(),
        observer,
        recorder.clone(),
        Arc::new(pins.clone()),
        *printer,
    );
    let snapshot = builder.snapshot(&deployment, None).map_err(|what| Failure::new(Exit::Usage, what))?;
    note_start(&recorder, &deployment, &snapshot);
    left::mark(&recorder, &deployment.config.audit, printer).await;
    // Who speaks over pipes ends with them.
    let left = matches!(door, Door::Http).then(|| lasting::take(&deployment.config, printer));
    let lasting = left.as_ref().map(|left| left.lasting.clone()).unwrap_or_default();
    let gateway = Gateway::lasting(snapshot, recorder.clone(), clock.clone(), lasting);
    // Before the first call: what was stopped stays stopped.
    let stops = StopDirectory::at(&deployment.config.stop.directory);
    let watch = Watch::start(
        &deployment.config.behaviour,
        &deployment.config.audit.file,
        stops,
        recorder.clone(),
        *printer,
    )?;
    let switch = KillSwitch::new(&deployment.config, gateway.clone(), clock, *printer);
    // `stop` asks for the end; until `over`, calls under way may finish, and everything about them goes on.
    let (stop, over) = (CancellationToken::new(), CancellationToken::new());
    tokio::spawn(switch.clone().follow(over.clone()));
    let background = tokio::spawn(sweep(gateway.clone(), over.clone()));
    let decisions = tokio::spawn(pins::follow(pins, gateway.clone(), over.clone()));
    let signals = tokio::spawn(stop_on_signal(stop.clone()));
    tokio::spawn(logs.clone().watch(recorder.clone(), over.clone()));
    if let (Some(tree), Some(wanted)) = (&logs.tree, &deployment.config.audit.transparency) {
        witnesses::start(&wanted.witnesses, tree, &recorder, &over)?;
    }
    let streams = std::mem::take(&mut deployment.streams);
    let streams = Streams::start(streams, &deployment.config.audit.file, &backlog, &recorder)?;
    let exporting = exporter.and_then(|exporter| telemetry::start(exporter, &deployment, &recorder));
    let outcome = match door {
        Door::Stdio => pipes(&gateway, &deployment, &stop).await,
        Door::Http => {
            let (gateway, logs, streams) = (gateway.clone(), logs.clone(), streams.metrics());
            let status =
                Arc::new(http::Status { gateway: gateway.clone(), logs, streams, stop: stop.clone() });
            http::serve(&gateway, &builder, deployment, status, &switch, &stop, printer).await
        }
    };
    stop.cancel();
    gateway.close().await;
    over.cancel();
    switch.leave();
    launcher.all_ended(LAST_WORDS).await;
    denied.summary().iter().for_each(|line| printer.status(line));
    drop(watch);
    background.abort();
    decisions.abort();
    signals.abort();
    // An event that cannot be written cannot be helped any more.
    let _ = recorder.event_durable(EventKind::Stopped, None, "stopped in order".to_owned()).await;
    if let Some(exporting) = exporting {
        exporting.finish().await;
    }
    streams.finish().await;
    logs.shutdown()?;
    outcome
}

fn recorder(
    deployment: &Deployment,
    sink: Arc<dyn Sink>,
    (telemetry, log_origin): (Option<Telemetry>, Option<Arc<str>>),
    clock: &Arc<dyn Clock>,
) -> Result<Recorder, Failure> {
    let key = CommitmentKey::open(&deployment.config.audit.commitment_key).map_err(|e| {
        Failure::new(Exit::Usage, e.to_string()).remedy("name another file with `audit.commitment_key`")
    })?;
    let options = RecorderOptions {
        commitment_key: Some(Arc::new(key)),
        telemetry,
        log_origin,
        withhold_on_failed_outcome: deployment.config.audit.withhold_on_failed_outcome,
        ..RecorderOptions::new(build::node_name())
    };
    let digests = Digests {
        policy: Some(deployment.policies.digest()),
        config: Some(deployment.digest),
        ..Digests::default()
    };
    Recorder::new(sink, clock.clone(), options, digests).map_err(|e| Failure::new(Exit::Usage, e.to_string()))
}

/// What is in force, and what is weaker than it should be, is the first thing on record.
fn note_start(recorder: &Recorder, deployment: &Deployment, snapshot: &Snapshot) {
    let policy = snapshot.authoriser.digest();
    let version = env!("CARGO_PKG_VERSION");
    let detail = format!("portcullis {version}, configuration {}, policy {policy}", deployment.digest);
    let key = recorder.commitment_key_id().unwrap_or("none");
    let commitments = format!("requests are committed to as received, with HMAC-SHA-256 and key {key}");
    let mut notes = vec![(EventKind::Started, format!("{detail}; {commitments}"))];
    notes.extend(build::dangers(&deployment.config).map(|danger| (EventKind::Danger, danger)));
    let of_servers = snapshot
        .servers
        .values()
        .flat_map(|server| server.isolation.iter().chain(&server.admission).map(move |run| (server, run)));
    notes.extend(of_servers.filter(|(_, run)| run.state != RunState::Ran).map(|(server, run)| {
        (EventKind::Degraded, format!("`{}`: {}", server.name, run.reason.as_deref().unwrap_or_default()))
    }));
    for (kind, detail) in notes {
        // The first decision that cannot be recorded refuses its call; no need to fail twice.
        let _ = recorder.event(kind, None, detail);
    }
}

async fn pipes(gateway: &Arc<Gateway>, deployment: &Deployment, stop: &CancellationToken) -> Outcome {
    let endpoint = match deployment.servers.as_slice() {
        [only] => Some(only.name.clone()),
        _ => None,
    };
    let options = StdioOptions { endpoint, line_bytes: deployment.config.limits.body_bytes };
    let served = stdio::serve(gateway, options, tokio::io::stdin(), tokio::io::stdout());
    tokio::select! {
        () = stop.cancelled() => Ok(Exit::Fine),
        () = hangup::unread() => Ok(Exit::Fine),
        served = served => match served {
            Ok(()) => Ok(Exit::Fine),
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
            Err(e) => Err(Failure::new(Exit::Unreachable, format!("the client's pipes failed: {e}"))),
        },
    }
}

async fn sweep(gateway: Arc<Gateway>, stop: CancellationToken) {
    while tokio::time::timeout(SWEEP, stop.cancelled()).await.is_err() {
        gateway.sweep();
    }
}

pub(crate) async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}
