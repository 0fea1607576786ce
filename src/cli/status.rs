//! `vpcedns status`: one screen about a running server, for a person at 3 a.m.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::args::StatusArgs;
use super::client::ServerAt;
use crate::doctor::date;
use crate::observe::{CountsReport, DrillLine, StatusReport};
use crate::serve::certificates::DUE_SECONDS;

/// Time between the two reports of which rates are made.
const BETWEEN: Duration = Duration::from_secs(1);

pub(super) fn run(args: &StatusArgs) -> ExitCode {
    super::print_or_fail(status(args))
}

fn status(args: &StatusArgs) -> Result<String, String> {
    let server = ServerAt::of(&args.server)?;
    let ask = || {
        let text = server.ask("GET /v1/status")?;
        let report = serde_json::from_str(&text).map_err(|error| format!("the server says no status: {error}"))?;
        Ok::<(String, StatusReport), String>((text, report))
    };
    let (text, first) = ask()?;
    if args.json {
        return Ok(text + "\n");
    }
    std::thread::sleep(BETWEEN);
    let (_, second) = ask()?;
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(screen(&first, &second, i64::try_from(here).unwrap_or_default()))
}

/// The screen, by two reports a short while apart; `here`: what the clock of this machine says, in seconds since 1970.
fn screen(first: &StatusReport, now: &StatusReport, here: i64) -> String {
    let mut out = String::new();
    let todo = todo(first, now, here);
    let verdict = match (todo.is_empty(), now.drills.is_empty()) {
        (false, _) => "needs attention",
        (true, false) => "a drill runs",
        (true, true) => "all is well",
    };
    let _ = writeln!(out, "vpcedns {}, up {}: {verdict}\n", now.version, duration(now.uptime_ms / 1000));
    if let Some(clock) = now.clock_unix_seconds {
        let _ = writeln!(out, "clock      {}", date(clock));
    }
    let endpoints = format!("{}, {}", counted(now.endpoints, "endpoint"), counted(now.vpcs, "VPC"));
    let _ = writeln!(out, "serving    generation {}: {endpoints}", now.generation);
    let age = now.last_load_age_seconds.map_or_else(|| "never".to_owned(), |age| format!("{} ago", duration(age)));
    let _ = writeln!(out, "loads      {}, {} failed; the last {age}", now.loads, now.failed_loads);
    for source in &now.sources {
        let state = if source.good { "good" } else { "NOT READ" };
        let age = source.age_seconds.map_or_else(|| "never".to_owned(), |age| format!("{} ago", duration(age)));
        let problems = counted(source.problems, "problem");
        let _ = writeln!(out, "source     {}: {state}, last good {age}, {problems}", source.id);
    }
    for DrillLine { text, .. } in &now.drills {
        let _ = writeln!(out, "drill      {}", text.strip_prefix("drill ").unwrap_or(text));
    }
    if now.upstreams.is_empty() {
        out.push_str("upstream   none\n");
    }
    for up in &now.upstreams {
        let state = if up.is_up { up.state.clone() } else { up.state.to_uppercase() };
        let rtt = up.rtt_ms.map_or_else(String::new, |ms| format!(", {ms:.1} ms"));
        let failures = format!("{} asked, {} unanswered", up.questions, up.failures);
        let from = if up.source_missing { ", from another address: none of these is on this host" } else { "" };
        let _ = writeln!(out, "upstream   {}: {state}{rtt}, {failures}{from}", up.upstream);
    }
    let ms = now.uptime_ms.saturating_sub(first.uptime_ms).max(1);
    let rate = |of: fn(&CountsReport) -> u64| of(&now.counts).saturating_sub(of(&first.counts)) * 1000 / ms;
    let _ = writeln!(
        out,
        "a second   {} packets: {} local ({} refused), {} cached ({} stale), {} forwarded ({} failed)",
        rate(|c| c.packets),
        rate(|c| c.local),
        rate(|c| c.refused),
        rate(|c| c.cache_hits + c.cache_stale),
        rate(|c| c.cache_stale),
        rate(|c| c.forwarded),
        rate(|c| c.forward_failed)
    );
    let replies = if now.cache_entries == 1 { "reply" } else { "replies" };
    let _ = writeln!(out, "cache      {} {replies}, {} KiB", now.cache_entries, now.cache_octets >> 10);
    let CountsReport { overloaded, connections_refused, log_lines_dropped, .. } = now.counts;
    let _ = writeln!(
        out,
        "turned away since the start: {}, {}; {} lost",
        counted(overloaded, "question"),
        counted(connections_refused, "connection"),
        counted(log_lines_dropped, "log line")
    );
    if !now.problems.is_empty() {
        let _ = writeln!(out, "\nproblems ({}, {})", counted(now.errors, "error"), counted(now.warnings, "warning"));
        for problem in &now.problems {
            let _ = writeln!(out, "  {}", problem.replace('\n', "\n  "));
        }
    }
    if !todo.is_empty() {
        out.push_str("\nwhat to do\n");
        for (number, line) in todo.iter().enumerate() {
            let _ = writeln!(out, "  {}. {line}", number + 1);
        }
    }
    out
}

