//! One question to one server, blocking: for commands that ask a server from outside, as any client would.
//!
//! What upstreams are asked in service is `forward`'s. Knows nothing of what replies mean.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, Runtime};

use crate::config::Limits;
use crate::dns::{DnsName, Rtype};
use crate::forward::{ForwardError, Forwarder, Options, Outbound, Trust};
use crate::model::Upstream;

/// How a question is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner<'m> {
    /// The address it comes from, which this machine must have.
    pub from: Option<IpAddr>,
    /// What goes in front of it: a PROXY header.
    pub lead: &'m [u8],
    /// How long one attempt waits.
    pub patience: Duration,
    /// How many attempts there are over UDP.
    pub attempts: usize,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The question cannot come from that address.
    #[error("this machine cannot ask from {0}: {1}")]
    From(IpAddr, Error),
    /// Nothing came in time, or the network says why nothing will.
    #[error("{0}")]
    NoReply(Error),
}

impl From<Error> for AskError {
    fn from(error: Error) -> Self {
        // what a socket says whose time is over
        if error.kind() == ErrorKind::WouldBlock {
            return Self::NoReply(Error::new(ErrorKind::TimedOut, "no reply in time"));
        }
        Self::NoReply(error)
    }
}

/// The octets of a recursive question, with a random id.
pub fn query(name: &DnsName, rtype: Rtype, edns: Option<Edns>) -> Result<Vec<u8>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the question cannot be written: {error}");
    let name = Name::from_utf8(name.to_string()).map_err(|error| failed(&error))?;
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, RecordType::from(rtype)));
    if let Some(edns) = edns {
        message.set_edns(edns);
    }
    message.to_vec().map_err(|error| failed(&error))
}

/// Whether this machine has the address `from`.
pub fn can_ask_from(from: IpAddr) -> Result<(), AskError> {
    UdpSocket::bind((from, 0)).map(drop).map_err(|error| AskError::From(from, error))
}

/// The reply over UDP, truncated or not.
pub fn over_udp(question: &[u8], server: SocketAddr, manner: Manner<'_>) -> Result<Vec<u8>, AskError> {
    let socket: UdpSocket = bound(Type::DGRAM, manner.from, server)?.into();
    socket.connect(server)?;
    socket.set_read_timeout(Some(manner.patience))?;
    let packet = [manner.lead, question].concat();
    let mut buffer = vec![0; usize::from(u16::MAX)];
    let mut last = Error::from(ErrorKind::WouldBlock);
    for _ in 0..manner.attempts {
        socket.send(&packet)?;
        loop {
            match socket.recv(&mut buffer) {
                // a late reply to an earlier question has another id
                Ok(len) if buffer.get(..2) == question.get(..2) => {
                    return Ok(buffer.get(..len).unwrap_or_default().to_vec());
                }
                Ok(_) => {}
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
    }
    Err(last.into())
}

/// The reply over TCP.
pub fn over_tcp(question: &[u8], server: SocketAddr, manner: Manner<'_>) -> Result<Vec<u8>, AskError> {
    let socket = bound(Type::STREAM, manner.from, server)?;
    socket.connect_timeout(&server.into(), manner.patience)?;
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(manner.patience))?;
    stream.set_write_timeout(Some(manner.patience))?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[manner.lead, &length, question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// Asks servers over TLS, HTTPS and QUIC.
pub struct EncryptedClient {
    runtime: Runtime,
    forwarder: Forwarder,
}

impl EncryptedClient {
    /// A client of servers whose certificates come from an authority that `trust` knows; an error: it cannot have a thread.
    pub fn new(trust: Trust) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let forwarder = Forwarder::with(&Limits::default(), Options { trust, ..Options::default() });
        Ok(Self { runtime, forwarder })
    }

    /// The reply to a recursive question with EDNS.
    pub fn ask(&self, server: &Upstream, name: &DnsName, rtype: Rtype) -> Result<Vec<u8>, ForwardError> {
        let question = Outbound { edns: true, ..Outbound::plain(name.wire(), rtype) };
        self.runtime.block_on(self.forwarder.ask(&question, std::slice::from_ref(server)))
    }
}

/// A socket that sends from `from`, where one is given.
fn bound(kind: Type, from: Option<IpAddr>, server: SocketAddr) -> Result<Socket, AskError> {
    let protocol = if kind == Type::DGRAM { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(server), kind, Some(protocol))?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into()).map_err(|error| AskError::From(from, error))?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner() -> Manner<'static> {
        Manner { from: None, lead: &[], patience: Duration::from_millis(200), attempts: 2 }
    }

    /// The second attempt is answered; what has another id, as a late reply has, is passed over.
    #[test]
    fn a_lost_question_is_asked_again() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let question = query(&DnsName::root(), Rtype::NS, None).unwrap();
        let answers = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            server.recv_from(&mut buffer).unwrap();
            let (len, from) = server.recv_from(&mut buffer).unwrap();
            let mut other = buffer;
            other[0] ^= 1;
            server.send_to(&other[..len], from).unwrap();
            server.send_to(&buffer[..len], from).unwrap();
        });
        assert_eq!(over_udp(&question, address, manner()).unwrap(), question);
        answers.join().unwrap();
    }

    #[test]
    fn nobody_there_is_an_error_in_time() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let question = query(&DnsName::root(), Rtype::NS, None).unwrap();
        let said = over_udp(&question, address, manner()).unwrap_err().to_string();
        assert_eq!(said, "no reply in time");
        drop(silent);
        for said in [over_udp(&question, address, manner()), over_tcp(&question, address, manner())] {
            assert!(matches!(said, Err(AskError::NoReply(error)) if error.kind() == ErrorKind::ConnectionRefused));
        }
        let elsewhere = Manner { from: Some("192.0.2.9".parse().unwrap()), ..manner() };
        assert!(matches!(over_udp(&question, address, elsewhere), Err(AskError::From(..))));
        assert!(matches!(can_ask_from("192.0.2.9".parse().unwrap()), Err(AskError::From(..))));
        assert!(can_ask_from("127.0.1.9".parse().unwrap()).is_ok());
    }
}
