//! `vpcedns check`

use std::process::ExitCode;

use serde_json::json;

use super::args::CheckArgs;
use super::config::read_file;
use crate::model::Model;
use crate::problem::{Problem, count};
use crate::source::Loaded;

pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let loaded = match args.config.as_deref().map(|file| read_file(Some(file))).transpose() {
        Ok(settings) => super::files(&args.zones.over(settings.unwrap_or_default())).load(&|_, _| {}),
        Err(problems) => Loaded { problems, ..Loaded::default() },
    };
    let problems = &loaded.problems;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let exit = if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.json {
        let list: Vec<_> = problems.iter().map(to_json).collect();
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
            println!("read: {}", kinds(model));
        }
        None => println!("would not load: {}, {}", count(errors, "error"), count(warnings, "warning")),
    }
    exit
}

/// How many objects of each kind there are; kinds without one are left out.
fn kinds(model: &Model) -> String {
    let counts = [
        (model.vpcs().len(), "VPC"),
        (model.subnets().count(), "subnet"),
        (model.endpoint_count(), "endpoint"),
        (model.declared_services().count(), "service"),
        (model.hosts().count(), "other network interface"),
        (model.hosted_zones().len(), "hosted zone"),
        (model.rules().len(), "resolver rule"),
        (model.profiles().len(), "Profile"),
        (model.inbound().len(), "inbound resolver endpoint"),
    ];
    let counts = counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(number, noun));
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
}

fn to_json(problem: &Problem) -> serde_json::Value {
    json!({
        "file": &*problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "severity": if problem.is_error() { "error" } else { "warning" },
        "what": problem.what,
        "hint": problem.hint,
    })
}