/// Of the descriptors, more than so many in a hundred are too many.
const MOST_DESCRIPTORS_PERCENT: u64 = 80;
/// More questions a second of clients that are not served are a flood.
const FLOOD_PER_SECOND: u64 = 1000;

/// Clocks this far apart are worth a word.
const CLOCK_SECONDS: i64 = 30;

/// What a person has to do, the most urgent first.
fn todo(first: &StatusReport, now: &StatusReport, here: i64) -> Vec<String> {
    let mut todo = Vec::new();
    let is_down = |report: &StatusReport| !report.upstreams.is_empty() && report.upstreams.iter().all(|up| !up.is_up);
    if now.draining {
        todo.push("it is stopping: wait, or stop it at once with a second SIGTERM".to_owned());
    }
    if is_down(now) {
        todo.push("no upstream answers: check the network and the resolvers of --forward".to_owned());
    }
    for up in now.upstreams.iter().filter(|up| !up.is_up) {
        todo.push(format!("{} is down", up.upstream));
    }
    if now.errors > 0 {
        todo.push(format!("correct the errors above; until then generation {} keeps serving", now.generation));
    }
    for source in now.sources.iter().filter(|source| !source.good) {
        todo.push(format!("source {} cannot be read as a whole: see its problems above", source.id));
    }
    let grew = |of: fn(&CountsReport) -> u64| of(&now.counts) > of(&first.counts);
    if grew(|c| c.overloaded) {
        todo.push("questions are turned away: see which client asks, or raise the limit forward_in_flight".to_owned());
    }
    if grew(|c| c.log_lines_dropped) {
        todo.push("the log cannot be written: is the disk full, or has its reader gone?".to_owned());
    }
    for source in &now.sources {
        if source.half_written > 0 {
            todo.push(format!(
                "{} of {} half written: see who has it open",
                counted(source.half_written, "file"),
                source.id
            ));
        }
        if source.untold {
            todo.push(format!("changes of {} are found late: the log says why", source.id));
        }
    }
    if let (Some(open), Some(most)) = (now.open_descriptors, now.most_descriptors)
        && open > most.saturating_mul(MOST_DESCRIPTORS_PERCENT) / 100
    {
        todo.push(format!("{open} of {most} file descriptors are in use: raise the limit, or see who has connections"));
    }
    let ahead = now.clock_unix_seconds.map_or(0, |clock| clock - here);
    if ahead.abs() > CLOCK_SECONDS {
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        let apart = duration(ahead.unsigned_abs());
        todo.push(format!("its clock is {apart} {way} the one here: `timedatectl` there, and here"));
    }
    match now.certificate_ends_in_seconds {
        Some(left @ ..0) => todo.push(format!("the certificate ended {} ago: renew it", duration(left.unsigned_abs()))),
        Some(left @ 0..DUE_SECONDS) => {
            todo.push(format!("the certificate ends in {}: renew it", duration(left.unsigned_abs())));
        }
        _ => {}
    }
    let ms = now.uptime_ms.saturating_sub(first.uptime_ms).max(1);
    let denied = now.counts.denied.saturating_sub(first.counts.denied) * 1000 / ms;
    if denied > FLOOD_PER_SECOND {
        todo.push(format!(
            "{denied} questions a second are refused: a flood, or a network that no VPC and no --allow has"
        ));
    }
    todo
}

