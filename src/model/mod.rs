//! What there is: VPCs, subnets, endpoints with their interfaces, services, hosted zones and resolver rules.
//!
//! [`Model`] is a value: [`Model::apply`] makes the next one out of a change and shares all that the change does
//! not touch. Every rule that objects must keep among themselves is in `check.rs`. Knows nothing of files,
//! sockets or formats.

mod apply;
mod change;
mod check;
mod endpoint;
mod host;
mod in_use;
mod inbound;
mod input;
mod outbound;
mod overlay;
mod profile;
mod rdata;
mod shards;
mod state;
mod table;
mod upstream;
mod violation;
mod zone;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use std::collections::{HashMap, HashSet};

pub use apply::Applied;
pub use change::{Broken, Changes, Key};
pub(crate) use endpoint::ZoneIndex;
pub use endpoint::{Endpoint, Interface, Interfaces};
pub use host::{Host, HostNames, HostRecords};
pub use inbound::{Direction, InboundEndpoint};
pub use input::*;
pub use outbound::OutboundEndpoint;
pub use profile::{Profile, Reach};
pub use rdata::{
    OpenQuote, RdataError, Word, folded, generic_rdata, parse_period, parse_rdata, put_name, read_rdata, show_rdata,
};
pub use state::{Mode, RecordIpType, State, ZoneAffinity};
pub use upstream::{Protocol, Upstream, UpstreamError};
pub use violation::{Breach, Violation, VpcAttribute};
pub(crate) use zone::hash;
pub use zone::{Alias, HostedZone, Node, ROUTE53_NS, ROUTE53_SOA, Rrset, Rule};

use crate::dns::DnsName;
use crate::naming::{
    self, CatalogueNames, EndpointId, EndpointNames, InterfaceId, Region, Service, ServiceName, ServiceNameError,
    SubnetId, VpcId, ZoneName,
};
use in_use::{InterfacesInUse, Ipv4InUse};
use shards::{Endpoints, SortedShards};
use table::{Services, Zones};

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpc {
    /// Its id.
    pub vpc_id: VpcId,
    /// The account that it belongs to, where that is known: the query log has it, and no answer depends on it.
    pub owner: Option<Arc<str>>,
    /// The region it is in.
    pub region: Region,
    /// Its address blocks.
    pub cidr_blocks: Vec<IpNet>,
    /// Whether its clients are served at all.
    pub enable_dns_support: bool,
    /// With the other: whether private names and instance names answer.
    pub enable_dns_hostnames: bool,
    /// Whoever reaches one of these is a client of this VPC.
    pub listeners: Vec<SocketAddr>,
    /// More networks whose clients are this VPC's.
    pub clients: Vec<IpNet>,
    /// Whether it has reverse zones of its own.
    pub autodefined_reverse: bool,
    /// Whether upstream replies are validated for its clients.
    pub dnssec_validation: bool,
    /// Whether addresses in a client's own zone are preferred; `None`: they are not.
    pub zone_affinity: Option<ZoneAffinity>,
}

impl Vpc {
    /// Whether private DNS works in it: both attributes are on.
    ///
    /// AWS: "Set the following VPC attributes to true: enableDnsHostnames and enableDnsSupport" (PrivateLink
    /// guide, "Private DNS").
    pub fn has_private_dns(&self) -> bool {
        self.enable_dns_support && self.enable_dns_hostnames
    }
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub subnet_id: SubnetId,
    /// The VPC it is part of.
    pub vpc_id: VpcId,
    /// Its availability zone.
    pub zone: ZoneName,
    /// Its address blocks.
    pub cidr_blocks: Vec<IpNet>,
    /// Whether its clients get AAAA records for names that have only A.
    pub enable_dns64: bool,
}

/// A block whose clients' answers depend on its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientZone {
    vpc: VpcId,
    /// The block: of a subnet.
    pub block: IpNet,
    pub(crate) zone: ZoneIndex,
    /// How much they prefer endpoints' addresses there.
    pub affinity: Option<ZoneAffinity>,
}

/// A private name that an endpoint with private DNS on claims in its VPC, whatever its state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrivateName {
    /// The name, perhaps with `*` in front.
    pub name: DnsName,
    /// Whose it is.
    pub endpoint: EndpointId,
}

impl PrivateName {
    /// Whether the endpoint's hidden zone for it is called `zone`.
    pub fn is_in_zone(&self, zone: &DnsName) -> bool {
        self.name.wildcard_apex().as_ref().unwrap_or(&self.name) == zone
    }
}

