//! Brings checkpoints to their witnesses, and what those cosign into the log (C2SP tlog-witness).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use portcullis_audit::{
    EventKind, Recorder, TransparencyLog,
    note::{Checkpoint, Note},
    tlog::LogDir,
    witness::Submission,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    config::WitnessAt,
    exit::{Exit, Failure},
    post::{self, Client, root_cause},
};

/// Longest a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The shortest time between two submissions to one witness: what comes meanwhile is part of the next.
const PACE: Duration = Duration::from_secs(1);
/// The longest time between two attempts at a witness that fails.
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Longest answer that is read: some signature lines.
const ANSWER_BYTES: usize = 64 * 1_024;

/// One witness of one log.
struct Submitter {
    witness: WitnessAt,
    client: Client,
    url: Uri,
    log: Arc<TransparencyLog>,
    recorder: Recorder,
    /// Entries of the checkpoint it cosigned last, as far as is known here.
    old: u64,
    /// What is wrong, so that it is recorded once.
    failing: Option<String>,
}

/// Begins to bring the log's checkpoints to each witness. None of them delays a call, another witness or the end.
pub(super) fn start(
    witnesses: &[WitnessAt],
    log: &Arc<TransparencyLog>,
    recorder: &Recorder,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    for witness in witnesses {
        let unusable = |what: String| Failure::new(Exit::Usage, format!("`audit.witnesses`: {what}"));
        let client = post::client(witness.url.is_https(), None, false).map_err(unusable)?;
        let url = format!("{}/add-checkpoint", witness.url.uri().to_string().trim_end_matches('/'));
        let url = url.parse().map_err(|_| unusable(format!("`{url}` is no URL")))?;
        let (log, recorder, witness) = (log.clone(), recorder.clone(), witness.clone());
        let submitter = Submitter { witness, client, url, log, recorder, old: 0, failing: None };
        tokio::spawn(submitter.follow(stop.clone()));
    }
    Ok(())
}

impl Submitter {
    async fn follow(mut self, stop: CancellationToken) {
        let mut checkpoints = self.log.checkpoints();
        let mut wait = PACE;
        loop {
            let newest = checkpoints.borrow_and_update().clone();
            let done = match &newest {
                Some(note) => self.submit(note).await,
                None => Ok(()),
            };
            wait = if done.is_ok() { PACE } else { LAST_RETRY.min(wait.saturating_mul(2)) };
            let failed = done.is_err();
            self.tell(done);
            let next = async {
                sleep(wait).await;
                // A failure is tried again without anything new.
                if failed { Ok(()) } else { checkpoints.changed().await }
            };
            if !matches!(stop.run_until_cancelled(next).await, Some(Ok(()))) {
                return;
            }
        }
    }

    /// Brings one checkpoint; a witness that has another one than was thought says which.
    async fn submit(&mut self, note: &Arc<Note>) -> Result<(), String> {
        let shown = Checkpoint::parse(note.text()).map_err(|fault| format!("the own checkpoint {fault}"))?;
        for _ in 0..2 {
            if self.old > shown.size {
                let known = self.old;
                return Err(format!(
                    "rollback: it has cosigned {known} entries, and the log has {}: an older copy of the log was put back",
                    shown.size
                ));
            }
            let submission = self.submission(note, shown.size).await?;
            let (status, body) = self.post(submission.to_string()).await?;
            match status {
                StatusCode::OK => {
                    self.adopt(note, &body)?;
                    self.old = shown.size;
                    return Ok(());
                }
                StatusCode::CONFLICT => {
                    let known = body.trim_end_matches('\n').parse::<u64>();
                    let known = known.map_err(|_| "it answered 409 without a size".to_owned())?;
                    if known == self.old {
                        return Err(format!("rewritten: it has cosigned another log of {known} entries"));
                    }
                    self.old = known;
                }
                _ => return Err(format!("it answered {status}: {}", said(&body))),
            }
        }
        Err("it has cosigned another checkpoint meanwhile".to_owned())
    }

    async fn submission(&self, note: &Arc<Note>, size: u64) -> Result<Submission, String> {
        let (old, note, directory) = (self.old, (**note).clone(), self.log.directory().to_owned());
        if old == 0 || old == size {
            return Ok(Submission { old, proof: Vec::new(), note });
        }
        let prove = move || LogDir::at(directory).prove_consistency(old, size);
        let proof = tokio::task::spawn_blocking(prove).await.map_err(|error| error.to_string())?;
        let proof = proof.map_err(|fault| format!("the proof could not be made: {fault}"))?;
        Ok(Submission { old, proof, note })
    }

    async fn post(&self, body: String) -> Result<(StatusCode, String), String> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let asking = async {
            let response = self.client.request(request).await.map_err(|error| root_cause(&error))?;
            let status = response.status();
            let body = post::whole(response.into_body(), ANSWER_BYTES).await?;
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        timeout(PATIENCE, asking)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    fn adopt(&self, note: &Note, lines: &str) -> Result<(), String> {
        match self.log.adopt(note, lines, &self.witness.key) {
            Ok(true) => Ok(()),
            Ok(false) => Err("its answer has no signature of its key".to_owned()),
            Err(error) => Err(format!("its signature could not be kept: {error}")),
        }
    }

    fn tell(&mut self, done: Result<(), String>) {
        let subject = Some(format!("audit.witness.{}", self.witness.key.name()));
        let (kind, detail) = match (done, &self.failing) {
            (Ok(()), Some(_)) => {
                self.failing = None;
                (EventKind::Restored, "checkpoints are cosigned again".to_owned())
            }
            (Err(why), before) if before.as_ref() != Some(&why) => {
                self.failing = Some(why.clone());
                (EventKind::Degraded, format!("checkpoints are not cosigned: {why}"))
            }
            (Ok(()) | Err(_), _) => return,
        };
        // The lines are another file: what cannot be written there refuses its call.
        let _ = self.recorder.event(kind, subject, detail);
    }
}

/// The beginning of what a witness said, on one line.
fn said(body: &str) -> String {
    body.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
