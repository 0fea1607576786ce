//! A rule of the model that a change breaks, as data: each reader says it in words of its own.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::change::Key;
use super::endpoint::Endpoint;
use super::{Model, Upstream};
use crate::dns::DnsName;
use crate::naming::{EndpointId, Region, ServiceName, ServiceNameError, SubnetId, VpcId, ZoneName};
use crate::problem::Place;

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The value that breaks it, as precisely as its source said.
    pub place: Place,
    /// The rule.
    pub breach: Breach,
}

impl Violation {
    /// Whether the change is refused for it; else it is a warning.
    pub fn is_error(&self) -> bool {
        !matches!(
            self.breach,
            Breach::PrivateDnsIneffective { .. } | Breach::ServiceNotInCatalogue { .. } | Breach::BlockOfTwoVpcs { .. }
        )
    }
}

/// Warnings, which hold for longer than the change that is checked.
impl Violation {
    /// The same where it holds in `model`, too: `None` where it holds no more, and at another place where what it was told of
    /// has gone and something else is as it was.
    pub fn still(&self, model: &Model, place_of: &dyn Fn(&Key) -> Option<Place>) -> Option<Self> {
        match &self.breach {
            Breach::PrivateDnsIneffective { endpoint, vpc, off } => {
                let has_both = model.vpc(*vpc).is_none_or(|vpc| vpc.has_private_dns());
                let is_so = |e: &&Endpoint| e.vpc == *vpc && e.private_dns_enabled();
                if has_both || model.endpoint(*endpoint).is_some_and(|e| is_so(&e)) {
                    return (!has_both).then(|| self.clone());
                }
                let other = model.endpoints().find(is_so)?;
                let breach = Breach::PrivateDnsIneffective { endpoint: other.id, vpc: *vpc, off: *off };
                let place = place_of(&Key::Endpoint(other.id)).unwrap_or_else(|| self.place.clone());
                Some(Self { place, breach })
            }
            Breach::ServiceNotInCatalogue { service, .. } => {
                // those that are served have a table of their own, which is short
                let is_used = model.services().any(|one| one.service_name == *service)
                    || model.endpoints().any(|e| model.service(e).service_name == *service);
                (is_used && model.declared_service(service).is_none()).then(|| self.clone())
            }
            Breach::BlockOfTwoVpcs { block, vpc, other, .. } => {
                let has = |id| model.vpc(id).is_some_and(|vpc| vpc.cidr_blocks.contains(block));
                (has(*vpc) && has(*other)).then(|| self.clone())
            }
            _ => None,
        }
    }

    /// Whether this is what `old` said, as a later change found it.
    pub fn says_anew(&self, old: &Self) -> bool {
        match (&self.breach, &old.breach) {
            (Breach::PrivateDnsIneffective { vpc, .. }, Breach::PrivateDnsIneffective { vpc: of, .. }) => vpc == of,
            (Breach::ServiceNotInCatalogue { service, .. }, Breach::ServiceNotInCatalogue { service: of, .. }) => {
                service == of
            }
            (Breach::BlockOfTwoVpcs { block, .. }, Breach::BlockOfTwoVpcs { block: of, .. }) => block == of,
            _ => false,
        }
    }
}

/// An attribute of a VPC on which private DNS depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpcAttribute {
    /// `enableDnsSupport`
    DnsSupport,
    /// `enableDnsHostnames`
    DnsHostnames,
}

