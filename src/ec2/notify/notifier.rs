//! Takes what is due out of the outbox and sends it, one lane for each target, so that a slow one holds up no other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::{Id, JoinSet, spawn_blocking};
use tracing::{debug, error, info, warn};

use super::backoff::Backoff;
use super::destination::Target;
use super::outbox::{Delivery, Outbox, OutboxError};
use super::target::Targets;
use crate::config::Metric;
use crate::http_client::{Egress, HttpClient};
use crate::observe::Exposition;
use crate::problem::{Place, Problem};

#[cfg(test)]
mod tests;

/// The bounds of a `Notifier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifyLimits {
    /// Requests to one target at one time.
    pub concurrency: usize,
    /// Time for one request, connecting included.
    pub timeout: Duration,
    /// How often the outbox is asked for what has become due without a wake-up.
    pub poll: Duration,
    /// How long an outbox that failed is left alone.
    pub pause: Duration,
    /// When a delivery that failed is tried again.
    pub backoff: Backoff,
}

impl Default for NotifyLimits {
    fn default() -> Self {
        Self {
            concurrency: 16,
            timeout: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            pause: Duration::from_secs(5),
            backoff: Backoff::default(),
        }
    }
}

/// What the notifier has done since the start.
#[derive(Debug, Default)]
pub struct NotifyCounters {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
}

/// Wakes the notifier: something is due now.
#[derive(Clone, Debug)]
pub struct Waker(Arc<watch::Sender<()>>);

impl Waker {
    /// Has the outbox asked at once; never waits.
    pub fn wake(&self) {
        self.0.send_replace(());
    }
}

/// What tells the time.
type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Sends what is due.
pub struct Notifier {
    shared: Arc<NotifierState>,
    waker: Waker,
}

struct NotifierState {
    outbox: Arc<dyn Outbox>,
    targets: Targets,
    limits: NotifyLimits,
    http: HttpClient,
    clock: Clock,
    counters: NotifyCounters,
}

impl Notifier {
    /// Of `outbox` to `targets`. A problem where TLS is needed and cannot be had.
    pub fn new(outbox: Arc<dyn Outbox>, targets: Targets, limits: NotifyLimits) -> Result<Self, Problem> {
        Self::with_clock(outbox, targets, limits, Arc::new(SystemTime::now))
    }

    fn with_clock(
        outbox: Arc<dyn Outbox>,
        targets: Targets,
        limits: NotifyLimits,
        clock: Clock,
    ) -> Result<Self, Problem> {
        let (tls, egress) = (targets.need_tls(), Egress::default());
        let http = HttpClient::new(limits.timeout, limits.concurrency, tls, &egress).map_err(|error| {
            let what = format!("notifications cannot be sent over TLS: {error}");
            Problem::error(Place::whole("TLS"), what, "install ca-certificates, or name a file with SSL_CERT_FILE")
        })?;
        let shared = NotifierState { outbox, targets, limits, http, clock, counters: NotifyCounters::default() };
        Ok(Self { shared: Arc::new(shared), waker: Waker(Arc::new(watch::Sender::new(()))) })
    }

    /// For whoever puts deliveries into the outbox.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Adds the counters and the length of the outbox to the metrics; may block on the outbox.
    pub fn metrics(&self) -> impl Fn(&mut Exposition) + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |out| {
            let NotifyCounters { delivered, failed, given_up } = &shared.counters;
            out.counter(Metric::NotificationsDelivered, delivered.load(Ordering::Relaxed));
            out.counter(Metric::NotificationsFailed, failed.load(Ordering::Relaxed));
            out.counter(Metric::NotificationsGivenUp, given_up.load(Ordering::Relaxed));
            if let Ok(queued) = shared.outbox.queued() {
                out.gauge(Metric::NotificationsQueued, queued);
            }
        }
    }

    /// Sends until `stopped` is true or its sender is gone. What is under way then is sent again after a restart.
    pub async fn run(self, stopped: watch::Receiver<bool>) {
        let mut lanes = JoinSet::new();
        for target in self.shared.targets.kinds() {
            let lane = Lane::new(Arc::clone(&self.shared), target, self.waker.0.subscribe());
            lanes.spawn(lane.run(stopped.clone()));
        }
        while lanes.join_next().await.is_some() {}
    }
}

