//! Telemetry on its way to a collector: OTLP over HTTP and over gRPC.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use portcullis_audit::{
    EventKind, Health, Recorder,
    otel::{Exporter, SendFault, Signal, Telemetry, TelemetryOptions, Transport},
};
use portcullis_core::{BoxFuture, Secret};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    compose::Deployment,
    config::{self, OtlpProtocol},
    post::{self, Client},
    runtime::node_name,
};

/// Longest answer that is read. What a collector says about a partial success is not needed.
const ANSWER_BYTES: usize = 64 * 1024;

/// How a call ended, as a trailer, or as a header when nothing else was said.
const GRPC_STATUS: &str = "grpc-status";

/// The way to one collector.
pub(crate) struct Collector {
    client: Client,
    protocol: OtlpProtocol,
    endpoint: Uri,
    headers: HeaderMap,
}

impl Collector {
    pub(crate) fn new(wanted: &config::Collector, headers: Vec<(String, Secret)>) -> Result<Self, String> {
        let endpoint = wanted.endpoint.uri().clone();
        let client = post::client(
            wanted.endpoint.is_https(),
            wanted.ca_file.as_deref(),
            wanted.protocol == OtlpProtocol::Grpc,
        )?;
        let map = post::headers(headers)?;
        Ok(Self { client, protocol: wanted.protocol, endpoint, headers: map })
    }

    async fn post(&self, signal: Signal, body: Vec<u8>) -> Result<(), SendFault> {
        let request = self.request(signal, body).map_err(|reason| SendFault { retry: false, reason })?;
        let response = self.client.request(request).await.map_err(|error| unreached(&error))?;
        match self.protocol {
            OtlpProtocol::Http => of_status(response.status()),
            OtlpProtocol::Grpc => of_grpc(response).await,
        }
    }

    fn request(&self, signal: Signal, body: Vec<u8>) -> Result<Request<Full<Bytes>>, String> {
        let base = self.endpoint.path().trim_end_matches('/');
        let (path, kind, body) = match self.protocol {
            OtlpProtocol::Http => {
                (format!("{base}/v1/{}", signal.as_str()), "application/x-protobuf", Bytes::from(body))
            }
            OtlpProtocol::Grpc => (service(signal).to_owned(), "application/grpc", framed(&body)),
        };
        let mut parts = self.endpoint.clone().into_parts();
        parts.path_and_query = Some(path.parse().map_err(|_| "`endpoint` makes no URL".to_owned())?);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| error.to_string())?;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if self.protocol == OtlpProtocol::Grpc {
            *request.version_mut() = Version::HTTP_2;
            request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
        }
        Ok(request)
    }
}

impl Transport for Collector {
    fn send(&self, signal: Signal, body: Vec<u8>) -> BoxFuture<'_, Result<(), SendFault>> {
        Box::pin(self.post(signal, body))
    }
}

/// The method of the collector's service (opentelemetry/proto/collector).
const fn service(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// One message of a gRPC stream, uncompressed.
fn framed(body: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(body.len().saturating_add(5));
    framed.put_u8(0);
    framed.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    framed.put_slice(body);
    framed.freeze()
}

fn unreached(error: &dyn std::error::Error) -> SendFault {
    let cause = post::root_cause(error);
    SendFault { retry: true, reason: format!("the collector cannot be reached: {cause}") }
}

/// OTLP/HTTP, Failures: these few are worth another attempt.
fn of_status(status: StatusCode) -> Result<(), SendFault> {
    if status.is_success() {
        return Ok(());
    }
    let retry = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    Err(SendFault { retry, reason: format!("the collector answered {status}") })
}

/// OTLP/gRPC, Failures, by the numbers of gRPC: cancelled, deadline exceeded, resource exhausted, aborted, out of
/// range, unavailable and data loss are worth another attempt.
async fn of_grpc(response: Response<Incoming>) -> Result<(), SendFault> {
    if !response.status().is_success() {
        return of_status(response.status());
    }
    let (head, body) = response.into_parts();
    let (mut body, mut status) = (Limited::new(body, ANSWER_BYTES), head.headers.get(GRPC_STATUS).cloned());
    while let Some(frame) = body.frame().await {
        let broken = |error| SendFault { retry: true, reason: format!("the answer broke off: {error}") };
        if let Some(trailers) = frame.map_err(broken)?.trailers_ref() {
            status = trailers.get(GRPC_STATUS).cloned();
        }
    }
    match status.as_ref().and_then(|status| status.to_str().ok()) {
        Some("0") => Ok(()),
        Some(code) => {
            let retry = matches!(code, "1" | "4" | "8" | "10" | "11" | "14" | "15");
            Err(SendFault { retry, reason: format!("the collector answered with gRPC status {code}") })
        }
        None => Err(SendFault { retry: false, reason: "the collector does not speak gRPC".to_owned() }),
    }
}

/// Both ends of what a deployment wants to tell.
pub(crate) fn telling(deployment: &Deployment) -> (Option<Telemetry>, Option<Exporter>) {
    let Some(collector) = &deployment.config.telemetry.collector else { return (None, None) };
    let options = TelemetryOptions {
        signals: collector.signals,
        queue: collector.queue,
        metrics_every: collector.metrics_every,
        service: collector.service.clone(),
        instance: node_name(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let (telemetry, exporter) = Telemetry::new(&options);
    (Some(telemetry), Some(exporter))
}

/// The task that sends.
pub(crate) struct Exporting {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// Starts sending. That a collector fails, and that it does not any more, is recorded.
pub(crate) fn start(exporter: Exporter, deployment: &Deployment, recorder: &Recorder) -> Option<Exporting> {
    let transport: Arc<dyn Transport> = deployment.collector.clone()?;
    let stop = CancellationToken::new();
    let mut health = exporter.health();
    let (recorder, watching) = (recorder.clone(), stop.clone());
    tokio::spawn(async move {
        while let Some(Ok(())) = watching.run_until_cancelled(health.changed()).await {
            let (kind, detail) = match health.borrow_and_update().clone() {
                Health::Working => (EventKind::Restored, "the collector takes telemetry again".to_owned()),
                Health::Failing { reason, .. } => (EventKind::Degraded, reason),
            };
            // No call depends on it.
            let _ = recorder.event(kind, Some("telemetry".to_owned()), detail);
        }
    });
    let stopped = stop.clone().cancelled_owned();
    Some(Exporting { task: tokio::spawn(exporter.run(transport, stopped)), stop })
}

impl Exporting {
    /// Sends what is left, within the exporter's own bound.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        let _ended = self.task.await;
    }
}

/// What became of telemetry, for the operator's endpoint.
pub(crate) fn gauges(telemetry: Option<&Telemetry>) -> Vec<(&'static str, &'static str, u64)> {
    let Some(metrics) = telemetry.map(Telemetry::metrics) else { return Vec::new() };
    [
        ("portcullis_telemetry_spans_sent", "Spans the collector took", metrics.sent(Signal::Traces)),
        ("portcullis_telemetry_spans_lost", "Spans that could not be sent", metrics.lost(Signal::Traces)),
        ("portcullis_telemetry_logs_sent", "Log records the collector took", metrics.sent(Signal::Logs)),
        ("portcullis_telemetry_logs_lost", "Log records that could not be sent", metrics.lost(Signal::Logs)),
        ("portcullis_telemetry_metrics_sent", "Exports of metrics", metrics.sent(Signal::Metrics)),
        (
            "portcullis_telemetry_metrics_lost",
            "Exports of metrics that failed",
            metrics.lost(Signal::Metrics),
        ),
    ]
    .into()
}
