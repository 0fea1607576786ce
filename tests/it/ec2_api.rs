//! Endpoints, subnets, interfaces and services over the EC2 API: what calls answer, and what DNS says right after.

use std::time::Duration;

use crate::common::ec2::{Api, slow};
use crate::common::xml::Node;
use crate::common::{BOTH, endpoint, vpc};
use vpcedns::ec2::ApiSettings;

const SQS: &str = "com.amazonaws.us-east-1.sqs";
const INSIDE: &str = "10.1.0.5";
const OUTSIDE: &str = "127.0.0.1";

/// VPC 1 with private DNS, VPC 2 without host names; subnets `subnet-00000n0a`, `b` and `c` in each.
fn world() -> String {
    format!("{}{}", vpc(1, BOTH), vpc(2, ""))
}

/// A create call for an interface endpoint in VPC 1.
fn create(service: &str, more: &str) -> String {
    let call = format!("CreateVpcEndpoint VpcId=vpc-00000001 VpcEndpointType=Interface ServiceName={service} {more}");
    call.trim_end().to_owned()
}

/// Every name of an endpoint as it is described, with its hosted zone.
fn entries(endpoint: &Node) -> Vec<(String, String)> {
    let items = endpoint.items("dnsEntrySet");
    items.iter().map(|item| (item.text("dnsName").to_owned(), item.text("hostedZoneId").to_owned())).collect()
}

fn described(api: &Api, id: &str) -> Node {
    let answer = api.call(&format!("DescribeVpcEndpoints VpcEndpointId.1={id}"));
    answer.items("vpcEndpointSet")[0].clone()
}

/// The addresses of the endpoint's interfaces, sorted.
fn addresses(api: &Api, id: &str) -> Vec<String> {
    let filter = format!("Filter.1.Name=description Filter.1.Value.1=*{id}");
    let answer = api.call(&format!("DescribeNetworkInterfaces {filter}"));
    let mut all = answer.texts("networkInterfaceSet", "privateIpAddress");
    all.sort();
    all
}

/// A name as a client would ask for it: `*` may be anything.
fn asked(name: &str) -> String {
    name.replacen('*', "any.thing", 1)
}

#[test]
fn what_the_answer_says_dns_says_at_once() {
    let api = Api::new(&world());
    let answer = api.call(&create(SQS, "SubnetId.1=subnet-0000010a SubnetId.2=subnet-0000010b"));
    let made = answer.find("vpcEndpoint").unwrap();
    let id = made.text("vpcEndpointId").to_owned();
    assert!(id.starts_with("vpce-0") && id.len() == 22, "{id}");
    assert_eq!(made.text("state"), "pending");
    assert_eq!(made.text("vpcEndpointType"), "Interface");
    assert_eq!(made.text("privateDnsEnabled"), "true");
    assert_eq!(made.text("ownerId"), "000000000000");
    assert_eq!(made.text("requesterManaged"), "false");
    assert_eq!(made.text("dnsOptions/dnsRecordIpType"), "ipv4");
    assert_eq!(made.texts("subnetIdSet", "."), ["subnet-0000010a", "subnet-0000010b"]);
    assert_eq!(made.texts("groupSet", "groupId"), ["sg-00000001"], "the VPC's default group");
    assert!(made.text("policyDocument").contains("\"Action\": \"*\", \n"), "EC2's trailing spaces");
    assert_eq!(made.items("networkInterfaceIdSet").len(), 2);

    let entries = entries(made);
    let (regional, zones): (&str, Vec<&str>) = (&entries[0].0, entries.iter().map(|(_, zone)| zone.as_str()).collect());
    let label = regional.strip_suffix(".sqs.us-east-1.vpce.amazonaws.com").unwrap();
    assert!(label.starts_with(&id) && label.len() == id.len() + 9, "{label}");
    let zonal = |zone: &str| format!("{label}-us-east-1{zone}.sqs.us-east-1.vpce.amazonaws.com");
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [regional, &zonal("a"), &zonal("b"), "sqs.us-east-1.amazonaws.com"]);
    assert_eq!(zones[..3], ["Z7HUB22UULQXV"; 3]);
    assert!(zones[3].starts_with('Z') && zones[3] != zones[0]);

    let both = addresses(&api, &id);
    assert_eq!(both.len(), 2);
    assert_eq!(api.addresses(OUTSIDE, regional), both);
    assert_eq!(api.addresses(INSIDE, "sqs.us-east-1.amazonaws.com"), both);
    assert_eq!(api.addresses(OUTSIDE, "sqs.us-east-1.amazonaws.com"), ["REFUSED"], "public, and there is no upstream");
    assert_eq!(api.addresses(OUTSIDE, &zonal("a")), both[..1]);
    assert!(both[0].starts_with("10.1.1.") && both[1].starts_with("10.1.2."));

    let listed = described(&api, &id);
    assert_eq!(listed.text("state"), "available");
    assert_eq!(self::entries(&listed), entries);
}

