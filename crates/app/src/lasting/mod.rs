//! What a gateway leaves for the next one: whose tasks are, and the keys that handles are sealed with, in a directory that
//! one gateway at a time has.

mod keys;
mod tasks;

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::PathBuf,
    sync::Arc,
};

use portcullis_core::{Clock as _, SystemClock};
use portcullis_gateway::{HandleKeys, KeptTask, Lasting, TaskBook};

use crate::{
    config::{Beside, Config},
    files,
    printer::Printer,
};
use keys::KeyFile;
use tasks::TaskFile;

/// Where it is.
fn directory(config: &Config) -> PathBuf {
    Beside::Serving.of(config)
}

/// The directory while this process has it.
pub(crate) struct Left {
    pub(crate) lasting: Lasting,
    _lock: Option<File>,
}

/// Takes over what was left. Where another gateway has the directory, or it cannot be used, everything lives as long as
/// the process, and the operator is told.
pub(crate) fn take(config: &Config, printer: &Printer) -> Left {
    open(&directory(config)).unwrap_or_else(|what| {
        let remedy = "restarting this gateway then ends its tasks and cursors";
        printer.warning(&format!("tasks and cursors are kept in memory: {what}"), Some(remedy));
        Left { lasting: Lasting::default(), _lock: None }
    })
}

fn open(directory: &std::path::Path) -> Result<Left, String> {
    files::private_directory(directory).map_err(|failure| failure.to_line())?;
    let named = |error: std::io::Error| format!("`{}`: {error}", directory.display());
    let lock = OpenOptions::new().create(true).append(true).open(directory.join("lock")).map_err(named)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(format!("another gateway has `{}`", directory.display()));
        }
        Err(TryLockError::Error(error)) => return Err(named(error)),
    }
    let tasks: Arc<dyn TaskBook> =
        Arc::new(TaskFile::open(&directory.join("tasks.jsonl"), Arc::new(SystemClock))?);
    let keys: Arc<dyn HandleKeys> =
        Arc::new(KeyFile::open(&directory.join("handles.key"), SystemClock.now_ms())?);
    Ok(Left { lasting: Lasting { tasks: Some(tasks), keys: Some(keys) }, _lock: Some(lock) })
}

/// The tasks that are remembered, for a look at them while a gateway runs.
pub(crate) fn tasks(config: &Config) -> Result<Vec<KeptTask>, String> {
    let tasks = tasks::read(&directory(config).join("tasks.jsonl"), SystemClock.now_ms())?;
    Ok(tasks.into_values().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn one_gateway_at_a_time_has_the_directory() {
        let place = tempfile::tempdir().unwrap();
        let first = open(place.path()).unwrap();
        let keys = first.lasting.keys.as_ref().unwrap().keys(0).unwrap();
        assert!(open(place.path()).err().unwrap().contains("another gateway"));
        drop(first);
        let again = open(place.path()).unwrap();
        let kept = again.lasting.keys.as_ref().unwrap().keys(0).unwrap();
        assert_eq!(kept.first().unwrap().expose(), keys.first().unwrap().expose());
    }
}
