//! The whole server as a library call: `Server::start(settings)`, then [`Server::run`] until a [`Handle`] stops it.
//!
//! ```text
//! listed      settings -> sources, one line each
//! accounts    the accounts that are followed
//! upstreams   settings -> upstream resolvers, forwarder, validation
//! encrypted   settings -> encrypted addresses and their certificate
//! doh_tokens  settings -> VPCs by token
//! listen_http the HTTP address and the control socket
//! ready       what is served, and where
//! ec2         the EC2-compatible API as a part of the server
//! hand_over   sockets from a running server to its successor
//! fleet       what the servers of a store share besides
//! zones_out   zones for other DNS servers
//! drills      faults that an operator asks for, and their ends
//! watchdog    signs of life for the service manager
//! reload      a thread that loads when asked to; listeners and upstreams follow
//! ```
//!
//! Knows neither the command line nor signals nor where the log goes; `cli/serve.rs` does.

mod accounts;
mod doh_tokens;
mod drills;
mod ec2;
mod encrypted;
mod fit;
mod fleet;
mod hand_over;
pub(crate) mod listed;
mod listen_http;
mod ready;
mod reload;
mod upstreams;
mod watchdog;
mod zones_out;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle as RuntimeHandle, Runtime};
use tokio::sync::watch as flag;
use tracing::{info, warn};

use crate::config::{Dnssec, Settings, unused};
use crate::descriptors::{Descriptors, SocketOffer};
use crate::fleet::SetSource;
use crate::forward::Forwarder;
use crate::forward::validate::Validation;
use crate::memory;
use crate::model::Upstream;
use crate::observe::{AskLive, BeginRounds, Counters, Log, QueryLog, ServerControl, Status, TriesFiles, Views};
use crate::problem::{Place, Problem};
use crate::publish::Publisher;
use crate::resolve::Resolver;
use crate::serve::Identities;
use crate::serve::certificates::LOOK_EVERY;
use crate::serve::listeners::Listeners;
use crate::served::ServedSnapshot;
use crate::service_manager::ServiceManager;
use crate::snapshot::{Policy, Snapshot};
use crate::source::{LoadRequest, LoadRequests, LoadTrigger, Progress, Sources, read_given};
use crate::transfer::ZonesOut;
use crate::wire::CookieSecret;
use accounts::FollowedAccounts;
use drills::DrillBook;
use ec2::{Ec2, Ec2Api};
use encrypted::EncryptedSettings;
pub(crate) use encrypted::read as encrypted_listeners;
use fit::fit;
use hand_over::{HandOver, Predecessor};
use listen_http::HttpListeners;
pub use ready::Ready;
pub(crate) use reload::wanted as wanted_listeners;
use reload::{Follower, SharedListeners, all_upstreams, open_addresses, opener, wanted, warn_of};
use watchdog::Watchdog;

/// How long a thread that waits for disks stays without a job.
const IDLE_THREADS: Duration = Duration::from_millis(1500);
/// The remedy where no thread can be started.
pub(crate) const MORE_THREADS: &str =
    "allow more threads (ulimit -u, TasksMax of systemd, pids.max of the container) or memory";
/// Threads besides the runtime's workers that a start needs: for loads, for watching files, for what waits for disks, and one
/// for a UDP socket.
const OTHER_THREADS: usize = 4;
/// Memory that a start takes besides its threads' stacks, whatever is loaded, and some to spare, in octets.
const START_MEMORY: u64 = 12 << 20;
/// An end waits so long for the query log to be written.
const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// A start waits so long for files that are being written.
const WRITERS_PATIENCE: Duration = Duration::from_secs(10);

/// A server that answers.
pub struct Server {
    runtime: Runtime,
    ready: Ready,
    handle: Handle,
    loads: JoinHandle<Option<Listeners<Resolver>>>,
    stop_http: flag::Sender<bool>,
    ec2: Option<Arc<Mutex<Ec2Api>>>,
    descriptors: Descriptors,
    times: StopTimes,
    manager: ServiceManager,
    listeners: SharedListeners,
    /// Sockets of HTTP, for a successor.
    _offers: Vec<SocketOffer>,
    /// Followed as long as it is there.
    _accounts: FollowedAccounts,
    query_log: Option<QueryLog>,
    zones_out: Option<ZonesOut>,
}