#[test]
fn deleted_endpoints_are_listed_for_a_while_and_answer_no_more() {
    let api = Api::with(&world(), slow());
    let answer = api.call(&create(SQS, "SubnetId.1=subnet-0000010a"));
    let id = answer.text("vpcEndpoint/vpcEndpointId").to_owned();
    let regional = entries(answer.find("vpcEndpoint").unwrap())[0].0.clone();
    assert_eq!(described(&api, &id).text("state"), "pending");
    assert_eq!(api.addresses(OUTSIDE, &regional).len(), 1, "a pending endpoint answers");

    let answer = api.call(&format!("DeleteVpcEndpoints VpcEndpointId.1={id} VpcEndpointId.2=vpce-00000000000000009"));
    assert_eq!(answer.texts("unsuccessful", "resourceId"), ["vpce-00000000000000009"]);
    assert_eq!(answer.texts("unsuccessful", "error/code"), ["InvalidVpcEndpoint.NotFound"], "EC2's code in bulk");
    let listed = described(&api, &id);
    assert_eq!((listed.text("state"), entries(&listed).len()), ("deleting", 0));
    assert_eq!(api.addresses(OUTSIDE, &regional), ["NXDOMAIN"]);
    assert_eq!(api.addresses(INSIDE, "sqs.us-east-1.amazonaws.com"), ["REFUSED"], "the public name again");
    assert!(addresses(&api, &id).is_empty());
    let subnet = api.call("DescribeSubnets SubnetId.1=subnet-0000010a");
    assert_eq!(subnet.items("subnetSet")[0].text("availableIpAddressCount"), "251");
    assert_eq!(api.error(&format!("ModifyVpcEndpoint VpcEndpointId={id} ResetPolicy=true")), no_endpoint(&id));
}

#[test]
fn what_is_over_leaves_the_store() {
    let at_once = ApiSettings { deleted: Duration::ZERO, ..ApiSettings::default() };
    let api = Api::with(&world(), at_once);
    let made = |token: &str| {
        let answer = api.call(&create(SQS, &format!("PrivateDnsEnabled=false ClientToken={token}")));
        answer.text("vpcEndpoint/vpcEndpointId").to_owned()
    };
    let gone: Vec<String> = (0..5).map(|n| made(&n.to_string())).collect();
    for id in &gone {
        api.call(&format!("DeleteVpcEndpoints VpcEndpointId.1={id}"));
        assert_eq!(api.error(&format!("DescribeVpcEndpoints VpcEndpointId.1={id}")), no_endpoint(id));
    }
    std::thread::sleep(Duration::from_millis(5));
    let kept = made("kept");
    let state = api.stored();
    assert_eq!(state.records().map(|record| record.id()).collect::<Vec<_>>(), [kept]);
    assert_eq!(api.call("DescribeVpcEndpoints").items("vpcEndpointSet").len(), 1);
}

fn no_endpoint(id: &str) -> String {
    format!("InvalidVpcEndpointId.NotFound: The Vpc Endpoint Id '{id}' does not exist")
}

/// Codes and texts of EC2, one call and its error a pair of lines; `create sqs` is an interface endpoint in VPC 1, whose
/// first subnet and the names of `logs` have an endpoint, FIRST, at TAKEN.
#[track_caller]
fn refused(table: &str) {
    let api = Api::new(&format!(
        "{}{}[[hosted_zone]]\nname = \"kms.us-east-1.amazonaws.com\"\nvpc_ids = [\"vpc-00000001\"]\n",
        world(),
        "[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.us-east-1.email-smtp\"\navailability_zones = [\"us-east-1b\"]\n"
    ));
    let first = api.call(&create("com.amazonaws.us-east-1.logs", "SubnetId.1=subnet-0000010a"));
    let first = first.text("vpcEndpoint/vpcEndpointId");
    let taken = addresses(&api, first)[0].clone();
    let file = format!("{}/zones/t.toml", api.zones().display());
    crate::common::check_with(table, |call| {
        // what was drawn may be the beginning of an address that the table names
        let address = if call.contains("TAKEN") { &*taken } else { "no address" };
        let call = call.replace("TAKEN", &taken).replace("FIRST", first);
        let call = match call.strip_prefix("create ").map(|rest| rest.split_once(' ').unwrap_or((rest, ""))) {
            Some((service, more)) if service.starts_with("com.") => create(service, more),
            Some((service, more)) => create(&format!("com.amazonaws.us-east-1.{service}"), more),
            None => call,
        };
        api.error(&call).replace(&file, "FILE").replace(address, "TAKEN").replace(first, "FIRST")
    });
    assert_eq!(api.call("DescribeVpcEndpoints").items("vpcEndpointSet").len(), 1, "none of them did anything");
}