/// Everything there is. Cheap to clone; clones share what they have in common.
#[derive(Clone, Default)]
pub struct Model {
    vpcs: Arc<Map<VpcId, Arc<Vpc>>>,
    subnets: Arc<Map<SubnetId, Subnet>>,
    /// Blocks of subnets with DNS64, sorted.
    dns64: Arc<[(VpcId, IpNet)]>,
    /// Blocks of subnets whose clients' answers depend on their zone, sorted by VPC and block.
    client_zones: Arc<[ClientZone]>,
    services: Services,
    declared_services: Arc<HashSet<ServiceName>>,
    zones: Zones,
    endpoints: Endpoints,
    ipv4: Ipv4InUse,
    ipv6: SortedShards<(VpcId, Ipv6Addr)>,
    interfaces: InterfacesInUse,
    private_names: Arc<Map<VpcId, Arc<[PrivateName]>>>,
    hosted_zones: Arc<Vec<Arc<HostedZone>>>,
    rules: Arc<Vec<Arc<Rule>>>,
    profiles: Arc<Vec<Arc<Profile>>>,
    inbound: Arc<Vec<Arc<InboundEndpoint>>>,
    outbound: Arc<Vec<OutboundEndpoint>>,
    hosts: Arc<Map<InterfaceId, Arc<Host>>>,
    host_names: Arc<Map<VpcId, Arc<HostNames>>>,
    /// Zones in which an endpoint has an interface and, by its source's list, no zonal name.
    unnamed_zones: Arc<HashSet<(EndpointId, ZoneIndex)>>,
    notes: Arc<Map<Key, Arc<str>>>,
    overlays: Arc<overlay::Overlays>,
    catalogue: CatalogueNames,
}

impl Model {
    /// An empty model whose endpoints get the names of the catalogue that the operator chose.
    pub fn with_names(catalogue: CatalogueNames) -> Self {
        Self { catalogue, ..Self::default() }
    }

    /// Which of the catalogue's names hold.
    pub fn catalogue(&self) -> CatalogueNames {
        self.catalogue
    }

    /// A service by its name alone, with the names of the catalogue that hold here.
    pub fn resolve(&self, name: &ServiceName) -> Result<Service, ServiceNameError> {
        naming::resolve_with(name, self.catalogue)
    }

    /// Which view of an object holds, where several were read that differ.
    pub fn note(&self, key: &Key) -> Option<&str> {
        self.notes.get(key).map(|note| &**note)
    }

    /// The VPC with this id.
    pub fn vpc(&self, id: VpcId) -> Option<&Arc<Vpc>> {
        self.vpcs.get(&id)
    }

    /// All VPCs, by id.
    pub fn vpcs(&self) -> Vec<&Arc<Vpc>> {
        let mut all: Vec<_> = self.vpcs.values().collect();
        all.sort_by_key(|vpc| vpc.vpc_id);
        all
    }

    /// The subnet with this id.
    pub fn subnet(&self, id: SubnetId) -> Option<&Subnet> {
        self.subnets.get(&id)
    }

