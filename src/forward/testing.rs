//! An upstream that does as it is told, on loopback, UDP and TCP on one port.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use crate::config::Limits;
use crate::dns::{Class, Rtype};
use crate::forward::{ForwardError, Forwarder, Outbound};
use crate::model::Upstream;

/// What comes back for a query: datagrams, or messages on the connection.
type UpstreamScript = dyn Fn(&Message, Over) -> Vec<Say> + Send + Sync;

/// How the query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
}

/// One thing that the upstream says.
pub(super) enum Say {
    /// These octets.
    Octets(Vec<u8>),
    /// These octets, from a socket that nobody asked.
    FromElsewhere(Vec<u8>),
    /// The end of the connection.
    End,
}

/// See the module.
pub(super) struct ScriptedUpstream {
    pub(super) address: Upstream,
    /// Queries by UDP and by TCP.
    pub(super) asked: Arc<[AtomicUsize; 2]>,
    /// The ids of all queries.
    pub(super) ids: Arc<Mutex<Vec<u16>>>,
    /// From where they came by UDP, and how many connections there were.
    pub(super) ports: Arc<Mutex<HashSet<SocketAddr>>>,
    pub(super) connections: Arc<AtomicUsize>,
}

impl ScriptedUpstream {
    pub(super) async fn start(script: impl Fn(&Message, Over) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let script: Arc<UpstreamScript> = Arc::new(script);
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let upstream = Self {
            address: udp.local_addr().unwrap().into(),
            asked: Arc::default(),
            ids: Arc::default(),
            ports: Arc::default(),
            connections: Arc::default(),
        };
        let see = {
            let (asked, ids) = (Arc::clone(&upstream.asked), Arc::clone(&upstream.ids));
            move |packet: &[u8], over: Over| {
                let query = Message::from_vec(packet).unwrap();
                // a probe (see `probe`) is no question of the test's
                if query.edns.is_some() || !query.metadata.authentic_data {
                    asked[over as usize].fetch_add(1, Ordering::SeqCst);
                    ids.lock().unwrap().push(query.metadata.id);
                }
                query
            }
        };
        let (udp_see, udp_script) = (see.clone(), Arc::clone(&script));
        let ports = Arc::clone(&upstream.ports);
        tokio::spawn(async move {
            let mut packet = [0; 4096];
            while let Ok((len, from)) = udp.recv_from(&mut packet).await {
                ports.lock().unwrap().insert(from);
                for say in udp_script(&udp_see(&packet[..len], Over::Udp), Over::Udp) {
                    match say {
                        Say::Octets(reply) => udp.send_to(&reply, from).await.unwrap(),
                        Say::FromElsewhere(reply) => {
                            let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                            elsewhere.send_to(&reply, from).await.unwrap()
                        }
                        Say::End => 0,
                    };
                }
            }
        });
        let connections = Arc::clone(&upstream.connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (see, script) = (see.clone(), Arc::clone(&script));
                tokio::spawn(async move {
                    // segments of one octet each, for the first few
                    stream.set_nodelay(true).unwrap();
                    while let Ok(len) = stream.read_u16().await {
                        let mut packet = vec![0; len.into()];
                        stream.read_exact(&mut packet).await.unwrap();
                        for say in script(&see(&packet, Over::Tcp), Over::Tcp) {
                            let (Say::Octets(reply) | Say::FromElsewhere(reply)) = say else { return };
                            let len = u16::try_from(reply.len()).unwrap();
                            for octet in len.to_be_bytes() {
                                stream.write_all(&[octet]).await.unwrap();
                            }
                            stream.write_all(&reply).await.unwrap();
                        }
                    }
                });
            }
        });
        upstream
    }

    /// A set of this one.
    pub(super) fn alone(&self) -> &[Upstream] {
        std::slice::from_ref(&self.address)
    }

    pub(super) fn asked(&self, over: Over) -> usize {
        self.asked[over as usize].load(Ordering::SeqCst)
    }
}

/// The reply to `query` with an address, made by another implementation.
pub(super) fn reply(query: &Message, address: [u8; 4]) -> Message {
    let mut reply = error(query, ResponseCode::NoError);
    let owner: Name = query.queries[0].name().clone();
    reply.answers.push(Record::from_rdata(owner, 60, RData::A(A(address.into()))));
    reply
}

/// The reply to `query` without any record.
pub(super) fn error(query: &Message, code: ResponseCode) -> Message {
    let mut reply = query.clone();
    reply.edns = None;
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.response_code = code;
    reply
}

/// Says the message.
pub(super) fn say(message: &Message) -> Vec<Say> {
    vec![Say::Octets(message.to_vec().unwrap())]
}

/// Patience enough for loopback, and short enough to wait for.
pub(super) fn limits() -> Limits {
    let (forward_timeout, forward_deadline) = (Duration::from_millis(200), Duration::from_secs(20));
    Limits { forward_timeout, forward_deadline, ..Limits::default() }
}

pub(super) fn forwarder() -> Forwarder {
    Forwarder::new(&limits())
}

pub(super) fn question() -> Outbound<'static> {
    Outbound {
        name: b"\x03Www\x07example\x00",
        rtype: Rtype::A,
        class: Class::IN,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        dnssec_ok: true,
        edns: true,
        validated: false,
        recorder: None,
    }
}

pub(super) async fn ask(upstreams: &[Upstream]) -> Result<Message, ForwardError> {
    let reply = forwarder().ask(&question(), upstreams).await?;
    Ok(Message::from_vec(&reply).unwrap())
}

pub(super) fn address(reply: &Message) -> String {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

pub(super) async fn silent() -> ScriptedUpstream {
    ScriptedUpstream::start(|_, _| Vec::new()).await
}

pub(super) async fn good() -> ScriptedUpstream {
    ScriptedUpstream::start(|query, _| say(&reply(query, [192, 0, 2, 1]))).await
}

/// True the first time.
#[derive(Default)]
pub(super) struct AtomicOnce(AtomicBool);

impl AtomicOnce {
    pub(super) fn first(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}
