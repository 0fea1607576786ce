//! `vpcedns doctor`

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::args::DoctorArgs;
use super::config::read_file;
use crate::config::DEFAULT_FILE;
use crate::doctor::{DoctorSubject, Finding, FindingLevel, LookedAt, diagnose, diagnose_unset, look};
use crate::problem::count;

pub(super) fn run(args: &DoctorArgs) -> ExitCode {
    let file = args.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    let state = if file.exists() { "read" } else { "not there" };
    let mut looked_at = vec![LookedAt { path: file.display().to_string(), state: state.to_owned() }];
    let findings = match read_file(args.config.as_deref()) {
        Ok(settings) => {
            let settings = args.flags.over(settings);
            let subject = DoctorSubject { settings: &settings, server: args.server.as_ref(), name: args.name.as_ref() };
            let (host, more) = look(&subject);
            looked_at.extend(more);
            diagnose(&host)
        }
        Err(problems) => diagnose_unset(problems),
    };
    let text = if args.json { as_json(&findings, &looked_at) } else { for_people(args, &findings, &looked_at) };
    let printed = super::print(&text);
    let is_sound = findings.iter().all(|finding| finding.level != FindingLevel::Problem);
    if is_sound { printed } else { ExitCode::FAILURE }
}

fn number(findings: &[Finding], level: FindingLevel) -> usize {
    findings.iter().filter(|finding| finding.level == level).count()
}

fn as_json(findings: &[Finding], looked_at: &[LookedAt]) -> String {
    let report = json!({
        "findings": findings,
        "looked_at": looked_at,
        "problems": number(findings, FindingLevel::Problem),
        "warnings": number(findings, FindingLevel::Warning),
    });
    format!("{report:#}\n")
}

/// A line for each finding, its remedy below it, then the files, then counts.
fn for_people(args: &DoctorArgs, findings: &[Finding], looked_at: &[LookedAt]) -> String {
    let mut text = match &args.server {
        Some(server) => format!("this host as a client of {}\n", server.upstream),
        None => "this host as the server's\n".to_owned(),
    };
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for Finding { check, level, found, remedy } in findings {
        let _ = writeln!(text, "  {level:<7}  {check:<width$}  {found}");
        if !remedy.is_empty() {
            let _ = writeln!(text, "{:width$}remedy: {remedy}", "", width = width + 13);
        }
    }
    let paths = |wanted: &dyn Fn(&LookedAt) -> bool| {
        let paths: Vec<&str> = looked_at.iter().filter(|file| wanted(file)).map(|file| file.path.as_str()).collect();
        paths.join(", ")
    };
    let _ = writeln!(text, "looked at {}", paths(&|file| file.state == "read"));
    let absent = paths(&|file| file.state == "not there");
    if !absent.is_empty() {
        let _ = writeln!(text, "not there: {absent}");
    }
    for file in looked_at.iter().filter(|file| !["read", "not there"].contains(&file.state.as_str())) {
        let _ = writeln!(text, "{}: {}", file.path, file.state);
    }
    let (problems, warnings) = (number(findings, FindingLevel::Problem), number(findings, FindingLevel::Warning));
    let _ = writeln!(text, "{}, {}", count(problems, "problem"), count(warnings, "warning"));
    text
}
