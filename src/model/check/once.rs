//! What can be used once: ids, addresses, and private names in a VPC.

use std::collections::HashSet;
use std::net::IpAddr;

use super::super::change::Key;
use super::super::endpoint::Endpoint;
use super::super::input::EndpointInput;
use super::super::violation::Breach;
use super::super::{Model, PrivateName};
use super::Check;
use crate::dns::DnsName;
use crate::naming::{EndpointId, InterfaceId, VpcId};
use crate::problem::{At, Place};

impl Check<'_> {
    /// Endpoint ids are unique, here and in what stays.
    pub(in crate::model) fn endpoints_once(
        &mut self,
        old: &Model,
        gone: &HashSet<EndpointId>,
        inputs: &[&EndpointInput],
    ) {
        let mut ids: Vec<(EndpointId, usize)> =
            inputs.iter().enumerate().map(|(at, input)| (input.vpc_endpoint_id.value, at)).collect();
        ids.sort_unstable();
        let mut twice: Vec<&At<EndpointId>> = ids
            .windows(2)
            .filter_map(|pair| match pair {
                [(a, _), (b, at)] if a == b => inputs.get(*at).map(|input| &input.vpc_endpoint_id),
                _ => None,
            })
            .collect();
        let kept = |id: EndpointId| old.endpoint(id).is_some() && !gone.contains(&id);
        twice.extend(inputs.iter().map(|input| &input.vpc_endpoint_id).filter(|id| kept(id.value)));
        for id in twice {
            let all = inputs.iter().map(|input| &input.vpc_endpoint_id);
            self.twice(Some(&Key::Endpoint(id.value)), &id.value.to_string(), &id.place, all);
        }
    }

    /// An address is used once in a VPC.
    pub(in crate::model) fn address_twice(
        &mut self,
        vpc: VpcId,
        address: IpAddr,
        inputs: &[&EndpointInput],
        old: &Model,
    ) {
        let uses = inputs.iter().filter(|input| input.vpc_id.value == vpc).flat_map(|input| {
            let id = input.vpc_endpoint_id.value;
            input.network_interfaces.iter().filter_map(move |interface| {
                let v4 = interface
                    .private_ip_address
                    .as_ref()
                    .filter(|at| IpAddr::V4(at.value) == address)
                    .map(|at| &at.place);
                let v6 =
                    interface.ipv6_address.as_ref().filter(|at| IpAddr::V6(at.value) == address).map(|at| &at.place);
                v4.or(v6).map(|place| (id, place))
            })
        });
        let uses: Vec<(EndpointId, &Place)> = uses.collect();
        let Some((id, place)) = uses.last() else { return };
        let other = uses.iter().find(|(_, other)| other != place).map(|(other, at)| (*other, Some((*at).clone())));
        let other = other.or_else(|| {
            let holds = |e: &&Endpoint| {
                e.vpc == vpc && e.id != *id && e.interfaces.iter().any(|i| i.addresses().any(|a| a == address))
            };
            let other = old.endpoints().find(holds)?.id;
            Some((other, (self.place_of)(&Key::Endpoint(other))))
        });
        let breach = Breach::AddressInUse { address, endpoint: *id, vpc, other };
        self.report(&(*place).clone(), breach);
    }

    /// Interface ids are unique: says so where `interface`, of one of `inputs`, is that of another one of them or of an endpoint
    /// that stays.
    pub(in crate::model) fn interface_twice<'m>(
        &mut self,
        interface: InterfaceId,
        inputs: &[&EndpointInput],
        mut staying: impl Iterator<Item = &'m Endpoint>,
    ) {
        let uses: Vec<&At<InterfaceId>> = inputs
            .iter()
            .flat_map(|input| &input.network_interfaces)
            .map(|i| &i.network_interface_id)
            .filter(|at| at.value == interface)
            .collect();
        let Some(last) = uses.last() else { return };
        let other = staying.find(|e| e.interfaces.iter().any(|i| i.id == interface));
        if other.is_none() && uses.len() == 1 {
            return;
        }
        let key = other.map(|e| Key::Endpoint(e.id));
        self.twice(key.as_ref(), &interface.to_string(), &last.place, uses.iter().copied());
    }

    /// No two endpoints with the same private name in one VPC.
    pub(in crate::model) fn private_names_once(
        &mut self,
        vpc: VpcId,
        names: &[PrivateName],
        is_over: &dyn Fn(EndpointId) -> bool,
        after: &[Endpoint],
        rank: &dyn Fn(EndpointId, &DnsName) -> usize,
    ) {
        // of two endpoints that have several names in common, the first of the service is told
        let mut taken: Vec<(EndpointId, EndpointId, usize, &DnsName)> = Vec::new();
        let live: Vec<&PrivateName> = names.iter().filter(|claim| !is_over(claim.endpoint)).collect();
        for pair in live.windows(2) {
            let [a, b] = pair else { continue };
            // one endpoint that is declared twice has been told as that
            if a.name != b.name || a.endpoint == b.endpoint {
                continue;
            }
            let (new, other) = if after.iter().any(|e| e.id == b.endpoint) { (b, a) } else { (a, b) };
            taken.push((new.endpoint, other.endpoint, rank(new.endpoint, &a.name), &a.name));
        }
        taken.sort_unstable();
        taken.dedup_by_key(|(endpoint, other, ..)| (*endpoint, *other));
        for (endpoint, other, _, name) in taken {
            let place = |id| (self.place_of)(&Key::Endpoint(id)).unwrap_or_else(|| Place::whole(format!("{id}")));
            let other_place = place(other);
            let breach = Breach::PrivateNameTaken { name: name.clone(), endpoint, vpc, other, other_place };
            let at = place(endpoint);
            self.report(&at, breach);
        }
    }
}
