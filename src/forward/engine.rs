//! The set of known upstreams, each with its health and its connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use smallvec::SmallVec;
use tokio::time::sleep;

use crate::budget::Budget;
use crate::config::Limits;
use crate::forward::choose::FEW;
use crate::forward::connection::Trust;
use crate::forward::failure::Failure;
use crate::forward::health::Probing;
use crate::forward::loops::Loops;
use crate::forward::peer::Peer;
use crate::forward::query::Outbound;
use crate::forward::standing::Report;
use crate::model::Upstream;

/// The peers of a question.
pub(super) type FewPeers = SmallVec<[Arc<Peer>; FEW]>;

type Peers = HashMap<Upstream, Arc<Peer>, foldhash::fast::RandomState>;

/// Asks upstreams. Clones share all that is known about them.
#[derive(Clone)]
pub struct Forwarder(Arc<ForwarderState>);

/// How upstreams are asked, apart from the limits.
#[derive(Clone, Default)]
pub struct Options {
    /// The certificate authorities that are trusted.
    pub trust: Trust,
    /// Whether letters go out in random case, where the upstream gives them back so (draft-vixie-dnsext-dns0x20).
    pub mix_case: bool,
    /// What replies may take that nobody has come for yet.
    pub budget: Budget,
}

struct ForwarderState {
    limits: Limits,
    options: Options,
    peers: ArcSwap<Peers>,
    /// Held while `peers` is changed.
    changing: Mutex<()>,
    loops: Loops,
}

impl Forwarder {
    /// A forwarder with these limits and default options.
    pub fn new(limits: &Limits) -> Self {
        Self::with(limits, Options::default())
    }

    /// A forwarder with these limits and options.
    pub fn with(limits: &Limits, options: Options) -> Self {
        let (peers, changing, loops) = (ArcSwap::default(), Mutex::default(), Loops::default());
        Self(Arc::new(ForwarderState { limits: limits.clone(), options, peers, changing, loops }))
    }

    /// What replies may take that are on their way.
    pub fn budget(&self) -> &Budget {
        &self.0.options.budget
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Replaces the set of known upstreams. State of upstreams that are no longer in the set is dropped.
    pub fn set_upstreams<'u>(&self, upstreams: impl Iterator<Item = &'u Upstream>) {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.0.peers.load();
        let peers: Peers = upstreams
            .map(|upstream| {
                let known = old.get(upstream).cloned();
                (upstream.clone(), known.unwrap_or_else(|| Arc::new(self.peer(upstream))))
            })
            .collect();
        self.0.peers.store(Arc::new(peers));
    }

    /// State and counts of each upstream, sorted by its spelling.
    pub fn report(&self) -> Vec<Report> {
        let mut all: Vec<Report> = self.0.peers.load().values().map(|peer| peer.standing.report()).collect();
        all.sort_by(|a, b| a.upstream.cmp(&b.upstream));
        all
    }

    /// Whether this upstream leaves a domain of `name` (wire octets, lower case) unanswered.
    pub fn is_silent(&self, upstream: &Upstream, name: &[u8]) -> bool {
        self.0.peers.load().get(upstream).is_some_and(|peer| peer.standing.is_silent(name, Instant::now()))
    }

    /// True when a question that came in for `name` (wire octets), and would go out to `upstreams`, is one that we sent
    /// to see whether a question leads back to us. It does, and the question must not go on.
    pub fn is_own_probe(&self, name: &[u8], upstreams: &[Upstream]) -> bool {
        self.0.loops.is_own(name, upstreams)
    }

    pub(super) fn loops(&self) -> &Loops {
        &self.0.loops
    }

    /// The peer of each of `upstreams`, added where it is new.
    pub(super) fn peers(&self, upstreams: &[Upstream]) -> FewPeers {
        let peers = self.0.peers.load();
        upstreams.iter().map(|upstream| peers.get(upstream).cloned().unwrap_or_else(|| self.add(upstream))).collect()
    }

    fn add(&self, upstream: &Upstream) -> Arc<Peer> {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let peers = self.0.peers.load();
        if let Some(peer) = peers.get(upstream) {
            return Arc::clone(peer);
        }
        let peer = Arc::new(self.peer(upstream));
        let mut more = Peers::clone(&peers);
        more.insert(upstream.clone(), Arc::clone(&peer));
        self.0.peers.store(Arc::new(more));
        peer
    }

    fn peer(&self, upstream: &Upstream) -> Peer {
        let Options { trust, mix_case, budget } = &self.0.options;
        Peer::new(upstream.clone(), &self.0.limits, (trust, budget), *mix_case)
    }

    /// Nothing came to a question for `name` that was sent at `sent`.
    pub(super) fn unanswered(&self, peer: &Arc<Peer>, failure: &Failure, name: &[u8], sent: Instant) {
        if peer.standing.failed(failure, name, sent) {
            self.start_prober(peer);
        }
    }

    /// Sends probes until the upstream answers: one task for an upstream in doubt or down, whatever clients ask.
    fn start_prober(&self, peer: &Arc<Peer>) {
        let (peer, patience) = (Arc::downgrade(peer), self.0.limits.forward_timeout);
        tokio::spawn(async move {
            // ends with the upstream
            while let Some(peer) = peer.upgrade() {
                match peer.standing.probing(Instant::now()) {
                    Probing::Done => return,
                    Probing::Down => {}
                    Probing::Send(pause) => {
                        let probe = peer.standing.next_probe();
                        tokio::spawn(async move { peer.ask_beside(&probe.question(), patience).await });
                        sleep(pause).await;
                    }
                }
            }
        });
    }

    /// Asks the same beside all else, for the measure of the upstream.
    pub(super) fn measure(&self, peer: &Arc<Peer>, question: &Outbound<'_>) {
        let (peer, patience, forwarder) = (Arc::clone(peer), self.0.limits.forward_timeout, self.clone());
        let (name, question) = (question.name.to_vec(), question.with_name(b""));
        tokio::spawn(async move {
            let sent = Instant::now();
            let question = question.with_name(&name);
            if let Err(failure) = peer.ask_beside(&question, patience).await
                && peer.standing.failed(&failure, &name, sent)
            {
                forwarder.start_prober(&peer);
            }
        });
    }
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.peers.load().keys().map(ToString::to_string)).finish()
    }
}

#[cfg(test)]
mod tests;
