//! `vpcedns serve`

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch as flag;
use tracing::{debug, error, info, warn};
use tracing_subscriber::EnvFilter;

use super::args::ServeArgs;
use super::check::count;
use super::config::read_file;
use super::ec2::Ec2;
use super::encrypted::{self, Encrypted};
use super::print_problems;
use crate::config::{Dnssec, Limits, Settings, Upstreams};
use crate::dns::DnsName;
use crate::forward::system::{refuse_own, system_resolvers};
use crate::forward::validate::Validation;
use crate::forward::{Forwarder, Options, Trust};
use crate::model::{Model, RuleAction, Upstream};
use crate::observe::{self, Counters, Status, Views};
use crate::problem::{At, Place, Problem};
use crate::publish::{Published, Publisher, describe};
use crate::reload::Loader;
use crate::reload::watch::{Wake, Watch};
use crate::resolve::Resolver;
use crate::serve::certificates::{Certificates, LOOK_EVERY};
use crate::serve::listeners::Listeners;
use crate::snapshot::{Policy, Snapshot};
use crate::wire::CookieSecret;

/// Niceness of the thread that loads: enough to give way, too little to wait for ever.
const LOAD_NICENESS: i32 = 10;

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
    let runtime = Builder::new_multi_thread().enable_all().thread_name("vpcedns-io").build();
    let runtime =
        runtime.map_err(|e| vec![Problem::error(Place::whole("vpcedns"), format!("cannot start threads: {e}"), "")])?;
    let served = runtime.block_on(serve(settings));
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

fn start_log(filter: &str) -> Result<(), Vec<Problem>> {
    use std::io::IsTerminal;
    // the validator says of every forged reply what was in it: whoever sends them would fill the disk
    let parsed = EnvFilter::try_new(format!("hickory_net=off,{filter}")).map_err(|error| {
        let hint = "use error, warn, info, debug or trace, or a filter such as vpcedns::reload=debug";
        vec![Problem::error(Place::whole("--log"), format!("'{filter}' is not a log level: {error}"), hint)]
    })?;
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr).with_ansi(colours).init();
    Ok(())
}

async fn serve(settings: Settings) -> Result<(), Vec<Problem>> {
    let encrypted = encrypted::read(&settings)?;
    let remembered = Ec2::open(&settings)?;
    let Settings { listen, limits, zones, .. } = settings;
    let upstreams = upstreams(settings.forward, &listen)?;
    let policy = Policy {
        allow: settings.allow,
        upstreams: upstreams.into(),
        aa: settings.aa,
        forward_special: settings.forward_special.into_iter().collect(),
        private_only: settings.private_only.into_iter().collect(),
        rebind_protection: settings.rebind_protection,
        rebind_allow: settings.rebind_allow.into_iter().collect(),
    };
    let forwarder = forwarder(settings.forward_ca.as_deref(), settings.forward_0x20, &limits)?;
    let validation = validation(settings.dnssec, settings.dnssec_anchors.as_deref(), settings.dnssec_insecure)?;
    let began = Instant::now();
    let mut loader = Loader::serving_on(zones, listen.clone()).with_names(settings.catalogue);
    if let Some(ec2) = &remembered {
        loader = loader.with_api(ec2.inputs());
    }
    let (mut publisher, first) = tokio::task::block_in_place(|| Publisher::start(loader, policy, &progress()))?;
    warn_of(&first.problems);

    let counters = Arc::new(Counters::default());
    let secret = CookieSecret::new(rand::random());
    let snapshots = publisher.snapshots().clone();
    let resolver =
        Resolver::with_forwarder(snapshots, limits.clone(), secret, counters.clone(), forwarder.clone(), validation);
    let lookup = resolver.lookup().clone();
    publisher.invalidates(lookup.cache().clone());
    let mut listeners = Listeners::new(Arc::new(resolver), &limits, Handle::current());
    let problems = listeners.apply(&wanted(&listen, &publisher.snapshots().load().model));
    if !problems.is_empty() {
        return Err(problems);
    }
    if let Some(Encrypted { addresses, certificates }) = &encrypted {
        let problems = listeners.encrypt(addresses, certificates);
        if !problems.is_empty() {
            return Err(problems);
        }
        tokio::spawn(Arc::clone(certificates).follow(LOOK_EVERY));
    }
    let certificates = encrypted.map(|encrypted| encrypted.certificates);
    let (stop_http, http_stopped) = flag::channel(false);
    let status = publisher.status().clone();
    let dirs = publisher.dirs().to_vec();
    let snapshots = publisher.snapshots().clone();
    let publisher = Arc::new(Mutex::new(publisher));
    let (ec2, more) = match remembered {
        Some(ec2) => ec2.start(publisher.clone(), http_stopped.clone()).await.map(|(at, more)| (Some(at), more))?,
        None => (None, None),
    };
    let views = Views { snapshots: snapshots.clone(), status: status.clone(), counters, lookup, more };
    let http = match settings.http {
        Some(address) => Some(start_http(address, views, &limits, http_stopped).await?),
        None => None,
    };

    let (watch, complaint) = Watch::new(&dirs);
    if let Some(complaint) = complaint {
        warn!("changes of files are not seen ({complaint}); SIGHUP loads them");
    }
    let waker = watch.waker();
    signals(&waker, &status)?;
    print_ready(&snapshots.load(), &listeners, http, ec2, began.elapsed());

    // only now, as those that lead back to us are seen by what comes in
    forwarder.set_upstreams(all_upstreams(&snapshots.load()));
    let follow = tokio::task::spawn_blocking(move || {
        follow(watch, &publisher, &mut listeners, &listen, &forwarder, certificates.as_deref());
        listeners
    });
    let listeners = follow
        .await
        .map_err(|error| vec![Problem::error(Place::whole("vpcedns"), format!("internal error: {error}"), "")])?;
    info!("stopping: what has come in is answered first");
    if !listeners.stop().await {
        warn!("stopped with questions unanswered after {} ms", limits.drain.as_millis());
    }
    let _ = stop_http.send(true);
    Ok(())
}

