//! Sockets to upstreams: a few at a time, each for a while, many questions on each.
//!
//! The kernel draws each port at random from those that the operator leaves free (`ip_local_port_range`,
//! `ip_local_reserved_ports`); which socket takes a question, and its id, are drawn here (RFC 5452 9.2). A socket is
//! replaced after so many questions or so much time, so that nobody finds out its port by trying.
//!
//! Tasks share the sockets of a [`Pool`], each of which a task reads. A worker of the UDP front has sockets of its own,
//! in an [`UpstreamPoller`](poller::UpstreamPoller), and needs no task for a question.

pub(super) mod poller;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use crate::forward::failure::Failure;
use crate::forward::query::UpstreamQuery;
use crate::forward::standing::Standing;
use table::Table;
pub use table::{Heard, HeardReceiver, HeardSender};

/// Room for a datagram; more than the 1,232 octets that were asked for, as some upstreams know no bounds.
const DATAGRAM: usize = 4096;
/// Questions that one socket takes.
const USES: u32 = 512;
/// How long one socket takes questions.
const LIFE: Duration = Duration::from_secs(10);
/// How often a socket that takes no more is looked at, whether its last questions are done.
const DRAIN: Duration = Duration::from_millis(100);
/// Datagrams that are read before other tasks have their turn.
const TURN: usize = 64;
/// Sockets that are tried when one closes in the same moment.
const TRIES: usize = 3;

/// See the module.
pub(super) struct Pool(Arc<PoolState>);

struct PoolState {
    /// Sockets that take questions; as many again may wait for their last replies.
    most: usize,
    standing: Arc<Standing>,
    sockets: Mutex<Vec<Arc<UpstreamSocket>>>,
    open: AtomicUsize,
}

struct UpstreamSocket {
    io: UdpSocket,
    upstream: SocketAddr,
    table: Mutex<Table<HeardSender>>,
    born: Instant,
    uses: AtomicU32,
    /// Another has taken its place.
    replaced: Notify,
}

impl Pool {
    /// Of at most `most` sockets to the upstream of `standing`, which is told of replies.
    pub(super) fn new(most: usize, standing: Arc<Standing>) -> Self {
        let (sockets, open) = (Mutex::default(), AtomicUsize::new(0));
        Self(Arc::new(PoolState { most: most.max(1), standing, sockets, open }))
    }

    /// Sends the query and waits for what comes, as long as the caller does.
    pub(super) async fn ask(&self, mut query: UpstreamQuery) -> Result<Heard, Failure> {
        for _ in 0..TRIES {
            let socket = self.socket().await?;
            let (waiter, heard) = oneshot::channel();
            let Ok((id, _)) = lock(&socket.table).add(query.clone(), waiter, Instant::now()) else { continue };
            query.set_id(id);
            socket.uses.fetch_add(1, Ordering::Relaxed);
            // An error may be that of a datagram before: the upstream was away. What is sent now may arrive.
            if socket.io.send(query.octets()).await.is_err() {
                socket.io.send(query.octets()).await?;
            }
            // the table is never dropped with a question in it, but for the end of the runtime
            return heard.await.unwrap_or(Err(Failure::Closed));
        }
        Err(Failure::Busy)
    }

    /// One of the sockets at random, a new one while there are few, or in place of one that is worn.
    async fn socket(&self) -> Result<Arc<UpstreamSocket>, Failure> {
        {
            let sockets = lock(&self.0.sockets);
            if sockets.len() >= self.0.most {
                let at = rand::random::<u32>() as usize % sockets.len();
                if let Some(socket) = sockets.get(at) {
                    // one that is worn is used on where too many wait for their last replies
                    if !socket.is_worn(Instant::now()) || self.0.open.load(Ordering::Relaxed) >= 2 * self.0.most {
                        return Ok(Arc::clone(socket));
                    }
                }
            }
        }
        let socket = Arc::new(UpstreamSocket::open(&self.0.standing).await?);
        self.0.open.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut sockets = lock(&self.0.sockets);
        match sockets.iter().position(|socket| socket.is_worn(now)) {
            Some(worn) => {
                if let Some(place) = sockets.get_mut(worn) {
                    std::mem::replace(place, Arc::clone(&socket)).replaced.notify_one();
                }
            }
            None if sockets.len() < self.0.most => sockets.push(Arc::clone(&socket)),
            // others were faster; this one serves one question
            None => {}
        }
        drop(sockets);
        tokio::spawn(read(Arc::clone(&socket), Arc::downgrade(&self.0), Arc::clone(&self.0.standing)));
        Ok(socket)
    }
}

