//! `vpcedns store`: looks at the store that several servers share, takes it out, puts it in, accepts what is there.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::json;

use super::config::read_file;
use super::store_args::{StoreAction, StoreArgs, StoreAt};
use super::{print_or_fail, print_problems};
use crate::config::Settings;
use crate::ec2::StoreRoute;
use crate::ec2::admin::{
    MemberReport, ReplacePlan, StoreReport, accept, accept_plan, apply, export, plan, read_dump, status,
};
use crate::ec2::time::UnixMillis;
use crate::problem::{Problem, count};
use crate::regular;

pub(super) fn run(args: &StoreArgs) -> ExitCode {
    let at = args.what.at();
    with_store(route(at), async |route| {
        print_or_fail(match &args.what {
            StoreAction::Status { .. } => show(&route, at.json).await,
            StoreAction::Export { to, .. } => take_out(&route, to.as_deref(), at.json).await,
            StoreAction::Import { file, replace, dry_run, .. } => {
                put_in(&route, file, *replace, *dry_run, at.json).await
            }
            StoreAction::Accept { dry_run, .. } => accept_it(&route, *dry_run, at.json).await,
        })
    })
}

/// Does `work` with what it takes; prints what is wrong with that.
pub(super) fn with_store<T>(takes: Result<T, Vec<Problem>>, work: impl AsyncFnOnce(T) -> ExitCode) -> ExitCode {
    let takes = match takes {
        Ok(takes) => takes,
        Err(problems) => {
            print_problems(&problems);
            return ExitCode::FAILURE;
        }
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work(takes)),
        Err(error) => super::fail(&format!("cannot start: {error}")),
    }
}

/// The store that flags, environment or the settings file name.
fn route(at: &StoreAt) -> Result<StoreRoute, Vec<Problem>> {
    route_of(at).map(|(route, _)| route)
}

/// The same, with all settings.
pub(super) fn route_of(at: &StoreAt) -> Result<(StoreRoute, Settings), Vec<Problem>> {
    let settings = at.flags.over(read_file(at.config.as_deref())?);
    let none = || {
        let hint = "give --store etcd://HOST:PORT,.../PREFIX, or --config FILE";
        vec![Problem::error(crate::problem::Place::whole("--store"), "names no store", hint)]
    };
    let route = StoreRoute::of(&settings).map_err(|problem| vec![problem])?.ok_or_else(none)?;
    Ok((route, settings))
}

async fn show(route: &StoreRoute, is_json: bool) -> Result<String, String> {
    let report = status(route).await.map_err(|error| error.to_string())?;
    Ok(if is_json { format!("{:#}\n", json!(report)) } else { screen(&report) })
}

/// One screen.
fn screen(report: &StoreReport) -> String {
    let mut out = String::new();
    let unwell = report.members.iter().filter(|member| member.trouble.is_some()).count();
    let verdict = match (&report.trouble, unwell) {
        (Some(trouble), _) => format!("NOT SERVED: {trouble}"),
        (None, 0) => "all is well".to_owned(),
        (None, unwell) => format!("{unwell} of {} need attention", count(report.members.len(), "member")),
    };
    let _ = writeln!(out, "store {}: {verdict}\n", report.prefix);
    for member in &report.members {
        let _ = writeln!(out, "member     {}", member_line(member));
    }
    match &report.head {
        None => out.push_str("head       none: the first server begins the store\n"),
        Some(head) => {
            let (revision, set) = (head.mark.revision, &head.mark.set);
            let age = UnixMillis::from(SystemTime::now()).since(head.at).as_secs();
            let _ =
                writeln!(out, "head       revision {revision} of {}, after {}; set {set}", report.revision, head.after);
            let by = if head.by.is_empty() { "a server that does not say" } else { &head.by };
            let _ = writeln!(out, "writer     {by}, {age} s ago");
        }
    }
    let kinds: Vec<String> = report.kinds.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    let _ = writeln!(out, "objects    {}{kinds}", report.objects);
    let _ = writeln!(out, "tokens     {}", report.tokens);
    let _ = writeln!(out, "octets     {} in keys and values", report.octets);
    out
}

/// `10.0.0.11:2379: leads, etcd 3.6.1, database of 24576 octets, 20480 of them used`
fn member_line(member: &MemberReport) -> String {
    let MemberReport { at, trouble, leads, version, database } = member;
    let mut words = Vec::new();
    words.extend(trouble.as_ref().map(|trouble| format!("NEEDS ATTENTION: {trouble}")));
    words.extend(leads.then(|| "leads".to_owned()));
    words.extend(version.as_ref().map(|version| format!("etcd {version}")));
    words.extend(database.map(|(size, used)| format!("database of {size} octets, {used} of them used")));
    format!("{at}: {}", words.join(", "))
}

