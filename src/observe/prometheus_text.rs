//! The Prometheus text format (version 0.0.4) out of OpenMetrics 1.0, and which of the two a client takes.
//!
//! They differ in two lines of ours: a counter is named with its `_total` where its type and help are said, and there is no
//! line that ends the text.

use std::fmt::Write as _;

/// The content type of OpenMetrics 1.0.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The content type of the Prometheus text format.
pub(super) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The same metrics in the Prometheus text format.
pub(super) fn prometheus_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + openmetrics.len() / 16);
    // the help comes first, and the type says how the family is named there
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(of) = line.strip_prefix("# HELP ") {
            help = of.split_once(' ');
        } else if let Some((family, kind)) = line.strip_prefix("# TYPE ").and_then(|of| of.split_once(' ')) {
            let counter = if kind == "counter" { "_total" } else { "" };
            if let Some((_, said)) = help.take() {
                let _ = writeln!(text, "# HELP {family}{counter} {said}");
            }
            let _ = writeln!(text, "# TYPE {family}{counter} {kind}");
        } else if line != "# EOF" && !line.starts_with("# UNIT ") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Whether a client with this `Accept` prefers OpenMetrics 1.0 (RFC 9110 12.5.1); who names neither gets the other format,
/// as everything reads that.
pub(super) fn takes_openmetrics(accept: &str) -> bool {
    let (mut open, mut plain) = (0.0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut quality, mut version) = (1.0, None);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            match key.trim() {
                "q" => quality = value.trim().parse().unwrap_or(0.0),
                "version" => version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        match kind.as_str() {
            "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => open = f64::max(open, quality),
            "text/plain" if matches!(version, None | Some("0.0.4")) => plain = f64::max(plain, quality),
            _ => {}
        }
    }
    open > 0.0 && open >= plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_their_samples() {
        let openmetrics = "# HELP vpcedns_loads Loads.\n# TYPE vpcedns_loads counter\nvpcedns_loads_total 3\n\
                           # HELP vpcedns_endpoints Endpoints.\n# TYPE vpcedns_endpoints gauge\nvpcedns_endpoints 7\n# EOF\n";
        assert_eq!(
            prometheus_text(openmetrics),
            "# HELP vpcedns_loads_total Loads.\n# TYPE vpcedns_loads_total counter\nvpcedns_loads_total 3\n\
             # HELP vpcedns_endpoints Endpoints.\n# TYPE vpcedns_endpoints gauge\nvpcedns_endpoints 7\n"
        );
    }

    #[test]
    fn a_client_gets_what_it_prefers() {
        for (accept, want) in [
            ("", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false),
            ("application/openmetrics-text", true),
            // Prometheus 2.42, and 3.0
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                true,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
                 application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4",
                true,
            ),
            ("application/openmetrics-text; version=0.0.1", false),
            ("text/plain;version=0.0.4, application/openmetrics-text;q=0.1", false),
            ("application/openmetrics-text;q=0", false),
        ] {
            assert_eq!(takes_openmetrics(accept), want, "{accept}");
        }
    }
}
