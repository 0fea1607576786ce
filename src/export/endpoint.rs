//! Zones that hold the addresses of endpoints: at private names and at hostnames.

use std::collections::HashSet;

use super::{EndpointZones, ExportedView, ExportedZone, ZoneItems, ZoneKind, name_servers};
use crate::answer::Reason;
use crate::dns::DnsName;
use crate::model::Endpoint;
use crate::naming::{leading_id, parse_label};

/// The zones of hostnames.
pub(super) fn apexes<'s>(view: &ExportedView<'s>) -> Box<dyn Iterator<Item = ExportedZone<'s>> + Send + 's> {
    let (view, model) = (view.clone(), &view.snapshot.model);
    match view.id.endpoint_zones {
        EndpointZones::Each => {
            let served = model.endpoints().filter(|endpoint| endpoint.is_served());
            Box::new(served.flat_map(move |endpoint| {
                let names = hostnames(&view, endpoint).into_iter();
                let view = view.clone();
                names.map(move |name| view.zone_as(name, ZoneKind::Endpoint))
            }))
        }
        EndpointZones::Whole => {
            let zones: HashSet<&DnsName> = model.services().map(|service| &service.zone).collect();
            Box::new(zones.into_iter().map(move |zone| view.zone_as(zone.clone(), ZoneKind::Region)))
        }
        EndpointZones::None => Box::new(std::iter::empty()),
    }
}

/// What zone a name of endpoints is the apex of.
pub(super) fn kind_of<'s>(view: &ExportedView<'s>, apex: &DnsName) -> Option<ZoneKind<'s>> {
    let model = &view.snapshot.model;
    match view.id.endpoint_zones {
        EndpointZones::Each => {
            let label = apex.labels().next()?;
            let id = parse_label(label).map(|label| label.id).or_else(|| leading_id(label))?;
            let endpoint = model.endpoint(id).filter(|endpoint| endpoint.is_served())?;
            hostnames(view, endpoint).contains(apex).then_some(ZoneKind::Endpoint)
        }
        EndpointZones::Whole => model.services().any(|service| service.zone == *apex).then_some(ZoneKind::Region),
        EndpointZones::None => None,
    }
}

/// The hostnames of an endpoint, without those that begin with `*.`.
fn hostnames(view: &ExportedView<'_>, endpoint: &Endpoint) -> Vec<DnsName> {
    let model = &view.snapshot.model;
    let own = &model.service(endpoint).own_names;
    if !own.is_empty() {
        return own.clone();
    }
    let names = model.endpoint_names(endpoint);
    names.map(|names| std::iter::once(names.regional).chain(names.zonal).collect()).unwrap_or_default()
}

/// Whether an answer is that of a hostname.
pub(super) fn is_own(reason: &Reason<'_>) -> bool {
    matches!(reason, Reason::EndpointName(_))
}

/// A zone of one name: its addresses, and those of `*.` below it, by answers whose reason `is_meant`.
pub(super) fn addresses<'s>(
    view: &ExportedView<'s>,
    apex: &DnsName,
    is_meant: impl Fn(&Reason<'s>) -> bool,
) -> ZoneItems<'s> {
    let mut items = view.addresses(apex, &is_meant);
    if let Ok(below) = apex.prepend("*") {
        items.extend(view.addresses(&below, &is_meant));
    }
    Box::new(name_servers(apex).chain(items))
}

/// The zone of a region: all hostnames in it.
pub(super) fn region<'s>(view: &ExportedView<'s>, apex: &DnsName) -> ZoneItems<'s> {
    let (view, zone) = (view.clone(), apex.clone());
    let model = &view.snapshot.model;
    let served = model.endpoints().filter(move |e| e.is_served() && model.service(e).zone == zone);
    let items = served.flat_map(move |endpoint| {
        let wildcard = model.service(endpoint).wildcard;
        let mut items = Vec::new();
        for name in hostnames(&view, endpoint) {
            items.extend(view.addresses(&name, is_own));
            if let Some(below) = name.prepend("*").ok().filter(|_| wildcard) {
                items.extend(view.addresses(&below, is_own));
            }
        }
        items
    });
    Box::new(name_servers(apex).chain(items))
}