/// Loads whenever there is a reason to, until told to stop.
fn follow(
    mut watch: Watch,
    publisher: &Mutex<Publisher>,
    listeners: &mut Listeners<Resolver>,
    listen: &[SocketAddr],
    forwarder: &Forwarder,
    certificates: Option<&Certificates>,
) {
    // where a load and a question want the same processor, the question goes first; on Linux this is for one thread
    if let Err(error) = rustix::process::nice(LOAD_NICENESS) {
        debug!("loads run at the priority of answers: {error}");
    }
    loop {
        let asked = match watch.wait() {
            Wake::Stop => return,
            Wake::Asked => true,
            Wake::Changed => false,
        };
        let mut publisher = publisher.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = reload(&mut publisher, listeners, listen);
        if outcome.changes.others > 0 {
            forwarder.set_upstreams(all_upstreams(&publisher.snapshots().load()));
        }
        drop(publisher);
        log(&outcome, asked);
        if let Some(certificates) = certificates.filter(|_| asked) {
            certificates.reload_and_log();
        }
    }
}

/// Loads what has changed, and serves it if it is good.
fn reload(publisher: &mut Publisher, listeners: &mut Listeners<Resolver>, listen: &[SocketAddr]) -> Published {
    let prepared = match publisher.prepare_load() {
        Ok(prepared) => prepared,
        Err(refused) => return *refused,
    };
    // sockets come first: a model whose listeners cannot be opened is not served
    let vpcs_changed = prepared.changes().vpcs;
    let problems = if vpcs_changed { listeners.apply(&wanted(listen, prepared.model())) } else { Vec::new() };
    if problems.is_empty() { publisher.publish_load(prepared) } else { publisher.give_up(prepared, problems) }
}

fn log(published: &Published, asked: bool) {
    let Published { changes, generation, took, problems } = published;
    let ms = took.as_secs_f64() * 1000.0;
    if !published.is_good() {
        let errors = problems.iter().filter(|problem| problem.is_error());
        for problem in errors.clone().take(super::PRINTED) {
            error!("{problem}");
        }
        error!("not loaded: {}; generation {generation} keeps serving", count(errors.count(), "error"));
        return;
    }
    warn_of(problems);
    if asked || !changes.is_empty() {
        info!("{}, generation {generation}, {ms:.1} ms", describe(changes));
    }
}

fn warn_of(problems: &[Problem]) {
    for problem in problems.iter().filter(|problem| !problem.is_error()).take(super::PRINTED) {
        warn!("{problem}");
    }
}

/// The addresses to listen on: those of the settings, and those of VPCs.
fn wanted(listen: &[SocketAddr], model: &Model) -> Vec<At<SocketAddr>> {
    let own = listen.iter().map(|address| At::new(*address, Place::whole("--listen")));
    let of_vpc = |vpc: &crate::model::Vpc| {
        let place = Place::whole(format!("listeners of {}", vpc.vpc_id));
        vpc.listeners.iter().map(move |address| At::new(*address, place.clone())).collect::<Vec<_>>()
    };
    own.chain(model.vpcs().into_iter().flat_map(|vpc| of_vpc(vpc))).collect()
}

/// Whom to ask for what is not ours. Ourselves are left out of the system's resolvers, and refused if named.
fn upstreams(forward: Upstreams, listen: &[SocketAddr]) -> Result<Vec<Upstream>, Vec<Problem>> {
    match forward {
        Upstreams::None => Ok(Vec::new()),
        Upstreams::System => {
            let (resolvers, problems) = system_resolvers(listen);
            warn_of(&problems);
            Ok(resolvers.into_iter().map(Upstream::plain).collect())
        }
        Upstreams::These(upstreams) => {
            let at: Vec<_> = upstreams.iter().map(|u| At::new(u.clone(), Place::whole("--forward"))).collect();
            let problems = refuse_own(&at, listen);
            if problems.is_empty() { Ok(upstreams) } else { Err(problems) }
        }
    }
}