/// The deliveries to one target.
struct Lane {
    shared: Arc<NotifierState>,
    target: Target,
    woken: watch::Receiver<()>,
    tasks: JoinSet<()>,
    /// The deliveries of the tasks: they are still due, and must not be sent twice.
    under_way: HashMap<Id, u64>,
}

impl Lane {
    fn new(shared: Arc<NotifierState>, target: Target, woken: watch::Receiver<()>) -> Self {
        Self { shared, target, woken, tasks: JoinSet::new(), under_way: HashMap::new() }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            // what is put in from here on wakes, also while the outbox is being asked
            self.woken.mark_unchanged();
            let pause = match self.start_due().await {
                Ok(()) => self.shared.limits.poll,
                Err(error) => {
                    error!("cannot read the queue of notifications: {error}");
                    self.shared.limits.pause
                }
            };
            tokio::select! {
                Some(done) = self.tasks.join_next_with_id() => {
                    let id = match done {
                        Ok((id, ())) => id,
                        Err(panicked) => panicked.id(),
                    };
                    self.under_way.remove(&id);
                }
                Ok(()) = self.woken.changed() => {}
                () = tokio::time::sleep(pause) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    }

    /// Starts what is due, as far as there is room.
    async fn start_due(&mut self) -> Result<(), OutboxError> {
        // what is under way is due as well, so that this many have as many new ones as there is room for
        let limit = self.shared.limits.concurrency;
        let room = limit.saturating_sub(self.tasks.len());
        if room == 0 {
            return Ok(());
        }
        let (target, now) = (self.target, (self.shared.clock)());
        let due = self.shared.on_outbox(move |outbox| outbox.due(target, now, limit)).await?;
        let known: HashSet<u64> = self.under_way.values().copied().collect();
        for delivery in due.into_iter().filter(|delivery| !known.contains(&delivery.id)).take(room) {
            let id = delivery.id;
            let task = self.tasks.spawn(Arc::clone(&self.shared).deliver(delivery));
            self.under_way.insert(task.id(), id);
        }
        Ok(())
    }
}

impl NotifierState {
    /// One attempt, and what follows from it.
    async fn deliver(self: Arc<Self>, delivery: Delivery) {
        let outcome = self.send(&delivery).await;
        let Delivery { id, target, attempts, created, ref subject, ref topic_arn, .. } = delivery;
        let topic = topic_arn.as_str();
        let settled = match outcome {
            Ok(()) => {
                self.counters.delivered.fetch_add(1, Ordering::Relaxed);
                if attempts > 0 {
                    info!(topic, ?target, subject, "notification delivered after {attempts} failed attempts");
                } else {
                    debug!(topic, ?target, subject, "notification delivered");
                }
                self.on_outbox(move |outbox| outbox.delivered(id)).await
            }
            Err(why) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                let (now, attempts) = ((self.clock)(), attempts.saturating_add(1));
                if let Some(at) = self.limits.backoff.next(attempts, created, now, rand::random()) {
                    // the first time; the queue's length and the counters tell of the others
                    if attempts == 1 {
                        warn!(topic, ?target, subject, "notification not delivered, will be tried again: {why}");
                    } else {
                        debug!(topic, ?target, subject, attempts, "notification not delivered: {why}");
                    }
                    self.on_outbox(move |outbox| outbox.retry(id, at, attempts, &why)).await
                } else {
                    self.counters.given_up.fetch_add(1, Ordering::Relaxed);
                    error!(topic, ?target, subject, "notification given up after {attempts} attempts: {why}");
                    self.on_outbox(move |outbox| outbox.give_up(id, &why)).await
                }
            }
        };
        if let Err(error) = settled {
            error!("cannot write the queue of notifications: {error}");
            // it is still due: this keeps it from being sent again and again
            tokio::time::sleep(self.limits.pause).await;
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<(), String> {
        let request = match (delivery.target, &self.targets.sns, &self.targets.webhook) {
            (Target::Sns, Some(sns), _) => sns.request(delivery, (self.clock)())?,
            (Target::Webhook, _, Some(webhook)) => webhook.request(delivery)?,
            // lanes are for what is configured
            (target, ..) => return Err(format!("{target:?} is not configured")),
        };
        self.http.send(request).await
    }

    /// A call that may block, where it may.
    async fn on_outbox<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Outbox) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let outbox = Arc::clone(&self.outbox);
        let outcome = spawn_blocking(move || call(&*outbox)).await;
        outcome.unwrap_or_else(|error| Err(OutboxError(error.to_string())))
    }
}
