//! What every reply follows, wherever its records come from: size limits, padding, cookies, and how a failure is said.

use super::Incoming;
use super::pad::{pad, pad_vec};
use super::resources::Resources;
use crate::answer::Rcode;
use crate::config::Limits;
use crate::forward::message::flag;
use crate::forward::relay::{Client, Ede, relay};
use crate::wire::{HEADER, MIN_UDP, Query, Transport};

/// Pads the reply in the first `len` octets where it is to be; returns its length then.
pub(super) fn padded(query: &Query<'_>, transport: Transport, out: &mut [u8], len: usize) -> usize {
    if wants_padding(query, transport) { pad(out, len) } else { len }
}

/// The same for a reply in a buffer of its own.
pub(super) fn padded_vec(query: &Query<'_>, transport: Transport, mut reply: Vec<u8>) -> Vec<u8> {
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
        Some(edns) => usize::from(edns.payload.min(limits.udp_payload)).max(MIN_UDP),
    }
}

/// The client to whom an upstream's reply, or one made here, is relayed.
pub(super) fn relay_client<'a>(
    query: &Query<'a>,
    resources: &Resources,
    incoming: Incoming<'_>,
    ede: Option<Ede<'a>>,
) -> Client<'a> {
    Client {
        id: query.id,
        question: query.question_octets,
        recursion_desired: query.recursion_desired,
        checking_disabled: query.checking_disabled,
        authentic_data: query.authentic_data || query.edns.is_some_and(|edns| edns.dnssec_ok),
        keep_authoritative: false,
        edns: query.edns.map(|edns| edns.dnssec_ok),
        limit: reply_limit(query, incoming.transport, &resources.limits),
        cookie: query.edns.and_then(|edns| edns.cookie).map(|cookie| resources.cookie(cookie, incoming.peer.ip())),
        ede,
    }
}

/// SERVFAIL with the reason (RFC 8914).
pub(super) fn failure(
    query: &Query<'_>,
    resources: &Resources,
    incoming: Incoming<'_>,
    code: u16,
    text: &str,
) -> Vec<u8> {
    without_records(query, resources, incoming, Rcode::ServFail, Ede { code, text })
}

/// A reply without records, and the reason for it.
pub(super) fn without_records(
    query: &Query<'_>,
    resources: &Resources,
    incoming: Incoming<'_>,
    rcode: Rcode,
    ede: Ede<'_>,
) -> Vec<u8> {
    let mut bare = vec![0; HEADER];
    bare.extend_from_slice(query.question_octets);
    let flags = flag::QR | flag::RA | rcode as u16;
    for (to, field) in bare.chunks_exact_mut(2).zip([0, flags, 1, 0, 0, 0]) {
        to.copy_from_slice(&field.to_be_bytes());
    }
    let client = relay_client(query, resources, incoming, Some(ede));
    // a header and the client's own question are always well formed, and always fit
    relay(&bare, &client).unwrap_or(bare)
}
