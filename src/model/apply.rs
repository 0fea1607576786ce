//! The next model out of a change: what goes, what comes, and what that means for the rest.
//!
//! The first load is a change to the empty model, so there is one path for both. A change costs what it touches;
//! only a changed VPC, subnet or service looks at the endpoints that refer to it.

mod client_zones;
mod inbound;
mod outbound;
mod profiles;

use std::collections::HashSet;
use std::sync::Arc;

use super::change::{Broken, Changes, Key};
use super::check::Check;
use super::endpoint::{Choices, Endpoint, ServiceIndex};
use super::input::{EndpointInput, GivenNames, Input, InterfaceInput, Object};
use super::shards::Spread;
use super::violation::Violation;
use super::zone::{HostedZone, Rule, same};
use super::{Host, HostNames, Map, Model, PrivateName};
use crate::dns::DnsName;
use crate::naming::{EndpointId, Region, ServiceName, SubnetId, VpcId, instance_zone};
use crate::problem::{At, Place};

/// The outcome of [`Model::apply`].
pub struct Applied {
    /// The next model; `None` if a violation is an error, and then nothing changes (invariant I5).
    pub model: Option<Model>,
    /// What changed.
    pub changes: Changes,
    /// Every rule that the change breaks, in the order in which they are checked; warnings too.
    pub violations: Vec<Violation>,
}

impl Spread for (VpcId, std::net::Ipv6Addr) {
    fn bits(&self) -> u64 {
        let bits = self.1.to_bits();
        self.0.low_bits().rotate_left(32) ^ (bits as u64) ^ ((bits >> 64) as u64)
    }
}

impl Model {
    /// The model after `removed` is taken out and `added` is put in.
    ///
    /// An object that is both removed and added has changed. `place_of` tells where an object was written.
    pub fn apply(
        &self,
        removed: &[Key],
        added: &[Input],
        broken: &Broken,
        place_of: &dyn Fn(&Key) -> Option<Place>,
    ) -> Applied {
        let mut next = self.clone();
        let mut changes = Changes::default();
        let mut check = Check::new(broken, place_of, self.catalogue);
        let whole = next.lay_over(self, removed, added, &mut check);
        let (removed, added) =
            whole.as_ref().map_or((removed, added), |(removed, added)| (removed.as_slice(), added.as_slice()));

        next.replace_vpcs(self, removed, added, &mut changes, &mut check);
        next.replace_inbound(removed, added, &mut changes, &mut check);
        next.replace_outbound(removed, added, &mut changes);
        next.replace_subnets(self, removed, added, &mut changes, &mut check);
        let services = next.replace_services(removed, added, &mut changes, &mut check);
        next.replace_profiles(removed, added, &mut changes, &mut check);
        next.replace_zones_and_rules(self, removed, added, &mut changes, &mut check);
        next.replace_client_zones(self);
        next.replace_hosts(self, removed, added, &mut changes, &mut check);
        next.replace_endpoints(self, removed, added, &services, &mut changes, &mut check);
        next.replace_notes(removed, added);
        check.zones_against_private_names(&next, &changes);
        check.aliases(&next, &changes, added);
        check.profiles(&next, &changes, added);

        let violations = check.violations;
        let failed = violations.iter().any(Violation::is_error);
        Applied { model: (!failed).then_some(next), changes, violations }
    }

    /// What `explain` says about objects of which several views were read.
    fn replace_notes(&mut self, removed: &[Key], added: &[Input]) {
        let has_new = added.iter().any(|input| input.note.is_some());
        if !has_new && (self.notes.is_empty() || removed.is_empty() && added.is_empty()) {
            return;
        }
        let notes = Arc::make_mut(&mut self.notes);
        for key in removed {
            notes.remove(key);
        }
        for input in added {
            if let Some(note) = &input.note {
                notes.insert(input.key(), note.clone());
            }
        }
    }

