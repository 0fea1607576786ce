//! One connection: two-octet framing (RFC 1035 4.2.2), pipelining, and patience with limits.
//!
//! Questions are answered in the order in which they come, except those that wait for an upstream, whose answers
//! follow when they are there (RFC 7766 6.2.1.1). All that one read brings is answered with one write, so that a
//! hundred connections with full pipelines cost few system calls. A connection holds at most one message that is
//! still coming in, the replies of one read, and [`tcp_pipeline`](Limits::tcp_pipeline) answers of upstreams.
//!
//! Knows no DNS, and nothing of the stream but that it can be read and written.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::budget::{Hold, Parked};
#[cfg(doc)]
use crate::config::Limits;
use crate::resolve::{Incoming, Outcome, Resolve};
use crate::serve::common::{Origin, ServeContext, Stopped};

/// Reads after the server was told to stop; a client that still asks then has had its chance.
const LAST_READS: usize = 64;
/// How long a read may take after the stop. What the client sent before is in the kernel's buffer, but the runtime
/// may not know of it yet.
pub(super) const LAST_WAIT: Duration = Duration::from_millis(20);
/// Octets of the length before each message.
const PREFIX: usize = 2;
/// Longest message.
const MESSAGE: usize = 65_535;
/// Room for what comes in, as long as no message needs more: some eighty questions.
const INPUT: usize = 4096;
/// Room for replies before they are written: one message of any length always fits behind an emptied buffer.
const OUTPUT: usize = 2 * (PREFIX + MESSAGE);

thread_local! {
    /// Replies on their way out. Of the thread and not of the connection, as it is used between two awaits only.
    static REPLIES: RefCell<Vec<u8>> = RefCell::new(vec![0; OUTPUT]);
}

/// Answers what comes in on `stream` until the client leaves, falls silent, or the server stops.
pub(super) async fn serve<R, S>(stream: S, from: Origin, shared: Arc<ServeContext<R>>, stopped: Stopped)
where
    R: Resolve,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = ServedStream {
        stream,
        from,
        input: vec![0; INPUT],
        start: 0,
        end: 0,
        unsent: Vec::new(),
        unflushed: false,
        slow: JoinSet::new(),
        closing: false,
        shared,
    };
    if let Err(error) = connection.run(stopped).await {
        tracing::debug!(peer = %connection.from.peer, %error, "a connection ended");
    }
}

struct ServedStream<R, S> {
    stream: S,
    from: Origin,
    /// What has come in and is not answered yet is `input[start..end]`.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Replies, with their lengths, that the client has not taken yet; while there are any, nothing is read.
    unsent: Vec<u8>,
    /// Replies are in the stream's own buffer, as TLS has one, and may wait there; nothing is read then, either.
    unflushed: bool,
    /// Questions that wait for an upstream. Dropped, and so given up, with the connection.
    slow: JoinSet<SlowReply>,
    /// Nothing more is read: the client has said all, or the server stops.
    closing: bool,
    shared: Arc<ServeContext<R>>,
}

/// Why a connection goes on.
enum WokenBy {
    Read(usize),
    Resolved(Option<SlowReply>),
    Idle,
    Stop,
}

