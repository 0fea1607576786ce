//! Many questions on one connection, over TCP or TLS: answers come in any order (RFC 7766 6.2.1, RFC 7858 3.3).
//!
//! One task owns the connection. It ends when nobody has asked for a while, when the other side ends it, and when that
//! says nothing although it is asked. Knows nothing of what carries the octets.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::budget::{Budget, Parked};
use crate::dns::{id_of, u16_at};
use crate::forward::failure::Failure;
use crate::forward::query::UpstreamQuery;
use crate::forward::standing::Standing;

/// A connection on which nothing is asked is closed after this long; most servers close it themselves (RFC 7766
/// 6.2.3).
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// A connection on which nothing comes, although something is asked, is given up after this long.
pub(super) const STALLED: Duration = Duration::from_secs(3);
/// Questions that wait for their replies on one connection.
const PIPELINE: usize = 1024;
/// Questions that are taken to be written in one go.
const BATCH: usize = 64;
/// Octets of the length before each message (RFC 1035 4.2.2).
const PREFIX: usize = 2;
/// Room for what comes in, as long as no message needs more.
const INPUT: usize = 4096;

type StreamOutcome = Result<Parked, Failure>;

/// An open connection; clones ask on the same one.
#[derive(Clone)]
pub(super) struct StreamConnection {
    asks: mpsc::Sender<PendingQuery>,
}

struct PendingQuery {
    query: UpstreamQuery,
    reply: oneshot::Sender<StreamOutcome>,
}

impl StreamConnection {
    /// Takes questions for `stream` from now on.
    pub(super) fn over<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S, budget: Budget) -> Self {
        let (asks, questions) = mpsc::channel(PIPELINE);
        tokio::spawn(async move {
            let (waiting, input, output) = (HashMap::default(), Vec::with_capacity(INPUT), Vec::new());
            let mut task = Task { questions, waiting, input, output, budget };
            let failure = task.run(stream).await.err().unwrap_or(Failure::Closed);
            // those that are in the channel were never sent
            task.questions.close();
            while let Ok(ask) = task.questions.try_recv() {
                let _ = ask.reply.send(Err(Failure::Closed));
            }
            for (_, ask) in task.waiting {
                let _ = ask.reply.send(Err(failure.clone()));
            }
        });
        Self { asks }
    }

    /// Whether it takes questions.
    pub(super) fn is_open(&self) -> bool {
        !self.asks.is_closed()
    }

    /// The reply to the query, which gets an id of its own.
    pub(super) async fn ask(&self, query: UpstreamQuery) -> Result<Vec<u8>, Failure> {
        let (reply, heard) = oneshot::channel();
        match self.asks.try_send(PendingQuery { query, reply }) {
            Ok(()) => heard.await.unwrap_or(Err(Failure::Closed))?.take().ok_or(Failure::NoRoom),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Failure::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Failure::Closed),
        }
    }
}

struct Task {
    questions: mpsc::Receiver<PendingQuery>,
    /// Who gave up stays, so that the reply is known as what it is.
    waiting: HashMap<u16, PendingQuery, foldhash::fast::RandomState>,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Holds replies until those who wait for them have come.
    budget: Budget,
}

impl Task {
    /// Until the connection ends, and why.
    async fn run(&mut self, stream: impl AsyncRead + AsyncWrite) -> Result<(), Failure> {
        let (mut reader, mut writer) = split(stream);
        let mut heard = Instant::now();
        let mut until = pin!(sleep_until(heard + IDLE));
        let mut unflushed = false;
        loop {
            let may_ask = self.waiting.len() < PIPELINE && self.output.is_empty();
            tokio::select! {
                ask = self.questions.recv(), if may_ask => {
                    let Some(ask) = ask else { return Ok(()) };
                    if self.waiting.is_empty() {
                        // the time in which nothing was asked is no silence of the other side
                        heard = Instant::now();
                        until.as_mut().reset(heard + STALLED);
                    }
                    self.write(ask);
                    for _ in 1..BATCH {
                        let Ok(ask) = self.questions.try_recv() else { break };
                        self.write(ask);
                    }
                    unflushed = true;
                }
                written = push(&mut writer, &self.output), if unflushed => {
                    let written = written?;
                    unflushed = !self.output.is_empty();
                    self.output.drain(..written);
                }
                read = reader.read_buf(&mut self.input) => {
                    if read? == 0 {
                        let whole = self.waiting.is_empty();
                        return if whole { Ok(()) } else { Err(Failure::Closed) };
                    }
                    heard = Instant::now();
                    self.take()?;
                }
                () = &mut until => {
                    let patience = if self.waiting.is_empty() { IDLE } else { STALLED };
                    if heard + patience > Instant::now() {
                        until.as_mut().reset(heard + patience);
                    } else if self.waiting.is_empty() {
                        return writer.shutdown().await.map_err(Failure::from);
                    } else {
                        return Err(Failure::TimedOut);
                    }
                }
            }
        }
    }