#[test]
fn endpoints_that_cannot_be_made() {
    refused(
        r#"
CreateVpcEndpoint VpcEndpointType=Interface ServiceName=com.amazonaws.us-east-1.sqs
  MissingParameter: The request must contain the parameter VpcId
CreateVpcEndpoint VpcId=vpc-1 ServiceName=com.amazonaws.us-east-1.sqs
  InvalidVpcID.Malformed: Invalid VPC Id: 'vpc-1' (expecting 'vpc-...; the Id may only contain lowercase alphanumeric characters and a single dash')
CreateVpcEndpoint VpcId=vpc-00000009 ServiceName=com.amazonaws.us-east-1.sqs
  InvalidVpcID.NotFound: The vpc ID 'vpc-00000009' does not exist
CreateVpcEndpoint VpcId=vpc-00000002 VpcEndpointType=Interface ServiceName=com.amazonaws.us-east-1.sqs
  InvalidParameter: Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for vpc-00000002
create logs
  InvalidParameter: private-dns-enabled cannot be set because there is already a conflicting DNS domain for logs.us-east-1.amazonaws.com in the VPC vpc-00000001
create kms
  InvalidParameter: private-dns-enabled cannot be set because there is already a conflicting DNS domain for kms.us-east-1.amazonaws.com in the VPC vpc-00000001
create dynamodb PrivateDnsEnabled=true
  InvalidParameter: Private DNS can't be enabled because the service com.amazonaws.us-east-1.dynamodb does not provide a private DNS name.
create s3 PrivateDnsEnabled=true
  InvalidParameter: To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC vpc-00000001 must have a Gateway endpoint for the service.
CreateVpcEndpoint VpcId=vpc-00000001 ServiceName=com.amazonaws.us-east-1.s3 DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint=true
  InvalidParameter: DnsOptions PrivateDnsOnlyForInboundResolverEndpoint is applicable only to Interface VPC Endpoints.
create sqs SubnetId.1=subnet-0000010a SubnetId.2=subnet-0000010a
  DuplicateSubnetsInSameZone: Found another VPC endpoint subnet in the availability zone of subnet-0000010a. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.
create email-smtp SubnetId.1=subnet-0000010a
  InvalidParameter: The VPC endpoint service com.amazonaws.us-east-1.email-smtp does not support the availability zone of the subnet: subnet-0000010a.
create com.amazonaws.eu-north-1.sqs
  InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.eu-north-1.sqs' does not exist
create com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc
  InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc' does not exist
create brand-new
  InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.us-east-1.brand-new' does not exist
CreateVpcEndpoint VpcId=vpc-00000001 ServiceName=com.amazonaws.us-east-1.sqs
  InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.us-east-1.sqs' does not support the endpoint type 'Gateway'.
CreateVpcEndpoint VpcId=vpc-00000001 ServiceName=com.amazonaws.us-east-1.sqs VpcEndpointType=Interfaces
  InvalidVpcEndpointType: The VPC endpoint type 'Interfaces' is not valid.
create sqs SubnetId.1=x
  InvalidSubnetId.Malformed: Invalid Subnet Id: 'x' (expecting 'subnet-...; the Id may only contain lowercase alphanumeric characters and a single dash')
create sqs SubnetId.1=subnet-00000999
  InvalidSubnetID.NotFound: The subnet ID 'subnet-00000999' does not exist
create sqs SubnetId.1=subnet-0000020a
  InvalidParameter: The subnet subnet-0000020a does not belong to the VPC vpc-00000001.
create sqs SecurityGroupId.1=group
  InvalidGroupId.Malformed: Invalid id: "group" (expecting "sg-...")
create sqs SubnetConfiguration.1.SubnetId=subnet-0000010a SubnetConfiguration.1.Ipv4=TAKEN
  InvalidIPAddress.InUse: Address TAKEN is in use.
create sqs SubnetConfiguration.1.SubnetId=subnet-0000010a SubnetConfiguration.1.Ipv4=10.1.1.3
  InvalidParameterValue: Address 10.1.1.3 is in subnet's reserved address range
create sqs SubnetConfiguration.1.SubnetId=subnet-0000010a SubnetConfiguration.1.Ipv4=10.1.1.255
  InvalidParameterValue: Address 10.1.1.255 is in subnet's reserved address range
create sqs SubnetConfiguration.1.SubnetId=subnet-0000010a SubnetConfiguration.1.Ipv4=10.1.2.7
  InvalidParameterValue: Address 10.1.2.7 does not fall within the subnet's address range
create sqs SubnetConfiguration.1.SubnetId=subnet-0000010a SubnetConfiguration.1.Ipv6=fd00::7
  InvalidParameterCombination: An address given for subnet-0000010a is not of the endpoint's IpAddressType.
create sqs DnsOptions.DnsRecordIpType=ipv6
  InvalidParameter: DnsRecordIpType ipv6 is not compatible with IpAddressType ipv4.
create sqs PolicyDocument=[]
  InvalidPolicyDocument: The policy must be a JSON object of at most 20480 characters.
create sqs RouteTableId.1=rtb-00000001
  InvalidParameter: Route table IDs are only supported for Gateway type VPC Endpoint.
create sqs Colour=red
  UnknownParameter: The parameter Colour is not recognized
create sqs DryRun=true
  DryRunOperation: Request would have succeeded, but DryRun flag is set.
"#,
    );
}

