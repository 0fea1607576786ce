//! `vpcedns serve`: words to settings, the log, signals and the ready line; the server itself is a library call.

use std::any::Any;
use std::fmt::Display;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

use super::args::ServeArgs;
use super::config::read_file;
use super::print_problems;
use crate::descriptors::Descriptors;
use crate::observe::{LineQueue, Log};
use crate::privileges;
use crate::problem::{Place, Problem, count};
use crate::server::{Ready, Server};

/// How long lines may take to be written before the server goes on, or ends.
const LAST_LINES: Duration = Duration::from_millis(200);

pub(super) fn run(args: &ServeArgs) -> ExitCode {
    match start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            print_problems(&problems);
            ExitCode::FAILURE
        }
    }
}

fn start(args: &ServeArgs) -> Result<(), Vec<Problem>> {
    // before anything else is opened
    let descriptors = Descriptors::of_environment();
    let settings = args.flags.over(read_file(args.config.as_deref())?);
    // clients and upstreams have connections, and upstreams some sockets each; root may raise the hard limit too
    let raised = rlimit::increase_nofile_limit(u64::MAX);
    // while there is one thread, and before anything is opened or made
    privileges::take(settings.user.as_deref()).map_err(|problem| vec![problem])?;
    let log = Log::start(&settings.log)
        .map_err(|fault| vec![Problem::error(Place::whole("--log"), fault.what, fault.hint)])?;
    if let Err(error) = raised {
        warn!("cannot raise the limit of open files: {error}");
    }
    // a fault of our own is a line in the log, as all else; whoever can goes on
    panic::set_hook(Box::new(|info| tracing::error!("internal error: {}", info.to_string().replace('\n', " "))));
    let started = AssertUnwindSafe(|| Server::start_with(settings, &progress(&log), Some(log.clone()), descriptors));
    let server = panic::catch_unwind(started).map_err(|panic| {
        log.flush(LAST_LINES);
        vec![cannot_start(&*panic)]
    })??;
    signals(&server)?;
    print_ready(server.ready());
    let outcome = server.run();
    log.flush(LAST_LINES);
    outcome
}

/// What the runtime has no error for: it cannot start its threads.
fn cannot_start(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    let hint = "allow more threads (ulimit -u, TasksMax of systemd, pids.max of the container) or memory";
    Problem::error(Place::whole("vpcedns"), format!("cannot start: {text}"), hint)
}

/// SIGHUP loads; SIGTERM and SIGINT stop, and a second one ends the process at once.
fn signals(server: &Server) -> Result<(), Vec<Problem>> {
    let failed = |error: std::io::Error| {
        vec![Problem::error(Place::whole("vpcedns"), format!("cannot take signals: {error}"), "")]
    };
    let _runtime = server.runtime().enter();
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let handle = server.handle();
    server.runtime().spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => handle.reload(),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        handle.stop();
        // whoever asks twice does not want to wait
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    });
    Ok(())
}

/// Says how far a long load has come, from its second second on.
fn progress(log: &Log) -> impl Fn(usize, usize) + Sync + '_ {
    let began = Instant::now();
    let said = std::sync::atomic::AtomicU64::new(0);
    move |done, total| {
        let second = began.elapsed().as_secs();
        if second > said.fetch_max(second, std::sync::atomic::Ordering::Relaxed) {
            log.line(&format!("reading: {done} of {total} files"));
        }
    }
}

/// One line when all is up: what is served, where, and whom others' names are asked of.
fn print_ready(ready: &Ready) {
    let join = |addresses: &mut dyn Iterator<Item = &dyn Display>| {
        addresses.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let plain = join(&mut ready.plain.iter().map(|address| address as &dyn Display));
    let mut on = vec![format!("{plain} (udp, tcp)")];
    on.extend(ready.encrypted.iter().cloned());
    on.extend(ready.http.map(|address| format!("http://{address}")));
    on.extend(ready.ec2_api.map(|address| format!("EC2 API http://{address}")));
    let upstreams = join(&mut ready.upstreams.iter().map(|upstream| upstream as &dyn Display));
    let forward =
        if upstreams.is_empty() { "forwarding to nobody".to_owned() } else { format!("forwarding to {upstreams}") };
    let endpoints = match ready.endpoints {
        0 => "no endpoints yet".to_owned(),
        number => count(number, "endpoint"),
    };
    let line = format!(
        "ready: generation {}, {endpoints} in {}, on {}, {forward}, {:.0} ms",
        ready.generation,
        count(ready.vpcs, "VPC"),
        on.join(", "),
        ready.took.as_secs_f64() * 1000.0
    );
    // whoever started the server may have closed its end, or not read it: that is no reason to stop or to wait
    let out = LineQueue::to(std::io::stdout());
    out.push(format!("{line}\n").as_bytes());
    out.flush(LAST_LINES);
}
