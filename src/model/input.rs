//! What sources hand to the model: every object as it was written, each value with its place.
//!
//! Values are well formed on their own (an id is an id); whether they fit together is for `model::check`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use ipnet::IpNet;

use super::inbound::{Direction, InboundEndpoint};
use super::{Mode, RecordIpType, State, Upstream, ZoneAffinity};
use crate::dns::{DnsName, Rtype};
use crate::naming::{EndpointId, InterfaceId, Region, ServiceName, SubnetId, Suffix, VpcId, ZoneName};
use crate::problem::{At, Place};

/// One object of a source and the place where it begins.
#[derive(Clone, Debug)]
pub struct Input {
    /// The object's first line.
    pub place: Place,
    /// The object. In a box, as lists of a million of them grow and move.
    pub object: Box<Object>,
    /// What `explain` says about where it comes from: which of several views holds.
    pub note: Option<Arc<str>>,
}

impl Input {
    /// An object that begins at `place`, of which there is nothing to note.
    pub fn new(place: Place, object: Object) -> Self {
        Self { place, object: Box::new(object), note: None }
    }
}

/// The kinds of object that a source can hold.
#[derive(Clone, Debug)]
pub enum Object {
    /// `[[vpc]]`
    Vpc(VpcInput),
    /// `[[subnet]]`
    Subnet(SubnetInput),
    /// `[[vpc_endpoint]]`
    Endpoint(EndpointInput),
    /// `[[vpc_endpoint_service]]`
    Service(ServiceInput),
    /// `[[hosted_zone]]`
    HostedZone(HostedZoneInput),
    /// `[[resolver_rule]]`
    Rule(RuleInput),
    /// `[[profile]]`
    Profile(ProfileInput),
    /// `[[resolver_endpoint]]`, an inbound one.
    Inbound(InboundInput),
    /// `[[resolver_endpoint]]`, an outbound one.
    Outbound(OutboundInput),
    /// An interface that is no endpoint's.
    Interface(NetworkInterfaceInput),
    /// A `[[vpc]]` without region and blocks, over a VPC of another source.
    VpcOverlay(VpcOverlayInput),
    /// A `[[vpc_endpoint]]` without VPC and service, over an endpoint of another source.
    EndpointOverlay(EndpointOverlayInput),
}

/// What lies over a VPC of another source.
#[derive(Clone, Debug)]
pub struct VpcOverlayInput {
    /// The VPC.
    pub vpc_id: At<VpcId>,
    /// Listeners besides its own.
    pub listeners: Vec<At<SocketAddr>>,
    /// Networks besides its own.
    pub clients: Vec<At<IpNet>>,
    /// `enableDnsSupport`; `None`: as the other source says.
    pub enable_dns_support: Option<bool>,
    /// `enableDnsHostnames`; `None`: as the other source says.
    pub enable_dns_hostnames: Option<bool>,
    /// Whether it has reverse zones of its own; `None`: as the other source says.
    pub autodefined_reverse: Option<bool>,
    /// Whether upstream replies are validated; `None`: as the other source says.
    pub dnssec_validation: Option<bool>,
    /// Whether addresses in a client's own zone are preferred. No other source says that.
    pub zone_affinity: Option<ZoneAffinity>,
}

/// What lies over an endpoint of another source.
#[derive(Clone, Debug)]
pub struct EndpointOverlayInput {
    /// The endpoint.
    pub vpc_endpoint_id: At<EndpointId>,
    /// What happens to unknown names below a private name; `None`: as the other source says.
    pub private_dns_mode: Option<Mode>,
    /// Its private names, in place of all others; `None`: as the other source says.
    pub private_dns_names: Option<Vec<DnsName>>,
}

