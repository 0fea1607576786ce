//! Network interfaces: those of interface endpoints, there are no others here.

use std::collections::BTreeMap;

use super::endpoint;
use super::region;
use crate::ec2::call::{Action, Call, Done, parse_id};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::{InterfaceRecord, Phase, Tags};
use crate::naming::{InterfaceId, ZoneName, instance_zone};

pub(super) const ACTIONS: &[Action] =
    &[Action { name: "DescribeNetworkInterfaces", writes: false, idempotent: false, run: describe }];

const LISTING: Listing = Listing { set: "networkInterfaceSet", bad_filter: "InvalidParameterValue", least: 5 };

/// Who made the interfaces and has them attached.
const MAKER: &str = "amazon-aws";
/// The account in whose name EC2 makes the interfaces of endpoints, as `describe-network-interfaces` shows it.
const REQUESTER: &str = "727180483921";

/// An interface as it is listed.
struct ListedInterface {
    interface: InterfaceRecord,
    endpoint: String,
    owner: String,
    vpc: String,
    zone: ZoneName,
    /// Ids and names.
    groups: Vec<(String, String)>,
    /// `ip-10-0-1-17.ec2.internal`, where the VPC gives such names.
    private_dns_name: Option<String>,
    /// None here: the owner of the endpoint tags the endpoint.
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
    let mut all: BTreeMap<String, ListedInterface> = BTreeMap::new();
    for listed in endpoint::all(call, None).filter(|listed| listed.record.phase != Phase::Deleted) {
        let mine = |interface: &&InterfaceRecord| wanted.is_empty() || wanted.contains(&interface.id);
        let interfaces = listed.record.interfaces.iter().filter(mine);
        all.extend(interfaces.filter_map(|i| Some((i.id.to_string(), of_endpoint(call, &listed, i)?))));
    }
    if let Some(id) = ids.iter().find(|id| !all.contains_key(*id)) {
        let message = format!("The networkInterface ID '{id}' does not exist");
        return Err(ApiError::new("InvalidNetworkInterfaceID.NotFound", message));
    }
    Ok(LISTING.page(&chosen, all.into_values(), |listed| listed.interface.id.to_string()))
}

fn of_endpoint(
    call: &Call<'_>,
    listed: &endpoint::ListedEndpoint<'_>,
    interface: &InterfaceRecord,
) -> Option<ListedInterface> {
    let record = &*listed.record;
    let vpc = call.vpc(record.vpc)?;
    let name = |address| format!("ip-{}.{}", address_label(address), instance_zone(&vpc.region));
    let has_names = vpc.enable_dns_support && vpc.enable_dns_hostnames;
    Some(ListedInterface {
        endpoint: record.id.to_string(),
        owner: record.owner.clone(),
        vpc: record.vpc.to_string(),
        zone: call.subnet(interface.subnet)?.zone.clone(),
        groups: endpoint::group_names(call, &record.security_groups).collect(),
        private_dns_name: interface.ipv4.filter(|_| has_names).map(name),
        interface: interface.clone(),
        tags: Tags::new(),
    })
}

/// `10-0-1-17`
fn address_label(address: std::net::Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

impl ListedInterface {
    fn description(&self) -> String {
        format!("VPC Endpoint Interface {}", self.endpoint)
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
        "attachment.attachmentId" ["attachment.attachment-id"] = it.attachment();
        "attachment.deleteOnTermination" ["attachment.delete-on-termination"] = false;
        "attachment.deviceIndex" ["attachment.device-index"] = "1";
        "attachment.networkCardIndex" = "0";
        "attachment.instanceOwnerId" ["attachment.instance-owner-id"] = MAKER;
        "attachment.status" ["attachment.status"] = "attached";
        "" ["attachment.attach-time", "attachment.instance-id"] = Values::Absent;
        "availabilityZone" ["availability-zone"] = it.zone.as_str();
        "description" ["description"] = it.description();
        "groupSet[].groupId" ["group-id"] = Values::of_each(it.groups.iter().map(|(id, _)| id));
        "groupSet[].groupName" ["group-name"] = Values::of_each(it.groups.iter().map(|(_, name)| name));
        "interfaceType" ["interface-type"] = "vpc_endpoint";
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
        "requesterId" ["requester-id"] = REQUESTER;
        "requesterManaged" ["requester-managed"] = true;
        "sourceDestCheck" ["source-dest-check"] = true;
        "status" ["status"] = "in-use";
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
