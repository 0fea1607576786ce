//! What is read of an account, and how its XML becomes the AWS CLI's JSON.
//!
//! Names of elements and members are those of botocore's model of EC2 (`locationName`), 2016-11-15. Kept is what the
//! reader of the AWS CLI's output reads, and what tells people what an object is; policies, tags and the rest are not.

use serde_json::Value;

use super::shape::MemberShape::{self, Flag, Number, Object, Objects, Text, Texts};
use super::shape::{ITEM, ShapeMember, items, object, value};
use super::xml::Element;

/// A kind of object that one action lists.
#[derive(Debug)]
pub(super) struct ListedKind {
    /// `DescribeVpcs`
    pub(super) action: &'static str,
    /// The element with the list: `vpcSet`.
    element: &'static str,
    /// The list in the CLI's output: `Vpcs`.
    pub(super) key: &'static str,
    /// The member that tells objects apart.
    pub(super) id: &'static str,
    members: &'static [ShapeMember],
    /// Items that one page has at most.
    pub(super) page: u16,
    /// The filter for the objects of some VPCs.
    pub(super) vpc_filter: Option<&'static str>,
    /// Without it nothing can be said; what is not required may be denied, or unknown to an emulator.
    pub(super) required: bool,
}

const IPV6_BLOCKS: ShapeMember = (
    "ipv6CidrBlockAssociationSet",
    "Ipv6CidrBlockAssociationSet",
    Objects(&[("ipv6CidrBlock", "Ipv6CidrBlock", Text), ("ipv6CidrBlockState", "Ipv6CidrBlockState", STATE)]),
);
const STATE: MemberShape = Object(&[("state", "State", Text)]);
const OWNER: ShapeMember = ("ownerId", "OwnerId", Text);
const VPC: ShapeMember = ("vpcId", "VpcId", Text);
const PUBLIC_NAME: ShapeMember = ("association", "Association", Object(&[("publicDnsName", "PublicDnsName", Text)]));

const VPC_MEMBERS: &[ShapeMember] = &[
    VPC,
    OWNER,
    ("state", "State", Text),
    ("cidrBlock", "CidrBlock", Text),
    (
        "cidrBlockAssociationSet",
        "CidrBlockAssociationSet",
        Objects(&[("cidrBlock", "CidrBlock", Text), ("cidrBlockState", "CidrBlockState", STATE)]),
    ),
    IPV6_BLOCKS,
];

const SUBNET_MEMBERS: &[ShapeMember] = &[
    ("subnetId", "SubnetId", Text),
    ("subnetArn", "SubnetArn", Text),
    VPC,
    OWNER,
    ("availabilityZone", "AvailabilityZone", Text),
    ("availabilityZoneId", "AvailabilityZoneId", Text),
    ("cidrBlock", "CidrBlock", Text),
    IPV6_BLOCKS,
];

const INTERFACE_MEMBERS: &[ShapeMember] = &[
    ("networkInterfaceId", "NetworkInterfaceId", Text),
    ("description", "Description", Text),
    ("interfaceType", "InterfaceType", Text),
    ("subnetId", "SubnetId", Text),
    VPC,
    OWNER,
    ("availabilityZone", "AvailabilityZone", Text),
    ("privateDnsName", "PrivateDnsName", Text),
    ("privateIpAddress", "PrivateIpAddress", Text),
    ("ipv6Address", "Ipv6Address", Text),
    (
        "privateIpAddressesSet",
        "PrivateIpAddresses",
        Objects(&[("privateIpAddress", "PrivateIpAddress", Text), PUBLIC_NAME]),
    ),
    ("ipv6AddressesSet", "Ipv6Addresses", Objects(&[("ipv6Address", "Ipv6Address", Text)])),
    PUBLIC_NAME,
    ("attachment", "Attachment", Object(&[("instanceId", "InstanceId", Text), ("deviceIndex", "DeviceIndex", Number)])),
];

const ENDPOINT_MEMBERS: &[ShapeMember] = &[
    ("vpcEndpointId", "VpcEndpointId", Text),
    ("vpcEndpointType", "VpcEndpointType", Text),
    VPC,
    OWNER,
    ("serviceName", "ServiceName", Text),
    ("serviceRegion", "ServiceRegion", Text),
    ("resourceConfigurationArn", "ResourceConfigurationArn", Text),
    ("serviceNetworkArn", "ServiceNetworkArn", Text),
    ("state", "State", Text),
    ("ipAddressType", "IpAddressType", Text),
    ("privateDnsEnabled", "PrivateDnsEnabled", Flag),
    (
        "dnsOptions",
        "DnsOptions",
        Object(&[
            ("dnsRecordIpType", "DnsRecordIpType", Text),
            ("privateDnsOnlyForInboundResolverEndpoint", "PrivateDnsOnlyForInboundResolverEndpoint", Flag),
            ("privateDnsPreference", "PrivateDnsPreference", Text),
            ("privateDnsSpecifiedDomainSet", "PrivateDnsSpecifiedDomains", Texts),
        ]),
    ),
    ("dnsEntrySet", "DnsEntries", Objects(&[("dnsName", "DnsName", Text), ("hostedZoneId", "HostedZoneId", Text)])),
    ("subnetIdSet", "SubnetIds", Texts),
    ("networkInterfaceIdSet", "NetworkInterfaceIds", Texts),
];

