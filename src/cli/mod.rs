//! Commands: one file each. The only place that prints for people.

mod args;
mod catalogue;
mod check;
mod client;
mod config;
mod diff;
mod diff_args;
mod doctor;
mod drill;
mod drill_args;
mod expect;
mod explain;
mod flags;
mod flush;
mod health;
mod import;
mod import_args;
mod log;
mod looked_at;
mod names;
mod offline;
mod push;
mod reload;
mod report;
mod serve;
mod state;
mod status;
mod store;
mod store_args;
mod sync;
mod trace;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::model::Model;
use crate::naming::VpcId;
use crate::problem::Problem;
use args::{Cli, Command};

/// The definition of all commands, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line and does what it says. Exit codes: 0 done, 1 a problem that was printed, 2 wrong usage.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Names(args) => names::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Expect(args) => expect::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Flush(args) => flush::run(&args),
        Command::Drill(args) => drill::run(&args),
        Command::Catalogue(args) => catalogue::run(&args),
        Command::State(args) => state::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Sync(args) => sync::run(&args),
        Command::Log(args) => log::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut command(), "vpcedns", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

/// Problems that are printed one by one; the rest are counted.
const PRINTED: usize = 50;

/// Prints problems on stderr, errors before warnings.
fn print_problems(problems: &[Problem]) {
    let (errors, warnings): (Vec<&Problem>, Vec<&Problem>) = problems.iter().partition(|problem| problem.is_error());
    let mut lines: Vec<String> = errors.iter().chain(&warnings).take(PRINTED).map(ToString::to_string).collect();
    if problems.len() > PRINTED {
        lines.push(format!("... and {} more", problems.len() - PRINTED));
    }
    let text = lines.iter().flat_map(|line| [line, "\n"]).collect::<String>();
    // where stderr is closed or full, the exit code has to say it
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
}

/// Whether the model has `vpc`; if not, says which it has.
fn known_vpc(model: &Model, vpc: VpcId) -> Result<(), ExitCode> {
    if model.vpc(vpc).is_some() {
        return Ok(());
    }
    let known: Vec<String> = model.vpcs().iter().map(|vpc| vpc.vpc_id.to_string()).collect();
    eprintln!("error: the vpc ID '{vpc}' does not exist\n  hint: VPCs are {}", known.join(", "));
    Err(ExitCode::FAILURE)
}

/// What a command has to say, or what went wrong.
fn print_or_fail(done: Result<String, String>) -> ExitCode {
    match done {
        Ok(text) => print(&text),
        Err(what) => fail(&what),
    }
}

/// Prints what went wrong.
fn fail(what: &str) -> ExitCode {
    eprintln!("error: {what}");
    ExitCode::FAILURE
}

/// Prints to stdout; a reader that has gone (`| head`) is no error.
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to stdout: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
