//! Who a question is from, where a forwarder says so: EDNS Client Subnet (RFC 7871), from listed networks only.
//!
//! The reply repeats the option with the network's own length as its scope, so that no cache in between gives it to
//! clients of another network (RFC 7871 7.3.1). A network that reaches beyond what belongs to one VPC is nobody's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Incoming;
use super::pad::append;
use super::resources::Resources;
use crate::address::is_within;
use crate::config::Metric;
use crate::dns::{Message, NameBuf, OPTION_HEAD, OptionCode, Rcode, each_option};
use crate::snapshot::{Client, Snapshot};
use crate::wire::{Packet, Query, parse};

/// Octets before the address: family, and two lengths.
const FIXED: usize = 4;

/// The network that a question is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientSubnet {
    /// `None`: the forwarder does not say, with a length of 0 (RFC 7871 7.1.2).
    network: Option<IpNet>,
    family: [u8; 2],
}

/// Whether what `peer` says of its clients is believed.
pub(super) fn is_forwarder(resources: &Resources, peer: IpAddr) -> bool {
    is_within(&resources.ecs_from, peer)
}

/// What a forwarder says of its client; `None`: nothing, or the peer is not believed. An error is the reply's code.
pub(super) fn said_subnet(resources: &Resources, incoming: Incoming<'_>) -> Result<Option<ClientSubnet>, Rcode> {
    if resources.ecs_from.is_empty() || !is_forwarder(resources, incoming.peer.ip()) {
        return Ok(None);
    }
    let mut options = each_option(options_of(incoming.packet)).filter(|(code, _)| *code == OptionCode::CLIENT_SUBNET);
    let Some((_, octets)) = options.next() else { return Ok(None) };
    let subnet = read(octets).filter(|_| options.next().is_none());
    if subnet.is_none() {
        resources.counters.count(Metric::MalformedSubnets);
    }
    // RFC 7871 7.1.2, 11.2
    subnet.map(Some).ok_or(Rcode::FORMERR)
}

/// The EDNS options of a message; without EDNS, none.
pub(super) fn options_of(packet: &[u8]) -> &[u8] {
    Message::parse(packet).map(|message| message.options()).unwrap_or_default()
}

/// Reads the option's data (RFC 7871 6); `None` if it is malformed.
fn read(octets: &[u8]) -> Option<ClientSubnet> {
    let (&[f0, f1, source, scope], address) = octets.split_first_chunk::<FIXED>()?;
    // the scope is the server's to say, and the address has just the octets that the length needs
    if scope != 0 || address.len() != usize::from(source).div_ceil(8) {
        return None;
    }
    let network = match u16::from_be_bytes([f0, f1]) {
        1 => IpNet::new(Ipv4Addr::from(padded::<4>(address)?).into(), source),
        2 => IpNet::new(Ipv6Addr::from(padded::<16>(address)?).into(), source),
        _ => return None,
    };
    // bits behind the length have to be zero
    let network = network.ok().filter(|network| network.addr() == network.network())?;
    Some(ClientSubnet { network: (source > 0).then_some(network), family: [f0, f1] })
}

fn padded<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(all)
}

/// A packet that is known to be a question, with the network that it is asked for.
pub(super) fn read_query<'p>(
    resources: &Resources,
    incoming: Incoming<'p>,
    name: &'p mut NameBuf,
) -> Option<(Query<'p>, Option<ClientSubnet>)> {
    let Packet::Query(mut query) = parse(incoming.packet, name) else { return None };
    let subnet = said_subnet(resources, incoming).ok().flatten();
    keep_room(&mut query, subnet.as_ref());
    Some((query, subnet))
}

/// Keeps room in the reply for the option.
pub(super) fn keep_room(query: &mut Query<'_>, subnet: Option<&ClientSubnet>) {
    if let (Some(subnet), Some(edns)) = (subnet, &mut query.edns) {
        edns.reserved = subnet.octets() as u16;
    }
}

/// Who asks: the network that a forwarder names, else whoever sent the question.
pub(super) fn client_by<'s>(
    snapshot: &'s Snapshot,
    incoming: Incoming<'_>,
    subnet: Option<&ClientSubnet>,
) -> Client<'s> {
    match subnet.and_then(|subnet| subnet.network).filter(|_| incoming.vpc.is_none()) {
        Some(network) => snapshot.client_in(incoming.local, network),
        None => incoming.client(snapshot),
    }
}

impl ClientSubnet {
    /// Its first address; `None` where the forwarder does not say.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.network.map(|network| network.network())
    }

    fn prefix_len(&self) -> u8 {
        self.network.map_or(0, |network| network.prefix_len())
    }

    /// Octets of the option.
    pub(super) fn octets(&self) -> usize {
        OPTION_HEAD + FIXED + usize::from(self.prefix_len()).div_ceil(8)
    }

    /// Adds the option to the reply in the first `len` octets of `out`; returns its length then.
    pub(super) fn answer(&self, out: &mut [u8], len: usize) -> usize {
        let bits = self.prefix_len();
        let mut data = [0; FIXED + 16];
        let [f0, f1, source, scope, address @ ..] = &mut data;
        ([*f0, *f1], *source, *scope) = (self.family, bits, bits);
        match self.network.map(|network| network.network()) {
            Some(IpAddr::V4(v4)) => address.iter_mut().zip(v4.octets()).for_each(|(to, from)| *to = from),
            Some(IpAddr::V6(v6)) => *address = v6.octets(),
            None => {}
        }
        let data = data.get(..self.octets() - OPTION_HEAD).unwrap_or_default();
        append(out, len, OptionCode::CLIENT_SUBNET, data).unwrap_or(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_anything_else_is_malformed() {
        for (octets, network) in [
            (&b"\0\x01\x20\0\x0a\0\x01\x05"[..], Some("10.0.1.5/32")),
            (b"\0\x01\x18\0\x0a\0\x01", Some("10.0.1.0/24")),
            (b"\0\x01\x11\0\x0a\0\x80", Some("10.0.128.0/17")),
            (b"\0\x02\x38\0\xfd\0\0\0\0\0\x01", Some("fd00:0:0:100::/56")),
            (b"\0\x01\x20\x20\x0a\0\x01\x05", None),
            (b"\0\x01\x18\0\x0a\0\x01\x05", None),
            (b"\0\x01\x20\0\x0a\0\x01", None),
            (b"\0\x01\x11\0\x0a\0\xff", None),
            (b"\0\x01\x21\0\x0a\0\x01\x05\0", None),
            (b"\0\x03\x08\0\x0a", None),
            (b"\0\x01\x08", None),
            (b"", None),
        ] {
            let subnet = read(octets);
            assert_eq!(subnet.and_then(|s| s.network).map(|n| n.to_string()).as_deref(), network, "{octets:?}");
        }
        assert_eq!(read(b"\0\x02\0\0"), Some(ClientSubnet { network: None, family: [0, 2] }));
    }
}
