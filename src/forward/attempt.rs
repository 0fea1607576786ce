//! One question to one upstream: UDP, and TCP where the reply was truncated.
//!
//! Every attempt has a socket of its own, whose port the kernel draws at random from those that the operator leaves
//! free (`ip_local_port_range`, `ip_local_reserved_ports`), and an id of its own (RFC 5452 9.2). Knows nothing of
//! other upstreams.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use crate::forward::exchange::Failure;
use crate::forward::message::Message;
use crate::forward::query::{Outbound, Query, is_truncated, rcode, rcode_of};
use crate::model::Upstream;

/// Room for a datagram; more than the 1,232 octets that were asked for, as some upstreams know no bounds.
const DATAGRAM: usize = 4096;
/// Datagrams that are not the reply and are overlooked. Whoever sends more is guessing, and is shut out by TCP
/// (RFC 5452 9.3).
const WRONG_REPLIES: usize = 32;

/// The time for one attempt, and for all of them.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) attempt: Duration,
    pub(super) deadline: Instant,
}

impl Times {
    /// When what begins now has to be done.
    fn until(&self) -> Instant {
        (Instant::now() + self.attempt).min(self.deadline)
    }
}

/// Why there is no reply.
pub(super) struct NoReply {
    pub(super) failure: Failure,
    pub(super) over_tcp: bool,
}

/// The upstream's reply, sound but perhaps an error; truncated only if it could not be had whole by TCP.
///
/// An upstream that does not like EDNS is asked again without (RFC 6891 7).
pub(super) async fn ask(upstream: &Upstream, outbound: &Outbound<'_>, times: Times) -> Result<Vec<u8>, NoReply> {
    if upstream.is_encrypted() {
        let failure = Failure::Local("this protocol is not there yet".to_owned());
        return Err(NoReply { failure, over_tcp: false });
    }
    let upstream = upstream.address;
    let reply = ask_once(upstream, outbound, true, times).await?;
    if outbound.edns && matches!(rcode_of(&reply), rcode::FORMERR | rcode::NOTIMP) {
        return Ok(ask_once(upstream, outbound, false, times).await.unwrap_or(reply));
    }
    Ok(reply)
}

async fn ask_once(upstream: SocketAddr, outbound: &Outbound<'_>, edns: bool, times: Times) -> Result<Vec<u8>, NoReply> {
    let query = Query::new(outbound, rand::random(), edns);
    let truncated = match in_time(times, over_udp(upstream, &query)).await {
        Ok(Some(reply)) if is_truncated(&reply) => Some(reply),
        Ok(Some(reply)) => return sound(reply).map_err(|failure| NoReply { failure, over_tcp: false }),
        Ok(None) => None,
        Err(failure) => return Err(NoReply { failure, over_tcp: false }),
    };
    let query = Query::new(outbound, rand::random(), edns);
    match in_time(times, over_tcp(upstream, &query)).await.and_then(sound) {
        Ok(reply) => Ok(reply),
        // Some of the answer is better than none: there are clients that make do with it, and the others will come
        // over TCP themselves and be told.
        Err(failure) => truncated.and_then(|reply| sound(reply).ok()).ok_or(NoReply { failure, over_tcp: true }),
    }
}

async fn in_time<T>(times: Times, work: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    match timeout_at(times.until(), work).await {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// The reply, if it is a whole message.
fn sound(reply: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if Message::parse(&reply).is_ok() { Ok(reply) } else { Err(Failure::Malformed) }
}

/// The reply that comes by UDP; `None` when so many wrong ones come that TCP should be used.
async fn over_udp(upstream: SocketAddr, query: &Query) -> io::Result<Option<Vec<u8>>> {
    let any: SocketAddr = match upstream {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // a connected socket takes from this peer only, and learns when nobody listens there
    socket.connect(upstream).await?;
    socket.send(query.octets()).await?;
    let mut wrong = 0;
    while wrong < WRONG_REPLIES {
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_error() {
            // "nobody listens there" is no datagram, and does not make the socket readable
            let error = socket.try_io(Interest::ERROR, || {
                socket.take_error()?.map_or_else(|| Err(io::ErrorKind::WouldBlock.into()), Ok)
            });
            if let Ok(error) = error {
                return Err(error);
            }
        }
        // on the stack only while it is used, not in every task that waits
        let mut buffer = [0; DATAGRAM];
        let (len, from) = match socket.try_recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let reply = buffer.get(..len).unwrap_or_default();
        // what came in between `bind` and `connect` may be from anybody
        if from.port() == upstream.port() && from.ip() == upstream.ip() && query.is_answered_by(reply) {
            // a reply that fills the buffer may have been longer
            return Ok((len < DATAGRAM).then(|| reply.to_vec()));
        }
        tracing::debug!(%upstream, %from, "a datagram that is no reply to what was asked");
        wrong += 1;
    }
    Ok(None)
}

/// The reply that comes by TCP, on a connection of its own.
async fn over_tcp(upstream: SocketAddr, query: &Query) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).await?;
    let len = u16::try_from(query.octets().len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // one write, as some servers cannot put a message together (RFC 7766 8)
    stream.write_all(&[&len.to_be_bytes(), query.octets()].concat()).await?;
    let len = stream.read_u16().await?;
    let mut reply = Vec::new();
    (&mut stream).take(len.into()).read_to_end(&mut reply).await?;
    if reply.len() < usize::from(len) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // nobody else can speak on this connection, so the upstream itself is wrong
    if query.is_answered_by(&reply) { Ok(reply) } else { Err(io::ErrorKind::InvalidData.into()) }
}