/// `1 endpoint`, `2 endpoints`.
fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `35 s`, `4 min`, `3 h 4 min`, `2 d 3 h`
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{SourceLine, UpstreamLine};

    /// 2026-11-26 12:00:00 UTC
    const NOON: i64 = 1_795_694_400;

    #[test]
    fn the_screen_says_what_is_and_what_to_do() {
        let up = |name: &str, state: &str| UpstreamLine {
            upstream: name.to_owned(),
            state: state.to_owned(),
            is_up: state == "up",
            rtt_ms: (state == "up").then_some(1.26),
            questions: 7,
            failures: 2,
            source_missing: name.contains(" from "),
        };
        let first = StatusReport {
            version: "1.2.3".to_owned(),
            uptime_ms: 3_725_000,
            clock_unix_seconds: Some(NOON),
            generation: 17,
            endpoints: 3,
            vpcs: 1,
            loads: 18,
            last_load_age_seconds: Some(65),
            upstreams: vec![up("10.0.0.2:53", "up")],
            counts: CountsReport { packets: 100, local: 60, ..CountsReport::default() },
            cache_entries: 1,
            cache_octets: 3000,
            ..StatusReport::default()
        };
        let good = screen(&first, &StatusReport { uptime_ms: 3_727_000, ..first.clone() }, NOON + 3);
        assert_eq!(
            good,
            "vpcedns 1.2.3, up 1 h 2 min: all is well\n\n\
             clock      2026-11-26 12:00:00 UTC\n\
             serving    generation 17: 3 endpoints, 1 VPC\n\
             loads      18, 0 failed; the last 1 min ago\n\
             upstream   10.0.0.2:53: up, 1.3 ms, 7 asked, 2 unanswered\n\
             a second   0 packets: 0 local (0 refused), 0 cached (0 stale), 0 forwarded (0 failed)\n\
             cache      1 reply, 2 KiB\n\
             turned away since the start: 0 questions, 0 connections; 0 log lines lost\n"
        );

        let text = "drill 1: us-east-1a is down until 12:00:00 UTC, for all clients".to_owned();
        let drilled = screen(
            &first,
            &StatusReport { drills: vec![DrillLine { text, ..DrillLine::default() }], ..first.clone() },
            NOON,
        );
        assert!(drilled.starts_with("vpcedns 1.2.3, up 1 h 2 min: a drill runs\n"), "{drilled}");
        assert!(
            drilled.contains("\ndrill      1: us-east-1a is down until 12:00:00 UTC, for all clients\n"),
            "{drilled}"
        );

        let moved = StatusReport { upstreams: vec![up("10.9.9.9:53 from 10.0.1.5", "up")], ..first.clone() };
        let line = "upstream   10.9.9.9:53 from 10.0.1.5: up, 1.3 ms, 7 asked, 2 unanswered, from another address: none of these is on this host\n";
        assert!(screen(&first, &moved, NOON).contains(line));

        let bad = StatusReport {
            uptime_ms: 3_727_000,
            errors: 1,
            problems: vec!["zones/a.toml:3:1: error: unknown key 'x'\n  hint: did you mean 'y'?".to_owned()],
            upstreams: vec![up("10.0.0.2:53", "down")],
            open_descriptors: Some(900),
            most_descriptors: Some(1024),
            certificate_ends_in_seconds: Some(-3600),
            sources: vec![SourceLine {
                id: "files".to_owned(),
                good: true,
                untold: true,
                half_written: 1,
                ..SourceLine::default()
            }],
            counts: CountsReport {
                packets: 300,
                local: 100,
                denied: 5000,
                overloaded: 4,
                log_lines_dropped: 1,
                ..CountsReport::default()
            },
            ..first.clone()
        };
        let bad = screen(&first, &bad, NOON - 7200);
        for line in [
            "vpcedns 1.2.3, up 1 h 2 min: needs attention",
            "upstream   10.0.0.2:53: DOWN, 7 asked, 2 unanswered",
            "a second   100 packets: 20 local (0 refused), 0 cached (0 stale), 0 forwarded (0 failed)",
            "turned away since the start: 4 questions, 0 connections; 1 log line lost",
            "problems (1 error, 0 warnings)",
            "  zones/a.toml:3:1: error: unknown key 'x'",
            "    hint: did you mean 'y'?",
            "  1. no upstream answers: check the network and the resolvers of --forward",
            "  2. 10.0.0.2:53 is down",
            "  3. correct the errors above; until then generation 17 keeps serving",
            "  4. questions are turned away: see which client asks, or raise the limit forward_in_flight",
            "  5. the log cannot be written: is the disk full, or has its reader gone?",
            "  6. 1 file of files half written: see who has it open",
            "  7. changes of files are found late: the log says why",
            "  8. 900 of 1024 file descriptors are in use: raise the limit, or see who has connections",
            "  9. its clock is 2 h 0 min ahead of the one here: `timedatectl` there, and here",
            "  10. the certificate ended 1 h 0 min ago: renew it",
            "  11. 2500 questions a second are refused: a flood, or a network that no VPC and no --allow has",
        ] {
            assert!(bad.lines().any(|said| said == line), "{line} is not in\n{bad}");
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_000, "1 d 1 h")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
