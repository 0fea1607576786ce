//! What the API keeps of each object: what its callers said, and what was chosen for them. This is what is on disk.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ApiSettings;
use super::codec::text;
use super::hosted_zone::HostedZoneRecord;
use super::own_names::{LatticeTarget, OwnNames};
use super::private_dns::PrivateDnsName;
use super::profile::ProfileRecord;
use super::query_log::QueryLogRecord;
use super::resolver_endpoint::ResolverEndpointRecord;
use super::resolver_rule::ResolverRuleRecord;
use super::route::RouteTableRecord;
use super::rule::{GroupRule, rules_at_start};
use super::time::UnixMillis;
use crate::model::{RecordIpType, State};
use crate::naming::{
    EndpointId, InterfaceId, Region, ServiceName, ServiceNameError, SubnetId, Suffix, VpcId, ZoneName, partition_of,
};

/// Tags of an object, by key.
pub type Tags = BTreeMap<String, String>;

/// The same for types whose errors have no text.
mod word {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("unknown value '{text}'")))
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StoredObject {
    /// A VPC.
    Vpc(VpcRecord),
    /// A subnet.
    Subnet(SubnetRecord),
    /// A security group.
    SecurityGroup(SecurityGroup),
    /// An endpoint.
    Endpoint(EndpointRecord),
    /// A provider's endpoint service.
    Service(ServiceRecord),
    /// A connection notification.
    Notification(Notification),
    /// A route table.
    RouteTable(RouteTableRecord),
    /// A network interface that a caller made.
    Interface(OwnInterface),
    /// A private hosted zone.
    HostedZone(HostedZoneRecord),
    /// A resolver rule.
    ResolverRule(ResolverRuleRecord),
    /// A resolver endpoint.
    ResolverEndpoint(ResolverEndpointRecord),
    /// A configuration of query logging.
    QueryLog(QueryLogRecord),
    /// A Route 53 Profile.
    Profile(ProfileRecord),
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcRecord {
    /// `vpc-...`
    #[serde(with = "text")]
    pub id: VpcId,
    /// The account that made it.
    pub owner: String,
    /// The region of the call that made it.
    #[serde(with = "text")]
    pub region: Region,
    /// Its address blocks.
    pub cidr_blocks: Vec<IpNet>,
    /// Where its IPv6 blocks come from, for those that do not come from Amazon's pool in the VPC's Region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv6_origins: Vec<Ipv6Origin>,
    /// `enableDnsSupport`
    pub enable_dns_support: bool,
    /// `enableDnsHostnames`
    pub enable_dns_hostnames: bool,
    /// `enableNetworkAddressUsageMetrics`
    #[serde(default)]
    pub enable_network_address_usage_metrics: bool,
    /// `default`, `dedicated` or `host`.
    pub instance_tenancy: String,
    /// Whether it is the account's default VPC of its region.
    #[serde(default)]
    pub is_default: bool,
    /// What Route 53 Resolver is told of it.
    #[serde(default)]
    pub resolver: VpcResolverConfig,
    /// Addresses whose clients are this VPC's: those of the tag `vpcedns:listener`, or one out of the id.
    #[serde(default)]
    pub listeners: Vec<SocketAddr>,
    /// Networks whose clients are this VPC's: those of the tag `vpcedns:clients`.
    #[serde(default)]
    pub clients: Vec<IpNet>,
    /// Its tags.
    pub tags: Tags,
}

/// Where an IPv6 block of a VPC comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Origin {
    /// The block.
    pub block: IpNet,
    /// `Ipv6Pool`: `Amazon`, or the id of a pool of the account.
    pub pool: String,
    /// `NetworkBorderGroup`: where it is advertised.
    pub border_group: String,
}

/// What of a VPC Route 53 Resolver's configurations change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VpcResolverConfig {
    /// Whether it has reverse zones of its own (`AutodefinedReverse`).
    pub autodefined_reverse: bool,
    /// Whether upstream replies are validated (`ValidationStatus`).
    pub dnssec_validation: bool,
}