    /// Gives the query an id and puts it behind what is to be written (RFC 7766 8: length and message together).
    fn write(&mut self, mut ask: PendingQuery) {
        if ask.reply.is_closed() {
            return;
        }
        // more than half of all ids are free
        let Some(id) = std::iter::repeat_with(rand::random).find(|id| !self.waiting.contains_key(id)) else { return };
        ask.query.set_id(id);
        let octets = ask.query.octets();
        self.output.extend_from_slice(&(octets.len() as u16).to_be_bytes());
        self.output.extend_from_slice(octets);
        self.waiting.insert(id, ask);
    }

    /// Gives whole messages to those who wait for them.
    fn take(&mut self) -> Result<(), Failure> {
        let mut start = 0;
        while let Some(len) = u16_at(&self.input, start).map(usize::from) {
            let Some(message) = self.input.get(start + PREFIX..start + PREFIX + len) else {
                self.input.reserve(len);
                break;
            };
            // nobody else can speak on this connection, so the upstream itself is wrong
            let ask = id_of(message).and_then(|id| self.waiting.remove(&id)).ok_or(Failure::Mismatched)?;
            let reply = if ask.query.is_answered_by(message) {
                Ok(self.budget.park(message.to_vec()))
            } else {
                Err(Failure::Mismatched)
            };
            let _ = ask.reply.send(reply);
            start += PREFIX + len;
        }
        self.input.drain(..start);
        if self.input.is_empty() {
            self.input.shrink_to(INPUT);
        }
        Ok(())
    }
}

