//! The rules that objects must keep among themselves, one function each.
//!
//! Where EC2 has a text for a broken rule, its words are used, so that a search finds what AWS users wrote.

mod zones;

use std::net::IpAddr;

use ipnet::IpNet;
use std::collections::HashSet;

use super::apply::{Broken, Key};
use super::endpoint::{Choices, Endpoint, Interface, ServiceIndex};
use super::input::{EndpointInput, ServiceInput, SubnetInput, VpcInput};
use super::{Map, Mode, Model, PrivateName, Subnet, Vpc};
use crate::naming::{self, DnsName, EndpointId, Evidence, InterfaceId, Service, ServiceName, SubnetId, Suffix, VpcId};
use crate::problem::{At, Place, Problem};

/// The problems of one change, and what the rules need to know about it.
pub(super) struct Check<'a> {
    pub(super) problems: Vec<Problem>,
    pub(super) place_of: &'a dyn Fn(&Key) -> Option<Place>,
    pub(super) dirty_vpcs: HashSet<VpcId>,
    pub(super) dirty_subnets: HashSet<SubnetId>,
    /// VPCs in which endpoints with private names came, went or changed.
    pub(super) touched_claims: HashSet<VpcId>,
    /// Services that a source described and describes no more.
    pub(super) undeclared: HashSet<ServiceName>,
    broken: &'a Broken,
    warned_services: HashSet<ServiceName>,
    warned_vpcs: HashSet<VpcId>,
}

impl<'a> Check<'a> {
    pub(super) fn new(broken: &'a Broken, place_of: &'a dyn Fn(&Key) -> Option<Place>) -> Self {
        Self {
            problems: Vec::new(),
            place_of,
            dirty_vpcs: HashSet::new(),
            dirty_subnets: HashSet::new(),
            touched_claims: HashSet::new(),
            undeclared: HashSet::new(),
            broken,
            warned_services: HashSet::new(),
            warned_vpcs: HashSet::new(),
        }
    }

