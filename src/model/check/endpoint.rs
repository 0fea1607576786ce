//! The rules of an endpoint: what it refers to is there and fits, and private DNS can be on.

use std::net::IpAddr;

use super::super::endpoint::{Choices, Endpoint, Interface, ServiceIndex};
use super::super::input::EndpointInput;
use super::super::{Mode, Model};
use super::{Check, list, no_such};
use crate::naming::{self, DnsName, Evidence, Service, SubnetId, Suffix};
use crate::problem::Problem;

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
        if foreign && input.given_names.as_ref().is_none_or(|given| given.base.is_none()) {
            let place = &input.service_name.place;
            let what =
                format!("the service {} is not in {}, the region of {}", names.service_name, vpc.region, vpc.vpc_id);
            self.error(place, what, "an endpoint and its service are in the same region");
        }
        let interfaces = self.interfaces(model, input, &names);
        let has_name = !names.private_names.is_empty();
        let wants_private = input.private_dns_enabled.as_ref().map_or(has_name, |at| at.value);
        if let Some(at) = input.private_dns_enabled.as_ref().filter(|at| at.value && !has_name) {
            let what = format!(
                "Private DNS can't be enabled because the service {} does not provide a private DNS name.",
                names.service_name
            );
            self.error(
                &at.place,
                what,
                "set private_dns_enabled = false, or give the service private_dns_names in [[vpc_endpoint_service]]",
            );
        }
        if wants_private && !vpc.has_private_dns() && self.warned_vpcs.insert(vpc.vpc_id) {
            let off = if vpc.enable_dns_support { "enable_dns_hostnames" } else { "enable_dns_support" };
            self.warn(
                &input.vpc_endpoint_id.place,
                format!(
                    "private DNS of {id} is on, but {off} = false on {}: its private names answer as public ones",
                    vpc.vpc_id
                ),
                format!(
                    "set enable_dns_support and enable_dns_hostnames of {} to true, or private_dns_enabled = false",
                    vpc.vpc_id
                ),
            );
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
            let what = format!("{id} was in {} and is now in {}", was.vpc, input.vpc_id.value);
            self.error(&input.vpc_id.place, what, "an endpoint never moves: give the new one an id of its own");
        }
        let service = &old.service(was).service_name;
        if *service != input.service_name.value {
            let what = format!("{id} led to {service} and now leads to {}", input.service_name.value);
            self.error(&input.service_name.place, what, "an endpoint never moves: give the new one an id of its own");
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
        let mut service = match declared.map_or_else(|| naming::resolve(&name.value), Ok) {
            Ok(service) => service,
            Err(_) if base.is_some() => Service {
                service_name: name.value.clone(),
                region: None,
                base: DnsName::root(),
                zone: DnsName::root(),
                wildcard: false,
                private_names: Vec::new(),
                availability_zones: Vec::new(),
                evidence: Evidence::Given,
            },
            Err(error) => {
                if !self.is_broken(&name.value.as_str()) {
                    let hint = naming::nearest_service(&name.value).map_or_else(
                        || "describe it in a [[vpc_endpoint_service]]".to_owned(),
                        |near| format!("did you mean {near}? If not, describe it in a [[vpc_endpoint_service]]"),
                    );
                    self.error(
                        &name.place,
                        format!("The Vpc Endpoint Service '{}' does not exist: {error}", name.value),
                        hint,
                    );
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
            if let Some(private) = &names.private {
                service.private_names.clone_from(private);
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
            self.error(&input.service_name.place, "there are more than 16,777,216 different services", "");
        }
        index
    }

    fn warn_of_unknown_service(&mut self, input: &EndpointInput, service: &Service) {
        let name = &input.service_name;
        let endpoint_service = service.base.labels().next().is_some_and(|label| label.starts_with(b"vpce-svc-"));
        if endpoint_service || service.evidence == Evidence::Given || naming::is_known(&name.value) {
            return;
        }
        if self.warned_services.insert(name.value.clone()) {
            let near = naming::nearest_service(&name.value)
                .map_or_else(String::new, |near| format!("did you mean {near}? If not: "));
            self.warn(
                &name.place,
                format!(
                    "{} is not in the catalogue: its names are made by AWS's general rule ({})",
                    name.value, service.base
                ),
                format!("{near}describe it in a [[vpc_endpoint_service]] to be sure"),
            );
        }
    }

    fn interfaces(&mut self, model: &mut Model, input: &EndpointInput, service: &Service) -> Box<[Interface]> {
        let id = input.vpc_endpoint_id.value;
        let mut zones_seen: Vec<(super::super::ZoneIndex, SubnetId)> = Vec::new();
        let mut interfaces = Vec::with_capacity(input.network_interfaces.len());
        for interface in &input.network_interfaces {
            let subnet_id = &interface.subnet_id;
            let Some(subnet) = model.subnets.get(&subnet_id.value) else {
                if !self.is_broken(&subnet_id.value) {
                    let what = format!("The subnet ID '{}' does not exist", subnet_id.value);
                    self.error(&subnet_id.place, what, no_such("subnet", "describe-subnets"));
                }
                continue;
            };
            if subnet.vpc_id != input.vpc_id.value {
                let what =
                    format!("{} is in {}, but {id} is in {}", subnet.subnet_id, subnet.vpc_id, input.vpc_id.value);
                self.error(&subnet_id.place, what, "an endpoint's subnets are in its own VPC");
            }
            if !service.availability_zones.is_empty() && !service.availability_zones.contains(&subnet.zone) {
                let what = format!(
                    "The VPC endpoint service {} does not support the availability zone of the subnet: {}.",
                    service.service_name, subnet.subnet_id
                );
                let hint = format!(
                    "it is in {}; the service is offered in {}",
                    subnet.zone,
                    list(&service.availability_zones)
                );
                self.error(&subnet_id.place, what, hint);
            }
            let (v4, v6) = (&interface.private_ip_address, &interface.ipv6_address);
            let addresses = v4
                .iter()
                .map(|at| (IpAddr::V4(at.value), &at.place))
                .chain(v6.iter().map(|at| (IpAddr::V6(at.value), &at.place)));
            for (address, place) in addresses {
                if !subnet.cidr_blocks.iter().any(|cidr| cidr.contains(&address)) {
                    let what = format!("{address} is not inside {}", subnet.subnet_id);
                    self.problems.push(Problem::error(
                        place.clone(),
                        what,
                        format!("the subnet has {}", list(&subnet.cidr_blocks)),
                    ));
                }
            }
            let Some(zone) = model.zones.intern(&subnet.zone) else {
                self.error(&subnet_id.place, "more than 65,535 availability zones", "");
                continue;
            };
            if let Some((_, other)) = zones_seen.iter().find(|(seen, _)| *seen == zone) {
                let what = format!(
                    "Found another VPC endpoint subnet in the availability zone of subnet {}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.",
                    subnet_id.value
                );
                let hint = format!("{other} is in {} too: keep one of them", model.zones.by_index(zone));
                self.error(&subnet_id.place, what, hint);
            }
            zones_seen.push((zone, subnet_id.value));
            let (v4, v6) = (v4.as_ref().map(|at| at.value), v6.as_ref().map(|at| at.value));
            interfaces.push(Interface::new(interface.network_interface_id.value, subnet_id.value, zone, v4, v6));
        }
        interfaces.into()
    }
}
