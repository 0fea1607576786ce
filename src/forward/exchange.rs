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

use crate::dns::{Header, Message, Rcode};
use crate::forward::begun::{Begun, FirstQuery};
use crate::forward::choose::choose;
use crate::forward::engine::{FewPeers, Forwarder};
use crate::forward::failure::{Failure, ForwardError, Tried};
use crate::forward::loops::{LoopWatch, Repeated, is_marked};
use crate::forward::peer::{Attempt, Peer, SoFar, Try};
use crate::forward::query::{Outbound, is_good};
use crate::forward::recorder::{LiveEvent, Recorder, milliseconds, record};
use crate::forward::standing::SilentWait;
use crate::forward::udp::HeardReceiver;
use crate::model::Upstream;

/// Gets a reply to a question from a list of upstreams. Implemented by [`Forwarder`], which returns what they say, and
/// by [`Validating`](super::validate::Validating), which validates it.
pub trait Exchange: Send + Sync + 'static {
    /// The whole reply to the question, or why there is none. `repeated` tells that the question came in again meanwhile.
    fn exchange(
        &self,
        question: &Outbound<'_>,
        upstreams: &Arc<[Upstream]>,
        repeated: &Repeated,
    ) -> impl Future<Output = Result<Vec<u8>, ForwardError>> + Send;

    /// Begins what [`exchange`](Self::exchange) does with one datagram, which the caller sends; `None`: it takes more.
    fn begin(&self, _question: &Outbound<'_>, _upstreams: &Arc<[Upstream]>) -> Option<(Begun, FirstQuery)> {
        None
    }

    /// Goes on with what [`begin`](Self::begin) began, where the first reply, of which `heard` tells, is not all that it
    /// takes, or is late. What begins nothing asks anew.
    fn resume(
        &self,
        _begun: Begun,
        _heard: HeardReceiver,
        question: &Outbound<'_>,
        upstreams: &Arc<[Upstream]>,
        repeated: &Repeated,
    ) -> impl Future<Output = Result<Vec<u8>, ForwardError>> + Send {
        self.exchange(question, upstreams, repeated)
    }

    /// Why no upstream is asked at this moment for `name` (wire octets); `None`: ask.
    fn refusal(&self, name: &[u8], upstreams: &[Upstream]) -> Option<ForwardError>;
}

impl Exchange for Forwarder {
    /// Asks `upstreams`, the best first, those that gave no reply twice, until there is a good reply.
    ///
    /// One that does not answer in its time is not given up: the next is asked beside it, and who is first to answer
    /// is heard. NXDOMAIN and "no such record" are good replies. An error of an upstream may be its own, so the next
    /// one is asked; where none knows better, the first such reply is returned as it is. Always a whole message, with
    /// the question that was asked or, in an error, with none.
    async fn exchange(
        &self,
        question: &Outbound<'_>,
        upstreams: &Arc<[Upstream]>,
        repeated: &Repeated,
    ) -> Result<Vec<u8>, ForwardError> {
        let began = Instant::now();
        let order = self.choose(&self.peers(upstreams), question, began)?;
        self.question(&order, question, upstreams, repeated, began).ask(None).await
    }

    fn begin(&self, question: &Outbound<'_>, upstreams: &Arc<[Upstream]>) -> Option<(Begun, FirstQuery)> {
        self.begin_question(question, upstreams)
    }

    async fn resume(
        &self,
        begun: Begun,
        heard: HeardReceiver,
        question: &Outbound<'_>,
        upstreams: &Arc<[Upstream]>,
        repeated: &Repeated,
    ) -> Result<Vec<u8>, ForwardError> {
        let Begun { order, attempt, began } = begun;
        self.question(&order, question, upstreams, repeated, began).ask(Some((attempt, heard))).await
    }

    /// Each of `upstreams` is down, and it is not yet time to see whether it still is.
    fn refusal(&self, name: &[u8], upstreams: &[Upstream]) -> Option<ForwardError> {
        let (peers, now) = (self.peers(upstreams), Instant::now());
        peers.iter().all(|peer| peer.standing.rests(name, now)).then(|| nobody(&peers))
    }
}