/// Reloads and stops a server, from any thread.
#[derive(Clone)]
pub struct Handle {
    trigger: LoadTrigger,
    status: Arc<Status>,
}

impl Handle {
    /// Asks for a load of all sources, and of the certificates.
    pub fn reload(&self) {
        self.trigger.send(LoadRequest::Asked);
    }

    /// Asks for the end: what has come in is answered first.
    pub fn stop(&self) {
        self.status.drain();
        self.trigger.send(LoadRequest::Stop);
    }

    /// How loads went, and how the sources are.
    pub fn status(&self) -> &Status {
        &self.status
    }
}

impl Server {
    /// Starts a server; when this returns, it answers. Fails with everything that is wrong with the settings, the
    /// sources or the addresses.
    pub fn start(settings: Settings) -> Result<Self, Vec<Problem>> {
        Self::start_with(settings, &|_, _| {}, None, Descriptors::default(), ServiceManager::default())
    }

    /// The same; `progress` is told how far the first load has come, `log` is the one that the control socket sets, and
    /// sockets that `descriptors` has are not opened anew; `manager` is told how the server is.
    pub fn start_with(
        settings: Settings,
        progress: Progress<'_>,
        log: Option<Log>,
        descriptors: Descriptors,
        manager: ServiceManager,
    ) -> Result<Self, Vec<Problem>> {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        try_threads(workers + OTHER_THREADS)?;
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .worker_threads(workers)
            .thread_name("vpcedns-io")
            // threads that wait for disks go soon after a burst of calls: jobs go round among those that are idle, and one
            // job a second would keep ten of them for ever
            .thread_keep_alive(IDLE_THREADS)
            .build()
            .map_err(|error| no_threads(&error))?;
        let began = Instant::now();
        warn_of(&unused(&settings));
        let surroundings = Surroundings { log, descriptors, manager: manager.clone() };
        let parts = runtime.block_on(async { start(settings, progress, surroundings, began) })?;
        let Parts { follower, requests, predecessor, .. } = parts;
        let listeners = Arc::clone(&follower.listeners);
        let loads = thread::Builder::new().name("vpcedns-load".to_owned());
        let loads = loads.spawn(move || follower.run(&requests)).map_err(|error| no_threads(&error))?;
        if let Some(predecessor) = predecessor {
            predecessor.succeed();
        }
        Ok(Self {
            runtime,
            ready: parts.ready,
            handle: parts.handle,
            loads,
            stop_http: parts.stop_http,
            ec2: parts.ec2,
            descriptors: parts.descriptors,
            times: parts.times,
            manager,
            listeners,
            _offers: parts.offers,
            _accounts: parts.accounts,
            query_log: parts.query_log,
            zones_out: parts.zones_out,
        })
    }

    /// What is served, and where.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// To reload and to stop it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The runtime that the server's tasks run on, for tasks of the caller's such as signals.
    pub fn runtime(&self) -> &RuntimeHandle {
        self.runtime.handle()
    }

    /// Serves until a [`Handle`] stops it, and all that has come in is answered or the time for that is over.
    pub fn run(self) -> Result<(), Vec<Problem>> {
        self.manager.ready(&self.ready);
        let _watchdog = Watchdog::start(&self.manager, &self.listeners, self.runtime.handle().clone());
        let listeners = self.loads.join().map_err(|_| {
            vec![Problem::error(Place::whole("vpcedns"), "internal error: the thread that loads has failed", "")]
        })?;
        let StopTimes { lameduck, drain } = self.times;
        if !lameduck.is_zero() && !self.descriptors.are_handed_on() {
            info!("stopping: answering for another {} ms, while /readyz says so", lameduck.as_millis());
            self.manager.stopping("answering until clients have gone elsewhere");
            thread::sleep(lameduck);
        }
        // the file of serials is free for a successor
        drop(self.zones_out);
        if self.descriptors.are_handed_on() {
            // what comes in on these sockets is for the successor
            let _ = self.stop_http.send(true);
        }
        info!("stopping: what has come in is answered first");
        self.manager.stopping("answering what has come in");
        let is_done = listeners.is_none_or(|listeners| self.runtime.block_on(listeners.stop()));
        if !is_done {
            warn!("stopped with questions unanswered after {} ms", drain.as_millis());
        }
        let _ = self.stop_http.send(true);
        if let Some(ec2) = &self.ec2 {
            ec2.lock().unwrap_or_else(PoisonError::into_inner).stop();
        }
        self.runtime.shutdown_timeout(Duration::from_millis(100));
        if let Some(log) = &self.query_log {
            log.end(LOG_PATIENCE);
        }
        Ok(())
    }

