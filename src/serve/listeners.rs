//! Which addresses are open: opens what is new, closes what is gone, leaves the rest alone.
//!
//! Owns every listening socket. An address keeps its sockets and workers for as long as it is wanted, so that a
//! reload loses no question; one that is not wanted any more answers what has come in, and then closes. Knows no DNS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::descriptors::Descriptors;
use crate::observe::Counters;
use crate::problem::{At, Problem};
use crate::resolve::Resolve;
use crate::serve::bind::{self, BindPlan, Bound};
use crate::serve::certificates::Certificates;
use crate::serve::common::{Draining, Identities, OwnAddresses, Running, ServeContext};
use crate::serve::connections::ConnectionTable;
use crate::serve::encrypted::{Address, EncryptedListener};
use crate::serve::tcp::{self, PlainTcp};
use crate::serve::udp::{UdpFront, WorkerReport};

/// How long connections go on after a successor has taken the listeners over.
const LAST_QUESTIONS: Duration = Duration::from_secs(1);

/// Every address that is listened on: UDP and TCP, and the encrypted ones.
pub struct Listeners<R> {
    context: Arc<ServeContext<R>>,
    connections: Arc<ConnectionTable>,
    open: Vec<PlainListener>,
    /// A flood of handshakes must not close plain TCP, so these have connections of their own.
    encrypted_connections: Arc<ConnectionTable>,
    encrypted: Vec<EncryptedListener>,
    draining: Vec<Draining>,
}

/// An address that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// As it was asked for, perhaps with port 0.
    pub wanted: SocketAddr,
    /// As it is.
    pub actual: SocketAddr,
}

struct PlainListener {
    open: Open,
    udp: UdpFront,
    tcp: Running,
    done: mpsc::Receiver<()>,
}

impl<R: Resolve> Listeners<R> {
    /// No address yet. Questions for upstreams, and TCP, live in `runtime`; refused connections count in `counters`;
    /// sockets are taken from `descriptors` where it has them, and offered there to a successor. `identities`: how clients
    /// are known besides their addresses.
    pub fn new(
        resolver: Arc<R>,
        limits: &Limits,
        counters: Arc<Counters>,
        runtime: Handle,
        descriptors: Descriptors,
        identities: Identities,
    ) -> Self {
        let most = limits.tcp_connections;
        let connections = || ConnectionTable::new(most, limits.tcp_connections_per_client, limits.tcp_idle);
        Self {
            context: Arc::new(ServeContext::new(resolver, limits.clone(), counters, runtime, descriptors, identities)),
            connections: connections(),
            open: Vec::new(),
            encrypted_connections: connections(),
            encrypted: Vec::new(),
            draining: Vec::new(),
        }
    }

    /// Makes `wanted` the addresses that are open. Those that are open already stay as they are.
    ///
    /// Whole or not at all: where an address cannot be opened, the problems say why, and nothing has changed. The
    /// same address twice is one. Port 0 means any free one, and is found once: an address that was wanted with port
    /// 0 before keeps its port.
    pub fn apply(&mut self, wanted: &[At<SocketAddr>]) -> Vec<Problem> {
        // those that have ended are told by their channel, which is closed then
        self.draining.retain_mut(|old| old.done.try_recv() != Err(mpsc::error::TryRecvError::Disconnected));
        let (mut new, mut problems) = self.bind_new(wanted);
        let mut started = Vec::new();
        if problems.is_empty() {
            for (at, bound) in new.drain(..) {
                match self.start(at.value, bound) {
                    Ok(listener) => started.push(listener),
                    Err(error) => problems.push(Problem::error(
                        at.place.clone(),
                        format!("cannot listen on {}: {error}", at.value),
                        "",
                    )),
                }
            }
        }
        if !problems.is_empty() {
            self.draining.extend(started.into_iter().map(PlainListener::close));
            return problems;
        }
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.open.drain(..).partition(|old| wanted.iter().any(|at| at.value == old.open.wanted));
        self.open = kept;
        self.open.append(&mut started);
        let own = OwnAddresses::new(self.open.iter().map(|listener| listener.open.actual).collect());
        self.context.own.store(Arc::new(own));
        self.draining.extend(gone.into_iter().map(PlainListener::close));
        problems
    }