impl Default for VpcResolverConfig {
    fn default() -> Self {
        Self { autodefined_reverse: true, dnssec_validation: false }
    }
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetRecord {
    /// `subnet-...`
    #[serde(with = "text")]
    pub id: SubnetId,
    /// The account that made it.
    pub owner: String,
    /// The VPC it is part of.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// Its availability zone by name.
    #[serde(with = "text")]
    pub zone: ZoneName,
    /// Its address blocks: one IPv4, perhaps one IPv6.
    pub cidr_blocks: Vec<IpNet>,
    /// Whether it is the default subnet of its availability zone.
    #[serde(default)]
    pub default_for_zone: bool,
    /// What `ModifySubnetAttribute` changes.
    #[serde(default)]
    pub attributes: SubnetAttributes,
    /// Its tags.
    pub tags: Tags,
}

/// What of a subnet `ModifySubnetAttribute` changes. It is kept and shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubnetAttributes {
    /// `mapPublicIpOnLaunch`
    pub map_public_ip_on_launch: bool,
    /// `assignIpv6AddressOnCreation`
    pub assign_ipv6_address_on_creation: bool,
    /// `enableDns64`
    pub enable_dns64: bool,
    /// `hostnameType` is `resource-name`, not `ip-name`.
    pub resource_names: bool,
    /// `enableResourceNameDnsARecord`
    pub resource_name_a: bool,
    /// `enableResourceNameDnsAAAARecord`
    pub resource_name_aaaa: bool,
}

/// A security group. It is kept and shown, and does not affect DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// The VPC it belongs to.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// Its name; `default` for the one that a VPC comes with.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its rules; `None`: those that it came with.
    #[serde(default)]
    pub rules: Option<Vec<GroupRule>>,
    /// Its tags.
    pub tags: Tags,
}

/// An endpoint: of type Interface with network interfaces, or of type Gateway with route tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// `vpce-...`
    #[serde(with = "text")]
    pub id: EndpointId,
    /// The account that made it.
    pub owner: String,
    /// The VPC it is in.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// The service it leads to.
    #[serde(with = "text")]
    pub service: ServiceName,
    /// `Interface` or `Gateway`.
    #[serde(rename = "endpoint_type")]
    pub kind: EndpointType,
    /// The state it was last put into.
    pub phase: Phase,
    /// When: states that pass by themselves follow from it.
    pub phase_since: UnixMillis,
    /// When it was made.
    pub created: UnixMillis,
    /// Whether private DNS is on.
    pub private_dns_enabled: bool,
    /// Which addresses its interfaces have.
    pub ip_address_type: IpAddressType,
    /// Which address records its names have.
    #[serde(with = "word")]
    pub dns_record_ip_type: RecordIpType,
    /// `PrivateDnsOnlyForInboundResolverEndpoint`
    pub inbound_resolver_only: bool,
    /// The policy, if it is not the default one.
    pub policy: Option<String>,
    /// `sg-...`
    pub security_groups: Vec<String>,
    /// Its interfaces, one for each subnet.
    pub interfaces: Vec<InterfaceRecord>,
    /// `rtb-...`, of a gateway endpoint.
    pub route_tables: Vec<String>,
    /// The Region of the service, where that is not the VPC's (`ServiceRegion`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_region: Option<String>,
    /// Where a resource or service-network endpoint leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lattice: Option<LatticeTarget>,
    /// Names that do not follow from its id and its service.
    #[serde(default, skip_serializing_if = "OwnNames::is_none")]
    pub own_names: OwnNames,
    /// Its tags.
    pub tags: Tags,
}

/// The types of endpoint that there are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointType {
    /// Answers DNS.
    Interface,
    /// A record only: S3's private DNS option needs one in the VPC.
    Gateway,
    /// Leads to a resource configuration of VPC Lattice, and answers a name of its association.
    Resource,
    /// Leads to a service network of VPC Lattice, the names of which are not known here.
    ServiceNetwork,
}

impl EndpointType {
    /// As EC2 prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "Interface",
            Self::Gateway => "Gateway",
            Self::Resource => "Resource",
            Self::ServiceNetwork => "ServiceNetwork",
        }
    }

    /// Whether it has interfaces in subnets.
    pub fn has_interfaces(self) -> bool {
        self != Self::Gateway
    }
}

/// Which addresses the interfaces of an endpoint have (EC2 `IpAddressType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpAddressType {
    /// IPv4.
    Ipv4,
    /// Both.
    Dualstack,
    /// IPv6.
    Ipv6,
}

impl IpAddressType {
    /// As EC2 prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Dualstack => "dualstack",
            Self::Ipv6 => "ipv6",
        }
    }

    /// The records that go with it (EC2's default `DnsRecordIpType`).
    pub fn records(self) -> RecordIpType {
        match self {
            Self::Ipv4 => RecordIpType::Ipv4,
            Self::Dualstack => RecordIpType::Dualstack,
            Self::Ipv6 => RecordIpType::Ipv6,
        }
    }
}

impl FromStr for IpAddressType {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Ipv4, Self::Dualstack, Self::Ipv6].into_iter().find(|known| known.as_str() == text).ok_or(())
    }
}

