//! The listeners: MCP over HTTP, and the operator's endpoint.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portcullis_audit::{Health, stream::StreamMetrics};
use portcullis_gateway::{
    Gateway,
    edge::{Edge, EdgeLimits},
    ingress::http::{HttpIngress, HttpOptions, Sites},
    limits::{Limiter, RequestLimits},
};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{build::Builder, logs::Logs, reload, switch::KillSwitch};
use crate::{
    admin::{self, Gauges, Readiness, Switch},
    compose::Deployment,
    config::Config,
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    streams, telemetry,
};

/// Interval of comments on an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Connections the system may hold until they are accepted. The usual 128 overflows when many clients come at
/// once, and each of them then waits a second before it tries again.
const BACKLOG: u32 = 1024;

pub(super) async fn serve(
    gateway: &Arc<Gateway>,
    builder: &Builder,
    deployment: Deployment,
    gauges: Arc<dyn Gauges>,
    switch: &Arc<KillSwitch>,
    stop: &CancellationToken,
    printer: &Printer,
) -> Outcome {
    let config = &deployment.config;
    let listener = bind(config.gateway.listen, "gateway.listen")?;
    let address = local(&listener)?;
    let admin = match config.admin.listen {
        Some(wanted) => Some(bind(wanted, "admin.listen")?),
        None => None,
    };
    let tls = match &deployment.certificate {
        Some(certificate) => {
            let server = Arc::clone(certificate).server_config();
            Some(TlsAcceptor::from(server.map_err(|e| Failure::new(Exit::Usage, e.to_string()))?))
        }
        None => None,
    };
    let limiter = limiter(config);
    let ingress = HttpIngress::new(gateway.clone(), options(&deployment, address), limiter);
    let edge = Edge { service: ingress.clone(), limits: edge_limits(config), tls, gateway: gateway.clone() };
    announce(printer, address, admin.as_ref(), deployment.certificate.is_some());
    if admin.is_some() {
        switch.make_token()?;
    }
    let operator = admin.map(|listener| {
        let switch: Arc<dyn Switch> = Arc::<KillSwitch>::clone(switch);
        // Until calls under way have ended: whoever watches them has to see them, and may have to stop them.
        tokio::spawn(admin::serve(listener, gauges, switch, std::future::pending()))
    });
    let follower = reload::Follower {
        gateway: gateway.clone(),
        builder: builder.clone(),
        ingress,
        certificate: deployment.certificate.clone(),
        switch: switch.clone(),
        address,
        printer: *printer,
    };
    let reloads = tokio::spawn(follower.follow(deployment));
    let drained = edge.run(listener, stop.clone()).await;
    reloads.abort();
    if let Some(operator) = operator {
        operator.abort();
    }
    if !drained {
        printer.warning(
            "some calls were still under way when the drain time was over; their records say `abandoned`",
            None,
        );
    }
    Ok(Exit::Fine)
}

fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    listen(address).map_err(|e| {
        Failure::new(Exit::Unreachable, format!("cannot listen on {address}: {e}"))
            .remedy(format!("choose another address in `{setting}`"))
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A gateway that was stopped a moment ago may be started again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn local(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|e| Failure::new(Exit::Unreachable, e.to_string()))
}

fn announce(printer: &Printer, address: SocketAddr, admin: Option<&TcpListener>, tls: bool) {
    let scheme = if tls { "https" } else { "http" };
    printer.done(&format!("listening on {scheme}://{address}/mcp"));
    if let Some(admin) = admin.and_then(|l| l.local_addr().ok()) {
        printer.done(&format!("operator's endpoint on http://{admin}"));
    }
}

pub(super) fn options(deployment: &Deployment, address: SocketAddr) -> HttpOptions {
    let config = &deployment.config;
    let origins: Vec<String> = config.gateway.allowed_origins.iter().map(|o| o.as_str().to_owned()).collect();
    HttpOptions {
        sites: Sites {
            hosts: deployment.hosts().into(),
            origins: origins.into(),
            secure: deployment.certificate.is_some(),
        },
        body_bytes: config.limits.body_bytes,
        body_timeout: config.limits.body_read_seconds,
        origin: deployment.origin(address).into(),
        loopback: address.ip().is_loopback(),
        keep_alive: KEEP_ALIVE,
        streams: config.limits.streams,
    }
}

pub(super) fn limiter(config: &Config) -> Arc<Limiter> {
    let per_second = config.limits.requests_per_second;
    let burst = per_second.saturating_mul(2);
    Limiter::new(RequestLimits { concurrent: config.limits.concurrent_requests, per_second, burst })
}

fn edge_limits(config: &Config) -> EdgeLimits {
    EdgeLimits {
        connections: config.limits.connections,
        per_address: config.limits.connections_per_ip,
        head: config.limits.header_read_seconds,
        handshake: config.limits.header_read_seconds,
        head_bytes: config.limits.header_bytes,
        drain: config.gateway.drain_seconds,
    }
}

/// What the operator's endpoint shows.
pub(super) struct Status {
    pub(super) gateway: Arc<Gateway>,
    pub(super) logs: Logs,
    pub(super) streams: Arc<[Arc<StreamMetrics>]>,
    /// Fires when it is to end.
    pub(super) stop: CancellationToken,
}

impl Gauges for Status {
    fn metrics(&self) -> String {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let troubled =
            self.gateway.snapshot().servers.values().filter(|s| s.upstream.trouble().is_some()).count();
        let log = self.logs.lines.metrics();
        let mut gauges = vec![
            ("portcullis_sessions", "Open sessions", count(self.gateway.sessions.len())),
            (
                "portcullis_held_calls",
                "Calls held while their client is asked for input",
                count(self.gateway.parked_calls()),
            ),
            ("portcullis_stops", "Stops in force", count(self.gateway.stops_in_force().len())),
            ("portcullis_servers_in_trouble", "Servers that could not be reached lately", count(troubled)),
            ("portcullis_log_gaps", "Times since the start that records may be missing", self.logs.gaps()),
            ("portcullis_records_appended", "Records written to the log", log.appended.get()),
        ];
        if let Some(tree) = &self.logs.tree {
            let tree = tree.metrics();
            gauges.extend([
                ("portcullis_log_entries", "Records in the last signed checkpoint", tree.size.get()),
                ("portcullis_log_checkpoints", "Checkpoints signed", tree.checkpoints.get()),
                (
                    "portcullis_log_signed_at_seconds",
                    "When the last checkpoint was signed",
                    tree.signed_at.get(),
                ),
                ("portcullis_log_failures", "Failed attempts to write the tree", tree.failures.get()),
            ]);
        }
        gauges.extend(streams::gauges(&self.streams));
        gauges.extend(telemetry::gauges(self.gateway.telemetry()));
        self.gateway.metrics.render(&gauges)
    }

    /// Ready means that a call would be served and could be recorded: without that every call is refused. Servers that are down
    /// take only their own calls with them.
    fn readiness(&self) -> Readiness {
        if self.stop.is_cancelled() {
            return Readiness::NotReady("the gateway ends".to_owned());
        }
        match &*self.logs.lines.health().borrow() {
            Health::Working => Readiness::Ready,
            Health::Failing { .. } => Readiness::NotReady("records cannot be written".to_owned()),
        }
    }
}
