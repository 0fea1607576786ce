//! The EC2-compatible API as a part of `vpcedns serve`.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Handle as RuntimeHandle;
use tokio::sync::watch as flag;
use tokio::task::JoinHandle;
use tracing::warn;

use super::listen_http::http_listener;
use crate::config::{Limits, Secret, Settings};
use crate::descriptors::{Descriptors, SocketOffer};
use crate::ec2::auth::rate::RateLimits;
use crate::ec2::auth::sigv4::Credentials;
use crate::ec2::auth::{AccessKeys, AccessPolicy, may_listen};
use crate::ec2::notify::{Notifier, NotifyLimits, Outbox, Sns, Targets, Webhook};
use crate::ec2::{self, ApiState, Engine, Front, SharedStore, StateSource, StateStore, Store, StoreRoute};
use crate::observe::{Counters, FrontLimits, MoreMetrics};
use crate::problem::{FileName, Place, Problem};
use crate::publish::Publisher;
use crate::secret_file;

/// How long a call under way may keep the state from a successor.
const PAUSE_PATIENCE: Duration = Duration::from_secs(10);

/// The API before it listens: what it remembers.
pub(super) struct Ec2 {
    /// `None`: what others change in a shared store is served, and no call is taken.
    address: Option<SocketAddr>,
    access: AccessPolicy,
    hosts: Vec<String>,
    targets: Targets,
    limits: Limits,
    store: OpenStore,
    state: ApiState,
}

/// Where its state is.
enum OpenStore {
    /// In a file of this server.
    Own(Arc<Store>),
    /// In a store that several servers share.
    Shared(Arc<SharedStore>),
}

impl Ec2 {
    /// Reads the access keys and the state, if the API or a shared store is wanted. To be called where a thread may wait.
    pub(super) fn open(settings: &Settings, runtime: &RuntimeHandle) -> Result<Option<Self>, Vec<Problem>> {
        let address = settings.ec2_api;
        if address.is_none() && settings.store.is_none() {
            return Ok(None);
        }
        // a server that takes no calls follows the store
        let keys = settings.ec2_keys.as_deref().filter(|_| address.is_some());
        let access = keys.map_or(Ok(AccessPolicy::Open), read_keys)?;
        address.map_or(Ok(()), |address| may_listen(&access, address)).map_err(|problem| vec![problem])?;
        let targets = targets(settings)?;
        let shared = StoreRoute::of(settings).map_err(|problem| vec![problem])?;
        let (store, state) = if let Some(shared) = &shared {
            let opened = SharedStore::open(shared, &settings.ec2_state, runtime.clone());
            let (store, state) = opened.map_err(|problem| vec![problem])?;
            (OpenStore::Shared(Arc::new(store)), state)
        } else {
            let (store, state) = Store::open(&settings.ec2_state).map_err(|problem| vec![problem])?;
            (OpenStore::Own(Arc::new(store)), state)
        };
        let hosts = settings.ec2_host.clone();
        Ok(Some(Self { address, access, hosts, targets, limits: settings.limits.clone(), store, state }))
    }

    /// It as a source of objects.
    pub(super) fn source(&self) -> StateSource {
        let health = match &self.store {
            OpenStore::Own(_) => None,
            OpenStore::Shared(store) => Some(store.health().clone()),
        };
        StateSource::new(&self.state).shared(health)
    }

    /// Takes calls from here on.
    pub(super) fn start(
        self,
        settings: Settings,
        publisher: Arc<Mutex<Publisher>>,
        counters: Arc<Counters>,
        descriptors: &Descriptors,
    ) -> Result<Ec2Api, Vec<Problem>> {
        let listen = |address| http_listener(address, descriptors).map_err(|error| cannot_listen(address, &error));
        let (listener, offer) = self.address.map(listen).transpose()?.unzip();
        let runtime = RuntimeHandle::current();
        let mut api = Ec2Api {
            settings,
            publisher,
            counters,
            listener,
            _offer: offer,
            runtime,
            metrics: Arc::default(),
            running: None,
        };
        api.begin(self)?;
        Ok(api)
    }
}

/// The API as it runs. It can be paused, so that another process may have its state, and go on.
pub(super) struct Ec2Api {
    settings: Settings,
    publisher: Arc<Mutex<Publisher>>,
    counters: Arc<Counters>,
    listener: Option<StdListener>,
    _offer: Option<SocketOffer>,
    runtime: RuntimeHandle,
    /// Those of the notifier, while it runs.
    metrics: Arc<Mutex<Option<MoreMetrics>>>,
    running: Option<RunningEc2>,
}

struct RunningEc2 {
    stop: flag::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    store: Weak<dyn StateStore>,
}

impl Ec2Api {
    /// Where it listens, if it does.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// What there is to count besides.
    pub(super) fn metrics(&self) -> MoreMetrics {
        let metrics = Arc::clone(&self.metrics);
        Arc::new(move |out| {
            let now = metrics.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(more) = now {
                more(out);
            }
        })
    }

    /// Takes no more calls; those under way come to their end.
    pub(super) fn stop(&mut self) {
        if let Some(running) = &self.running {
            let _ = running.stop.send(true);
        }
    }