/// What was last done to an endpoint. Its state follows from this and the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Made, and the provider has to accept it.
    Requested,
    /// Made or changed, and accepted where that is needed.
    Accepted,
    /// The provider turned it down.
    Rejected,
    /// Its owner deleted it.
    Deleted,
}

/// A network interface of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceRecord {
    /// `eni-...`
    #[serde(with = "text")]
    pub id: InterfaceId,
    /// The subnet it is in.
    #[serde(with = "text")]
    pub subnet: SubnetId,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
}

/// A network interface that a caller made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnInterface {
    /// Its id, subnet and addresses.
    pub interface: InterfaceRecord,
    /// The account that made it.
    pub owner: String,
    /// The VPC it is in.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// What it is for.
    pub description: String,
    /// `sg-...`
    pub security_groups: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

/// A provider's endpoint service (`CreateVpcEndpointServiceConfiguration`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// `vpce-svc-...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// `com.amazonaws.vpce.<region>.<id>`
    #[serde(with = "text")]
    pub name: ServiceName,
    /// The region it is in.
    #[serde(with = "text")]
    pub region: Region,
    /// Whether connections have to be accepted.
    pub acceptance_required: bool,
    /// Load balancers behind it.
    pub network_load_balancer_arns: Vec<String>,
    /// The same of the other kind.
    pub gateway_load_balancer_arns: Vec<String>,
    /// Zones in which it is offered, by name.
    pub availability_zones: Vec<String>,
    /// `ipv4`, `ipv6`
    pub supported_ip_address_types: Vec<String>,
    /// Its private name, if it has one.
    pub private_dns: Option<PrivateDnsName>,
    /// Regions besides its own in which endpoints may lead to it.
    #[serde(default)]
    pub supported_regions: Vec<String>,
    /// Its owner pays for the endpoints (`PayerResponsibility`).
    #[serde(default)]
    pub owner_pays: bool,
    /// ARNs of those who may connect, with the id of each permission (`vpce-svc-perm-...`); `*` is everyone.
    pub allowed_principals: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Tags,
}

/// A connection notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// `vpce-nfn-...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// The service (`vpce-svc-...`) or endpoint (`vpce-...`) whose events it tells.
    pub subject: String,
    /// ARN of the SNS topic that is notified.
    pub arn: String,
    /// `Connect`, `Accept`, `Reject`, `Delete`.
    pub events: Vec<String>,
}

impl EndpointRecord {
    /// The eight characters behind its id in its names.
    pub fn suffix(&self) -> Suffix {
        self.own_names.suffix().unwrap_or_else(|| Suffix::derive(self.id))
    }

    /// Whether DNS has an endpoint of it: one with interfaces and a service that is not deleted.
    pub fn is_in_model(&self) -> bool {
        matches!(self.kind, EndpointType::Interface | EndpointType::Resource) && self.phase != Phase::Deleted
    }

    /// Where it is in its life at `now`. `None`: it is not listed any more.
    pub fn state(&self, now: UnixMillis, settings: &ApiSettings) -> Option<State> {
        let since = now.since(self.phase_since);
        match self.phase {
            Phase::Requested => Some(State::PendingAcceptance),
            // a gateway is a route, and is there at once
            Phase::Accepted if self.kind.has_interfaces() && since < settings.pending => Some(State::Pending),
            Phase::Accepted => Some(State::Available),
            Phase::Rejected => Some(State::Rejected),
            Phase::Deleted if since < settings.deleting => Some(State::Deleting),
            Phase::Deleted if since < settings.deleting + settings.deleted => Some(State::Deleted),
            Phase::Deleted => None,
        }
    }
}

impl SecurityGroup {
    /// Its rules.
    pub fn rules(&self) -> Cow<'_, [GroupRule]> {
        match &self.rules {
            Some(rules) => Cow::Borrowed(rules),
            None => Cow::Owned(rules_at_start(&self.id, &self.name, &self.owner, false)),
        }
    }
}

impl ServiceRecord {
    /// The name of the endpoint service with this id in `region`: `com.amazonaws.vpce.us-east-1.vpce-svc-...`.
    pub fn name_of(id: &str, region: &Region) -> Result<ServiceName, ServiceNameError> {
        format!("{}.vpce.{region}.{id}", partition_of(region).service_prefix).parse()
    }

    /// `Interface`, or `GatewayLoadBalancer` for one behind such load balancers.
    pub fn service_type(&self) -> &'static str {
        if self.gateway_load_balancer_arns.is_empty() { "Interface" } else { "GatewayLoadBalancer" }
    }

    /// Whether an account may connect endpoints to it: its own, and those among the allowed principals.
    pub fn allows(&self, account: &str) -> bool {
        let is_meant =
            |principal: &String| principal == "*" || principal.split(':').nth(4).is_some_and(|field| field == account);
        self.owner == account || self.allowed_principals.keys().any(is_meant)
    }
}