    /// Stops it, and waits for that as [`Server::run`] does.
    pub fn stop(self) -> Result<(), Vec<Problem>> {
        self.handle.stop();
        self.run()
    }
}

pub(crate) fn no_threads(error: &std::io::Error) -> Vec<Problem> {
    vec![Problem::error(Place::whole("vpcedns"), format!("cannot start threads: {error}"), MORE_THREADS)]
}

/// Whether so many threads can be there at once, and memory for what they do. The runtime has no error for a thread that
/// cannot start: it panics, and then waits for ever for those that did; and an allocation that fails ends the process.
fn try_threads(count: usize) -> Result<(), Vec<Problem>> {
    let gate = Mutex::new(());
    let (started, left) = thread::scope(|scope| {
        let shut = gate.lock();
        let pass = || drop(gate.lock());
        let started = (0..count).try_for_each(|_| thread::Builder::new().spawn_scoped(scope, pass).map(drop));
        let left = memory::left_to_allocate();
        drop(shut);
        (started, left)
    });
    started.map_err(|error| no_threads(&error))?;
    let Some(left) = left.filter(|left| left.octets < START_MEMORY) else { return Ok(()) };
    let mib = |octets: u64| octets >> 20;
    let (needed, left, bound) = (mib(START_MEMORY), mib(left.octets), left.bound);
    let what = format!("cannot start: {left} MiB are left of {bound}, and a start takes {needed}");
    Err(vec![Problem::error(Place::whole("vpcedns"), what, "allow more memory")])
}

/// A server before its loads have a thread.
struct Parts {
    ready: Ready,
    handle: Handle,
    follower: Follower,
    requests: LoadRequests,
    stop_http: flag::Sender<bool>,
    ec2: Option<Arc<Mutex<Ec2Api>>>,
    descriptors: Descriptors,
    times: StopTimes,
    predecessor: Option<Predecessor>,
    offers: Vec<SocketOffer>,
    accounts: FollowedAccounts,
    query_log: Option<QueryLog>,
    zones_out: Option<ZonesOut>,
}

/// How long an end takes.
#[derive(Clone, Copy)]
struct StopTimes {
    /// All is answered, while clients go elsewhere.
    lameduck: Duration,
    /// What has come in is answered.
    drain: Duration,
}

/// What the process has besides its settings.
struct Surroundings {
    log: Option<Log>,
    descriptors: Descriptors,
    manager: ServiceManager,
}

