//! Instance names: `ip-10-0-1-17.ec2.internal` and its address, both ways, for interfaces of the client's VPC.
//!
//! Route 53 guide, "autodefined rules": they exist where both VPC attributes are on. Reverse zones stand at the ends of
//! octets: one for a /8, /16 or /24 of the VPC's blocks, several for what lies between, and for the private ranges of
//! RFC 1918. Names of interfaces that nobody told us of are asked elsewhere only where somebody can know them: a rule
//! covers the name, or the resolvers are private (an exception of invariant I8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{Ask, Data, Decision, Forward, Found, Reason, Reply, Trace};
use crate::dns::{Rcode, Rtype};
use crate::model::{HostRecords, Vpc};
use crate::naming::reverse_octet;

/// An autodefined reverse zone that covers the name asked for.
pub(super) struct ReverseZone<'s> {
    /// How many labels its apex has.
    pub(super) labels: usize,
    pub(super) vpc: &'s Arc<Vpc>,
    /// The octets that the name says, first one first; four of them are an address.
    octets: [u8; 4],
    len: usize,
    /// False for a name with anything else in it or in front of it.
    well_formed: bool,
}

/// The reverse zone of the client's VPC that covers the name; `None` for other names and VPCs.
pub(super) fn reverse_zone<'s>(ask: &Ask<'s, '_>) -> Option<ReverseZone<'s>> {
    let vpc = ask.client.view.vpc.as_ref().filter(|vpc| vpc.has_private_dns() && vpc.autodefined_reverse)?;
    if ask.name.suffix(2) != b"\x07in-addr\x04arpa\x00" || ask.name.label_count() < 3 {
        return None;
    }
    let mut octets = [0u8; 4];
    let mut len = 0;
    let mut well_formed = ask.name.label_count() <= 6;
    for at in (0..ask.name.label_count() - 2).rev().take(4) {
        let Some(octet) = ask.name.label(at).and_then(reverse_octet) else {
            well_formed = false;
            break;
        };
        *octets.get_mut(len)? = octet;
        len += 1;
    }
    let labels = 2 + zone_octets(vpc, octets, len)?;
    Some(ReverseZone { labels, vpc, octets, len, well_formed })
}

/// How many octets the most specific zone has that covers these.
///
/// A block of 8, 16 or 24 bits is one zone; one of 23 bits is two of 24, one of 28 bits is in one of 24.
fn zone_octets(vpc: &Vpc, octets: [u8; 4], len: usize) -> Option<usize> {
    let address = Ipv4Addr::from(octets);
    let of_block = |cidr: &ipnet::IpNet| {
        let ipnet::IpNet::V4(net) = cidr else { return None };
        let zone = match net.prefix_len() {
            0..=8 => 1,
            9..=16 => 2,
            _ => 3,
        };
        // the first and the last address of the zone that this name would be in
        let rest = u32::MAX.checked_shr(8 * zone as u32).unwrap_or(0);
        let (first, last) = (address.to_bits() & !rest, address.to_bits() | rest);
        let overlaps = net.network().to_bits() <= last && first <= net.broadcast().to_bits();
        (zone <= len && overlaps).then_some(zone)
    };
    let of_vpc = vpc.cidr_blocks.iter().filter_map(of_block).max();
    let of_rfc_1918 = match octets {
        [10, ..] if len >= 1 => Some(1),
        [172, 16..=31, ..] | [192, 168, ..] if len >= 2 && address.is_private() => Some(2),
        _ => None,
    };
    of_vpc.max(of_rfc_1918)
}