    fn replace_vpcs(
        &mut self,
        old: &Model,
        removed: &[Key],
        added: &[Input],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let gone = removed.iter().filter_map(|key| if let Key::Vpc(id) = key { Some(*id) } else { None });
        let new = added.iter().filter_map(|input| if let Object::Vpc(vpc) = &*input.object { Some(vpc) } else { None });
        let (gone, new): (Vec<_>, Vec<_>) = (gone.collect(), new.collect());
        if gone.is_empty() && new.is_empty() {
            return;
        }
        let map = Arc::make_mut(&mut self.vpcs);
        let mut regions: HashSet<Region> = HashSet::new();
        for id in &gone {
            map.remove(id);
        }
        for input in &new {
            let id = input.vpc_id.value;
            let mut vpc = Check::vpc(input);
            // one text for all VPCs of a region
            if let Some(region) = regions.get(&vpc.region) {
                vpc.region = region.clone();
            } else {
                regions.insert(vpc.region.clone());
            }
            // what did not change stays the very object it was, for whoever compares pointers
            let vpc = old.vpcs.get(&id).filter(|was| ***was == vpc).cloned().unwrap_or_else(|| Arc::new(vpc));
            if map.insert(id, vpc).is_some() {
                check.twice(
                    Some(&Key::Vpc(id)),
                    &id.to_string(),
                    &input.vpc_id.place,
                    new.iter().map(|vpc| &vpc.vpc_id),
                );
            }
        }
        let touched = gone.iter().copied().chain(new.iter().map(|vpc| vpc.vpc_id.value));
        let dirty: HashSet<VpcId> = touched.filter(|id| self.vpcs.get(id) != old.vpcs.get(id)).collect();
        changes.others += dirty.len();
        changes.vpcs = !dirty.is_empty();
        if changes.vpcs {
            check.client_addresses(self, &new);
        }
        check.dirty_vpcs = dirty;
    }

    fn replace_subnets(
        &mut self,
        old: &Model,
        removed: &[Key],
        added: &[Input],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let gone = removed.iter().filter_map(|key| if let Key::Subnet(id) = key { Some(*id) } else { None });
        let new = added.iter().filter_map(|input| if let Object::Subnet(s) = &*input.object { Some(s) } else { None });
        let (gone, new): (Vec<_>, Vec<_>) = (gone.collect(), new.collect());
        if gone.is_empty() && new.is_empty() && check.dirty_vpcs.is_empty() {
            return;
        }
        // a subnet has to be inside its VPC, so it is looked at again when the VPC changed
        let again: Vec<SubnetId> = old
            .subnets
            .values()
            .filter(|subnet| check.dirty_vpcs.contains(&subnet.vpc_id))
            .map(|subnet| subnet.subnet_id)
            .collect();
        if !gone.is_empty() || !new.is_empty() {
            let map = Arc::make_mut(&mut self.subnets);
            for id in &gone {
                map.remove(id);
            }
            for input in &new {
                let id = input.subnet_id.value;
                let mut subnet = Check::subnet(input);
                // one text for all subnets of a zone
                if let Some(zone) = self.zones.intern(&subnet.zone) {
                    subnet.zone = self.zones.by_index(zone).clone();
                }
                if map.insert(id, subnet).is_some() {
                    check.twice(
                        Some(&Key::Subnet(id)),
                        &id.to_string(),
                        &input.subnet_id.place,
                        new.iter().map(|s| &s.subnet_id),
                    );
                }
            }
        }
        for input in &new {
            check.subnet_in_vpc(self, input);
        }
        let is_new: HashSet<SubnetId> = new.iter().map(|s| s.subnet_id.value).collect();
        for id in again.iter().filter(|id| !is_new.contains(*id)) {
            if let Some(subnet) = self.subnets.get(id) {
                check.kept_subnet_in_vpc(self, subnet);
            }
        }
        let touched = gone.iter().chain(&is_new).copied();
        let dirty: HashSet<SubnetId> = touched.filter(|id| self.subnets.get(id) != old.subnets.get(id)).collect();
        changes.others += dirty.len();
        let has_dns64 = |model: &Self, id| model.subnets.get(id).is_some_and(|subnet| subnet.enable_dns64);
        if dirty.iter().any(|id| has_dns64(self, id) || has_dns64(old, id)) {
            let with = self.subnets.values().filter(|subnet| subnet.enable_dns64);
            let blocks = with.flat_map(|subnet| subnet.cidr_blocks.iter().map(|block| (subnet.vpc_id, *block)));
            let mut blocks: Vec<(VpcId, ipnet::IpNet)> = blocks.collect();
            blocks.sort_unstable();
            self.dns64 = blocks.into();
        }
        check.dirty_subnets = dirty;
    }

