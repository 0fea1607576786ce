//! What the store has told and is not served yet.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::ec2::state::{ApiState, Delta};
use crate::ec2::state_store::OthersChange;
use crate::ec2::store_mark::StoreMark;

/// Transactions in their order, or the whole of it in front of them.
pub(super) struct Inbox {
    queue: Mutex<InboxQueue>,
    /// For threads that wait for a revision.
    told: Condvar,
    /// For the task that has them served.
    arrival: Notify,
    doubted: Notify,
}

struct InboxQueue {
    waiting: VecDeque<Arrived>,
    reached: Option<ReachedRevision>,
    /// What is served; calls are worked out on top of it.
    served: Option<StoreMark>,
}

/// What is not served yet.
#[derive(Clone)]
pub(super) struct Arrived {
    pub(super) what: OthersChange,
    pub(super) mark: StoreMark,
    /// How many objects there are with it.
    pub(super) objects: usize,
}

/// How far the store has told.
#[derive(Clone)]
pub(super) struct ReachedRevision {
    /// The last transaction.
    pub(super) mark: StoreMark,
    /// The revision from which a watch goes on.
    pub(super) from: i64,
    /// What is served is not what it should be: it has to be read anew.
    pub(super) is_doubted: bool,
}

/// What a thread that waits for a revision finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The transaction that it asks about is among what arrived.
    Found,
    /// It is not.
    Missing,
    /// What arrived does not tell.
    Untold,
}

impl Inbox {
    /// With what is served already.
    pub(super) fn new(served: Option<StoreMark>) -> Self {
        let reached = served.clone().map(|mark| {
            let from = mark.revision + 1;
            ReachedRevision { mark, from, is_doubted: false }
        });
        let queue = InboxQueue { waiting: VecDeque::new(), reached, served };
        Self { queue: Mutex::new(queue), told: Condvar::new(), arrival: Notify::new(), doubted: Notify::new() }
    }

    /// Queues a transaction.
    pub(super) fn change(&self, delta: Arc<Delta>, mark: StoreMark, objects: usize) {
        let mut queue = self.queue();
        if let Some(reached) = &mut queue.reached {
            reached.mark = mark.clone();
        }
        queue.waiting.push_back(Arrived { what: OthersChange::Change(delta), mark, objects });
        drop(queue);
        self.tell();
    }

    /// Queues the whole, in place of all that waits.
    pub(super) fn whole(&self, state: Arc<ApiState>, mark: StoreMark, objects: usize, from: i64) {
        let mut queue = self.queue();
        queue.reached = Some(ReachedRevision { mark: mark.clone(), from, is_doubted: false });
        queue.waiting.clear();
        queue.waiting.push_back(Arrived { what: OthersChange::Whole(state), mark, objects });
        drop(queue);
        self.tell();
    }

    /// The watch goes on from this revision.
    pub(super) fn from(&self, from: i64) {
        if let Some(reached) = &mut self.queue().reached {
            reached.from = from;
        }
    }

    /// How far the store has told.
    pub(super) fn reached(&self) -> Option<ReachedRevision> {
        self.queue().reached.clone()
    }

    /// What is served.
    pub(super) fn served(&self) -> Option<StoreMark> {
        self.queue().served.clone()
    }

    /// What is served is to be read anew.
    pub(super) fn doubt(&self) {
        if let Some(reached) = &mut self.queue().reached {
            reached.is_doubted = true;
        }
        self.doubted.notify_one();
    }

    /// Comes to its end when what is served is to be read anew.
    pub(super) async fn doubted(&self) {
        while !self.reached().is_some_and(|reached| reached.is_doubted) {
            self.doubted.notified().await;
        }
    }

    /// Comes to its end when something arrives, or soon after.
    pub(super) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// The first that is not served.
    pub(super) fn first(&self) -> Option<Arrived> {
        let mut queue = self.queue();
        loop {
            let first = queue.waiting.front()?.clone();
            let served = queue.served.as_ref().filter(|served| served.set == first.mark.set);
            let is_old = served.is_some_and(|served| match first.what {
                OthersChange::Change(_) => served.revision >= first.mark.revision,
                OthersChange::Whole(_) => served.revision > first.mark.revision,
            });
            if !is_old {
                return Some(first);
            }
            queue.waiting.pop_front();
            if matches!(first.what, OthersChange::Whole(_)) {
                // a call of this server went on meanwhile: what was read is older than that
                drop(queue);
                self.doubt();
                queue = self.queue();
            }
        }
    }

    /// The first is served.
    pub(super) fn pop(&self) -> Option<Arrived> {
        let mut queue = self.queue();
        let first = queue.waiting.pop_front()?;
        queue.served = Some(first.mark.clone());
        Some(first)
    }

    /// A transaction of this server is served, behind what was served before.
    pub(super) fn own(&self, mark: StoreMark) {
        self.queue().served = Some(mark);
    }

    /// Waits until the store has told all up to `revision`, no longer than until `end`: whether the transaction `txn` is part of
    /// it. `None`: it has not told.
    pub(super) fn wait(&self, revision: i64, txn: &str, end: Instant) -> Option<Waited> {
        let mut queue = self.queue();
        loop {
            if queue.reached.as_ref().is_some_and(|reached| reached.mark.revision >= revision && !reached.is_doubted) {
                let whole = queue.waiting.iter().any(|arrived| matches!(arrived.what, OthersChange::Whole(_)));
                return Some(match (queue.waiting.iter().any(|arrived| arrived.mark.txn == txn), whole) {
                    (true, _) => Waited::Found,
                    (false, true) => Waited::Untold,
                    (false, false) => Waited::Missing,
                });
            }
            let left = end.checked_duration_since(Instant::now())?;
            queue = self.told.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn tell(&self) {
        self.told.notify_all();
        self.arrival.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, InboxQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
