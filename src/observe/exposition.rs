//! The OpenMetrics text format, by the names and labels that `config` declares.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::Totals;
use crate::config::{Metric, MetricKind};

type Labels = Vec<(&'static str, String)>;

/// The metrics of one request, as they are collected.
pub struct Exposition {
    registry: Registry,
}

impl Default for Exposition {
    fn default() -> Self {
        Self { registry: Registry::with_prefix("vpcedns") }
    }
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
        let info = metric.info();
        self.registry.register(info.name, info.help(), family);
    }

    /// A whole number that goes up and down.
    pub fn gauge(&mut self, metric: Metric, value: u64) {
        let info = metric.info();
        self.registry.register(info.name, info.help(), ConstGauge::new(value));
    }

    /// A number of seconds.
    pub fn seconds(&mut self, metric: Metric, value: f64) {
        let info = metric.info();
        self.registry.register(info.name, info.help(), ConstGauge::new(value));
    }

    /// Numbers that go up and down, with labels.
    pub fn gauges<'v>(&mut self, metric: Metric, values: impl IntoIterator<Item = (Vec<&'v str>, f64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labelled, value) in values {
            family.get_or_create(&labels(metric, &labelled)).set(value);
        }
        let info = metric.info();
        self.registry.register(info.name, info.help(), family);
    }

    /// Every counter that is kept by thread.
    pub(super) fn totals(&mut self, totals: &Totals) {
        for (metric, info) in Metric::TABLE {
            if matches!(info.kind, MetricKind::Tallied | MetricKind::Counted) {
                let combinations = info.combinations();
                let values = combinations.iter().map(Vec::as_slice);
                self.counters(*metric, values.zip(totals.of(*metric).iter().copied()));
            }
        }
    }

    /// The metrics so far in the text format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn labels(metric: Metric, values: &[&str]) -> Labels {
    metric.info().labels.iter().zip(values).map(|(label, value)| (label.name, (*value).to_owned())).collect()
}
