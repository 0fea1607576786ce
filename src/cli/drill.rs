//! `vpcedns drill`: puts a zone or a name of a running server at fault for a time.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::client::{ServerArgs, ServerAt};
use super::drill_args::{DrillArgs, DrillCommand, DrilledClients};
use super::flush::escaped;
use crate::observe::DrillLine;

pub(super) fn run(args: &DrillArgs) -> ExitCode {
    let done = match &args.what {
        DrillCommand::Zone { zone, whom, server } => begin(&format!("zone={}", escaped(zone.as_str())), whom, server),
        DrillCommand::Name { name, nxdomain, servfail: _, delay, whom, server } => {
            let fault = match delay {
                Some(ms) => format!("delay&delay_ms={ms}"),
                None if *nxdomain => "nxdomain".to_owned(),
                None => "servfail".to_owned(),
            };
            begin(&format!("name={}&fault={fault}", escaped(&name.to_string())), whom, server)
        }
        DrillCommand::List { json, server } => list(*json, server),
        DrillCommand::End { id, all: _, server } => end(*id, server),
    };
    super::print_or_fail(done)
}

fn begin(what: &str, whom: &DrilledClients, server: &ServerArgs) -> Result<String, String> {
    let mut request = format!("POST /v1/drills?{what}&seconds={}", whom.seconds);
    for vpc in &whom.vpc {
        let _ = write!(request, "&vpc={vpc}");
    }
    for client in &whom.client {
        let _ = write!(request, "&client={}", escaped(client));
    }
    let drill: DrillLine = ask(server, &request)?;
    Ok(format!("{}\nto end it before: vpcedns drill end {}\n", drill.text, drill.id))
}

fn list(json: bool, server: &ServerArgs) -> Result<String, String> {
    let drills: Vec<DrillLine> = ask(server, "GET /v1/drills")?;
    if json {
        let text = serde_json::to_string_pretty(&drills).map_err(|error| error.to_string())?;
        return Ok(text + "\n");
    }
    if drills.is_empty() {
        return Ok("no drill runs\n".to_owned());
    }
    let lines = drills.iter().map(|drill| format!("{}; {} s left", drill.text, drill.seconds_left));
    Ok(lines.collect::<Vec<_>>().join("\n") + "\n")
}

fn end(id: Option<u32>, server: &ServerArgs) -> Result<String, String> {
    let which = id.map_or_else(|| "all".to_owned(), |id| format!("id={id}"));
    let ended: Vec<DrillLine> = ask(server, &format!("POST /v1/drills/end?{which}"))?;
    if ended.is_empty() {
        return Ok("no drill runs\n".to_owned());
    }
    let lines = ended.iter().map(|drill| format!("ended: {}", drill.text));
    Ok(lines.collect::<Vec<_>>().join("\n") + "\n")
}

/// What the server says; an error is what is wrong, as the server says it.
fn ask<T: serde::de::DeserializeOwned>(server: &ServerArgs, request: &str) -> Result<T, String> {
    let answer = ServerAt::of(server)?.request(request)?;
    if !answer.is_ok() {
        return Err(answer.body.trim_end().to_owned());
    }
    serde_json::from_str(&answer.body).map_err(|error| format!("the server says something else: {error}"))
}