async fn take_out(route: &StoreRoute, to: Option<&Path>, is_json: bool) -> Result<String, String> {
    let dump = export(route).await.map_err(|error| error.to_string())?;
    let mut text = String::new();
    // nothing that writes into memory fails
    let _ = dump.lines(|line| writeln!(text, "{line}"));
    let Some(to) = to else { return Ok(text) };
    let temporary = to.with_extension("new");
    regular::replace(to, &temporary, text.as_bytes()).map_err(|error| format!("{}: {error}", to.display()))?;
    let (objects, revision) = (dump.state.count(), dump.mark.map_or(0, |mark| mark.revision));
    if is_json {
        return Ok(format!("{:#}\n", json!({ "objects": objects, "revision": revision, "file": to })));
    }
    Ok(format!("{}: {} of revision {revision}\n", to.display(), count(objects, "object")))
}

async fn put_in(
    route: &StoreRoute,
    file: &Path,
    may_replace: bool,
    dry_run: bool,
    is_json: bool,
) -> Result<String, String> {
    let shown = file.display();
    if !fs::exists(file).unwrap_or(false) {
        return Err(format!("{shown}: is not there\n  hint: an export, or the state file of a server (ec2.redb)"));
    }
    let wanted = read_dump(file).map_err(|error| format!("{shown}: {error}"))?;
    let plan = plan(route, wanted).await.map_err(|error| error.to_string())?;
    let (lost, said) = (plan.changed + plan.gone, planned(&plan));
    if lost > 0 && !may_replace && !dry_run {
        let hint = "--replace makes the store hold what the file has, and nothing else; --dry-run only looks";
        return Err(format!("{said}what {} are in the store would be lost\n  hint: {hint}", count(lost, "object")));
    }
    let as_json = json!(plan);
    if dry_run {
        return Ok(if is_json { format!("{as_json:#}\n") } else { said + "nothing was changed\n" });
    }
    let (transactions, mut revision) = (plan.transactions, None);
    let progress = |done: usize, all: usize| {
        if all > 100 && done.is_multiple_of(100) {
            eprintln!("{done} of {all} transactions");
        }
    };
    revision.replace(apply(route, plan, &progress).await.map_err(|error| error.to_string())?);
    if is_json {
        let mut all = as_json;
        all["revision"] = json!(revision);
        return Ok(format!("{all:#}\n"));
    }
    let done = count(transactions, "transaction");
    Ok(format!("{said}done, in {done}: revision {}\n", revision.unwrap_or_default()))
}

/// What a plan comes to, a line each.
fn planned(plan: &ReplacePlan) -> String {
    let mut out = String::new();
    let lines = [
        ("+", plan.new, "comes"),
        ("~", plan.changed, "changes"),
        ("-", plan.gone, "goes"),
        ("=", plan.unchanged, "stays as it is"),
    ];
    for (sign, number, what) in lines.into_iter().filter(|(_, number, _)| *number > 0) {
        let _ = writeln!(out, "{sign} {}: {what}", count(number, "object"));
    }
    if plan.tokens > 0 {
        let _ = writeln!(out, "~ {}", count(plan.tokens, "client token"));
    }
    if plan.listeners_left > 0 {
        let left = count(plan.listeners_left, "listener");
        let _ = writeln!(out, "! {left} of VPCs: left out, as they are one machine's");
    }
    if plan.notifications_left > 0 {
        let left = count(plan.notifications_left, "notification");
        let _ = writeln!(out, "! {left} to be delivered by the server of the file: not moved");
    }
    out
}

async fn accept_it(route: &StoreRoute, dry_run: bool, is_json: bool) -> Result<String, String> {
    let plan = accept_plan(route).await.map_err(|error| error.to_string())?;
    let (objects, as_json) = (count(plan.objects, "object"), json!(plan));
    let said = match (&plan.set, plan.expected) {
        (None, _) => format!("the store has no head, and {objects}: it has been emptied\n"),
        (Some(set), Some(expected)) if expected != plan.objects => {
            format!("set {set} has {objects}, where its head says {expected}\n")
        }
        (Some(set), _) => format!("set {set} has {objects}\n"),
    };
    if dry_run {
        return Ok(if is_json { format!("{as_json:#}\n") } else { said + "nothing was changed\n" });
    }
    let set = accept(route, &plan).await.map_err(|error| error.to_string())?;
    if is_json {
        let mut all = as_json;
        all["accepted_as"] = json!(set);
        return Ok(format!("{all:#}\n"));
    }
    Ok(format!("{said}accepted as set {set}: every server serves this from now on\n"))
}