/// A VPC as written.
#[derive(Clone, Debug)]
pub struct VpcInput {
    /// Its id.
    pub vpc_id: At<VpcId>,
    /// The account that it belongs to, where that is said.
    pub owner: Option<Arc<str>>,
    /// The region it is in.
    pub region: At<Region>,
    /// Its address blocks, IPv4 and IPv6.
    pub cidr_blocks: Vec<At<IpNet>>,
    /// `enableDnsSupport`.
    pub enable_dns_support: bool,
    /// `enableDnsHostnames`.
    pub enable_dns_hostnames: bool,
    /// Whoever reaches one of these addresses is a client of this VPC.
    pub listeners: Vec<At<SocketAddr>>,
    /// More networks whose clients are this VPC's: those of peers, of a VPN, of containers.
    pub clients: Vec<At<IpNet>>,
    /// Whether it has reverse zones of its own (Route 53 Resolver's `AutodefinedReverse`).
    pub autodefined_reverse: bool,
    /// Whether upstream replies are validated (Route 53 Resolver's `ResolverDnssecConfig`).
    pub dnssec_validation: bool,
    /// Whether addresses in a client's own zone are preferred.
    pub zone_affinity: Option<ZoneAffinity>,
}

/// A network interface that is no endpoint's, as written.
#[derive(Clone, Debug)]
pub struct NetworkInterfaceInput {
    /// Its id.
    pub network_interface_id: At<InterfaceId>,
    /// The VPC it is in.
    pub vpc_id: At<VpcId>,
    /// Its private IPv4 addresses, the primary one first.
    pub ipv4: Vec<Ipv4Addr>,
    /// Its IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its private name.
    pub private_dns_name: Option<DnsName>,
    /// The label of its instance's resource name, `i-0123456789abcdef0`, at an instance's first interface.
    pub resource_name: Option<String>,
    /// Whether the resource name has an A record.
    pub resource_name_a: bool,
    /// Whether the resource name has an AAAA record.
    pub resource_name_aaaa: bool,
    /// Public names, each with the private address that it has inside the VPC.
    pub public_names: Vec<(DnsName, Ipv4Addr)>,
}

/// A subnet as written.
#[derive(Clone, Debug)]
pub struct SubnetInput {
    /// Its id.
    pub subnet_id: At<SubnetId>,
    /// The VPC it is part of.
    pub vpc_id: At<VpcId>,
    /// The availability zone by name (`us-east-1a`), not by id.
    pub availability_zone: At<ZoneName>,
    /// Its address blocks: one IPv4, perhaps one IPv6.
    pub cidr_blocks: Vec<At<IpNet>>,
    /// `enable_dns64`: its clients get AAAA records for names that have only A (VPC guide, "DNS64 and NAT64").
    pub enable_dns64: bool,
}

/// An interface endpoint as written.
#[derive(Clone, Debug)]
pub struct EndpointInput {
    /// Its id.
    pub vpc_endpoint_id: At<EndpointId>,
    /// The VPC it is in.
    pub vpc_id: At<VpcId>,
    /// The service it leads to.
    pub service_name: At<ServiceName>,
    /// The region of the service, where the endpoint is in another one (`ServiceRegion`).
    pub service_region: Option<Box<At<Region>>>,
    /// Whether the service's own name answers with the endpoint; `None`: on where the service has such a name.
    pub private_dns_enabled: Option<At<bool>>,
    /// The private names are only for queries that enter by an inbound resolver endpoint (S3's option).
    pub inbound_resolver_only: bool,
    /// Where the endpoint is in its life.
    pub state: State,
    /// The eight characters behind the id in its names; `None`: derived from the id.
    pub dns_suffix: Option<At<Suffix>>,
    /// Which address records its names have.
    pub dns_record_ip_type: RecordIpType,
    /// What happens to unknown names below a private name.
    pub private_dns_mode: Mode,
    /// Names that the source gave (`DnsEntries`); they override the catalogue.
    pub given_names: Option<Box<GivenNames>>,
    /// Its network interfaces.
    pub network_interfaces: Vec<InterfaceInput>,
}

