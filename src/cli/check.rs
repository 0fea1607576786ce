//! `vpcedns check`

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::args::CheckArgs;
use super::client::ServerAt;
use super::config::read_file;
use super::explain::to_json;
use super::looked_at::{OutputOrigin, SaidBy};
use super::offline::{Offline, OfflineRead};
use crate::config::unused;
use crate::observe::{CheckReport, CheckedProblem, object_counts};
use crate::problem::{Problem, count};
use crate::source::Loaded;

pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let files = args.zones.said_by("zones").max(args.config.as_ref().map(|_| SaidBy::Flag));
    match args.served.server(files) {
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
    let looked_at = OutputOrigin::server(server, generation);
    if json {
        print_json(good, &problems, &looked_at);
        return Ok(exit);
    }
    let problems: Vec<Problem> = problems.into_iter().map(Problem::from).collect();
    super::print_problems(&problems);
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let (errors, warnings) = (count(errors, "error"), count(problems.len() - errors, "warning"));
    super::print(&if good {
        format!("good: {looked_at} ({warnings})\nserved: {served}\n")
    } else {
        format!("the last load failed: {errors}, {warnings}; {looked_at} keeps serving\nserved: {served}\n")
    });
    Ok(exit)
}

fn print_json(good: bool, problems: &[CheckedProblem], looked_at: &OutputOrigin) {
    super::print(&to_json(&json!({ "good": good, "problems": problems }), looked_at));
}

fn of_files(args: &CheckArgs) -> ExitCode {
    let (loaded, looked_at) = match args.config.as_deref().map(|file| read_file(Some(file))).transpose() {
        Ok(settings) => {
            let settings = args.zones.over(settings.unwrap_or_default());
            let unused = unused(&settings);
            let OfflineRead { mut loaded, origin } = Offline::new(settings, args.served.state()).read();
            loaded.problems.extend(unused);
            (loaded, origin)
        }
        Err(problems) => {
            let files: Vec<PathBuf> = args.config.iter().cloned().collect();
            (Loaded { problems, ..Loaded::default() }, OutputOrigin::files(&files, None))
        }
    };
    let problems = &loaded.problems;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let exit = if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.json {
        let list: Vec<CheckedProblem> = problems.iter().map(CheckedProblem::from).collect();
        print_json(errors == 0, &list, &looked_at);
        return exit;
    }
    super::print_problems(problems);
    let warnings = problems.len() - errors;
    match &loaded.model {
        Some(model) => {
            println!(
                "good: {} in {} from {} ({}; {looked_at})",
                count(model.endpoint_count(), "endpoint"),
                count(model.vpcs().len(), "VPC"),
                count(loaded.files_read, "file"),
                count(warnings, "warning")
            );
            println!("read: {}", object_counts(model));
        }
        None => println!("would not load: {}, {}; {looked_at}", count(errors, "error"), count(warnings, "warning")),
    }
    exit
}
