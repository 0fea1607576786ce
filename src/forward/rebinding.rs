//! Replies of upstreams that would lead a browser into the client's own network (DNS rebinding).
//!
//! A page from `evil.example` may talk to `evil.example`: let that name have a private address, and the page talks to
//! a machine behind the firewall. So no public name gets a private address from an upstream. Two kinds of names are
//! known here not to be public: those of endpoints (`vpce.<suffix>`: AWS publishes their private addresses to all the
//! world), and `rebind_allow`. The caller knows the others: those of hosted zones, and those of FORWARD rules.
//!
//! The name that counts is the client's question: it is the origin that a page has, wherever aliases lead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dns::{Message, NameRef, Record, Rtype, read_name, u16_at};
use crate::snapshot::{Policy, public_zone};

/// Whether no reply to a question for `name` may hold a [`private_address`].
pub fn is_guarded(policy: &Policy, name: &NameRef<'_>) -> bool {
    let allowed =
        || public_zone(name.wire(), name.starts()).is_some() || policy.rebind_allow.covering(name.wire()).is_some();
    policy.rebind_protection && !allowed()
}

/// The first private address in a reply, in whatever section: in A and AAAA, and in the hints of SVCB and HTTPS (RFC 9460
/// 7.3), which browsers use too.
pub fn private_address(reply: &Message<'_>) -> Option<IpAddr> {
    let octets = reply.octets();
    reply.records().find_map(|record| {
        let data = octets.get(record.rdata.clone()).unwrap_or_default();
        match record.rtype {
            Rtype::A => private_v4(data),
            Rtype::AAAA => private_v6(data),
            Rtype::SVCB | Rtype::HTTPS => private_hint(octets, &record),
            _ => None,
        }
    })
}

fn private_v4(data: &[u8]) -> Option<IpAddr> {
    data.as_chunks().0.iter().map(|octets: &[u8; 4]| Ipv4Addr::from(*octets).into()).find(is_private)
}

fn private_v6(data: &[u8]) -> Option<IpAddr> {
    data.as_chunks().0.iter().map(|octets: &[u8; 16]| Ipv6Addr::from(*octets).into()).find(is_private)
}

/// RFC 9460 2.2: priority, target, and then parameters: key, length, value. Ends at the first that is malformed.
fn private_hint(octets: &[u8], record: &Record) -> Option<IpAddr> {
    let (_, mut at) = read_name(octets, record.rdata.start + 2)?;
    while at < record.rdata.end {
        let (key, len) = (u16_at(octets, at)?, usize::from(u16_at(octets, at + 2)?));
        let value = octets.get(at + 4..at + 4 + len)?;
        let found = match key {
            // RFC 9460 14.3.2: ipv4hint, ipv6hint
            4 => private_v4(value),
            6 => private_v6(value),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        at += 4 + len;
    }
    None
}

/// Whether an address is this machine's or only means something inside of a network.
fn is_private(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // RFC 1122 3.2.1.3: "this" network, which many systems take for this machine
            first == 0
                || address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                // shared addresses of providers (RFC 6598)
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests;