/// Asks upstreams, and trusts those whose certificates come from the system's authorities or from those of a file.
fn forwarder(ca: Option<&Path>, mix_case: bool, limits: &Limits) -> Result<Forwarder, Vec<Problem>> {
    let trust = ca.map_or_else(
        || Ok(Trust::default()),
        |file| {
            let hint = "name a PEM file with the certificates of the authorities";
            let problem = |what| vec![Problem::error(Place::whole(file.display().to_string()), what, hint)];
            Trust::with_file(file).map_err(problem)
        },
    )?;
    Ok(Forwarder::with(limits, Options { trust, mix_case }))
}

/// Whether and how signatures are validated.
fn validation(
    dnssec: Dnssec,
    anchors: Option<&Path>,
    insecure: Vec<DnsName>,
) -> Result<Option<Validation>, Vec<Problem>> {
    let insecure = insecure.into_iter().collect();
    let problem = |what: String| {
        let place = Place::whole(anchors.map_or_else(String::new, |file| file.display().to_string()));
        vec![Problem::error(place, what, "name a file of DNSKEY records, such as /usr/share/dns/root.key")]
    };
    let wanted = dnssec == Dnssec::Validate;
    wanted.then(|| Validation::new(anchors, insecure)).transpose().map_err(problem)
}

/// The upstreams of the settings, and those of rules.
fn all_upstreams(snapshot: &Snapshot) -> impl Iterator<Item = &Upstream> {
    let of_rules = snapshot.model.rules().iter().filter_map(|rule| match &rule.action {
        RuleAction::Forward(targets) => Some(targets.iter()),
        RuleAction::System => None,
    });
    snapshot.policy.upstreams.iter().chain(of_rules.flatten())
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

async fn start_http(
    address: SocketAddr,
    views: Views,
    limits: &Limits,
    mut stop: flag::Receiver<bool>,
) -> Result<SocketAddr, Vec<Problem>> {
    let place = || Place::whole("--http");
    let failed = |error: std::io::Error| {
        let hint = "see who has it with `ss -ltnp`, or choose another with --http";
        vec![Problem::error(place(), format!("cannot listen on {address}: {error}"), hint)]
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let actual = listener.local_addr().map_err(failed)?;
    let connections = limits.http_connections;
    tokio::spawn(async move {
        let stopped = async move {
            // ends when the flag is set, or when whoever would set it is gone
            let _ = stop.wait_for(|stop| *stop).await;
        };
        if let Err(error) = observe::serve(listener, views, connections, stopped).await {
            error!("HTTP stopped: {error}");
        }
    });
    Ok(actual)
}

/// SIGHUP loads; SIGTERM and SIGINT stop.
fn signals(waker: &crate::reload::watch::Waker, status: &Arc<Status>) -> Result<(), Vec<Problem>> {
    let failed = |error: std::io::Error| {
        vec![Problem::error(Place::whole("vpcedns"), format!("cannot take signals: {error}"), "")]
    };
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (waker, status) = (waker.clone(), status.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = hangup.recv() => waker.ask(),
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        status.drain();
        waker.stop();
    });
    Ok(())
}

/// One line when all is up: what is served, where, and whom others' names are asked of.
fn print_ready(
    snapshot: &Snapshot,
    listeners: &Listeners<Resolver>,
    http: Option<SocketAddr>,
    ec2: Option<SocketAddr>,
    took: Duration,
) {
    let join = |addresses: &mut dyn Iterator<Item = &dyn Display>| {
        addresses.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let plain = join(&mut listeners.addresses().iter().map(|open| &open.actual as &dyn Display));
    let mut on = vec![format!("{plain} (udp, tcp)")];
    on.extend(listeners.encrypted().iter().map(ToString::to_string));
    on.extend(http.map(|address| format!("http://{address}")));
    on.extend(ec2.map(|address| format!("EC2 API http://{address}")));
    let upstreams = join(&mut snapshot.policy.upstreams.iter().map(|upstream| upstream as &dyn Display));
    let forward =
        if upstreams.is_empty() { "forwarding to nobody".to_owned() } else { format!("forwarding to {upstreams}") };
    let endpoints = match snapshot.model.endpoint_count() {
        0 => "no endpoints yet".to_owned(),
        number => count(number, "endpoint"),
    };
    println!(
        "ready: generation {}, {endpoints} in {}, on {}, {forward}, {:.0} ms",
        snapshot.generation,
        count(snapshot.model.vpcs().len(), "VPC"),
        on.join(", "),
        took.as_secs_f64() * 1000.0
    );
}
