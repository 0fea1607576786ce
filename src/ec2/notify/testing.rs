//! What tests of the notifier need: an outbox in memory, a clock that is turned by hand, a server that does as it is
//! told.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::destination::Target;
use super::outbox::{Delivery, Outbox, OutboxError};

/// A test that takes this long hangs.
pub(super) const HANGS: Duration = Duration::from_secs(30);

/// An outbox that ends with its test. It outlives the notifiers that are started on it, as a disk does.
pub(super) struct MemoryOutbox {
    entries: watch::Sender<BTreeMap<u64, Entry>>,
    /// How many of the next changes fail.
    failures: Mutex<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) delivery: Delivery,
    pub(super) due: SystemTime,
    /// Why it failed last.
    pub(super) error: String,
}

impl MemoryOutbox {
    pub(super) fn new(deliveries: impl IntoIterator<Item = Delivery>) -> Arc<Self> {
        let entry = |delivery: Delivery| {
            let due = delivery.created;
            (delivery.id, Entry { delivery, due, error: String::new() })
        };
        let entries = watch::Sender::new(deliveries.into_iter().map(entry).collect());
        Arc::new(Self { entries, failures: Mutex::new(0) })
    }

    pub(super) fn fail_next(&self, changes: u32) {
        *self.failures.lock().unwrap() = changes;
    }

    pub(super) fn entry(&self, id: u64) -> Entry {
        self.entries.borrow()[&id].clone()
    }

    /// Waits until the entries are as `condition` wants them.
    pub(super) async fn until(&self, condition: impl Fn(&BTreeMap<u64, Entry>) -> bool) {
        let mut entries = self.entries.subscribe();
        let reached = tokio::time::timeout(HANGS, entries.wait_for(|entries| condition(entries))).await;
        assert!(reached.is_ok(), "{:#?}", self.entries.borrow());
    }

    pub(super) async fn until_empty(&self) {
        self.until(BTreeMap::is_empty).await;
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Entry>)) -> Result<(), OutboxError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(OutboxError("disk full".into()));
        }
        self.entries.send_modify(change);
        Ok(())
    }
}

impl Outbox for MemoryOutbox {
    fn due(&self, target: Target, now: SystemTime, limit: usize) -> Result<Vec<Delivery>, OutboxError> {
        let entries = self.entries.borrow();
        let mut due: Vec<&Entry> =
            entries.values().filter(|entry| entry.delivery.target == target && entry.due <= now).collect();
        due.sort_by_key(|entry| entry.due);
        Ok(due.into_iter().take(limit).map(|entry| entry.delivery.clone()).collect())
    }

    fn delivered(&self, id: u64) -> Result<(), OutboxError> {
        self.change(|entries| drop(entries.remove(&id)))
    }

    fn retry(&self, id: u64, at: SystemTime, attempts: u32, error: &str) -> Result<(), OutboxError> {
        self.change(|entries| {
            if let Some(entry) = entries.get_mut(&id) {
                entry.due = at;
                entry.delivery.attempts = attempts;
                entry.error = error.to_owned();
            }
        })
    }

    fn give_up(&self, id: u64, _: &str) -> Result<(), OutboxError> {
        self.delivered(id)
    }

    fn queued(&self) -> Result<u64, OutboxError> {
        Ok(self.entries.borrow().len() as u64)
    }
}

/// A time that stands still until it is told.
#[derive(Clone)]
pub(super) struct HandClock(Arc<Mutex<SystemTime>>);

impl HandClock {
    pub(super) fn at(now: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    pub(super) fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }

    pub(super) fn set(&self, now: SystemTime) {
        *self.0.lock().unwrap() = now;
    }
}

/// A request that the server got.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

type Reply = Pin<Box<dyn Future<Output = (StatusCode, String)> + Send>>;

/// Starts a server on a port of this machine; `reply` makes each answer, and every request comes out of the channel
/// before it is answered.
pub(super) async fn serve(
    reply: impl Fn(Got) -> Reply + Clone + Send + Sync + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let app = Router::new().fallback(move |request: Request| {
        let (sender, reply) = (sender.clone(), reply.clone());
        async move {
            let (head, body) = request.into_parts();
            let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let got = Got {
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers: head.headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            // a test that has seen enough listens no longer
            let _ = sender.send(got.clone());
            reply(got).await
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, receiver)
}

/// An answer at once.
pub(super) fn reply(status: u16, body: &str) -> Reply {
    let reply = (StatusCode::from_u16(status).unwrap(), body.to_owned());
    Box::pin(async move { reply })
}

/// An answer that never comes.
pub(super) fn never() -> Reply {
    Box::pin(std::future::pending())
}

/// The next request.
pub(super) async fn next(requests: &mut mpsc::UnboundedReceiver<Got>) -> Got {
    tokio::time::timeout(HANGS, requests.recv()).await.expect("a request").expect("a server")
}
