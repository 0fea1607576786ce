//! Outcomes as text, TAP, JUnit XML and JSON.

use std::fmt::Write;

use quick_xml::escape::escape;
use serde_json::json;

use super::run::AssertionOutcome;
use crate::cli::args::ExpectFormat;
use crate::cli::looked_at::OutputOrigin;
use crate::expect::Verdict;

/// The whole output.
pub(super) fn render(
    format: ExpectFormat,
    outcomes: &[AssertionOutcome<'_>],
    looked_at: Option<&OutputOrigin>,
) -> String {
    match format {
        ExpectFormat::Text => text(outcomes, looked_at),
        ExpectFormat::Tap => tap(outcomes, looked_at),
        ExpectFormat::Junit => junit(outcomes, looked_at),
        ExpectFormat::Json => document(outcomes, looked_at),
    }
}

/// The assertion, with the VPC that `every vpc` stood for.
fn title(outcome: &AssertionOutcome<'_>) -> String {
    let client = outcome.vpc.map_or_else(String::new, |vpc| format!(" ({vpc})"));
    format!("{}{client}", outcome.assertion)
}

/// How many passed, failed and were skipped.
fn counts(outcomes: &[AssertionOutcome<'_>]) -> [usize; 3] {
    outcomes.iter().fold([0; 3], |[passed, failed, skipped], outcome| match outcome.verdict {
        Verdict::Pass => [passed + 1, failed, skipped],
        Verdict::Fail { .. } => [passed, failed + 1, skipped],
        Verdict::Skip(_) => [passed, failed, skipped + 1],
    })
}

fn text(outcomes: &[AssertionOutcome<'_>], looked_at: Option<&OutputOrigin>) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        let place = &outcome.assertion.place;
        match &outcome.verdict {
            Verdict::Pass => {}
            Verdict::Skip(why) => {
                let _ = writeln!(out, "SKIPPED {place}: {}\n  {why}", title(outcome));
            }
            Verdict::Fail { difference, rule, steps } => {
                let _ = writeln!(out, "FAILED {place}: {}\n  {difference}\n  rule: {rule}", title(outcome));
                for (number, step) in (1..).zip(steps) {
                    let _ = writeln!(out, "    {number}. {step}");
                }
            }
        }
    }
    let [passed, failed, skipped] = counts(outcomes);
    let looked_at = looked_at.map_or_else(String::new, |origin| format!(" ({origin})"));
    let _ = writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped{looked_at}");
    out
}

/// TAP version 14.
fn tap(outcomes: &[AssertionOutcome<'_>], looked_at: Option<&OutputOrigin>) -> String {
    let looked_at = looked_at.map_or_else(String::new, |origin| format!("# looked at {origin}\n"));
    let mut out = format!("TAP version 14\n1..{}\n{looked_at}", outcomes.len());
    for (number, outcome) in (1..).zip(outcomes) {
        // a number sign would begin a directive
        let title = format!("{} {}", outcome.assertion.place, title(outcome)).replace('#', "\\#");
        let _ = match &outcome.verdict {
            Verdict::Pass => writeln!(out, "ok {number} - {title}"),
            Verdict::Skip(why) => writeln!(out, "ok {number} - {title} # SKIP {why}"),
            Verdict::Fail { difference, rule, .. } => {
                writeln!(
                    out,
                    "not ok {number} - {title}\n  ---\n  message: {}\n  rule: {}\n  ...",
                    json!(difference),
                    json!(rule)
                )
            }
        };
    }
    out
}

fn junit(outcomes: &[AssertionOutcome<'_>], looked_at: Option<&OutputOrigin>) -> String {
    let [_, failed, skipped] = counts(outcomes);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"vpcedns expect\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\">\n",
        outcomes.len()
    );
    if let Some(origin) = looked_at {
        let origin = origin.to_string();
        let property = format!("<property name=\"looked_at\" value=\"{}\"/>", escape(&origin));
        let _ = writeln!(out, "  <properties>{property}</properties>");
    }
    for outcome in outcomes {
        let (title, place) = (title(outcome), outcome.assertion.place.to_string());
        let _ = write!(out, "  <testcase name=\"{}\" classname=\"{}\"", escape(&title), escape(&place));
        let _ = match &outcome.verdict {
            Verdict::Pass => writeln!(out, "/>"),
            Verdict::Skip(why) => writeln!(out, "><skipped message=\"{}\"/></testcase>", escape(why)),
            Verdict::Fail { difference, rule, .. } => {
                writeln!(
                    out,
                    "><failure message=\"{}\">rule: {}</failure></testcase>",
                    escape(difference),
                    escape(rule)
                )
            }
        };
    }
    out + "</testsuite>\n"
}

fn document(outcomes: &[AssertionOutcome<'_>], looked_at: Option<&OutputOrigin>) -> String {
    let [passed, failed, skipped] = counts(outcomes);
    let looked_at = looked_at.map(ToString::to_string);
    let outcomes: Vec<_> = outcomes.iter().map(object).collect();
    let document = json!({
        "looked_at": looked_at,
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "outcomes": outcomes,
    });
    format!("{document:#}\n")
}

fn object(outcome: &AssertionOutcome<'_>) -> serde_json::Value {
    let (status, detail, rule, steps) = match &outcome.verdict {
        Verdict::Pass => ("passed", None, None, &[][..]),
        Verdict::Skip(why) => ("skipped", Some(why), None, &[][..]),
        Verdict::Fail { difference, rule, steps } => ("failed", Some(difference), Some(rule), &steps[..]),
    };
    json!({
        "file": &*outcome.assertion.place.file,
        "line": outcome.assertion.place.line,
        "assertion": outcome.assertion.to_string(),
        "vpc": outcome.vpc.map(|vpc| vpc.to_string()),
        "status": status,
        "detail": detail,
        "rule": rule,
        "steps": steps,
    })
}
