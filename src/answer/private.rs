//! Private names: the service's own names, answered with an endpoint's addresses inside its VPC.
//!
//! "we create a hidden, AWS-managed private hosted zone for you" (PrivateLink guide, "Private DNS"): one zone at
//! exactly each private name, or at the parent of a `*.` name.

use super::{Ask, Found, NotPrivate, Reason, Reply, Trace, endpoint};
use crate::dns::{Rcode, Rtype};
use crate::model::{Endpoint, Mode};
use crate::naming::EndpointId;
use crate::snapshot::{Access, PrivateZone, ViewEntry};

/// Asks the hidden zone at `entry`, whose apex is the last `labels` labels of the name.
pub(super) fn find<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    entry: &'s ViewEntry,
    zone: &'s PrivateZone,
    labels: usize,
    trace: &mut T,
) -> Found<'s> {
    let model = &ask.snapshot.model;
    let Some(vpc) = ask.client.view.vpc.as_ref() else { return Found::Nothing(None) };
    if !vpc.has_private_dns() {
        let why = NotPrivate::AttributesOff(vpc);
        trace.step(format_args!("{} would be private, but {why}", entry.name));
        return Found::Nothing(Some(why));
    }
    let exact = serving(ask, &zone.exact);
    let wildcard = serving(ask, zone.wildcard());
    if exact.is_none() && wildcard.is_none() {
        let claimant = zone.claimants().find_map(|id| model.endpoint(id));
        let why = claimant.map(|e| if e.is_served() { NotPrivate::InboundOnly(e) } else { NotPrivate::NotServed(e) });
        if let Some(why) = why {
            trace.step(format_args!("{} would be private, but {why}", entry.name));
        }
        return Found::Nothing(why);
    }
    let apex = ask.offset(labels);
    let at_apex = apex == 0;
    trace.step(format_args!("the private zone {} of {} is the most specific one", entry.name, vpc.vpc_id));
    // EC2 lists `x` beside `*.x` in an endpoint's DnsEntries, so that `*.x` stands for both
    let owner = if at_apex { exact.or(wildcard) } else { wildcard };
    if let Some(owner) = owner {
        let reason = Reason::PrivateName(owner, &entry.name);
        if T::ON && owner.vpc != vpc.vpc_id {
            trace.step(format_args!("{} is in {}, and shared by a Profile", owner.id, owner.vpc));
        }
        let own = at_apex.then(|| ask.apex_record(reason)).flatten().filter(|_| ask.rtype != Rtype::ANY);
        return Found::Reply(own.unwrap_or_else(|| endpoint::addresses(ask, owner, None, true, apex, reason, trace)));
    }
    let reason = Reason::BelowPrivateName(&entry.name);
    if zone.mode(model) == Mode::Overlay {
        trace.step(format_args!("{} is not in it, and its mode is overlay: what is below it decides", ask.name));
        return Found::Nothing(None);
    }
    // "Instead, it returns NXDOMAIN" (Route 53 guide, "Considerations when working with a private hosted zone")
    trace.step(format_args!("{reason}"));
    Found::Reply(Reply::negative(Rcode::NXDOMAIN, apex, reason))
}

/// A name that an SDK asks for dual stack, and that nobody has seen at an endpoint of the service: it stays public.
///
/// "a hidden zone is authoritative for everything below its name" (seen in 2026 of `datazone.<region>.api.aws`), so that
/// a name too many takes public names away from the VPC's clients.
pub(super) fn second_name<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    entry: &'s ViewEntry,
    id: EndpointId,
    labels: usize,
    trace: &mut T,
) -> Found<'s> {
    let has_private_dns = ask.client.view.vpc.as_ref().is_some_and(|vpc| vpc.has_private_dns());
    let endpoint = ask.snapshot.model.endpoint(id).filter(|e| has_private_dns && e.is_served());
    let Some(endpoint) = endpoint.filter(|_| labels == ask.name.label_count()) else { return Found::Nothing(None) };
    let why = NotPrivate::SecondName(endpoint, &entry.name);
    trace.step(format_args!("{why}"));
    Found::Nothing(Some(why))
}

/// The endpoint of `claims` that answers; at most one can (the model sees to it).
fn serving<'s>(ask: &Ask<'s, '_>, claims: &[EndpointId]) -> Option<&'s Endpoint> {
    let model = &ask.snapshot.model;
    let is_for_all = |e: &Endpoint| !e.inbound_resolver_only() || ask.client.access == Access::Inbound;
    claims.iter().filter_map(|id| model.endpoint(*id)).find(|e| e.is_served() && is_for_all(e))
}
