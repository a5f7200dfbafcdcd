//! The logs of a running gateway: the lines, and the tree that follows them.

use std::{path::Path, sync::Arc};

use portcullis_audit::{
    EventKind, Health, JsonLines, JsonLinesOptions, Notice, Recorder, TransparencyLog, TransparencyLogError,
    TransparencyLogOptions, WithSpare, tlog::KeyFileFault,
};
use portcullis_core::{Clock, Sink};
use tokio_util::sync::CancellationToken;

use super::build;
use crate::{
    config::{Config, TransparencyConfig},
    exit::{Exit, Failure},
    printer::Printer,
};

/// Where records go.
#[derive(Clone)]
pub(super) struct Logs {
    pub(super) lines: Arc<JsonLines>,
    pub(super) tree: Option<Arc<TransparencyLog>>,
}

impl Logs {
    pub(super) fn open(config: &Config, clock: &Arc<dyn Clock>, printer: Printer) -> Result<Self, Failure> {
        let transparency = config.audit.transparency.as_ref();
        let remedy = "look for who removed them; `portcullis audit query --event log-gap` shows each";
        let told =
            move |what: &str| printer.warning(&format!("records may be missing: {what}"), Some(remedy));
        let options = JsonLinesOptions {
            followed: transparency.is_some(),
            notice: Some(Notice(Arc::new(told))),
            ..build::log_options(config)
        };
        let lines = JsonLines::open(options, clock.clone()).map_err(|e| {
            Failure::new(Exit::Usage, e.to_string())
                .remedy("name another file with `audit.file` or `--record`, or free this one")
        })?;
        let lines = Arc::new(lines);
        let tree = transparency.map(|wanted| tree(wanted, &lines, clock)).transpose()?;
        Ok(Self { lines, tree: tree.map(Arc::new) })
    }

    /// Times since the start that records may be missing.
    pub(super) fn gaps(&self) -> u64 {
        self.lines.gaps().saturating_add(self.tree.as_ref().map_or(0, |tree| tree.gaps()))
    }

    /// The lines, with a spare log behind them where one is configured.
    pub(super) fn with_spare(
        &self,
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn Sink>, Failure> {
        let Some((file, longest)) = &config.audit.spare else { return Ok(self.lines.clone()) };
        let options = JsonLinesOptions { path: file.clone(), ..build::log_options(config) };
        let spare = JsonLines::open(options, clock.clone()).map_err(|e| {
            Failure::new(Exit::Usage, e.to_string())
                .remedy("name another file with `audit.danger_spare_file`")
        })?;
        let (first, place) = (self.lines.clone(), file.display().to_string());
        Ok(Arc::new(WithSpare::new(first, Arc::new(spare), place, *longest, clock.clone())))
    }

    /// Writes what was accepted, signs the last checkpoint, and waits for that.
    pub(super) fn shutdown(&self) -> Result<(), Failure> {
        let failed = |what: String| Failure::new(Exit::Findings, what);
        match &self.tree {
            Some(tree) => tree.shutdown().map_err(|e| failed(e.to_string())),
            None => self.lines.shutdown().map_err(|e| failed(e.to_string())),
        }
    }

    /// Records when the tree falls behind its lines and when it does not any more.
    pub(super) async fn watch(self, recorder: Recorder, stop: CancellationToken) {
        let Some(tree) = &self.tree else { return };
        let mut health = tree.health();
        while let Some(Ok(())) = stop.run_until_cancelled(health.changed()).await {
            let (kind, detail) = match health.borrow_and_update().clone() {
                Health::Working => {
                    (EventKind::Restored, "checkpoints of the transparency log are signed again".to_owned())
                }
                Health::Failing { reason, .. } => (EventKind::Degraded, reason),
            };
            // The lines are another file: what cannot be written there refuses its call.
            let _ = recorder.event(kind, Some("audit.log".to_owned()), detail);
        }
    }
}

fn tree(
    wanted: &TransparencyConfig,
    lines: &Arc<JsonLines>,
    clock: &Arc<dyn Clock>,
) -> Result<TransparencyLog, Failure> {
    let options = TransparencyLogOptions {
        interval: wanted.checkpoint,
        ..TransparencyLogOptions::new(&wanted.directory, &wanted.key)
    };
    TransparencyLog::open(options, lines.clone(), clock.clone()).map_err(|error| {
        let remedy = remedy(&error, &wanted.key);
        Failure::new(Exit::Usage, error.to_string()).remedy(remedy)
    })
}

fn remedy(error: &TransparencyLogError, key: &Path) -> String {
    match error {
        TransparencyLogError::Keys(fault) => key_remedy(fault, key),
        _ => "name another directory with `audit.log`, or free this one".to_owned(),
    }
}

/// What to do about a file of the log's keys.
pub(crate) fn key_remedy(fault: &KeyFileFault, key: &Path) -> String {
    let key = key.display();
    match fault {
        KeyFileFault::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
            format!("`portcullis audit key new {key}` makes the log's keys")
        }
        _ => format!("check `{key}`, or name another file with `audit.log_key`"),
    }
}
