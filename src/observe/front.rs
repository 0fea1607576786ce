//! The sockets of HTTP for machines: bounded connections, each with bounded times, in front of any router.
//!
//! A connection that comes while all places are taken gets the place of the one that has waited longest without a
//! request. So whoever opens connections and sends nothing cannot keep out who asks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::serve::Listener;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// Octets of a request's head, at most.
const HEAD: usize = 16 << 10;
/// Header fields of a request, at most.
const FIELDS: usize = 64;
/// A connection that has lived this long is closed after its request: a reader that is slow holds no place for ever.
const LIFE: Duration = Duration::from_secs(300);

/// The bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub struct FrontLimits {
    /// Connections at one time.
    pub connections: usize,
    /// Time for the head of a request, and between two requests.
    pub head: Duration,
}

/// Answers HTTP/1.1 on `listener` by `app` until `stop` is true or its sender is gone; what is being answered then has
/// the time of a head. Handlers find the client's address, where it has one, as `ConnectInfo<SocketAddr>`.
pub async fn serve_router<L>(
    mut listener: L,
    peer: fn(L::Addr) -> Option<SocketAddr>,
    app: Router,
    limits: FrontLimits,
    refused: impl Fn() + Send,
    mut stop: watch::Receiver<bool>,
) where
    L: Listener,
{
    let places = Seats::default();
    let mut connections = JoinSet::new();
    loop {
        let (io, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        if connections.len() >= limits.connections {
            refused();
            if !places.close_longest_idle() {
                // each is being answered: the new one has to go
                continue;
            }
        }
        let busy = Arc::new(AtomicUsize::new(0));
        let mut app = app.clone().layer(from_fn_with_state(Arc::clone(&busy), count_busy));
        if let Some(peer) = peer(address) {
            app = app.layer(Extension(ConnectInfo(peer)));
        }
        let task = connection(TokioIo::new(io), app, limits.head, stop.clone());
        places.add(busy, connections.spawn(task));
    }
    let _ = timeout(limits.head, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection<I>(io: TokioIo<I>, app: Router, head: Duration, mut stop: watch::Receiver<bool>)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEAD).max_headers(FIELDS);
    let mut connection = std::pin::pin!(builder.serve_connection(io, TowerToHyperService::new(app)).with_upgrades());
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
        () = tokio::time::sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(head, connection).await;
}

async fn count_busy(State(busy): State<Arc<AtomicUsize>>, request: Request, next: Next) -> Response {
    busy.fetch_add(1, Ordering::Relaxed);
    let response = next.run(request).await;
    busy.fetch_sub(1, Ordering::Relaxed);
    response
}

/// The connections of one listener, the oldest first.
#[derive(Default)]
struct Seats(Mutex<VecDeque<Connected>>);

struct Connected {
    /// Requests that are being answered.
    busy: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Seats {
    fn add(&self, busy: Arc<AtomicUsize>, task: AbortHandle) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !place.task.is_finished());
        places.push_back(Connected { busy, task });
    }

    /// Closes the oldest connection without a request that is being answered; false if there is none.
    fn close_longest_idle(&self) -> bool {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| !place.task.is_finished());
        let idle = places.iter().position(|place| place.busy.load(Ordering::Relaxed) == 0);
        let closed = idle.and_then(|at| places.remove(at));
        closed.map(|place| place.task.abort()).is_some()
    }
}
