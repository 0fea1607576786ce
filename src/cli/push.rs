//! `vpcedns push`: puts the files of a directory into the store, where all servers of a fleet take them from.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::json;

use super::diff::for_people;
use super::offline::policy;
use super::store::{route_of, with_store};
use super::store_args::PushArgs;
use super::{print_or_fail, print_problems};
use crate::config::Settings;
use crate::diff::{AnswerDiff, DiffScope, diff_within};
use crate::ec2::admin::state;
use crate::ec2::time::UnixMillis;
use crate::ec2::{ApiState, StateSource, StoreRoute, new_set};
use crate::fleet::{FileSet, PUSHED, PushPlan, PushedFile, SharedSets, fixed, in_store, plan, push};
use crate::model::Model;
use crate::problem::{Place, Problem, count};
use crate::snapshot::Snapshot;
use crate::source::{Source, Sources, gather_below, scan};

/// Files of a kind that are listed one by one.
const LISTED: usize = 50;

pub(super) fn run(args: &PushArgs) -> ExitCode {
    let read = route_of(&args.at).and_then(|(route, settings)| Ok((route, settings, gathered(&args.dir)?)));
    with_store(read, async |(route, settings, set)| match carry_out(args, &route, &settings, set).await {
        Ok(said) => print_or_fail(said),
        Err(problems) => {
            print_problems(&problems);
            super::fail("nothing was pushed: the files would not load")
        }
    })
}

/// The files of a directory as a set; an error with all that is wrong with them by themselves.
fn gathered(dir: &Path) -> Result<FileSet, Vec<Problem>> {
    let files = gather_below(dir)?.into_iter().map(|(path, file)| (path, file.text.into_bytes()));
    let at = UnixMillis::from(SystemTime::now());
    let set = FileSet::new(files, new_set(), pusher(), at);
    set.map_err(|what| vec![Problem::error(Place::whole(dir.display().to_string()), what, "push a smaller directory")])
}

/// `USER@HOST`, for those who look who pushed.
fn pusher() -> String {
    let host = rustix::system::uname();
    let user = std::env::var("USER").unwrap_or_default();
    let user = if user.is_empty() { rustix::process::getuid().as_raw().to_string() } else { user };
    format!("{user}@{}", host.nodename().to_string_lossy())
}

/// The outer error: the files would not load.
async fn carry_out(
    args: &PushArgs,
    route: &StoreRoute,
    settings: &Settings,
    set: FileSet,
) -> Result<Result<String, String>, Vec<Problem>> {
    let of_store = match state(route).await {
        Ok(dump) => dump.map(|dump| dump.state).unwrap_or_default(),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let dir = format!("{}/", args.dir.display().to_string().trim_end_matches('/'));
    let (model, problems) = load(fixed(&dir, &set), &of_store, settings);
    let (_, noted) = scan(std::slice::from_ref(&args.dir));
    print_problems(&noted.into_iter().chain(problems.iter().filter(|p| !p.is_error()).cloned()).collect::<Vec<_>>());
    let Some(model) = model else {
        return Err(problems.into_iter().filter(Problem::is_error).collect());
    };
    let sets = SharedSets::new(route);
    let planned = match plan(&sets, PUSHED, set).await {
        Ok(planned) => planned,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if args.dry_run {
        let answers = answers(&sets, model, &of_store, settings).await;
        return Ok(Ok(would_change(&planned, answers.as_ref(), args.at.json)));
    }
    Ok(put_there(args, &sets, &planned).await)
}

async fn put_there(args: &PushArgs, sets: &SharedSets, planned: &PushPlan) -> Result<String, String> {
    let said = shown(planned);
    let (is_json, mut as_json) = (args.at.json, json!(planned));
    if planned.is_empty() {
        return Ok(if is_json { format!("{as_json:#}\n") } else { said + "nothing to push\n" });
    }
    let there = planned.gone.len() + planned.changed.len() + planned.unchanged;
    if planned.gone.len() * 2 > there && !args.replace {
        let hint = "--replace lets them go; --dry-run only looks";
        let gone = count(planned.gone.len(), "file");
        return Err(format!("{said}{gone} of {there} in the store would go\n  hint: {hint}"));
    }
    let revision = push(sets, PUSHED, planned).await.map_err(|error| error.to_string())?;
    as_json["revision"] = json!(revision);
    Ok(if is_json { format!("{as_json:#}\n") } else { format!("{said}pushed: revision {revision}\n") })
}

/// The model of a set beside the objects of the store, as a server without files of its own has it; and what is wrong.
fn load(
    set: Result<Box<dyn Source>, Problem>,
    of_store: &ApiState,
    settings: &Settings,
) -> (Option<Model>, Vec<Problem>) {
    let set = match set {
        Ok(set) => set,
        Err(problem) => return (None, vec![problem]),
    };
    let sources: Vec<Box<dyn Source>> = vec![Box::new(StateSource::new(of_store)), set];
    let loaded = Sources::new(sources, Vec::new()).with_names(settings.catalogue).load(&|_, _| {});
    (loaded.model, loaded.problems)
}

/// Which answers differ from those of what is there; `None` where that does not load, or too much differs.
async fn answers(sets: &SharedSets, new: Model, of_store: &ApiState, settings: &Settings) -> Option<AnswerDiff> {
    let there = sets.read(PUSHED).await.ok()?.unwrap_or_default();
    let (old, _) = load(fixed(&in_store(PUSHED), &there), of_store, settings);
    let compiled = |model| Snapshot::compile(model, policy(settings.clone()), 1);
    diff_within(&compiled(old?), &compiled(new), DiffScope::ALL).ok()
}

fn would_change(planned: &PushPlan, answers: Option<&AnswerDiff>, is_json: bool) -> String {
    if is_json {
        let mut all = json!(planned);
        all["answers"] = json!(answers);
        return format!("{all:#}\n");
    }
    let changed = answers.map_or_else(
        || "which answers change cannot be said: what is there does not load, or too much differs\n".to_owned(),
        |answers| if answers.is_empty() { "no answer changes\n".to_owned() } else { for_people(answers, None) },
    );
    format!("{}{changed}nothing was changed\n", shown(planned))
}

/// What a plan comes to.
fn shown(planned: &PushPlan) -> String {
    let mut out = String::new();
    for (sign, files, what) in
        [("+", &planned.new, "comes"), ("~", &planned.changed, "changes"), ("-", &planned.gone, "goes")]
    {
        for PushedFile { path, octets } in files.iter().take(LISTED) {
            let _ = writeln!(out, "{sign} {path}: {what} ({octets} octets)");
        }
        if files.len() > LISTED {
            let _ = writeln!(out, "{sign} ... and {} more", files.len() - LISTED);
        }
    }
    if planned.unchanged > 0 {
        let _ = writeln!(out, "= {}: as in the store", count(planned.unchanged, "file"));
    }
    if let Some(before) = &planned.before {
        let age = UnixMillis::from(SystemTime::now()).since(before.at).as_secs();
        let _ = writeln!(out, "what is there was pushed by {}, {age} s ago", before.by);
    }
    out
}
