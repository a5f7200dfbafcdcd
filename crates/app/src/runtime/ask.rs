//! Asking every server of a deployment what it offers, without serving anybody.

use std::sync::Arc;

use portcullis_audit::{Digests, MemorySink, Recorder, RecorderOptions};
use portcullis_core::{Clock, ListKind, ServerName, SystemClock};
use portcullis_gateway::{Gateway, offered::Offered};
use portcullis_inspect::pins::{InMemory, Trust};
use portcullis_sandbox::ProcessLauncher;

use super::{build::Builder, observe};
use crate::{
    compose::Deployment,
    exit::{Exit, Failure},
    printer::Printer,
};

/// What each server answered, or why it could not be asked.
pub(crate) type Answers = Vec<(ServerName, Result<Offered, String>)>;

/// Starts or connects to every server, asks for its tools, and ends it again.
pub(crate) async fn tools(deployment: &Deployment, printer: &Printer) -> Result<Answers, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let failed = |what: String| Failure::new(Exit::Usage, what);
    let options = RecorderOptions::new(super::node_name());
    let recorder = Recorder::new(Arc::new(MemorySink::new()), clock.clone(), options, Digests::default());
    let recorder = recorder.map_err(|e| failed(e.to_string()))?;
    let launcher = ProcessLauncher::new();
    let launcher = launcher.map_err(|e| failed(format!("servers could not be supervised: {e}")))?;
    let observer = observe::observer(recorder.clone(), *printer);
    let pins = Arc::new(InMemory::new(Trust::FirstUse));
    let builder = Builder::new(Arc::new(launcher), clock.clone(), observer, recorder.clone(), pins, *printer);
    let snapshot = builder.snapshot(deployment, None).map_err(failed)?;
    let names: Vec<ServerName> = snapshot.servers.keys().cloned().collect();
    let gateway = Gateway::new(snapshot, recorder, clock);
    let asking = names.iter().map(|name| gateway.offered(name, ListKind::Tools));
    let answers = futures_util::future::join_all(asking).await;
    gateway.close().await;
    let told = answers.into_iter().map(|answer| answer.map_err(|refusal| refusal.detail().to_owned()));
    Ok(names.into_iter().zip(told).collect())
}