    /// All subnets, in no order that means anything.
    pub fn subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.values()
    }

    /// Whether an address is in a subnet of the VPC that has DNS64.
    pub fn is_dns64(&self, vpc: VpcId, address: IpAddr) -> bool {
        let first = self.dns64.partition_point(|(of, _)| *of < vpc);
        let blocks = self.dns64.iter().skip(first).take_while(|(of, _)| *of == vpc);
        blocks.into_iter().any(|(_, block)| block.contains(&address.to_canonical()))
    }

    /// The blocks of a VPC's subnets; empty where no answer depends on the client's zone.
    pub fn client_zones(&self, vpc: VpcId) -> &[ClientZone] {
        let all = &self.client_zones;
        let (first, last) = (all.partition_point(|zone| zone.vpc < vpc), all.partition_point(|zone| zone.vpc <= vpc));
        all.get(first..last).unwrap_or_default()
    }

    /// Whether answers depend on the client's zone, in any VPC.
    pub fn has_client_zones(&self) -> bool {
        !self.client_zones.is_empty()
    }

    /// The blocks of subnets that have DNS64, sorted.
    pub fn dns64_blocks(&self) -> &[(VpcId, IpNet)] {
        &self.dns64
    }

    /// How many endpoints there are, in whatever state.
    pub fn endpoint_count(&self) -> usize {
        self.endpoints.len()
    }

    /// The endpoint with this id.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.by_id(id)
    }

    /// Reads what an answer about this endpoint will read; the value means nothing.
    ///
    /// Reads for several endpoints at once overlap in the processor, where one answer after the other waits for memory
    /// several times.
    pub(crate) fn touch(&self, id: EndpointId) -> usize {
        let interfaces = self.endpoints.by_id(id).map(|endpoint| &endpoint.interfaces);
        interfaces.and_then(|all| all.first()).map_or(0, |first| usize::from(first.zone.0))
    }

    /// All endpoints, in no order that means anything.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter()
    }

    /// Endpoints that `other` may not have, or have otherwise, in no order that means anything: all of them, unless one of
    /// the two was made out of the other. An endpoint whose service got other names is among them.
    pub fn unshared_endpoints<'m>(&'m self, other: &'m Self) -> impl Iterator<Item = &'m Endpoint> {
        self.endpoints.unshared(&other.endpoints)
    }

    /// The service that an endpoint of this model leads to.
    pub fn service(&self, endpoint: &Endpoint) -> &Service {
        self.services.by_index(endpoint.service)
    }

    /// The zone of an interface of this model.
    pub fn zone(&self, interface: &Interface) -> &ZoneName {
        self.zones.by_index(interface.zone)
    }

    /// What the zone of a block is called.
    pub fn zone_of_clients(&self, clients: &ClientZone) -> &ZoneName {
        self.zones.by_index(clients.zone)
    }

    /// Whether an endpoint has a zonal name for this interface of its own.
    pub fn has_zonal_name(&self, endpoint: &Endpoint, interface: &Interface) -> bool {
        let is_unnamed = || endpoint.has_given_zones() && self.unnamed_zones.contains(&(endpoint.id, interface.zone));
        !endpoint.is_regional_only() && !is_unnamed()
    }

    /// An endpoint's names: zonal ones for the interfaces that [`Model::has_zonal_name`] says, in their order. `None` if they
    /// would be too long.
    pub fn endpoint_names(&self, endpoint: &Endpoint) -> Option<EndpointNames> {
        let named = endpoint.interfaces.iter().filter(|interface| self.has_zonal_name(endpoint, interface));
        let zones = named.map(|interface| self.zone(interface));
        naming::endpoint_names(endpoint.id, endpoint.suffix, self.service(endpoint), zones)
    }

    /// Whether an interface in this VPC that is known has this address.
    pub fn has_address(&self, vpc: VpcId, address: Ipv4Addr) -> bool {
        self.ipv4.contains(vpc, address) || self.host_names(vpc).is_some_and(|hosts| hosts.has(address.into()))
    }

    /// What the interfaces of a VPC are called that are no endpoint's; `None` if none is known.
    pub fn host_names(&self, vpc: VpcId) -> Option<&HostNames> {
        self.host_names.get(&vpc).map(|names| &**names)
    }

    /// All interfaces that are no endpoint's, in no order that means anything.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values().map(|host| &**host)
    }

    /// The same for an IPv6 address.
    pub fn has_ipv6_address(&self, vpc: VpcId, address: Ipv6Addr) -> bool {
        self.ipv6.contains(&(vpc, address))
    }

    /// The private names claimed in a VPC, sorted.
    pub fn private_names(&self, vpc: VpcId) -> &[PrivateName] {
        self.private_names.get(&vpc).map_or(&[], |names| names)
    }

    /// All private hosted zones.
    pub fn hosted_zones(&self) -> &[Arc<HostedZone>] {
        &self.hosted_zones
    }

    /// All resolver rules.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// All inbound resolver endpoints, in an order of their own.
    pub fn inbound(&self) -> &[Arc<InboundEndpoint>] {
        &self.inbound
    }

    /// All Profiles, by id.
    pub fn profiles(&self) -> &[Arc<Profile>] {
        &self.profiles
    }

    /// The Profile with this id.
    pub fn profile(&self, id: &str) -> Option<&Arc<Profile>> {
        self.profiles.binary_search_by(|profile| (*profile.id).cmp(id)).ok().and_then(|at| self.profiles.get(at))
    }

    /// The Profiles of a VPC, the one that wins first.
    pub fn profiles_of(&self, vpc: VpcId) -> Vec<&Arc<Profile>> {
        let here = self.profiles.iter().filter_map(|profile| Some((profile.priority_in(vpc)?, profile)));
        let mut all: Vec<(u32, &Arc<Profile>)> = here.collect();
        all.sort_by_key(|(priority, profile)| (*priority, profile.id.clone()));
        all.into_iter().map(|(_, profile)| profile).collect()
    }

    /// A service that a source describes, with the names that it has then.
    pub fn declared_service(&self, name: &ServiceName) -> Option<&Service> {
        let name = self.declared_services.get(name)?;
        self.services.find(name).map(|index| self.services.by_index(index))
    }

    /// Every service that a source describes, in no order that means anything.
    pub fn declared_services(&self) -> impl Iterator<Item = &Service> {
        self.declared_services.iter().filter_map(|name| self.declared_service(name))
    }

    /// The distinct services that endpoints lead to, served or not.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.in_use()
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({} VPCs, {} endpoints)", self.vpcs.len(), self.endpoints.len())
    }
}
