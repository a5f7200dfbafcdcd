//! The kill switch of a running gateway: what the directory says is in force within a fraction of a second, and
//! signals and the operator's endpoint write into it like everybody else, so that it survives a restart.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use portcullis_audit::EventKind;
use portcullis_core::{Clock, Digest, Stop, StopSource, StopSubject};
use portcullis_gateway::Gateway;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Switch,
    exit::Failure,
    files::{self, Access, Existing},
    printer::Printer,
    stops::{Reading, StopDirectory, TOKEN},
};

/// How often the directory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Carries what the directory says to the gateway.
pub(super) struct KillSwitch {
    directory: StopDirectory,
    gateway: Arc<Gateway>,
    clock: Arc<dyn Clock>,
    printer: Printer,
    seen: Mutex<Reading>,
    /// Digest of the credential of the operator's endpoint, so that comparing tells nothing about it.
    token: Mutex<Option<Digest>>,
}

impl KillSwitch {
    /// What is stopped is in force when this returns.
    pub(super) fn new(
        directory: StopDirectory,
        gateway: Arc<Gateway>,
        clock: Arc<dyn Clock>,
        printer: Printer,
    ) -> Arc<Self> {
        let switch =
            Self { directory, gateway, clock, printer, seen: Mutex::default(), token: Mutex::default() };
        switch.look();
        Arc::new(switch)
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
                _ = off.recv() => self.directory.resume(StopSource::Signal, &StopSubject::All),
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
                getrandom::fill(&mut random).map_err(|error| {
                    Failure::new(crate::exit::Exit::Usage, format!("no random bytes: {error}"))
                })?;
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
        let now = self.directory.read();
        let mut seen = self.seen.lock();
        if *seen == now {
            return self.gateway.enforce_stops();
        }
        for strange in now.strange.iter().filter(|name| !seen.strange.contains(name)) {
            let what = format!(
                "`{strange}` in `{}` names nothing that can be stopped",
                self.directory.path().display()
            );
            self.gateway.event(EventKind::Degraded, what.clone());
            self.printer.warning(
                &what,
                Some("name it `all`, `server:NAME`, `tool:SERVER__TOOL`, `principal:ID` or `tenant:NAME`"),
            );
        }
        if seen.stops != now.stops {
            self.tell(&seen.stops, &now.stops);
            self.gateway.put_stops(now.stops.clone());
        }
        *seen = now;
    }

    fn tell(&self, before: &[Stop], now: &[Stop]) {
        for stop in now.iter().filter(|stop| !before.contains(stop)) {
            self.printer.warning(&stop.to_string(), None);
        }
        for stop in before.iter().filter(|stop| !now.contains(stop)) {
            self.printer.done(&format!("`{}` is no longer stopped ({})", stop.subject, stop.source.as_str()));
        }
    }
}

impl Switch for KillSwitch {
    fn knows(&self, token: &[u8]) -> bool {
        *self.token.lock() == Some(Digest::of(token))
    }

    fn stop(&self, subject: &StopSubject, reason: &str) -> Result<(), String> {
        let now_ms = self.clock.now_ms();
        let done = self.directory.stop(StopSource::Api, subject, reason, now_ms);
        self.look();
        done.map_err(|failure| failure.to_line())
    }

    fn resume(&self, subject: &StopSubject) -> Result<(), String> {
        let done = self.directory.resume(StopSource::Api, subject);
        self.look();
        done.map_err(|failure| failure.to_line())
    }

    fn in_force(&self) -> Arc<[Stop]> {
        self.gateway.stops_in_force()
    }
}