/// To be called in the runtime.
fn start(
    mut settings: Settings,
    progress: Progress<'_>,
    surroundings: Surroundings,
    began: Instant,
) -> Result<Parts, Vec<Problem>> {
    let Surroundings { log, descriptors, manager } = surroundings;
    let budget = fit(&mut settings);
    let encrypted = encrypted::read(&settings)?;
    let mut predecessor = if settings.take_over { Predecessor::find(&settings.socket)? } else { None };
    if let Some(predecessor) = predecessor.as_mut().filter(|_| settings.ec2_api.is_some() || settings.store.is_some()) {
        predecessor.free_state()?;
    }
    let runtime = RuntimeHandle::current();
    let (remembered, shared) = tokio::task::block_in_place(|| open_stores(&settings, &runtime))?;
    let zones_out = zones_out::read(&settings)?;
    let all_settings = settings.clone();
    let http = HttpListeners::of(&settings)?;
    let (accounts, rounds) = FollowedAccounts::of(&settings)?;
    let sources = listed::sources(&settings, remembered.as_ref().map(Ec2::source), shared, rounds);
    let doh_tokens = doh_tokens::of(&settings)?;
    let identities = Identities { proxies: settings.proxy_protocol_from, doh_tokens };
    let Settings { listen, limits, .. } = settings;
    let upstreams = upstreams::upstreams(settings.forward, &listen)?;
    let policy = policy(&all_settings, &upstreams);
    let (trust, validation) = (upstreams::trust(&all_settings), upstreams::validation(&all_settings));
    let forwarder = upstreams::forwarder(trust.clone(), settings.forward_0x20, budget, &limits);
    let mut sources = Sources::new(sources, listen.clone()).with_names(settings.catalogue);
    let (trigger, requests) = LoadRequests::new();
    sources.watch(&trigger);
    let (mut publisher, first) = tokio::task::block_in_place(|| {
        sources.settle(WRITERS_PATIENCE);
        Publisher::start(sources, policy, progress)
    })?;
    warn_of(&first.problems);
    good_but_warned(upstreams::read_files(&all_settings, &publisher.snapshots().load(), &trust, &validation))?;
    // as late as can be: until then the predecessor may still open listeners
    if let Some(predecessor) = &mut predecessor {
        predecessor.give_sockets(&descriptors)?;
    }

    let query_log = QueryLog::start(&all_settings)?;
    let (counters, snapshots) = (Arc::new(Counters::default()), publisher.snapshots().clone());
    let resolver = resolver(&all_settings, &snapshots, &counters, &forwarder, validation, query_log.clone());
    let lookup = resolver.lookup().clone();
    publisher.invalidates(lookup.cache().clone());
    let mut listeners =
        Listeners::new(Arc::clone(&resolver), &limits, counters.clone(), runtime, descriptors.clone(), identities);
    good(listeners.apply(&wanted(&listen, &snapshots.load().model)))?;
    if let Some(EncryptedSettings { addresses, certificates }) = &encrypted {
        good(listeners.encrypt(addresses, certificates))?;
        tokio::spawn(Arc::clone(certificates).follow(LOOK_EVERY));
    }
    let zones_out = zones_out::start(zones_out, &snapshots, &counters, &descriptors)?;
    let certificates = encrypted.map(|encrypted| encrypted.certificates);
    let (stop_http, http_stopped) = flag::channel(false);
    let status = publisher.status().clone();
    let encrypted_shown = listeners.encrypted().iter().map(ToString::to_string).collect();
    let listeners: SharedListeners = Arc::new(Mutex::new(Some(listeners)));
    let open = open_addresses(&listeners);
    accounts.answering_at(Arc::clone(&open));
    publisher.opens(opener(&listeners, listen));
    let publisher = Arc::new(Mutex::new(publisher));
    let ec2 = remembered.map(|ec2| ec2.start(all_settings, publisher.clone(), counters.clone(), &descriptors));
    let ec2 = ec2.transpose()?;
    let ec2_api = ec2.as_ref().and_then(Ec2Api::address);
    let more = ec2.as_ref().map(Ec2Api::metrics).into_iter().chain(accounts.metrics()).collect();
    let ec2 = ec2.map(|ec2| Arc::new(Mutex::new(ec2)));
    let handle = Handle { trigger: trigger.clone(), status: status.clone() };
    let leaving = handle.clone();
    let hand_over = HandOver::new(descriptors.clone(), ec2.clone(), move || leaving.stop());
    let control = control(trigger, log, hand_over, accounts.begin(), &publisher);
    let views = Views {
        snapshots: snapshots.clone(),
        status,
        counters,
        lookup,
        live: live(resolver),
        certificate_end: certificates.clone().map(encrypted::certificate_end),
        more,
        query_log: query_log.as_ref().map(|log| Arc::clone(log.counts())),
        listen: Arc::clone(&open),
        control,
        started: began,
    };
    let (http, offers) = http.start(views, &descriptors, http_stopped)?;
    let snapshot = snapshots.load_full();
    let addresses = (open(), encrypted_shown, http, ec2_api);
    let ready = ready(&snapshot, addresses, zones_out::addresses(zones_out.as_ref()), upstreams, began);
    // only now, as those that lead back to us are seen by what comes in
    forwarder.set_upstreams(all_upstreams(&snapshot));
    close_unwanted(&descriptors);
    let (told, warned) = (reload::status(&first), first.problems);
    let follower = Follower { publisher, listeners, forwarder, certificates, manager, told, warned };
    Ok(Parts {
        ready,
        handle,
        follower,
        requests,
        stop_http,
        ec2,
        descriptors,
        times: StopTimes { lameduck: limits.lameduck, drain: limits.drain },
        predecessor,
        offers,
        accounts,
        query_log,
        zones_out,
    })
}