#[test]
fn other_calls_that_are_refused() {
    refused(
        r#"
DescribeVpcEndpoints VpcEndpointId.1=vpce-x
  InvalidVpcEndpointId.Malformed: Invalid VPC endpoint Id: 'vpce-x' (expecting 'vpce-...; the Id may only contain lowercase alphanumeric characters and a single dash')
DescribeVpcEndpoints VpcEndpointId.1=vpce-00000000000000009
  InvalidVpcEndpointId.NotFound: The Vpc Endpoint Id 'vpce-00000000000000009' does not exist
DescribeVpcEndpoints Filter.1.Name=colour Filter.1.Value.1=red
  InvalidFilter: The filter 'colour' is invalid
DescribeVpcEndpoints NextToken=zz
  InvalidPaginationToken: The pagination token 'zz' is invalid
ModifyVpcEndpoint VpcEndpointId=vpce-00000000000000009
  InvalidVpcEndpointId.NotFound: The Vpc Endpoint Id 'vpce-00000000000000009' does not exist
ModifyVpcEndpoint VpcEndpointId=FIRST AddSubnetId.1=subnet-0000010a
  DuplicateSubnetsInSameZone: Found another VPC endpoint subnet in the availability zone of subnet-0000010a. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.
ModifyVpcEndpoint VpcEndpointId=FIRST RemoveSubnetId.1=subnet-0000010b
  InvalidParameter: The subnet subnet-0000010b is not associated with the VPC endpoint FIRST.
DescribeVpcEndpointServices ServiceName.1=com.amazonaws.us-east-1.ec3
  InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.us-east-1.ec3' does not exist
CreateSubnet VpcId=vpc-00000001 CidrBlock=10.2.9.0/24
  InvalidSubnet.Range: The CIDR '10.2.9.0/24' is invalid.
CreateSubnet VpcId=vpc-00000001 CidrBlock=10.1.0.0/29
  InvalidSubnet.Range: The CIDR '10.1.0.0/29' is invalid.
CreateSubnet VpcId=vpc-00000001 CidrBlock=10.1.1.128/25
  InvalidSubnet.Conflict: The CIDR '10.1.1.128/25' conflicts with another subnet
CreateSubnet VpcId=vpc-00000001 CidrBlock=10.1.9.0/24 AvailabilityZone=eu-west-1a
  InvalidParameterValue: Value (eu-west-1a) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e, us-east-1f.
DeleteSubnet SubnetId=subnet-0000010a
  OperationNotPermitted: subnet-0000010a is declared at FILE:7: change it there, the API only reads it
DescribeNetworkInterfaces NetworkInterfaceId.1=eni-00000009
  InvalidNetworkInterfaceID.NotFound: The networkInterface ID 'eni-00000009' does not exist
"#,
    );
}

