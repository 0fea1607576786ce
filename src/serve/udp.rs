//! The UDP front: for each worker one thread, one socket, one batch at a time.
//!
//! A worker receives what has come, answers it where it lies and sends the replies, without an allocation, a lock or
//! a shared cache line that is written. Only questions for an upstream leave it, as tasks of the slow lane. Knows no
//! DNS: [`Resolve`] says what to answer.
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
use crate::resolve::{Incoming, Outcome, Resolve};
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
        while catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            tracing::error!(listen = %self.bound, "an answer panicked; its batch of questions is lost");
        }
    }

    fn work(&self) {
        let reply_len = self.shared.limits.udp_payload.max(1232);
        let mut datagrams = Datagrams::new(reply_len, self.bound.ip().is_unspecified());
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
            match datagrams.receive(&*self.socket, !stopping) {
                Ok(_) => {
                    self.batches.store(self.batches.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
                    self.answer(&mut datagrams);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if stopping => return,
                Err(error) => {
                    tracing::warn!(listen = %self.bound, %error, "cannot receive datagrams");
                    thread::sleep(RECEIVE_PAUSE);
                }
            }
        }
    }

    fn answer(&self, datagrams: &mut Datagrams) {
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
                Outcome::Pending => self.slow(incoming, peer, datagram.destination, out),
            }
        });
        let lost = datagrams.send(&*self.socket);
        if lost > 0 {
            tracing::debug!(listen = %self.bound, lost, "replies could not be sent");
        }
    }

    /// Gives the question to a task, which answers to `sender`, or says at once that there are too many.
    fn slow(
        &self,
        incoming: Incoming<'_>,
        sender: SocketAddr,
        destination: Option<Destination>,
        out: &mut [u8],
    ) -> Option<usize> {
        let Some(ticket) = self.shared.slow.admit(incoming.peer.ip()) else {
            let reply = self.shared.resolver.overloaded(incoming)?;
            out.get_mut(..reply.len())?.copy_from_slice(&reply);
            return Some(reply.len());
        };
        let Incoming { packet, peer, local, transport, vpc } = incoming;
        let packet = packet.to_vec();
        let (shared, socket, alive) = (Arc::clone(&self.shared), Arc::clone(&self.socket), self.alive.clone());
        self.shared.runtime.spawn(async move {
            let incoming = Incoming { packet: &packet, peer, local, transport, vpc };
            if let Some(reply) = shared.resolver.resolve(incoming).await
                && let Err(error) = mmsg::send_one(&*socket, &reply, sender, destination)
            {
                tracing::debug!(%peer, %error, "a reply could not be sent");
            }
            drop((ticket, alive));
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::config::Limits;
    use crate::serve::testing::{Scripted, client, limits, listen, receive, until};

    const ALL: [&str; 4] = ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"];

    #[tokio::test(flavor = "multi_thread")]
    async fn answers_in_place_and_keeps_silent() {
        let (_listeners, addresses) = listen(&Scripted::new(), &limits(), &ALL);
        for bound in addresses {
            let server = SocketAddr::new(reachable(bound.ip()), bound.port());
            let client = client(server);
            for packet in ["silent", "", "first", "silent", "second"] {
                client.send_to(packet.as_bytes(), server).unwrap();
            }
            // an empty datagram is a datagram, and not the end of anything
            for want in ["", "first", "second"] {
                assert_eq!(receive(&client), (want.to_owned(), server));
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_clients_at_once_get_their_own_replies() {
        let (_listeners, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0"]);
        let clients: Vec<UdpSocket> = (0..20).map(|_| client(addresses[0])).collect();
        for round in 0..20 {
            for (number, client) in clients.iter().enumerate() {
                client.send_to(format!("{number} {round}").as_bytes(), addresses[0]).unwrap();
            }
        }
        for (number, client) in clients.iter().enumerate() {
            for round in 0..20 {
                assert_eq!(receive(client).0, format!("{number} {round}"));
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_wildcard_answers_from_the_address_that_was_asked() {
        let scripted = Scripted::new();
        scripted.gate.add_permits(10);
        let (_listeners, addresses) = listen(&scripted, &limits(), &["0.0.0.0:0"]);
        let client = UdpSocket::bind("0.0.0.0:0").unwrap();
        client.set_read_timeout(Some(crate::serve::testing::PATIENCE)).unwrap();
        for ip in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
            let server = SocketAddr::new(ip.parse().unwrap(), addresses[0].port());
            client.send_to(b"local:", server).unwrap();
            assert_eq!(receive(&client), (server.to_string(), server));
            client.send_to(b"slow:", server).unwrap();
            assert_eq!(receive(&client), ("slow:".to_owned(), server));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_too_long_or_comes_from_ourselves_is_dropped() {
        let (_listeners, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0", "127.0.0.2:0"]);
        let server = addresses[0];
        // shares the address with the second listener, as a spoofed packet would
        let ourselves = Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        ourselves.set_reuse_port(true).unwrap();
        ourselves.bind(&addresses[1].into()).unwrap();
        ourselves.send_to(b"hold:from ourselves", &server.into()).unwrap();
        let client = client(server);
        client.send_to(&[b'x'; 3000], server).unwrap();
        client.send_to(b"after", server).unwrap();
        assert_eq!(receive(&client).0, "after");
        // had the first been answered, its worker would be held, and with it half of these
        let more: Vec<UdpSocket> = (0..32).map(|_| crate::serve::testing::client(server)).collect();
        for client in &more {
            client.send_to(b"more", server).unwrap();
            assert_eq!(receive(client).0, "more");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_slow_lane_is_bounded_and_does_not_hold_up_others() {
        let scripted = Scripted::new();
        let (_listeners, addresses) = listen(&scripted, &Limits { forward_in_flight: 2, ..limits() }, &["127.0.0.1:0"]);
        let client = client(addresses[0]);
        for packet in ["slow:1", "slow:2", "slow:3", "fast"] {
            client.send_to(packet.as_bytes(), addresses[0]).unwrap();
        }
        assert_eq!(receive(&client).0, "overloaded");
        assert_eq!(receive(&client).0, "fast");
        scripted.gate.add_permits(2);
        let mut slow = [receive(&client).0, receive(&client).0];
        slow.sort();
        assert_eq!(slow, ["slow:1", "slow:2"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_client_does_not_take_the_whole_slow_lane() {
        let scripted = Scripted::new();
        let one = Limits { forward_in_flight_per_client: 1, ..limits() };
        let (_listeners, addresses) = listen(&scripted, &one, &["127.0.0.1:0"]);
        let clients = ["127.0.0.1:0", "127.0.0.2:0"].map(|from| {
            let socket = UdpSocket::bind(from).unwrap();
            socket.set_read_timeout(Some(crate::serve::testing::PATIENCE)).unwrap();
            socket.connect(addresses[0]).unwrap();
            socket
        });
        for (client, question) in [(0, "slow:1"), (0, "slow:2"), (1, "slow:3")] {
            clients[client].send(question.as_bytes()).unwrap();
        }
        assert_eq!(receive(&clients[0]).0, "overloaded");
        scripted.gate.add_permits(2);
        assert_eq!((receive(&clients[0]).0, receive(&clients[1]).0), ("slow:1".to_owned(), "slow:3".to_owned()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_answers_all_that_has_come_in() {
        for address in ALL {
            let scripted = Scripted::new();
            let one = Limits { udp_workers: 1, ..limits() };
            let (listeners, addresses) = listen(&scripted, &one, &[address]);
            let server = SocketAddr::new(reachable(addresses[0].ip()), addresses[0].port());
            let client = client(server);
            client.send_to(b"hold:", server).unwrap();
            until(|| scripted.held.load(Ordering::Acquire) == 1).await;
            // these wait in the socket, more than one batch of them
            for number in 0..150 {
                client.send_to(format!("{number}").as_bytes(), server).unwrap();
            }
            client.send_to(b"slow:", server).unwrap();
            let stopped = tokio::spawn(listeners.stop());
            scripted.hold.add_permits(1);
            assert_eq!(receive(&client).0, "hold:");
            for number in 0..150 {
                assert_eq!(receive(&client).0, format!("{number}"));
            }
            assert!(!stopped.is_finished(), "a question waits for its upstream");
            scripted.gate.add_permits(1);
            assert_eq!(receive(&client), ("slow:".to_owned(), server));
            assert!(stopped.await.unwrap());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn idle_workers_wake_for_a_stop() {
        let (listeners, _) = listen(&Scripted::new(), &limits(), &ALL);
        assert!(listeners.stop().await);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_costs_a_batch_and_no_worker() {
        let one = Limits { udp_workers: 1, ..limits() };
        let (_listeners, addresses) = listen(&Scripted::new(), &one, &["127.0.0.1:0"]);
        let client = client(addresses[0]);
        client.send_to(b"panic", addresses[0]).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        // the question may be lost with the batch, so it is asked until it is answered
        let answered = (0..400).any(|_| {
            client.send_to(b"again", addresses[0]).unwrap();
            client.recv(&mut [0; 16]).is_ok()
        });
        assert!(answered);
    }
}
