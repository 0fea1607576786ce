//! What drills change: names at fault, and addresses in zones that are down.

use std::net::IpAddr;

use super::decision::{Addresses, ChosenAddresses};
use super::{Ask, Data, Question, Reason, Reply, Trace};
use crate::dns::Rcode;
use crate::model::Interface;
use crate::snapshot::{Client, Drill, NameFault, Snapshot};

/// The drills that are for the client.
fn held<'s>(snapshot: &'s Snapshot, client: &Client<'s>) -> impl Iterator<Item = &'s Drill> {
    client.drills.of(snapshot.drills())
}

/// NXDOMAIN or SERVFAIL for a name at fault; `None`: it is as it is.
#[cold]
pub(super) fn fault<'s, T: Trace>(ask: &Ask<'s, '_>, trace: &mut T) -> Option<Reply<'s>> {
    let (drill, rcode) = held(ask.snapshot, &ask.client).find_map(|drill| match drill.fault_of(ask.name)? {
        NameFault::NxDomain => Some((drill, Rcode::NXDOMAIN)),
        NameFault::ServFail => Some((drill, Rcode::SERVFAIL)),
        NameFault::Delay(_) => None,
    })?;
    trace.step(format_args!("{drill}, for {}", drill.whom()));
    // without an SOA nobody remembers it (RFC 2308 5), so that it ends with the drill
    Some(Reply { rcode, ..Reply::empty(Reason::Drill(drill)) })
}

/// The drill by which the answer to a question takes longer, and by how many milliseconds. Whoever answers waits.
#[inline]
pub fn delay<'s>(snapshot: &'s Snapshot, client: &Client<'s>, question: &Question<'_>) -> Option<(&'s Drill, u32)> {
    if snapshot.has_drills() { find_delay(snapshot, client, question) } else { None }
}

#[cold]
fn find_delay<'s>(snapshot: &'s Snapshot, client: &Client<'s>, question: &Question<'_>) -> Option<(&'s Drill, u32)> {
    held(snapshot, client).filter(|_| client.access.is_served()).find_map(|drill| {
        match drill.fault_of(question.name)? {
            NameFault::Delay(ms) => Some((drill, ms)),
            NameFault::NxDomain | NameFault::ServFail => None,
        }
    })
}

/// The records without the addresses in zones that are down, where others are left.
///
/// With none left all are given, as load balancers with health checks do: half an answer is the drill, and none would be
/// another fault.
#[cold]
pub(super) fn without_zones<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    of: Addresses<'s>,
    data: Data<'s>,
    trace: &mut T,
) -> Data<'s> {
    let is_v4 = matches!(data, Data::A(_));
    let address = |i: &Interface| if is_v4 { i.ipv4().map(IpAddr::V4) } else { i.ipv6().map(IpAddr::V6) };
    let down = |i: &Interface| held(ask.snapshot, &ask.client).find(|drill| drill.is_down(ask.snapshot.model.zone(i)));
    let all = of.iter().filter_map(|i| Some((address(i)?, down(i))));
    let (mut up, mut out) = (Vec::new(), Vec::new());
    for (address, drill) in all {
        match drill {
            Some(drill) => out.push((address, drill)),
            None => up.push(address),
        }
    }
    let Some((_, drill)) = out.first().copied() else { return data };
    if of.is_of_one_zone() {
        trace.step(format_args!("{drill}, and the name is one of that zone: its address is given all the same"));
        return data;
    }
    trace.step(format_args!("{drill}, for {}", drill.whom()));
    let addresses = if up.is_empty() {
        trace.step(format_args!("every zone of it is down: all addresses are given"));
        out.into_iter().map(|(address, _)| address).collect()
    } else {
        up
    };
    Data::Chosen(Box::new(ChosenAddresses { addresses, drill }))
}
