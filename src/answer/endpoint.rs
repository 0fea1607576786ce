//! Endpoint hostnames and the public zones they are in.

use super::chosen::chosen;
use super::decision::Addresses;
use super::{Ask, Data, Reason, Reply, TTL, Trace, show};
use crate::dns::{DnsName, Rcode, Rtype};
use crate::model::{Endpoint, Interface, ZoneIndex};
use crate::naming::{self, Service};

/// The answer to a regional, zonal or `*.` name of an endpoint that is known here; `None` for all other names.
///
/// Names are not stored: the label is taken apart, and what it says is compared with the endpoint.
pub(super) fn find<'s, T: Trace>(ask: &Ask<'s, '_>, trace: &mut T) -> Option<Reply<'s>> {
    let model = &ask.snapshot.model;
    let at = (0..ask.name.label_count()).find(|at| ask.name.label(*at).is_some_and(|l| l.starts_with(b"vpce-")))?;
    let Some(label) = naming::parse_label(ask.name.label(at)?) else { return resource(ask, at, trace) };
    let endpoint = model.endpoint(label.id)?;
    let service = model.service(endpoint);
    if label.suffix != endpoint.suffix || ask.name.behind(at) != service.base.wire() {
        return None;
    }
    trace.step(format_args!(
        "{} is a name of {} ({}), the same for every client",
        ask.name, endpoint.id, service.service_name
    ));
    let zone = ask.name.wire().len() - service.zone.wire().len();
    if !endpoint.is_served() {
        let reason = Reason::NotServed(endpoint);
        trace.step(format_args!("{reason}: its names do not exist"));
        return Some(Reply::negative(Rcode::NXDOMAIN, zone, reason));
    }
    let no_such_name = || Reply::negative(Rcode::NXDOMAIN, zone, Reason::NoSuchEndpointName(endpoint));
    if at > 0 && !service.wildcard {
        trace.step(format_args!("names below it exist for S3 only"));
        return Some(no_such_name());
    }
    let in_zone = |i: &&Interface| {
        let of_zone = |zone| model.zone(i).as_str().as_bytes() == zone && model.has_zonal_name(endpoint, i);
        label.zone.is_none_or(of_zone)
    };
    let Some(interface) = endpoint.interfaces.iter().find(in_zone) else {
        if endpoint.is_regional_only() {
            trace.step(format_args!(
                "it has no zonal names (PrivateLink guide, \"Cross-Region access\", or its DnsEntries)"
            ));
        } else {
            trace.step(format_args!("it has no interface in that zone, or no name for it in its DnsEntries"));
        }
        return Some(no_such_name());
    };
    let interface = label.zone.map(|_| interface.zone);
    Some(addresses(ask, endpoint, interface, false, zone, Reason::EndpointName(endpoint), trace))
}

/// The answer to a name of a resource endpoint, which is known as a whole.
#[cold]
fn resource<'s, T: Trace>(ask: &Ask<'s, '_>, at: usize, trace: &mut T) -> Option<Reply<'s>> {
    let model = &ask.snapshot.model;
    let endpoint = model.endpoint(naming::leading_id(ask.name.label(at)?)?)?;
    let service = model.service(endpoint);
    let is_own = at == 0 && service.own_names.iter().any(|name| name.wire() == ask.name.wire());
    is_own.then_some(())?;
    trace.step(format_args!(
        "{} is a name of {} ({}), the same for every client",
        ask.name, endpoint.id, service.service_name
    ));
    let zone = ask.name.wire().len() - ask.name.behind(at).len();
    if !endpoint.is_served() {
        let reason = Reason::NotServed(endpoint);
        trace.step(format_args!("{reason}: its names do not exist"));
        return Some(Reply::negative(Rcode::NXDOMAIN, zone, reason));
    }
    Some(addresses(ask, endpoint, None, false, zone, Reason::EndpointName(endpoint), trace))
}

/// An endpoint's addresses, or NODATA with the SOA of the zone that begins at octet `zone` of the name.
pub(super) fn addresses<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    endpoint: &'s Endpoint,
    interface: Option<ZoneIndex>,
    private: bool,
    zone: usize,
    reason: Reason<'s>,
    trace: &mut T,
) -> Reply<'s> {
    let of = Addresses::new(endpoint, interface, ask.rotation);
    let has_a = || endpoint.has_a() && of.iter().any(|i| i.ipv4().is_some());
    let has_aaaa = || endpoint.has_aaaa(private) && of.iter().any(|i| i.ipv6().is_some());
    let data = match ask.rtype {
        // for ANY one record set is enough (RFC 8482 4.1)
        Rtype::A | Rtype::ANY if has_a() => Data::A(of),
        Rtype::AAAA | Rtype::ANY if has_aaaa() => Data::Aaaa(of),
        _ => {
            // never NXDOMAIN: musl takes it for the whole name; never forwarded: it would leak the public address
            trace.step(format_args!(
                "{reason}: it has no records of that type (dns_record_ip_type is {})",
                endpoint.record_ip_type
            ));
            return Reply::negative(Rcode::NOERROR, zone, reason);
        }
    };
    trace.step(format_args!("{reason}: the addresses of its interfaces"));
    let data = if ask.snapshot.chooses_addresses() { chosen(ask, of, data, trace) } else { data };
    Reply::positive(data, reason)
}

/// Other names in a public zone when there is no upstream to ask: what is between the zone and its endpoints exists.
pub(super) fn public_zone<'s, T: Trace>(ask: &Ask<'s, '_>, zone: usize, trace: &mut T) -> Reply<'s> {
    let reason = Reason::PublicZone;
    trace.step(format_args!("{reason}: the zone is {}", show(ask.name.wire().get(zone..).unwrap_or(&[0]))));
    // `vpce.<suffix>` itself: to deny it would deny everything below it (RFC 8020 2)
    let above = ask.name.label(0) == Some(b"vpce") && zone == 0;
    let exists = above || DnsName::from_wire(ask.name.wire()).is_some_and(|name| ask.snapshot.is_public_name(&name));
    if !exists {
        return Reply::negative(Rcode::NXDOMAIN, zone, reason);
    }
    let apex = if zone == 0 { ask.apex_record_for(TTL, reason) } else { None };
    apex.unwrap_or_else(|| Reply::negative(Rcode::NOERROR, zone, reason))
}

/// The service of an endpoint in a reason's words.
pub(super) fn describe(service: &Service) -> impl std::fmt::Display + '_ {
    &service.service_name
}