impl Forwarder {
    /// The peers to ask, best first. Where another is due to be measured, it gets a copy of the question.
    pub(super) fn choose(
        &self,
        peers: &FewPeers,
        question: &Outbound<'_>,
        now: Instant,
    ) -> Result<FewPeers, ForwardError> {
        let tells = |peer: &Arc<Peer>| !peer.standing.is_silent(question.name, now);
        let choice = choose(peers.iter().map(|peer| (peer.standing.health(), tells(peer))), now);
        if let Some(peer) = choice.probe.and_then(|at| peers.get(at)) {
            self.measure(peer, question);
        }
        let order: FewPeers = choice.order.iter().filter_map(|at| peers.get(*at)).cloned().collect();
        if let Some(recorder) = question.recorder {
            let others = peers.iter().filter(|peer| !order.iter().any(|other| Arc::ptr_eq(other, peer)));
            order.iter().map(|peer| (peer, true)).chain(others.map(|peer| (peer, false))).for_each(|(peer, asked)| {
                recorder.record(known_of(peer, question, asked, now));
            });
        }
        if order.is_empty() { Err(nobody(peers)) } else { Ok(order) }
    }

    fn question<'a>(
        &'a self,
        order: &'a [Arc<Peer>],
        question: &'a Outbound<'a>,
        upstreams: &'a Arc<[Upstream]>,
        repeated: &'a Repeated,
        began: Instant,
    ) -> Questioning<'a> {
        let wait = order.first().and_then(|first| first.standing.wait_for_silent(question.name, began));
        let deadline = began + self.limits().forward_deadline;
        Questioning { forwarder: self, question, upstreams, repeated, order, wait, began, deadline }
    }

    /// The same as [`exchange`](Exchange::exchange) for a question that nobody else asks meanwhile.
    pub async fn ask(&self, question: &Outbound<'_>, upstreams: &[Upstream]) -> Result<Vec<u8>, ForwardError> {
        self.exchange(question, &Arc::from(upstreams), &Repeated::default()).await
    }
}

/// How often every upstream is asked: a lost datagram is not the end.
const ROUNDS: usize = 2;

/// One question to several upstreams.
struct Questioning<'a> {
    forwarder: &'a Forwarder,
    question: &'a Outbound<'a>,
    upstreams: &'a Arc<[Upstream]>,
    repeated: &'a Repeated,
    /// Those to ask, best first.
    order: &'a [Arc<Peer>],
    /// The domain is silent, and the question waits among others like it.
    wait: Option<SilentWait<'a>>,
    began: Instant,
    deadline: Instant,
}

/// An attempt that is in flight, by the upstream's place in the order.
struct RunningAttempt<'a> {
    at: usize,
    sent: Instant,
    so_far: &'a SoFar,
}

/// What came of the attempts so far.
struct Outcomes {
    /// The last failure of each upstream, and whether it was over TCP.
    failures: Vec<Option<(Failure, bool)>>,
    /// The first reply that another upstream may know better.
    second_best: Option<Vec<u8>>,
}

impl Outcomes {
    /// All that have not failed yet do.
    fn fail_all(&mut self, failure: &Failure) {
        for outcome in &mut self.failures {
            outcome.get_or_insert_with(|| (failure.clone(), false));
        }
    }
}

