//! Private hosted zones: RFC 1034 4.3.2 with the wildcards of RFC 4592.

use std::borrow::Cow;
use std::net::IpAddr;

use super::decision::Addresses;
use super::{
    AliasFound, Ask, AuthoritySection, Data, Decision, Forward, Found, Part, Reason, Reply, Trace, dname, endpoint,
};
use crate::dns::{DnsName, MAX_NAME_LEN, Rcode, Rtype, address_of};
use crate::model::{HostedZone, Interface, Mode, Node, Rrset};

/// Asks the hosted zone whose apex is the last `labels` labels of the name.
pub(super) fn find<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    zone: &'s HostedZone,
    labels: usize,
    recursion_desired: bool,
    trace: &mut T,
) -> Found<'s> {
    match find_in(ask, zone, labels, recursion_desired, trace) {
        Found::Reply(reply) => Found::Reply(reply.with_soa_of(zone)),
        other => other,
    }
}

fn find_in<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    zone: &'s HostedZone,
    labels: usize,
    recursion_desired: bool,
    trace: &mut T,
) -> Found<'s> {
    trace.step(format_args!("the hosted zone {} is the most specific one", zone.name));
    let apex = ask.offset(labels);
    let count = ask.name.label_count();
    if zone.has_dname
        && labels < count
        && let Some(found) = dname::find(ask, zone, labels, trace)
    {
        return found;
    }
    // walk down from the apex as far as names exist (step 3): the last one is the closest encloser (RFC 4592 3.3.1)
    let mut encloser = labels;
    for depth in labels + 1..=count {
        let Some(node) = zone.node(ask.name.suffix(depth)) else { break };
        encloser = depth;
        if let Some(cut) = node.rrset(Rtype::NS) {
            let is_cut_itself = depth == count;
            if !(is_cut_itself && ask.rtype == Rtype::DS) {
                if let Some(followed) = follow(ask, zone, cut, recursion_desired, trace) {
                    return Found::Decision(followed);
                }
                return Found::Reply(referral(zone, cut, ask.name.suffix(depth), recursion_desired, trace));
            }
        }
        // RFC 1034 4.3.2 step 3c, as RFC 6672 3.2 has it: names below, and not the DNAME's own
        if zone.has_dname
            && depth < count
            && let Some(found) = dname::find(ask, zone, depth, trace)
        {
            return found;
        }
    }
    if encloser == count {
        let node = zone.node(ask.name.wire());
        return node
            .map_or(Found::Nothing(None), |node| at_node(ask, zone, node, apex, Reason::HostedZone(zone), trace));
    }
    if let Some(node) = wildcard(zone, ask.name.suffix(encloser)) {
        trace.step(format_args!("its wildcard below {} covers the name", super::show(ask.name.suffix(encloser))));
        return at_node(ask, zone, node, apex, Reason::Wildcard(zone), trace);
    }
    if zone.mode == Mode::Overlay {
        trace.step(format_args!("{} is not in it, and its mode is overlay: what is below it decides", ask.name));
        return Found::Nothing(None);
    }
    let reason = Reason::NotInHostedZone(zone);
    trace.step(format_args!("{reason}"));
    Found::Reply(Reply::negative(Rcode::NXDOMAIN, apex, reason))
}

/// `*.<encloser>`, the only wildcard that can cover a name whose closest encloser this is (RFC 4592 3.3.1).
fn wildcard<'s>(zone: &'s HostedZone, encloser: &[u8]) -> Option<&'s Node> {
    let mut name = [0u8; MAX_NAME_LEN];
    let len = encloser.len() + 2;
    name.get_mut(..2)?.copy_from_slice(b"\x01*");
    name.get_mut(2..len)?.copy_from_slice(encloser);
    zone.node(name.get(..len)?)
}

/// The cut at or above a name of a zone: its name, and its NS records.
pub fn delegation<'z>(zone: &'z HostedZone, name: &DnsName) -> Option<(&'z DnsName, &'z Rrset)> {
    let mut wire = name.wire();
    let mut found = None;
    // the topmost one holds, and that of the apex is none
    while wire != zone.name.wire() {
        let cut = zone.node(wire).and_then(|node| node.rrset(Rtype::NS));
        found = cut.and_then(|cut| Some((zone.name_of(wire)?, cut))).or(found);
        let skipped = usize::from(*wire.first()?) + 1;
        wire = wire.get(skipped..).filter(|rest| !rest.is_empty())?;
    }
    found
}

/// The addresses that a zone has of a name server.
pub fn glue(zone: &HostedZone, server: &DnsName) -> Vec<IpAddr> {
    let sets = [Rtype::A, Rtype::AAAA].into_iter().filter_map(|rtype| zone.node(server.wire())?.rrset(rtype));
    sets.flat_map(|set| set.rdata.iter().filter_map(|data| address_of(data))).collect()
}

/// Others are asked where a rule of the client's has the delegation followed.
fn follow<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    zone: &'s HostedZone,
    cut: &'s Rrset,
    recursion_desired: bool,
    trace: &mut T,
) -> Option<Decision<'s>> {
    let targets = cut.rdata.iter().filter_map(|data| DnsName::from_wire(data));
    let rule = targets.filter(|_| recursion_desired).find_map(|target| ask.client.view.delegates_to(&target))?;
    let reason = Reason::DelegateRule(rule, zone);
    trace.step(format_args!("{reason}"));
    let upstreams = &ask.snapshot.policy.upstreams;
    Some(Decision::Forward(Forward { chain: Vec::new(), name: None, upstreams, reason }))
}

