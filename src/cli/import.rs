//! `vpcedns import`: objects of files become the EC2 API's.
//!
//! Everything is worked out and compared first, with the files as they will be in a directory of their own. The state is then
//! changed by one transaction, and each file by one rename: where a run ends between the two, the next one goes on there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::json;

use super::import_args::ImportArgs;
use super::print_problems;
use crate::diff::diff;
use crate::ec2::import::{ImportAs, ImportFate, ImportPlan, plan};
use crate::ec2::{ApiState, StateFault, StateSource, Store, read_sound};
use crate::model::{Input, Model};
use crate::problem::{Place, Problem, count};
use crate::snapshot::{Policy, Snapshot};
use crate::source::{Files, Source, Sources, scan, without_tables};

/// What files are called that are kept as they were.
const KEPT: &str = "imported";

pub(super) fn run(args: &ImportArgs) -> ExitCode {
    match import(args) {
        Ok(text) => super::print(&text),
        Err(problems) => {
            print_problems(&problems);
            ExitCode::FAILURE
        }
    }
}

/// What was done, for people or as JSON.
fn import(args: &ImportArgs) -> Result<String, Vec<Problem>> {
    let inputs = read(&args.dir)?;
    // open for as long as this runs: no server can take it meanwhile
    let (store, state) = open(args)?;
    let files_alone = load(&args.dir, &ApiState::default())?;
    let to =
        ImportAs { model: &files_alone, state: &state, account: args.account.clone(), now: SystemTime::now().into() };
    let (plan, conflicts) = plan(&inputs, &to);
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let edits = edits(&inputs, &plan, &args.dir)?;
    let before = load(&args.dir, &plan.before(&state))?;
    let staged = Staged::new(&args.dir, &edits).map_err(|error| cannot_write(&args.dir, &error))?;
    let after = load(&staged.dir, &plan.after(&state))?;
    unchanged(before, after)?;
    let mut text = if args.json { told(&inputs, &plan) } else { shown(args, &inputs, &plan, &edits) };
    if let Some(store) = store.filter(|_| !args.dry_run) {
        let file = Store::file(&args.ec2_state);
        let failed = |error: &dyn std::fmt::Display| {
            vec![Problem::error(Place::whole(file.display().to_string()), error.to_string(), "nothing was changed")]
        };
        plan.commit(&store).map_err(|error| failed(&error))?;
        for edit in &edits {
            edit.carry_out().map_err(|error| half_done(edit, &error))?;
        }
        text += if args.json { "" } else { "done\n" };
    } else if !args.json {
        text += "nothing was changed (--dry-run)\n";
    }
    Ok(text)
}

/// The objects of the files, in order.
fn read(dir: &Path) -> Result<Vec<Input>, Vec<Problem>> {
    let reading = Files::new(vec![dir.to_owned()]).read(&|_, _| {});
    let mut problems = reading.problems;
    let mut inputs = Vec::new();
    for (_, declared) in reading.parts {
        problems.extend(declared.problems);
        inputs.extend(declared.inputs);
    }
    problems.retain(Problem::is_error);
    if problems.is_empty() { Ok(inputs) } else { Err(problems) }
}

/// The state; where something is to be changed, open, so that no server has it.
fn open(args: &ImportArgs) -> Result<(Option<Store>, ApiState), Vec<Problem>> {
    let file = Store::file(&args.ec2_state);
    let in_use = |problem: Problem| {
        let hint = "stop the server, and start it again afterwards: it reads its state at the start";
        vec![Problem { hint: hint.to_owned(), ..problem }]
    };
    if file.exists() {
        match read_sound(&file) {
            Ok(content) if args.dry_run => return Ok((None, content.into_state())),
            Err(fault @ StateFault::InUse) => {
                let place = Place::whole(file.display().to_string());
                return Err(in_use(Problem::error(place, fault.to_string(), "")));
            }
            // what else is wrong with it, opening says with the way back
            _ => {}
        }
    } else if args.dry_run {
        return Ok((None, ApiState::default()));
    }
    let (store, state) = Store::open(&args.ec2_state).map_err(|problem| vec![problem])?;
    Ok((Some(store), state))
}

/// What a server has that reads these files and this state.
fn load(dir: &Path, state: &ApiState) -> Result<Model, Vec<Problem>> {
    let files: Box<dyn Source> = Box::new(Files::new(vec![dir.to_owned()]));
    let loaded = Sources::new(vec![files, Box::new(StateSource::new(state))], Vec::new()).load(&|_, _| {});
    loaded.model.ok_or(loaded.problems)
}

/// No client is answered otherwise.
fn unchanged(before: Model, after: Model) -> Result<(), Vec<Problem>> {
    let of = |model| Snapshot::compile(model, Policy::default(), 1);
    let found = diff(&of(before), &of(after));
    if found.is_empty() {
        return Ok(());
    }
    let first = found.answers.first().map(|it| format!("{} {} of {}", it.name, it.rtype, it.client));
    let first = first.or_else(|| found.clients.first().map(|vpc| format!("who is a client of {vpc}")));
    let what = format!(
        "{} would change, {} first: nothing is moved",
        count(found.answers.len() + found.clients.len(), "answer"),
        first.unwrap_or_default()
    );
    Err(vec![Problem::error(
        Place::whole("import"),
        what,
        "this is a fault of vpcedns: please report it with the files",
    )])
}

/// A file that changes.
struct FileEdit {
    path: PathBuf,
    /// What it is afterwards; `None`: it goes.
    text: Option<String>,
}