impl StoredObject {
    /// The object's id, by which it is kept.
    pub fn id(&self) -> String {
        match self {
            Self::Vpc(vpc) => vpc.id.to_string(),
            Self::Subnet(subnet) => subnet.id.to_string(),
            Self::SecurityGroup(group) => group.id.clone(),
            Self::Endpoint(endpoint) => endpoint.id.to_string(),
            Self::Service(service) => service.id.clone(),
            Self::Notification(notification) => notification.id.clone(),
            Self::RouteTable(table) => table.id.clone(),
            Self::Interface(own) => own.interface.id.to_string(),
            Self::HostedZone(zone) => zone.id.clone(),
            Self::ResolverRule(rule) => rule.id.clone(),
            Self::ResolverEndpoint(endpoint) => endpoint.id.clone(),
            Self::QueryLog(config) => config.id.clone(),
            Self::Profile(profile) => profile.id.clone(),
        }
    }

    /// The account that made it.
    pub fn owner(&self) -> &str {
        match self {
            Self::Vpc(vpc) => &vpc.owner,
            Self::Subnet(subnet) => &subnet.owner,
            Self::SecurityGroup(group) => &group.owner,
            Self::Endpoint(endpoint) => &endpoint.owner,
            Self::Service(service) => &service.owner,
            Self::Notification(notification) => &notification.owner,
            Self::RouteTable(table) => &table.owner,
            Self::Interface(own) => &own.owner,
            Self::HostedZone(zone) => &zone.owner,
            Self::ResolverRule(rule) => &rule.owner,
            Self::ResolverEndpoint(endpoint) => &endpoint.owner,
            Self::QueryLog(config) => &config.owner,
            Self::Profile(profile) => &profile.owner,
        }
    }

    /// The ARN by which Route 53 Resolver knows it; `None` for what is not Resolver's.
    pub fn resolver_arn(&self) -> Option<String> {
        match self {
            Self::ResolverRule(rule) => Some(rule.arn()),
            Self::ResolverEndpoint(endpoint) => Some(endpoint.arn()),
            Self::QueryLog(config) => Some(config.arn()),
            _ => None,
        }
    }

    /// Its tags in Route 53 Resolver, to be changed; `None` for what is not Resolver's.
    pub fn resolver_tags_mut(&mut self) -> Option<&mut Tags> {
        match self {
            Self::ResolverRule(rule) => Some(&mut rule.tags),
            Self::ResolverEndpoint(endpoint) => Some(&mut endpoint.tags),
            Self::QueryLog(config) => Some(&mut config.tags),
            _ => None,
        }
    }

    /// What kind of resource it is for EC2's tags (`vpc-endpoint-service`), and its tags; `None` for kinds that have none
    /// there.
    pub fn tags(&self) -> Option<(&'static str, &Tags)> {
        match self {
            Self::Vpc(vpc) => Some(("vpc", &vpc.tags)),
            Self::Subnet(subnet) => Some(("subnet", &subnet.tags)),
            Self::SecurityGroup(group) => Some(("security-group", &group.tags)),
            Self::Endpoint(endpoint) => Some(("vpc-endpoint", &endpoint.tags)),
            Self::Service(service) => Some(("vpc-endpoint-service", &service.tags)),
            Self::RouteTable(table) => Some(("route-table", &table.tags)),
            Self::Interface(own) => Some(("network-interface", &own.tags)),
            Self::Notification(_)
            | Self::HostedZone(_)
            | Self::ResolverRule(_)
            | Self::ResolverEndpoint(_)
            | Self::QueryLog(_)
            | Self::Profile(_) => None,
        }
    }

    /// The object's tags, to be changed; `None` for kinds that have none.
    pub fn tags_mut(&mut self) -> Option<&mut Tags> {
        match self {
            Self::Vpc(vpc) => Some(&mut vpc.tags),
            Self::Subnet(subnet) => Some(&mut subnet.tags),
            Self::SecurityGroup(group) => Some(&mut group.tags),
            Self::Endpoint(endpoint) => Some(&mut endpoint.tags),
            Self::Service(service) => Some(&mut service.tags),
            Self::RouteTable(table) => Some(&mut table.tags),
            Self::Interface(own) => Some(&mut own.tags),
            Self::Notification(_)
            | Self::HostedZone(_)
            | Self::ResolverRule(_)
            | Self::ResolverEndpoint(_)
            | Self::QueryLog(_)
            | Self::Profile(_) => None,
        }
    }
}