    /// Returns the services whose names changed.
    fn replace_services(
        &mut self,
        removed: &[Key],
        added: &[Input],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) -> HashSet<ServiceIndex> {
        let gone = removed.iter().filter_map(|key| if let Key::Service(name) = key { Some(name) } else { None });
        let new = added.iter().filter_map(|input| if let Object::Service(s) = &*input.object { Some(s) } else { None });
        let new: Vec<_> = new.collect();
        let mut dirty = HashSet::new();
        let mut touched: HashSet<ServiceName> = HashSet::new();
        let declared: HashSet<&ServiceName> = new.iter().map(|s| &s.service_name.value).collect();
        for name in gone.filter(|name| !declared.contains(name)) {
            let Some(index) = self.services.find(name) else { continue };
            check.undeclared.insert(name.clone());
            touched.insert(name.clone());
            Arc::make_mut(&mut self.declared_services).remove(name);
            if let Ok(service) = self.resolve(name) {
                if *self.services.by_index(index) != service {
                    self.services.replace(index, service);
                    dirty.insert(index);
                }
            } else {
                // nothing else says what its names are: no endpoint may come to use it
                self.services.forget(name);
                dirty.insert(index);
            }
        }
        let removed: HashSet<&Key> = removed.iter().filter(|key| matches!(key, Key::Service(_))).collect();
        let mut seen: Map<&ServiceName, &Place> = Map::default();
        for input in &new {
            let name = &input.service_name;
            let elsewhere =
                self.declared_services.contains(&name.value) && !removed.contains(&Key::Service(name.value.clone()));
            if seen.insert(&name.value, &name.place).is_some() || elsewhere {
                check.twice(
                    Some(&Key::Service(name.value.clone())),
                    name.value.as_str(),
                    &name.place,
                    new.iter().map(|s| &s.service_name),
                );
                continue;
            }
            let Some(service) = check.service(input) else { continue };
            if !self.declared_services.contains(&name.value) {
                Arc::make_mut(&mut self.declared_services).insert(name.value.clone());
                touched.insert(name.value.clone());
            }
            match self.services.find(&name.value) {
                Some(index) if *self.services.by_index(index) == service => {}
                Some(index) => {
                    self.services.replace(index, service);
                    dirty.insert(index);
                }
                None => {
                    check.changed_services.insert(name.value.clone());
                    self.services.intern(service, false);
                }
            }
        }
        for index in &dirty {
            let name = &self.services.by_index(*index).service_name;
            check.changed_services.insert(name.clone());
            touched.insert(name.clone());
        }
        changes.others += touched.len();
        changes.services = !dirty.is_empty();
        dirty
    }

    fn replace_zones_and_rules(
        &mut self,
        old: &Model,
        removed: &[Key],
        added: &[Input],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let gone: HashSet<&Key> = removed
            .iter()
            .filter(|key| {
                matches!(key, Key::HostedZone(..) | Key::UntoldZone(..) | Key::Rule(..) | Key::Delegation(..))
            })
            .collect();
        let zones =
            added.iter().filter_map(|input| if let Object::HostedZone(z) = &*input.object { Some(z) } else { None });
        let rules = added.iter().filter_map(|input| if let Object::Rule(r) = &*input.object { Some(r) } else { None });
        let (zones, rules): (Vec<_>, Vec<_>) = (zones.collect(), rules.collect());
        let are_moved = !Arc::ptr_eq(&self.outbound, &old.outbound);
        if !gone.is_empty() || !zones.is_empty() || !rules.is_empty() || are_moved {
            let zone_key = HostedZone::key;
            let rule_key = Rule::key;
            let kept = |zone: &&Arc<HostedZone>| !gone.contains(&zone_key(zone));
            let mut next: Vec<Arc<HostedZone>> = old.hosted_zones.iter().filter(kept).cloned().collect();
            for input in &zones {
                let zone = HostedZone::new(input);
                check.one_zone_per_name(&next, &zone, &zone_key, &input.name.place);
                next.push(Arc::new(zone));
            }
            next.sort_by(|a, b| (&a.name, a.is_told, &a.reach).cmp(&(&b.name, b.is_told, &b.reach)));
            let same_zones = next.len() == old.hosted_zones.len()
                && next.iter().zip(old.hosted_zones.iter()).all(|(a, b)| same(a, b));
            if !same_zones {
                self.hosted_zones = Arc::new(next);
            }
            let kept = |rule: &&Arc<Rule>| !gone.contains(&rule_key(rule));
            let moved = |rule: &Arc<Rule>| rule.moved(&self.outbound).map_or_else(|| Arc::clone(rule), Arc::new);
            let mut next: Vec<Arc<Rule>> = old.rules.iter().filter(kept).map(moved).collect();
            for input in &rules {
                let rule = Rule::new(input, &self.outbound);
                check.one_rule_per_name(&next, &rule, &rule_key, &input.domain_name.place);
                next.push(Arc::new(rule));
            }
            next.sort_by(|a, b| (&a.domain_name, &a.reach).cmp(&(&b.domain_name, &b.reach)));
            if next != *old.rules {
                self.rules = Arc::new(next);
            }
            if !Arc::ptr_eq(&self.hosted_zones, &old.hosted_zones) || !Arc::ptr_eq(&self.rules, &old.rules) {
                changes.zones_or_rules = true;
                changes.others += gone.len().max(zones.len() + rules.len());
            }
        }
        check.zone_and_rule_vpcs(self, &zones, &rules);
    }

