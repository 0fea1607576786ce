//! One connection of QUIC, and its streams: on each a length, a question, and the end; then a length and the reply.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::dns::NameBuf;
use crate::resolve::Resolve;
use crate::serve::common::{Origin, ServeContext, Stopped};
use crate::serve::single::{self, Collect, Long, MESSAGE, Refused};
use crate::serve::stream::LAST_WAIT;
use crate::wire::{Packet, parse};

/// How long a client may take to hear that the connection ends.
pub(super) const GOODBYE: Duration = Duration::from_millis(200);
/// Octets of the length before each message.
const PREFIX: usize = 2;
/// Most octets that are taken of a stream at one time.
const CHUNK: usize = 16 * 1024;

/// Error codes (RFC 9250 4.3).
mod code {
    use quinn::VarInt;

    /// The connection or stream is not needed any more.
    pub(super) const NO_ERROR: VarInt = VarInt::from_u32(0);
    /// The client broke a rule of the protocol.
    pub(super) const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
    /// Too much at one time.
    pub(super) const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);
    /// Nothing of the others.
    pub(super) const UNSPECIFIED_ERROR: VarInt = VarInt::from_u32(5);
}

/// Why a stream ends without a reply.
enum Failed {
    /// The client gave it up, or does not take the reply.
    Gone,
    /// The stream is given up, with this code.
    Stream(VarInt),
    /// What the client did ends the connection, with `DOQ_PROTOCOL_ERROR` (RFC 9250 4.3.3).
    Connection(&'static str),
}

/// What the streams of one connection share.
struct Streams<R> {
    shared: Arc<ServeContext<R>>,
    from: Origin,
    long: Long,
}

/// Answers what comes in on the streams of `connection` until the client leaves, falls silent, or the server stops.
pub(super) async fn serve<R: Resolve>(
    connection: Connection,
    from: Origin,
    shared: Arc<ServeContext<R>>,
    mut stopped: Stopped,
) {
    let idle_after = shared.limits.tcp_idle;
    let (runtime, peer) = (shared.runtime.clone(), from.peer);
    let streams = Arc::new(Streams { shared, from, long: single::one_long_message() });
    let mut tasks: JoinSet<Result<(), &'static str>> = JoinSet::new();
    let mut timer = pin!(sleep(idle_after));
    // a connection cannot go on where a successor reads its datagrams, too
    let mut stopped = pin!(stopped.accepting_ends());
    let (mut stopping, mut closing) = (false, false);
    loop {
        if closing && tasks.is_empty() {
            return connection.close(code::NO_ERROR, b"");
        }
        tokio::select! {
            biased;
            Some(done) = tasks.join_next() => match done {
                Ok(Err(what)) => {
                    tracing::debug!(%peer, what, "a connection ended");
                    return connection.close(code::PROTOCOL_ERROR, what.as_bytes());
                }
                // a task that panicked has lost its stream, and no other
                Ok(Ok(())) | Err(_) => {
                    if !stopping {
                        timer.as_mut().reset(Instant::now() + idle_after);
                    }
                }
            },
            _ = &mut stopped, if !stopping => {
                // what the client sent before may not have come up to here yet
                stopping = true;
                timer.as_mut().reset(Instant::now() + LAST_WAIT);
            }
            stream = connection.accept_bi(), if !closing => match stream {
                Ok((send, recv)) => drop(tasks.spawn_on(Arc::clone(&streams).answer(send, recv), &runtime)),
                // the client closed the connection, or fell silent
                Err(_) => return,
            },
            () = &mut timer, if !closing => {
                closing = stopping || tasks.is_empty();
                timer.as_mut().reset(Instant::now() + idle_after);
            }
        }
    }
}

impl<R: Resolve> Streams<R> {
    /// Answers the question of one stream; an error, which ends the connection, says what the client did.
    async fn answer(self: Arc<Self>, mut send: SendStream, mut recv: RecvStream) -> Result<(), &'static str> {
        match self.exchange(&mut send, &mut recv).await {
            Ok(()) | Err(Failed::Gone) => Ok(()),
            Err(Failed::Stream(code)) => {
                // both fail only if the stream has ended already
                let _ = (recv.stop(code), send.reset(code));
                Ok(())
            }
            Err(Failed::Connection(what)) => {
                // or the stream would end in good order, with an empty reply
                let _ = send.reset(code::PROTOCOL_ERROR);
                Err(what)
            }
        }
    }

    async fn exchange(&self, send: &mut SendStream, recv: &mut RecvStream) -> Result<(), Failed> {
        let patience = self.shared.limits.tcp_idle;
        let mut collect = Collect::new(PREFIX + MESSAGE, &self.long);
        let read = timeout(patience, read_to_end(recv, &mut collect)).await;
        read.map_err(|_| Failed::Stream(code::UNSPECIFIED_ERROR))??;
        let packet = question(collect.octets())?;
        self.from.heartbeat.beat();
        let given_up = send.stopped();
        let reply = tokio::select! {
            biased;
            reply = single::reply(&self.shared, self.from.incoming(packet)) => reply,
            // RFC 9250 4.3.1: the client does not want the reply any more
            _ = given_up => return Err(Failed::Gone),
        };
        let reply = reply.ok_or(Failed::Connection("that is no DNS question"))?;
        let len = u16::try_from(reply.len()).map_err(|_| Failed::Stream(code::UNSPECIFIED_ERROR))?;
        let write = async {
            send.write_all(&[&len.to_be_bytes(), &reply[..]].concat()).await.map_err(|_| Failed::Gone)?;
            send.finish().map_err(|_| Failed::Gone)?;
            // until the client has it all: a connection that is closed takes with it what is under way
            let _ = send.stopped().await;
            Ok(())
        };
        timeout(patience, write).await.map_err(|_| Failed::Stream(code::UNSPECIFIED_ERROR))?
    }
}

async fn read_to_end(recv: &mut RecvStream, collect: &mut Collect) -> Result<(), Failed> {
    while let Some(chunk) = recv.read_chunk(CHUNK, true).await.map_err(|_| Failed::Gone)? {
        collect.push(&chunk.bytes).map_err(|refused| match refused {
            Refused::TooLong => Failed::Connection("more than one message on a stream"),
            Refused::TooMany => Failed::Stream(code::EXCESSIVE_LOAD),
        })?;
    }
    Ok(())
}

/// The one question of a stream. What else there can be is an error of the protocol (RFC 9250 4.3.3).
fn question(octets: &[u8]) -> Result<&[u8], Failed> {
    let broken = |what| Err(Failed::Connection(what));
    let Some((prefix, message)) = octets.split_first_chunk::<PREFIX>() else {
        return broken("a stream ended before its message");
    };
    match usize::from(u16::from_be_bytes(*prefix)) {
        len if len > message.len() => return broken("a stream ended before its message"),
        len if len < message.len() => return broken("more than one message on a stream"),
        _ => {}
    }
    if !message.starts_with(&[0, 0]) {
        return broken("the id of a message has to be 0");
    }
    match parse(message, &mut NameBuf::default()) {
        Packet::Query(query) if query.edns.is_some_and(|edns| edns.tcp_keepalive) => {
            broken("edns-tcp-keepalive has no place in QUIC")
        }
        _ => Ok(message),
    }
}
