//! What happens to a server outside any request, for records, logs and metrics.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{Exit, ServerName, StderrLine};
use portcullis_wire::Version;

/// Something that happened to a server.
#[derive(Clone, Debug)]
pub enum ServerEvent {
    /// A process was started.
    Started {
        /// Its outermost process id.
        pid: u32,
    },
    /// A link is ready.
    Connected {
        /// The version spoken on it.
        version: Version,
    },
    /// A line on standard error. Untrusted text, safe to print.
    Stderr(StderrLine),
    /// Something outside the protocol was dropped.
    Garbage {
        /// What was wrong with it.
        reason: String,
    },
    /// A process and everything it started have ended.
    Exited(Exit),
    /// It could not be made ready for anybody.
    Unready {
        /// Why.
        reason: String,
    },
    /// A link has ended otherwise than by being closed.
    Lost {
        /// Why.
        reason: String,
    },
}

/// Told about every [`ServerEvent`]. Called from the tasks that read from servers: must not block.
pub type Observer = Arc<dyn Fn(&ServerName, ServerEvent) + Send + Sync>;

/// An observer that knows which server it speaks of.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) server: ServerName,
    pub(crate) observer: Observer,
}

impl Reporter {
    /// The same, and the last thing that was dropped as outside the protocol is kept in `last`.
    pub(crate) fn keeping(&self, last: Arc<Mutex<Option<String>>>) -> Self {
        let observer = self.observer.clone();
        let observer: Observer = Arc::new(move |server: &ServerName, event: ServerEvent| {
            if let ServerEvent::Garbage { reason } = &event {
                *last.lock() = Some(reason.clone());
            }
            observer(server, event);
        });
        Self { server: self.server.clone(), observer }
    }

    pub(crate) fn report(&self, event: ServerEvent) {
        (self.observer)(&self.server, event);
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reporter").field(&self.server).finish()
    }
}
