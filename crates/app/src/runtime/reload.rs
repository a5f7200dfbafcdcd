//! Putting a changed configuration in force without losing a call.

use std::{net::SocketAddr, sync::Arc};

use portcullis_audit::{Digests, EventKind};
use portcullis_gateway::{Gateway, ingress::http::HttpIngress};

use super::{build::Builder, http, switch::KillSwitch};
use crate::{
    commands::{described, tell},
    compose::Deployment,
    config::{
        Config, Report, Severity,
        watch::{Reload, Watch},
    },
    printer::Printer,
    tls::Certificate,
};

/// Puts changed configurations in force.
pub(super) struct Follower {
    pub(super) gateway: Arc<Gateway>,
    pub(super) builder: Builder,
    pub(super) ingress: Arc<HttpIngress>,
    /// The certificate the listener was opened with: connections get what it holds.
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) switch: Arc<KillSwitch>,
    pub(super) address: SocketAddr,
    pub(super) printer: Printer,
}

impl Follower {
    /// Follows the configuration's files. What cannot be read, or would not work, leaves the old one in force
    /// and says so.
    pub(super) async fn follow(self, current: Deployment) {
        let mut watch = match Watch::start(&current.config) {
            Ok(watch) => watch,
            Err(e) => {
                let what = format!("changes of the configuration are not noticed: {e}");
                return self.printer.warning(&what, Some("restart after a change"));
            }
        };
        // Settings that wait for the next start wait until then, whatever comes between.
        let started = current.config.clone();
        loop {
            let (again, changed) = match watch.next().await {
                // All files of admitted servers may have to be read.
                Reload::New { loaded, again } => {
                    match tokio::task::spawn_blocking(move || Deployment::of(loaded.config)).await {
                        Ok(deployment) => (again, deployment),
                        Err(fault) => {
                            self.reject(&format!("it could not be put together: {fault}"));
                            continue;
                        }
                    }
                }
                Reload::Kept(report) => (false, Err(report)),
            };
            let done = changed
                .map_err(|report| self.told(&report))
                .and_then(|next| self.put_in_force(&started, &next, again));
            if let Err(what) = done {
                self.reject(&what);
            }
        }
    }

    fn put_in_force(&self, started: &Config, next: &Deployment, again: bool) -> Result<(), String> {
        let snapshot = self.builder.snapshot(next, Some(&self.gateway.snapshot()))?;
        // Certificates may have been renewed without any other change.
        if let (Some(tls), Some(certificate)) = (&next.config.tls, &self.certificate) {
            certificate.reload(tls).map_err(|e| e.to_string())?;
        }
        let digests = Digests {
            policy: Some(snapshot.authoriser.digest()),
            config: Some(next.digest),
            controls: Some(snapshot.inspector.digest()),
        };
        self.gateway.put_in_force(snapshot, digests);
        self.ingress.reconfigure(http::options(next, self.address), http::limiter(&next.config));
        self.switch.knows_of(&next.config);
        let what = match again {
            false => "the changed configuration is in force",
            true => "the configuration was read again on SIGHUP and has not changed",
        };
        self.printer.done(&format!("{what} ({})", next.digest));
        next.warnings.problems().iter().for_each(|p| self.printer.warning(&p.what, Some(&p.remedy)));
        let waiting = started.needs_restart(&next.config);
        if !waiting.is_empty() {
            let what = format!("these changes wait for the next start: {}", waiting.join(", "));
            self.printer.warning(&what, Some("restart when it suits"));
        }
        Ok(())
    }

    /// Tells every mistake; what is said about all of them.
    fn told(&self, report: &Report) -> String {
        tell(report, &self.printer);
        first(report)
    }

    fn reject(&self, what: &str) {
        self.gateway.event(EventKind::ConfigRejected, what.to_owned());
        let what = format!("the changed configuration was not put in force: {what}");
        self.printer.warning(&what, Some("run `portcullis check`"));
    }
}

/// The first mistake with its place, and how many more there are.
fn first(report: &Report) -> String {
    let mut errors = report.problems().iter().filter(|problem| problem.severity == Severity::Error);
    let first = errors.next().map_or_else(|| "it is not usable".to_owned(), described);
    match errors.count() {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}
