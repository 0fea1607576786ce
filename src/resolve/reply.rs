//! What every reply follows, wherever its records come from: size limits, padding, cookies, and how a failure is said.

use super::Incoming;
use super::pad::{pad, pad_vec};
use super::resources::Resources;
use super::subnet::ClientSubnet;
use crate::config::Limits;
use crate::dns::{ExtendedError, Header, HeaderFlags, InfoCode, Rcode};
use crate::forward::relay::{Requestor, relay};
use crate::wire::{MIN_UDP, Query, Transport};

/// Adds what the reply in the first `len` octets of `out` lacks: the network that the question was asked for, and
/// padding; returns its length then.
pub(super) fn finished(
    query: &Query<'_>,
    transport: Transport,
    subnet: Option<&ClientSubnet>,
    out: &mut [u8],
    len: usize,
) -> usize {
    let len = subnet.map_or(len, |subnet| subnet.answer(out, len));
    if wants_padding(query, transport) { pad(out, len) } else { len }
}

/// The same for a reply in a buffer of its own.
pub(super) fn finished_vec(
    query: &Query<'_>,
    transport: Transport,
    subnet: Option<&ClientSubnet>,
    mut reply: Vec<u8>,
) -> Vec<u8> {
    if let Some(subnet) = subnet {
        let len = reply.len();
        reply.resize(len + subnet.octets(), 0);
        let len = subnet.answer(&mut reply, len);
        reply.truncate(len);
    }
    if wants_padding(query, transport) {
        pad_vec(&mut reply);
    }
    reply
}

/// Whether the reply is to be padded (RFC 7830 4): the question was, and the transport is encrypted.
fn wants_padding(query: &Query<'_>, transport: Transport) -> bool {
    transport.is_encrypted() && query.edns.is_some_and(|edns| edns.padding)
}

/// Most octets of a reply: what the client says it takes, and never more than we send (DNS flag day 2020).
pub(super) fn reply_limit(query: &Query<'_>, transport: Transport, limits: &Limits) -> usize {
    match query.edns {
        _ if !transport.is_datagram() => usize::from(u16::MAX),
        None => MIN_UDP,
        // RFC 6891 6.2.3: values below 512 are taken for 512
        Some(edns) => {
            usize::from(edns.payload.min(limits.udp_payload)).max(MIN_UDP).saturating_sub(edns.reserved.into())
        }
    }
}

/// The client to whom an upstream's reply, or one made here, is relayed.
pub(super) fn relay_client<'a>(
    query: &Query<'a>,
    resources: &Resources,
    incoming: Incoming<'_>,
    ede: Option<ExtendedError<'a>>,
) -> Requestor<'a> {
    Requestor {
        id: query.id,
        question: query.question_octets,
        recursion_desired: query.recursion_desired,
        checking_disabled: query.checking_disabled,
        authentic_data: query.authentic_data || query.edns.is_some_and(|edns| edns.dnssec_ok),
        keep_authoritative: false,
        edns: query.edns.map(|edns| edns.dnssec_ok),
        limit: reply_limit(query, incoming.transport, &resources.limits),
        payload: resources.limits.udp_payload,
        cookie: query.edns.and_then(|edns| edns.cookie).map(|cookie| resources.cookie(cookie, incoming.peer.ip())),
        ede,
    }
}

/// SERVFAIL with the reason (RFC 8914).
pub(super) fn failure(
    query: &Query<'_>,
    resources: &Resources,
    incoming: Incoming<'_>,
    code: InfoCode,
    text: &str,
) -> Vec<u8> {
    without_records(query, resources, incoming, Rcode::SERVFAIL, ExtendedError { code, text })
}

/// A reply without records, and the reason for it.
pub(super) fn without_records(
    query: &Query<'_>,
    resources: &Resources,
    incoming: Incoming<'_>,
    rcode: Rcode,
    ede: ExtendedError<'_>,
) -> Vec<u8> {
    let flags = (HeaderFlags::QR | HeaderFlags::RA).with_rcode(rcode);
    let header = Header { flags, questions: 1, ..Header::default() };
    let bare = [&header.octets(), query.question_octets].concat();
    let client = relay_client(query, resources, incoming, Some(ede));
    // a header and the client's own question are always well formed, and always fit
    relay(&bare, &client).unwrap_or(bare)
}
