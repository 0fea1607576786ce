//! A question whose first datagram is sent, and its reply read, by a worker of the UDP front itself.
//!
//! That is all that most questions need. Whatever else it takes (another attempt, another upstream, TCP) is a task's to
//! do, which goes on where the worker stopped.

use std::sync::Arc;
use std::time::Instant;

use crate::forward::engine::{FewPeers, Forwarder};
use crate::forward::failure::Failure;
use crate::forward::loops::is_marked;
use crate::forward::peer::{Attempt, UdpOutcome};
use crate::forward::query::{Outbound, UpstreamQuery, is_good, is_truncated};
use crate::forward::standing::Standing;
use crate::forward::udp::{Heard, HeardReceiver, HeardSender};
use crate::model::Upstream;

/// A question of which the first attempt is under way.
pub struct Begun {
    /// The upstreams to ask, best first.
    pub(super) order: FewPeers,
    /// At the first of them.
    pub(super) attempt: Attempt,
    pub(super) began: Instant,
}

/// What a worker sends, to whom, and when it waits no longer for the reply.
pub struct FirstQuery {
    pub(super) query: UpstreamQuery,
    pub(super) standing: Arc<Standing>,
    pub(super) late_at: Instant,
}

/// What is known once something is heard: all that is wanted, or what a task goes on with.
pub enum AfterFirst<D, B> {
    /// All that is wanted.
    Done(D),
    /// It takes more; the task is told what was heard.
    GoOn(B, HeardReceiver),
}

/// Where a task waits that is told later.
pub(super) fn told_later() -> (HeardSender, HeardReceiver) {
    tokio::sync::oneshot::channel()
}

fn told(heard: Result<Heard, Failure>) -> HeardReceiver {
    let (sender, receiver) = told_later();
    // the receiver is there
    let _ = sender.send(heard);
    receiver
}

impl Forwarder {
    /// Begins what [`exchange`](super::Exchange::exchange) does, where all that may come of it is plain: upstreams without
    /// encryption against which nothing speaks, and no probe for loops. `None`: it is left to a task.
    pub(super) fn begin_question(
        &self,
        question: &Outbound<'_>,
        upstreams: &[Upstream],
    ) -> Option<(Begun, FirstQuery)> {
        let began = Instant::now();
        if upstreams.iter().any(Upstream::is_encrypted) || is_marked(question.name) {
            return None;
        }
        let peers = self.peers(upstreams);
        if !peers.iter().all(|peer| peer.standing.is_sound(question.name, began)) {
            return None;
        }
        let order = self.choose(&peers, question, began).ok()?;
        let first = order.first()?;
        let (attempt, query) = first.begin(question).ok()?;
        let late_at = began + first.patience(0, self.limits().forward_timeout);
        let first = FirstQuery { query, standing: Arc::clone(&first.standing), late_at };
        Some((Begun { order, attempt, began }, first))
    }
}

impl Begun {
    /// Takes in what was heard of the first attempt.
    pub(super) fn hear(self, question: &Outbound<'_>, heard: Result<Heard, Failure>) -> AfterFirst<Vec<u8>, Self> {
        let Some(peer) = self.order.first() else { return AfterFirst::GoOn(self, told(heard)) };
        let heard = match heard {
            Ok(Heard::Reply(reply)) if is_good(&reply) && !is_truncated(&reply) => {
                match peer.take(Heard::Reply(reply), question, &self.attempt.dress) {
                    Ok(UdpOutcome::Reply(reply)) => {
                        peer.standing.brought(true);
                        return AfterFirst::Done(reply);
                    }
                    Ok(UdpOutcome::UseTcp) => Ok(Heard::UseTcp),
                    Err(failure) => Err(failure),
                }
            }
            other => other,
        };
        AfterFirst::GoOn(self, told(heard))
    }
}
