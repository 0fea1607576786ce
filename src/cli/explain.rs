//! `vpcedns explain`

use std::process::ExitCode;

use serde::Serialize;

use super::args::{AskedArgs, ExplainArgs};
use super::client::ServerAt;
use super::flush::escaped;
use super::looked_at::OutputOrigin;
use super::offline::Offline;
use crate::explain::{Asker, Explanation, RecordText, explain};
use crate::observe::{Explained, ExplainedSource};

pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let explained = match args.served.server(args.flags.said_by("zones")) {
        Some(server) => from_server(&server, args).map_err(|what| super::fail(&what)),
        None => from_files(args),
    };
    let (explanation, accounts, looked_at) = match explained {
        Ok(explained) => explained,
        Err(code) => return code,
    };
    if args.json {
        return super::print(&to_json(&AsOf { explanation, sources: accounts }, &looked_at));
    }
    super::print(&for_people(&explanation, &accounts, &looked_at))
}

/// An explanation, and how old what the accounts said is that are followed.
#[derive(Serialize)]
struct AsOf {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<ExplainedSource>,
}

fn from_files(args: &ExplainArgs) -> Result<(Explanation, Vec<ExplainedSource>, OutputOrigin), ExitCode> {
    let read = Offline::new(args.flags.settings(), args.served.state()).compile();
    let (snapshot, looked_at) = read.ok_or(ExitCode::FAILURE)?;
    let AskedArgs { name, rtype, from, to } = &args.asked;
    if let Asker::Vpc(vpc) = from {
        super::known_vpc(&snapshot.model, *vpc)?;
    }
    Ok((explain(&snapshot, from.to(*to), name, *rtype), Vec::new(), looked_at))
}

fn from_server(
    server: &ServerAt,
    args: &ExplainArgs,
) -> Result<(Explanation, Vec<ExplainedSource>, OutputOrigin), String> {
    let said = server.ask(&request("explain?", &args.asked))?;
    let said: Explained = serde_json::from_str(&said).map_err(|e| format!("{server} says no explanation: {e}"))?;
    let looked_at = OutputOrigin::server(server, said.explanation.generation);
    let accounts = said.sources.into_iter().filter(|source| source.origin.is_some()).collect();
    Ok((said.explanation, accounts, looked_at))
}

/// The request for what a server says of a question; `path` ends where the query goes on.
pub(super) fn request(path: &str, asked: &AskedArgs) -> String {
    let AskedArgs { name, rtype, from, to } = asked;
    let (name, from) = (escaped(&name.to_string()), escaped(&from.to_string()));
    let to = to.as_ref().map_or_else(String::new, |to| format!("&to={}", escaped(&to.to_string())));
    format!("GET /v1/{path}name={name}&type={rtype}&from={from}{to}")
}

/// The document, with where it is from.
pub(super) fn to_json(document: &impl Serialize, looked_at: &OutputOrigin) -> String {
    let mut json = serde_json::to_value(document).unwrap_or_default();
    if let Some(json) = json.as_object_mut() {
        json.insert("looked_at".to_owned(), looked_at.to_string().into());
    }
    format!("{json:#}\n")
}

/// `as of 12 s ago from 111122223333/eu-west-1`
fn as_of(account: &ExplainedSource) -> Option<String> {
    let age = account.age_seconds.map_or_else(|| "never read".to_owned(), |age| format!("as of {age} s ago"));
    let state = if account.good { "" } else { ", which cannot be read now: `vpcedns status` says why" };
    Some(format!("  {age} from {}{state}", account.origin.as_ref()?))
}

fn for_people(explanation: &Explanation, accounts: &[ExplainedSource], looked_at: &OutputOrigin) -> String {
    let mut lines = vec![format!("{} {} from {} ({looked_at})", explanation.name, explanation.rtype, explanation.from)];
    lines.extend(accounts.iter().filter_map(as_of));
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

/// A record in one line.
pub(super) fn line(record: &RecordText) -> String {
    format!("{} {} {} {}", record.name, record.ttl, record.rtype, record.data)
}
