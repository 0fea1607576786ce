//! `vpcedns explain`

use std::process::ExitCode;

use super::args::ExplainArgs;
use crate::observe::{Asker, Explanation, RecordText, explain};

pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let Some(snapshot) = super::compile(args.flags.settings()) else { return ExitCode::FAILURE };
    if let Asker::Vpc(vpc) = args.from
        && let Err(code) = super::known_vpc(&snapshot.model, vpc)
    {
        return code;
    }
    let explanation = explain(&snapshot, args.from.to(args.to), &args.name, args.rtype);
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
