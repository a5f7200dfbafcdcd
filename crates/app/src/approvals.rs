//! Approvals on a disk: one file a call that somebody is asked about, in a directory that only its owner can enter.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use portcullis_core::{Approval, Approvals, Asked, BoxFuture};
use serde::{Deserialize, Serialize};

use crate::{
    config::{Beside, Config},
    files::{self, Access, Existing},
};

/// How long a call waits for a decision, and a decision for its call, in milliseconds.
const LASTING_MS: u64 = 15 * 60 * 1000;
/// Calls that may wait at a time. More would bury what a person should look at.
const MOST: usize = 256;
/// Largest call a person is shown, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// What is in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waiting {
    pub(crate) asked: Asked,
    /// When, in milliseconds since the epoch.
    pub(crate) since_ms: u64,
    pub(crate) decision: Option<Decision>,
}

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    pub(crate) approved: bool,
    /// The user the command ran as.
    pub(crate) uid: u32,
    /// When, in milliseconds since the epoch.
    pub(crate) at_ms: u64,
}

impl Waiting {
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        let since = self.decision.map_or(self.since_ms, |decision| decision.at_ms);
        now_ms.saturating_sub(since) > LASTING_MS
    }
}

/// The calls of a gateway that wait for a person.
#[derive(Clone, Debug)]
pub(crate) struct ApprovalFiles {
    directory: Arc<Path>,
}

impl ApprovalFiles {
    /// Those of this configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self::new(Beside::Approvals.of(config))
    }

    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory: directory.into() }
    }

    /// Every call that waits, by id, the oldest first.
    pub(crate) fn all(&self, now_ms: u64) -> io::Result<Vec<(String, Waiting)>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            match self.read(&id) {
                Some(waiting) if !waiting.is_over(now_ms) => all.push((id, waiting)),
                Some(_) => {
                    // Somebody else may have removed it.
                    let _ = fs::remove_file(path);
                }
                None => {}
            }
        }
        all.sort_by_key(|(_, waiting)| waiting.since_ms);
        Ok(all)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    pub(crate) fn read(&self, id: &str) -> Option<Waiting> {
        serde_json::from_slice(&fs::read(self.path(id)).ok()?).ok()
    }

    pub(crate) fn write(&self, id: &str, waiting: &Waiting) -> Result<(), crate::exit::Failure> {
        files::private_directory(&self.directory)?;
        let text = serde_json::to_vec_pretty(waiting).unwrap_or_default();
        files::write(&self.path(id), &text, Access::Private, Existing::Replace)
    }

    fn answer(&self, asked: Asked, now_ms: u64) -> Approval {
        let id: String = asked.digest().to_string().chars().skip("sha256:".len()).take(12).collect();
        let found = self.read(&id).filter(|it| it.asked.digest() == asked.digest() && !it.is_over(now_ms));
        match found.and_then(|it| it.decision) {
            // Whoever removes the file has the approval; of two calls at once, one does.
            Some(decision) if fs::remove_file(self.path(&id)).is_ok() => match decision.approved {
                true => Approval::Granted { by: format!("user {}", decision.uid).into() },
                false => Approval::Declined,
            },
            _ => self.wait(id, asked, now_ms),
        }
    }

    fn wait(&self, id: String, asked: Asked, now_ms: u64) -> Approval {
        let known = self.read(&id).is_some_and(|it| !it.is_over(now_ms) && it.decision.is_none());
        if !known {
            let room = self.all(now_ms).is_ok_and(|all| all.len() < MOST);
            let waiting = Waiting { asked, since_ms: now_ms, decision: None };
            let small = waiting.asked.arguments.len() <= MOST_BYTES;
            if !room || !small || self.write(&id, &waiting).is_err() {
                return Approval::Nobody;
            }
        }
        Approval::Waiting { id: id.into() }
    }
}

impl Approvals for ApprovalFiles {
    fn ask(&self, asked: Asked, now_ms: u64) -> BoxFuture<'_, Approval> {
        let files = self.clone();
        Box::pin(async move {
            let asking = tokio::task::spawn_blocking(move || files.answer(asked, now_ms));
            // A defect is no approval.
            asking.await.unwrap_or(Approval::Nobody)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

    use super::*;

    fn asked(arguments: &str) -> Asked {
        let text = |text: &str| text.to_owned();
        let (principal, server, item) = (text("uid:1"), text("mail"), text("send"));
        Asked { principal, server, item, arguments: text(arguments), why: text("because"), about: Vec::new() }
    }

    fn id(approval: &Approval) -> String {
        let Approval::Waiting { id } = approval else { panic!("{approval:?}") };
        id.to_string()
    }

    #[test]
    fn an_approval_is_for_one_call_soon_and_once() {
        let directory = std::env::temp_dir().join(format!("portcullis-approvals-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        let files = ApprovalFiles::new(directory.clone());
        let decide = |id: &str, approved: bool, at_ms: u64| {
            let mut waiting = files.read(id).unwrap();
            waiting.decision = Some(Decision { approved, uid: 7, at_ms });
            files.write(id, &waiting).unwrap();
        };
        let granted = Approval::Granted { by: "user 7".into() };
        let first = files.answer(asked("{}"), 1);
        assert_eq!(files.answer(asked("{}"), 2), first, "it is asked once");
        decide(&id(&first), true, 3);
        assert!(
            matches!(files.answer(asked(r#"{"to":"eve"}"#), 4), Approval::Waiting { .. }),
            "another call"
        );
        assert_eq!(files.answer(asked("{}"), 5), granted);
        assert_eq!(files.answer(asked("{}"), 6), first, "it is used up");
        decide(&id(&first), false, 7);
        assert_eq!(files.answer(asked("{}"), 8), Approval::Declined);
        let again = files.answer(asked("{}"), 9);
        decide(&id(&again), true, 10);
        assert_eq!(files.answer(asked("{}"), 11 + LASTING_MS), again, "it has expired");
        assert_eq!(files.all(12 + LASTING_MS).unwrap().len(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
