//! The sockets to upstreams of one thread, which reads them beside a socket of its own.
//!
//! The thread asks and goes on; what comes of its questions it is given while it [waits](UpstreamPoller::wait). A
//! question whose reply is late is handed to a task, which is told what still comes. Nothing here is shared, so nothing
//! is locked. Sockets are open only while there are questions, and a while after: without any, the thread need not poll.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::table::{Heard, HeardReceiver, HeardSender, Table, Waiter};
use super::{DATAGRAM, DRAIN, LIFE, TURN, bind, is_worn};
use crate::forward::begun::{FirstQuery, told_later};
use crate::forward::failure::Failure;
use crate::forward::standing::Standing;

/// The number of the thread's own socket among those that are polled; all others have that of their slot.
const OWN: u64 = u64::MAX;
/// Sockets of which one wait tells.
const EVENTS: usize = 64;
/// Datagrams that the kernel keeps for a new socket, at most: each takes 768 octets of 208 KiB (`net.core.rmem_default`).
const BUFFERED: usize = 1024;

/// What comes of a question that was asked through [`UpstreamPoller::ask`].
pub enum QuestionEvent<A> {
    /// A reply, or why there will be none.
    Heard(A, Result<Heard, Failure>),
    /// Nothing yet, and it is late: a task is to go on, and told by the sender what still comes.
    Late(A, HeardReceiver),
}

/// See the module. `A` is what the thread keeps of a question meanwhile.
pub struct UpstreamPoller<A> {
    epoll: OwnedFd,
    polls_own: bool,
    slots: Vec<Option<PolledSocket<A>>>,
    /// Slots of the sockets that take questions, by where the upstream's standing lies.
    taking: HashMap<usize, Vec<usize>, foldhash::fast::RandomState>,
    open: usize,
    most: usize,
    /// When questions are late, the earliest on top; those that are answered by then stay until then.
    late: BinaryHeap<Reverse<Lateness>>,
    serial: u64,
    swept: Instant,
    buffer: Box<[u8]>,
    events: Vec<epoll::Event>,
}

struct PolledSocket<A> {
    io: UdpSocket,
    standing: Arc<Standing>,
    table: Table<AskedBy<A>>,
    born: Instant,
    uses: u32,
    /// Another has taken its place.
    replaced: bool,
}

/// Who waits for a reply.
enum AskedBy<A> {
    /// This thread, for the question with this number.
    Thread(u64, A),
    /// A task, as the reply is late.
    Task(HeardSender),
}

impl<A> Waiter for AskedBy<A> {
    fn gave_up(&self) -> bool {
        matches!(self, Self::Task(task) if task.is_closed())
    }
}

/// When a question is late, and where it waits.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Lateness {
    at: Instant,
    serial: u64,
    slot: usize,
    id: u16,
}

