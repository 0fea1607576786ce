//! Items of `describe-vpcs`, `describe-vpc-attribute`, `describe-subnets` and `describe-network-interfaces`.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::dns::DnsName;
use crate::naming::{InterfaceId, Region, SubnetId, VpcId, ZoneName};
use crate::problem::At;

use super::super::reader::{Fields, Keys, Reader};
use super::super::values::region_within;
use super::views::{Facts, Seen, Sighting, sorted};

/// Which output an object came from: one output is of one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct OutputId {
    /// The file's number.
    pub(super) file: u32,
    /// The output's place in it.
    pub(super) index: u32,
}

/// A member of `Vpcs`.
pub(super) struct VpcOutput {
    pub(super) seen: Seen,
    pub(super) output: OutputId,
    pub(super) id: At<VpcId>,
    /// No output of AWS has it; tools that merge regions add it.
    pub(super) region: Option<At<Region>>,
    pub(super) cidr_blocks: Vec<At<IpNet>>,
}

/// What one output of `describe-vpc-attribute` says.
pub(super) struct Attributes {
    pub(super) vpc_id: At<VpcId>,
    pub(super) enable_dns_support: Option<At<bool>>,
    pub(super) enable_dns_hostnames: Option<At<bool>>,
}

/// A member of `Subnets`.
pub(super) struct SubnetOutput {
    pub(super) seen: Seen,
    pub(super) id: At<SubnetId>,
    pub(super) vpc_id: At<VpcId>,
    pub(super) zone: At<ZoneName>,
    /// The zone's id, which is the same in every account (`use1-az1`).
    pub(super) zone_id: Option<Box<str>>,
    pub(super) cidr_blocks: Vec<At<IpNet>>,
    pub(super) enable_dns64: bool,
    /// Out of its ARN.
    pub(super) region: Option<Region>,
}

/// A member of `NetworkInterfaces`. Most are not of endpoints, so all but the id may be missing.
pub(super) struct InterfaceOutput {
    pub(super) seen: Seen,
    pub(super) id: At<InterfaceId>,
    pub(super) subnet_id: Option<At<SubnetId>>,
    pub(super) vpc_id: Option<At<VpcId>>,
    pub(super) zone: Option<At<ZoneName>>,
    pub(super) ipv4: Option<At<Ipv4Addr>>,
    pub(super) ipv6: Option<At<Ipv6Addr>>,
    /// All its IPv4 addresses but the primary one.
    pub(super) secondary: Vec<Ipv4Addr>,
    /// All its IPv6 addresses.
    pub(super) all_ipv6: Vec<Ipv6Addr>,
    pub(super) private_dns_name: Option<DnsName>,
    /// Public names, each with the private address behind it.
    pub(super) public_names: Vec<(DnsName, Ipv4Addr)>,
    /// The instance whose first interface this is.
    pub(super) instance: Option<String>,
    /// The outbound resolver endpoint whose address it has.
    pub(super) resolver_endpoint: Option<String>,
}

/// A member of `Instances`.
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) interfaces: Vec<InterfaceOutput>,
    /// Whether its resource name has an A record.
    pub(super) resource_name_a: bool,
    /// Whether its resource name has an AAAA record.
    pub(super) resource_name_aaaa: bool,
}

impl Sighting for VpcOutput {
    type Id = VpcId;

    fn id(&self) -> VpcId {
        self.id.value
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    fn facts(&self) -> Facts {
        vec![("CidrBlock", sorted(self.cidr_blocks.iter().map(|block| block.value)))]
    }
}

impl Sighting for SubnetOutput {
    type Id = SubnetId;

    fn id(&self) -> SubnetId {
        self.id.value
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    fn facts(&self) -> Facts {
        let blocks = sorted(self.cidr_blocks.iter().map(|block| block.value));
        let dns64 = self.enable_dns64.to_string();
        vec![("VpcId", self.vpc_id.value.to_string()), ("CidrBlock", blocks), ("EnableDns64", dns64)]
    }

    /// Accounts may call one zone differently: its id joins the names (EC2 guide, "AZ IDs").
    fn differs_too(&self, other: &Self) -> Option<String> {
        let same = match (&self.zone_id, &other.zone_id) {
            (Some(here), Some(there)) => here == there,
            _ => self.zone.value == other.zone.value,
        };
        (!same).then(|| format!("AvailabilityZone is {}, there {}", self.zone.value, other.zone.value))
    }
}

impl Sighting for InterfaceOutput {
    type Id = InterfaceId;

