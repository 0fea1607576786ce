//! The rules of hosted zones and resolver rules: which VPCs they name, what else has their name, where aliases lead.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::change::{Changes, Key};
use super::super::input::{AliasInput, HostedZoneInput, Input, Object, RecordData, RuleAction, RuleInput};
use super::super::violation::Breach;
use super::super::zone::{HostedZone, Rule};
use super::super::{Endpoint, Interface, Model, PrivateName};
use super::Check;
use crate::dns::DnsName;
use crate::naming::{EndpointId, VpcId, regional, zonal};
use crate::problem::Place;

impl Check<'_> {
    /// One hosted zone for a name and VPC, as in Route 53 (`ConflictingDomainExists`).
    pub(in crate::model) fn one_zone_per_name(
        &mut self,
        others: &[Arc<HostedZone>],
        zone: &HostedZone,
        key: &dyn Fn(&HostedZone) -> Key,
        place: &Place,
    ) {
        let other = others.iter().find(|other| other.name == zone.name && one_too_many(other, zone));
        // one that nobody has told says nothing that another one could contradict
        let other = other.filter(|other| other.is_told && zone.is_told);
        if let Some(other) = other {
            let other = (self.place_of)(&key(other));
            self.report(place, Breach::HostedZoneTwice { name: zone.name.clone(), other });
        }
    }

    /// One rule for a domain and VPC.
    pub(in crate::model) fn one_rule_per_name(
        &mut self,
        others: &[Arc<Rule>],
        rule: &Rule,
        key: &dyn Fn(&Rule) -> Key,
        place: &Place,
    ) {
        let other = others.iter().find(|other| {
            let is_delegation = |rule: &Rule| rule.action == RuleAction::Delegate;
            other.domain_name == rule.domain_name
                && is_delegation(other) == is_delegation(rule)
                && (other.is_everybodys() && rule.is_everybodys() || other.reach.overlaps(&rule.reach))
        });
        if let Some(other) = other {
            let other = (self.place_of)(&key(other));
            self.report(place, Breach::RuleTwice { name: rule.domain_name.clone(), other });
        }
    }

    /// Hosted zones and rules name VPCs that exist.
    pub(in crate::model) fn zone_and_rule_vpcs(
        &mut self,
        model: &Model,
        zones: &[&HostedZoneInput],
        rules: &[&RuleInput],
    ) {
        let new = zones.iter().flat_map(|zone| &zone.vpc_ids).chain(rules.iter().flat_map(|rule| &rule.vpc_ids));
        for vpc in new {
            if model.vpc(vpc.value).is_none() && !self.is_broken(&vpc.value) {
                self.report(&vpc.place, Breach::NoSuchVpc { vpc: vpc.value, owner: None });
            }
        }
        if self.dirty_vpcs.is_empty() {
            return;
        }
        // what nobody touched and names a VPC that is gone; what is new has been told above, with the very place
        let gone: HashSet<VpcId> = self.dirty_vpcs.iter().copied().filter(|id| model.vpc(*id).is_none()).collect();
        let new: HashSet<Key> =
            zones.iter().map(|zone| zone.key()).chain(rules.iter().map(|rule| rule.key())).collect();
        let zones = model.hosted_zones().iter().map(|zone| (zone.key(), &zone.reach));
        let rules = model.rules().iter().map(|rule| (rule.key(), &rule.reach));
        for (key, reach) in zones.chain(rules).filter(|(key, _)| !new.contains(key)) {
            for id in reach.vpc_ids.iter().filter(|id| gone.contains(*id)) {
                let place = (self.place_of)(&key).unwrap_or_else(|| Place::whole(id.to_string()));
                self.report(&place, Breach::NoSuchVpc { vpc: *id, owner: None });
            }
        }
    }

    /// A hosted zone and an endpoint's hidden zone cannot have the same name in a VPC (`ConflictingDomainExists`).
    pub(in crate::model) fn zones_against_private_names(&mut self, model: &Model, changes: &Changes) {
        let vpcs: Vec<VpcId> = if changes.zones_or_rules {
            model.private_names.keys().copied().collect()
        } else {
            self.touched_claims.iter().copied().collect()
        };
        // endpoints with private DNS have zones too, which AWS lists without their records
        for zone in model.hosted_zones().iter().filter(|zone| zone.is_told) {
            for vpc in vpcs.iter().filter(|vpc| zone.is_seen_from(Some(**vpc))) {
                let apex = |claim: &&PrivateName| claim.is_in_zone(&zone.name);
                // as with other endpoints, one that is over has left its name to whoever comes
                let live = |claim: &&PrivateName| model.endpoint(claim.endpoint).is_some_and(|e| !e.state.is_over());
                let Some(claim) = model.private_names(*vpc).iter().filter(live).find(apex) else { continue };
                let breach = Breach::HostedZoneAtPrivateName {
                    zone: zone.name.clone(),
                    vpc: *vpc,
                    name: claim.name.clone(),
                    endpoint: claim.endpoint,
                };
                self.report(&self.place_of_zone(zone), breach);
            }
        }
    }

    /// Aliases lead to endpoints that there are: those of new zones, and where an endpoint is gone, of all. Not those of
    /// which only the call that makes them asks that.
    pub(in crate::model) fn aliases(&mut self, model: &Model, changes: &Changes, added: &[Input]) {
        let mut seen: HashSet<Key> = HashSet::new();
        for input in added {
            let Object::HostedZone(zone) = &*input.object else { continue };
            seen.insert(input.key());
            for record in &zone.records {
                let RecordData::Alias(target) = &record.data else { continue };
                let AliasInput { endpoint: id, name, may_dangle: false } = &target.value else { continue };
                let Some(endpoint) = model.endpoint(*id) else {
                    self.no_such_endpoint(*id, &target.place);
                    continue;
                };
                if let Some(name) = name.as_ref().filter(|name| !has_name(model, endpoint, name)) {
                    let has = regional(endpoint.id, endpoint.suffix, model.service(endpoint));
                    let breach = Breach::NoSuchEndpointName { endpoint: *id, name: name.clone(), has };
                    self.report(&target.place, breach);
                }
            }
        }
        if changes.removed == 0 {
            return;
        }
        for zone in model.hosted_zones().iter().filter(|zone| !seen.contains(&zone.key())) {
            let nodes = zone.nodes().into_iter();
            let aliases = nodes.filter_map(|(_, node)| node.alias.as_ref()).filter(|alias| !alias.may_dangle);
            for id in aliases.map(|alias| alias.endpoint).filter(|id| model.endpoint(*id).is_none()) {
                let place = self.place_of_zone(zone);
                self.no_such_endpoint(id, &place);
            }
        }
    }

    pub(super) fn no_such_endpoint(&mut self, id: EndpointId, place: &Place) {
        if !self.is_broken(&id) {
            self.report(place, Breach::NoSuchEndpoint { endpoint: id });
        }
    }

    fn place_of_zone(&self, zone: &HostedZone) -> Place {
        (self.place_of)(&zone.key()).unwrap_or_else(|| Place::whole(zone.name.to_string()))
    }
}

/// Whether an endpoint has this regional or zonal name.
fn has_name(model: &Model, endpoint: &Endpoint, name: &DnsName) -> bool {
    let service = model.service(endpoint);
    let zonal = |i: &Interface| zonal(endpoint.id, endpoint.suffix, model.zone(i), service);
    let mut named = endpoint.interfaces.iter().filter(|i| model.has_zonal_name(endpoint, i));
    regional(endpoint.id, endpoint.suffix, service).as_ref() == Some(name)
        || named.any(|i| zonal(i).as_ref() == Some(name))
}

/// Whether two zones of one name leave it open for some client which of them holds.
///
/// One for every VPC and one for some do not: the more specific one holds for those.
fn one_too_many(a: &HostedZone, b: &HostedZone) -> bool {
    a.reach.every_vpc && b.reach.every_vpc || a.clients_of_no_vpc && b.clients_of_no_vpc || a.reach.overlaps(&b.reach)
}