    fn replace_hosts(
        &mut self,
        old: &Model,
        removed: &[Key],
        added: &[Input],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let gone = removed.iter().filter_map(|key| if let Key::Interface(id) = key { Some(*id) } else { None });
        let new =
            added.iter().filter_map(|input| if let Object::Interface(i) = &*input.object { Some(i) } else { None });
        let (gone, new): (Vec<_>, Vec<_>) = (gone.collect(), new.collect());
        if gone.is_empty() && new.is_empty() {
            return;
        }
        let mut touched: HashSet<VpcId> = HashSet::new();
        let hosts = Arc::make_mut(&mut self.hosts);
        for id in &gone {
            touched.extend(hosts.remove(id).map(|host| host.vpc));
        }
        for input in &new {
            let (id, vpc_id) = (input.network_interface_id.value, input.vpc_id.value);
            let Some(vpc) = self.vpcs.get(&vpc_id) else {
                check.unknown_vpc(&input.vpc_id, &id);
                continue;
            };
            let zone = instance_zone(&vpc.region);
            if hosts.insert(id, Arc::new(Host::new(input, &zone))).is_some() {
                let all = new.iter().map(|interface| &interface.network_interface_id);
                check.twice(Some(&Key::Interface(id)), &id.to_string(), &input.network_interface_id.place, all);
            }
            touched.insert(vpc_id);
        }
        let names = Arc::make_mut(&mut self.host_names);
        let mut by_vpc: Map<VpcId, Vec<&Host>> = Map::default();
        for host in hosts.values().filter(|host| touched.contains(&host.vpc)) {
            by_vpc.entry(host.vpc).or_default().push(host);
        }
        for vpc in touched {
            let next = HostNames::new(by_vpc.remove(&vpc).unwrap_or_default().into_iter());
            if next == HostNames::default() {
                names.remove(&vpc);
            } else {
                names.insert(vpc, Arc::new(next));
            }
            if names.get(&vpc) != old.host_names.get(&vpc) {
                changes.hosts.insert(vpc);
                changes.others += 1;
            }
        }
    }

