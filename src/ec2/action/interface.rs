//! Network interfaces: those of interface endpoints, there are no others here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::endpoint::{self, write_groups};
use super::region;
use crate::ec2::call::{Action, Call, Done, parse_id};
use crate::ec2::error::ApiError;
use crate::ec2::filter::{Filters, Page};
use crate::ec2::params::Params;
use crate::ec2::record::{Interface, Phase, Tags};
use crate::ec2::xml::Xml;
use crate::naming::{InterfaceId, ZoneName, instance_zone};

pub(super) const ACTIONS: &[Action] =
    &[Action { name: "DescribeNetworkInterfaces", writes: false, idempotent: false, run: describe }];

const FILTERS: &[&str] = &[
    "association.allocation-id",
    "association.association-id",
    "addresses.association.owner-id",
    "addresses.association.public-ip",
    "addresses.primary",
    "addresses.private-ip-address",
    "association.ip-owner-id",
    "association.public-ip",
    "association.public-dns-name",
    "attachment.attach-time",
    "attachment.attachment-id",
    "attachment.delete-on-termination",
    "attachment.device-index",
    "attachment.instance-id",
    "attachment.instance-owner-id",
    "attachment.status",
    "availability-zone",
    "availability-zone-id",
    "description",
    "group-id",
    "group-name",
    "ipv6-addresses.ipv6-address",
    "interface-type",
    "mac-address",
    "network-interface-id",
    "operator.managed",
    "operator.principal",
    "owner-id",
    "private-dns-name",
    "private-ip-address",
    "requester-id",
    "requester-managed",
    "source-dest-check",
    "status",
    "subnet-id",
    "tag",
    "tag-key",
    "vpc-id",
];

/// Who made the interfaces and has them attached.
const MAKER: &str = "amazon-aws";
/// The account in whose name EC2 makes the interfaces of endpoints, as `describe-network-interfaces` shows it.
const REQUESTER: &str = "727180483921";

/// An interface as it is listed.
struct Listed {
    interface: Interface,
    endpoint: String,
    owner: String,
    vpc: String,
    zone: ZoneName,
    groups: Vec<String>,
    /// `ip-10-0-1-17.ec2.internal`, where the VPC gives such names.
    private_dns_name: Option<String>,
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("NetworkInterfaceId");
    params.flag("IncludeManagedResources")?;
    let filters = Filters::take(params, FILTERS, "InvalidParameterValue")?;
    let page = Page::take(params, 5)?;
    let wanted: Vec<InterfaceId> = ids
        .iter()
        .map(|id| parse_id(id, "InvalidNetworkInterfaceId.Malformed", InterfaceId::PREFIX))
        .collect::<Result<_, _>>()?;
    let mut all: BTreeMap<String, Listed> = BTreeMap::new();
    for listed in endpoint::all(call, None).filter(|listed| listed.record.phase != Phase::Deleted) {
        let mine = |interface: &&Interface| wanted.is_empty() || wanted.contains(&interface.id);
        let interfaces = listed.record.interfaces.iter().filter(mine);
        all.extend(interfaces.filter_map(|i| Some((i.id.to_string(), of_endpoint(call, &listed, i)?))));
    }
    if let Some(id) = ids.iter().find(|id| !all.contains_key(*id)) {
        let message = format!("The networkInterface ID '{id}' does not exist");
        return Err(ApiError::new("InvalidNetworkInterfaceID.NotFound", message));
    }
    let none = Tags::new();
    let found = all.into_values().filter(|listed| filters.matches(&none, |name| values(call, listed, name)));
    let (found, next) = page.cut(found, |listed| listed.interface.id.to_string());
    let mut answer = Xml::new();
    answer.list("networkInterfaceSet", &found, |xml, listed| write(xml, call, listed));
    answer.optional("nextToken", next);
    Ok(Done { answer, ..Done::default() })
}

fn of_endpoint(call: &Call<'_>, listed: &endpoint::Listed<'_>, interface: &Interface) -> Option<Listed> {
    let record = &*listed.record;
    let vpc = call.vpc(record.vpc)?;
    let name = |address| format!("ip-{}.{}", address_label(address), instance_zone(&vpc.region));
    let has_names = vpc.enable_dns_support && vpc.enable_dns_hostnames;
    Some(Listed {
        endpoint: record.id.to_string(),
        owner: record.owner.clone(),
        vpc: record.vpc.to_string(),
        zone: call.subnet(interface.subnet)?.zone.clone(),
        groups: record.security_groups.clone(),
        private_dns_name: interface.ipv4.filter(|_| has_names).map(name),
        interface: interface.clone(),
    })
}

