//! `vpcedns serve`: words to settings, the log, signals and the ready line; the server itself is a library call.

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;
use tracing_subscriber::EnvFilter;

use super::args::ServeArgs;
use super::config::read_file;
use super::print_problems;
use crate::problem::{Place, Problem, count};
use crate::server::{Ready, Server};

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
    let settings = args.flags.over(read_file(args.config.as_deref())?);
    start_log(&settings.log)?;
    // clients and upstreams have connections, and upstreams some sockets each
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!("cannot raise the limit of open files: {error}");
    }
    let server = Server::start_with(settings, &progress())?;
    signals(&server)?;
    print_ready(server.ready());
    server.run()
}

fn start_log(filter: &str) -> Result<(), Vec<Problem>> {
    use std::io::IsTerminal;
    // The validator says of every forged reply what was in it, and h2 warns of every client that breaks its rules: whoever
    // sends such would fill the disk.
    let parsed = EnvFilter::try_new(format!("hickory_net=off,h2=off,{filter}")).map_err(|error| {
        let hint = "use error, warn, info, debug or trace, or a filter such as vpcedns::reload=debug";
        vec![Problem::error(Place::whole("--log"), format!("'{filter}' is not a log level: {error}"), hint)]
    })?;
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr).with_ansi(colours).init();
    Ok(())
}

/// SIGHUP loads; SIGTERM and SIGINT stop.
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
    });
    Ok(())
}

/// Says how far a long load has come, from its second second on.
fn progress() -> impl Fn(usize, usize) + Sync {
    let began = Instant::now();
    let said = std::sync::atomic::AtomicU64::new(0);
    move |done, total| {
        let second = began.elapsed().as_secs();
        if second > said.fetch_max(second, std::sync::atomic::Ordering::Relaxed) {
            eprintln!("reading: {done} of {total} files");
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
    println!(
        "ready: generation {}, {endpoints} in {}, on {}, {forward}, {:.0} ms",
        ready.generation,
        count(ready.vpcs, "VPC"),
        on.join(", "),
        ready.took.as_secs_f64() * 1000.0
    );
}