const DNS_NAME: MemberShape = Object(&[("dnsName", "DnsName", Text)]);

const ASSOCIATION_MEMBERS: &[ShapeMember] = &[
    ("id", "Id", Text),
    ("vpcEndpointId", "VpcEndpointId", Text),
    ("serviceNetworkArn", "ServiceNetworkArn", Text),
    ("associatedResourceArn", "AssociatedResourceArn", Text),
    ("resourceConfigurationGroupArn", "ResourceConfigurationGroupArn", Text),
    ("dnsEntry", "DnsEntry", DNS_NAME),
    ("privateDnsEntry", "PrivateDnsEntry", DNS_NAME),
];

const RESERVATION_MEMBERS: &[ShapeMember] = &[
    ("reservationId", "ReservationId", Text),
    OWNER,
    (
        "instancesSet",
        "Instances",
        Objects(&[
            ("instanceId", "InstanceId", Text),
            (
                "privateDnsNameOptions",
                "PrivateDnsNameOptions",
                Object(&[
                    ("hostnameType", "HostnameType", Text),
                    ("enableResourceNameDnsARecord", "EnableResourceNameDnsARecord", Flag),
                    ("enableResourceNameDnsAAAARecord", "EnableResourceNameDnsAAAARecord", Flag),
                ]),
            ),
            ("networkInterfaceSet", "NetworkInterfaces", Objects(INTERFACE_MEMBERS)),
        ]),
    ),
];

/// Several services may have one name: S3 has a gateway and an interface.
const SERVICE_MEMBERS: &[ShapeMember] = &[
    ("serviceId", "ServiceId", Text),
    ("serviceName", "ServiceName", Text),
    ("serviceRegion", "ServiceRegion", Text),
    ("serviceType", "ServiceType", Objects(&[("serviceType", "ServiceType", Text)])),
    ("baseEndpointDnsNameSet", "BaseEndpointDnsNames", Texts),
    ("privateDnsName", "PrivateDnsName", Text),
    ("privateDnsNameSet", "PrivateDnsNames", Objects(&[("privateDnsName", "PrivateDnsName", Text)])),
    ("availabilityZoneSet", "AvailabilityZones", Texts),
];

/// Every kind with a list, VPCs first. Page sizes: EC2 API Reference, `MaxResults` of each action.
pub(super) const KINDS: [ListedKind; 7] = [
    ListedKind {
        action: "DescribeVpcs",
        element: "vpcSet",
        key: "Vpcs",
        id: "VpcId",
        members: VPC_MEMBERS,
        page: 1000,
        vpc_filter: Some("vpc-id"),
        required: true,
    },
    ListedKind {
        action: "DescribeSubnets",
        element: "subnetSet",
        key: "Subnets",
        id: "SubnetId",
        members: SUBNET_MEMBERS,
        page: 1000,
        vpc_filter: Some("vpc-id"),
        required: true,
    },
    ListedKind {
        action: "DescribeVpcEndpoints",
        element: "vpcEndpointSet",
        key: "VpcEndpoints",
        id: "VpcEndpointId",
        members: ENDPOINT_MEMBERS,
        page: 1000,
        vpc_filter: Some("vpc-id"),
        required: true,
    },
    ListedKind {
        action: "DescribeNetworkInterfaces",
        element: "networkInterfaceSet",
        key: "NetworkInterfaces",
        id: "NetworkInterfaceId",
        members: INTERFACE_MEMBERS,
        page: 1000,
        vpc_filter: Some("vpc-id"),
        required: true,
    },
    ListedKind {
        action: "DescribeVpcEndpointAssociations",
        element: "vpcEndpointAssociationSet",
        key: "VpcEndpointAssociations",
        id: "Id",
        members: ASSOCIATION_MEMBERS,
        page: 100,
        vpc_filter: None,
        required: false,
    },
    ListedKind {
        action: "DescribeInstances",
        element: "reservationSet",
        key: "Reservations",
        id: "ReservationId",
        members: RESERVATION_MEMBERS,
        page: 1000,
        vpc_filter: Some("vpc-id"),
        required: false,
    },
    ListedKind {
        action: "DescribeVpcEndpointServices",
        element: "serviceDetailSet",
        key: "ServiceDetails",
        id: "ServiceId",
        members: SERVICE_MEMBERS,
        page: 1000,
        vpc_filter: None,
        required: false,
    },
];

