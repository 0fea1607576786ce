//! The UDP front: for each worker one thread, one socket, one batch at a time.
//!
//! A worker receives what has come, answers it where it lies and sends the replies, without an allocation, a lock or
//! a shared cache line that is written. A question for an upstream it asks itself, on sockets that it polls beside its
//! own; only what takes more than one datagram leaves it, as a task of the slow lane. Knows no DNS: [`Resolve`] says what
//! to answer.
//!
//! Stopping loses nothing: the sockets are cut off from new datagrams, and the workers, woken once, answer what
//! their sockets already hold. Sockets that another process has, too, must not be cut off: there the workers are
//! interrupted, and what the sockets hold is read by whoever comes first. A worker without questions costs nothing, as
//! it waits in the kernel.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::address::reachable;
use crate::descriptors::SocketOffer;
use crate::forward::{QuestionEvent, UpstreamPoller};
use crate::resolve::{Incoming, Outcome, Resolve};
use crate::serve::admission::Ticket;
use crate::serve::common::ServeContext;
use crate::serve::mmsg::{self, Datagrams, Destination};
use crate::serve::proxy;
use crate::serve::refusals::RefusedBecause;
use crate::wire::Transport;

/// A worker that could not receive waits this long before it tries again.
const RECEIVE_PAUSE: Duration = Duration::from_millis(100);
/// How often a worker is interrupted that has yet to end: it may have been about to wait.
const INTERRUPT_EVERY: Duration = Duration::from_millis(5);

/// The workers of one address.
pub(super) struct UdpFront {
    bound: SocketAddr,
    stopping: Arc<AtomicBool>,
    sockets: Vec<Arc<Socket>>,
    workers: Vec<JoinHandle<()>>,
    /// Batches that each worker has read.
    batches: Vec<Arc<AtomicU64>>,
    /// Whether another process may have the sockets, too.
    is_shared: bool,
    offers: Vec<SocketOffer>,
    runtime: Handle,
}

