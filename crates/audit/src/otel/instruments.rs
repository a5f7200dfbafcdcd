//! Metrics, added up here and read when they are sent.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

use super::{
    facts::Series,
    proto::{Data, Histogram, HistogramPoint, KeyValue, Metric, NumberPoint, Sum, attribute},
};

/// Buckets of `mcp.server.operation.duration` and `mcp.client.operation.duration`, in seconds, as the conventions
/// advise.
const BOUNDS: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
const BUCKETS: usize = BOUNDS.len() + 1;
/// Most sets of attributes of one instrument; the rest share one that says so.
const MAX_SERIES: usize = 1000;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;

/// Everything that is measured.
#[derive(Debug)]
pub(super) struct Instruments {
    /// From a request's arrival to its end.
    pub(super) server: Durations,
    /// From the moment it was sent on to its end.
    pub(super) client: Durations,
    start_ns: u64,
}

/// A distribution of durations for each series.
#[derive(Debug, Default)]
pub(super) struct Durations(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    known: HashMap<Series, Spread>,
    overflow: Option<Spread>,
}

#[derive(Clone, Copy, Debug)]
struct Spread {
    counts: [u64; BUCKETS],
    sum: f64,
}

impl Durations {
    pub(super) fn record(&self, series: &Series, took: Duration) {
        let mut seen = self.0.lock();
        let full = seen.known.len() >= MAX_SERIES;
        match seen.known.get_mut(series) {
            Some(spread) => spread.add(took),
            None if full => seen.overflow.get_or_insert(Spread::EMPTY).add(took),
            None => seen.known.entry(series.clone()).or_insert(Spread::EMPTY).add(took),
        }
    }

    fn points(&self, start_ns: u64, now_ns: u64) -> Vec<HistogramPoint> {
        let seen = self.0.lock();
        let known = seen.known.iter().map(|(series, spread)| (attributes(series), spread));
        let rest = seen.overflow.iter().map(|spread| {
            (attribute("otel.metric.overflow", Some(true)).into_iter().collect::<Vec<_>>(), spread)
        });
        known.chain(rest).map(|(attributes, spread)| spread.point(attributes, start_ns, now_ns)).collect()
    }
}

impl Spread {
    const EMPTY: Self = Self { counts: [0; BUCKETS], sum: 0.0 };

    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().take_while(|bound| seconds > **bound).count();
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum += seconds;
    }

    fn point(&self, attributes: Vec<KeyValue>, start_ns: u64, now_ns: u64) -> HistogramPoint {
        HistogramPoint {
            start_time_unix_nano: start_ns,
            time_unix_nano: now_ns,
            count: self.counts.iter().sum(),
            sum: Some(self.sum),
            bucket_counts: self.counts.to_vec(),
            explicit_bounds: BOUNDS.to_vec(),
            attributes,
        }
    }
}

fn attributes(series: &Series) -> Vec<KeyValue> {
    let operation = (series.method == "tools/call").then_some("execute_tool");
    [
        attribute("mcp.method.name", Some(series.method)),
        attribute("gen_ai.operation.name", operation),
        attribute("gen_ai.tool.name", series.tool.as_deref()),
        attribute("mcp.protocol.version", series.version),
        attribute("error.type", series.error.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Instruments {
    pub(super) fn new(start_ns: u64) -> Self {
        Self { server: Durations::default(), client: Durations::default(), start_ns }
    }

    /// The metrics as they stand. `lost` says how much telemetry was, by signal.
    pub(super) fn read(&self, now_ns: u64, lost: [(&str, u64); 3]) -> Vec<Metric> {
        let durations = [
            ("mcp.server.operation.duration", "From the arrival of a request to its answer", &self.server),
            (
                "mcp.client.operation.duration",
                "From sending a request to a server to its answer",
                &self.client,
            ),
        ];
        let durations = durations.map(|(name, description, durations)| Metric {
            name: name.to_owned(),
            description: description.to_owned(),
            unit: "s".to_owned(),
            data: Some(Data::Histogram(Histogram {
                data_points: durations.points(self.start_ns, now_ns),
                aggregation_temporality: CUMULATIVE,
            })),
        });
        let points = lost.map(|(signal, count)| NumberPoint {
            start_time_unix_nano: self.start_ns,
            time_unix_nano: now_ns,
            as_int: Some(i64::try_from(count).unwrap_or(i64::MAX)),
            attributes: attribute("portcullis.signal", Some(signal)).into_iter().collect(),
        });
        let lost = Metric {
            name: "portcullis.telemetry.lost".to_owned(),
            description: "Spans and log records that could not be sent, and exports of metrics".to_owned(),
            unit: "{item}".to_owned(),
            data: Some(Data::Sum(Sum {
                data_points: points.into(),
                aggregation_temporality: CUMULATIVE,
                is_monotonic: true,
            })),
        };
        let empty = |metric: &Metric| matches!(&metric.data, Some(Data::Histogram(histogram)) if histogram.data_points.is_empty());
        durations.into_iter().chain([lost]).filter(|metric| !empty(metric)).collect()
    }
}
