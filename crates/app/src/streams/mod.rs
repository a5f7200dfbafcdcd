//! Streams of records, started with the gateway.

mod file;
mod lines;
mod syslog;
mod webhook;

use std::{path::Path, sync::Arc, time::Duration};

use portcullis_audit::{
    EventKind, Health, Recorder,
    stream::{Backlog, Receiver, Stream, StreamMetrics, StreamOptions, WebhookKey},
};
use portcullis_core::Secret;
use portcullis_gateway::upstream::tls_client;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Beside, Destination, read_private},
    exit::{Exit, Failure},
    runtime::node_name,
};
use lines::Lines;

/// Longest a stream may take to end. It ends by itself within less.
const ENDING: Duration = Duration::from_secs(20);

/// Whoever gets the records of a configured stream. `headers` are those of a webhook.
pub(crate) fn receiver(
    stream: &config::Stream,
    headers: Vec<(String, Secret)>,
) -> Result<Box<dyn Receiver>, String> {
    let lines = Lines::new(stream.format);
    let ca_file = stream.ca_file.as_deref();
    Ok(match &stream.to {
        Destination::Syslog { host, plain } => {
            let tls = if *plain { None } else { Some(tls_client(ca_file).map_err(|it| it.to_string())?) };
            Box::new(syslog::Syslog::new(host.clone(), tls, node_name(), lines))
        }
        Destination::Webhook { url, key_file, .. } => {
            let secret = read_private(key_file).map_err(|error| format!("{error}: {}", error.remedy()))?;
            let key = WebhookKey::parse(secret.expose());
            let key = key.map_err(|fault| format!("`{}`: {fault}", key_file.display()))?;
            Box::new(webhook::Webhook::new(url, ca_file, headers, key, lines)?)
        }
        Destination::File(path) => Box::new(file::FileReceiver::new(path.clone(), lines)),
    })
}

/// Streams that run.
pub(crate) struct Streams {
    tasks: JoinSet<()>,
    stop: CancellationToken,
    metrics: Arc<[Arc<StreamMetrics>]>,
}

impl Streams {
    /// Starts every stream of the log `log`. That a receiver fails, and that it does not any more, is recorded.
    pub(crate) fn start(
        wanted: Vec<(config::Stream, Box<dyn Receiver>)>,
        log: &Path,
        backlog: &Backlog,
        recorder: &Recorder,
    ) -> Result<Self, Failure> {
        let (mut tasks, stop, mut metrics) = (JoinSet::new(), CancellationToken::new(), Vec::new());
        for (stream, receiver) in wanted {
            let name = stream.name.to_string();
            let options = options(&stream, log)?;
            let running =
                Stream::open(options, receiver, backlog.clone()).map_err(|error| unusable(&name, &error))?;
            metrics.push(running.metrics());
            tokio::spawn(watch(name, running.health(), recorder.clone(), stop.clone()));
            tasks.spawn(running.run(stop.clone().cancelled_owned()));
        }
        Ok(Self { tasks, stop, metrics: metrics.into() })
    }

    /// What they count.
    pub(crate) fn metrics(&self) -> Arc<[Arc<StreamMetrics>]> {
        self.metrics.clone()
    }

    /// Sends what is left, if it is taken at once. The rest is sent by the next run.
    pub(crate) async fn finish(mut self) {
        self.stop.cancel();
        let _in_time = timeout(ENDING, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

fn options(stream: &config::Stream, log: &Path) -> Result<StreamOptions, Failure> {
    let directory = Beside::Streams.beside(log);
    crate::files::private_directory(&directory)?;
    Ok(StreamOptions {
        log: log.to_owned(),
        place: directory.join(format!("{}.json", stream.name)),
        batch_bytes: stream.batch_bytes,
        refuse_behind: stream.refuse_behind,
    })
}

fn unusable(name: &str, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, format!("`stream.{name}`: its place cannot be kept: {error}"))
        .remedy("make the directory `streams` beside `audit.file` writable")
}

async fn watch(
    name: String,
    mut health: tokio::sync::watch::Receiver<Health>,
    recorder: Recorder,
    stop: CancellationToken,
) {
    while let Some(Ok(())) = stop.run_until_cancelled(health.changed()).await {
        let (kind, detail) = match health.borrow_and_update().clone() {
            Health::Working => (EventKind::Restored, "records are taken again".to_owned()),
            Health::Failing { reason, .. } => (EventKind::Degraded, reason),
        };
        // It is the log itself that would be missing.
        let _ = recorder.event(kind, Some(format!("stream.{name}")), detail);
    }
}

/// What became of streamed records, for the operator's endpoint.
pub(crate) fn gauges(streams: &[Arc<StreamMetrics>]) -> Vec<(&'static str, &'static str, u64)> {
    if streams.is_empty() {
        return Vec::new();
    }
    let sum = |of: fn(&StreamMetrics) -> u64| streams.iter().map(|metrics| of(metrics)).sum();
    vec![
        (
            "portcullis_stream_bytes_sent",
            "Bytes of records that streams handed over",
            sum(|it| it.bytes.get()),
        ),
        (
            "portcullis_stream_bytes_behind",
            "Bytes of records that wait for streams",
            sum(|it| it.behind.get()),
        ),
        ("portcullis_stream_failures", "Failed attempts of streams", sum(|it| it.failures.get())),
    ]
}