impl<R: Resolve, S: AsyncRead + AsyncWrite + Unpin> ServedStream<R, S> {
    async fn run(&mut self, mut stopped: Stopped) -> io::Result<()> {
        let idle_after = self.shared.limits.tcp_idle;
        let mut heard = Instant::now();
        let mut idle = pin!(sleep_until(heard + idle_after));
        let mut stopped = pin!(stopped.closing());
        loop {
            // here nothing is unsent, and what the input holds is no whole message or has to wait for the slow ones
            let may_read = !self.closing && self.slow.len() < self.shared.limits.tcp_pipeline;
            if self.closing && self.slow.is_empty() {
                return self.close().await;
            }
            let room = self.input.get_mut(self.end..).unwrap_or_default();
            let wake = tokio::select! {
                biased;
                Some(done) = self.slow.join_next() => WokenBy::Resolved(done.ok()),
                () = &mut stopped, if !self.closing => WokenBy::Stop,
                read = self.stream.read(room), if may_read => WokenBy::Read(read?),
                () = &mut idle => WokenBy::Idle,
            };
            match wake {
                WokenBy::Read(0) => self.closing = true,
                WokenBy::Read(count) => self.end += count,
                WokenBy::Resolved(reply) => self.collect(reply),
                WokenBy::Stop => {
                    self.closing = true;
                    self.answer_the_rest().await?;
                }
                WokenBy::Idle if heard + idle_after > Instant::now() => idle.as_mut().reset(heard + idle_after),
                WokenBy::Idle if !self.slow.is_empty() => idle.as_mut().reset(Instant::now() + idle_after),
                WokenBy::Idle => return self.close().await,
            }
            // only whole messages count as something said: octets that drip in must not hold a connection
            if self.answer_all().await? {
                heard = Instant::now();
                self.from.heartbeat.beat();
            }
        }
    }

    /// Answers what had come before the stop: it is in the kernel's buffer, and counts as asked.
    async fn answer_the_rest(&mut self) -> io::Result<()> {
        for _ in 0..LAST_READS {
            let room = self.input.get_mut(self.end..).unwrap_or_default();
            match timeout(LAST_WAIT, self.stream.read(room)).await {
                Err(_) | Ok(Ok(0)) => break,
                Ok(count) => self.end += count?,
            }
            self.answer_all().await?;
        }
        Ok(())
    }

