//! What drills change: names at fault, and interfaces in zones that are down.

use super::{Ask, Question, Reason, Reply, Trace};
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

/// The interfaces without those in zones that are down, where others are left; and the drill, or the first of several, that
/// changed anything.
///
/// With none left all are given, as load balancers with health checks do: half an answer is the drill, and none would be
/// another fault.
pub(super) fn without_zones<'s, T: Trace>(
    ask: &Ask<'s, '_>,
    is_of_one_zone: bool,
    all: Vec<&'s Interface>,
    trace: &mut T,
) -> (Vec<&'s Interface>, Option<&'s Drill>) {
    let down = |i: &Interface| held(ask.snapshot, &ask.client).find(|drill| drill.is_down(ask.snapshot.model.zone(i)));
    let Some(drill) = all.iter().find_map(|i| down(i)) else { return (all, None) };
    if is_of_one_zone {
        trace.step(format_args!("{drill}, and the name is one of that zone: its address is given all the same"));
        return (all, None);
    }
    trace.step(format_args!("{drill}, for {}", drill.whom()));
    let up: Vec<&Interface> = all.iter().filter(|i| down(i).is_none()).copied().collect();
    if up.is_empty() {
        trace.step(format_args!("every zone of it is down: all addresses are given"));
        return (all, Some(drill));
    }
    (up, Some(drill))
}
