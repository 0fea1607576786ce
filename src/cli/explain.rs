//! `vpcedns explain`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use super::args::ExplainArgs;
use crate::config::Upstreams;
use crate::model::Upstream;
use crate::observe::{Explanation, RecordText, explain};
use crate::snapshot::{Policy, Snapshot};

pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let settings = args.flags.settings();
    let upstreams: Arc<[Upstream]> = match settings.forward {
        Upstreams::These(addresses) => addresses.into(),
        Upstreams::None => Arc::from([]),
        Upstreams::System => crate::forward::system::system_resolvers(&[]).0.into_iter().map(Upstream::plain).collect(),
    };
    let Some((model, _)) = super::load(settings.zones) else { return ExitCode::FAILURE };
    let policy = Policy {
        allow: settings.allow,
        upstreams,
        forward_special: settings.forward_special.into_iter().collect(),
        private_only: settings.private_only.into_iter().collect(),
        ..Policy::default()
    };
    let snapshot = Snapshot::compile(model, policy, 1);
    let local = args.to.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
    let explanation = explain(&snapshot, &args.name, args.rtype, args.from, local);
    if args.json {
        let json = serde_json::to_string_pretty(&explanation).unwrap_or_default();
        return super::print(&format!("{json}\n"));
    }
    super::print(&for_people(&explanation))
}

fn for_people(explanation: &Explanation) -> String {
    let mut lines = vec![format!("{} {} from {}", explanation.name, explanation.rtype, explanation.from)];
    let steps = explanation.steps.iter().enumerate();
    lines.extend(steps.map(|(number, step)| format!("  {}. {step}", number + 1)));
    let outcome =
        explanation.rcode.clone().unwrap_or_else(|| format!("forwarded to {}", explanation.forwarded_to.join(", ")));
    lines.push(format!("{outcome}: {}", explanation.reason));
    lines.extend(explanation.answer.iter().map(|record| format!("  {}", line(record))));
    lines.extend(explanation.authority.iter().map(|record| format!("  authority: {}", line(record))));
    if !explanation.advice.is_empty() {
        lines.push("to make it private:".to_owned());
        lines.extend(explanation.advice.iter().map(|advice| format!("  - {advice}")));
    }
    lines.join("\n") + "\n"
}

fn line(record: &RecordText) -> String {
    format!("{} {} {} {}", record.name, record.ttl, record.rtype, record.data)
}