impl UpstreamSocket {
    async fn open(standing: &Standing) -> Result<Self, Failure> {
        let upstream = standing.upstream.address;
        let io = bind(standing)?;
        io.set_nonblocking(true)?;
        let io = UdpSocket::from_std(io)?;
        // a connected socket takes from this peer only, and learns when nobody listens there
        io.connect(upstream).await?;
        let (table, replaced) = (Mutex::default(), Notify::new());
        Ok(Self { io, upstream, table, born: Instant::now(), uses: AtomicU32::new(0), replaced })
    }

    fn is_worn(&self, now: Instant) -> bool {
        is_worn(self.uses.load(Ordering::Relaxed), self.born, now) || lock(&self.table).is_under_attack()
    }
}

/// Whether a socket has taken so many questions, or is so old, that another is to take its place.
fn is_worn(uses: u32, born: Instant, now: Instant) -> bool {
    uses >= USES || now.saturating_duration_since(born) >= LIFE
}

/// A socket with a port of its own, at an address from which this upstream is asked.
fn bind(standing: &Standing) -> std::io::Result<std::net::UdpSocket> {
    standing.open(|source| std::net::UdpSocket::bind(any_port(source, standing.upstream.address)))
}

/// Any port of an address from which an upstream is asked.
pub(super) fn any_port(source: Option<IpAddr>, upstream: SocketAddr) -> SocketAddr {
    match (source, upstream) {
        (Some(source), _) => (source, 0).into(),
        (None, SocketAddr::V4(_)) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        (None, SocketAddr::V6(_)) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Tells a task what came, if it still waits.
fn tell(waiter: HeardSender, heard: Result<Heard, Failure>) {
    // nobody is told who gave up
    let _ = waiter.send(heard);
}

/// Reads a socket until it is worn and nobody waits for it.
async fn read(socket: Arc<UpstreamSocket>, pool: Weak<PoolState>, standing: Arc<Standing>) {
    let mut buffer = vec![0; DATAGRAM];
    let mut look = pin!(sleep(LIFE));
    loop {
        tokio::select! {
            ready = socket.io.ready(Interest::READABLE | Interest::ERROR) => match ready {
                // "nobody listens there" is no datagram, and does not make the socket readable
                Ok(ready) if ready.is_error() => {
                    let error = socket.io.try_io(Interest::ERROR, || {
                        socket.io.take_error()?.map_or_else(|| Err(std::io::ErrorKind::WouldBlock.into()), Ok)
                    });
                    if let Ok(error) = error {
                        lock(&socket.table).fail(&error.into(), tell);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a socket for questions cannot be waited for");
                    lock(&socket.table).fail(&error.into(), tell);
                    break;
                }
            },
            () = socket.replaced.notified() => look.set(sleep(Duration::ZERO)),
            () = &mut look => {
                if lock(&socket.table).close_if_idle() {
                    break;
                }
                look.set(sleep(DRAIN));
            }
        }
        drain(&socket, &mut buffer, &standing);
    }
    if let Some(pool) = pool.upgrade() {
        lock(&pool.sockets).retain(|other| !Arc::ptr_eq(other, &socket));
        pool.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Gives what has come to those who wait for it.
fn drain(socket: &UpstreamSocket, buffer: &mut [u8], standing: &Standing) {
    for _ in 0..TURN {
        let (len, from) = match socket.io.try_recv_from(buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(error) => return lock(&socket.table).fail(&error.into(), tell),
        };
        // what came in between `bind` and `connect` may be from anybody
        if from.port() != socket.upstream.port() || from.ip() != socket.upstream.ip() {
            continue;
        }
        let datagram = buffer.get(..len).unwrap_or_default();
        let now = Instant::now();
        // a reply that fills the buffer may have been longer
        let taken = lock(&socket.table).take(datagram, len < DATAGRAM, now, tell);
        if let Some(rtt) = taken {
            standing.replied(datagram, rtt, now);
        } else {
            tracing::debug!(upstream = %socket.upstream, "a datagram that is no reply to what was asked");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
