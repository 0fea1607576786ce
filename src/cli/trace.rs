//! `vpcedns trace`: what a running server answers a client, and what happens to the question on its way out.

use std::process::ExitCode;
use std::time::Duration;

use super::args::TraceArgs;
use super::client::ServerAt;
use super::explain::{self, line, to_json};
use super::looked_at::OutputOrigin;
use crate::explain::Explanation;
use crate::forward::recorder::LiveEvent;
use crate::observe::{Explained, LiveAnswer};

/// Longer than any question takes: `forward_deadline_ms` is at most a minute, and DNS64 asks twice.
const PATIENCE: Duration = Duration::from_secs(150);

pub(super) fn run(args: &TraceArgs) -> ExitCode {
    super::print_or_fail(trace(args))
}

fn trace(args: &TraceArgs) -> Result<String, String> {
    let server = ServerAt::of(&args.server)?;
    let said = server.ask_within(&request(args), PATIENCE)?;
    let said: Explained = serde_json::from_str(&said).map_err(|error| format!("{server} says no trace: {error}"))?;
    let looked_at = OutputOrigin::server(&server, said.explanation.generation);
    if args.json {
        return Ok(to_json(&said, &looked_at));
    }
    let live = said.live.as_ref().ok_or_else(|| format!("{server} is of a version that has no trace"))?;
    let explanation = &said.explanation;
    let Explanation { name, rtype, from, .. } = explanation;
    let head = format!("{name} {rtype} from {from} ({looked_at})\n");
    Ok(head + &for_people(live, &explanation.steps))
}

fn request(args: &TraceArgs) -> String {
    let mut request = explain::request("explain?live&", &args.asked);
    if args.dnssec_ok {
        request.push_str("&do");
    }
    if args.checking_disabled {
        request.push_str("&cd");
    }
    request
}

/// What happened, each event with its time, and the reply; `explained`: the steps of the first decision, and what they mean.
fn for_people(live: &LiveAnswer, explained: &[String]) -> String {
    let mut lines = Vec::new();
    for (number, event) in live.events.iter().enumerate() {
        lines.push(format!("{:9.1} ms  {}", event.at_ms, event.what));
        if let LiveEvent::Decided { steps, .. } | LiveEvent::Alias { steps, .. } = &event.what {
            let steps = if number == 0 { explained } else { steps };
            lines.extend(steps.iter().map(|step| format!("               - {step}")));
        }
    }
    let authentic = if live.authentic_data { ", authentic (AD)" } else { "" };
    lines.push(format!("{} after {:.1} ms{authentic}", live.rcode, live.took_ms));
    lines.extend(live.answer.iter().map(|record| format!("  {}", line(record))));
    lines.extend(live.authority.iter().map(|record| format!("  authority: {}", line(record))));
    lines.extend(live.extended_errors.iter().map(|error| format!("  {error}")));
    lines.join("\n") + "\n"
}
