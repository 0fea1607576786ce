//! What deploy/ names exists: metrics and labels of the dashboard and of the alert rules.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use vpcedns::config::{Metric, MetricKind};

/// Labels that Prometheus adds, and the one of buckets.
const LABELS_OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

/// Every series that is named in a text, with the labels that stand behind it in braces.
fn series(text: &str) -> BTreeSet<(String, Vec<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for prefix in ["vpcedns_", "process_"] {
        for (at, _) in text.match_indices(prefix) {
            if text[..at].ends_with(is_word) {
                continue;
            }
            let rest = &text[at..];
            let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            let selector = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let labels = selector.map_or(Vec::new(), |(selector, _)| {
                selector.split(',').filter_map(|part| Some(part.split_once('=')?.0.trim().to_owned())).collect()
            });
            found.insert((name.to_owned(), labels));
        }
    }
    found
}

/// The metric that a series belongs to.
fn metric_of(series: &str) -> Option<&'static vpcedns::config::MetricInfo> {
    Metric::TABLE.iter().map(|(_, info)| info).find(|info| {
        let family = info.family();
        match info.kind {
            MetricKind::Gauge => series == family,
            MetricKind::Timed => ["_bucket", "_sum", "_count"].iter().any(|end| series == format!("{family}{end}")),
            MetricKind::Tallied | MetricKind::Counted | MetricKind::Counter => series == format!("{family}_total"),
        }
    })
}

#[test]
fn dashboards_and_alerts_name_metrics_that_exist() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for (file, least) in [("prometheus/alerts.yml", 15), ("grafana/vpcedns.json", 20)] {
        let text = fs::read_to_string(deploy.join(file)).unwrap();
        let named = series(&text);
        assert!(named.len() >= least, "{file}: {named:?}");
        for (series, labels) in named {
            let info = metric_of(&series).unwrap_or_else(|| panic!("{file} names {series}, which is no metric"));
            for label in labels.iter().map(|label| label.trim_end_matches(['!', '~'])) {
                let is_known = info.labels.iter().any(|known| known.name == label);
                assert!(is_known || LABELS_OF_PROMETHEUS.contains(&label), "{file}: {series} has no label {label}");
            }
        }
    }
}

/// The reader of this file can read.
#[test]
fn series_are_found_in_expressions() {
    let found = series(r#"rate(vpcedns_loads_total{a="x",b=~"y"}[5m]) > my_vpcedns_x + process_open_fds"#);
    let found: Vec<_> = found.iter().map(|(name, labels)| format!("{name} {}", labels.join(" "))).collect();
    assert_eq!(found, ["process_open_fds ", "vpcedns_loads_total a b"]);
    assert!(metric_of("vpcedns_loads").is_none() && metric_of("vpcedns_loads_total").is_some());
    assert!(metric_of("vpcedns_answer_duration_seconds_bucket").is_some());
}
