//! A question to the first good reply of several upstreams, in time.
//!
//! Knows the order and the patience; `peer` knows how one upstream is asked.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep_until;

use crate::dns::Rcode;
use crate::forward::choose::choose;
use crate::forward::engine::Forwarder;
use crate::forward::failure::{Failure, ForwardError, Tried};
use crate::forward::health::State;
use crate::forward::peer::{Peer, SoFar, Try};
use crate::forward::query::{Outbound, is_truncated, rcode_of};
use crate::model::Upstream;

/// Gets a reply to a question from a list of upstreams. Implemented by [`Forwarder`], which returns what they say, and
/// by [`Validating`](super::validate::Validating), which validates it.
pub trait Exchange: Send + Sync + 'static {
    /// The whole reply to the question, or why there is none.
    fn exchange(
        &self,
        question: &Outbound<'_>,
        upstreams: &Arc<[Upstream]>,
    ) -> impl Future<Output = Result<Vec<u8>, ForwardError>> + Send;

    /// Why no upstream is asked at this moment, whatever the question; `None`: ask.
    fn refusal(&self, upstreams: &[Upstream]) -> Option<ForwardError>;
}

impl Exchange for Forwarder {
    async fn exchange(&self, question: &Outbound<'_>, to: &Arc<[Upstream]>) -> Result<Vec<u8>, ForwardError> {
        Forwarder::exchange(self, question, to).await
    }

    fn refusal(&self, upstreams: &[Upstream]) -> Option<ForwardError> {
        Forwarder::refusal(self, upstreams)
    }
}

/// How often every upstream is asked: a lost datagram is not the end.
const ROUNDS: usize = 2;

impl Forwarder {
    /// Asks `upstreams`, the best first, those that gave no reply twice, until there is a good reply.
    ///
    /// One that does not answer in its time is not given up: the next is asked beside it, and who is first to answer
    /// is heard. NXDOMAIN and "no such record" are good replies. An error of an upstream may be its own, so the next
    /// one is asked; where none knows better, the first such reply is returned as it is. Always a whole message, with
    /// the question that was asked or, in an error, with none.
    pub async fn exchange(&self, question: &Outbound<'_>, upstreams: &[Upstream]) -> Result<Vec<u8>, ForwardError> {
        let began = Instant::now();
        let peers = self.peers(upstreams);
        for peer in &peers {
            self.look_if_due(peer, began);
        }
        let choice = choose(peers.iter().map(|peer| peer.standing.health()), began);
        if let Some(peer) = choice.probe.and_then(|at| peers.get(at)) {
            self.measure(peer, question);
        }
        let order: Vec<&Arc<Peer>> = choice.order.iter().filter_map(|at| peers.get(*at)).collect();
        if order.is_empty() {
            return Err(nobody(&peers));
        }
        self.ask_in_turn(question, &order, began).await
    }

    /// Why none of `upstreams` is asked at this moment: each is down, or leads back to us, and it is not yet time to see
    /// whether it still does. `None`: [`exchange`](Self::exchange) has to try.
    pub fn refusal(&self, upstreams: &[Upstream]) -> Option<ForwardError> {
        let (peers, now) = (self.peers(upstreams), Instant::now());
        peers.iter().all(|peer| peer.standing.rests(now)).then(|| nobody(&peers))
    }

