//! The set of known upstreams, each with its health and its connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::time::timeout;

use crate::config::Limits;
use crate::forward::connection::Trust;
use crate::forward::loops::{self, Loops};
use crate::forward::peer::{Peer, SoFar, Try};
use crate::forward::query::Outbound;
use crate::forward::standing::Report;
use crate::model::Upstream;

type Peers = HashMap<Upstream, Arc<Peer>, foldhash::fast::RandomState>;

/// Asks upstreams. Clones share all that is known about them.
#[derive(Clone)]
pub struct Forwarder(Arc<ForwarderState>);

/// How upstreams are asked, apart from the limits.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The certificate authorities that are trusted.
    pub trust: Trust,
    /// Whether letters go out in random case, where the upstream gives them back so (draft-vixie-dnsext-dns0x20).
    pub mix_case: bool,
}

struct ForwarderState {
    limits: Limits,
    options: Options,
    peers: ArcSwap<Peers>,
    /// Held while `peers` is changed.
    changing: Mutex<()>,
    loops: Arc<Loops>,
}

impl Forwarder {
    /// A forwarder with these limits and default options.
    pub fn new(limits: &Limits) -> Self {
        Self::with(limits, Options::default())
    }

    /// A forwarder with these limits and options.
    pub fn with(limits: &Limits, options: Options) -> Self {
        let (peers, changing, loops) = (ArcSwap::default(), Mutex::default(), Arc::default());
        Self(Arc::new(ForwarderState { limits: limits.clone(), options, peers, changing, loops }))
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Replaces the set of known upstreams. State of upstreams that are no longer in the set is dropped; new ones are
    /// probed for loops. Must be called inside the runtime that sends the questions.
    pub fn set_upstreams<'u>(&self, upstreams: impl Iterator<Item = &'u Upstream>) {
        let all: Vec<Upstream> = upstreams.cloned().collect();
        let new: Vec<Arc<Peer>> = {
            let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
            let old = self.0.peers.load();
            let peers: Peers = all
                .into_iter()
                .map(|upstream| {
                    let known = old.get(&upstream).cloned();
                    let peer = known.unwrap_or_else(|| Arc::new(self.peer(&upstream)));
                    (upstream, peer)
                })
                .collect();
            let new = peers.iter().filter(|(upstream, _)| !old.contains_key(*upstream));
            let new = new.map(|(_, peer)| Arc::clone(peer)).collect();
            self.0.peers.store(Arc::new(peers));
            new
        };
        for peer in new {
            self.look(&peer);
        }
    }

    /// State and counts of each upstream, sorted by its spelling.
    pub fn report(&self) -> Vec<Report> {
        let mut all: Vec<Report> = self.0.peers.load().values().map(|peer| peer.standing.report()).collect();
        all.sort_by(|a, b| a.upstream.cmp(&b.upstream));
        all
    }

    /// True when a question that came to us for `name` (wire octets) is one of those that we sent to see whether an
    /// upstream leads back to us. It does: it is taken out, and the question must not go on.
    pub fn is_own_probe(&self, name: &[u8]) -> bool {
        self.0.loops.is_own(name)
    }

    /// The peer of each of `upstreams`, added where it is new.
    pub(super) fn peers(&self, upstreams: &[Upstream]) -> Vec<Arc<Peer>> {
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
        Peer::new(upstream.clone(), &self.0.limits, &self.0.options.trust, self.0.options.mix_case)
    }

    /// Looks, beside all else, whether an upstream leads back to us.
    fn look(&self, peer: &Arc<Peer>) {
        let (peer, loops) = (Arc::clone(peer), Arc::clone(&self.0.loops));
        let patience = self.0.limits.forward_deadline;
        tokio::spawn(async move {
            let (token, name) = loops.begin(&peer.standing);
            let question = loops::question(&name);
            let this = Try { earlier: 0, so_far: &SoFar::default() };
            let asked = timeout(patience, peer.ask(&question, &this)).await;
            loops.end(token, matches!(asked, Ok(Ok(_))));
        });
    }

    /// Looks where it is time to (see `health`).
    pub(super) fn look_if_due(&self, peer: &Arc<Peer>, now: Instant) {
        if peer.standing.claim_look(now) {
            self.look(peer);
        }
    }

    /// Asks the same beside all else, for the measure of the upstream.
    pub(super) fn measure(&self, peer: &Arc<Peer>, question: &Outbound<'_>) {
        let (peer, patience) = (Arc::clone(peer), self.0.limits.forward_timeout);
        let (name, question) = (question.name.to_vec(), question.with_name(b""));
        tokio::spawn(async move {
            let sent = Instant::now();
            let question = question.with_name(&name);
            let this = Try { earlier: 0, so_far: &SoFar::default() };
            let failure = match timeout(patience, peer.ask(&question, &this)).await {
                Ok(Ok(_)) => return,
                Ok(Err(failure)) => failure,
                Err(_) => super::Failure::TimedOut,
            };
            peer.standing.failed(&failure, sent);
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
