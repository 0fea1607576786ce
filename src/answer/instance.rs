//! Instance names: `ip-10-0-1-17.ec2.internal` and its address, both ways, for interfaces of the client's VPC.
//!
//! Route 53 guide, "autodefined rules": they exist where both VPC attributes are on. A reverse zone stands for
//! each /24 of the VPC's blocks and for the private ranges of RFC 1918.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Ask, Data, Reason, Reply, Trace};
use crate::dns::{Rcode, Rtype};
use crate::model::Vpc;
use crate::naming::reverse_octet;

/// An autodefined reverse zone that covers the name asked for.
pub(super) struct ReverseZone<'s> {
    /// How many labels its apex has.
    pub(super) labels: usize,
    vpc: &'s Arc<Vpc>,
    /// The octets that the name says, first one first; four of them are an address.
    octets: [u8; 4],
    len: usize,
    /// False for a name with anything else in it or in front of it.
    well_formed: bool,
}

/// The reverse zone of the client's VPC that covers the name; `None` for other names and VPCs.
pub(super) fn reverse_zone<'s>(ask: &Ask<'s, '_>) -> Option<ReverseZone<'s>> {
    let vpc = ask.client.view.vpc.as_ref().filter(|vpc| vpc.has_private_dns())?;
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

/// How many octets the most specific zone has that covers these: 3 for a /24 of the VPC, 1 or 2 for RFC 1918.
fn zone_octets(vpc: &Vpc, octets: [u8; 4], len: usize) -> Option<usize> {
    let address = Ipv4Addr::from(octets);
    if len >= 3 {
        let [a, b, c, _] = octets;
        let (first, last) = (Ipv4Addr::new(a, b, c, 0), Ipv4Addr::new(a, b, c, 255));
        let of_vpc = vpc.cidr_blocks.iter().any(|cidr| match cidr {
            ipnet::IpNet::V4(net) => net.network() <= last && first <= net.broadcast(),
            ipnet::IpNet::V6(_) => false,
        });
        if of_vpc {
            return Some(3);
        }
    }
    match octets {
        [10, ..] if len >= 1 => Some(1),
        [172, 16..=31, ..] | [192, 168, ..] if len >= 2 && address.is_private() => Some(2),
        _ => None,
    }
}

/// The name of an address.
pub(super) fn reverse<'s, T: Trace>(ask: &Ask<'s, '_>, zone: &ReverseZone<'s>, trace: &mut T) -> Reply<'s> {
    let apex = ask.offset(zone.labels);
    let vpc = zone.vpc;
    trace.step(format_args!("autodefined reverse zone of {}", vpc.vpc_id));
    let none = Reason::NoSuchInstance(vpc);
    if apex == 0 {
        return ask.apex_record(none).unwrap_or_else(|| Reply::negative(Rcode::NOERROR, apex, none));
    }
    let address = Ipv4Addr::from(zone.octets);
    if zone.well_formed && zone.len < 4 {
        // between the apex and its addresses: an empty non-terminal, for resolvers that ask label by label (RFC 9156)
        return Reply::negative(Rcode::NOERROR, apex, none);
    }
    if !zone.well_formed || !ask.snapshot.model.has_address(vpc.vpc_id, address) {
        trace.step(format_args!("{none}"));
        return Reply::negative(Rcode::NXDOMAIN, apex, none);
    }
    let reason = Reason::Instance(vpc);
    trace.step(format_args!("{address} is an address of an interface in {}", vpc.vpc_id));
    match ask.rtype {
        Rtype::PTR | Rtype::ANY => Reply::positive(Data::Ptr(address, vpc), reason),
        _ => Reply::negative(Rcode::NOERROR, apex, reason),
    }
}

/// The address of a name in the zone whose apex is the last `labels` labels.
pub(super) fn forward<'s, T: Trace>(ask: &Ask<'s, '_>, labels: usize, trace: &mut T) -> Reply<'s> {
    let apex = ask.offset(labels);
    // the view has such a zone only for a VPC
    let Some(vpc) = ask.client.view.vpc.as_ref() else { return Reply::refused(Reason::NoUpstream) };
    trace.step(format_args!("autodefined zone of instance names of {}", vpc.vpc_id));
    let none = Reason::NoSuchInstance(vpc);
    if apex == 0 {
        return ask.apex_record(none).unwrap_or_else(|| Reply::negative(Rcode::NOERROR, apex, none));
    }
    let address =
        (ask.name.label_count() == labels + 1).then(|| ask.name.label(0).and_then(instance_address)).flatten();
    let Some(address) = address.filter(|address| ask.snapshot.model.has_address(vpc.vpc_id, *address)) else {
        trace.step(format_args!("{none}"));
        return Reply::negative(Rcode::NXDOMAIN, apex, none);
    };
    let reason = Reason::Instance(vpc);
    trace.step(format_args!("{address} is an address of an interface in {}", vpc.vpc_id));
    match ask.rtype {
        Rtype::A | Rtype::ANY => Reply::positive(Data::Instance(address), reason),
        _ => Reply::negative(Rcode::NOERROR, apex, reason),
    }
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