#[test]
fn modified_endpoints_keep_what_is_not_spoken_of() {
    let api = Api::with(&world(), slow());
    let answer = api.call(&create(SQS, "SubnetId.1=subnet-0000010a PrivateDnsEnabled=false"));
    let id = answer.text("vpcEndpoint/vpcEndpointId").to_owned();
    let first = addresses(&api, &id);
    let modify = |what: &str| {
        assert_eq!(api.call(&format!("ModifyVpcEndpoint VpcEndpointId={id} {what}")).text("return"), "true");
    };

    modify("AddSubnetId.1=subnet-0000010b AddSecurityGroupId.1=sg-00000077 RemoveSecurityGroupId.1=sg-00000001");
    let listed = described(&api, &id);
    assert_eq!(listed.texts("groupSet", "groupId"), ["sg-00000077"]);
    assert_eq!(listed.text("state"), "pending");
    let both = addresses(&api, &id);
    assert!(both.len() == 2 && both.contains(&first[0]), "the first interface stays as it was");
    assert_eq!(entries(&listed).len(), 3);

    modify("PrivateDnsEnabled=true");
    assert_eq!(api.addresses(INSIDE, "sqs.us-east-1.amazonaws.com"), both);
    modify("RemoveSubnetId.1=subnet-0000010a");
    assert_eq!(api.addresses(INSIDE, "sqs.us-east-1.amazonaws.com"), both[1..]);

    modify("SubnetConfiguration.1.SubnetId=subnet-0000010b SubnetConfiguration.1.Ipv4=10.1.2.77");
    assert_eq!(addresses(&api, &id), ["10.1.2.77"]);
    let interface = described(&api, &id).texts("networkInterfaceIdSet", ".");
    modify("SubnetConfiguration.1.SubnetId=subnet-0000010b SubnetConfiguration.1.Ipv4=10.1.2.77");
    assert_eq!(described(&api, &id).texts("networkInterfaceIdSet", "."), interface, "nothing new");

    modify("IpAddressType=dualstack");
    assert_eq!(described(&api, &id).text("dnsOptions/dnsRecordIpType"), "dualstack");
    assert_eq!(api.ask(INSIDE, "sqs.us-east-1.amazonaws.com", "AAAA").answers.len(), 1);
    assert_eq!(addresses(&api, &id), ["10.1.2.77"]);
    modify("IpAddressType=ipv6");
    assert_eq!(api.ask(INSIDE, "sqs.us-east-1.amazonaws.com", "A").answers.len(), 0);

    let policy = "%7B%22Statement%22:[]%7D";
    modify(&format!("PolicyDocument={policy}"));
    assert_eq!(described(&api, &id).text("policyDocument"), "{\"Statement\":[]}");
    modify("ResetPolicy=true");
    assert!(described(&api, &id).text("policyDocument").contains("\"Action\": \"*\""));

    modify("RemoveSubnetId.1=subnet-0000010b");
    let listed = described(&api, &id);
    assert!(entries(&listed).is_empty() && listed.items("networkInterfaceIdSet").is_empty());
    let api = api.reopen();
    assert_eq!(described(&api, &id), listed, "the same after a restart");
}

#[test]
fn private_names_of_s3_can_be_for_inbound_endpoints_alone() {
    let api = Api::new(&world());
    let s3 = "com.amazonaws.us-east-1.s3";
    let answer = api.call(&create(s3, "SubnetId.1=subnet-0000010a"));
    let interface = answer.find("vpcEndpoint").unwrap();
    assert_eq!(interface.text("privateDnsEnabled"), "false", "as the AWS CLI's example shows");
    let names: Vec<String> = entries(interface).into_iter().map(|(name, _)| name).collect();
    assert!(names.len() == 2 && names.iter().all(|name| name.starts_with("*.vpce-")), "{names:?}");
    let id = interface.text("vpcEndpointId");

    let gateway =
        api.call(&format!("CreateVpcEndpoint VpcId=vpc-00000001 ServiceName={s3} RouteTableId.1=rtb-00000001"));
    let gateway = gateway.find("vpcEndpoint").unwrap();
    assert_eq!((gateway.text("state"), gateway.text("vpcEndpointType")), ("available", "Gateway"));
    assert!(gateway.text("policyDocument").contains("2008-10-17"));
    assert!(entries(gateway).is_empty() && gateway.find("dnsOptions").is_none());

    api.call(&format!("ModifyVpcEndpoint VpcEndpointId={id} PrivateDnsEnabled=true"));
    let option = "dnsOptions/privateDnsOnlyForInboundResolverEndpoint";
    assert_eq!(described(&api, id).text(option), "true", "the default with private DNS");
    assert_eq!(api.addresses(INSIDE, "s3.us-east-1.amazonaws.com"), ["REFUSED"], "public for the VPC itself");
    api.call(&format!(
        "ModifyVpcEndpoint VpcEndpointId={id} DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint=false"
    ));
    assert_eq!(described(&api, id).text(option), "false");
    let listed = described(&api, id);
    for (name, _) in entries(&listed) {
        assert_eq!(api.addresses(INSIDE, &asked(&name)), addresses(&api, id), "{name}");
    }
    assert_eq!(entries(&listed).len(), 8);
}

#[test]
fn addresses_are_of_the_subnet_and_used_once() {
    let tiny = "[[subnet]]\nsubnet_id = \"subnet-00000044\"\nvpc_id = \"vpc-00000001\"\navailability_zone = \"us-east-1d\"\ncidr_block = \"10.1.4.0/28\"\n";
    let api = Api::new(&format!("{}{tiny}", world()));
    let subnets = || {
        let answer = api.call("DescribeSubnets SubnetId.1=subnet-00000044");
        answer.items("subnetSet")[0].text("availableIpAddressCount").to_owned()
    };
    assert_eq!(subnets(), "11");
    // the addresses of one call differ, whatever is drawn: what is wrong with it is its zone
    let twice = create(SQS, "PrivateDnsEnabled=false SubnetId.1=subnet-00000044 SubnetId.2=subnet-00000044");
    for _ in 0..100 {
        assert!(api.error(&twice).starts_with("DuplicateSubnetsInSameZone: "));
    }
    let call = create(SQS, "PrivateDnsEnabled=false SubnetId.1=subnet-00000044");
    let mut all: Vec<String> = (0..11)
        .map(|_| {
            let id = api.call(&call).text("vpcEndpoint/vpcEndpointId").to_owned();
            addresses(&api, &id).remove(0)
        })
        .collect();
    all.sort_by_key(|address| address.parse::<std::net::Ipv4Addr>().unwrap());
    let expected: Vec<String> = (4..15).map(|last| format!("10.1.4.{last}")).collect();
    assert_eq!(all, expected);
    assert_eq!(subnets(), "0");
    assert_eq!(
        api.error(&call),
        "InsufficientFreeAddressesInSubnet: There are not enough free addresses in subnet 'subnet-00000044'."
    );
    let other = create(
        SQS,
        "PrivateDnsEnabled=false SubnetId.1=subnet-0000010a SubnetConfiguration.1.SubnetId=subnet-0000010b SubnetConfiguration.1.Ipv4=10.1.2.200",
    );
    let id = api.call(&other).text("vpcEndpoint/vpcEndpointId").to_owned();
    assert!(addresses(&api, &id).contains(&"10.1.2.200".to_owned()));
}

