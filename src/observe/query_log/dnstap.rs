//! dnstap (dnstap.info): protobuf messages, in Frame Streams (farsightsec/fstrm, `fstrm/control.h`).
//!
//! The messages are those of `dnstap.proto`, with the members that a CLIENT_RESPONSE has.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message as _;

use super::AnsweredQuestion;
use super::format;

/// What the frames hold.
pub(super) const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// `Dnstap`
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct DnstapFrame {
    #[prost(bytes = "vec", optional, tag = "1")]
    identity: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    version: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    extra: Option<Vec<u8>>,
    #[prost(message, optional, tag = "14")]
    message: Option<DnstapMessage>,
    /// MESSAGE is 1.
    #[prost(int32, tag = "15")]
    kind: i32,
}

/// `Message`
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct DnstapMessage {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(int32, optional, tag = "2")]
    socket_family: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    socket_protocol: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    query_address: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    response_address: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "6")]
    query_port: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    response_port: Option<u32>,
    #[prost(uint64, optional, tag = "8")]
    query_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "9")]
    query_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "10")]
    query_message: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "12")]
    response_time_sec: Option<u64>,
    #[prost(fixed32, optional, tag = "13")]
    response_time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "14")]
    response_message: Option<Vec<u8>>,
}

/// `Dnstap.Type.MESSAGE`
const MESSAGE: i32 = 1;
/// `Message.Type.CLIENT_RESPONSE`
const CLIENT_RESPONSE: i32 = 6;

/// What writes frames.
pub(super) struct FrameWriter {
    /// Identity and version, which every frame begins with: fields of a message may be encoded one after the other.
    who: Vec<u8>,
}

impl FrameWriter {
    /// For a server of this name.
    pub(super) fn new(identity: &str) -> Self {
        let version = concat!("vpcedns ", env!("CARGO_PKG_VERSION")).as_bytes().to_vec();
        let who = DnstapFrame {
            identity: Some(identity.as_bytes().to_vec()),
            version: Some(version),
            ..DnstapFrame::default()
        };
        Self { who: who.encode_to_vec() }
    }

    /// Writes a question and its reply as one data frame to the end of `out`; `extra` has what only we know, as in a line
    /// of JSON.
    pub(super) fn write(&self, logged: &AnsweredQuestion, out: &mut Vec<u8>) {
        let frame = DnstapFrame {
            extra: serde_json::to_vec(&format::ours(logged)).ok(),
            message: Some(message(logged)),
            kind: MESSAGE,
            ..DnstapFrame::default()
        };
        let len = self.who.len() + frame.encoded_len();
        out.reserve(4 + len);
        out.extend(u32::try_from(len).unwrap_or_default().to_be_bytes());
        out.extend(&self.who);
        frame.encode_raw(out);
    }
}

fn message(logged: &AnsweredQuestion) -> DnstapMessage {
    let address = |at: SocketAddr| match at.ip().to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let (asked_at, asked_nanos) = unix_time(logged.at.checked_sub(logged.took).unwrap_or(logged.at));
    let (told_at, told_nanos) = unix_time(logged.at);
    DnstapMessage {
        kind: CLIENT_RESPONSE,
        // SocketFamily: INET 1, INET6 2
        socket_family: Some(if logged.peer.ip().to_canonical().is_ipv4() { 1 } else { 2 }),
        socket_protocol: Some(logged.transport.dnstap_number()),
        query_address: Some(address(logged.peer)),
        response_address: Some(address(logged.local)),
        query_port: Some(logged.peer.port().into()),
        response_port: Some(logged.local.port().into()),
        query_time_sec: Some(asked_at),
        query_time_nsec: Some(asked_nanos),
        query_message: Some(logged.query.to_vec()),
        response_time_sec: Some(told_at),
        response_time_nsec: Some(told_nanos),
        response_message: Some(logged.reply.to_vec()),
    }
}

fn unix_time(at: SystemTime) -> (u64, u32) {
    let since: Duration = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

/// Control frames of Frame Streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlFrame {
    /// The reader takes this.
    Accept = 1,
    /// Data frames follow.
    Start = 2,
    /// No more follow.
    Stop = 3,
    /// The writer has this.
    Ready = 4,
}

/// `FSTRM_CONTROL_FIELD_CONTENT_TYPE`
const FIELD_CONTENT_TYPE: u32 = 1;

impl ControlFrame {
    /// Its octets: an escape (a data frame of no octets), the length, the type, and the content type where it has one.
    pub(super) fn octets(self) -> Vec<u8> {
        let mut body = (self as u32).to_be_bytes().to_vec();
        if self != Self::Stop {
            body.extend(FIELD_CONTENT_TYPE.to_be_bytes());
            body.extend((CONTENT_TYPE.len() as u32).to_be_bytes());
            body.extend(CONTENT_TYPE);
        }
        let mut octets = 0u32.to_be_bytes().to_vec();
        octets.extend((body.len() as u32).to_be_bytes());
        octets.extend(body);
        octets
    }
}
