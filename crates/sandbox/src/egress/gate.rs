//! Everything that is asked before the first byte leaves.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use portcullis_core::{Authority, Clock, DomainName, Host, ServerName};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Attempt, Denial, End, Entry, Ledger, Limits, LookupFault, Metrics, Policy, Resolve, Way,
    meter::{Budgets, Meter},
    pace::Pace,
};

/// Shortest time one address is given, so that a dead one among several does not use up all of it.
const LEAST_ATTEMPT: Duration = Duration::from_millis(500);

/// What a gate is made of.
pub struct GateParts {
    /// Whose way out it is.
    pub server: ServerName,
    /// What may be reached.
    pub policy: Policy,
    /// How much.
    pub limits: Limits,
    /// Resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// Where attempts are recorded.
    pub ledger: Arc<dyn Ledger>,
    /// For budgets.
    pub clock: Arc<dyn Clock>,
}

/// The one place that lets a server's connection out.
pub struct Gate {
    server: ServerName,
    policy: Policy,
    limits: Arc<Limits>,
    resolver: Arc<dyn Resolve>,
    ledger: Arc<dyn Ledger>,
    budgets: Arc<Budgets>,
    pace: Pace,
    metrics: Arc<Metrics>,
}

/// An allowed connection to a checked address, on record.
pub(super) struct Passage {
    pub(super) stream: TcpStream,
    pub(super) account: Account,
    /// Whom TLS has to name, when it has to be TLS.
    pub(super) tls: Option<Host>,
}

/// Counts an allowed connection and records its end.
pub(super) struct Account {
    attempt: Attempt,
    entry: Option<Box<dyn Entry>>,
    via: Option<SocketAddr>,
    pub(super) meter: Arc<Meter>,
    metrics: Arc<Metrics>,
    ledger: Arc<dyn Ledger>,
}

impl Gate {
    /// A gate without traffic.
    pub fn new(parts: GateParts) -> Self {
        Self {
            server: parts.server,
            policy: parts.policy,
            pace: Pace::new(parts.clock.clone(), parts.limits.connections_per_minute),
            limits: Arc::new(parts.limits),
            resolver: parts.resolver,
            ledger: parts.ledger,
            budgets: Arc::new(Budgets::new(parts.clock)),
            metrics: Arc::default(),
        }
    }

    /// The gate's counters.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(super) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Records that something was refused before it could be asked for properly.
    pub(super) fn refuse(&self, way: Way, asked: &str, denial: Denial) -> Denial {
        self.metrics.refuse();
        self.ledger.refuse(&Attempt::new(self.server.clone(), way, asked), &denial);
        denial
    }

    /// Opens a connection to the destination a server asked for in these words, if it may.
    pub(super) async fn open(&self, way: Way, asked: &str) -> Result<Passage, Denial> {
        let (to, rule, tls, addresses) =
            self.clear(way, asked).await.map_err(|denial| self.refuse(way, asked, denial))?;
        let attempt = Attempt::new(self.server.clone(), way, &to.to_string());
        let entry = self.ledger.allow(&attempt, &rule).await;
        let entry = entry.map_err(|reason| self.refuse(way, asked, Denial::Unrecorded(reason)))?;
        self.metrics.allow();
        let mut account = Account {
            attempt,
            entry: Some(entry),
            via: None,
            meter: Arc::new(Meter::new(self.budgets.clone(), rule, self.limits.clone())),
            metrics: self.metrics.clone(),
            ledger: self.ledger.clone(),
        };
        match dial(&addresses, to.port, self.limits.connect).await {
            Ok((stream, via)) => {
                account.via = Some(via);
                Ok(Passage { stream, account, tls: tls.then_some(to.host) })
            }
            Err(reason) => {
                account.close(&End::Cut(Denial::Unreachable(reason.clone())));
                Err(Denial::Unreachable(reason))
            }
        }
    }

    /// The rule, whether it asks for TLS, and the addresses, every one of them checked.
    async fn clear(&self, way: Way, asked: &str) -> Result<(Authority, Arc<str>, bool, Vec<IpAddr>), Denial> {
        self.pace.take()?;
        let to = Authority::parse(asked, None)?;
        let permit = self.policy.permit(&to, way)?;
        // Asked once: what is checked here is what is connected to.
        let addresses = match &to.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolve(name).await?,
        };
        self.policy.check(&addresses)?;
        Ok((to, permit.rule, permit.tls, addresses))
    }

    async fn resolve(&self, name: &DomainName) -> Result<Vec<IpAddr>, LookupFault> {
        let found = timeout(self.limits.lookup, self.resolver.lookup(name)).await;
        let addresses = found.map_err(|_| LookupFault::Slow)??;
        match addresses.len() {
            0 => Err(LookupFault::NoAddress("an empty answer".to_owned())),
            count if count > self.limits.addresses => Err(LookupFault::TooMany(count)),
            _ => Ok(addresses),
        }
    }
}

impl Account {
    /// The destination, in the form it was checked in.
    pub(super) fn destination(&self) -> &str {
        &self.attempt.destination
    }

    /// Records the end.
    pub(super) fn close(mut self, end: &End) {
        self.finish(end);
    }

    /// Records that the connection was refused after all, once what it is for was seen, and its end.
    pub(super) fn refuse(mut self, denial: Denial) {
        self.ledger.refuse(&self.attempt, &denial);
        self.metrics.refuse();
        self.finish(&End::Cut(denial));
    }

    fn finish(&mut self, end: &End) {
        let Some(entry) = self.entry.take() else { return };
        let traffic = self.meter.traffic();
        self.metrics.end(matches!(end, End::Cut(_)), traffic);
        entry.close(self.via, end, traffic);
    }
}

impl Drop for Account {
    /// Whoever lets go of a connection, the proxy's own end included, leaves its byte counts on record.
    fn drop(&mut self) {
        self.finish(&End::Closed);
    }
}

/// Connects to the first address that answers.
async fn dial(
    addresses: &[IpAddr],
    port: u16,
    patience: Duration,
) -> Result<(TcpStream, SocketAddr), String> {
    let end = Instant::now() + patience;
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut failures = Vec::new();
    for address in addresses {
        let to = SocketAddr::new(*address, port);
        let share = end.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        let until = end.min(Instant::now() + share.max(LEAST_ATTEMPT));
        match timeout_at(until, TcpStream::connect(to)).await {
            Ok(Ok(stream)) => {
                let _slower_but_works = stream.set_nodelay(true);
                return Ok((stream, to));
            }
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: no answer")),
        }
    }
    Err(failures.join("; "))
}