    fn id(&self) -> InterfaceId {
        self.id.value
    }

    fn seen(&self) -> &Seen {
        &self.seen
    }

    fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    fn facts(&self) -> Facts {
        let ipv4 = self.ipv4.iter().map(|at| at.value).chain(self.secondary.iter().copied());
        let ipv6 = self.ipv6.iter().map(|at| at.value).chain(self.all_ipv6.iter().copied());
        vec![("PrivateIpAddresses", sorted(ipv4)), ("Ipv6Addresses", sorted(ipv6))]
    }
}

pub(super) fn vpc(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, output: OutputId) -> Option<VpcOutput> {
    let before = reader.errors();
    let id = fields.required(reader, "VpcId");
    let region = fields.optional(reader, "Region");
    // the 2016 shape has the one block alone; later ones repeat it in the list
    let mut cidr_blocks = blocks(reader, fields, "CidrBlockAssociationSet", "CidrBlock", "CidrBlockState");
    let primary = fields.optional(reader, "CidrBlock");
    if !primary.as_ref().is_some_and(|primary| cidr_blocks.iter().any(|block| block.value == primary.value)) {
        cidr_blocks.splice(0..0, primary);
    }
    cidr_blocks.extend(ipv6_blocks(reader, fields));
    let seen = Seen::new(reader, fields);
    (reader.errors() == before).then_some(())?;
    Some(VpcOutput { seen, output, id: id?, region, cidr_blocks })
}

pub(super) fn attributes(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Attributes> {
    let vpc_id = fields.required(reader, "VpcId");
    let enable_dns_support = attribute(reader, fields, "EnableDnsSupport");
    let enable_dns_hostnames = attribute(reader, fields, "EnableDnsHostnames");
    Some(Attributes { vpc_id: vpc_id?, enable_dns_support, enable_dns_hostnames })
}

/// `{"Value": true}`
fn attribute(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> Option<At<bool>> {
    let node = fields.node(reader, key)?;
    reader.table(node, "an attribute", Keys::Any)?.flag(reader, "Value")
}

pub(super) fn subnet(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<SubnetOutput> {
    let before = reader.errors();
    let id = fields.required(reader, "SubnetId");
    let vpc_id = fields.required(reader, "VpcId");
    let zone = fields.required(reader, "AvailabilityZone");
    // an IPv6-only subnet has no IPv4 block
    let ipv4 =
        fields.peek("CidrBlock").filter(|text| !text.is_empty()).and_then(|_| fields.optional(reader, "CidrBlock"));
    let cidr_blocks = ipv4.into_iter().chain(ipv6_blocks(reader, fields)).collect();
    let region = fields.peek("SubnetArn").and_then(region_within);
    let zone_id = fields.peek("AvailabilityZoneId").map(Box::from);
    let enable_dns64 = fields.flag(reader, "EnableDns64").is_some_and(|flag| flag.value);
    let seen = Seen::new(reader, fields);
    (reader.errors() == before).then_some(())?;
    Some(SubnetOutput { seen, id: id?, vpc_id: vpc_id?, zone: zone?, zone_id, cidr_blocks, enable_dns64, region })
}

fn ipv6_blocks(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<At<IpNet>> {
    blocks(reader, fields, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", "Ipv6CidrBlockState")
}

/// The blocks of an association list that are, or are about to be, in use.
fn blocks(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, set: &str, key: &str, state: &str) -> Vec<At<IpNet>> {
    let mut blocks = vec![];
    for item in fields.items(reader, set) {
        let Some(item) = reader.table(item, "a CIDR block association", Keys::Any) else { continue };
        let state = item.node(reader, state).and_then(|node| reader.table(node, "a CIDR block state", Keys::Any));
        let in_use =
            state.as_ref().and_then(|state| state.peek("State")).is_none_or(|state| state.starts_with("associat"));
        if in_use {
            blocks.extend(item.required(reader, key));
        }
    }
    blocks
}

pub(super) fn interface(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<InterfaceOutput> {
    let before = reader.errors();
    let id = fields.required(reader, "NetworkInterfaceId");
    let subnet_id = fields.optional(reader, "SubnetId");
    let vpc_id = fields.optional(reader, "VpcId");
    let zone = fields.optional(reader, "AvailabilityZone");
    let ipv4 = fields.optional(reader, "PrivateIpAddress");
    let mut ipv6 = None;
    if let [first, ..] = fields.items(reader, "Ipv6Addresses")
        && let Some(first) = reader.table(first, "an IPv6 address", Keys::Any)
    {
        ipv6 = first.optional(reader, "Ipv6Address");
    }
    if ipv6.is_none() {
        ipv6 = fields.optional(reader, "Ipv6Address");
    }
    let mut secondary = vec![];
    let mut public_names = vec![];
    for item in fields.items(reader, "PrivateIpAddresses") {
        let Some(item) = reader.table(item, "a private address", Keys::Any) else { continue };
        let Some(address): Option<At<Ipv4Addr>> = item.optional(reader, "PrivateIpAddress") else { continue };
        public_names.extend(public_name(reader, &item).map(|name| (name, address.value)));
        if ipv4.as_ref().is_none_or(|primary: &At<Ipv4Addr>| primary.value != address.value) {
            secondary.push(address.value);
        }
    }
    if let Some(primary) = &ipv4
        && let Some(name) = public_name(reader, fields)
        && !public_names.iter().any(|(known, _)| *known == name)
    {
        public_names.push((name, primary.value));
    }
    let mut all_ipv6 = vec![];
    for item in fields.items(reader, "Ipv6Addresses") {
        if let Some(item) = reader.table(item, "an IPv6 address", Keys::Any) {
            let address: Option<At<Ipv6Addr>> = item.optional(reader, "Ipv6Address");
            all_ipv6.extend(address.map(|at| at.value));
        }
    }
    let private_dns_name = name(reader, fields, "PrivateDnsName");
    let instance = first_of(reader, fields);
    (reader.errors() == before).then_some(())?;
    Some(InterfaceOutput {
        seen: Seen::new(reader, fields),
        id: id?,
        subnet_id,
        vpc_id,
        zone,
        ipv4,
        ipv6,
        secondary,
        all_ipv6,
        private_dns_name,
        public_names,
        instance,
        resolver_endpoint: fields.peek("Description").and_then(resolver_endpoint),
    })
}

/// The outbound resolver endpoint that an interface is of, by its description: `Route 53 Resolver: rslvr-out-...:rni-...`.
fn resolver_endpoint(description: &str) -> Option<String> {
    let (id, _) = description.strip_prefix("Route 53 Resolver: ")?.split_once(':')?;
    id.starts_with("rslvr-out-").then(|| id.to_owned())
}

/// A name that may be empty, as that of an interface without one is.
fn name(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> Option<DnsName> {
    fields.peek(key).filter(|text| !text.is_empty())?;
    fields.optional(reader, key).map(|at: At<DnsName>| at.value)
}

/// `PublicDnsName` of an `Association`.
fn public_name(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<DnsName> {
    let node = fields.node(reader, "Association")?;
    let association = reader.table(node, "an association", Keys::Any)?;
    name(reader, &association, "PublicDnsName")
}

/// The instance that has the interface as its first one.
fn first_of(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<String> {
    let node = fields.node(reader, "Attachment")?;
    let attachment = reader.table(node, "an attachment", Keys::Any)?;
    let first = attachment.integer(reader, "DeviceIndex", 0..=u32::MAX).is_none_or(|index| index == 0);
    attachment.peek("InstanceId").filter(|_| first).map(str::to_owned)
}

pub(super) fn instance(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Instance> {
    let before = reader.errors();
    let Some(id) = fields.peek("InstanceId").map(str::to_owned) else {
        fields.missing(reader, "InstanceId", "i-0123456789abcdef0");
        return None;
    };
    let options =
        fields.node(reader, "PrivateDnsNameOptions").and_then(|node| reader.table(node, "name options", Keys::Any));
    let mut flag =
        |key: &str| options.as_ref().and_then(|options| options.flag(reader, key)).is_some_and(|at| at.value);
    let (resource_name_a, resource_name_aaaa) =
        (flag("EnableResourceNameDnsARecord"), flag("EnableResourceNameDnsAAAARecord"));
    let mut interfaces = vec![];
    for item in fields.items(reader, "NetworkInterfaces") {
        let Some(item) = reader.table(item, "a network interface", Keys::Any) else { continue };
        if let Some(mut interface) = interface(reader, &item) {
            let node = item.node(reader, "Attachment");
            let attachment = node.and_then(|node| reader.table(node, "an attachment", Keys::Any));
            let index = attachment.and_then(|it| it.integer(reader, "DeviceIndex", 0..=u32::MAX)).unwrap_or(0);
            interface.instance = (index == 0).then(|| id.clone());
            interfaces.push(interface);
        }
    }
    (reader.errors() == before).then_some(())?;
    Some(Instance { id, interfaces, resource_name_a, resource_name_aaaa })
}
