//! `[telemetry]`: where what is recorded is told as it happens.

use std::{path::PathBuf, time::Duration};

use portcullis_audit::otel::Signals;

use super::{
    Parameter,
    kind::{Choice, FilePath, Flag, List, Maybe, Parsed, Seconds, Whole},
    net::{self, HttpUrl},
    parameter_kind::HEADERS,
    problem::Severity,
    section::PRINCIPAL,
    setting::{Walk, settings},
};

/// How requests to a collector are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// OTLP/HTTP with protobuf bodies.
    Http,
    /// OTLP/gRPC.
    Grpc,
}

settings! {
    /// OpenTelemetry: traces, metrics and logs for a collector (OTLP). A collector that is slow or away holds up no
    /// call; what could not be sent is counted.
    pub(crate) struct TelemetrySection {
        /// Base URL of the collector, for example `http://127.0.0.1:4318`. Without it nothing is exported, and trace
        /// context passes from clients to servers as it is.
        Restart endpoint: Option<HttpUrl> = Maybe(net::URL);
        /// How the collector is spoken to: OTLP over plain HTTP requests, or over gRPC.
        Restart protocol: OtlpProtocol = Choice { words: &[
            ("http/protobuf", OtlpProtocol::Http, "a POST to `/v1/traces`, `/v1/metrics` or `/v1/logs` below `endpoint`"),
            ("grpc", OtlpProtocol::Grpc, "the collector's services over HTTP/2"),
        ] }, default r#""http/protobuf""#;
        /// HTTP headers sent with every request, such as `Authorization`.
        Restart headers: Vec<(String, Parameter)> = HEADERS;
        /// Certificate authorities trusted besides the system's, in PEM.
        Restart ca_file: Option<PathBuf> = Maybe(FilePath);
        /// A span for each call and one below it for what is asked of its server. Servers get the gateway's span in
        /// `_meta` and in HTTP headers, so that theirs hang under it.
        Restart traces: bool = Flag, default "true";
        /// Durations of calls, and what telemetry was lost.
        Restart metrics: bool = Flag, default "true";
        /// Every record as a log record. They name principals and tools, and no argument.
        Restart logs: bool = Flag, default "true";
        /// How often metrics are sent.
        Restart metrics_seconds: Duration = Seconds { least: 1, most: 3600 }, default "15";
        /// Spans and log records that may wait for the collector. Those that come when there are so many are lost.
        Restart queue: usize = Whole::<usize>::new("items", 1, 65_536), default "4096";
        /// `service.name` of the gateway.
        Restart service: String = PRINCIPAL, default r#""portcullis""#;
        /// Keys of W3C baggage that pass from clients to servers, 1024 bytes in all. Everything else in a `baggage`
        /// stays behind and is recorded: it is what a client tells its own trust domain.
        Live baggage: Vec<String> = List(BAGGAGE_KEY);
        /// Sends to a collector on another machine without encryption.
        Restart danger_allow_plain_http: bool = Flag, default "false";
    }
}

const BAGGAGE_KEY: Parsed<String> =
    Parsed { phrase: "a key of baggage", example: "release", parse: parse_baggage_key };

fn parse_baggage_key(text: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(token) {
        Ok(text.to_owned())
    } else {
        Err("is not a token (RFC 9110 section 5.6.2)".to_owned())
    }
}

/// What is told, and where.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Where; nowhere when absent.
    pub collector: Option<Collector>,
    /// Keys of baggage that pass from clients to servers.
    pub baggage: Vec<String>,
}

/// A collector, and what it gets.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Its base URL.
    pub endpoint: HttpUrl,
    /// How it is spoken to.
    pub protocol: OtlpProtocol,
    /// Headers of every request.
    pub headers: Vec<(String, Parameter)>,
    /// Authorities trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What it gets.
    pub signals: Signals,
    /// How often it gets metrics.
    pub metrics_every: Duration,
    /// Items that may wait for it.
    pub queue: usize,
    /// `service.name`.
    pub service: String,
}

impl TelemetrySection {
    /// The section as the product uses it, with what is wrong between its settings noted.
    pub(super) fn settle(self, walk: &mut Walk<'_>) -> Telemetry {
        let Some(endpoint) = self.endpoint else {
            for field in ["protocol", "headers", "ca_file", "service"] {
                let field = format!("telemetry.{field}");
                if walk.is_set(&field) {
                    let what = "this has a meaning only together with `endpoint`";
                    walk.conflict(&field, Severity::Warning, what, "remove it, or set `telemetry.endpoint`");
                }
            }
            return Telemetry { collector: None, baggage: self.baggage };
        };
        if !endpoint.is_https() && !endpoint.is_loopback() && !self.danger_allow_plain_http {
            let what = format!("`{endpoint}` would be told who calls what, without encryption");
            let remedy = "use https; `telemetry.danger_allow_plain_http = true` allows it nevertheless";
            walk.conflict("telemetry.endpoint", Severity::Error, what, remedy);
        }
        if endpoint.query_names().next().is_some() {
            let remedy = "send credentials as headers: headers = { Authorization = { file = \"path\" } }";
            walk.conflict("telemetry.endpoint", Severity::Error, "a base URL has no query", remedy);
        }
        let signals = Signals { traces: self.traces, metrics: self.metrics, logs: self.logs };
        let collector = Collector {
            endpoint,
            protocol: self.protocol,
            headers: self.headers,
            ca_file: self.ca_file,
            signals,
            metrics_every: self.metrics_seconds,
            queue: self.queue,
            service: self.service,
        };
        Telemetry { collector: Some(collector), baggage: self.baggage }
    }
}