/// The name of an address.
pub(super) fn reverse<'s, T: Trace>(ask: &Ask<'s, '_>, zone: &ReverseZone<'s>, trace: &mut T) -> Found<'s> {
    let apex = ask.offset(zone.labels);
    let vpc = zone.vpc;
    trace.step(format_args!("autodefined reverse zone of {}", vpc.vpc_id));
    let none = Reason::NoSuchInstance(vpc);
    if apex == 0 {
        let own = ask.apex_record(none);
        return Found::Reply(own.unwrap_or_else(|| Reply::negative(Rcode::NOERROR, apex, none)));
    }
    let address = Ipv4Addr::from(zone.octets);
    if zone.well_formed && zone.len < 4 {
        // between the apex and its addresses: an empty non-terminal, for resolvers that ask label by label (RFC 9156)
        return Found::Reply(Reply::negative(Rcode::NOERROR, apex, none));
    }
    if !zone.well_formed {
        trace.step(format_args!("{none}"));
        return Found::Reply(Reply::negative(Rcode::NXDOMAIN, apex, none));
    }
    if !ask.snapshot.model.has_address(vpc.vpc_id, address) {
        return Found::UnknownInstance(vpc);
    }
    let reason = Reason::Instance(vpc);
    trace.step(format_args!("{address} is an address of an interface in {}", vpc.vpc_id));
    let name = ask.snapshot.model.host_names(vpc.vpc_id).and_then(|hosts| hosts.name_of(address.into()));
    Found::Reply(match ask.rtype {
        Rtype::PTR | Rtype::ANY => Reply::positive(name.map_or(Data::Ptr(address, vpc), Data::PtrTo), reason),
        _ => Reply::negative(Rcode::NOERROR, apex, reason),
    })
}

/// The name of an IPv6 address of an instance; `None` for all other names, as there is no autodefined zone of them.
pub(super) fn reverse_ipv6<'s, T: Trace>(ask: &Ask<'s, '_>, trace: &mut T) -> Option<Reply<'s>> {
    let vpc = ask.client.view.vpc.as_ref().filter(|vpc| vpc.has_private_dns() && vpc.autodefined_reverse)?;
    let hosts = ask.snapshot.model.host_names(vpc.vpc_id)?;
    let name = hosts.name_of(IpAddr::V6(ipv6_of(ask)?))?;
    let reason = Reason::Instance(vpc);
    trace.step(format_args!("{name} has the address"));
    Some(match ask.rtype {
        Rtype::PTR | Rtype::ANY => Reply::positive(Data::PtrTo(name), reason),
        _ => Reply::negative(Rcode::NOERROR, 0, reason),
    })
}

/// The address that a name of 34 labels below `ip6.arpa` stands for (RFC 3596 2.5).
fn ipv6_of(ask: &Ask<'_, '_>) -> Option<Ipv6Addr> {
    if ask.name.label_count() != 34 || ask.name.suffix(2) != b"\x03ip6\x04arpa\x00" {
        return None;
    }
    let mut bits = 0u128;
    for at in (0..32).rev() {
        let [digit] = ask.name.label(at)? else { return None };
        bits = bits << 4 | u128::from(char::from(*digit).to_digit(16)?);
    }
    Some(Ipv6Addr::from_bits(bits))
}

/// The address of a name in the zone whose apex is the last `labels` labels.
pub(super) fn forward<'s, T: Trace>(ask: &Ask<'s, '_>, labels: usize, trace: &mut T) -> Found<'s> {
    let apex = ask.offset(labels);
    // the view has such a zone only for a VPC
    let Some(vpc) = ask.client.view.vpc.as_ref() else { return Found::Nothing(None) };
    trace.step(format_args!("autodefined zone of instance names of {}", vpc.vpc_id));
    let none = Reason::NoSuchInstance(vpc);
    if apex == 0 {
        let own = ask.apex_record(none);
        return Found::Reply(own.unwrap_or_else(|| Reply::negative(Rcode::NOERROR, apex, none)));
    }
    let model = &ask.snapshot.model;
    let known = model.host_names(vpc.vpc_id).and_then(|hosts| hosts.records(ask.name.wire()));
    if let Some((name, records)) = known {
        trace.step(format_args!("{name} is an interface in {}", vpc.vpc_id));
        return Found::Reply(records_of(ask, records, apex, Reason::Instance(vpc)));
    }
    let one_label = ask.name.label_count() == labels + 1;
    let address = ask.name.label(0).filter(|_| one_label).and_then(instance_address);
    let Some(address) = address.filter(|address| model.has_address(vpc.vpc_id, *address)) else {
        if one_label && ask.name.label(0).is_some_and(is_instance_label) {
            return Found::UnknownInstance(vpc);
        }
        trace.step(format_args!("{none}"));
        return Found::Reply(Reply::negative(Rcode::NXDOMAIN, apex, none));
    };
    trace.step(format_args!("{address} is an address of an interface in {}", vpc.vpc_id));
    let records = HostRecords { ipv4: Some(address), ..HostRecords::default() };
    Found::Reply(records_of(ask, records, apex, Reason::Instance(vpc)))
}