impl UdpFront {
    /// Starts a worker for each of the sockets, all bound to `bound`; `is_shared`: another process may have them, too.
    ///
    /// `alive` is held by every worker, and by every question of theirs that waits for an upstream.
    pub(super) fn start<R: Resolve>(
        sockets: Vec<Socket>,
        is_shared: bool,
        bound: SocketAddr,
        shared: &Arc<ServeContext<R>>,
        alive: &mpsc::Sender<()>,
    ) -> io::Result<Self> {
        let mut front = Self {
            bound,
            stopping: Arc::new(AtomicBool::new(false)),
            sockets: Vec::new(),
            workers: Vec::new(),
            batches: Vec::new(),
            is_shared,
            offers: Vec::new(),
            runtime: shared.runtime.clone(),
        };
        for socket in sockets {
            let socket = Arc::new(socket);
            front.offers.push(shared.descriptors.offer(&*socket)?);
            let batches = Arc::<AtomicU64>::default();
            let worker = Worker {
                socket: Arc::clone(&socket),
                batches: Arc::clone(&batches),
                bound,
                stopping: Arc::clone(&front.stopping),
                shared: Arc::clone(shared),
                alive: alive.clone(),
            };
            front.sockets.push(socket);
            front.batches.push(batches);
            let name = format!("udp-{}", front.sockets.len());
            // if this fails, dropping the front stops those before
            front.workers.push(thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
        Ok(front)
    }

    /// How far each worker is.
    pub(super) fn workers(&self) -> impl Iterator<Item = WorkerReport> {
        (1..).zip(self.sockets.iter().zip(&self.batches)).map(|(number, (socket, batches))| WorkerReport {
            address: self.bound,
            number,
            batches: batches.load(Ordering::Relaxed),
            is_waited_for: rustix::io::ioctl_fionread(socket).is_ok_and(|octets| octets > 0),
        })
    }

    /// Ends the workers where a successor reads the sockets; what they have received is answered.
    pub(super) fn leave(&mut self) {
        self.is_shared = true;
        self.stop();
    }

    /// Lets no new datagram in; the workers answer those that the sockets hold, and end.
    pub(super) fn stop(&mut self) {
        if self.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        self.offers.clear();
        if self.is_shared {
            let workers = std::mem::take(&mut self.workers);
            self.runtime.spawn(interrupt(workers));
            return;
        }
        for socket in &self.sockets {
            // A socket that is connected gets datagrams from its peer only, is passed over among those that share its
            // port, and still sends to anybody. Its own address is the one peer from which nothing is ever answered.
            let peer = SocketAddr::new(reachable(self.bound.ip()), self.bound.port());
            if let Err(error) = socket.connect(&SockAddr::from(peer)) {
                tracing::debug!(%peer, %error, "a closing socket stays open to new datagrams while it drains");
            }
            // Wakes the worker. ENOTCONN says that there is no peer to tell, not that the worker still sleeps.
            let _ = socket.shutdown(std::net::Shutdown::Read);
        }
    }
}

impl Drop for UdpFront {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Interrupts workers until each has ended.
async fn interrupt(mut workers: Vec<JoinHandle<()>>) {
    loop {
        workers.retain(|worker| !worker.is_finished());
        if workers.is_empty() {
            return;
        }
        workers.iter().for_each(mmsg::interrupt);
        tokio::time::sleep(INTERRUPT_EVERY).await;
    }
}

/// How far a worker is, for whoever watches over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerReport {
    /// The address that it answers on.
    pub address: SocketAddr,
    /// Which of the workers of that address.
    pub number: usize,
    /// Batches that it has read.
    pub batches: u64,
    /// Whether a datagram waits for it.
    pub is_waited_for: bool,
}

/// One thread with its socket.
struct Worker<R> {
    socket: Arc<Socket>,
    /// Batches that were read; nobody else writes it.
    batches: Arc<AtomicU64>,
    bound: SocketAddr,
    stopping: Arc<AtomicBool>,
    shared: Arc<ServeContext<R>>,
    alive: mpsc::Sender<()>,
}

impl<R: Resolve> Worker<R> {
    /// Answers until it is stopped. A panic costs the batch that caused it, not the address.
    fn run(self) {
        // what begins as a task here runs where all tasks do
        let _runtime = self.shared.runtime.enter();
        let mut upstreams = UpstreamPoller::new(&*self.socket, self.shared.limits.forward_sockets)
            .inspect_err(
                |error| tracing::warn!(%error, "questions for upstreams cost a task each, as nothing can be polled"),
            )
            .ok();
        while catch_unwind(AssertUnwindSafe(|| self.work(&mut upstreams))).is_err() {
            tracing::error!(listen = %self.bound, "an answer panicked; its batch of questions is lost");
        }
    }

    fn work(&self, upstreams: &mut Option<Poller<R>>) {
        let reply_len = self.shared.limits.udp_payload.max(1232);
        let mut datagrams = Datagrams::new(reply_len, self.bound.ip().is_unspecified());
        let mut reply = vec![0; usize::from(reply_len)];
        let mut stop_at = None;
        loop {
            let stopping = self.stopping.load(Ordering::Acquire);
            if stopping {
                // only where the socket could not be cut off is this more than the socket's buffer
                let now = Instant::now();
                if now >= *stop_at.get_or_insert(now + self.shared.limits.drain) {
                    return;
                }
            }
            let polled = upstreams.as_mut().filter(|upstreams| !upstreams.is_idle());
            let is_polled = polled.is_some();
            if let Some(upstreams) = polled {
                match upstreams.wait(|told| self.tell(told, &mut reply)) {
                    Ok(true) => {}
                    Ok(false) if stopping && !upstreams.is_awaited() => return,
                    Ok(false) => continue,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        tracing::warn!(listen = %self.bound, %error, "cannot wait for replies of upstreams");
                        thread::sleep(RECEIVE_PAUSE);
                    }
                }
            }
            match datagrams.receive(&*self.socket, !stopping && !is_polled) {
                Ok(_) => {
                    self.batches.store(self.batches.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
                    self.answer(&mut datagrams, upstreams);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_polled && !stopping && error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) if stopping => match upstreams.as_mut().filter(|upstreams| upstreams.is_awaited()) {
                    Some(upstreams) => upstreams.leave_own(&*self.socket),
                    None => return,
                },
                Err(error) => {
                    tracing::warn!(listen = %self.bound, %error, "cannot receive datagrams");
                    thread::sleep(RECEIVE_PAUSE);
                }
            }
        }
    }

    fn answer(&self, datagrams: &mut Datagrams, upstreams: &mut Option<Poller<R>>) {
        let resolver = &*self.shared.resolver;
        let batch = resolver.batch();
        let own = self.shared.own.load();
        let proxies = &self.shared.proxies;
        let is_proxied = !proxies.is_empty();
        datagrams.packets().for_each(|packet| resolver.prefetch(&batch, packet));
        datagrams.answer_each(|datagram, out| {
            let ip = datagram.destination.map_or(self.bound.ip(), |destination| destination.address);
            let local = SocketAddr::new(ip, self.bound.port());
            let peer = datagram.peer;
            // Port 0 cannot be answered. What claims to come from ourselves would be answered to ourselves, and if
            // the other side answered that, round and round.
            if peer.port() == 0 || own.holds(peer, local) {
                return None;
            }
            let (packet, client) = if is_proxied && proxies.contain(peer.ip()) {
                let Ok((client, packet)) = proxy::split_proxied(datagram.packet) else {
                    self.shared.refusals.count(Transport::Udp, RefusedBecause::Proxy, peer.ip());
                    return None;
                };
                (packet, client.or(peer))
            } else {
                (datagram.packet, peer)
            };
            let incoming = Incoming { packet, peer: client, local, transport: Transport::Udp, vpc: None };
            match resolver.try_resolve(&batch, incoming, out) {
                Outcome::Silent => None,
                Outcome::Reply(len) => Some(len),
                Outcome::Pending => {
                    let client = ClientPath { client: incoming.peer, sender: peer, destination: datagram.destination };
                    self.ask(&batch, incoming, client, upstreams.as_mut(), out)
                }
            }
        });
        let lost = datagrams.send(&*self.socket);
        if lost > 0 {
            tracing::debug!(listen = %self.bound, lost, "replies could not be sent");
        }
    }

    /// Asks an upstream, or gives the question to a task; says at once where there are too many.
    fn ask(
        &self,
        batch: &R::Batch<'_>,
        incoming: Incoming<'_>,
        client: ClientPath,
        upstreams: Option<&mut Poller<R>>,
        out: &mut [u8],
    ) -> Option<usize> {
        let resolver = &self.shared.resolver;
        let Some(ticket) = self.shared.slow.admit(incoming.peer.ip()) else {
            let reply = resolver.overloaded(incoming)?;
            out.get_mut(..reply.len())?.copy_from_slice(&reply);
            return Some(reply.len());
        };
        let begun = upstreams.and_then(|upstreams| Some((resolver.begin(batch, incoming)?, upstreams)));
        if let Some(((begun, first), upstreams)) = begun {
            let asked = Box::new(AskedDatagram { begun, ticket, client });
            let Err((asked, failure)) = upstreams.ask(first, asked) else { return None };
            self.tell(QuestionEvent::Heard(asked, Err(failure)), out);
            return None;
        }
        let Incoming { packet, peer, local, transport, vpc } = incoming;
        let (packet, shared) = (packet.to_vec(), Arc::clone(&self.shared));
        self.spawn(ticket, client, async move {
            let incoming = Incoming { packet: &packet, peer, local, transport, vpc };
            shared.resolver.resolve(incoming).await
        });
        None
    }

    /// Answers a question of which something is heard, or has a task go on with it. `out` is room for the reply.
    fn tell(&self, told: QuestionEvent<Box<AskedDatagram<R>>>, out: &mut [u8]) {
        let (unfinished, ticket, client) = match told {
            QuestionEvent::Heard(asked, heard) => {
                let AskedDatagram { begun, ticket, client } = *asked;
                match self.shared.resolver.hear(begun, heard, out) {
                    Ok(len) => {
                        if let Some(reply) = len.and_then(|len| out.get(..len)) {
                            client.send(&self.socket, reply);
                        }
                        return;
                    }
                    Err(unfinished) => (unfinished, ticket, client),
                }
            }
            QuestionEvent::Late(asked, heard) => {
                let AskedDatagram { begun, ticket, client } = *asked;
                ((begun, heard).into(), ticket, client)
            }
        };
        let shared = Arc::clone(&self.shared);
        self.spawn(ticket, client, async move { shared.resolver.resume(unfinished).await });
    }

    /// Answers the client with what comes of a task.
    fn spawn(&self, ticket: Ticket, client: ClientPath, reply: impl Future<Output = Option<Vec<u8>>> + Send + 'static) {
        let (socket, alive) = (Arc::clone(&self.socket), self.alive.clone());
        self.shared.runtime.spawn(async move {
            if let Some(reply) = reply.await {
                client.send(&socket, &reply);
            }
            drop((ticket, alive));
        });
    }
}

/// What a worker keeps of a question that it has asked.
struct AskedDatagram<R: Resolve> {
    begun: R::Begun,
    ticket: Ticket,
    client: ClientPath,
}

type Poller<R> = UpstreamPoller<Box<AskedDatagram<R>>>;

/// The way back to a client.
#[derive(Clone, Copy)]
struct ClientPath {
    client: SocketAddr,
    /// The client, or its proxy.
    sender: SocketAddr,
    destination: Option<Destination>,
}

impl ClientPath {
    fn send(&self, socket: &Socket, reply: &[u8]) {
        if let Err(error) = mmsg::send_one(socket, reply, self.sender, self.destination) {
            tracing::debug!(peer = %self.client, %error, "a reply could not be sent");
        }
    }
}

#[cfg(test)]
mod tests;