#[test]
fn both_families() {
    let api = Api::new(&world());
    for (kind, records, a, aaaa) in [
        ("ipv4", None, 1, 0),
        ("ipv6", None, 0, 1),
        ("dualstack", None, 1, 1),
        ("dualstack", Some("ipv4"), 1, 0),
        ("dualstack", Some("service-defined"), 1, 1),
    ] {
        let records = records.map_or_else(String::new, |records| format!("DnsOptions.DnsRecordIpType={records}"));
        let answer = api.call(&create(
            SQS,
            &format!("PrivateDnsEnabled=false SubnetId.1=subnet-0000010c IpAddressType={kind} {records}"),
        ));
        let made = answer.find("vpcEndpoint").unwrap();
        let name = &entries(made)[0].0;
        let count = |rtype| api.ask(OUTSIDE, name, rtype).answers.len();
        assert_eq!((count("A"), count("AAAA")), (a, aaaa), "{kind} {records}");
    }
}

#[test]
fn quotas_count_what_is_there() {
    let api = Api::with(&world(), ApiSettings { endpoints_per_vpc: 2, ..ApiSettings::default() });
    let make = create(SQS, "PrivateDnsEnabled=false");
    let first = api.call(&make).text("vpcEndpoint/vpcEndpointId").to_owned();
    api.call("CreateVpcEndpoint VpcId=vpc-00000001 ServiceName=com.amazonaws.us-east-1.dynamodb");
    api.call(&make);
    let full = "VpcEndpointLimitExceeded: The maximum number of VPC endpoints has been reached.";
    assert_eq!(api.error(&make), full);
    let api = api.reopen();
    assert_eq!(api.error(&make), full);
    api.call(&format!("DeleteVpcEndpoints VpcEndpointId.1={first}"));
    api.call(&make);
    assert_eq!(api.error(&make), full);
}

#[test]
fn the_same_token_makes_one_endpoint() {
    let api = Api::new(&world());
    let call = create(SQS, "SubnetId.1=subnet-0000010a ClientToken=t-1");
    let first = api.call(&call);
    assert_eq!(first.text("clientToken"), "t-1");
    let id = first.text("vpcEndpoint/vpcEndpointId").to_owned();
    // it is shown as it is now
    let shown = |api: &Api| {
        let again = api.call(&call);
        let parts = ["vpcEndpoint/vpcEndpointId", "vpcEndpoint/state", "clientToken"];
        parts.map(|path| again.text(path).to_owned())
    };
    assert_eq!(shown(&api), [id.as_str(), "available", "t-1"]);
    let api = api.reopen();
    assert_eq!(shown(&api), [id.as_str(), "available", "t-1"], "a restart forgets nothing");
    assert!(api.error(&create(SQS, "ClientToken=t-1")).starts_with("IdempotentParameterMismatch: "));
    assert_eq!(api.call("DescribeVpcEndpoints").items("vpcEndpointSet").len(), 1);
}

