//! `vpcedns diff`

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::DiffArgs;
use crate::diff::{AnswerChange, AnswerDiff, diff};
use crate::observe::ToldAnswer;
use crate::problem::count;
use crate::snapshot::Snapshot;

/// As diff(1) has it: "2 if trouble".
const TROUBLE: u8 = 2;

/// Changes in a table of Markdown; a comment of GitHub has at most 65,536 characters.
const ROWS: usize = 200;

pub(super) fn run(args: &DiffArgs) -> ExitCode {
    let load = |path: &Path| -> Option<Snapshot> {
        let mut settings = args.flags.settings();
        settings.zones = vec![path.to_owned()];
        super::compile(settings)
    };
    // the two loads have nothing to do with one another
    let (old, new) = std::thread::scope(|scope| {
        let new = scope.spawn(|| load(&args.new));
        (load(&args.old), new.join().ok().flatten())
    });
    let (Some(old), Some(new)) = (old, new) else { return trouble() };
    compare(&old, &new, args.json, args.markdown)
}

/// Something does not load, which has been printed.
pub(super) fn trouble() -> ExitCode {
    ExitCode::from(TROUBLE)
}

/// Prints which answers differ, with the exit code of diff(1).
pub(super) fn compare(old: &Snapshot, new: &Snapshot, json: bool, as_markdown: bool) -> ExitCode {
    let found = diff(old, new);
    let text = match (json, as_markdown) {
        (true, _) => format!("{}\n", serde_json::to_string_pretty(&found).unwrap_or_default()),
        (_, true) => markdown(&found),
        _ => for_people(&found),
    };
    if super::print(&text) != ExitCode::SUCCESS {
        return trouble();
    }
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn side(told: Option<&ToldAnswer>) -> String {
    told.map_or_else(|| "no such VPC".to_owned(), ToString::to_string)
}

/// A heading for each client, and three lines for each answer; nothing where nothing differs.
fn for_people(found: &AnswerDiff) -> String {
    let mut text = String::new();
    for of_client in found.answers.chunk_by(|a, b| a.client == b.client) {
        let Some(AnswerChange { client, .. }) = of_client.first() else { continue };
        let _ = writeln!(text, "{client}");
        for AnswerChange { name, rtype, old, new, .. } in of_client {
            let (old, new) = (side(old.as_ref()), side(new.as_ref()));
            let _ = writeln!(text, "  {name} {rtype}\n  - {old}\n  + {new}");
        }
    }
    for vpc in &found.clients {
        let _ = writeln!(text, "{vpc}: its clients are known by other addresses (cidr_blocks, clients, listeners)");
    }
    if !found.is_empty() {
        let _ = writeln!(text, "{}", counted(found));
    }
    text
}

fn counted(found: &AnswerDiff) -> String {
    format!("{} in {}", count(found.answers.len(), "answer"), count(views(found), "view"))
}

fn views(found: &AnswerDiff) -> usize {
    found.answers.chunk_by(|a, b| a.client == b.client).count()
}

fn markdown(found: &AnswerDiff) -> String {
    if found.is_empty() {
        return "No answer changes.\n".to_owned();
    }
    let mut text = format!("{} differ.\n", counted(found));
    if !found.answers.is_empty() {
        text.push_str("\n| client | name | type | old | new |\n|---|---|---|---|---|\n");
    }
    let cell = |text: String| text.replace('|', "\\|");
    for AnswerChange { client, name, rtype, old, new } in found.answers.iter().take(ROWS) {
        let (old, new) = (cell(side(old.as_ref())), cell(side(new.as_ref())));
        let _ = writeln!(text, "| {client} | `{name}` | {rtype} | {old} | {new} |");
    }
    if found.answers.len() > ROWS {
        let _ = writeln!(text, "\n... and {} more.", found.answers.len() - ROWS);
    }
    for vpc in &found.clients {
        let _ = writeln!(text, "\nClients of {vpc} are known by other addresses.");
    }
    text
}
