//! The kill switch of a running gateway: what the directory says is in force within a fraction of a second, and
//! signals and the operator's endpoint write into it like everybody else, so that it survives a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_audit::EventKind;
use portcullis_core::{Clock, Digest, Stop, StopSource, StopSubject};
use portcullis_gateway::{Gateway, Met};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Switch,
    config::Config,
    exit::{Exit, Failure},
    files::{self, Access, Existing},
    printer::Printer,
    stops::{self, InForce, Keeper, Known, Reading, StopDirectory, TOKEN, Word},
};

/// How often the directory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Carries what the directory says to the gateway.
pub(super) struct KillSwitch {
    directory: StopDirectory,
    gateway: Arc<Gateway>,
    clock: Arc<dyn Clock>,
    printer: Printer,
    /// What it was started with, for whoever stops something.
    config: String,
    known: Mutex<Known>,
    seen: Mutex<Reading>,
    /// What each stop in force met.
    met: Mutex<Vec<(Stop, Met)>>,
    keeper: Mutex<Option<Keeper>>,
    /// What is in force could not be written down, and is to be tried again.
    unsaid: AtomicBool,
    /// Digest of the credential of the operator's endpoint, so that comparing tells nothing about it.
    token: Mutex<Option<Digest>>,
}

impl KillSwitch {
    /// What is stopped is in force when this returns.
    pub(super) fn new(
        config: &Config,
        gateway: Arc<Gateway>,
        clock: Arc<dyn Clock>,
        printer: Printer,
    ) -> Arc<Self> {
        let directory = StopDirectory::at(&config.stop.directory);
        let begun = files::private_directory(directory.path()).and_then(|()| {
            Keeper::begin(directory.path()).map_err(|error| {
                let place = directory.path().display();
                Failure::new(Exit::Usage, format!("`{place}` cannot be written: {error}"))
            })
        });
        let keeper = begun
            .map_err(|failure| {
                let remedy = "stops hold, but `portcullis stop` is not told what they meet";
                printer.warning(&failure.to_line(), Some(remedy));
            })
            .ok();
        let switch = Self {
            directory,
            gateway,
            clock,
            printer,
            config: config.file.display().to_string(),
            known: Mutex::new(Known::of(config)),
            seen: Mutex::default(),
            met: Mutex::default(),
            keeper: Mutex::new(keeper),
            unsaid: AtomicBool::new(false),
            token: Mutex::default(),
        };
        switch.look();
        switch.say();
        Arc::new(switch)
    }

    /// From now on these are the servers and callers that there are.
    pub(super) fn knows_of(&self, config: &Config) {
        *self.known.lock() = Known::of(config);
        self.say();
    }

    /// Nobody is to wait for this gateway any more.
    pub(super) fn leave(&self) {
        self.keeper.lock().take();
    }

    /// Tells commands what is in force here.
    fn say(&self) {
        // Locked first, so that no older word is written over a newer one.
        let mut keeper = self.keeper.lock();
        let Some(keeper) = keeper.as_mut() else { return };
        let (stops, knows) = (self.in_force(), self.known.lock().clone());
        let word = Word { process: std::process::id(), config: self.config.clone(), knows, stops };
        let said = keeper.say(&word);
        let was_unsaid = self.unsaid.swap(said.is_err(), Ordering::Relaxed);
        if let (Err(error), false) = (said, was_unsaid) {
            self.printer
                .warning(&format!("`portcullis stop` cannot be told what is in force: {error}"), None);
        }
    }