#[test]
fn endpoints_of_files_are_listed_and_left_alone() {
    let toml = format!("{}{}", world(), endpoint('a', 1, SQS, &["1.9", "2.9"], ""));
    let api = Api::new(&toml);
    let listed = described(&api, "vpce-0000000a");
    assert_eq!(listed.text("state"), "available");
    assert_eq!(listed.texts("subnetIdSet", "."), ["subnet-0000010a", "subnet-0000010b"]);
    for (name, _) in entries(&listed) {
        assert!(api.addresses(INSIDE, &name).contains(&"10.1.1.9".to_owned()) || name.contains("us-east-1b"), "{name}");
    }
    assert_eq!(entries(&listed).len(), 4);
    let created = listed.text("creationTimestamp");
    assert!(
        created.starts_with("20") && created == described(&api, "vpce-0000000a").text("creationTimestamp"),
        "{created}"
    );
    let file = format!("{}/zones/t.toml", api.zones().display());
    let refused = "OperationNotPermitted: vpce-0000000a is declared at FILE:48: change it there, the API only reads it";
    let error = api.error("ModifyVpcEndpoint VpcEndpointId=vpce-0000000a PrivateDnsEnabled=false");
    assert_eq!(error.replace(&file, "FILE"), refused);
    let answer = api.call("DeleteVpcEndpoints VpcEndpointId.1=vpce-0000000a");
    assert_eq!(answer.texts("unsuccessful", "error/code"), ["OperationNotPermitted"]);
    assert!(api.error(&create(SQS, "")).contains("conflicting DNS domain for sqs.us-east-1.amazonaws.com"));
    let taken = create(
        "com.amazonaws.us-east-1.sns",
        "SubnetConfiguration.1.SubnetId=subnet-0000010a SubnetConfiguration.1.Ipv4=10.1.1.9",
    );
    assert_eq!(api.error(&taken), "InvalidIPAddress.InUse: Address 10.1.1.9 is in use.");
}

#[test]
fn services_are_those_that_the_caller_can_use() {
    let mut api = Api::new(&format!(
        "{}[[vpc_endpoint_service]]\nservice_name = \"com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc\"\n\
         private_dns_names = [\"api.partner.example\"]\navailability_zones = [\"us-east-1b\"]\n",
        world()
    ));
    let names = |api: &Api, filter: &str| {
        api.call(&format!("DescribeVpcEndpointServices {filter}")).texts("serviceNameSet", ".")
    };
    let own = names(&api, "Filter.1.Name=service-name Filter.1.Value.1=*vpce-svc-*");
    assert_eq!(own, ["com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc"]);
    assert_eq!(names(&api, "Filter.1.Name=service-type Filter.1.Value.1=Gateway").len(), 3);
    let few = names(&api, "Filter.1.Name=service-name Filter.1.Value.1=*.ec?");
    assert_eq!(few, ["com.amazonaws.us-east-1.ec2", "com.amazonaws.us-east-1.ecs"]);

    let balancer = "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/a/0123456789abcdef";
    api.account = "111111111111".to_owned();
    let answer = api.call(&format!("CreateVpcEndpointServiceConfiguration NetworkLoadBalancerArn.1={balancer}"));
    let (id, name) = (
        answer.text("serviceConfiguration/serviceId").to_owned(),
        answer.text("serviceConfiguration/serviceName").to_owned(),
    );
    assert!(names(&api, "").contains(&name));
    api.account = "222222222222".to_owned();
    assert!(!names(&api, "").contains(&name), "not offered to others");
    assert!(api.error(&create(&name, "")).starts_with("InvalidServiceName: "));

    api.account = "111111111111".to_owned();
    let principal = "AddAllowedPrincipals.1=arn:aws:iam::222222222222:root";
    api.call(&format!("ModifyVpcEndpointServicePermissions ServiceId={id} {principal}"));
    api.account = "222222222222".to_owned();
    assert!(names(&api, "").contains(&name));
    let answer = api.call(&create(&name, "SubnetId.1=subnet-0000010a"));
    let made = answer.find("vpcEndpoint").unwrap();
    assert_eq!((made.text("state"), made.text("privateDnsEnabled")), ("pendingAcceptance", "false"));
    assert!(entries(made).is_empty());
    let endpoint = made.text("vpcEndpointId");
    let early = format!("ModifyVpcEndpoint VpcEndpointId={endpoint} PrivateDnsEnabled=true");
    assert!(api.error(&early).contains("does not provide a private DNS name"));

    api.account = "111111111111".to_owned();
    assert!(api.call("DescribeVpcEndpoints").items("vpcEndpointSet").is_empty(), "it is the consumer's");
    api.call(&format!("AcceptVpcEndpointConnections ServiceId={id} VpcEndpointId.1={endpoint}"));
    api.account = "222222222222".to_owned();
    let listed = described(&api, endpoint);
    assert_eq!(listed.text("state"), "available");
    for (name, _) in entries(&listed) {
        assert_eq!(api.addresses(OUTSIDE, &name), addresses(&api, endpoint), "{name}");
    }
    assert_eq!(entries(&listed).len(), 2);
    api.account = "111111111111".to_owned();
    api.call(&format!("RejectVpcEndpointConnections ServiceId={id} VpcEndpointId.1={endpoint}"));
    api.account = "222222222222".to_owned();
    assert!(entries(&described(&api, endpoint)).is_empty());
    assert_eq!(api.addresses(OUTSIDE, &entries(&listed)[0].0), ["NXDOMAIN"]);
}

