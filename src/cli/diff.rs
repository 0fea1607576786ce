//! `vpcedns diff`

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::client::{HttpAnswer, ServerAt};
use super::diff_args::DiffArgs;
use super::explain::to_json;
use super::looked_at::OutputOrigin;
use super::offline::Offline;
use super::print_problems;
use crate::diff::{AffinityChange, AnswerChange, AnswerDiff, DiffScope, Dns64Change, diff_within};
use crate::explain::ToldAnswer;
use crate::observe::{CheckedProblem, FilesDiff, GenerationDiff, GivenFile};
use crate::problem::{Problem, count};
use crate::snapshot::Snapshot;
use crate::source::gather_files;

/// As diff(1) has it: "2 if trouble".
const TROUBLE: u8 = 2;

/// A server compares one after the other, and a large difference takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes in a table of Markdown; a comment of GitHub has at most 65,536 characters.
const ROWS: usize = 200;

/// How the difference is printed.
#[derive(Default)]
pub(super) struct DiffOutput {
    pub(super) json: bool,
    pub(super) markdown: bool,
    /// What was compared, where that is said.
    pub(super) looked_at: Option<OutputOrigin>,
}

pub(super) fn run(args: &DiffArgs) -> ExitCode {
    let output = |looked_at| DiffOutput { json: args.json, markdown: args.markdown, looked_at: Some(looked_at) };
    match (&args.old, &args.new) {
        (Some(_), Some(_)) if args.served.is_socket_said() => {
            misused("--socket is for one directory, or none: two are compared with each other")
        }
        (Some(old), Some(new)) => of_files(args, old, new, output),
        (files, _) => match (args.served.server(None), files) {
            (Some(server), Some(files)) => {
                of_served_files(args, &server, files, output).unwrap_or_else(|what| failed(&what))
            }
            (Some(server), None) => of_server(args, &server, output).unwrap_or_else(|what| failed(&what)),
            (None, Some(_)) => misused("one side of the comparison is missing"),
            (None, None) => misused("nothing to compare"),
        },
    }
}

fn failed(what: &str) -> ExitCode {
    eprintln!("error: {what}");
    trouble()
}

fn misused(what: &str) -> ExitCode {
    eprintln!(
        "error: {what}\n  hint: name two directories of zones, OLD and NEW, or a running server with --socket, \
         which is compared with itself before the last change, or with one directory"
    );
    trouble()
}

fn of_files(args: &DiffArgs, old: &Path, new: &Path, output: impl FnOnce(OutputOrigin) -> DiffOutput) -> ExitCode {
    let load = |path: &Path| -> Option<(Snapshot, OutputOrigin)> {
        let mut settings = args.flags.settings();
        settings.zones = vec![path.to_owned()];
        Offline::new(settings, args.served.state()).compile()
    };
    // the two loads have nothing to do with one another
    let (old, new) = std::thread::scope(|scope| {
        let new = scope.spawn(|| load(new));
        (load(old), new.join().ok().flatten())
    });
    let (Some((old, was)), Some((new, is))) = (old, new) else { return trouble() };
    let scope = DiffScope { vpc: args.vpc, ..DiffScope::ALL };
    compare(&old, &new, scope, &output(OutputOrigin::both(&was, &is)))
}

fn of_server(
    args: &DiffArgs,
    server: &ServerAt,
    output: impl FnOnce(OutputOrigin) -> DiffOutput,
) -> Result<ExitCode, String> {
    let said = server.ask_within(&request("GET", args), PATIENCE)?;
    let said: GenerationDiff = serde_json::from_str(&said).map_err(|e| format!("{server} says no difference: {e}"))?;
    Ok(show(&said.diff, &output(OutputOrigin::generations(server, said.old, said.new))))
}