/// Names read out of `DnsEntries`.
#[derive(Clone, Debug)]
pub struct GivenNames {
    /// What follows the endpoint's own label: `ec2.us-east-1.vpce.amazonaws.com`; `None` if no entry follows the grammar.
    pub base: Option<DnsName>,
    /// The endpoint's names were given with `*.` in front.
    pub wildcard: bool,
    /// The zones of its zonal names, where the list is a complete one of names that follow the grammar; `None`: a zonal
    /// name for each interface.
    pub zones: Option<Vec<ZoneName>>,
    /// Whole names that follow no grammar: all that a resource endpoint has.
    pub own: Vec<DnsName>,
    /// The private names; `None` if the source says nothing about them (private DNS was off).
    pub private: Option<Vec<DnsName>>,
}

impl GivenNames {
    /// A source that gives no names.
    pub fn none() -> Self {
        Self { base: None, wildcard: false, zones: None, own: vec![], private: None }
    }
}

/// A network interface of an endpoint as written.
#[derive(Clone, Debug)]
pub struct InterfaceInput {
    /// Its id.
    pub network_interface_id: At<InterfaceId>,
    /// The subnet it is in.
    pub subnet_id: At<SubnetId>,
    /// What the endpoint's account calls its zone, where that is not what the subnet's account calls it.
    pub availability_zone: Option<Box<At<ZoneName>>>,
    /// Its IPv4 address.
    pub private_ip_address: Option<At<Ipv4Addr>>,
    /// Its IPv6 address.
    pub ipv6_address: Option<At<Ipv6Addr>>,
    /// Whoever tells of it has the say where it is: its addresses need not be inside the subnet.
    pub is_anywhere: bool,
}

/// A service as written: one that is not in the catalogue, or that overrides it.
#[derive(Clone, Debug)]
pub struct ServiceInput {
    /// Its name.
    pub service_name: At<ServiceName>,
    /// What follows an endpoint's own label in its names; `None`: by the catalogue or the rule.
    pub base_endpoint_dns_name: Option<At<DnsName>>,
    /// Its private names; `None`: by the catalogue or the rule.
    pub private_dns_names: Option<Vec<At<DnsName>>>,
    /// Zones in which it is offered; empty: everywhere.
    pub availability_zones: Vec<At<ZoneName>>,
}

/// A private hosted zone as written.
#[derive(Clone, Debug)]
pub struct HostedZoneInput {
    /// Its apex.
    pub name: At<DnsName>,
    /// The VPCs that see it.
    pub vpc_ids: Vec<At<VpcId>>,
    /// Every VPC sees it.
    pub every_vpc: bool,
    /// Profiles that share it with their VPCs, by id.
    pub profiles: Vec<At<Arc<str>>>,
    /// Clients of no VPC that are served see it too.
    pub clients_of_no_vpc: bool,
    /// What happens to names that it does not have.
    pub mode: Mode,
    /// Somebody knows its records and has told them. What is told of the same name by others holds over a zone whose records
    /// nobody knows.
    pub is_told: bool,
    /// Its records; SOA and NS at the apex come of themselves.
    pub records: Vec<RecordInput>,
}

/// A record set of a hosted zone as written.
#[derive(Clone, Debug)]
pub struct RecordInput {
    /// Owner, absolute.
    pub name: At<DnsName>,
    /// Only clients in a subnet of this zone get it, and nothing that the name has for others.
    pub clients_in: Option<ZoneName>,
    /// Its records, or the endpoint that it is an alias of.
    pub data: RecordData,
}

/// What a record set holds.
#[derive(Clone, Debug)]
pub enum RecordData {
    /// Record data in wire form, one entry a record; none: the name is there, and has no such records.
    Records {
        /// RR type.
        rtype: Rtype,
        /// Time to live, in seconds.
        ttl: u32,
        /// Uncompressed record data.
        rdata: Vec<At<Box<[u8]>>>,
    },
    /// Record sets of one type of which each answer has one, as often as its weight says; at least one of them.
    Weighted(Rtype, Vec<WeightedRecords>),
    /// The addresses of an endpoint, whatever they are at the time.
    Alias(At<AliasInput>),
    /// The addresses of another name, which others are asked for.
    AddressesOf(DnsName),
    /// Records of this type that exist and that nobody told us: an alias to something of which there is no output, or a
    /// routing policy that is not served.
    Elsewhere(Rtype),
}

