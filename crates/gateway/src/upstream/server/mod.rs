//! A configured server and the links that are open to it.
//!
//! A stateless server has one link for everybody, found without a lock. Any other, and one that is shown a
//! credential of its caller's, has one per [`LinkProfile`] (controls ISO-03, IAM-04), opened by the first caller who needs it while the others wait, closed
//! when nobody has used it for a while, replaced when it has ended. After a failure nobody tries again
//! before some time has passed; until then callers get the failure at once.

mod links;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use parking_lot::Mutex;
use portcullis_core::{BoxFuture, Clock, Launcher, Link, LinkProfile, OnBehalf, Upstream, UpstreamError};
use portcullis_wire::Era;
use tokio::{
    sync::Mutex as Turn,
    time::{Duration, Instant, sleep},
};

use self::links::Links;
use super::{
    backoff::Backoff,
    config::{ServerConfig, Transport},
    event::{Observer, Reporter, ServerEvent},
    health::{Health, HealthReport, HealthState},
    http::{HttpConfigError, HttpUpstream},
    stdio::StdioUpstream,
};

/// A configured server.
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<ServerConfig>,
    way: Box<dyn Upstream>,
    shared: ArcSwapOption<Shared>,
    links: Mutex<Links>,
    /// Taken by the caller who connects while it is not known whether one link will do for everybody.
    first: Turn<()>,
    stateful: AtomicBool,
    backoff: Mutex<Backoff>,
    health: Arc<Health>,
    reporter: Reporter,
    closed: AtomicBool,
}

/// The link of a stateless server.
struct Shared {
    link: Arc<dyn Link>,
    made: Instant,
}

impl Server {
    /// A server as configured; nothing is started or connected before the first caller needs it.
    ///
    /// # Errors
    /// When the configuration of a server over HTTP cannot be used.
    pub fn new(
        config: ServerConfig,
        launcher: Arc<dyn Launcher>,
        observer: Observer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HttpConfigError> {
        let config = Arc::new(config);
        let per_caller = match &config.transport {
            Transport::Http(endpoint) => endpoint.credential.as_ref().is_some_and(|it| it.is_per_caller()),
            Transport::Stdio(_) => false,
        };
        let health = Arc::new(Health::new(clock).per_caller(per_caller));
        let reporter = Reporter { server: config.name.clone(), observer: observer.clone() };
        let way: Box<dyn Upstream> = match &config.transport {
            Transport::Stdio(program) => {
                Box::new(StdioUpstream::new(config.clone(), program, launcher, observer, health.clone()))
            }
            Transport::Http(endpoint) => {
                Box::new(HttpUpstream::new(config.clone(), endpoint, observer, health.clone())?)
            }
        };
        Ok(Self::over(config, way, health, reporter))
    }

    fn over(
        config: Arc<ServerConfig>,
        way: Box<dyn Upstream>,
        health: Arc<Health>,
        reporter: Reporter,
    ) -> Self {
        let links = Mutex::new(Links::new(config.max_links, config.idle_close));
        let inner = Inner {
            config,
            way,
            shared: ArcSwapOption::empty(),
            links,
            first: Turn::new(()),
            stateful: AtomicBool::new(false),
            backoff: Mutex::default(),
            health,
            reporter,
            closed: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Its configuration.
    pub fn config(&self) -> &ServerConfig {
        &self.inner.config
    }

    /// How it is.
    pub fn health(&self) -> HealthReport {
        self.inner.health.report()
    }

    /// Links open now.
    pub fn open_links(&self) -> usize {
        self.inner.links.lock().live() + usize::from(self.inner.shared().is_some())
    }

    async fn link(&self, profile: &LinkProfile) -> Result<Arc<dyn Link>, UpstreamError> {
        if let Some(link) = self.inner.shared() {
            return Ok(link);
        }
        let profile = &*self.inner.owner(profile);
        if let Some(link) = self.inner.links.lock().find(profile, Instant::now()) {
            link.renew(&profile.on_behalf);
            return Ok(link);
        }
        // A caller who leaves meanwhile does not undo the work: a program that takes long to start would
        // otherwise never be up for impatient callers.
        let opening = tokio::spawn(open(self.inner.clone(), profile.clone()));
        opening.await.unwrap_or_else(|_| Err(UpstreamError::Unreachable("connecting was interrupted".into())))
    }
}

impl Inner {
    fn shared(&self) -> Option<Arc<dyn Link>> {
        let shared = self.shared.load();
        shared.as_ref().filter(|shared| shared.link.is_alive()).map(|shared| shared.link.clone())
    }

    /// Whose a link is. Where every caller shows the same credential, or none, actor and grant make no difference.
    fn owner<'p>(&self, profile: &'p LinkProfile) -> Cow<'p, LinkProfile> {
        let on_behalf = &profile.on_behalf;
        if self.way.is_per_caller() || on_behalf.actor.is_none() && on_behalf.grant.is_none() {
            return Cow::Borrowed(profile);
        }
        let on_behalf = OnBehalf::of(on_behalf.principal.clone());
        Cow::Owned(LinkProfile { on_behalf, ..profile.clone() })
    }

    /// When the link that `profile` would have had was made, if it has ended by itself.
    fn lost(&self, profile: &LinkProfile) -> Option<Instant> {
        let of_profile = self.links.lock().lost(profile);
        of_profile.or_else(|| self.shared.swap(None).map(|shared| shared.made))
    }

    fn found(&self, profile: &LinkProfile) -> Option<Arc<dyn Link>> {
        self.shared().or_else(|| self.links.lock().find(profile, Instant::now()))
    }

    async fn connect(&self, profile: &LinkProfile) -> Result<Arc<dyn Link>, UpstreamError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(UpstreamError::Unreachable("the server is no longer in use".into()));
        }
        self.backoff.lock().check()?;
        let connected = self.way.connect(profile).await;
        self.health.heard(connected.as_ref().err());
        match &connected {
            Ok(_) => self.backoff.lock().succeeded(),
            Err(error) if self.health.concerns_one_caller(error) => {}
            Err(error) => {
                self.reporter.report(ServerEvent::Unready { reason: error.to_string() });
                self.backoff.lock().failed(error);
            }
        }
        connected
    }

    /// Puts a new link where callers find it.
    fn keep(self: &Arc<Self>, profile: LinkProfile, link: &Arc<dyn Link>) {
        if link.info().version.era() == Era::Modern && !self.way.is_per_caller() {
            self.shared.store(Some(Arc::new(Shared { link: link.clone(), made: Instant::now() })));
            self.links.lock().remove(&profile);
        } else {
            self.links.lock().put(profile, link.clone(), Instant::now());
            if !self.stateful.swap(true, Ordering::AcqRel) {
                tokio::spawn(sweep(Arc::downgrade(self), self.config.idle_close));
            }
        }
        // `close` may have run while this link was being made.
        if self.closed.load(Ordering::Acquire) {
            self.let_go();
        }
    }

    /// Forgets every link and hands them out.
    fn let_go(&self) -> Vec<Arc<dyn Link>> {
        let mut links = self.links.lock().drain();
        links.extend(self.shared.swap(None).map(|shared| shared.link.clone()));
        links
    }
}

