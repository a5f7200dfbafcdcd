//! Remembering what a server turned out to speak.

use std::time::Duration;

use parking_lot::Mutex;
use portcullis_wire::Era;
use tokio::time::Instant;

/// How long a server is taken to be of the legacy era. An upgraded server still answers `initialize`, so
/// nothing else would ever correct the verdict.
pub(crate) const LEGACY_VERDICT: Duration = Duration::from_secs(3600);

/// A verdict that decides what is asked first, never what is believed.
///
/// Only an answer of the server itself may become a verdict. A refusal for want of credentials, or a
/// network error, says nothing about versions.
#[derive(Debug)]
pub(crate) struct Remembered<T>(Mutex<Option<(T, Option<Instant>)>>);

impl<T: Copy> Remembered<T> {
    pub(crate) fn nothing() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn get(&self) -> Option<T> {
        let verdict = *self.0.lock();
        verdict
            .filter(|(_, until)| until.is_none_or(|until| Instant::now() < until))
            .map(|(verdict, _)| verdict)
    }

    pub(crate) fn learn(&self, verdict: T, era: Era) {
        let mut remembered = self.0.lock();
        let until = match era {
            Era::Modern => None,
            Era::Legacy => Some(Instant::now() + LEGACY_VERDICT),
        };
        // What was learnt by asking this first keeps its date; otherwise it would never be asked otherwise.
        let first_asked = remembered.filter(|(_, until)| until.is_some_and(|until| Instant::now() < until));
        if first_asked.is_none() || era == Era::Modern {
            *remembered = Some((verdict, until));
        }
    }

    pub(crate) fn forget(&self) {
        *self.0.lock() = None;
    }
}