/// The rules that objects keep among themselves, as they are broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breach {
    /// An id is declared once.
    DeclaredTwice {
        /// The id or name.
        id: String,
        /// The other place, if it is known.
        other: Option<Place>,
    },
    /// What names a VPC names one that exists.
    NoSuchVpc {
        /// The VPC that does not exist.
        vpc: VpcId,
        /// The subnet or endpoint that is said to be in it; `None`: a hosted zone or rule.
        owner: Option<String>,
    },
    /// An endpoint's subnets exist.
    NoSuchSubnet {
        /// The one that does not.
        subnet: SubnetId,
    },
    /// A `[[vpc]]` or `[[vpc_endpoint]]` that lies over an object of another source has one below it.
    NothingBelow {
        /// The object that is not there.
        id: String,
    },
    /// An alias leads to an endpoint that exists.
    NoSuchEndpoint {
        /// The one that does not.
        endpoint: EndpointId,
    },
    /// An endpoint's service is in the catalogue, follows AWS's naming rule or is declared.
    NoSuchService {
        /// Its name.
        service: ServiceName,
        /// Why no names can be made of it.
        why: ServiceNameError,
    },
    /// A declared service says what its endpoints' names end in, where its own name does not.
    NoBaseName {
        /// Why no names can be made of its name.
        why: ServiceNameError,
    },
    /// Warning: AWS's general rule makes the names of a service that the catalogue does not have.
    ServiceNotInCatalogue {
        /// Its name.
        service: ServiceName,
        /// What its endpoints' names end in.
        base: DnsName,
    },
    /// An endpoint is in the region of its service.
    ServiceOfOtherRegion {
        /// The service.
        service: ServiceName,
        /// The region of the VPC.
        region: Region,
        /// The endpoint's VPC.
        vpc: VpcId,
    },
    /// An endpoint's `service_region` is the region of its service.
    ServiceRegionDiffers {
        /// The service.
        service: ServiceName,
        /// What the endpoint says.
        said: Region,
        /// The service's region.
        of: Region,
    },
    /// An alias leads to a name that its endpoint has.
    NoSuchEndpointName {
        /// The endpoint.
        endpoint: EndpointId,
        /// The name that it does not have.
        name: DnsName,
        /// A name that it has.
        has: Option<DnsName>,
    },
    /// An endpoint never moves to another VPC.
    EndpointMoved {
        /// The endpoint.
        endpoint: EndpointId,
        /// Its VPC.
        from: VpcId,
        /// Its VPC by the change.
        to: VpcId,
    },
    /// An endpoint never changes its service.
    ServiceChanged {
        /// The endpoint.
        endpoint: EndpointId,
        /// Its service.
        from: ServiceName,
        /// Its service by the change.
        to: ServiceName,
    },
    /// Private DNS is on only where the service has a private name.
    NoPrivateName {
        /// The service.
        service: ServiceName,
    },
    /// Warning: private DNS of an endpoint is on, and an attribute of its VPC is off.
    PrivateDnsIneffective {
        /// The first such endpoint of the VPC.
        endpoint: EndpointId,
        /// The VPC.
        vpc: VpcId,
        /// The attribute.
        off: VpcAttribute,
    },
    /// Two endpoints of a VPC do not claim one private name.
    PrivateNameTaken {
        /// The name.
        name: DnsName,
        /// The endpoint that may not have it.
        endpoint: EndpointId,
        /// The VPC of both.
        vpc: VpcId,
        /// The endpoint that has it.
        other: EndpointId,
        /// Where that one is declared.
        other_place: Place,
    },
    /// A hosted zone and an endpoint's hidden zone do not have one name in a VPC.
    HostedZoneAtPrivateName {
        /// The hosted zone's name.
        zone: DnsName,
        /// The VPC.
        vpc: VpcId,
        /// The endpoint's private name.
        name: DnsName,
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// An endpoint's subnets are in its own VPC.
    SubnetOfOtherVpc {
        /// The subnet.
        subnet: SubnetId,
        /// Its VPC.
        vpc: VpcId,
        /// The endpoint.
        endpoint: EndpointId,
        /// The endpoint's VPC.
        endpoint_vpc: VpcId,
    },
    /// An endpoint's subnets are in zones that offer the service.
    ZoneNotOffered {
        /// The service.
        service: ServiceName,
        /// The subnet.
        subnet: SubnetId,
        /// Its zone.
        zone: ZoneName,
        /// The service's zones.
        offered: Vec<ZoneName>,
    },
    /// An endpoint has one subnet in an availability zone.
    TwoSubnetsInZone {
        /// The second subnet.
        subnet: SubnetId,
        /// The first.
        other: SubnetId,
        /// Their zone.
        zone: ZoneName,
    },
    /// An interface's addresses are inside its subnet.
    AddressOutsideSubnet {
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: SubnetId,
        /// The subnet's blocks.
        blocks: Vec<IpNet>,
    },
    /// An address is used once in a VPC.
    AddressInUse {
        /// The address.
        address: IpAddr,
        /// The endpoint that may not have it.
        endpoint: EndpointId,
        /// The VPC.
        vpc: VpcId,
        /// The endpoint that has it and where that is declared, as far as is known.
        other: Option<(EndpointId, Option<Place>)>,
    },
    /// Warning: several VPCs have a block and nothing gives its clients to one of them.
    BlockOfTwoVpcs {
        /// The block.
        block: IpNet,
        /// A VPC that has it.
        vpc: VpcId,
        /// Another.
        other: VpcId,
        /// Where that one is declared.
        other_place: Place,
    },
    /// A network of `clients` belongs to one VPC.
    ClientsTwice {
        /// The network.
        network: IpNet,
        /// A VPC that has it.
        vpc: VpcId,
        /// Another.
        other: VpcId,
    },
    /// A listener belongs to one VPC.
    ListenerTwice {
        /// The listener.
        listener: SocketAddr,
        /// A VPC that has it.
        vpc: VpcId,
        /// Another VPC that has it.
        other: VpcId,
    },
    /// A subnet's blocks are inside its VPC's.
    SubnetOutsideVpc {
        /// The subnet.
        subnet: SubnetId,
        /// The block that is not.
        block: IpNet,
        /// The VPC.
        vpc: VpcId,
        /// The VPC's blocks.
        blocks: Vec<IpNet>,
    },
    /// A subnet's availability zone is in the region of its VPC.
    ZoneOfOtherRegion {
        /// The subnet.
        subnet: SubnetId,
        /// Its zone.
        zone: ZoneName,
        /// The VPC's region.
        region: Region,
        /// The VPC.
        vpc: VpcId,
    },
    /// One hosted zone for a name and VPC, as in Route 53 (`ConflictingDomainExists`).
    HostedZoneTwice {
        /// The name.
        name: DnsName,
        /// Where the other is declared, if that is known.
        other: Option<Place>,
    },
    /// One resolver rule for a domain and VPC.
    RuleTwice {
        /// The domain.
        name: DnsName,
        /// Where the other is declared, if that is known.
        other: Option<Place>,
    },
    /// A rule forwards to others, and not to this server.
    UpstreamIsOurs {
        /// The target that is.
        upstream: Upstream,
    },
    /// A hosted zone or rule names Profiles that there are.
    NoSuchProfile {
        /// The one that does not exist.
        name: String,
        /// Those that do.
        known: Vec<String>,
    },
    /// A VPC has two Profiles at most.
    TooManyProfiles {
        /// The VPC.
        vpc: VpcId,
    },
    /// The VPCs and endpoints of a Profile are in one Region.
    ProfileOfOtherRegion {
        /// The Profile.
        name: String,
        /// The VPC or endpoint.
        what: String,
        /// Its Region.
        region: Region,
        /// That of the others.
        of: Region,
    },
    /// The table of services is full.
    TooManyServices,
    /// The table of availability zones is full.
    TooManyZones,
}