/// What a running server would serve otherwise, if its files were these: they are sent to it.
fn of_served_files(
    args: &DiffArgs,
    server: &ServerAt,
    dir: &Path,
    output: impl FnOnce(OutputOrigin) -> DiffOutput,
) -> Result<ExitCode, String> {
    let files = match gather_files(&[dir.to_owned()]) {
        Ok(files) => files,
        Err(problems) => {
            print_problems(&problems);
            return Ok(trouble());
        }
    };
    let files = files.into_iter().map(|file| GivenFile { path: file.path.to_string(), text: file.text });
    let files = serde_json::to_string(&files.collect::<Vec<_>>()).map_err(|error| error.to_string())?;
    let HttpAnswer { status, body } = server.post_within(&request("POST", args), &files, PATIENCE)?;
    if status.starts_with("HTTP/1.1 422 ") {
        let problems: Vec<CheckedProblem> =
            serde_json::from_str(&body).map_err(|e| format!("{server} does not take these files: {e}"))?;
        print_problems(&problems.into_iter().map(Problem::from).collect::<Vec<_>>());
        return Ok(trouble());
    }
    if !status.starts_with("HTTP/1.1 200 ") {
        return Err(format!("{status}: {}", body.trim_end()));
    }
    let said: FilesDiff = serde_json::from_str(&body).map_err(|e| format!("{server} says no difference: {e}"))?;
    Ok(show(&said.diff, &output(OutputOrigin::files_of_server(server, said.generation, dir))))
}

fn request(method: &str, args: &DiffArgs) -> String {
    let vpc = args.vpc.map_or_else(String::new, |vpc| format!("?vpc={vpc}"));
    format!("{method} /v1/diff{vpc}")
}

/// Something does not load, which has been printed.
pub(super) fn trouble() -> ExitCode {
    ExitCode::from(TROUBLE)
}

/// Prints which answers differ, with the exit code of diff(1).
pub(super) fn compare(old: &Snapshot, new: &Snapshot, scope: DiffScope, output: &DiffOutput) -> ExitCode {
    match diff_within(old, new, scope) {
        Ok(found) => show(&found, output),
        Err(error) => {
            eprintln!("error: {error}");
            trouble()
        }
    }
}

fn show(found: &AnswerDiff, output: &DiffOutput) -> ExitCode {
    let looked_at = output.looked_at.as_ref();
    let text = match (output.json, output.markdown, looked_at) {
        (true, _, Some(looked_at)) => to_json(found, looked_at),
        (true, _, None) => format!("{}\n", serde_json::to_string_pretty(found).unwrap_or_default()),
        (_, true, _) => markdown(found),
        _ => for_people(found, looked_at),
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
pub(super) fn for_people(found: &AnswerDiff, looked_at: Option<&OutputOrigin>) -> String {
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
    for Dns64Change { vpc_id, block, enabled } in &found.dns64 {
        let now = if *enabled { "on" } else { "off" };
        let _ = writeln!(text, "{vpc_id}: DNS64 is {now} for clients in {block} (enable_dns64)");
    }
    for AffinityChange { vpc_id, old, new } in &found.zone_affinity {
        let [old, new] = [old, new].map(|word| word.as_deref().unwrap_or("off"));
        let _ = writeln!(text, "{vpc_id}: availability_zone_affinity is {new}, and was {old}");
    }
    if !found.is_empty() {
        let looked_at = looked_at.map_or_else(String::new, |origin| format!(" ({origin})"));
        let _ = writeln!(text, "{}{looked_at}", counted(found));
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
    for Dns64Change { vpc_id, block, enabled } in &found.dns64 {
        let now = if *enabled { "on" } else { "off" };
        let _ = writeln!(text, "\nDNS64 is {now} for clients of {vpc_id} in {block}.");
    }
    for AffinityChange { vpc_id, old, new } in &found.zone_affinity {
        let [old, new] = [old, new].map(|word| word.as_deref().unwrap_or("off"));
        let _ = writeln!(text, "\n`availability_zone_affinity` of {vpc_id} is {new}, and was {old}.");
    }
    text
}
