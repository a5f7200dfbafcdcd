//! Admitted servers where they are started: nothing of one runs that is not what was approved (control SC-01).

use std::{path::PathBuf, sync::Arc};

use portcullis_audit::{EventKind, Recorder, note::VerifierKey};
use portcullis_core::{
    Boundary, BoxFuture, ControlId, ControlRun, Digest, LaunchError, LaunchPlan, Launched, Launcher,
    RunState, ServerName,
};
use portcullis_supply::advisories::Judged;

use crate::{
    config::Supply,
    requirements::Compared,
    supply::{self, Files, Place, Start},
};

/// A server of the lock, and what was found about it when the configuration was read.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    place: Place,
    name: ServerName,
    keys: Vec<VerifierKey>,
    found: Result<Start, String>,
}

impl Admission {
    /// Looks everything up, its files included.
    pub(crate) fn of(supply: &Supply, name: &ServerName) -> Self {
        let (place, keys) = (Place::of(supply), supply.approvers.clone());
        let found = supply::start(&place, name, &keys, Files::Compared).map_err(|fault| fault.to_line());
        Self { place, name: name.clone(), keys, found }
    }

    /// The same, unless advisories speak against a package in it, or cannot be read.
    pub(crate) fn unless(self, known: &Result<Option<Compared>, String>) -> Self {
        let Ok(start) = &self.found else { return self };
        let reason = match known {
            Ok(None) => None,
            Ok(Some(known)) => {
                known.judge(&start.parts).into_iter().find(Judged::is_refused).map(|it| it.to_string())
            }
            Err(what) => Some(what.clone()),
        };
        match reason {
            Some(reason) => Self { found: Err(format!("`{}` is not started: {reason}", self.name)), ..self },
            None => self,
        }
    }

    /// How it is started, or why it is not.
    pub(crate) fn found(&self) -> Result<&Start, &str> {
        self.found.as_ref().map_err(String::as_str)
    }

    /// Its files, and the digest they have to have when it is executed.
    pub(crate) fn sealed(&self) -> Vec<(PathBuf, Digest)> {
        self.found.iter().map(|start| (start.tree.clone(), start.digest)).collect()
    }

    /// Whether it may still be started as it was found. `boundary` says whether its files are compared inside.
    fn again(&self, boundary: &Boundary) -> Result<(), String> {
        let files = match boundary {
            Boundary::Plan(_) => Files::ComparedInside,
            Boundary::DangerNone | Boundary::Unsettled(_) => Files::Compared,
        };
        let now = supply::start(&self.place, &self.name, &self.keys, files);
        let now = now.map_err(|fault| fault.to_line())?;
        match &self.found {
            Ok(found) if found.digest == now.digest && found.command == now.command => Ok(()),
            Ok(_) => Err(format!("the lock has something else as `{}` than what was configured", self.name)),
            Err(reason) => Err(reason.clone()),
        }
    }

    /// For every record of what it is asked.
    pub(crate) fn run(&self) -> ControlRun {
        let (state, reason) = match &self.found {
            Ok(Start { package, artifact, digest, approved_by, .. }) => {
                let by = approved_by.join(", ");
                (RunState::Ran, format!("{package}, artifact {artifact}, tree {digest}, approved by {by}"))
            }
            Err(reason) => (RunState::Degraded, format!("not started: {reason}")),
        };
        ControlRun { control: ControlId::Sc01, state, reason: Some(reason.into()) }
    }
}

/// The boundary of the sandbox that compares them.
const APPROVED_FILES: &str = "approved-files";

/// A launcher that looks at a server's admission before each start, and writes down when it does not hold.
pub(crate) struct Admitting {
    inner: Arc<dyn Launcher>,
    admission: Arc<Admission>,
    recorder: Recorder,
}

impl Admitting {
    pub(crate) fn new(inner: Arc<dyn Launcher>, admission: Arc<Admission>, recorder: Recorder) -> Self {
        Self { inner, admission, recorder }
    }

    async fn start(&self, plan: &LaunchPlan) -> Result<Launched, LaunchError> {
        let (admission, boundary) = (self.admission.clone(), plan.boundary.clone());
        // Files may have to be read, and signatures verified.
        let holds = tokio::task::spawn_blocking(move || admission.again(&boundary)).await;
        let holds =
            holds.unwrap_or_else(|fault| Err(format!("its admission could not be looked at: {fault}")));
        let holds_not = holds.is_err();
        let started = match holds {
            Ok(()) => self.inner.launch(plan).await,
            Err(reason) => Err(LaunchError::Setup { server: plan.server.clone(), reason }),
        };
        if let Err(error) = &started {
            // The sandbox compares the files; whatever else keeps a server from being started is not its admission.
            let said = error.to_string();
            let by = if holds_not || said.contains(APPROVED_FILES) {
                format!("{}: ", ControlId::Sc01)
            } else {
                String::new()
            };
            // It is not started whether or not that can be written; the log itself reports what it loses.
            let _ = self.recorder.event(
                EventKind::NotStarted,
                Some(plan.server.to_string()),
                format!("{by}{said}"),
            );
        }
        started
    }
}

impl Launcher for Admitting {
    fn launch<'a>(&'a self, plan: &'a LaunchPlan) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        Box::pin(self.start(plan))
    }
}