    fn error(&mut self, place: &Place, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::error(place.clone(), what, hint));
    }

    fn warn(&mut self, place: &Place, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::warning(place.clone(), what, hint));
    }

    fn is_broken(&self, id: &dyn ToString) -> bool {
        self.broken.incomplete || !self.broken.ids.is_empty() && self.broken.ids.contains(&id.to_string())
    }

    /// Unique ids: `what` was declared at `place` and somewhere else too.
    pub(super) fn twice<'i, T: PartialEq + ToString + 'i>(
        &mut self,
        key: Option<&Key>,
        what: &str,
        place: &Place,
        all: impl Iterator<Item = &'i At<T>>,
    ) {
        let other =
            all.filter(|at| at.value.to_string() == what).map(|at| at.place.clone()).find(|other| other != place);
        let other = other.or_else(|| key.and_then(self.place_of));
        let hint =
            other.map_or_else(String::new, |other| format!("it is also declared at {other}: remove one of them"));
        self.error(place, format!("{what} is declared twice"), hint);
    }

    pub(super) fn vpc(input: &VpcInput) -> Vpc {
        Vpc {
            vpc_id: input.vpc_id.value,
            region: input.region.value.clone(),
            cidr_blocks: input.cidr_blocks.iter().map(|cidr| cidr.value).collect(),
            enable_dns_support: input.enable_dns_support,
            enable_dns_hostnames: input.enable_dns_hostnames,
            listeners: input.listeners.iter().map(|listener| listener.value).collect(),
        }
    }

    pub(super) fn subnet(input: &SubnetInput) -> Subnet {
        Subnet {
            subnet_id: input.subnet_id.value,
            vpc_id: input.vpc_id.value,
            zone: input.availability_zone.value.clone(),
            cidr_blocks: input.cidr_blocks.iter().map(|cidr| cidr.value).collect(),
        }
    }

    /// A client must be of one VPC: by its address, or by the listener where addresses overlap.
    pub(super) fn client_addresses(&mut self, model: &Model, new: &[&VpcInput]) {
        let place = |vpc: VpcId, cidr: Option<IpNet>| {
            let input = new.iter().find(|input| input.vpc_id.value == vpc)?;
            let at = input.cidr_blocks.iter().find(|block| Some(block.value) == cidr);
            Some(at.map_or_else(|| input.vpc_id.place.clone(), |block| block.place.clone()))
        };
        let anywhere = |vpc: VpcId, cidr| {
            place(vpc, cidr)
                .or_else(|| (self.place_of)(&Key::Vpc(vpc)))
                .unwrap_or_else(|| Place::whole(vpc.to_string()))
        };
        let vpcs = model.vpcs();
        let mut blocks: Vec<(IpNet, &Vpc)> = vpcs
            .iter()
            .filter(|vpc| vpc.listeners.is_empty())
            .flat_map(|vpc| vpc.cidr_blocks.iter().map(|cidr| (*cidr, &***vpc)))
            .collect();
        blocks.sort_by_key(|(cidr, vpc)| (cidr.network(), cidr.prefix_len(), vpc.vpc_id));
        let mut found = Vec::new();
        let mut open: Vec<(IpNet, &Vpc)> = Vec::new();
        for (cidr, vpc) in blocks {
            // sorted by first address, a block overlaps exactly those before it that have not ended yet
            open.retain(|(other, _)| other.contains(&cidr.network()));
            if let Some((other, owner)) = open.iter().find(|(_, owner)| owner.vpc_id != vpc.vpc_id) {
                let (mut a, mut b) = ((cidr, vpc), (*other, *owner));
                if place(a.1.vpc_id, Some(a.0)).is_none() {
                    std::mem::swap(&mut a, &mut b);
                }
                found.push(Problem::error(
                    anywhere(a.1.vpc_id, Some(a.0)),
                    format!("{} of {} overlaps {} of {}", a.0, a.1.vpc_id, b.0, b.1.vpc_id),
                    format!(
                        "give one of them `listeners = [\"address:53\"]`, so that its clients can be told apart ({} is at {})",
                        b.1.vpc_id,
                        anywhere(b.1.vpc_id, Some(b.0))
                    ),
                ));
            }
            open.push((cidr, vpc));
        }
        let mut listeners: Map<std::net::SocketAddr, VpcId> = Map::default();
        for vpc in &vpcs {
            for listener in &vpc.listeners {
                if let Some(other) = listeners.insert(*listener, vpc.vpc_id) {
                    found.push(Problem::error(
                        anywhere(vpc.vpc_id, None),
                        format!("the listener {listener} of {} is also one of {other}", vpc.vpc_id),
                        "a listener belongs to one VPC: choose another address or port",
                    ));
                }
            }
        }
        self.problems.append(&mut found);
    }

    /// A subnet's blocks are inside its VPC's.
    pub(super) fn subnet_in_vpc(&mut self, model: &Model, input: &SubnetInput) {
        let id = input.subnet_id.value;
        let Some(vpc) = model.vpc(input.vpc_id.value) else {
            if !self.is_broken(&input.vpc_id.value) {
                let vpc = input.vpc_id.value;
                self.error(
                    &input.vpc_id.place,
                    format!("the vpc ID '{vpc}' of {id} does not exist"),
                    no_such("vpc", "describe-vpcs"),
                );
            }
            return;
        };
        for block in &input.cidr_blocks {
            if !vpc.cidr_blocks.iter().any(|cidr| cidr.contains(&block.value)) {
                let blocks = list(&vpc.cidr_blocks);
                self.error(
                    &block.place,
                    format!("{} of {id} is not inside {}", block.value, vpc.vpc_id),
                    format!("{} has {blocks}", vpc.vpc_id),
                );
            }
        }
        let zone = &input.availability_zone;
        if !zone.value.as_str().starts_with(vpc.region.as_str()) {
            self.error(
                &zone.place,
                format!("the zone {} of {id} is not in {}, the region of {}", zone.value, vpc.region, vpc.vpc_id),
                format!("zones of that region are named {}a, {}b, ...", vpc.region, vpc.region),
            );
        }
    }

    /// The same for a subnet that was there before its VPC changed.
    pub(super) fn kept_subnet_in_vpc(&mut self, model: &Model, subnet: &Subnet) {
        let id = subnet.subnet_id;
        let place = (self.place_of)(&Key::Subnet(id)).unwrap_or_else(|| Place::whole(id.to_string()));
        let at = |value| At::new(value, place.clone());
        self.subnet_in_vpc(
            model,
            &SubnetInput {
                subnet_id: At::new(id, place.clone()),
                vpc_id: At::new(subnet.vpc_id, place.clone()),
                availability_zone: At::new(subnet.zone.clone(), place.clone()),
                cidr_blocks: subnet.cidr_blocks.iter().map(|cidr| at(*cidr)).collect(),
            },
        );
    }

    /// A service as a source describes it, completed by the catalogue.
    pub(super) fn service(&mut self, input: &ServiceInput) -> Option<Service> {
        let name = &input.service_name;
        let known = naming::resolve(&name.value);
        let base = match (&input.base_endpoint_dns_name, &known) {
            (Some(base), _) => base.value.clone(),
            (None, Ok(service)) => service.base.clone(),
            (None, Err(error)) => {
                let error = error.to_string();
                self.error(
                    &name.place,
                    error,
                    "set base_endpoint_dns_name, what follows the endpoint's own label in its names",
                );
                return None;
            }
        };
        let inherited = known.as_ref().ok();
        Some(Service {
            service_name: name.value.clone(),
            region: inherited.and_then(|service| service.region.clone()),
            zone: Service::zone_of(&base),
            base,
            wildcard: inherited.is_some_and(|service| service.wildcard),
            private_names: match &input.private_dns_names {
                Some(names) => names.iter().map(|name| name.value.clone()).collect(),
                None => inherited.map(|service| service.private_names.clone()).unwrap_or_default(),
            },
            availability_zones: input.availability_zones.iter().map(|zone| zone.value.clone()).collect(),
            evidence: Evidence::Given,
        })
    }

    /// Endpoint ids are unique, here and in what stays.
    pub(super) fn endpoints_once(&mut self, old: &Model, gone: &HashSet<EndpointId>, inputs: &[&EndpointInput]) {
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

    /// An endpoint as it will be served; `None` if it refers to things that are not there.
    pub(super) fn endpoint(&mut self, model: &mut Model, old: &Model, input: &EndpointInput) -> Option<Endpoint> {
        let id = input.vpc_endpoint_id.value;
        let service = self.endpoint_service(model, input)?;
        let Some(vpc) = model.vpc(input.vpc_id.value).cloned() else {
            if !self.is_broken(&input.vpc_id.value) {
                let vpc = input.vpc_id.value;
                self.error(
                    &input.vpc_id.place,
                    format!("the vpc ID '{vpc}' of {id} does not exist"),
                    no_such("vpc", "describe-vpcs"),
                );
            }
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
        let mut zones_seen: Vec<(super::ZoneIndex, SubnetId)> = Vec::new();
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

    /// An address is used once in a VPC.
    pub(super) fn address_twice(&mut self, vpc: VpcId, address: IpAddr, inputs: &[&EndpointInput], old: &Model) {
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
        let other = uses.iter().find(|(_, other)| other != place).map(|(other, at)| format!("{other} has it at {at}"));
        let other = other.or_else(|| {
            let holds = |e: &&Endpoint| {
                e.vpc == vpc && e.id != *id && e.interfaces.iter().any(|i| i.addresses().any(|a| a == address))
            };
            let other = old.endpoints().find(holds)?.id;
            Some(
                (self.place_of)(&Key::Endpoint(other))
                    .map_or_else(|| format!("{other} has it"), |at| format!("{other} has it at {at}")),
            )
        });
        let what = format!("{address} of {id} is already in use in {vpc}");
        self.problems.push(Problem::error((*place).clone(), what, other.unwrap_or_default()));
    }

    /// Interface ids are unique.
    pub(super) fn interface_twice(&mut self, interface: InterfaceId, inputs: &[&EndpointInput], old: &Model) {
        let uses: Vec<&At<InterfaceId>> = inputs
            .iter()
            .flat_map(|input| &input.network_interfaces)
            .map(|i| &i.network_interface_id)
            .filter(|at| at.value == interface)
            .collect();
        let Some(last) = uses.last() else { return };
        let other = old.endpoints().find(|e| e.interfaces.iter().any(|i| i.id == interface));
        let key = other.map(|e| Key::Endpoint(e.id));
        self.twice(key.as_ref(), &interface.to_string(), &last.place, uses.iter().copied());
    }

    /// No two endpoints with the same private name in one VPC.
    pub(super) fn private_names_once(
        &mut self,
        vpc: VpcId,
        names: &[PrivateName],
        is_over: &dyn Fn(EndpointId) -> bool,
        after: &[Endpoint],
    ) {
        let live: Vec<&PrivateName> = names.iter().filter(|claim| !is_over(claim.endpoint)).collect();
        for pair in live.windows(2) {
            let [a, b] = pair else { continue };
            // one endpoint that is declared twice has been told as that
            if a.name != b.name || a.endpoint == b.endpoint {
                continue;
            }
            let (new, other) = if after.iter().any(|e| e.id == b.endpoint) { (b, a) } else { (a, b) };
            let place = |id| (self.place_of)(&Key::Endpoint(id)).unwrap_or_else(|| Place::whole(format!("{id}")));
            let what = format!(
                "{}: private-dns-enabled cannot be set because there is already a conflicting DNS domain for {} in the VPC {vpc}",
                new.endpoint, a.name
            );
            let hint = format!(
                "{} has it ({}): set private_dns_enabled = false on one of them",
                other.endpoint,
                place(other.endpoint)
            );
            let at = place(new.endpoint);
            self.error(&at, what, hint);
        }
    }
}

fn no_such(table: &str, command: &str) -> String {
    format!("add a [[{table}]], or the output of `aws ec2 {command}`")
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
