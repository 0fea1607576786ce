//! The rules of an endpoint: what it refers to is there and fits, and private DNS can be on.

use std::net::IpAddr;

use super::super::endpoint::{Choices, Endpoint, Interface, Interfaces, ServiceIndex, ZoneIndex};
use super::super::input::EndpointInput;
use super::super::violation::{Breach, VpcAttribute};
use super::super::{Mode, Model};
use super::Check;
use crate::dns::DnsName;
use crate::naming::{self, Evidence, Service, SubnetId, Suffix};

impl Check<'_> {
    /// An endpoint as it will be served; `None` if it refers to things that are not there.
    pub(in crate::model) fn endpoint(
        &mut self,
        model: &mut Model,
        old: &Model,
        input: &EndpointInput,
    ) -> Option<Endpoint> {
        let id = input.vpc_endpoint_id.value;
        let service = self.endpoint_service(model, input)?;
        let Some(vpc) = model.vpc(input.vpc_id.value).cloned() else {
            self.unknown_vpc(&input.vpc_id, &id);
            return None;
        };
        self.stays_where_it_is(old, input);
        let names = model.services.by_index(service).clone();
        // a global service (com.amazonaws.iam) has a region in its hostnames, but takes endpoints from every region
        let regional =
            |region: &&naming::Region| names.service_name.as_str().split('.').any(|part| part == region.as_str());
        let foreign = names.region.as_ref().filter(regional).is_some_and(|region| *region != vpc.region);
        let said = input.service_region.as_ref();
        if let Some(at) = said.filter(|at| names.region.as_ref().is_some_and(|region| *region != at.value)) {
            let of = names.region.clone().unwrap_or_else(|| at.value.clone());
            let breach =
                Breach::ServiceRegionDiffers { service: names.service_name.clone(), said: at.value.clone(), of };
            self.report(&at.place, breach);
        } else if foreign && said.is_none() && input.given_names.as_ref().is_none_or(|given| given.base.is_none()) {
            let breach = Breach::ServiceOfOtherRegion {
                service: names.service_name.clone(),
                region: vpc.region.clone(),
                vpc: vpc.vpc_id,
            };
            self.report(&input.service_name.place, breach);
        }
        let interfaces = self.interfaces(model, input, &names);
        let is_cross_region = names.region.as_ref().is_some_and(|region| *region != vpc.region);
        let is_endpoint_service = names.base.labels().next().is_some_and(|label| label.starts_with(b"vpce-svc-"));
        let listed = input.given_names.as_ref().and_then(|given| given.zones.as_ref());
        let unnamed: Vec<ZoneIndex> = listed.map_or_else(Vec::new, |listed| {
            let zones = interfaces.iter().map(|interface| interface.zone);
            zones.filter(|zone| !listed.contains(model.zones.by_index(*zone))).collect()
        });
        // a list is what the endpoint has; without one AWS's services have no zonal names across regions
        let is_regional_only = match listed {
            Some(listed) => listed.is_empty(),
            None => is_cross_region && !is_endpoint_service,
        };
        let has_given_zones = !is_regional_only && !unnamed.is_empty();
        if has_given_zones || old.endpoint(id).is_some_and(Endpoint::has_given_zones) {
            let set = std::sync::Arc::make_mut(&mut model.unnamed_zones);
            set.retain(|(endpoint, _)| *endpoint != id);
            set.extend(unnamed.iter().filter(|_| has_given_zones).map(|zone| (id, *zone)));
        }
        let has_name = !names.private_names.is_empty();
        let wants_private = input.private_dns_enabled.as_ref().map_or(has_name, |at| at.value);
        if let Some(at) = input.private_dns_enabled.as_ref().filter(|at| at.value && !has_name) {
            self.report(&at.place, Breach::NoPrivateName { service: names.service_name.clone() });
        }
        if wants_private && !vpc.has_private_dns() && self.warned_vpcs.insert(vpc.vpc_id) {
            let off = if vpc.enable_dns_support { VpcAttribute::DnsHostnames } else { VpcAttribute::DnsSupport };
            let breach = Breach::PrivateDnsIneffective { endpoint: id, vpc: vpc.vpc_id, off };
            self.report(&input.vpc_endpoint_id.place, breach);
        }
        Some(Endpoint {
            id,
            vpc: vpc.vpc_id,
            suffix: input.dns_suffix.as_ref().map_or_else(|| Suffix::derive(id), |suffix| suffix.value),
            state: input.state,
            record_ip_type: input.dns_record_ip_type,
            choices: Choices::new(&[
                (Choices::PRIVATE_DNS, wants_private && has_name),
                (Choices::PRIVATE_DNS_GIVEN, input.private_dns_enabled.is_some()),
                (Choices::INBOUND_ONLY, input.inbound_resolver_only),
                (Choices::OVERLAY, input.private_dns_mode == Mode::Overlay),
                (Choices::NAMES_GIVEN, input.given_names.is_some()),
                (Choices::REGIONAL_ONLY, is_regional_only),
                (Choices::ZONES_GIVEN, has_given_zones),
                (Choices::CROSS_REGION, is_cross_region),
            ]),
            service,
            interfaces,
        })
    }

    /// "An endpoint never moves": EC2 has no call that changes its VPC or service.
    fn stays_where_it_is(&mut self, old: &Model, input: &EndpointInput) {
        let Some(was) = old.endpoint(input.vpc_endpoint_id.value) else { return };
        let id = was.id;
        if was.vpc != input.vpc_id.value {
            let breach = Breach::EndpointMoved { endpoint: id, from: was.vpc, to: input.vpc_id.value };
            self.report(&input.vpc_id.place, breach);
        }
        let service = &old.service(was).service_name;
        if *service != input.service_name.value {
            let (from, to) = (service.clone(), input.service_name.value.clone());
            self.report(&input.service_name.place, Breach::ServiceChanged { endpoint: id, from, to });
        }
    }

    fn endpoint_service(&mut self, model: &mut Model, input: &EndpointInput) -> Option<ServiceIndex> {
        let name = &input.service_name;
        let given = input.given_names.as_ref();
        let found = model.services.find(&name.value);
        if let (Some(index), None) = (found, given)
            && !self.undeclared.contains(&name.value)
        {
            return Some(index);
        }
        let declared = found
            .filter(|_| !self.undeclared.contains(&name.value))
            .map(|index| model.services.by_index(index).clone());
        let base = given.and_then(|names| names.base.clone());
        let mut service = match declared.map_or_else(|| naming::resolve_with(&name.value, self.catalogue), Ok) {
            Ok(service) => service,
            Err(_) if base.is_some() => Service {
                service_name: name.value.clone(),
                region: None,
                base: DnsName::root(),
                zone: DnsName::root(),
                own_names: Vec::new(),
                wildcard: false,
                private_names: Vec::new(),
                evidence: Vec::new(),
                dualstack_names: Vec::new(),
                second_names: Vec::new(),
                availability_zones: Vec::new(),
            },
            Err(why) => {
                if !self.is_broken(&name.value.as_str()) {
                    self.report(&name.place, Breach::NoSuchService { service: name.value.clone(), why });
                }
                return None;
            }
        };
        if let Some(names) = given {
            if let Some(base) = base {
                service.zone = Service::zone_of(&base);
                service.base = base;
                service.wildcard = names.wildcard;
            }
            if !names.own.is_empty() {
                service.zone = service.base.clone();
                service.own_names.clone_from(&names.own);
            }
            if let Some(private) = &names.private {
                service.evidence = vec![Evidence::Given; private.len()];
                service.private_names.clone_from(private);
                service.dualstack_names.clear();
                service.second_names.clear();
            }
            return self.intern(model, input, service, true);
        }
        self.warn_of_unknown_service(input, &service);
        self.intern(model, input, service, false)
    }

    fn intern(
        &mut self,
        model: &mut Model,
        input: &EndpointInput,
        service: Service,
        given: bool,
    ) -> Option<ServiceIndex> {
        let index = model.services.intern(service, given);
        if index.is_none() {
            self.report(&input.service_name.place, Breach::TooManyServices);
        }
        index
    }

    fn warn_of_unknown_service(&mut self, input: &EndpointInput, service: &Service) {
        let name = &input.service_name;
        let endpoint_service = service.base.labels().next().is_some_and(|label| label.starts_with(b"vpce-svc-"));
        if endpoint_service || service.is_given() || naming::is_known(&name.value) {
            return;
        }
        if self.warned_services.insert(name.value.clone()) {
            let breach = Breach::ServiceNotInCatalogue { service: name.value.clone(), base: service.base.clone() };
            self.report(&name.place, breach);
        }
    }

    fn interfaces(&mut self, model: &mut Model, input: &EndpointInput, service: &Service) -> Interfaces {
        let id = input.vpc_endpoint_id.value;
        let mut zones_seen: Vec<(ZoneIndex, SubnetId)> = Vec::new();
        let mut interfaces = Interfaces::with_capacity(input.network_interfaces.len());
        for interface in &input.network_interfaces {
            let subnet_id = &interface.subnet_id;
            let Some(subnet) = model.subnets.get(&subnet_id.value) else {
                if !self.is_broken(&subnet_id.value) {
                    self.report(&subnet_id.place, Breach::NoSuchSubnet { subnet: subnet_id.value });
                }
                continue;
            };
            if subnet.vpc_id != input.vpc_id.value {
                let breach = Breach::SubnetOfOtherVpc {
                    subnet: subnet.subnet_id,
                    vpc: subnet.vpc_id,
                    endpoint: id,
                    endpoint_vpc: input.vpc_id.value,
                };
                self.report(&subnet_id.place, breach);
            }
            let zone_name = interface.availability_zone.as_ref().map_or(&subnet.zone, |zone| &zone.value);
            if !service.availability_zones.is_empty() && !service.availability_zones.contains(zone_name) {
                let breach = Breach::ZoneNotOffered {
                    service: service.service_name.clone(),
                    subnet: subnet.subnet_id,
                    zone: zone_name.clone(),
                    offered: service.availability_zones.clone(),
                };
                self.report(&subnet_id.place, breach);
            }
            let (v4, v6) = (&interface.private_ip_address, &interface.ipv6_address);
            let addresses = v4
                .iter()
                .map(|at| (IpAddr::V4(at.value), &at.place))
                .chain(v6.iter().map(|at| (IpAddr::V6(at.value), &at.place)));
            for (address, place) in addresses {
                if !interface.is_anywhere && !subnet.cidr_blocks.iter().any(|cidr| cidr.contains(&address)) {
                    let (subnet, blocks) = (subnet.subnet_id, subnet.cidr_blocks.clone());
                    self.report(place, Breach::AddressOutsideSubnet { address, subnet, blocks });
                }
            }
            let Some(zone) = model.zones.intern(zone_name) else {
                self.report(&subnet_id.place, Breach::TooManyZones);
                continue;
            };
            if let Some((_, other)) = zones_seen.iter().find(|(seen, _)| *seen == zone) {
                let (other, zone) = (*other, model.zones.by_index(zone).clone());
                self.report(&subnet_id.place, Breach::TwoSubnetsInZone { subnet: subnet_id.value, other, zone });
            }
            zones_seen.push((zone, subnet_id.value));
            let (v4, v6) = (v4.as_ref().map(|at| at.value), v6.as_ref().map(|at| at.value));
            interfaces.push(Interface::new(interface.network_interface_id.value, subnet_id.value, zone, v4, v6));
        }
        interfaces
    }
}
