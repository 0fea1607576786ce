//! Loads whenever a source or someone asks for it, and has listeners and upstreams follow.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info, warn};

use crate::forward::Forwarder;
use crate::model::{Model, RuleAction, Upstream, Vpc};
use crate::observe::OpenAddresses;
use crate::priority;
use crate::problem::{At, Place, Problem, count};
use crate::publish::{Opener, Published, Publisher, describe};
use crate::resolve::Resolver;
use crate::serve::certificates::Certificates;
use crate::serve::listeners::Listeners;
use crate::service_manager::ServiceManager;
use crate::snapshot::Snapshot;
use crate::source::{LoadRequest, LoadRequests};

/// Problems that are logged one by one.
const LOGGED: usize = 50;

/// The listeners: whoever publishes opens them, and the end of the server takes them.
pub(super) type SharedListeners = Arc<Mutex<Option<Listeners<Resolver>>>>;

/// Has `listeners` follow each model; `listen` are the addresses of the settings.
pub(super) fn opener(listeners: &SharedListeners, listen: Vec<SocketAddr>) -> Opener {
    let listeners = Arc::clone(listeners);
    Box::new(move |model| {
        let mut listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(listeners) = listeners.as_mut() else { return Vec::new() };
        let before = listeners.addresses();
        let wanted = wanted(&listen, model);
        let problems = listeners.apply(&wanted);
        if problems.is_empty() {
            for at in wanted.iter().filter(|at| !before.iter().any(|open| open.wanted == at.value)) {
                info!("listening on {}: {}", at.value, at.place);
            }
        }
        problems
    })
}

/// The addresses that are open now.
pub(super) fn open_addresses(listeners: &SharedListeners) -> OpenAddresses {
    let listeners = Arc::clone(listeners);
    Arc::new(move || {
        let listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let open = listeners.as_ref().map(Listeners::addresses).unwrap_or_default();
        open.into_iter().map(|open| open.actual).collect()
    })
}

/// All that follows a load.
pub(super) struct Follower {
    pub(super) publisher: Arc<Mutex<Publisher>>,
    /// Those of the server; `None` once it ends.
    pub(super) listeners: SharedListeners,
    pub(super) forwarder: Forwarder,
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Told of loads.
    pub(super) manager: ServiceManager,
    /// The last load in one line.
    pub(super) told: String,
    /// The warnings of the last load.
    pub(super) warned: Vec<Problem>,
}

impl Follower {
    /// Loads whenever there is a reason to, until told to stop. Returns the listeners, which still listen.
    pub(super) fn run(mut self, requests: &LoadRequests) -> Option<Listeners<Resolver>> {
        priority::give_way();
        loop {
            match requests.wait() {
                LoadRequest::Stop => return self.listeners.lock().unwrap_or_else(PoisonError::into_inner).take(),
                LoadRequest::Asked => self.follow(true),
                LoadRequest::Changed => self.follow(false),
            }
        }
    }

    fn follow(&mut self, asked: bool) {
        let publisher = Arc::clone(&self.publisher);
        let mut publisher = publisher.lock().unwrap_or_else(PoisonError::into_inner);
        if asked {
            self.manager.reloading();
            publisher.doubt();
        }
        let outcome = Self::reload(&mut publisher);
        if outcome.changes.others > 0 {
            self.forwarder.set_upstreams(all_upstreams(&publisher.snapshots().load()));
        }
        drop(publisher);
        // of a warning that stays, each load would write a line
        let known = if asked { &[][..] } else { &self.warned };
        log(&outcome, asked, known);
        self.warned = outcome.problems.iter().filter(|problem| !problem.is_error()).cloned().collect();
        let status = status(&outcome);
        if let Some(certificates) = self.certificates.as_ref().filter(|_| asked) {
            certificates.reload_and_log();
        }
        if asked {
            self.manager.ready(&status);
        } else if status != self.told {
            self.manager.status(&status);
        }
        self.told = status;
    }

    /// Loads what has changed, and serves it if it is good.
    fn reload(publisher: &mut Publisher) -> Published {
        let prepared = match publisher.prepare_load() {
            Ok(prepared) => prepared,
            Err(refused) => return *refused,
        };
        let problems = publisher.open(&prepared);
        if problems.is_empty() { publisher.publish_load(prepared) } else { publisher.give_up(prepared, problems) }
    }
}

/// Logs a load, without the warnings that are known.
fn log(published: &Published, asked: bool, known: &[Problem]) {
    let Published { changes, generation, took, problems } = published;
    let ms = took.as_secs_f64() * 1000.0;
    if !published.is_good() {
        let errors = problems.iter().filter(|problem| problem.is_error());
        for problem in errors.clone().take(LOGGED) {
            error!("{problem}");
        }
        error!("not loaded: {}; generation {generation} keeps serving", count(errors.count(), "error"));
        if changes.is_empty() {
            return;
        }
    }
    let new = problems.iter().filter(|problem| !problem.is_error() && !known.contains(problem));
    new.take(LOGGED).for_each(|problem| warn!("{problem}"));
    if asked || !changes.is_empty() {
        info!("{}, generation {generation}, {ms:.1} ms", describe(changes));
    }
}

/// A load in one line.
pub(super) fn status(published: &Published) -> String {
    let Published { generation, problems, .. } = published;
    match problems.iter().find(|problem| problem.is_error()) {
        None => format!("generation {generation}, {}", count(problems.len(), "warning")),
        Some(first) => format!("not loaded, generation {generation} keeps serving: {first}"),
    }
}

/// Logs the warnings among `problems`.
pub(super) fn warn_of(problems: &[Problem]) {
    for problem in problems.iter().filter(|problem| !problem.is_error()).take(LOGGED) {
        warn!("{problem}");
    }
}

/// The addresses to listen on: those of the settings, and those of VPCs.
pub(crate) fn wanted(listen: &[SocketAddr], model: &Model) -> Vec<At<SocketAddr>> {
    let own = listen.iter().map(|address| At::new(*address, Place::whole("--listen")));
    let of_vpc = |vpc: &Vpc| {
        let place = Place::whole(format!("listeners of {}", vpc.vpc_id));
        vpc.listeners.iter().map(move |address| At::new(*address, place.clone())).collect::<Vec<_>>()
    };
    let inbound = model.inbound().iter().flat_map(|endpoint| {
        let place = Place::whole(format!("inbound resolver endpoint of {}", endpoint.vpc));
        endpoint.listeners.iter().map(move |address| At::new(*address, place.clone()))
    });
    own.chain(model.vpcs().into_iter().flat_map(|vpc| of_vpc(vpc))).chain(inbound).collect()
}

/// The upstreams of the settings, and those of rules.
pub(super) fn all_upstreams(snapshot: &Snapshot) -> impl Iterator<Item = &Upstream> {
    let of_rules = snapshot.model.rules().iter().filter_map(|rule| match &rule.action {
        RuleAction::Forward(targets) => Some(targets.iter()),
        RuleAction::System | RuleAction::Delegate => None,
    });
    snapshot.policy.upstreams.iter().chain(of_rules.flatten())
}
