//! The sockets of an address at which zones are taken over.

use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::TransferContext;
use super::outgoing;
use super::request::{Served, TransferAnswer, Way, answer};
use crate::config::Metric;
use crate::descriptors::{Descriptors, SocketOffer};
use crate::serve::bind::{self, BindError, BindPlan, Bound};
use crate::serve::connections::{ConnectionTable, Heartbeat};
use crate::serve::tcp;

/// Longest request: a question, a SOA record and a signature are less.
const REQUEST: usize = 4096;
/// How long nothing is received after the machine ran out of something that receiving needs.
const PAUSE: Duration = Duration::from_millis(100);

/// An open address.
pub(super) struct OpenAddress {
    pub(super) actual: SocketAddr,
    pub(super) offers: [SocketOffer; 2],
}

/// Opens `address` for UDP and TCP, and answers there until the tasks end.
pub(super) fn start(
    address: SocketAddr,
    context: &Arc<TransferContext>,
    descriptors: &Descriptors,
    tasks: &mut JoinSet<()>,
) -> Result<OpenAddress, BindError> {
    let plan = BindPlan { buffer: context.limits.udp_socket_buffer, ..bind::ALONE };
    let Bound { actual, mut udp, tcp: listener, .. } = bind::bind(address, plan, descriptors)?;
    let (udp_failed, tcp_failed) = (|error| BindError::new("UDP", error), |error| BindError::new("TCP", error));
    // a second one that was given is another's copy of it
    udp.truncate(1);
    let udp: StdSocket = udp.pop().ok_or_else(|| udp_failed(io::ErrorKind::NotFound.into()))?.into();
    udp.set_nonblocking(true).map_err(udp_failed)?;
    listener.set_nonblocking(true).map_err(tcp_failed)?;
    let offers = [descriptors.offer(&udp).map_err(udp_failed)?, descriptors.offer(&listener).map_err(tcp_failed)?];
    let udp = UdpSocket::from_std(udp).map_err(udp_failed)?;
    let listener = TcpListener::from_std(listener).map_err(tcp_failed)?;
    tasks.spawn(answer_datagrams(udp, Arc::clone(context)));
    tasks.spawn(accept(listener, Arc::clone(context)));
    Ok(OpenAddress { actual, offers })
}

async fn answer_datagrams(socket: UdpSocket, context: Arc<TransferContext>) {
    // what comes before waits in the socket: a secondary that hears SERVFAIL may not ask again for minutes
    context.zones.first().await;
    let mut packet = vec![0; REQUEST];
    loop {
        let (len, peer) = match socket.recv_from(&mut packet).await {
            Ok(received) => received,
            Err(error) => {
                debug!(%error, "cannot receive requests of secondaries");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let request = packet.get(..len).unwrap_or_default();
        if let TransferAnswer::Message(reply, served) = answer(&context, request, Way::Udp, super::now()) {
            note(&context, served, peer);
            if let Err(error) = socket.send_to(&reply, peer).await {
                debug!(%peer, %error, "a reply could not be sent");
            }
        }
    }
}

async fn accept(listener: TcpListener, context: Arc<TransferContext>) {
    context.zones.first().await;
    let limits = &context.limits;
    let (most, of_client) = (limits.transfer_connections, limits.transfer_connections_per_client);
    let connections = ConnectionTable::new(most, of_client, limits.tcp_idle);
    // they end with this task
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(pause) = tcp::pause_after(&error) {
                    debug!(%error, "cannot accept connections of secondaries");
                    tokio::time::sleep(pause).await;
                }
                continue;
            }
        };
        let refused = |why| context.counters.count_values(Metric::ConnectionsRefused, &["transfer", why]);
        let slot = match connections.admit(peer.ip(), false) {
            Ok(admitted) => {
                if admitted.took_place {
                    refused("displaced");
                }
                admitted.slot
            }
            Err(because) => {
                refused(because.label());
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let context = Arc::clone(&context);
        tasks.spawn(async move {
            let heartbeat = slot.heartbeat();
            tokio::select! {
                ended = serve(stream, peer, &context, &heartbeat) => {
                    if let Err(error) = ended {
                        debug!(%peer, %error, "a connection of a secondary ended");
                    }
                }
                () = slot.taken() => {}
            }
        });
    }
}

/// Answers the requests of one connection, one after the other.
async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    context: &TransferContext,
    heartbeat: &Heartbeat,
) -> io::Result<()> {
    let patience = context.limits.tcp_idle;
    let mut packet = vec![0; REQUEST];
    loop {
        // the time is for a whole request: octets that drip in hold no connection
        let Some(len) = timeout(patience, read_request(&mut stream, &mut packet)).await?? else { return Ok(()) };
        let request = packet.get(..len).unwrap_or_default();
        match answer(context, request, Way::Tcp, super::now()) {
            TransferAnswer::Silent => return Ok(()),
            TransferAnswer::Message(reply, served) => {
                note(context, served, peer);
                if served == Served::Serial {
                    heartbeat.beat();
                }
                let length = (reply.len() as u16).to_be_bytes();
                timeout(patience, stream.write_all(&[&length[..], &reply].concat())).await??;
            }
            TransferAnswer::Zone(request) => {
                heartbeat.beat();
                let (apex, serial, key) = (request.apex.clone(), request.serial, request.secondary.name.clone());
                let sent = outgoing::send(request, &mut stream, patience, || heartbeat.beat()).await;
                let count = |result| context.counters.count_values(Metric::Transfers, &[result]);
                match sent {
                    Ok(sent) => {
                        count("zone");
                        let (records, octets) = (sent.records, sent.octets);
                        debug!(zone = %apex, serial, %key, %peer, records, octets, "a zone was taken over");
                    }
                    Err(error) => {
                        count("broken_off");
                        warn!(zone = %apex, %key, %peer, %error, "a transfer broke off");
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// Reads one request into `packet`, and returns its length; `None`: the other side has ended.
async fn read_request(stream: &mut TcpStream, packet: &mut [u8]) -> io::Result<Option<usize>> {
    let len = match stream.read_u16().await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        len => usize::from(len?),
    };
    let Some(room) = packet.get_mut(..len) else { return Err(io::ErrorKind::InvalidData.into()) };
    stream.read_exact(room).await?;
    Ok(Some(len))
}

/// Counts a message, and logs one whose signature does not hold.
fn note(context: &TransferContext, served: Served, peer: SocketAddr) {
    context.counters.count_values(Metric::Transfers, &[served.as_str()]);
    if served == Served::BadSignature {
        warn!(%peer, "a request at --transfer has a key that is not known, a signature that does not hold, or another time");
    }
}