/// Writes some of `output`, or, when there is none, what is still held back on the way: TLS may do so. How much was
/// written; nothing is lost when it is given up in between.
async fn push(writer: &mut (impl AsyncWrite + Unpin), output: &[u8]) -> io::Result<usize> {
    if output.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(output).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// Connects by TCP, without delay: questions are small, and wait for nothing.
pub(super) async fn connect(standing: &Standing) -> io::Result<TcpStream> {
    let address = standing.upstream.address;
    // where no address is wanted, the system chooses it when it connects, as it sees the way only then
    let socket = standing.open(|source| {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        source.map_or(Ok(()), |source| socket.bind((source, 0).into())).map(|()| socket)
    })?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;
    use crate::dns::Rtype;
    use crate::forward::manners::Dress;
    use crate::forward::query::Outbound;

    fn query(name: &[u8]) -> UpstreamQuery {
        let outbound = Outbound::plain(name, Rtype::A);
        UpstreamQuery::new(&outbound, &Dress::default())
    }

    async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        let mut octets = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut octets).await.unwrap();
        octets
    }

    fn framed(mut message: Vec<u8>) -> Vec<u8> {
        message[2] |= 0x80;
        [&(message.len() as u16).to_be_bytes()[..], &message].concat()
    }

    #[tokio::test]
    async fn replies_come_in_any_order_and_any_pieces() {
        let (ours, mut theirs) = duplex(1 << 20);
        let connection = StreamConnection::over(ours, Budget::default());
        let names: Vec<Vec<u8>> = (b'a'..=b'z').map(|letter| vec![1, letter, 0]).collect();
        let asks = names.iter().map(|name| connection.ask(query(name)));
        let server = async {
            let mut all = Vec::new();
            for _ in 0..26 {
                all.push(message(&mut theirs).await);
            }
            for octet in all.into_iter().rev().flat_map(framed) {
                theirs.write_all(&[octet]).await.unwrap();
            }
        };
        let (replies, ()) = tokio::join!(futures_util::future::join_all(asks), server);
        for (reply, name) in replies.into_iter().zip(&names) {
            assert_eq!(reply.unwrap()[12..15], **name);
        }
        assert!(connection.is_open());
    }

    #[tokio::test]
    async fn a_reply_for_which_there_is_no_room_is_none() {
        for (room, want) in [(70_000, Ok(65_535)), (60_000, Err(Failure::NoRoom))] {
            let (ours, mut theirs) = duplex(1 << 20);
            let connection = StreamConnection::over(ours, Budget::new(room));
            let server = async {
                let mut reply = message(&mut theirs).await;
                reply.resize(65_535, 7);
                theirs.write_all(&framed(reply)).await.unwrap();
            };
            let (reply, ()) = tokio::join!(connection.ask(query(b"\x01a\0")), server);
            assert_eq!(reply.map(|reply| reply.len()), want);
        }
    }

    #[tokio::test]
    async fn the_longest_message_passes() {
        let (ours, mut theirs) = duplex(1 << 20);
        let connection = StreamConnection::over(ours, Budget::default());
        let server = async {
            let mut reply = message(&mut theirs).await;
            reply.resize(65_535, 7);
            theirs.write_all(&framed(reply)).await.unwrap();
        };
        let (reply, ()) = tokio::join!(connection.ask(query(b"\0")), server);
        assert_eq!(reply.unwrap().len(), 65_535);
    }

    #[tokio::test]
    async fn all_who_wait_are_told_of_the_end() {
        let (ours, mut theirs) = duplex(1 << 20);
        let connection = StreamConnection::over(ours, Budget::default());
        let server = async {
            message(&mut theirs).await;
            message(&mut theirs).await;
            drop(theirs);
        };
        let (one, two, ()) = tokio::join!(connection.ask(query(b"\x01a\0")), connection.ask(query(b"\x01b\0")), server);
        assert_eq!((one, two), (Err(Failure::Closed), Err(Failure::Closed)));
        assert!(!connection.is_open());
        assert_eq!(connection.ask(query(b"\0")).await, Err(Failure::Closed));
    }

    #[tokio::test]
    async fn an_answer_that_nobody_asked_for_ends_it() {
        let (ours, mut theirs) = duplex(1 << 20);
        let connection = StreamConnection::over(ours, Budget::default());
        let server = async {
            let mut reply = message(&mut theirs).await;
            reply[0] ^= 1;
            theirs.write_all(&framed(reply)).await.unwrap();
        };
        let (reply, ()) = tokio::join!(connection.ask(query(b"\0")), server);
        assert_eq!(reply, Err(Failure::Mismatched));
    }

    /// A reply to somebody who gave up is no wrong one.
    #[tokio::test]
    async fn who_gave_up_hurts_nobody() {
        let (ours, mut theirs) = duplex(1 << 20);
        let connection = StreamConnection::over(ours, Budget::default());
        let gave_up = tokio::spawn({
            let connection = connection.clone();
            async move { connection.ask(query(b"\x01a\0")).await }
        });
        let first = message(&mut theirs).await;
        gave_up.abort();
        assert!(gave_up.await.is_err());
        let server = async {
            let second = message(&mut theirs).await;
            theirs.write_all(&[framed(first), framed(second)].concat()).await.unwrap();
        };
        let (reply, ()) = tokio::join!(connection.ask(query(b"\x01b\0")), server);
        assert_eq!(reply.unwrap()[12..15], *b"\x01b\0");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_idle_or_stalled_is_closed() {
        let (ours, theirs) = duplex(1 << 20);
        let connection = StreamConnection::over(ours, Budget::default());
        tokio::time::sleep(IDLE * 2).await;
        assert!(!connection.is_open());
        drop(theirs);
        let (ours, _theirs) = duplex(1 << 20);
        assert_eq!(StreamConnection::over(ours, Budget::default()).ask(query(b"\0")).await, Err(Failure::TimedOut));
    }
}
