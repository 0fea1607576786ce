//! `vpcedns check`

use std::process::ExitCode;

use serde_json::json;

use super::args::CheckArgs;
use super::client::ServerAt;
use super::config::read_file;
use super::looked_at::{OutputOrigin, ReadsServer};
use crate::observe::{CheckReport, CheckedProblem, object_counts};
use crate::problem::{Problem, count};
use crate::source::Loaded;

pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let names_files = args.zones.says("zones") || args.config.is_some();
    match ReadsServer::of(&args.served, names_files).server() {
        Some(server) => match of_server(&server, args.json) {
            Ok(exit) => exit,
            Err(what) => super::fail(&what),
        },
        None => of_files(args),
    }
}

/// What is wrong with what a running server read last.
fn of_server(server: &ServerAt, json: bool) -> Result<ExitCode, String> {
    let said = server.ask("GET /v1/check")?;
    let said: CheckReport = serde_json::from_str(&said).map_err(|e| format!("{server} says no check: {e}"))?;
    let CheckReport { generation, good, problems, served } = said;
    let exit = if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        super::print(&format!("{:#}\n", json!(problems)));
        return Ok(exit);
    }
    let problems: Vec<Problem> = problems.into_iter().map(Problem::from).collect();
    super::print_problems(&problems);
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let (errors, warnings) = (count(errors, "error"), count(problems.len() - errors, "warning"));
    let looked_at = OutputOrigin::server(server, generation);
    super::print(&if good {
        format!("good: {looked_at} ({warnings})\nserved: {served}\n")
    } else {
        format!("the last load failed: {errors}, {warnings}; {looked_at} keeps serving\nserved: {served}\n")
    });
    Ok(exit)
}

fn of_files(args: &CheckArgs) -> ExitCode {
    let loaded = match args.config.as_deref().map(|file| read_file(Some(file))).transpose() {
        Ok(settings) => super::files(&args.zones.over(settings.unwrap_or_default())).load(&|_, _| {}),
        Err(problems) => Loaded { problems, ..Loaded::default() },
    };
    let problems = &loaded.problems;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let exit = if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.json {
        let list: Vec<_> = problems.iter().map(CheckedProblem::from).collect();
        super::print(&format!("{:#}\n", json!(list)));
        return exit;
    }
    super::print_problems(problems);
    let warnings = problems.len() - errors;
    match &loaded.model {
        Some(model) => {
            println!(
                "good: {} in {} from {} ({})",
                count(model.endpoint_count(), "endpoint"),
                count(model.vpcs().len(), "VPC"),
                count(loaded.files_read, "file"),
                count(warnings, "warning")
            );
            println!("read: {}", object_counts(model));
        }
        None => println!("would not load: {}, {}", count(errors, "error"), count(warnings, "warning")),
    }
    exit
}