    async fn ask_in_turn(
        &self,
        question: &Outbound<'_>,
        order: &[&Arc<Peer>],
        began: Instant,
    ) -> Result<Vec<u8>, ForwardError> {
        let (most, deadline) = (self.limits().forward_timeout, began + self.limits().forward_deadline);
        let mut plan: VecDeque<(usize, usize)> =
            (0..ROUNDS).flat_map(|round| (0..order.len()).map(move |at| (round, at))).collect();
        let so_far: Vec<SoFar> = plan.iter().map(|_| SoFar::default()).collect();
        let mut unused = so_far.iter();
        let mut outcomes: Vec<Option<(Failure, bool)>> = vec![None; order.len()];
        let mut second_best = None;
        let mut running = FuturesUnordered::new();
        // whose lateness the timer is for
        let mut newest: Option<(usize, Instant, &SoFar)> = None;
        let mut patience = pin!(sleep_until(deadline.into()));
        let mut next = true;
        loop {
            if next
                && let Some(((round, at), so_far)) = plan.pop_front().zip(unused.next())
                && let Some(peer) = order.get(at)
            {
                let sent = Instant::now();
                let last = plan.is_empty();
                let wait = if last { most } else { peer.standing.health().patience(most) * (1 << round) }.min(most);
                patience.as_mut().reset((sent + wait).min(deadline).into());
                newest = Some((at, sent, so_far));
                if let Some(outcome) = outcomes.get_mut(at) {
                    *outcome = None;
                }
                running.push(async move {
                    let this = Try { earlier: round, so_far };
                    (at, sent, so_far, peer.ask(question, &this).await)
                });
            }
            next = false;
            tokio::select! {
                biased;
                Some((at, sent, so_far, reply)) = running.next() => {
                    let Some(peer) = order.get(at) else { continue };
                    next = true;
                    newest = newest.filter(|(_, _, newest)| !std::ptr::eq(*newest, so_far));
                    match reply {
                        Ok(reply) => {
                            let good = is_good(&reply);
                            peer.standing.health().brought(good);
                            if good {
                                return Ok(reply);
                            }
                            second_best.get_or_insert(reply);
                            // one that has said something would say it again
                            plan.retain(|(_, planned)| *planned != at);
                        }
                        Err(failure) => {
                            // what was late has been counted
                            if !so_far.late.load(Ordering::Relaxed) {
                                peer.standing.failed(&failure, sent);
                            }
                            if failure == Failure::Busy {
                                plan.retain(|(_, planned)| *planned != at);
                            }
                            if let Some(outcome) = outcomes.get_mut(at) {
                                *outcome = Some((failure, so_far.over_tcp.load(Ordering::Relaxed)));
                            }
                        }
                    }
                    if plan.is_empty() && running.is_empty() {
                        break;
                    }
                }
                () = &mut patience => {
                    if let Some((at, sent, so_far)) = newest.take() && let Some(peer) = order.get(at) {
                        so_far.late.store(true, Ordering::Relaxed);
                        peer.standing.failed(&Failure::TimedOut, sent);
                    }
                    if plan.is_empty() || Instant::now() >= deadline {
                        break;
                    }
                    next = true;
                }
            }
        }
        drop(running);
        // those that are beyond the deadline were not asked, and those without an outcome are still silent
        let asked = so_far.len() - plan.len();
        let over_tcp = so_far.iter().map(|so_far| so_far.over_tcp.load(Ordering::Relaxed));
        let tried = order.iter().zip(outcomes).zip(over_tcp).take(asked).map(|((peer, outcome), over_tcp)| {
            let (failure, over_tcp) = outcome.unwrap_or((Failure::TimedOut, over_tcp));
            Tried { upstream: peer.standing.upstream.clone(), failure, over_tcp }
        });
        let error = ForwardError { tried: tried.collect() };
        let truncated = so_far.into_iter().find_map(|so_far| so_far.truncated.into_inner());
        truncated.or(second_best).ok_or(error)
    }
}

/// Why nobody can be asked at this moment.
fn nobody(peers: &[Arc<Peer>]) -> ForwardError {
    let tried = peers.iter().map(|peer| {
        let report = peer.standing.report();
        let failure = if report.state == State::Loops { Failure::Loops } else { Failure::Down };
        Tried { upstream: report.upstream, failure, over_tcp: false }
    });
    ForwardError { tried: tried.collect() }
}

/// True when no other upstream could know better.
fn is_good(reply: &[u8]) -> bool {
    let poor = matches!(rcode_of(reply), Rcode::FORMERR | Rcode::SERVFAIL | Rcode::NOTIMP | Rcode::REFUSED);
    !poor && !is_truncated(reply)
}

#[cfg(test)]
mod tests;
