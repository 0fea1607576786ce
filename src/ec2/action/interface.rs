//! Network interfaces as they are listed: those of interface endpoints, and those that callers made.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::iter;

use super::endpoint;
use super::region;
use crate::ec2::call::{Action, Call, Done, parse_id};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{InterfaceRecord, OwnInterface, Phase, SubnetRecord, Tags};
use crate::ec2::resolver_endpoint::{ResolverAddress, ResolverEndpointRecord};
use crate::naming::{EndpointId, InterfaceId, VpcId, ZoneName, instance_zone};

pub(super) const ACTIONS: &[Action] =
    &[Action { name: "DescribeNetworkInterfaces", writes: false, idempotent: false, run: describe }];

const LISTING: Listing = Listing { set: "networkInterfaceSet", bad_filter: "InvalidParameterValue", least: 5 };

/// Who made the interfaces and has them attached.
const MAKER: &str = "amazon-aws";
/// The account in whose name EC2 makes the interfaces of endpoints, as `describe-network-interfaces` shows it.
const REQUESTER: &str = "727180483921";

/// An interface as it is listed.
pub(super) struct ListedInterface {
    interface: InterfaceRecord,
    /// The endpoint whose it is, of a VPC or of Resolver; `None`: a caller made it.
    endpoint: Option<String>,
    interface_type: &'static str,
    description: String,
    owner: String,
    vpc: String,
    zone: ZoneName,
    /// Ids and names.
    groups: Vec<(String, String)>,
    /// `ip-10-0-1-17.ec2.internal`, where the VPC gives such names.
    private_dns_name: Option<String>,
    /// None at those of endpoints: the owner of the endpoint tags the endpoint.
    tags: Tags,
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("NetworkInterfaceId");
    params.flag("IncludeManagedResources")?;
    let chosen = LISTING.take::<ListedInterface>(params)?;
    let wanted: Vec<InterfaceId> = ids
        .iter()
        .map(|id| parse_id(id, "InvalidNetworkInterfaceId.Malformed", InterfaceId::PREFIX))
        .collect::<Result<_, _>>()?;
    let id = |listed: &ListedInterface| listed.interface.id.to_string();
    if wanted.is_empty() {
        return Ok(LISTING.page(&chosen, in_order(call, chosen.1.after()), id));
    }
    let named = owned_interfaces(call).filter(|(id, _)| wanted.contains(id));
    let named: BTreeMap<String, ListedInterface> =
        named.filter_map(|(id, owner)| Some((id.to_string(), owner.listed(call, id)?))).collect();
    if let Some(id) = ids.iter().find(|id| !named.contains_key(*id)) {
        return Err(ApiError::not_found(InterfaceId::PREFIX, id));
    }
    Ok(LISTING.page(&chosen, named.into_values(), id))
}

/// Who has an interface.
enum InterfaceOwner<'c> {
    Endpoint(EndpointId),
    Resolver(&'c ResolverEndpointRecord, &'c ResolverAddress),
    Caller(&'c OwnInterface),
}

impl InterfaceOwner<'_> {
    /// The interface as it is listed; `None` for one that the caller does not see.
    fn listed(&self, call: &Call<'_>, id: InterfaceId) -> Option<ListedInterface> {
        match self {
            Self::Endpoint(endpoint) => {
                let listed = endpoint::find(call, *endpoint).filter(|it| it.record.phase != Phase::Deleted)?;
                let interface = listed.record.interfaces.iter().find(|interface| interface.id == id)?;
                of_endpoint(call, &listed, interface)
            }
            Self::Resolver(endpoint, address) => {
                let is_mine = call.sees(&endpoint.owner) && call.is_here(endpoint.vpc);
                is_mine.then(|| of_resolver(call, endpoint, address)).flatten()
            }
            Self::Caller(own) => {
                let is_mine = call.sees(&own.owner) && call.is_here(own.vpc);
                is_mine.then(|| of_caller(call, own, None)).flatten()
            }
        }
    }
}

