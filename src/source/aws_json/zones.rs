//! What availability zones are called in the account of an endpoint, and which of them services are said to be in.
//!
//! "us-east-1a" may be one zone in an account and another one in the next (EC2 guide, "AZ IDs"). An endpoint's zonal names have
//! the names of its own account, and its subnet may be another account's, shared with it.

use std::collections::{HashMap, HashSet};

use super::endpoint::EndpointOutput;
use super::network::{InterfaceOutput, SubnetOutput};
use super::views::Accounts;
use crate::model::ServiceInput;
use crate::naming::{ServiceName, SubnetId, ZoneName};
use crate::problem::{At, Place};

/// What the zones of subnets are called in every view.
pub(super) struct ZoneNames {
    pub(super) accounts: Accounts,
    views: HashMap<SubnetId, Vec<SeenZone>>,
}

struct SeenZone {
    place: Place,
    owner: Option<Box<str>>,
    zone: At<ZoneName>,
}

impl ZoneNames {
    pub(super) fn new(subnets: &[SubnetOutput], accounts: Accounts) -> Self {
        let mut views: HashMap<SubnetId, Vec<SeenZone>> = HashMap::new();
        for subnet in subnets {
            let seen = SeenZone {
                place: subnet.seen.place.clone(),
                owner: subnet.seen.owner.clone(),
                zone: subnet.zone.clone(),
            };
            views.entry(subnet.id.value).or_default().push(seen);
        }
        Self { accounts, views }
    }

    /// The name of an interface's zone in the account of its endpoint; `None`: that of its subnet.
    pub(super) fn of(
        &self,
        interface: &InterfaceOutput,
        subnet: SubnetId,
        endpoint: &EndpointOutput,
    ) -> Option<At<ZoneName>> {
        let views = self.views.get(&subnet)?;
        let is_plain = views.iter().all(|view| Some(&view.zone.value) == interface.zone.as_ref().map(|it| &it.value));
        // nearly always one name is all that anybody has for the zone
        if is_plain || (views.len() == 1 && interface.zone.is_none()) {
            return None;
        }
        let account = endpoint.seen.owner.as_deref();
        let in_account = |place: &Place| account.is_some() && self.accounts.of(place) == account;
        // the interface as the endpoint's account sees it, or as nobody knows whose view it is; then the subnet likewise
        let foreign = |place: &Place| self.accounts.of(place).is_some_and(|other| Some(other) != account);
        let of_interface = interface.zone.iter().filter(|_| !foreign(&interface.seen.place));
        let of_subnet = views.iter().filter(|view| in_account(&view.place)).map(|view| &view.zone);
        let of_owner = views.iter().filter(|view| view.owner.is_some() && view.owner.as_deref() == account);
        let rest = views.iter().map(|view| &view.zone).chain(&interface.zone);
        let candidates: Vec<&At<ZoneName>> =
            of_interface.chain(of_subnet).chain(of_owner.map(|view| &view.zone)).chain(rest).collect();
        let listed = endpoint.input.given_names.as_ref().and_then(|names| names.zones.as_ref());
        let is_listed = |zone: &&&At<ZoneName>| listed.is_some_and(|listed| listed.contains(&zone.value));
        candidates.iter().find(is_listed).or(candidates.first()).map(|zone| (*zone).clone())
    }
}

/// Forgets the zones of services that have endpoints in others.
///
/// A list of `describe-vpc-endpoint-services` is of one account, and the next one may call its zones otherwise; and it is of the
/// service's Region, where an endpoint may be of another one. That AWS lists an endpoint shows that its zones will do.
pub(super) fn forget_contradicted(
    services: &mut [(Place, ServiceInput)],
    endpoints: &[EndpointOutput],
    subnets: &[SubnetOutput],
) {
    let of_subnet: HashMap<SubnetId, &ZoneName> =
        subnets.iter().map(|subnet| (subnet.id.value, &subnet.zone.value)).collect();
    let mut used: HashSet<(&ServiceName, &ZoneName)> = HashSet::new();
    for EndpointOutput { input, .. } in endpoints.iter().filter(|_| !services.is_empty()) {
        let zones = input.network_interfaces.iter().filter_map(|interface| {
            let own = interface.availability_zone.as_ref().map(|zone| &zone.value);
            own.or_else(|| of_subnet.get(&interface.subnet_id.value).copied())
        });
        used.extend(zones.map(|zone| (&input.service_name.value, zone)));
    }
    for (_, service) in services {
        let is_listed = |zone: &ZoneName| service.availability_zones.iter().any(|listed| listed.value == *zone);
        if used.iter().any(|(name, zone)| **name == service.service_name.value && !is_listed(zone)) {
            service.availability_zones.clear();
        }
    }
}
