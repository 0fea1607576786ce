//! Which of an endpoint's addresses a client gets, and in which order, where something chooses: drills, then the affinity to the
//! client's own Availability Zone.

use std::net::IpAddr;

use super::decision::{Addresses, ChosenAddresses};
use super::{Ask, Data, Trace, drill};
use crate::model::{Interface, ZoneAffinity};

/// The records that are left of `data`, which are the addresses `of` an endpoint.
#[cold]
pub(super) fn chosen<'s, T: Trace>(ask: &Ask<'s, '_>, of: Addresses<'s>, data: Data<'s>, trace: &mut T) -> Data<'s> {
    let is_v4 = matches!(data, Data::A(_));
    let address = |i: &Interface| if is_v4 { i.ipv4().map(IpAddr::V4) } else { i.ipv6().map(IpAddr::V6) };
    let all = of.iter().filter(|i| address(i).is_some()).collect();
    let (left, drill) = drill::without_zones(ask, of.is_of_one_zone(), all, trace);
    let near = if of.is_of_one_zone() { None } else { nearest(ask, &left, trace) };
    if drill.is_none() && near.is_none() {
        return data;
    }
    let addresses = near.unwrap_or(left).into_iter().filter_map(address).collect();
    Data::Chosen(Box::new(ChosenAddresses { addresses, drill }))
}

/// The interfaces with those in the client's zone first, or those alone; `None`: they are as they are, as its VPC has no
/// affinity, or nothing of the endpoint is in its zone.
fn nearest<'s, T: Trace>(ask: &Ask<'s, '_>, all: &[&'s Interface], trace: &mut T) -> Option<Vec<&'s Interface>> {
    let client = ask.client.zone(ask.snapshot)?;
    let affinity = client.affinity?;
    let (mut near, far): (Vec<&Interface>, Vec<&Interface>) = all.iter().partition(|i| i.zone == client.zone);
    let Some(zone) = near.first().map(|i| ask.snapshot.model.zone(i)) else {
        trace.step(format_args!(
            "the client is in {}, of which its VPC prefers the zone ({}): no address is there, and all are given",
            client.block, affinity
        ));
        return None;
    };
    trace.step(format_args!(
        "the client is in {}, in {zone}: {}",
        client.block,
        match affinity {
            ZoneAffinity::First => "addresses there come first (availability_zone_affinity is first)",
            ZoneAffinity::Only => "addresses there alone (availability_zone_affinity is only)",
        }
    ));
    if affinity == ZoneAffinity::First {
        near.extend(far);
    }
    Some(near)
}