    fn replace_endpoints(
        &mut self,
        old: &Model,
        removed: &[Key],
        added: &[Input],
        dirty_services: &HashSet<ServiceIndex>,
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let gone: HashSet<EndpointId> =
            removed.iter().filter_map(|key| if let Key::Endpoint(id) = key { Some(*id) } else { None }).collect();
        let mut inputs: Vec<&EndpointInput> = added
            .iter()
            .filter_map(|input| if let Object::Endpoint(endpoint) = &*input.object { Some(endpoint) } else { None })
            .collect();
        check.endpoints_once(old, &gone, &inputs);
        let again = self.to_be_checked_again(old, &gone, &inputs, check);
        inputs.extend(&again);

        let coming: HashSet<EndpointId> = inputs.iter().map(|input| input.vpc_endpoint_id.value).collect();
        let leaving: Vec<EndpointId> = gone.into_iter().filter(|id| !coming.contains(id)).collect();
        let mut before: Vec<&Endpoint> = leaving.iter().filter_map(|id| old.endpoint(*id)).collect();
        let mut after: Vec<Endpoint> = Vec::with_capacity(inputs.len());
        changes.removed = before.len();
        for input in &inputs {
            let Some(endpoint) = check.endpoint(self, old, input) else { continue };
            match old.endpoint(endpoint.id) {
                // what stayed the same is neither taken out nor put in, except where its service's names changed
                Some(was) if *was == endpoint && !dirty_services.contains(&endpoint.service) => continue,
                Some(was) => {
                    changes.changed += 1;
                    before.push(was);
                }
                None => changes.added += 1,
            }
            after.push(endpoint);
        }

        changes.endpoint_names = names_of(old, before.iter().copied()).chain(names_of(self, &after)).collect();
        self.replace_private_names(old, &before, &after, changes, check);
        let both = || (before.iter().copied(), after.iter());
        let (out, put) = both();
        for (vpc, address) in self.ipv4.apply(out.flat_map(Endpoint::ipv4_uses), put.flat_map(Endpoint::ipv4_uses)) {
            check.address_twice(vpc, address.into(), &inputs, old);
        }
        let (out, put) = both();
        for (vpc, address) in self.ipv6.apply(out.flat_map(Endpoint::ipv6_uses), put.flat_map(Endpoint::ipv6_uses)) {
            check.address_twice(vpc, address.into(), &inputs, old);
        }
        let (out, put) = both();
        for id in self.interfaces.apply(out.flat_map(Endpoint::interface_ids), put.flat_map(Endpoint::interface_ids)) {
            let stays = |e: &Endpoint| !coming.contains(&e.id) && !leaving.contains(&e.id);
            check.interface_twice(id, &inputs, old.endpoints().filter(|e| stays(e)));
        }
        let uses = before.iter().filter(|e| e.is_served()).map(|e| (e.service, false));
        let uses = uses.chain(after.iter().filter(|e| e.is_served()).map(|e| (e.service, true)));
        changes.services |= self.services.count(uses);
        self.endpoints.apply(&leaving, after);
    }

    /// Endpoints that nobody touched, but whose VPC, subnet or service changed, as inputs once more.
    fn to_be_checked_again(
        &self,
        old: &Model,
        gone: &HashSet<EndpointId>,
        inputs: &[&EndpointInput],
        check: &Check<'_>,
    ) -> Vec<EndpointInput> {
        if check.dirty_vpcs.is_empty() && check.dirty_subnets.is_empty() && check.changed_services.is_empty() {
            return Vec::new();
        }
        let given: HashSet<EndpointId> = inputs.iter().map(|input| input.vpc_endpoint_id.value).collect();
        old.endpoints()
            .filter(|e| !gone.contains(&e.id) && !given.contains(&e.id))
            .filter(|e| {
                check.dirty_vpcs.contains(&e.vpc)
                    // by name: an endpoint that came with names of its own has an entry of its own in the table
                    || (!check.changed_services.is_empty()
                        && check.changed_services.contains(&old.service(e).service_name))
                    || e.interfaces.iter().any(|i| check.dirty_subnets.contains(&i.subnet))
            })
            .map(|e| {
                let place = (check.place_of)(&Key::Endpoint(e.id)).unwrap_or_else(|| Place::whole(e.id.to_string()));
                self.as_input(old, e, &place)
            })
            .collect()
    }

