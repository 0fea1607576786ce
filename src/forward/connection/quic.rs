//! Questions over QUIC, each on a stream of its own (RFC 9250 4.2).

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectError, ConnectionError, Endpoint, ReadToEndError, TransportConfig, VarInt};

use super::stream::IDLE;
use super::trust::{Trust, server_name};
use crate::dns::u16_at;
use crate::forward::failure::Failure;
use crate::forward::query::UpstreamQuery;
use crate::forward::standing::Standing;
use crate::forward::udp::any_port;

/// The protocol's name (RFC 9250 4.1.1).
const ALPN: &[u8] = b"doq";
/// Octets of the length before each message (RFC 9250 4.2).
const PREFIX: usize = 2;
/// Longest message.
const MAX_MESSAGE: usize = 65_535;
/// What a stream that was given up is ended with (RFC 9250 4.3, DOQ_REQUEST_CANCELLED).
const CANCELLED: VarInt = VarInt::from_u32(3);

/// An open connection; clones ask on the same one. Closed by the other side, or when nothing came for a while.
#[derive(Clone)]
pub(super) struct QuicConnection(quinn::Connection);

impl QuicConnection {
    /// Shakes hands with `upstream`.
    pub(super) async fn open(standing: &Standing, trust: &Trust) -> Result<Self, Failure> {
        let upstream = &standing.upstream;
        let name = server_name(upstream)?;
        let local = |error: String| Failure::Local(error);
        let tls = QuicClientConfig::try_from(trust.client(ALPN)?).map_err(|error| local(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(tls));
        let mut transport = TransportConfig::default();
        let idle = Duration::try_into(IDLE).map_err(|_| local("no idle time".to_owned()))?;
        // the other side opens no streams (RFC 9250 4.2)
        transport.max_idle_timeout(Some(idle)).max_concurrent_bidi_streams(0_u8.into());
        transport.max_concurrent_uni_streams(0_u8.into());
        config.transport_config(Arc::new(transport));
        // a socket of its own, so that the port is as random as all others
        let endpoint = standing.open(|source| Endpoint::client(any_port(source, upstream.address)))?;
        let connecting = endpoint.connect_with(config, upstream.address, &name.to_str());
        let connecting = connecting.map_err(|error: ConnectError| local(error.to_string()))?;
        Ok(Self(connecting.await.map_err(failure)?))
    }

    /// Whether it takes questions.
    pub(super) fn is_open(&self) -> bool {
        self.0.close_reason().is_none()
    }

    /// The reply to the query.
    pub(super) async fn ask(&self, query: &UpstreamQuery) -> Result<Vec<u8>, Failure> {
        let (mut sender, receiver) = self.0.open_bi().await.map_err(failure)?;
        let mut receiver = Receiver(receiver);
        let len = query.octets().len() as u16;
        let framed = [&len.to_be_bytes(), query.octets()].concat();
        sender.write_all(&framed).await.map_err(|_| Failure::Closed)?;
        // RFC 9250 4.2: the end of the stream says that there is no more
        sender.finish().map_err(|_| Failure::Closed)?;
        let reply = receiver.0.read_to_end(PREFIX + MAX_MESSAGE).await;
        let mut reply = reply.map_err(|error| match error {
            ReadToEndError::TooLong => Failure::Malformed,
            ReadToEndError::Read(_) => Failure::Closed,
        })?;
        match u16_at(&reply, 0) {
            Some(len) if reply.len() >= PREFIX + usize::from(len) => {
                reply.truncate(PREFIX + usize::from(len));
                reply.drain(..PREFIX);
                Ok(reply)
            }
            _ => Err(Failure::Malformed),
        }
    }
}

/// Tells the other side when nobody waits any more.
struct Receiver(quinn::RecvStream);

impl Drop for Receiver {
    fn drop(&mut self) {
        // an error says that all has been read
        let _ = self.0.stop(CANCELLED);
    }
}

fn failure(error: ConnectionError) -> Failure {
    match error {
        ConnectionError::TimedOut => Failure::TimedOut,
        ConnectionError::TransportError(error) => Failure::Untrusted(error.to_string()),
        ConnectionError::CidsExhausted => Failure::Local(error.to_string()),
        _ => Failure::Closed,
    }
}