    /// Answers what can be answered and writes it; true if there was a whole message.
    async fn answer_all(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            self.flush().await?;
            let before = self.start;
            poll_fn(|cx| Poll::Ready(self.answer_now(cx))).await?;
            any |= self.start != before;
            if self.unsent.is_empty() && !self.unflushed {
                self.make_room();
                return Ok(any);
            }
        }
    }

    /// Answers whole messages of the input and writes the replies as far as the client takes them now.
    fn answer_now(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        REPLIES.with_borrow_mut(|replies| {
            // separate from `self`, as the batch borrows it while the rest of the connection changes
            let shared = Arc::clone(&self.shared);
            let mut filled = 0;
            while self.unsent.is_empty() {
                let whole = {
                    let batch = shared.resolver.batch();
                    self.answer_into(&shared.resolver, &batch, replies, &mut filled)
                };
                self.write_now(cx, replies.get(..filled).unwrap_or_default())?;
                filled = 0;
                if whole {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Answers messages while there is room for replies; true when all that can be answered has been.
    fn answer_into(&mut self, resolver: &R, batch: &R::Batch<'_>, replies: &mut [u8], filled: &mut usize) -> bool {
        while self.slow.len() < self.shared.limits.tcp_pipeline {
            let Some((from, to)) = self.next_message() else { return true };
            let Some((prefix, out)) =
                replies.get_mut(*filled..*filled + PREFIX + MESSAGE).and_then(<[u8]>::split_first_chunk_mut::<PREFIX>)
            else {
                return false;
            };
            self.start = to;
            let packet = self.input.get(from..to).unwrap_or_default();
            let incoming = self.from.incoming(packet);
            let len = match resolver.try_resolve(batch, incoming, out) {
                Outcome::Silent => continue,
                Outcome::Reply(len) => len,
                Outcome::Pending => match slow(&self.shared, &mut self.slow, incoming) {
                    Some(reply) => match out.get_mut(..reply.len()) {
                        Some(room) => {
                            room.copy_from_slice(&reply);
                            reply.len()
                        }
                        None => continue,
                    },
                    None => continue,
                },
            };
            let Ok(short) = u16::try_from(len) else { continue };
            *prefix = short.to_be_bytes();
            *filled += PREFIX + len;
        }
        true
    }

    /// Where the next message of the input is, if it has come in whole.
    fn next_message(&self) -> Option<(usize, usize)> {
        let waiting = self.input.get(self.start..self.end)?;
        let (prefix, rest) = waiting.split_first_chunk::<PREFIX>()?;
        let len = usize::from(u16::from_be_bytes(*prefix));
        (len <= rest.len()).then_some((self.start + PREFIX, self.start + PREFIX + len))
    }

    /// Makes room to read into, behind what has come in of the next message.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.input.len() {
            // grows with what has come, not with what the length promises
            let most = PREFIX + MESSAGE;
            self.input.resize((self.input.len() * 2).min(most), 0);
        } else if self.end == 0 && self.input.len() > INPUT {
            self.input = vec![0; INPUT];
        }
    }

    /// Puts an upstream's answer, and others that are there already, into the way out.
    fn collect(&mut self, first: Option<SlowReply>) {
        let mut next = Some(first);
        while let Some(done) = next {
            let reply = done.and_then(|SlowReply { packet, reply }| {
                let out_of_room = || self.shared.resolver.out_of_room(self.from.incoming(&packet));
                reply.and_then(|parked| parked.take().or_else(out_of_room))
            });
            if let Some(reply) = reply
                && let Ok(len) = u16::try_from(reply.len())
            {
                self.unsent.extend_from_slice(&len.to_be_bytes());
                self.unsent.extend_from_slice(&reply);
            }
            // more than one read's replies wait where they can be taken back
            next = if self.unsent.len() < OUTPUT { self.slow.try_join_next().map(Result::ok) } else { None };
        }
    }

    /// Writes what waits to be written. A client that does not take it in time is gone.
    async fn flush(&mut self) -> io::Result<()> {
        if !self.unsent.is_empty() || self.unflushed {
            let hold = self.shared.budget.hold(self.unsent.capacity());
            let write = async {
                self.stream.write_all(&self.unsent).await?;
                self.stream.flush().await
            };
            tokio::select! {
                biased;
                written = timeout(self.shared.limits.tcp_idle, write) => written??,
                () = taken(hold.as_ref()) => return Err(io::ErrorKind::OutOfMemory.into()),
            }
            self.unsent = Vec::new();
            self.unflushed = false;
        }
        Ok(())
    }

    /// Says goodbye, which TLS does in so many octets, and a client need not take them.
    async fn close(&mut self) -> io::Result<()> {
        timeout(self.shared.limits.tcp_idle, self.stream.shutdown()).await?
    }

    /// Writes as much as goes without waiting; the rest is kept.
    fn write_now(&mut self, cx: &mut Context<'_>, mut replies: &[u8]) -> io::Result<()> {
        if replies.is_empty() {
            return Ok(());
        }
        while !replies.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, replies) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => replies = replies.get(count..).unwrap_or_default(),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.unsent.extend_from_slice(replies);
                    return Ok(());
                }
            }
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => {
                self.unflushed = true;
                Ok(())
            }
        }
    }
}

/// An answer that had to be waited for, and the question, for which there may be no room for the answer in the end.
struct SlowReply {
    packet: Vec<u8>,
    reply: Option<Parked>,
}

/// Ends when others need the room more than a client that does not take its replies.
async fn taken(hold: Option<&Hold>) {
    match hold {
        Some(hold) => hold.taken().await,
        None => std::future::pending().await,
    }
}

/// Gives the question to a task, or returns at once the reply that says that there are too many.
fn slow<R: Resolve>(
    shared: &Arc<ServeContext<R>>,
    tasks: &mut JoinSet<SlowReply>,
    incoming: Incoming<'_>,
) -> Option<Vec<u8>> {
    let Some(ticket) = shared.slow.admit(incoming.peer.ip()) else {
        return shared.resolver.overloaded(incoming);
    };
    let Incoming { packet, peer, local, transport, vpc } = incoming;
    let (packet, resolver, budget) = (packet.to_vec(), Arc::clone(&shared.resolver), shared.budget.clone());
    let task = async move {
        let reply = resolver.resolve(Incoming { packet: &packet, peer, local, transport, vpc }).await;
        drop(ticket);
        SlowReply { packet, reply: reply.map(|reply| budget.park(reply)) }
    };
    tasks.spawn_on(task, &shared.runtime);
    None
}

#[cfg(test)]
mod tests;