impl Questioning<'_> {
    /// Asks until there is a reply. `first` is the first attempt where it was begun before.
    async fn ask(&self, mut first: Option<(Attempt, HeardReceiver)>) -> Result<Vec<u8>, ForwardError> {
        let most = self.forwarder.limits().forward_timeout;
        // another server's question that looks for a loop: that it comes in twice is the proof
        let is_probe = is_marked(self.question.name);
        let mut plan: VecDeque<(usize, usize)> =
            (0..ROUNDS).flat_map(|round| (0..self.order.len()).map(move |at| (round, at))).collect();
        let so_far: Vec<SoFar> = plan.iter().map(|_| SoFar::default()).collect();
        let mut unused = so_far.iter();
        let mut outcomes = Outcomes { failures: vec![None; self.order.len()], second_best: None };
        let mut running = FuturesUnordered::new();
        // whose lateness the timer is for
        let mut newest: Option<RunningAttempt<'_>> = None;
        let mut late: Option<usize> = None;
        let mut watch: Option<LoopWatch<'_>> = None;
        let mut patience = pin!(sleep_until(self.deadline.into()));
        let mut next = true;
        loop {
            if next
                && let Some(((round, at), so_far)) = plan.pop_front().zip(unused.next())
                && let Some(peer) = self.order.get(at)
            {
                let first = first.take();
                let sent = if first.is_some() { self.began } else { Instant::now() };
                // for the last attempt all time that there is
                let wait = if plan.is_empty() { most } else { peer.patience(round, most) };
                patience.as_mut().reset((sent + wait).min(self.deadline).into());
                newest = Some(RunningAttempt { at, sent, so_far });
                if let Some(outcome) = outcomes.failures.get_mut(at) {
                    *outcome = None;
                }
                running.push(async move {
                    let this = Try { earlier: round, so_far, is_probe: false };
                    let reply = match first {
                        Some((attempt, heard)) => peer.go_on(self.question, &this, &attempt, heard).await,
                        None => peer.ask(self.question, &this).await,
                    };
                    (RunningAttempt { at, sent, so_far }, reply)
                });
            }
            next = false;
            tokio::select! {
                biased;
                Some((attempt, reply)) = running.next() => {
                    next = true;
                    newest = newest.filter(|newest| !std::ptr::eq(newest.so_far, attempt.so_far));
                    if let Some(good) = self.learn(&attempt, reply, &mut plan, &mut outcomes) {
                        return Ok(good);
                    }
                    if plan.is_empty() && running.is_empty() {
                        break;
                    }
                }
                () = &mut patience => {
                    if let Some(attempt) = newest.take() {
                        self.is_late(&attempt);
                        late = Some(attempt.at);
                    }
                    if plan.is_empty() || Instant::now() >= self.deadline {
                        break;
                    }
                    next = true;
                }
                () = self.repeated.happened(), if is_probe || late.is_some() && watch.is_none() => {
                    if is_probe {
                        outcomes.fail_all(&Failure::Loops);
                        break;
                    }
                    if let Some(peer) = late.and_then(|at| self.order.get(at)) {
                        watch = Some(self.watch(peer));
                    }
                }
                () = came_back(watch.as_ref()), if watch.is_some() => {
                    let Some(at) = late else { break };
                    if let Some(peer) = self.order.get(at) {
                        self.forwarder.loops().say(self.question.name, &peer.standing.upstream);
                    }
                    if let Some(outcome) = outcomes.failures.get_mut(at) {
                        *outcome = Some((Failure::Loops, false));
                    }
                    plan.retain(|(_, planned)| *planned != at);
                    if plan.is_empty() {
                        break;
                    }
                    next = true;
                }
                () = gives_way(self.wait.as_ref()), if self.wait.is_some() => {
                    outcomes.fail_all(&Failure::SilentDomain);
                    break;
                }
            }
        }
        drop(running);
        // those that are beyond the deadline were not asked, and those without an outcome are still silent
        let asked = so_far.len() - plan.len();
        let over_tcp = so_far.iter().map(|so_far| so_far.over_tcp.load(Ordering::Relaxed));
        let Outcomes { failures, second_best } = outcomes;
        let tried = self.order.iter().zip(failures).zip(over_tcp).take(asked).map(|((peer, outcome), over_tcp)| {
            let (failure, over_tcp) = outcome.unwrap_or((Failure::TimedOut, over_tcp));
            Tried { upstream: peer.standing.upstream.clone(), failure, over_tcp }
        });
        let error = ForwardError { tried: tried.collect() };
        second_best.ok_or(error)
    }

    /// No reply has come in the time in which one was to be expected.
    fn is_late(&self, attempt: &RunningAttempt<'_>) {
        let RunningAttempt { at, sent, so_far } = *attempt;
        let Some(peer) = self.order.get(at) else { return };
        so_far.late.store(true, Ordering::Relaxed);
        record(self.question.recorder, || LiveEvent::Late {
            upstream: peer.standing.upstream.to_string(),
            after_ms: milliseconds(sent.elapsed()),
        });
        self.forwarder.unanswered(peer, &Failure::TimedOut, self.question.name, sent);
    }

    /// Takes in what came of an attempt; returns a reply that is good.
    fn learn(
        &self,
        attempt: &RunningAttempt<'_>,
        reply: Result<Vec<u8>, Failure>,
        plan: &mut VecDeque<(usize, usize)>,
        outcomes: &mut Outcomes,
    ) -> Option<Vec<u8>> {
        let RunningAttempt { at, sent, so_far } = *attempt;
        let peer = self.order.get(at)?;
        if let Some(recorder) = self.question.recorder {
            record_outcome(recorder, peer, attempt, &reply);
        }
        match reply {
            Ok(reply) => {
                let good = is_good(&reply);
                peer.standing.brought(good);
                if good {
                    return Some(reply);
                }
                outcomes.second_best.get_or_insert(reply);
                // one that has said something would say it again
                plan.retain(|(_, planned)| *planned != at);
            }
            Err(failure) => {
                // what was late has been counted
                if !so_far.late.load(Ordering::Relaxed) {
                    self.forwarder.unanswered(peer, &failure, self.question.name, sent);
                }
                if matches!(failure, Failure::Busy | Failure::NoRoom) {
                    plan.retain(|(_, planned)| *planned != at);
                }
                if let Some(outcome) = outcomes.failures.get_mut(at) {
                    *outcome = Some((failure, so_far.over_tcp.load(Ordering::Relaxed)));
                }
            }
        }
        None
    }

    /// Sends a question below this one along the same path, to see whether it comes in again.
    fn watch(&self, peer: &Arc<Peer>) -> LoopWatch<'_> {
        let watch = self.forwarder.loops().watch(self.question.name, self.upstreams);
        let (peer, name, patience) = (Arc::clone(peer), watch.name.clone(), self.forwarder.limits().forward_timeout);
        // that it is answered, or not, says nothing about a loop
        tokio::spawn(async move { peer.ask_beside(&LoopWatch::question(&name), patience).await });
        watch
    }
}