impl<A> UpstreamPoller<A> {
    /// A poller that waits for `own`, too; with at most `most` sockets to an upstream that take questions.
    pub fn new(own: impl AsFd, most: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, own, epoll::EventData::new_u64(OWN), epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            polls_own: true,
            slots: Vec::new(),
            taking: HashMap::default(),
            open: 0,
            most: most.max(1),
            late: BinaryHeap::new(),
            serial: 0,
            swept: Instant::now(),
            buffer: vec![0; DATAGRAM].into(),
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// True when there is no socket to an upstream: whoever has another one need not poll.
    pub fn is_idle(&self) -> bool {
        self.open == 0
    }

    /// True when somebody waits for a reply.
    pub fn is_awaited(&self) -> bool {
        self.slots.iter().flatten().any(|socket| socket.table.is_awaited())
    }

    /// Waits no more for the thread's own socket.
    pub fn leave_own(&mut self, own: impl AsFd) {
        if std::mem::take(&mut self.polls_own) {
            // it was added in `new`
            let _ = epoll::delete(&self.epoll, own);
        }
    }

    /// Sends a question. An error says why it was not sent, with what was given.
    pub fn ask(&mut self, first: FirstQuery, asked: A) -> Result<(), (A, Failure)> {
        let FirstQuery { query, standing, late_at } = first;
        let now = Instant::now();
        self.serial += 1;
        let serial = self.serial;
        let (slot, socket) = match self.socket(&standing, now) {
            Ok(found) => found,
            Err(error) => return Err((asked, error.into())),
        };
        match socket.table.add(query, AskedBy::Thread(serial, asked), now) {
            Ok((id, octets)) => {
                socket.uses += 1;
                // An error may be that of a datagram before: the upstream was away. What is sent now may arrive; if not,
                // the question is late.
                if socket.io.send(octets).is_err() {
                    let _ = socket.io.send(octets);
                }
                self.late.push(Reverse(Lateness { at: late_at, serial, slot, id }));
                Ok(())
            }
            Err(AskedBy::Thread(_, asked)) => Err((asked, Failure::Busy)),
            Err(AskedBy::Task(_)) => Ok(()),
        }
    }

    /// Waits until a reply has come, a question is late, or something has come to the thread's own socket; returns
    /// whether the latter is so. `tell` is told of each question once.
    pub fn wait(&mut self, mut tell: impl FnMut(QuestionEvent<A>)) -> io::Result<bool> {
        let now = Instant::now();
        let next = self.late.peek().map_or(LIFE, |Reverse(late)| late.at.saturating_duration_since(now));
        // rounded up, as waking too early is waking twice
        let wait = next.min(DRAIN) + Duration::from_micros(999);
        let timeout = Timespec { tv_sec: 0, tv_nsec: (wait.as_millis() * 1_000_000) as _ };
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout))?;
        let mut own = false;
        for at in 0..self.events.len() {
            let Some(event) = self.events.get(at) else { break };
            let (slot, flags) = (event.data.u64(), event.flags);
            if slot == OWN {
                own = true;
            } else {
                self.read(slot as usize, flags.contains(epoll::EventFlags::ERR), &mut tell);
            }
        }
        let now = Instant::now();
        self.hand_over_late(now, &mut tell);
        if now.saturating_duration_since(self.swept) >= DRAIN {
            self.swept = now;
            self.sweep(now);
        }
        Ok(own)
    }

    /// Reads what has come to a socket.
    fn read(&mut self, slot: usize, has_error: bool, tell: &mut impl FnMut(QuestionEvent<A>)) {
        let Some(Some(socket)) = self.slots.get_mut(slot) else { return };
        let mut say = |asked_by, heard| match asked_by {
            AskedBy::Thread(_, asked) => tell(QuestionEvent::Heard(asked, heard)),
            // nobody is told who gave up
            AskedBy::Task(task) => drop(task.send(heard)),
        };
        // "nobody listens there" is no datagram
        if has_error && let Ok(Some(error)) = socket.io.take_error() {
            socket.table.fail(&error.into(), &mut say);
        }
        for _ in 0..TURN {
            let len = match socket.io.recv(&mut self.buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    socket.table.fail(&error.into(), &mut say);
                    break;
                }
            };
            let datagram = self.buffer.get(..len).unwrap_or_default();
            let now = Instant::now();
            // a reply that fills the buffer may have been longer
            let taken = socket.table.take(datagram, len < DATAGRAM, now, &mut say);
            if let Some(rtt) = taken {
                socket.standing.replied(datagram, rtt, now);
            } else {
                let upstream = &socket.standing.upstream;
                tracing::debug!(%upstream, "a datagram that is no reply to what was asked");
            }
        }
        if socket.replaced && socket.table.close_if_idle() {
            self.close(slot);
        }
    }

    fn hand_over_late(&mut self, now: Instant, tell: &mut impl FnMut(QuestionEvent<A>)) {
        while self.late.peek().is_some_and(|Reverse(late)| late.at <= now) {
            let Some(Reverse(Lateness { serial, slot, id, .. })) = self.late.pop() else { return };
            let Some(Some(socket)) = self.slots.get_mut(slot) else { continue };
            let Some(asked_by) = socket.table.waiter(id) else { continue };
            if matches!(asked_by, AskedBy::Thread(number, _) if *number == serial) {
                let (sender, receiver) = told_later();
                if let AskedBy::Thread(_, asked) = std::mem::replace(asked_by, AskedBy::Task(sender)) {
                    tell(QuestionEvent::Late(asked, receiver));
                }
            }
        }
    }

    /// Closes the sockets that take no more questions and for which nobody waits.
    fn sweep(&mut self, now: Instant) {
        for slot in 0..self.slots.len() {
            if let Some(Some(socket)) = self.slots.get_mut(slot)
                && (socket.replaced || socket.is_worn(now))
                && socket.table.close_if_idle()
            {
                self.close(slot);
            }
        }
    }

    fn close(&mut self, slot: usize) {
        let Some(closed) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        self.open -= 1;
        let key = key(&closed.standing);
        if let Some(taking) = self.taking.get_mut(&key) {
            taking.retain(|other| *other != slot);
            if taking.is_empty() {
                self.taking.remove(&key);
            }
        }
    }

    /// One of the sockets at random, a new one while there are few, or in place of one that is worn; with its slot.
    fn socket(&mut self, standing: &Arc<Standing>, now: Instant) -> io::Result<(usize, &mut PolledSocket<A>)> {
        let key = key(standing);
        let taking = self.taking.entry(key).or_default();
        let mut slot = None;
        if taking.len() >= self.most {
            let at = rand::random::<u32>() as usize % taking.len();
            slot = taking.get(at).copied();
            // one that is worn is used on where too many wait for their last replies
            if let Some(Some(socket)) = slot.and_then(|slot| self.slots.get_mut(slot))
                && socket.is_worn(now)
                && self.open < 2 * self.most * self.taking.len().max(1)
            {
                socket.replaced = true;
                if let Some(taking) = self.taking.get_mut(&key) {
                    taking.swap_remove(at);
                }
                slot = None;
            }
        }
        let slot = match slot {
            Some(slot) => slot,
            None => self.open_socket(standing, now)?,
        };
        match self.slots.get_mut(slot) {
            Some(Some(socket)) => Ok((slot, socket)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open_socket(&mut self, standing: &Arc<Standing>, now: Instant) -> io::Result<usize> {
        let upstream = standing.upstream.address;
        let io = bind(standing)?;
        io.set_nonblocking(true)?;
        // a connected socket takes from this peer only, and learns when nobody listens there
        io.connect(upstream)?;
        // what came before that may be from anybody; a buffer holds no more of it
        for _ in 0..BUFFERED {
            if io.recv(&mut self.buffer).is_err() {
                break;
            }
        }
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        epoll::add(&self.epoll, &io, epoll::EventData::new_u64(slot as u64), epoll::EventFlags::IN)?;
        let key = key(standing);
        let standing = Arc::clone(standing);
        let socket = PolledSocket { io, standing, table: Table::default(), born: now, uses: 0, replaced: false };
        match self.slots.get_mut(slot) {
            Some(free) => *free = Some(socket),
            None => self.slots.push(Some(socket)),
        }
        self.taking.entry(key).or_default().push(slot);
        self.open += 1;
        Ok(slot)
    }
}

/// A standing stays where it is as long as a socket has it.
fn key(standing: &Arc<Standing>) -> usize {
    Arc::as_ptr(standing) as usize
}

impl<A> PolledSocket<A> {
    fn is_worn(&self, now: Instant) -> bool {
        is_worn(self.uses, self.born, now) || self.table.is_under_attack()
    }
}

#[cfg(test)]
mod tests;