/// What the API remembers, and what a store has besides. To be called where a thread may wait.
fn open_stores(settings: &Settings, runtime: &RuntimeHandle) -> Result<(Option<Ec2>, Vec<SetSource>), Vec<Problem>> {
    let remembered = Ec2::open(settings, runtime)?;
    Ok((remembered, fleet::sources(settings, runtime)?))
}

/// What answers by the snapshot that is served, and by upstreams.
fn resolver(
    settings: &Settings,
    snapshots: &ServedSnapshot,
    counters: &Arc<Counters>,
    forwarder: &Forwarder,
    validation: Validation,
    log: Option<QueryLog>,
) -> Arc<Resolver> {
    let (limits, secret) = (settings.limits.clone(), CookieSecret::new(rand::random()));
    let (snapshots, counters, forwarder) = (snapshots.clone(), Arc::clone(counters), forwarder.clone());
    let resolver = Resolver::with_forwarder(snapshots, limits, secret, counters, forwarder, validation);
    Arc::new(resolver.limiting(settings.rate_limit).believing(settings.ecs_from.clone()).logging(log))
}

/// What is served, at these addresses: of plain DNS, of encrypted DNS, of HTTP and of the EC2 API; and of transfers.
fn ready(
    snapshot: &Snapshot,
    (plain, encrypted, http, ec2_api): (Vec<SocketAddr>, Vec<String>, Option<SocketAddr>, Option<SocketAddr>),
    transfer: Vec<SocketAddr>,
    upstreams: Vec<Upstream>,
    began: Instant,
) -> Ready {
    Ready {
        generation: snapshot.generation,
        endpoints: snapshot.model.endpoint_count(),
        vpcs: snapshot.model.vpcs().len(),
        plain,
        encrypted,
        http,
        ec2_api,
        transfer,
        upstreams,
        took: began.elapsed(),
    }
}

/// Asks what a client would, by what answers clients.
fn live(resolver: Arc<Resolver>) -> AskLive {
    Arc::new(move |snapshot, question| {
        let resolver = Arc::clone(&resolver);
        Box::pin(async move { resolver.ask_live(&snapshot, &question).await })
    })
}

/// What the server can be told over HTTP. To be called in the runtime.
fn control(
    trigger: LoadTrigger,
    log: Option<Log>,
    hand_over: HandOver,
    sync: BeginRounds,
    publisher: &Arc<Mutex<Publisher>>,
) -> ServerControl {
    ServerControl {
        reload: Arc::new(move || trigger.send(LoadRequest::Asked)),
        log,
        hand_over: Arc::new(move |stream| hand_over.talk(stream)),
        sync,
        drills: Arc::new(DrillBook::new(Arc::clone(publisher), RuntimeHandle::current())),
        what_if: what_if(publisher),
    }
}

/// Tries files in place of those that were read.
fn what_if(publisher: &Arc<Mutex<Publisher>>) -> TriesFiles {
    let publisher = Arc::clone(publisher);
    Arc::new(move |files| {
        // reading takes longest, and keeps nobody from publishing
        let parts = read_given(&files).map_err(|problem| vec![problem])?;
        publisher.lock().unwrap_or_else(PoisonError::into_inner).what_if(parts)
    })
}

/// What the settings say about answers.
fn policy(settings: &Settings, upstreams: &[Upstream]) -> Policy {
    Policy {
        allow: settings.allow.clone(),
        upstreams: upstreams.into(),
        dnssec_validation: settings.dnssec == Dnssec::Validate,
        aa: settings.aa,
        forward_special: settings.forward_special.iter().cloned().collect(),
        private_only: settings.private_only.iter().cloned().collect(),
        rebind_protection: settings.rebind_protection,
        rebind_allow: settings.rebind_allow.iter().cloned().collect(),
    }
}

/// Closes sockets that were passed for no address of ours, and says so.
fn close_unwanted(descriptors: &Descriptors) {
    for socket in descriptors.close_rest() {
        warn!(
            "LISTEN_FDS passes a socket that no setting asks for: {socket}; name its address with --listen or another flag"
        );
    }
}

/// Logs the warnings; an error if there are others.
fn good_but_warned(problems: Vec<Problem>) -> Result<(), Vec<Problem>> {
    warn_of(&problems);
    good(problems.into_iter().filter(Problem::is_error).collect())
}

/// An error if there are problems.
fn good(problems: Vec<Problem>) -> Result<(), Vec<Problem>> {
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
