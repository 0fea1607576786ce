//! The query log: every question that was answered, or one of so many, with its reply and why it was that one.
//!
//! ```text
//! a worker -> QueryLog::push, which never waits -> a bounded queue and a thread for each place -> writers
//!   format   a line of JSON in the form of Route 53 Resolver's query logs
//!   dnstap   a message of dnstap, in Frame Streams
//!   sink     a file, standard output or a Unix socket
//!   writer   the thread
//! ```
//!
//! Where the thread does not keep up, questions are dropped and counted: an answer never waits for its log.

#[cfg(feature = "server")]
mod dnstap;
#[cfg(feature = "server")]
mod format;
#[cfg(feature = "server")]
mod sink;
#[cfg(feature = "server")]
mod writer;

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::answer::Topic;
use crate::naming::{EndpointId, Region, VpcId};
use crate::snapshot::ViewClass;
use crate::wire::Transport;

/// Octets of packets that wait to be written; questions beyond are dropped.
const OCTETS: usize = 8 << 20;

/// A question that was answered.
#[derive(Clone, Debug)]
pub struct AnsweredQuestion {
    /// When the reply was ready.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The client, and the address that it asked.
    pub peer: SocketAddr,
    /// See `peer`.
    pub local: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// The VPC whose client that is, with its region.
    pub vpc: Option<(VpcId, Region)>,
    /// The account that the VPC belongs to, where that is known.
    pub account: Option<Arc<str>>,
    /// The instance that has the client's address, where that is known.
    pub instance: Option<Arc<str>>,
    /// The inbound resolver endpoint that was asked, where it has an id.
    pub resolver_endpoint: Option<Arc<str>>,
    /// What kind of view it has.
    pub class: ViewClass,
    /// What decided about the answer.
    pub decision: Topic,
    /// The endpoint that it is about.
    pub endpoint: Option<EndpointId>,
    /// The generation of the snapshot that was asked.
    pub generation: u64,
    /// The message of the client.
    pub query: Box<[u8]>,
    /// The message of ours.
    pub reply: Box<[u8]>,
}

/// The log as workers know it.
#[derive(Clone, Debug)]
pub struct QueryLog {
    /// One for each place: one that takes nothing costs the others nothing.
    places: Arc<[PlaceQueue]>,
    /// One question of so many is logged.
    one_of: u32,
    counts: Arc<QueryLogCounts>,
}

/// The queue of one place.
#[derive(Debug)]
struct PlaceQueue {
    /// `None` is the end.
    questions: SyncSender<Option<Arc<AnsweredQuestion>>>,
    /// Octets of packets in the queue.
    queued: Arc<AtomicUsize>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

/// What became of questions that were to be logged, each counted for each place.
#[derive(Debug, Default)]
pub struct QueryLogCounts {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl QueryLogCounts {
    /// Questions that were written, and those that were not, as the queue was full or the place could not be written to.
    pub fn totals(&self) -> (u64, u64) {
        (self.written.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

thread_local! {
    /// Questions of this thread until the next one that is logged.
    static UNTIL_NEXT: Cell<u32> = const { Cell::new(0) };
}

impl QueryLog {
    /// What became of questions.
    pub fn counts(&self) -> &Arc<QueryLogCounts> {
        &self.counts
    }

    /// Whether this question is one of those that are logged: chosen by chance, so that no pattern hides from it.
    pub fn is_due(&self) -> bool {
        if self.one_of == 1 {
            return true;
        }
        UNTIL_NEXT.with(|until| match until.get() {
            0 => {
                // so many on average
                until.set(rand::random_range(0..=(self.one_of - 1).saturating_mul(2)));
                true
            }
            left => {
                until.set(left - 1);
                false
            }
        })
    }

    /// Hands a question to the threads that write it; one that has no room drops it. Never waits.
    pub fn push(&self, question: AnsweredQuestion) {
        let (size, question) = (question.size(), Arc::new(question));
        for place in &*self.places {
            let before = place.queued.fetch_add(size, Ordering::Relaxed);
            if before + size > OCTETS || place.questions.try_send(Some(Arc::clone(&question))).is_err() {
                place.queued.fetch_sub(size, Ordering::Relaxed);
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Has what is in the queues written, and the places closed; waits for that, at most for `patience`.
    pub fn end(&self, patience: Duration) {
        let until = Instant::now() + patience;
        for place in &*self.places {
            while place.questions.try_send(None).is_err_and(|error| matches!(error, TrySendError::Full(_)))
                && Instant::now() < until
            {
                thread::sleep(Duration::from_millis(1));
            }
        }
        for place in &*self.places {
            let ended = place.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}

impl AnsweredQuestion {
    /// Octets of its packets.
    fn size(&self) -> usize {
        self.query.len() + self.reply.len()
    }
}