/// One of several record sets of a name and type.
#[derive(Clone, Debug)]
pub struct WeightedRecords {
    /// Its share of the answers.
    pub weight: NonZeroU32,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// Uncompressed record data, one entry a record.
    pub rdata: Vec<At<Box<[u8]>>>,
}

/// The endpoint that an alias leads to: by its id, or by one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasInput {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its regional or zonal name, as Terraform's `dns_entry[n].dns_name` has it, without `*.`.
    pub name: Option<DnsName>,
    /// Whether it stays when the endpoint or the name has gone, as in Route 53; then it has no addresses.
    pub may_dangle: bool,
}

/// A resolver rule as written.
#[derive(Clone, Debug)]
pub struct RuleInput {
    /// The name at and below which it holds; of a DELEGATE rule, its `delegation_record`.
    pub domain_name: At<DnsName>,
    /// What to do there.
    pub action: RuleAction,
    /// The VPCs for which it holds.
    pub vpc_ids: Vec<At<VpcId>>,
    /// Profiles that share it with their VPCs, by id. With neither these nor VPCs it holds for every client.
    pub profiles: Vec<At<Arc<str>>>,
    /// The outbound resolver endpoint from whose addresses it asks, by id.
    pub endpoint: Option<Arc<str>>,
}

/// An inbound resolver endpoint as written.
#[derive(Clone, Debug)]
pub struct InboundInput {
    /// Its id, where that is said.
    pub id: Option<Arc<str>>,
    /// The VPC whose clients ask there.
    pub vpc_id: At<VpcId>,
    /// What they get.
    pub direction: Direction,
    /// The addresses of this server that stand for the endpoint's.
    pub listeners: Vec<At<SocketAddr>>,
}

impl InboundInput {
    /// The endpoint that it describes.
    pub(super) fn endpoint(&self) -> InboundEndpoint {
        let listeners = self.listeners.iter().map(|at| at.value).collect();
        InboundEndpoint::new(self.id.clone(), self.vpc_id.value, self.direction, listeners)
    }
}

/// An outbound resolver endpoint as written.
#[derive(Clone, Debug)]
pub struct OutboundInput {
    /// What rules call it.
    pub id: At<Arc<str>>,
    /// Its addresses; those that are on this host are where questions leave from.
    pub addresses: Vec<At<IpAddr>>,
}

/// A Route 53 Profile as written.
#[derive(Clone, Debug)]
pub struct ProfileInput {
    /// What hosted zones and rules call it.
    pub id: At<Arc<str>>,
    /// What people call it, where that is something else.
    pub name: Option<Arc<str>>,
    /// The VPCs that have it, each with the priority that it has there; the lowest wins.
    pub vpcs: Vec<(At<VpcId>, u32)>,
    /// Endpoints whose private names it shares.
    pub endpoints: Vec<At<EndpointId>>,
    /// Whether its VPCs have reverse zones of their own; `None`: as each VPC says.
    pub autodefined_reverse: Option<bool>,
    /// Whether upstream replies are validated for its VPCs; `None`: as each VPC says.
    pub dnssec_validation: Option<bool>,
}

/// What a resolver rule does with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// `FORWARD`: asks these resolvers, in order.
    Forward(Arc<[Upstream]>),
    /// `SYSTEM`: carves a name out of a wider FORWARD rule; resolved as if no rule were there.
    System,
    /// `DELEGATE`: has delegations of private zones followed that lead to name servers of its name (Route 53 guide, "Resolver
    /// delegation rules").
    Delegate,
}
