//! What a slice measured, and how slices are summed up and compared.

use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) rps: f64,
    pub(crate) errors: u64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// Of the target's process tree, where a pid was given.
    pub(crate) cpu_us_per_req: Option<f64>,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) rss_mb: Option<f64>,
    /// Of this load generator: near 100, it is itself the bottleneck.
    pub(crate) loadgen_cpu_percent: f64,
    /// Open loop: how late the timer started requests (not part of the latencies).
    pub(crate) pacing_late_p99_us: Option<f64>,
}

impl Figures {
    /// Medians over the rounds; errors are summed, since one is one too many.
    pub(crate) fn median(rounds: &[Figures]) -> Figures {
        let of = |f: fn(&Figures) -> f64| median(rounds.iter().map(f).collect());
        let of_known = |f: fn(&Figures) -> Option<f64>| {
            let values: Vec<f64> = rounds.iter().filter_map(f).collect();
            (!values.is_empty()).then(|| median(values))
        };
        Figures {
            rps: of(|f| f.rps),
            errors: rounds.iter().map(|f| f.errors).sum(),
            mean_us: of(|f| f.mean_us),
            p50_us: of(|f| f.p50_us),
            p90_us: of(|f| f.p90_us),
            p99_us: of(|f| f.p99_us),
            p999_us: of(|f| f.p999_us),
            max_us: of(|f| f.max_us),
            cpu_us_per_req: of_known(|f| f.cpu_us_per_req),
            cpu_percent: of_known(|f| f.cpu_percent),
            rss_mb: of_known(|f| f.rss_mb),
            loadgen_cpu_percent: of(|f| f.loadgen_cpu_percent),
            pacing_late_p99_us: of_known(|f| f.pacing_late_p99_us),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) rps_ratio: f64,
    pub(crate) rps_ratio_min: f64,
    pub(crate) rps_ratio_max: f64,
    pub(crate) added_p50_us: f64,
    pub(crate) added_p99_us: f64,
    pub(crate) added_p999_us: f64,
}

impl Comparison {
    /// Round by round, so that a disturbance that lasts a round weighs on both sides.
    pub(crate) fn between(baseline: &[Figures], rounds: &[Figures]) -> Comparison {
        let pairs = || baseline.iter().zip(rounds);
        let ratios: Vec<f64> = pairs().map(|(b, f)| f.rps / b.rps).collect();
        let added = |of: fn(&Figures) -> f64| median(pairs().map(|(b, f)| of(f) - of(b)).collect());
        Comparison {
            rps_ratio: median(ratios.clone()),
            rps_ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            rps_ratio_max: ratios.iter().copied().fold(0.0, f64::max),
            added_p50_us: added(|f| f.p50_us),
            added_p99_us: added(|f| f.p99_us),
            added_p999_us: added(|f| f.p999_us),
        }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![1.0, 2.0], 1.5), (vec![], 0.0)] {
            assert_eq!(median(values), expected);
        }
    }

    #[test]
    fn comparison_is_round_by_round() {
        let f = |rps, p50_us| Figures { rps, p50_us, ..Figures::default() };
        // The second round was slow for everyone: the ratio does not mind.
        let c = Comparison::between(&[f(100.0, 1.0), f(10.0, 5.0)], &[f(50.0, 2.0), f(5.0, 6.0)]);
        assert_eq!((c.rps_ratio, c.rps_ratio_min, c.added_p50_us), (0.5, 0.5, 1.0));
    }
}