/// Connects, or waits for who is connecting already.
async fn open(server: Arc<Inner>, profile: LinkProfile) -> Result<Arc<dyn Link>, UpstreamError> {
    let turn = server.links.lock().turn(&profile, Instant::now())?;
    let _ours = turn.lock().await;
    let _first = if server.stateful.load(Ordering::Acquire) { None } else { Some(server.first.lock().await) };
    if let Some(link) = server.found(&profile) {
        return Ok(link);
    }
    if let Some(made) = server.lost(&profile) {
        server.backoff.lock().lost(made);
    }
    let link = server.connect(&profile).await?;
    server.keep(profile, &link);
    Ok(link)
}

/// Closes what nobody uses, for as long as the server is configured.
async fn sweep(server: std::sync::Weak<Inner>, idle: Duration) {
    loop {
        sleep((idle / 4).max(Duration::from_millis(50))).await;
        let Some(server) = server.upgrade() else { return };
        // Dropping a link ends it.
        let unused = server.links.lock().unused(Instant::now());
        drop(unused);
    }
}

/// Waits until nobody but `links` holds a link, but not longer than `grace`.
async fn unheld(links: &[Arc<dyn Link>], grace: Duration) {
    let until = Instant::now() + grace;
    while links.iter().any(|link| Arc::strong_count(link) > 1) && Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
    }
}

impl Upstream for Server {
    fn connect<'a>(
        &'a self,
        profile: &'a LinkProfile,
    ) -> BoxFuture<'a, Result<Arc<dyn Link>, UpstreamError>> {
        Box::pin(self.link(profile))
    }

    fn end_session(&self, session: &str) {
        let links = self.inner.links.lock().of_session(session);
        if let (false, Ok(runtime)) = (links.is_empty(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { join_all(links.iter().map(|link| link.close())).await });
        }
    }

    fn end_links_of(&self, gone: &dyn Fn(&OnBehalf) -> bool) {
        if !self.is_per_caller() {
            return;
        }
        let links = self.inner.links.lock().of(gone);
        if let (false, Ok(runtime)) = (links.is_empty(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { join_all(links.iter().map(|link| link.close())).await });
        }
    }

    fn end_links(&self) {
        let links = self.inner.let_go();
        if let (false, Ok(runtime)) = (links.is_empty(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { join_all(links.iter().map(|link| link.close())).await });
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.inner.closed.store(true, Ordering::Release);
            let links = self.inner.let_go();
            unheld(&links, self.inner.config.stop_grace).await;
            join_all(links.iter().map(|link| link.close())).await;
        })
    }

    fn is_per_caller(&self) -> bool {
        self.inner.way.is_per_caller()
    }

    fn trouble(&self) -> Option<String> {
        let report = self.inner.health.report();
        report.last_error.filter(|_| report.state == HealthState::Down)
    }

    fn describe(&self) -> String {
        self.inner.way.describe()
    }
}