impl FileEdit {
    /// Keeps the file beside itself, and puts the other in its place.
    fn carry_out(&self) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut kept = self.path.with_file_name(format!("{name}.{KEPT}"));
        let mut number = 2;
        while kept.exists() {
            kept = self.path.with_file_name(format!("{name}.{KEPT}{number}"));
            number += 1;
        }
        let Some(text) = &self.text else { return fs::rename(&self.path, kept) };
        fs::copy(&self.path, kept)?;
        // no file of zones: whoever watches the directory reads the next one whole
        let fresh = self.path.with_file_name(format!(".{name}.new"));
        fs::write(&fresh, text)?;
        fs::set_permissions(&fresh, fs::metadata(&self.path)?.permissions())?;
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(fresh, &self.path)
    }
}

/// Each file without what moves.
fn edits(inputs: &[Input], plan: &ImportPlan, dir: &Path) -> Result<Vec<FileEdit>, Vec<Problem>> {
    let mut going: BTreeMap<PathBuf, BTreeSet<u32>> = BTreeMap::new();
    for (input, _) in inputs.iter().zip(&plan.steps).filter(|(_, step)| !matches!(step.fate, ImportFate::Stays(_))) {
        going.entry(PathBuf::from(&*input.place.file)).or_default().insert(input.place.line);
    }
    let is_output = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    let mut edits = Vec::new();
    for (path, lines) in going.iter().filter(|(path, _)| !is_output(path)) {
        let text = fs::read_to_string(path).map_err(|error| cannot_write(path, &error))?;
        let rest = without_tables(&text, lines).ok_or_else(|| {
            let hint = "write each object as a table of its own: [[vpc]], [[subnet]], ...";
            vec![Problem::error(Place::whole(path.display().to_string()), "its objects cannot be cut out", hint)]
        })?;
        let is_over = rest.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty());
        edits.push(FileEdit { path: path.clone(), text: Some(rest).filter(|_| !is_over) });
    }
    if going.keys().any(|path| is_output(path)) {
        let outputs = scan(&[dir.to_owned()]).0.into_iter().filter(|path| is_output(path));
        edits.extend(outputs.map(|path| FileEdit { path, text: None }));
    }
    Ok(edits)
}

/// The files as they will be, in a directory that goes with this.
struct Staged {
    dir: PathBuf,
}

impl Staged {
    fn new(dir: &Path, edits: &[FileEdit]) -> io::Result<Self> {
        let name = format!("vpcedns-import-{}-{:08x}", std::process::id(), rand::random::<u32>());
        let staged = Self { dir: std::env::temp_dir().join(name) };
        copy(dir, &staged.dir, edits)?;
        Ok(staged)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn copy(from: &Path, to: &Path, edits: &[FileEdit]) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy(&from.join(&name), &to.join(&name), edits)?;
        }
        return Ok(());
    }
    match edits.iter().find(|edit| edit.path == from).map(|edit| &edit.text) {
        Some(Some(text)) => fs::write(to, text),
        None if from.is_file() => fs::copy(from, to).map(|_| ()),
        // it goes; a device, or a link that leads nowhere, is none of the files
        Some(None) | None => Ok(()),
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Vec<Problem> {
    vec![Problem::error(Place::whole(path.display().to_string()), error.to_string(), "nothing was changed")]
}

fn half_done(edit: &FileEdit, error: &io::Error) -> Vec<Problem> {
    let what = format!("the state has its objects now, but the file cannot be changed: {error}");
    let hint = "a server would find them twice: make the file writable, and run this again before the server starts";
    vec![Problem::error(Place::whole(edit.path.display().to_string()), what, hint)]
}

/// The plan for people.
fn shown(args: &ImportArgs, inputs: &[Input], plan: &ImportPlan, edits: &[FileEdit]) -> String {
    let mut text = String::new();
    let mut moves = 0;
    for (input, step) in inputs.iter().zip(&plan.steps) {
        let (place, what) = (&input.place, &step.what);
        let _ = match &step.fate {
            ImportFate::Moves(_) => {
                moves += 1;
                writeln!(text, "moves  {place}: {what}")
            }
            ImportFate::IsThere(_) => writeln!(text, "moved  {place}: {what}: the state has it already"),
            ImportFate::Stays(why) => writeln!(text, "stays  {place}: {what}: {why}"),
        };
    }
    let (file, account) = (Store::file(&args.ec2_state), &args.account);
    let _ = writeln!(text, "{} to {} as account {account}; no answer changes", count(moves, "object"), file.display());
    for edit in edits {
        let path = edit.path.display();
        let _ = match edit.text {
            Some(_) => writeln!(text, "{path} is written without them, and kept as {path}.{KEPT}"),
            None => writeln!(text, "{path} becomes {path}.{KEPT}"),
        };
    }
    text
}

/// The same as JSON.
fn told(inputs: &[Input], plan: &ImportPlan) -> String {
    let steps: Vec<_> = inputs
        .iter()
        .zip(&plan.steps)
        .map(|(input, step)| {
            let (fate, why) = match &step.fate {
                ImportFate::Moves(_) => ("moves", None),
                ImportFate::IsThere(_) => ("moved", None),
                ImportFate::Stays(why) => ("stays", Some(why)),
            };
            json!({ "place": input.place.to_string(), "object": step.what, "fate": fate, "why": why })
        })
        .collect();
    format!("{}\n", serde_json::to_string_pretty(&steps).unwrap_or_default())
}
