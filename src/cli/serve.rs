//! `vpcedns serve`: words to settings, the log, signals and the ready line; the server itself is a library call.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot::{Sender, channel};
use tracing::warn;

use super::args::ServeArgs;
use super::config::read_file;
use super::print_problems;
use crate::descriptors::Descriptors;
use crate::memory;
use crate::observe::{LineQueue, Log};
use crate::privileges;
use crate::problem::{Place, Problem};
use crate::server::{Handle, MORE_THREADS, Server, no_threads};
use crate::service_manager::ServiceManager;

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
    memory::share_addresses();
    // before anything else is opened
    let descriptors = Descriptors::of_environment();
    let settings = args.flags.over(read_file(args.config.as_deref())?);
    let raised = raise_descriptors();
    // while there is one thread, and before anything is opened or made
    privileges::take(settings.user.as_deref()).map_err(|problem| vec![problem])?;
    let log = Log::start(&settings.log)
        .map_err(|fault| vec![Problem::error(Place::whole("--log"), fault.what, fault.hint)])?;
    if let Err(error) = raised {
        warn!("cannot raise the limit of open files: {error}");
    }
    // a fault of our own is a line in the log, as all else; whoever can goes on
    panic::set_hook(Box::new(|info| tracing::error!("internal error: {}", info.to_string().replace('\n', " "))));
    let tell = signals()?;
    let manager = ServiceManager::of_environment();
    let started = AssertUnwindSafe(|| {
        let progress = progress(&log, &manager);
        Server::start_with(settings, &progress, Some(log.clone()), descriptors, manager.clone())
    });
    let server = panic::catch_unwind(started).map_err(|panic| {
        log.flush(LAST_LINES);
        vec![cannot_start(&*panic)]
    })??;
    // it goes when the process does
    let _ = tell.send(server.handle());
    print_ready(&if args.ready_json { server.ready().to_json() } else { format!("ready: {}", server.ready()) });
    let outcome = server.run();
    log.flush(LAST_LINES);
    outcome
}

/// What the runtime has no error for: it cannot start its threads.
fn cannot_start(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Problem::error(Place::whole("vpcedns"), format!("cannot start: {text}"), MORE_THREADS)
}

/// Raises the limit of open files as far as this process may: clients and upstreams have connections, and upstreams some
/// sockets each.
fn raise_descriptors() -> rustix::io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
}

/// Takes signals from now on: SIGHUP loads, SIGTERM and SIGINT stop, and a second one ends the process at once. While there is
/// no server, the first one does, and a load that is asked for follows the start. Returns whom to tell of the server.
fn signals() -> Result<Sender<Handle>, Vec<Problem>> {
    let failed = |error: std::io::Error| {
        vec![Problem::error(Place::whole("vpcedns"), format!("cannot take signals: {error}"), "")]
    };
    let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let inside = runtime.enter();
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    drop(inside);
    let (tell, mut told) = channel::<Handle>();
    let take = async move {
        let (mut server, mut asked) = (None, false);
        loop {
            tokio::select! {
                started = &mut told, if server.is_none() => {
                    // it does not start: the process ends
                    let Ok(handle) = started else { return };
                    if asked {
                        handle.reload();
                    }
                    server = Some(handle);
                }
                _ = hangup.recv() => match &server {
                    Some(handle) => handle.reload(),
                    None => asked = true,
                },
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        let Some(handle) = server else { std::process::exit(0) };
        handle.stop();
        // whoever asks twice does not want to wait
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(1);
    };
    let thread = thread::Builder::new().name("vpcedns-signals".to_owned());
    thread.spawn(move || runtime.block_on(take)).map_err(|error| no_threads(&error))?;
    Ok(tell)
}

/// Says how far a long load has come, from its second second on.
fn progress<'l>(log: &'l Log, manager: &'l ServiceManager) -> impl Fn(usize, usize) + Sync + 'l {
    let began = Instant::now();
    let said = std::sync::atomic::AtomicU64::new(0);
    move |done, total| {
        let second = began.elapsed().as_secs();
        if second > said.fetch_max(second, std::sync::atomic::Ordering::Relaxed) {
            let how_far = format!("reading: {done} of {total} files");
            manager.starting(&how_far);
            log.line(&how_far);
        }
    }
}

/// One line when all is up.
fn print_ready(line: &str) {
    // whoever started the server may have closed its end, or not read it: that is no reason to stop or to wait
    let out = LineQueue::to(std::io::stdout());
    out.push(format!("{line}\n").as_bytes());
    out.flush(LAST_LINES);
}