    /// Takes no calls until [`Ec2Api::resume`], and gives the state free: connections wait in the socket. Blocks until
    /// it is free, and fails if that takes too long. Not to be called in the runtime.
    pub(super) fn pause(&mut self) -> Result<(), &'static str> {
        self.stop();
        let Some(RunningEc2 { tasks, store, stop }) = self.running.take() else { return Ok(()) };
        *self.metrics.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.runtime.block_on(async move {
            let _stop = stop;
            for task in tasks {
                let _ = task.await;
            }
            // a call that outlived its connection holds the store until it is done
            let deadline = Instant::now() + PAUSE_PATIENCE;
            while store.strong_count() > 0 {
                if Instant::now() > deadline {
                    return Err("a call under way keeps the state of the EC2 API");
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        })
    }

    /// Takes calls again, with the state as it is on disk.
    pub(super) fn resume(&mut self) -> Result<(), Vec<Problem>> {
        if self.running.is_some() {
            return Ok(());
        }
        let Some(remembered) = Ec2::open(&self.settings, &self.runtime)? else { return Ok(()) };
        let runtime = self.runtime.clone();
        let _inside = runtime.enter();
        self.begin(remembered)
    }

    /// Takes calls, and follows a shared store; must be called inside the runtime.
    fn begin(&mut self, ec2: Ec2) -> Result<(), Vec<Problem>> {
        let (publisher, counters) = (Arc::clone(&self.publisher), Arc::clone(&self.counters));
        let Ec2 { address, access, hosts, targets, limits, store, state } = ec2;
        let (stop, stopped) = flag::channel(false);
        let (durable, outbox, shared): (Arc<dyn StateStore>, Arc<dyn Outbox>, _) = match store {
            OpenStore::Own(store) => (store.clone(), store, None),
            OpenStore::Shared(store) => (store.clone(), Arc::new(store.outbox()), Some(store)),
        };
        // a listener is one machine's, and a shared store many machines'
        let is_alone = shared.is_none();
        let api = ec2::ApiSettings {
            listen: if is_alone { self.settings.ec2_listen.clone() } else { Vec::new() },
            // without access keys the API is for this machine alone, and only Linux has all of 127.0.0.0/8 there
            makes_listeners: is_alone && matches!(access, AccessPolicy::Open) && cfg!(target_os = "linux"),
            ..ec2::ApiSettings::from(&limits)
        };
        let weak = Arc::downgrade(&durable);
        let mut engine = Engine::over(durable, state, publisher, api);
        let mut tasks = Vec::new();
        let kinds = targets.kinds();
        if !kinds.is_empty() {
            let notifier = Notifier::new(outbox, targets, NotifyLimits::default()).map_err(|problem| vec![problem])?;
            engine = engine.telling(kinds, Some(notifier.waker()));
            *self.metrics.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(notifier.metrics()));
            tasks.push(tokio::spawn(notifier.run(stopped.clone())));
        }
        let engine = Arc::new(engine);
        if let Some(shared) = shared {
            tasks.push(tokio::spawn(shared.follow(Arc::clone(&engine), stopped.clone())));
        }
        if let (Some(address), Some(listener)) = (address, &self.listener) {
            let failed = |error: std::io::Error| cannot_listen(address, &error);
            let listener = listener.try_clone().and_then(TcpListener::from_std).map_err(failed)?;
            let per_second = limits.ec2_calls_per_second;
            let rate = RateLimits { per_second, burst: per_second.saturating_mul(2), ..RateLimits::default() };
            let connections = FrontLimits { connections: limits.ec2_connections, head: limits.http_head };
            let front = Front { engine, access, hosts, rate, connections, counters };
            tasks.push(tokio::spawn(ec2::serve(listener, front, stopped)));
        }
        self.running = Some(RunningEc2 { stop, tasks, store: weak });
        Ok(())
    }
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Vec<Problem> {
    let hint = "see who has it with `ss -ltnp`, or choose another with --ec2-api";
    vec![Problem::error(Place::whole("--ec2-api"), format!("cannot listen on {address}: {error}"), hint)]
}

/// Where connection notifications go.
fn targets(settings: &Settings) -> Result<Targets, Vec<Problem>> {
    let wrong = |flag: &str, what: String, hint: &str| vec![Problem::error(Place::whole(flag), what, hint)];
    let sns = settings.sns_endpoint.as_deref().map(|endpoint| {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(access_key_id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        else {
            let hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; an SNS on this machine may take any";
            return Err(wrong("--sns-endpoint", "nothing to sign requests to SNS with".to_owned(), hint));
        };
        let session_token = variable("AWS_SESSION_TOKEN").map(Secret::new);
        let credentials = Credentials { access_key_id, secret_access_key: Secret::new(secret), session_token };
        Sns::new(endpoint, credentials).map_err(|what| wrong("--sns-endpoint", what, ""))
    });
    let webhook = settings.ec2_webhook.as_deref();
    let webhook = webhook.map(|url| Webhook::new(url).map_err(|what| wrong("--ec2-webhook", what, "")));
    Ok(Targets { sns: sns.transpose()?, webhook: webhook.transpose()? })
}

/// The access keys in a file. Whoever can read it can sign: others than its owner should not.
fn read_keys(path: &Path) -> Result<AccessPolicy, Vec<Problem>> {
    let label = FileName::from(path.display().to_string());
    let (text, is_open_to_others) = secret_file::read(path, "--ec2-keys")?;
    let (keys, problems) = crate::source::read_access_keys(&label, &text);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    for problem in &problems {
        warn!("{problem}");
    }
    if is_open_to_others {
        warn!("{label} can be read by other users of this machine: chmod 600 {label}");
    }
    Ok(AccessPolicy::Keys(AccessKeys::new(keys)))
}
