//! `vpcedns expect`

mod format;
mod run;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::args::ExpectArgs;
use super::looked_at::OutputOrigin;
use super::offline::Offline;
use crate::expect::{Assertion, ServerUnderTest, parse, write};
use crate::forward::Trust;
use crate::problem::{FileName, Place, Problem};
use crate::snapshot::Snapshot;
use format::render;
use run::{Subject, run_all};

pub(super) fn run(args: &ExpectArgs) -> ExitCode {
    let settings = args.flags.settings();
    let is_online = args.server.is_some();
    // a server that is not ours needs no zones
    let snapshot = if is_online && settings.zones.iter().all(|path| !path.exists()) {
        None
    } else {
        match Offline::new(settings, args.state.said()).compile() {
            Some(read) => Some(read),
            None => return ExitCode::FAILURE,
        }
    };
    let (snapshot, origin) = snapshot.unzip();
    if args.write {
        let Some(snapshot) = snapshot else {
            eprintln!("error: --write makes the file from zones, and there are none\n  hint: name them with --zones");
            return ExitCode::from(2);
        };
        return write_file(args, &snapshot);
    }
    if args.files.is_empty() {
        eprintln!("error: no file is named\n  hint: make one with: vpcedns expect --write expect.txt");
        return ExitCode::from(2);
    }
    let Some(assertions) = read(args) else { return ExitCode::from(2) };
    let server = match args.server.as_ref().map(|address| server(args, address)).transpose() {
        Ok(server) => server,
        Err(what) => {
            eprintln!("error: --server: {what}");
            return ExitCode::from(2);
        }
    };
    let outcomes = run_all(&assertions, &Subject { snapshot: snapshot.as_ref(), server: server.as_ref() });
    let looked_at = args.server.as_ref().map(OutputOrigin::asked).or(origin);
    super::print(&render(args.format, &outcomes, looked_at.as_ref()));
    let bad = outcomes.iter().any(|outcome| outcome.is_failure(args.strict));
    if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn server(args: &ExpectArgs, address: &crate::expect::ServerAddress) -> Result<ServerUnderTest, String> {
    let trust = args.ca.as_deref().map_or_else(|| Ok(Trust::default()), Trust::with_file)?;
    ServerUnderTest::new(address, args.via, trust).map_err(|error| format!("cannot start: {error}"))
}

/// All lines of all files; `None` if one of them is wrong, which has been printed.
fn read(args: &ExpectArgs) -> Option<Vec<Assertion>> {
    let (mut assertions, mut problems) = (Vec::new(), Vec::new());
    for path in &args.files {
        let label = FileName::from(path.display().to_string());
        match fs::read_to_string(path) {
            Ok(text) => {
                let (more, wrong) = parse(&label, &text);
                assertions.extend(more);
                problems.extend(wrong);
            }
            Err(error) => {
                let hint = "make one with: vpcedns expect --write FILE";
                problems.push(Problem::error(Place::whole(label), format!("cannot be read: {error}"), hint));
            }
        }
    }
    super::print_problems(&problems);
    problems.is_empty().then_some(assertions)
}

/// Writes the assertions that hold to the file that is named, or prints them.
fn write_file(args: &ExpectArgs, snapshot: &Snapshot) -> ExitCode {
    let text = write(snapshot);
    let [path] = &args.files[..] else {
        if args.files.is_empty() {
            return super::print(&text);
        }
        eprintln!("error: --write makes one file, and {} are named", args.files.len());
        return ExitCode::from(2);
    };
    match create(path, &text) {
        Ok(()) => {
            let lines = text.lines().filter(|line| line.starts_with("from ")).count();
            super::print(&format!("{}: {}\n", path.display(), crate::problem::count(lines, "assertion")))
        }
        Err(error) => {
            let hint = match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    "move the old file away first: what it says may have been written by hand"
                }
                _ => "name a file in a directory that can be written to",
            };
            eprintln!("error: {}: {error}\n  hint: {hint}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn create(path: &Path, text: &str) -> std::io::Result<()> {
    fs::File::create_new(path)?.write_all(text.as_bytes())
}