    /// Opens encrypted addresses, which stay open until [`stop`](Self::stop). The problems say which could not be.
    pub fn encrypt(&mut self, wanted: &[Address], certificates: &Arc<Certificates>) -> Vec<Problem> {
        let _inside = self.context.runtime.enter();
        let mut problems = Vec::new();
        for address in wanted {
            match EncryptedListener::open(*address, certificates, &self.context, &self.encrypted_connections) {
                Ok(listener) => self.encrypted.push(listener),
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }

    /// The encrypted addresses that are open, as they are.
    pub fn encrypted(&self) -> Vec<Address> {
        self.encrypted.iter().map(|listener| listener.address).collect()
    }

    /// The addresses that are open, in the order in which they were opened.
    pub fn addresses(&self) -> Vec<Open> {
        self.open.iter().map(|listener| listener.open).collect()
    }

    /// How far the workers of all plain addresses are.
    pub fn workers(&self) -> Vec<WorkerReport> {
        self.open.iter().flat_map(|listener| listener.udp.workers()).collect()
    }

    /// Closes everything: takes no more questions, and answers those that have come in. Where a successor has the
    /// sockets, connections go on for a while before, as their clients may be about to ask.
    ///
    /// Returns when all are answered, with true, or after [`Limits::drain`], with false.
    pub async fn stop(mut self) -> bool {
        let drain = self.context.limits.drain;
        let deadline = Instant::now() + drain;
        // all are closed before the first is waited for
        if self.context.descriptors.are_handed_on() {
            self.draining.extend(self.open.drain(..).map(PlainListener::leave));
            self.draining.extend(self.encrypted.drain(..).map(EncryptedListener::leave));
            let last_questions = Instant::now() + LAST_QUESTIONS.min(drain / 2);
            for old in &mut self.draining {
                let _ = timeout_at(last_questions, old.done.recv()).await;
                old.left = None;
            }
        } else {
            self.draining.extend(self.open.drain(..).map(PlainListener::close));
            self.draining.extend(self.encrypted.drain(..).map(EncryptedListener::close));
        }
        for old in &mut self.draining {
            if timeout_at(deadline, old.done.recv()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Questions that wait for an upstream.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.context.slow.total()
    }

    /// Binds what is wanted and not open.
    fn bind_new<'w>(&self, wanted: &'w [At<SocketAddr>]) -> (Vec<(&'w At<SocketAddr>, Bound)>, Vec<Problem>) {
        let mut new: Vec<(&At<SocketAddr>, Bound)> = Vec::new();
        let mut problems = Vec::new();
        for at in wanted {
            let address = at.value;
            if self.open.iter().any(|old| old.open.wanted == address) || new.iter().any(|(at, _)| at.value == address) {
                continue;
            }
            let ours = self.open.iter().map(|listener| listener.open.actual);
            let ours = ours.chain(self.draining.iter().map(|old| old.actual));
            let share = ours.chain(new.iter().map(|(_, bound)| bound.actual)).any(|own| overlap(own, address));
            match bind::bind(address, self.plan(share), &self.context.descriptors) {
                Ok(bound) => new.push((at, bound)),
                Err(error) => problems.push(bind::problem(at.place.clone(), "--listen", address, &error)),
            }
        }
        (new, problems)
    }

    fn plan(&self, share: bool) -> BindPlan {
        let workers = match self.context.limits.udp_workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        BindPlan { workers, buffer: self.context.limits.udp_socket_buffer, share }
    }

    /// Puts workers to the sockets.
    fn start(&self, wanted: SocketAddr, bound: Bound) -> std::io::Result<PlainListener> {
        let _inside = self.context.runtime.enter();
        let (alive, done) = mpsc::channel(1);
        let udp = UdpFront::start(bound.udp, bound.udp_is_given, bound.actual, &self.context, &alive)?;
        let tcp = tcp::start(bound.tcp, bound.actual, PlainTcp, &self.context, &self.connections, &alive)?;
        Ok(PlainListener { open: Open { wanted, actual: bound.actual }, udp, tcp, done })
    }
}

impl PlainListener {
    fn close(mut self) -> Draining {
        self.udp.stop();
        self.tcp.stop();
        Draining { actual: self.open.actual, done: self.done, left: None }
    }

    /// The same where a successor has the sockets: connections go on.
    fn leave(mut self) -> Draining {
        self.udp.leave();
        self.tcp.leave();
        Draining { actual: self.open.actual, done: self.done, left: Some(self.tcp) }
    }
}

/// True when both cannot be bound without sharing: the same port, and the same address or a wildcard.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::serve::testing::{PATIENCE, Scripted, client, limits, listen, listeners, receive, until, wanted};

    fn ask_tcp(server: SocketAddr, packet: &str) -> String {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[&[0, packet.len() as u8], packet.as_bytes()].concat()).unwrap();
        let mut reply = vec![0; 2 + packet.len()];
        stream.read_exact(&mut reply).unwrap();
        String::from_utf8(reply[2..].to_vec()).unwrap()
    }

    fn ask_udp(server: SocketAddr, packet: &str) -> String {
        let client = client(server);
        client.send_to(packet.as_bytes(), server).unwrap();
        receive(&client).0
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_that_is_held_does_not_read_what_waits() {
        let scripted = Scripted::new();
        let one = Limits { udp_workers: 1, ..limits() };
        let (listeners, addresses) = listen(&scripted, &one, &["127.0.0.1:0"]);
        let client = client(addresses[0]);
        client.send_to(b"first", addresses[0]).unwrap();
        receive(&client);
        let report = || listeners.workers()[0];
        assert_eq!(
            (report().address, report().number, report().batches, report().is_waited_for),
            (addresses[0], 1, 1, false)
        );
        client.send_to(b"hold:", addresses[0]).unwrap();
        until(|| scripted.held.load(Ordering::Acquire) == 1).await;
        client.send_to(b"waits", addresses[0]).unwrap();
        until(|| report().is_waited_for).await;
        assert_eq!(report().batches, 2, "it is in its second batch");
        scripted.hold.add_permits(1);
        assert_eq!((receive(&client).0, receive(&client).0), ("hold:".to_owned(), "waits".to_owned()));
        assert_eq!((report().batches, report().is_waited_for), (3, false));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn opens_what_is_new_and_closes_what_is_gone() {
        let (mut listeners, first) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0", "[::1]:0"]);
        for &server in &first {
            assert_eq!((ask_udp(server, "a"), ask_tcp(server, "b")), ("a".to_owned(), "b".to_owned()));
        }
        // the same port 0 is the same listener
        assert_eq!(listeners.apply(&wanted(&["127.0.0.1:0", "127.0.0.2:0", "127.0.0.2:0"])), []);
        let second = listeners.addresses();
        assert_eq!(second.len(), 2);
        assert_eq!(second[0].actual, first[0]);
        assert_eq!(ask_udp(second[1].actual, "c"), "c");
        until(|| TcpStream::connect(first[1]).is_err()).await;
        let gone = client(first[1]);
        gone.connect(first[1]).unwrap();
        gone.send(b"x").unwrap();
        assert!(gone.recv(&mut [0; 8]).is_err(), "the kernel says that nobody is there");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_address_can_come_back_while_it_drains() {
        let scripted = Scripted::new();
        let (mut listeners, addresses) = listen(&scripted, &limits(), &["127.0.0.1:0"]);
        let server = addresses[0];
        let slow = client(server);
        slow.send_to(b"slow:", server).unwrap();
        assert_eq!(ask_udp(server, "x"), "x");
        assert_eq!(listeners.apply(&[]), []);
        until(|| TcpStream::connect(server).is_err()).await;
        assert_eq!(listeners.apply(&wanted(&[&server.to_string()])), []);
        // no new question strays to the sockets that drain
        for _ in 0..64 {
            assert_eq!(ask_udp(server, "y"), "y");
        }
        assert_eq!(ask_tcp(server, "z"), "z");
        scripted.gate.add_permits(1);
        assert_eq!(receive(&slow), ("slow:".to_owned(), server));
        assert!(listeners.stop().await);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_wildcard_and_a_concrete_address_share_a_port() {
        // a port that was free on one address may not be on all: connections of other tests have ports, too
        let (mut listeners, addresses) = loop {
            let (mut listeners, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0"]);
            let port = addresses[0].port();
            let others = [format!("0.0.0.0:{port}"), format!("127.0.0.3:{port}")];
            if listeners.apply(&wanted(&["127.0.0.1:0", &others[0], &others[1]])).is_empty() {
                break (listeners, addresses);
            }
        };
        let port = addresses[0].port();
        for ip in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
            let server: SocketAddr = format!("{ip}:{port}").parse().unwrap();
            assert_eq!((ask_udp(server, "a"), ask_tcp(server, "b")), ("a".to_owned(), "b".to_owned()));
        }
        // from the wildcard to one address, without a moment of silence
        assert_eq!(listeners.apply(&wanted(&["127.0.0.1:0"])), []);
        assert_eq!(ask_udp(addresses[0], "a"), "a");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_set_that_cannot_be_opened_changes_nothing() {
        let (mut listeners, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0"]);
        let other = listen(&Scripted::new(), &limits(), &["127.0.0.2:0"]);
        let problems = listeners.apply(&wanted(&["127.0.0.3:0", &other.1[0].to_string(), "192.0.2.1:5300"]));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].what.contains("in use") && problems[1].what.contains("does not have"), "{problems:?}");
        assert_eq!(listeners.addresses().len(), 1);
        assert_eq!(ask_udp(addresses[0], "a"), "a");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_successor_takes_the_sockets_and_no_question_is_lost() {
        let (mut before, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0"]);
        let server = addresses[0];
        let (asked, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let ask = || {
            while !stop.load(Ordering::Acquire) {
                assert_eq!((ask_udp(server, "a"), ask_tcp(server, "b")), ("a".to_owned(), "b".to_owned()));
                asked.fetch_add(1, Ordering::Release);
            }
        };
        let more_asked = async |count: usize| {
            let so_far = asked.load(Ordering::Acquire);
            until(|| asked.load(Ordering::Acquire) >= so_far + count).await;
        };
        let runtime = Handle::current();
        tokio::task::block_in_place(|| {
            thread::scope(|scope| {
                (0..2).for_each(|_| drop(scope.spawn(ask)));
                runtime.block_on(async {
                    for _ in 0..3 {
                        let descriptors = Descriptors::default();
                        let offered = before.context.descriptors.on_offer();
                        descriptors.add_predecessors(offered.iter().map(|fd| fd.try_clone().unwrap()).collect());
                        let mut after = listeners(&Scripted::new(), &limits(), descriptors.clone());
                        assert_eq!(after.apply(&wanted(&[&server.to_string()])), []);
                        assert_eq!(descriptors.on_offer().len(), offered.len(), "as many sockets as before");
                        // both read
                        more_asked(20).await;
                        before.context.descriptors.hand_on();
                        assert!(std::mem::replace(&mut before, after).stop().await);
                        more_asked(20).await;
                    }
                    stop.store(true, Ordering::Release);
                });
            });
        });
        assert!(before.stop().await, "what was given can be stopped, too");
        assert!(TcpStream::connect(server).is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_gives_up_after_the_drain_time() {
        let brief = Limits { drain: Duration::from_millis(1), ..limits() };
        let (listeners, addresses) = listen(&Scripted::new(), &brief, &["127.0.0.1:0"]);
        client(addresses[0]).send_to(b"slow:", addresses[0]).unwrap();
        assert_eq!(ask_tcp(addresses[0], "x"), "x");
        let scripted = Arc::clone(&listeners.context.resolver);
        // both workers have seen everything once each has answered
        for _ in 0..16 {
            assert_eq!(ask_udp(addresses[0], "y"), "y");
        }
        assert!(!listeners.stop().await);
        scripted.gate.add_permits(1);
    }
}