/// The action that tells an attribute of a VPC, which no list has.
pub(super) const ATTRIBUTE_ACTION: &str = "DescribeVpcAttribute";
/// Attributes of VPCs that matter: as they are asked for, and in the CLI's output.
pub(super) const ATTRIBUTES: [(&str, &str); 2] =
    [("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")];

impl ListedKind {
    /// The objects of one page, each with its id. An answer without the list, or an object without its id, is an error.
    pub(super) fn page(&self, answer: &Element) -> Result<Vec<(String, Value)>, String> {
        let list = answer.child(self.element).ok_or_else(|| format!("has no <{}>", self.element))?;
        let object = |item: &Element| {
            let object = object(item, self.members)?;
            let id = object.get(self.id).and_then(Value::as_str).filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| format!("has an item of <{}> without {}", self.element, self.id))?.to_owned();
            Ok((id, Value::Object(object)))
        };
        items(list, ITEM)?.map(object).collect()
    }
}

/// The output of `describe-vpc-attribute` for one attribute.
pub(super) fn attribute(answer: &Element, vpc: &str, (element, key): (&str, &str)) -> Result<Value, String> {
    let told = answer.child("vpcId").map_or("", |id| id.text.as_str());
    if told != vpc {
        return Err(format!("is about the VPC '{told}'"));
    }
    let flag = answer.child(element).and_then(|attribute| attribute.child("value"));
    let flag = value(flag.ok_or_else(|| format!("has no <{element}>"))?, &Flag)?;
    Ok(serde_json::json!({"VpcId": vpc, key: {"Value": flag}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(key: &str) -> &'static ListedKind {
        KINDS.iter().find(|kind| kind.key == key).unwrap()
    }

    /// The example response of the EC2 API Reference, `DescribeVpcEndpoints`, shortened.
    #[test]
    fn an_answer_becomes_the_output_of_the_cli() {
        let answer = Element::parse(
            "<DescribeVpcEndpointsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">
             <requestId>19a9ff46-7df6-49b8-9726-3df27527089d</requestId>
             <vpcEndpointSet><item>
               <vpcEndpointId>vpce-06a2a5e7a1c8a3a41</vpcEndpointId><vpcEndpointType>Interface</vpcEndpointType>
               <policyDocument>{\"Version\":\"2008-10-17\"}</policyDocument>
               <privateDnsEnabled>true</privateDnsEnabled>
               <subnetIdSet><item>subnet-a</item><item>subnet-b</item></subnetIdSet><routeTableIdSet/>
               <dnsEntrySet><item><dnsName>x.vpce.amazonaws.com</dnsName><hostedZoneId>Z1</hostedZoneId></item></dnsEntrySet>
             </item></vpcEndpointSet></DescribeVpcEndpointsResponse>",
        );
        let page = kind("VpcEndpoints").page(&answer.unwrap()).unwrap();
        let expected = serde_json::json!({
            "VpcEndpointId": "vpce-06a2a5e7a1c8a3a41", "VpcEndpointType": "Interface", "PrivateDnsEnabled": true,
            "SubnetIds": ["subnet-a", "subnet-b"],
            "DnsEntries": [{"DnsName": "x.vpce.amazonaws.com", "HostedZoneId": "Z1"}],
        });
        assert_eq!(page, [("vpce-06a2a5e7a1c8a3a41".to_owned(), expected)]);
    }

    #[test]
    fn an_answer_of_another_shape_is_refused() {
        for (xml, why) in [
            ("<R/>", "has no <vpcSet>"),
            ("<R><vpcSet><vpc/></vpcSet></R>", "has <vpc> in <vpcSet>"),
            ("<R><vpcSet><item><state>x</state></item></vpcSet></R>", "without VpcId"),
            ("<R><vpcSet><item><vpcId/></item></vpcSet></R>", "without VpcId"),
        ] {
            assert!(kind("Vpcs").page(&Element::parse(xml).unwrap()).unwrap_err().contains(why), "{xml}");
        }
        let answer = |xml| attribute(&Element::parse(xml).unwrap(), "vpc-1", ATTRIBUTES[0]);
        assert!(answer("<R><vpcId>vpc-2</vpcId></R>").unwrap_err().contains("about the VPC 'vpc-2'"));
        let flag = "<R><vpcId>vpc-1</vpcId><enableDnsSupport><value>maybe</value></enableDnsSupport></R>";
        assert!(answer(flag).unwrap_err().contains("no flag"));
    }
}