async fn came_back(watch: Option<&LoopWatch<'_>>) {
    match watch {
        Some(watch) => watch.came_back().await,
        None => std::future::pending().await,
    }
}

async fn gives_way(wait: Option<&SilentWait<'_>>) {
    match wait {
        Some(wait) => wait.gives_way().await,
        None => std::future::pending().await,
    }
}

/// What is known of an upstream at this moment, for a recorder.
fn known_of(peer: &Peer, question: &Outbound<'_>, asked: bool, now: Instant) -> LiveEvent {
    let report = peer.standing.report();
    LiveEvent::Upstream {
        upstream: report.upstream.to_string(),
        state: report.state.to_string(),
        rtt_ms: report.rtt.map(milliseconds),
        why: report.why(peer.standing.is_silent(question.name, now)),
        asked,
    }
}

/// Tells a recorder what came of an attempt.
fn record_outcome(recorder: &Recorder, peer: &Peer, attempt: &RunningAttempt<'_>, reply: &Result<Vec<u8>, Failure>) {
    let (upstream, took_ms) = (peer.standing.upstream.to_string(), milliseconds(attempt.sent.elapsed()));
    let over_tcp = attempt.so_far.over_tcp.load(Ordering::Relaxed);
    recorder.record(match reply {
        Ok(reply) => LiveEvent::Reply {
            upstream,
            took_ms,
            over_tcp,
            rcode: Message::parse(reply).map_or(Rcode::SERVFAIL, |message| message.rcode()).to_string(),
            answers: Header::of(reply).unwrap_or_default().answers,
        },
        Err(failure) => LiveEvent::NoReply { upstream, took_ms, over_tcp, why: failure.to_string() },
    });
}

/// Why nobody can be asked at this moment.
fn nobody(peers: &[Arc<Peer>]) -> ForwardError {
    let tried = peers.iter().map(|peer| Tried {
        upstream: peer.standing.upstream.clone(),
        failure: Failure::Down,
        over_tcp: false,
    });
    ForwardError { tried: tried.collect() }
}

#[cfg(test)]
mod tests;
