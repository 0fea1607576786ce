//! The OpenMetrics text format (version 1.0), by the names and labels that `config` declares.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::Totals;
use crate::config::{BOUNDS, Metric, MetricKind, TIMED_SLOTS};

type Labels = Vec<(&'static str, String)>;

/// The metrics of one request, as they are collected.
#[derive(Default)]
pub struct Exposition {
    registry: Registry,
}

impl Exposition {
    /// A counter that another part of the server keeps.
    pub fn counter(&mut self, metric: Metric, count: u64) {
        self.counters(metric, [(&[][..], count)]);
    }

    /// Such a counter with labels; the values are in the order of the declaration.
    pub fn counters<'v>(&mut self, metric: Metric, counts: impl IntoIterator<Item = (&'v [&'v str], u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (values, count) in counts {
            family.get_or_create(&labels(metric, values)).inc_by(count);
        }
        self.register(metric, family);
    }

    /// A counter of seconds.
    pub fn seconds_counter(&mut self, metric: Metric, seconds: f64) {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(seconds);
        self.register(metric, counter);
    }

    /// A whole number that goes up and down.
    pub fn gauge(&mut self, metric: Metric, value: u64) {
        self.register(metric, ConstGauge::new(value));
    }

    /// A number of seconds.
    pub fn seconds(&mut self, metric: Metric, value: f64) {
        self.register(metric, ConstGauge::new(value));
    }

    /// Numbers that go up and down, with labels.
    pub fn gauges<'v>(&mut self, metric: Metric, values: impl IntoIterator<Item = (Vec<&'v str>, f64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labelled, value) in values {
            family.get_or_create(&labels(metric, &labelled)).set(value);
        }
        self.register(metric, family);
    }

    /// Every counter that is kept by thread.
    pub(super) fn totals(&mut self, totals: &Totals) {
        for (metric, info) in Metric::TABLE {
            let (combinations, slots) = (info.combinations(), totals.of(*metric));
            let values = combinations.iter().map(Vec::as_slice);
            match info.kind {
                MetricKind::Tallied | MetricKind::Counted => self.counters(*metric, values.zip(slots.iter().copied())),
                MetricKind::Timed => {
                    let each = values.zip(slots.chunks(TIMED_SLOTS));
                    let each = each.map(|(values, slots)| (labels(*metric, values), slots.to_vec()));
                    self.register(*metric, Histograms(each.collect()));
                }
                MetricKind::Counter | MetricKind::Gauge => {}
            }
        }
    }

    fn register(&mut self, metric: Metric, values: impl prometheus_client::registry::Metric) {
        let info = metric.info();
        self.registry.register(info.family(), info.help(), values);
    }

    /// The metrics so far in the text format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Histograms that are kept elsewhere: their labels, and the slots of each.
#[derive(Debug)]
struct Histograms(Vec<(Labels, Vec<u64>)>);

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, slots) in &self.0 {
            let Some((nanoseconds, counts)) = slots.split_last() else { continue };
            let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
            let sum = Duration::from_nanos(*nanoseconds).as_secs_f64();
            let encoder = &mut encoder.encode_family(labels)?;
            encoder.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn labels(metric: Metric, values: &[&str]) -> Labels {
    metric.info().labels.iter().zip(values).map(|(label, value)| (label.name, (*value).to_owned())).collect()
}