#[test]
fn regions_are_apart() {
    let mut api = Api::new(&world());
    let id = api.call(&create(SQS, "")).text("vpcEndpoint/vpcEndpointId").to_owned();
    api.region = "eu-west-1".to_owned();
    assert_eq!(api.error(&format!("DescribeVpcEndpoints VpcEndpointId.1={id}")), no_endpoint(&id));
    for what in ["DescribeVpcEndpoints", "DescribeSubnets", "DescribeNetworkInterfaces"] {
        assert!(api.call(what).children.iter().all(|child| child.children.is_empty()), "{what}");
    }
    let all = api.call("DescribeVpcEndpointServices").texts("serviceNameSet", ".");
    assert!(all.iter().all(|name| !name.contains("us-east-1")));
}

#[test]
fn subnets_of_the_api_come_and_go() {
    let api = Api::new(&world());
    let made = api.call("CreateSubnet VpcId=vpc-00000001 CidrBlock=10.1.9.7/24 AvailabilityZoneId=use1-az4 TagSpecification.1.ResourceType=subnet TagSpecification.1.Tag.1.Key=Name TagSpecification.1.Tag.1.Value=a");
    let subnet = made.find("subnet").unwrap();
    assert_eq!((subnet.text("cidrBlock"), subnet.text("availabilityZone")), ("10.1.9.0/24", "us-east-1d"));
    assert_eq!(subnet.text("availableIpAddressCount"), "251");
    let id = subnet.text("subnetId").to_owned();
    let default = api.call("CreateSubnet VpcId=vpc-00000001 CidrBlock=10.1.10.0/24 Ipv6CidrBlock=fd00:1:0:a::/64");
    assert_eq!(default.text("subnet/availabilityZone"), "us-east-1a");
    assert_eq!(default.items("subnet/ipv6CidrBlockAssociationSet").len(), 1);
    let endpoint = api.call(&create(SQS, &format!("SubnetId.1={id}"))).text("vpcEndpoint/vpcEndpointId").to_owned();
    let in_use = format!("DependencyViolation: The subnet '{id}' has dependencies and cannot be deleted.");
    assert_eq!(api.error(&format!("DeleteSubnet SubnetId={id}")), in_use);
    for filter in ["availability-zone-id", "cidr-block", "tag:Name", "available-ip-address-count"] {
        let value = match filter {
            "availability-zone-id" => "use1-az4",
            "cidr-block" => "10.1.9.0/24",
            "tag:Name" => "a",
            _ => "250",
        };
        let found = api.call(&format!("DescribeSubnets Filter.1.Name={filter} Filter.1.Value.1={value}"));
        assert_eq!(found.texts("subnetSet", "subnetId"), [id.as_str()], "{filter}");
    }
    api.call(&format!("DeleteVpcEndpoints VpcEndpointId.1={endpoint}"));
    let api = api.reopen();
    api.call(&format!("DeleteSubnet SubnetId={id}"));
    assert_eq!(
        api.error(&format!("DeleteSubnet SubnetId={id}")),
        format!("InvalidSubnetID.NotFound: The subnet ID '{id}' does not exist")
    );
}

#[test]
fn vpcs_of_the_api_can_have_ipv6() {
    let api = Api::new("");
    let made = api.call("CreateVpc CidrBlock=10.1.0.0/16 AmazonProvidedIpv6CidrBlock=true");
    let vpc = made.text("vpc/vpcId");
    let block = made.items("vpc/ipv6CidrBlockAssociationSet")[0].text("ipv6CidrBlock").to_owned();
    assert!(block.starts_with("fd") && block.ends_with("/56"), "{block}");
    let block = block.replace("/56", "/64");
    let subnet = format!("CreateSubnet VpcId={vpc} CidrBlock=10.1.1.0/24 Ipv6CidrBlock={block}");
    let subnet = api.call(&subnet).text("subnet/subnetId").to_owned();
    let endpoint = api.call(&format!(
        "CreateVpcEndpoint VpcId={vpc} VpcEndpointType=Interface ServiceName={SQS} PrivateDnsEnabled=false \
         SubnetId.1={subnet} IpAddressType=dualstack"
    ));
    let name = &entries(endpoint.find("vpcEndpoint").unwrap())[0].0;
    let told = api.ask(OUTSIDE, name, "AAAA");
    let address: std::net::Ipv6Addr = told.answers[0].rsplit(' ').next().unwrap().parse().unwrap();
    assert!(block.parse::<ipnet::Ipv6Net>().unwrap().contains(&address), "{address} in {block}");
    let both = "CreateVpc CidrBlock=10.2.0.0/16 AmazonProvidedIpv6CidrBlock=true Ipv6CidrBlock=fd00::/56";
    assert!(api.error(both).starts_with("InvalidParameterCombination: "));
    assert_eq!(api.error("CreateVpc CidrBlock=10.2.0.0/8"), "InvalidVpc.Range: The CIDR '10.2.0.0/8' is invalid.");
}