/// RFC 1034 4.3.2 step 3b: the name is, or is below, a cut.
///
/// A resolver gets the referral. A stub would take it for a name without records, so it is told that it gets no answer:
/// Route 53's own resolver follows a delegation of a private zone only where a DELEGATE rule says so (Route 53 guide,
/// "Resolver delegation rules").
fn referral<'s, T: Trace>(
    zone: &'s HostedZone,
    cut: &'s Rrset,
    wire: &[u8],
    recursion_desired: bool,
    trace: &mut T,
) -> Reply<'s> {
    let reason = Reason::Delegated(zone);
    trace.step(format_args!("{reason} at {}", super::show(wire)));
    if recursion_desired {
        trace.step(format_args!("the client wants an answer (RD is set), and nothing here follows the delegation"));
        return Reply::failed(reason);
    }
    let authority = zone.name_of(wire).map_or(AuthoritySection::None, |owner| AuthoritySection::Cut(owner, cut));
    Reply { authority, ..Reply::empty(reason) }
}

/// An alias of the name in question.
fn alias<'s>(data: Data<'s>, target: &'s DnsName, reason: Reason<'s>) -> Found<'s> {
    let part = Part { owner: None, data };
    Found::Alias(AliasFound { dname: None, part, target: Cow::Borrowed(target), reason })
}

/// What a name has for clients in the zone of this one, or for all others.
#[cold]
fn in_clients_zone<'s, T: Trace>(ask: &Ask<'s, '_>, node: &'s Node, trace: &mut T) -> &'s Node {
    let Some(client) = ask.client.zone(ask.snapshot) else {
        trace.step(format_args!("it has other records for some zones, and the client is in no subnet that is known"));
        return node;
    };
    let zone = ask.snapshot.model.zone_of_clients(client);
    let found = node.for_clients_in(zone);
    let what = if found.is_some() { "it has records for clients there" } else { "it has none for clients there alone" };
    trace.step(format_args!("the client is in {}, in {zone}: {what}", client.block));
    found.unwrap_or(node)
}

/// A name that exists: its records of the type, its alias, or nothing.
fn at_node<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    zone: &'s HostedZone,
    node: &'s Node,
    apex: usize,
    reason: Reason<'s>,
    trace: &mut T,
) -> Found<'s> {
    let node = if node.in_zones.is_empty() { node } else { in_clients_zone(ask, node, trace) };
    if apex == 0 && matches!(ask.rtype, Rtype::SOA | Rtype::NS) && node.rrset(ask.rtype).is_none() {
        return Found::Reply(ask.apex_record(reason).unwrap_or_else(|| Reply::negative(Rcode::NOERROR, apex, reason)));
    }
    if node.is_elsewhere(ask.rtype) {
        let reason = Reason::Elsewhere(zone);
        trace.step(format_args!("{reason}"));
        return Found::Reply(Reply::failed(reason));
    }
    if let Some(alias) = &node.alias {
        let (model, id) = (&ask.snapshot.model, alias.endpoint);
        let target = model.endpoint(id).filter(|e| e.is_served());
        if let Some(target) = target {
            let reason = Reason::Alias(zone, target);
            // an alias of a zonal name has that zone's interface; none, if there is none there any more
            let in_zone = |i: &&Interface| alias.zone.as_ref().is_some_and(|zone| model.zone(i) == zone);
            let only = target.interfaces.iter().find(in_zone).map(|interface| interface.zone);
            if alias.zone.is_some() && only.is_none() {
                trace.step(format_args!("its alias leads to a zone in which {id} has no interface"));
                return Found::Reply(Reply::negative(Rcode::NOERROR, apex, reason));
            }
            let of = Addresses::new(target, only, ask.rotation);
            let has_addresses = matches!(ask.rtype, Rtype::A | Rtype::AAAA | Rtype::ANY) && of.iter().next().is_some();
            if has_addresses {
                return Found::Reply(endpoint::addresses(ask, target, only, false, apex, reason, trace));
            }
        } else {
            trace.step(format_args!("its alias leads to {id}, which does not serve"));
        }
    }
    if let Some(target) = node.addresses_of.as_ref().filter(|_| matches!(ask.rtype, Rtype::A | Rtype::AAAA)) {
        return alias(Data::AddressesOf(zone, target), target, reason);
    }
    let rrset = if ask.rtype == Rtype::ANY {
        node.rrsets.first().or_else(|| node.weighted.first().map(|(_, rrset)| rrset))
    } else {
        node.choose(ask.rtype, ask.rotation)
    };
    if let Some(rrset) = rrset {
        trace.step(format_args!("{reason} has it"));
        return Found::Reply(Reply::positive(Data::Rrset(rrset, ask.rotation), reason));
    }
    if let Some(cname) = node.choose(Rtype::CNAME, ask.rotation)
        && let Some(target) = &cname.target
    {
        return alias(Data::Rrset(cname, 0), target, reason);
    }
    if apex == 0 && ask.rtype == Rtype::ANY {
        return Found::Reply(Reply::positive(Data::Soa(super::SOA_TTL), reason));
    }
    trace.step(format_args!("{reason} has the name, but no records of that type"));
    Found::Reply(Reply::negative(Rcode::NOERROR, apex, reason))
}