    /// Looks at the directory until `stop`, and at signals: `SIGUSR1` stops everything, `SIGUSR2` takes that back.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let (Ok(mut on), Ok(mut off)) =
            (signal(SignalKind::user_defined1()), signal(SignalKind::user_defined2()))
        else {
            return;
        };
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            let changed = tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => Ok(()),
                _ = on.recv() => {
                    let now_ms = self.clock.now_ms();
                    self.directory.stop(StopSource::Signal, &StopSubject::All, "SIGUSR1", now_ms)
                }
                _ = off.recv() => self.directory.resume(StopSource::Signal, &StopSubject::All).map(drop),
            };
            if let Err(failure) = changed {
                failure.report(&self.printer);
            }
            self.look();
        }
    }

    /// Makes the credential of the operator's endpoint unless it is there.
    pub(super) fn make_token(&self) -> Result<(), Failure> {
        let path = self.directory.path().join(TOKEN);
        let there = std::fs::read(&path).ok().filter(|token| !token.is_empty());
        let token = match there {
            Some(token) => token,
            None => {
                let mut random = [0; 32];
                getrandom::fill(&mut random)
                    .map_err(|error| Failure::new(Exit::Usage, format!("no random bytes: {error}")))?;
                let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
                files::private_directory(self.directory.path())?;
                files::write(&path, token.as_bytes(), Access::Private, Existing::Replace)?;
                token.into_bytes()
            }
        };
        *self.token.lock() = Some(Digest::of(token.trim_ascii()));
        Ok(())
    }

    fn look(&self) {
        let mut seen = self.seen.lock();
        // Read under the lock, so that no older reading is put in force over a newer one.
        let now = self.directory.read();
        if *seen == now {
            drop(seen);
            if self.unsaid.load(Ordering::Relaxed) {
                self.say();
            }
            return self.gateway.enforce_stops();
        }
        let before = std::mem::replace(&mut *seen, now.clone());
        if before.stops != now.stops {
            let begun = self.gateway.put_stops(now.stops.clone());
            self.met.lock().retain(|(stop, _)| now.stops.iter().any(|it| same(it, stop)));
            self.met.lock().extend(begun);
            self.say();
        }
        drop(seen);
        // A terminal that takes nothing must not keep a stop from coming into force.
        self.tell(&before, &now);
    }

    fn tell(&self, before: &Reading, now: &Reading) {
        for strange in now.strange.iter().filter(|name| !before.strange.contains(name)) {
            let what = format!(
                "`{strange}` in `{}` names nothing that can be stopped",
                self.directory.path().display()
            );
            self.gateway.event(EventKind::Degraded, what.clone());
            self.printer.warning(
                &what,
                Some(
                    "name it `all`, `server:NAME`, `tool:SERVER__TOOL`, `principal:KIND:ID` or `tenant:NAME`",
                ),
            );
        }
        for stop in now.stops.iter().filter(|stop| !before.stops.contains(stop)) {
            self.printer.warning(&stop.to_string(), None);
            let unknown = self.known.lock().check(&stop.subject).err();
            if let (Some(unknown), StopSource::File) = (unknown, stop.source) {
                let what = format!("a file stops `{}`: {}", stop.subject, unknown.to_line());
                self.gateway.event(EventKind::Degraded, what.clone());
                self.printer.warning(&what, None);
            }
        }
        for stop in before.stops.iter().filter(|stop| !now.stops.contains(stop)) {
            self.printer.done(&format!("`{}` is no longer stopped ({})", stop.subject, stop.source.as_str()));
        }
    }
}

/// Whether they are one stop, whatever its reason has become.
fn same(a: &Stop, b: &Stop) -> bool {
    a.subject == b.subject && a.source == b.source
}

impl Switch for KillSwitch {
    fn subject(&self, text: &str, anyway: bool) -> Result<StopSubject, String> {
        let read = if anyway { stops::subject(text) } else { self.known.lock().subject(text) };
        read.map_err(|failure| failure.to_line())
    }

    fn knows(&self, token: &[u8]) -> bool {
        *self.token.lock() == Some(Digest::of(token))
    }

    fn stop(&self, subject: &StopSubject, reason: &str) -> Result<(), String> {
        let now_ms = self.clock.now_ms();
        let done = self.directory.stop(StopSource::Api, subject, reason, now_ms);
        self.look();
        done.map_err(|failure| failure.to_line())
    }

    fn resume(&self, subject: &StopSubject) -> Result<bool, String> {
        let done = self.directory.resume(StopSource::Api, subject);
        self.look();
        done.map_err(|failure| failure.to_line())
    }

    fn in_force(&self) -> Vec<InForce> {
        self.met.lock().iter().map(|(stop, met)| InForce { stop: stop.clone(), met: *met }).collect()
    }
}