/// The public name of an interface of the VPC, which leads to its private address there (VPC guide, "DNS attributes").
pub(super) fn public<'s, T: Trace>(ask: &Ask<'s, '_>, trace: &mut T) -> Found<'s> {
    let Some(vpc) = ask.client.view.vpc.as_ref() else { return Found::Nothing(None) };
    let hosts = ask.snapshot.model.host_names(vpc.vpc_id);
    let Some((name, records)) = hosts.and_then(|hosts| hosts.records(ask.name.wire())) else {
        return Found::Nothing(None);
    };
    trace.step(format_args!("{name} is the public name of an interface in {}", vpc.vpc_id));
    Found::Reply(records_of(ask, records, 0, Reason::PublicInstance(vpc)))
}

/// An interface that nobody told us of: asked where somebody can know it, else denied.
pub(super) fn unknown<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    vpc: &'s Vpc,
    labels: usize,
    private_only: bool,
    recursion_desired: bool,
    trace: &mut T,
) -> Decision<'s> {
    let upstreams = &ask.snapshot.policy.upstreams;
    if ask.snapshot.knows_instances() && !private_only {
        if !recursion_desired {
            return Decision::Reply(Reply::refused(Reason::NoRecursion));
        }
        let reason = Reason::UnknownInstance(vpc);
        trace.step(format_args!("{reason}"));
        return Decision::Forward(Forward { chain: Vec::new(), name: None, upstreams, reason });
    }
    let reason = Reason::NoSuchInstance(vpc);
    trace.step(format_args!("{reason}, and no rule or private resolver may know it"));
    Decision::Reply(Reply::negative(Rcode::NXDOMAIN, ask.offset(labels), reason))
}

/// The record of the type, or NODATA with the SOA of the zone that begins at octet `zone` of the name.
fn records_of<'s>(ask: &Ask<'s, '_>, records: HostRecords, zone: usize, reason: Reason<'s>) -> Reply<'s> {
    match (ask.rtype, records) {
        (Rtype::A | Rtype::ANY, HostRecords { ipv4: Some(address), .. }) => {
            Reply::positive(Data::Instance(address), reason)
        }
        (Rtype::AAAA | Rtype::ANY, HostRecords { ipv6: Some(address), .. }) => {
            Reply::positive(Data::Instance6(address), reason)
        }
        _ => Reply::negative(Rcode::NOERROR, zone, reason),
    }
}

/// Whether a label can be an instance's: `ip-10-0-1-17` or `i-0123456789abcdef0`.
fn is_instance_label(label: &[u8]) -> bool {
    let is_hex = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
    let resource = label.strip_prefix(b"i-").is_some_and(|hex| matches!(hex.len(), 8 | 17) && hex.iter().all(is_hex));
    resource || instance_address(label).is_some()
}

/// The address in `ip-10-0-1-17`.
fn instance_address(label: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = label.strip_prefix(b"ip-")?.split(|b| *b == b'-').map(reverse_octet);
    let address = [octets.next()??, octets.next()??, octets.next()??, octets.next()??];
    octets.next().is_none().then(|| Ipv4Addr::from(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_instances() {
        for good in [&b"ip-10-0-1-17"[..], b"i-0a1b2c3d4e5f60301", b"i-1a2b3c4d"] {
            assert!(is_instance_label(good), "{good:?}");
        }
        for bad in [&b"i-"[..], b"i-0a1b2c3d4e5f6030", b"i-0A1b2c3d4e5f60301", b"ip-1-2-3", b"www"] {
            assert!(!is_instance_label(bad), "{bad:?}");
        }
    }

    #[test]
    fn instance_labels() {
        assert_eq!(instance_address(b"ip-10-0-1-17"), Some(Ipv4Addr::new(10, 0, 1, 17)));
        for bad in [
            &b"ip-10-0-1"[..],
            b"ip-10-0-1-17-1",
            b"ip-10-0-1-256",
            b"ip-10-0-01-17",
            b"ip-10-0-1-+7",
            b"ip-10-0-1-",
            b"10-0-1-17",
        ] {
            assert_eq!(instance_address(bad), None, "{bad:?}");
        }
    }
}