/// `10-0-1-17`
fn address_label(address: std::net::Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

impl Listed {
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

/// What an interface has under a filter's name.
fn values<'v>(call: &'v Call<'_>, listed: &'v Listed, filter: &str) -> Vec<Cow<'v, str>> {
    let ipv4 = || listed.interface.ipv4.map(|address| Cow::from(address.to_string())).into_iter().collect();
    match filter {
        "addresses.primary" => listed.interface.ipv4.map(|_| "true".into()).into_iter().collect(),
        "addresses.private-ip-address" | "private-ip-address" => ipv4(),
        "attachment.attachment-id" => vec![listed.attachment().into()],
        "attachment.delete-on-termination" | "operator.managed" => vec!["false".into()],
        "attachment.device-index" => vec!["1".into()],
        "attachment.instance-owner-id" => vec![MAKER.into()],
        "attachment.status" => vec!["attached".into()],
        "availability-zone" => vec![listed.zone.as_str().into()],
        "availability-zone-id" => vec![region::zone_id(&listed.zone).into()],
        "description" => vec![listed.description().into()],
        "group-id" => listed.groups.iter().map(|id| id.as_str().into()).collect(),
        "group-name" => {
            let name = |id: &String| call.state.security_group(id).map_or("default", |group| group.name.as_str());
            listed.groups.iter().map(|id| name(id).into()).collect()
        }
        "ipv6-addresses.ipv6-address" => {
            listed.interface.ipv6.map(|address| address.to_string().into()).into_iter().collect()
        }
        "interface-type" => vec!["vpc_endpoint".into()],
        "mac-address" => vec![listed.mac_address().into()],
        "network-interface-id" => vec![listed.interface.id.to_string().into()],
        "owner-id" => vec![listed.owner.as_str().into()],
        "private-dns-name" => listed.private_dns_name.iter().map(|name| name.as_str().into()).collect(),
        "requester-id" => vec![REQUESTER.into()],
        "requester-managed" | "source-dest-check" => vec!["true".into()],
        "status" => vec!["in-use".into()],
        "subnet-id" => vec![listed.interface.subnet.to_string().into()],
        "vpc-id" => vec![listed.vpc.as_str().into()],
        _ => Vec::new(),
    }
}

fn write(xml: &mut Xml, call: &Call<'_>, listed: &Listed) {
    let interface = &listed.interface;
    xml.element("attachment", |xml| {
        xml.text("attachmentId", listed.attachment());
        xml.text("deleteOnTermination", false);
        xml.text("deviceIndex", 1);
        xml.text("networkCardIndex", 0);
        xml.text("instanceOwnerId", MAKER);
        xml.text("status", "attached");
    });
    xml.text("availabilityZone", &listed.zone);
    xml.text("description", listed.description());
    write_groups(xml, call, &listed.groups);
    xml.text("interfaceType", "vpc_endpoint");
    xml.list("ipv6AddressesSet", interface.ipv6, |xml, address| {
        xml.text("ipv6Address", address);
        xml.text("isPrimaryIpv6", false);
    });
    xml.text("macAddress", listed.mac_address());
    xml.text("networkInterfaceId", interface.id);
    xml.text("ownerId", &listed.owner);
    xml.optional("privateDnsName", listed.private_dns_name.as_ref());
    xml.optional("privateIpAddress", interface.ipv4);
    xml.list("privateIpAddressesSet", interface.ipv4, |xml, address| {
        xml.text("primary", true);
        xml.optional("privateDnsName", listed.private_dns_name.as_ref());
        xml.text("privateIpAddress", address);
    });
    xml.text("requesterId", REQUESTER);
    xml.text("requesterManaged", true);
    xml.text("sourceDestCheck", true);
    xml.text("status", "in-use");
    xml.text("subnetId", interface.subnet);
    super::tags::write(xml, &Tags::new());
    xml.text("vpcId", &listed.vpc);
    xml.text("denyAllIgwTraffic", false);
    xml.optional("ipv6Address", interface.ipv6);
    xml.element("operator", |xml| xml.text("managed", false));
    xml.text("availabilityZoneId", region::zone_id(&listed.zone));
}