    /// An endpoint as a source would have written it.
    pub(super) fn as_input(&self, old: &Self, e: &Endpoint, place: &Place) -> EndpointInput {
        let service = self.services.by_index(e.service);
        let given = |choice| e.choices.has(choice);
        EndpointInput {
            vpc_endpoint_id: At::new(e.id, place.clone()),
            vpc_id: At::new(e.vpc, place.clone()),
            service_name: At::new(service.service_name.clone(), place.clone()),
            service_region: given(Choices::CROSS_REGION)
                .then(|| service.region.clone().map(|region| Box::new(At::new(region, place.clone()))))
                .flatten(),
            private_dns_enabled: given(Choices::PRIVATE_DNS_GIVEN)
                .then(|| At::new(e.private_dns_enabled(), place.clone())),
            inbound_resolver_only: e.inbound_resolver_only(),
            state: e.state,
            dns_suffix: Some(At::new(e.suffix, place.clone())),
            dns_record_ip_type: e.record_ip_type,
            private_dns_mode: e.mode(),
            given_names: given(Choices::NAMES_GIVEN).then(|| {
                Box::new(GivenNames {
                    base: Some(service.base.clone()),
                    wildcard: service.wildcard,
                    zones: (e.is_regional_only() || e.has_given_zones()).then(|| {
                        let named = e.interfaces.iter().filter(|i| self.has_zonal_name(e, i));
                        named.map(|i| self.zone(i).clone()).collect()
                    }),
                    own: service.own_names.clone(),
                    private: Some(service.private_names.clone()),
                })
            }),
            network_interfaces: e
                .interfaces
                .iter()
                .map(|i| InterfaceInput {
                    availability_zone: old
                        .subnet(i.subnet)
                        .filter(|subnet| subnet.zone != *self.zone(i))
                        .map(|_| Box::new(At::new(self.zone(i).clone(), place.clone()))),
                    network_interface_id: At::new(i.id, place.clone()),
                    subnet_id: At::new(i.subnet, place.clone()),
                    private_ip_address: i.ipv4().map(|a| At::new(a, place.clone())),
                    ipv6_address: i.ipv6().map(|a| At::new(a, place.clone())),
                    // where it was outside, that was taken already
                    is_anywhere: old.subnet(i.subnet).is_some_and(|subnet| {
                        !i.addresses().all(|a| subnet.cidr_blocks.iter().any(|block| block.contains(&a)))
                    }),
                })
                .collect(),
        }
    }

    fn replace_private_names(
        &mut self,
        old: &Model,
        before: &[&Endpoint],
        after: &[Endpoint],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let mut coming: Map<VpcId, Vec<PrivateName>> = Map::default();
        for endpoint in after.iter().filter(|e| e.private_dns_enabled()) {
            let names = self.services.by_index(endpoint.service).private_names(endpoint.is_dualstack());
            let claims = names.map(|name| PrivateName { name: name.clone(), endpoint: endpoint.id });
            coming.entry(endpoint.vpc).or_default().extend(claims);
        }
        for endpoint in before.iter().filter(|e| e.private_dns_enabled()) {
            coming.entry(endpoint.vpc).or_default();
        }
        if coming.is_empty() {
            return;
        }
        check.touched_claims.extend(coming.keys());
        let leaving: HashSet<EndpointId> = before.iter().map(|e| e.id).collect();
        let over: Map<EndpointId, bool> = after.iter().map(|e| (e.id, e.state.is_over())).collect();
        let is_over = |id: EndpointId| {
            over.get(&id).copied().unwrap_or_else(|| old.endpoint(id).is_none_or(|e| e.state.is_over()))
        };
        let services = &self.services;
        let rank = |id: EndpointId, name: &DnsName| {
            let endpoint = after.iter().find(|endpoint| endpoint.id == id);
            let mut names = endpoint.into_iter().flat_map(|e| services.by_index(e.service).private_names(true));
            names.position(|own| own == name).unwrap_or(usize::MAX)
        };
        let map = Arc::make_mut(&mut self.private_names);
        for (vpc, mut names) in coming {
            let kept = old.private_names(vpc).iter().filter(|claim| !leaving.contains(&claim.endpoint));
            names.extend(kept.cloned());
            names.sort();
            check.private_names_once(vpc, &names, &is_over, after, &rank);
            if names == old.private_names(vpc) {
                continue;
            }
            changes.private_names.insert(vpc);
            if names.is_empty() {
                map.remove(&vpc)
            } else {
                map.insert(vpc, names.into())
            };
        }
    }
}

/// The names of the services of these endpoints of `model`, each service once.
fn names_of<'m>(model: &'m Model, endpoints: impl IntoIterator<Item = &'m Endpoint>) -> impl Iterator<Item = DnsName> {
    let services: HashSet<ServiceIndex, foldhash::fast::RandomState> =
        endpoints.into_iter().map(|endpoint| endpoint.service).collect();
    services.into_iter().flat_map(|service| {
        let service = model.services.by_index(service);
        // a wildcard stands for what is below its parent
        let private = service.private_names(true).map(|name| name.wildcard_apex().unwrap_or_else(|| name.clone()));
        private.chain([service.base.clone()])
    })
}