/// Every interface that there is, in any order; one of an endpoint of the API may come twice.
fn owned_interfaces<'c>(call: &'c Call<'_>) -> impl Iterator<Item = (InterfaceId, InterfaceOwner<'c>)> {
    let of_records = call.state.endpoints().flat_map(|record| {
        record.interfaces.iter().map(|interface| (interface.id, InterfaceOwner::Endpoint(record.id)))
    });
    let of_model = call.model.endpoints().flat_map(|endpoint| {
        endpoint.interfaces.iter().map(|interface| (interface.id, InterfaceOwner::Endpoint(endpoint.id)))
    });
    let of_resolver = call.state.resolver_endpoints().flat_map(|endpoint| {
        let addresses = endpoint.addresses.iter();
        addresses.map(move |address| (address.interface, InterfaceOwner::Resolver(endpoint, address)))
    });
    let of_callers = call.state.interfaces().map(|own| (own.interface.id, InterfaceOwner::Caller(own)));
    of_records.chain(of_model).chain(of_resolver).chain(of_callers)
}

/// The interfaces that the caller sees behind `after`, by id. What is listed of one is looked up when the iterator comes to it, so
/// that a page costs its own length and a look at each id.
fn in_order(call: &Call<'_>, after: Option<&str>) -> impl Iterator<Item = ListedInterface> {
    let after = after.and_then(|after| after.parse().ok()).map(InterfaceId::text_order);
    let behind = |id: InterfaceId| after.is_none_or(|after| id.text_order() > after);
    let all: Vec<_> = owned_interfaces(call).filter(|(id, _)| behind(*id)).collect();
    let order = |(at, (id, _)): (usize, &(InterfaceId, InterfaceOwner<'_>))| Reverse((id.text_order(), at));
    let mut order: BinaryHeap<Reverse<(u128, usize)>> = all.iter().enumerate().map(order).collect();
    let mut last = None;
    iter::from_fn(move || {
        loop {
            let Reverse((order, at)) = order.pop()?;
            // of one that comes twice, the second is the first once more
            let is_new = last.replace(order) != Some(order);
            let listed = all.get(at).filter(|_| is_new).and_then(|(id, owner)| owner.listed(call, *id));
            if listed.is_some() {
                return listed;
            }
        }
    })
}

fn of_endpoint(
    call: &Call<'_>,
    listed: &endpoint::ListedEndpoint<'_>,
    interface: &InterfaceRecord,
) -> Option<ListedInterface> {
    let record = &*listed.record;
    let id = record.id.to_string();
    Some(ListedInterface {
        description: format!("VPC Endpoint Interface {id}"),
        endpoint: Some(id),
        interface_type: "vpc_endpoint",
        owner: record.owner.clone(),
        vpc: record.vpc.to_string(),
        zone: call.subnet(interface.subnet)?.zone.clone(),
        groups: endpoint::group_names(call, &record.security_groups).collect(),
        private_dns_name: private_name(call, record.vpc, interface),
        interface: interface.clone(),
        tags: Tags::new(),
    })
}

/// One of a resolver endpoint, as AWS describes them.
fn of_resolver(
    call: &Call<'_>,
    endpoint: &ResolverEndpointRecord,
    address: &ResolverAddress,
) -> Option<ListedInterface> {
    let interface =
        InterfaceRecord { id: address.interface, subnet: address.subnet, ipv4: address.ipv4, ipv6: address.ipv6 };
    Some(ListedInterface {
        description: format!("Route 53 Resolver: {}:{}", endpoint.id, address.id),
        endpoint: Some(endpoint.id.clone()),
        interface_type: "interface",
        owner: endpoint.owner.clone(),
        vpc: endpoint.vpc.to_string(),
        zone: call.subnet(address.subnet)?.zone.clone(),
        groups: endpoint::group_names(call, &endpoint.security_groups).collect(),
        private_dns_name: private_name(call, endpoint.vpc, &interface),
        interface,
        tags: Tags::new(),
    })
}

/// One that a caller made, as it is listed; `subnet` is its own where that is known already.
pub(super) fn of_caller(call: &Call<'_>, own: &OwnInterface, subnet: Option<&SubnetRecord>) -> Option<ListedInterface> {
    let zone = match subnet {
        Some(subnet) => subnet.zone.clone(),
        None => call.subnet(own.interface.subnet)?.zone.clone(),
    };
    Some(ListedInterface {
        interface: own.interface.clone(),
        endpoint: None,
        interface_type: "interface",
        description: own.description.clone(),
        owner: own.owner.clone(),
        vpc: own.vpc.to_string(),
        zone,
        groups: endpoint::group_names(call, &own.security_groups).collect(),
        private_dns_name: private_name(call, own.vpc, &own.interface),
        tags: own.tags.clone(),
    })
}

/// `ip-10-0-1-17.ec2.internal`, where the VPC gives such names.
fn private_name(call: &Call<'_>, vpc: VpcId, interface: &InterfaceRecord) -> Option<String> {
    let vpc = call.vpc(vpc).filter(|vpc| vpc.enable_dns_support && vpc.enable_dns_hostnames)?;
    let name = |address| format!("ip-{}.{}", address_label(address), instance_zone(&vpc.region));
    interface.ipv4.map(name)
}

/// `10-0-1-17`
fn address_label(address: std::net::Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

impl ListedInterface {
    /// What only those of endpoints have: they are attached, and AWS made them.
    fn of_endpoint(&self, text: impl Into<String>) -> Option<String> {
        self.endpoint.as_ref().map(|_| text.into())
    }

    /// A locally administered address (IEEE 802) out of the id: the same for ever.
    fn mac_address(&self) -> String {
        let octets = self.interface.id.low_bits().to_be_bytes();
        octets.iter().skip(3).fold("02".to_owned(), |address, octet| format!("{address}:{octet:02x}"))
    }

    fn attachment(&self) -> String {
        self.interface.id.to_string().replacen(InterfaceId::PREFIX, "ela-attach-", 1)
    }
}

fields! {
    impl ListedInterface as it {
        "attachment.attachmentId" ["attachment.attachment-id"] = Values::of_option(it.of_endpoint(it.attachment()));
        "attachment.deleteOnTermination" ["attachment.delete-on-termination"] = Values::of_option(it.of_endpoint("false"));
        "attachment.deviceIndex" ["attachment.device-index"] = Values::of_option(it.of_endpoint("1"));
        "attachment.networkCardIndex" = Values::of_option(it.of_endpoint("0"));
        "attachment.instanceOwnerId" ["attachment.instance-owner-id"] = Values::of_option(it.of_endpoint(MAKER));
        "attachment.status" ["attachment.status"] = Values::of_option(it.of_endpoint("attached"));
        "" ["attachment.attach-time", "attachment.instance-id"] = Values::Absent;
        "availabilityZone" ["availability-zone"] = it.zone.as_str();
        "description" ["description"] = &it.description;
        "groupSet[].groupId" ["group-id"] = Values::of_each(it.groups.iter().map(|(id, _)| id));
        "groupSet[].groupName" ["group-name"] = Values::of_each(it.groups.iter().map(|(_, name)| name));
        "interfaceType" ["interface-type"] = it.interface_type;
        "ipv6AddressesSet[].ipv6Address" ["ipv6-addresses.ipv6-address"] = Values::of_each(it.interface.ipv6);
        "ipv6AddressesSet[].isPrimaryIpv6" = false;
        "macAddress" ["mac-address"] = it.mac_address();
        "networkInterfaceId" ["network-interface-id"] = Values::of(it.interface.id);
        "ownerId" ["owner-id"] = &it.owner;
        "privateDnsName" ["private-dns-name"] = it.private_dns_name.as_deref();
        "privateIpAddress" ["private-ip-address"] = Values::of_option(it.interface.ipv4);
        "privateIpAddressesSet[].primary" ["addresses.primary"] = Values::of_each(it.interface.ipv4.map(|_| true));
        "privateIpAddressesSet[].privateDnsName" = it.private_dns_name.as_deref();
        "privateIpAddressesSet[].privateIpAddress" ["addresses.private-ip-address"] = Values::of_each(it.interface.ipv4);
        "" ["addresses.association.owner-id", "addresses.association.public-ip"] = Values::Absent;
        "" ["association.allocation-id", "association.association-id", "association.ip-owner-id"] = Values::Absent;
        "" ["association.public-ip", "association.public-dns-name"] = Values::Absent;
        "requesterId" ["requester-id"] = Values::of_option(it.of_endpoint(REQUESTER));
        "requesterManaged" ["requester-managed"] = it.endpoint.is_some();
        "sourceDestCheck" ["source-dest-check"] = true;
        "status" ["status"] = if it.endpoint.is_some() { "in-use" } else { "available" };
        "subnetId" ["subnet-id"] = Values::of(it.interface.subnet);
        "tagSet" ["tag", "tag-key"] = &it.tags;
        "vpcId" ["vpc-id"] = &it.vpc;
        "denyAllIgwTraffic" = false;
        "ipv6Address" = Values::of_option(it.interface.ipv6);
        "operator.managed" ["operator.managed"] = false;
        "" ["operator.principal"] = Values::Absent;
        "availabilityZoneId" ["availability-zone-id"] = region::zone_id(&it.zone);
    }
}
