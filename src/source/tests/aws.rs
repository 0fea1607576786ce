//! Output of the AWS CLI: complete sets of 2017 and 2026, and sets from which something is missing.

use std::fs;
use std::path::Path;

use crate::model::{
    EndpointInput, Input, Object, RecordData, RecordIpType, ServiceInput, State, SubnetInput, VpcInput,
};
use crate::problem::Place;

use super::super::{Declared, FileText, read_json_set, read_route53, scan};
use super::{load_json, problems};

/// A set of files below tests/fixtures, those whose names begin with `without` left out.
fn fixtures(set: &str, without: &str) -> Declared {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(set);
    let (paths, problems) = scan(std::slice::from_ref(&dir));
    assert_eq!(problems, []);
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let files = paths.iter().filter(|path| without.is_empty() || !name(path).starts_with(without));
    let files = files.map(|path| FileText { path: name(path).into(), text: fs::read_to_string(path).unwrap() });
    read_json_set(&files.collect::<Vec<_>>())
}

fn vpcs(loaded: &Declared) -> Vec<&VpcInput> {
    let objects = loaded.inputs.iter().filter_map(|input| match &*input.object {
        Object::Vpc(object) => Some(object),
        _ => None,
    });
    objects.collect()
}

fn subnets(loaded: &Declared) -> Vec<&SubnetInput> {
    let objects = loaded.inputs.iter().filter_map(|input| match &*input.object {
        Object::Subnet(object) => Some(object),
        _ => None,
    });
    objects.collect()
}

fn services(loaded: &Declared) -> Vec<&ServiceInput> {
    let objects = loaded.inputs.iter().filter_map(|input| match &*input.object {
        Object::Service(object) => Some(object),
        _ => None,
    });
    objects.collect()
}

fn endpoint<'l>(loaded: &'l Declared, id: &str) -> &'l EndpointInput {
    let mut endpoints = loaded.inputs.iter().filter_map(|input| match &*input.object {
        Object::Endpoint(endpoint) => Some(endpoint),
        _ => None,
    });
    endpoints.find(|endpoint| endpoint.vpc_endpoint_id.value.to_string() == id).unwrap()
}

fn addresses(endpoint: &EndpointInput) -> Vec<String> {
    let interfaces = endpoint.network_interfaces.iter();
    interfaces.map(|it| it.private_ip_address.as_ref().unwrap().value.to_string()).collect()
}

fn private(endpoint: &EndpointInput) -> Option<Vec<String>> {
    let names = endpoint.given_names.as_ref()?.private.as_ref()?;
    Some(names.iter().map(ToString::to_string).collect())
}

fn base(endpoint: &EndpointInput) -> Option<String> {
    endpoint.given_names.as_ref()?.base.as_ref().map(ToString::to_string)
}

#[test]
fn output_of_2017() {
    let loaded = fixtures("aws-2017", "");
    assert_eq!(problems(&loaded), "");
    let [vpc] = vpcs(&loaded)[..] else { panic!() };
    assert_eq!((vpc.region.value.as_str(), vpc.cidr_blocks.len()), ("us-east-1", 1));
    assert!(vpc.enable_dns_support && vpc.enable_dns_hostnames);
    assert_eq!(subnets(&loaded).len(), 2);

    let elb = endpoint(&loaded, "vpce-088d25a4bbf4a7abc");
    assert_eq!((elb.state, elb.dns_record_ip_type), (State::Pending, RecordIpType::Ipv4));
    assert_eq!(elb.dns_suffix.as_ref().unwrap().value.to_string(), "ks83awe7");
    assert_eq!(base(elb).unwrap(), "elasticloadbalancing.us-east-1.vpce.amazonaws.com");
    assert_eq!(private(elb).unwrap(), ["elasticloadbalancing.us-east-1.amazonaws.com"]);
    assert_eq!(addresses(elb), ["10.0.1.17"]);
    assert_eq!(elb.network_interfaces[0].subnet_id.value.to_string(), "subnet-abababab");

    // no PrivateDnsEnabled and no private name: it is off
    let ec2 = endpoint(&loaded, "vpce-0f89a33420c193abc");
    assert!(!ec2.private_dns_enabled.as_ref().unwrap().value);
    assert_eq!((private(ec2), addresses(ec2)), (None, vec!["10.0.1.18".to_owned(), "10.0.2.18".to_owned()]));

    let names: Vec<_> = services(&loaded).iter().map(|service| service.service_name.value.to_string()).collect();
    assert_eq!(names, ["com.amazonaws.us-east-1.ec2", "com.amazonaws.us-east-1.elasticloadbalancing"]);
}

#[test]
fn output_of_2026() {
    let loaded = fixtures("aws-2026", "");
    assert_eq!(
        problems(&loaded),
        "endpoints-page-2.json:133:9: warning: 2 resource and service-network endpoints have no names (vpce-0ff31bb22cc33dd44 is the first)\n  \
         hint: run `aws ec2 describe-vpc-endpoint-associations` and save it beside the other files"
    );
    let [vpc] = vpcs(&loaded)[..] else { panic!() };
    let blocks: Vec<_> = vpc.cidr_blocks.iter().map(|block| block.value.to_string()).collect();
    assert_eq!(blocks, ["10.20.0.0/16", "10.21.0.0/16", "2600:1f18:1234:5600::/56"]);

    let monitoring = endpoint(&loaded, "vpce-0cc11dd22ee33ff44");
    assert_eq!(monitoring.dns_record_ip_type, RecordIpType::Dualstack);
    assert_eq!(private(monitoring).unwrap().len(), 4);
    assert_eq!(addresses(monitoring), ["10.20.1.10", "10.20.2.10"]);
    assert!(monitoring.network_interfaces.iter().all(|it| it.ipv6_address.is_some()));

    let s3 = endpoint(&loaded, "vpce-0aa11bb22cc33dd44");
    assert!(s3.inbound_resolver_only && s3.given_names.as_ref().unwrap().wildcard);
    assert_eq!(base(s3).unwrap(), "s3.us-east-1.vpce.amazonaws.com");

    let logs = endpoint(&loaded, "vpce-0bb11bb22cc33dd44");
    assert!(logs.given_names.is_none() && logs.private_dns_enabled.as_ref().unwrap().value);
    assert_eq!(endpoint(&loaded, "vpce-0e44d14a27a369e43").state, State::PendingAcceptance);
    assert_eq!(addresses(endpoint(&loaded, "vpce-0dd11bb22cc33dd44")), [""; 0]);

    let [monitoring, notebook, partner] = services(&loaded)[..] else { panic!() };
    assert_eq!(monitoring.private_dns_names.as_ref().unwrap().len(), 4);
    let base = notebook.base_endpoint_dns_name.as_ref().unwrap();
    assert_eq!(base.value.to_string(), "notebook.us-east-1.vpce.sagemaker.aws");
    assert!(partner.private_dns_names.as_ref().unwrap().is_empty());
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let loaded = fixtures("aws-2017", "vpc-dns");
    assert_eq!(
        problems(&loaded),
        "vpcs.json:3:9: warning: vpc-ec43eb89 has no describe-vpc-attribute output: private DNS stays off\n  \
         hint: run `aws ec2 describe-vpc-attribute --vpc-id vpc-ec43eb89 --attribute enableDnsHostnames` and save it beside the other files"
    );
    let loaded = fixtures("aws-2017", "subnets");
    let text = problems(&loaded);
    assert!(
        text.contains(
            "warning: subnet-abababab is in no describe-subnets output: its zone us-east-1a is that of eni-bf8aa46b\n  \
         hint: run `aws ec2 describe-subnets --subnet-ids subnet-abababab` and save it beside the other files"
        ),
        "{text}"
    );
    // the zone of an interface stands in for its subnet
    let [first, _] = subnets(&loaded)[..] else { panic!() };
    assert_eq!((first.availability_zone.value.as_str(), first.cidr_blocks.len()), ("us-east-1a", 2));
    assert_eq!(vpcs(&loaded).len(), 1);

    let loaded = fixtures("aws-2017", "network-interfaces");
    assert_eq!(
        problems(&loaded),
        "endpoints.json:3:9: warning: no describe-network-interfaces output: 2 endpoints have no addresses\n  \
         hint: run `aws ec2 describe-network-interfaces` and save it beside the other files"
    );
    let loaded = fixtures("aws-2026", "endpoints-page-2");
    assert_eq!(
        problems(&loaded),
        "endpoints-page-1.json:129:18: warning: a page of VpcEndpoints is missing: this one has a NextToken\n  \
         hint: run `aws ec2 describe-vpc-endpoints` without --max-items and --no-paginate, or save every page"
    );
}

const VPCS: &str = r#"{"Vpcs": [{"VpcId": "vpc-ec43eb89", "CidrBlock": "10.0.0.0/16"}]}"#;
const SUBNETS: &str = r#"{"Subnets": [{"SubnetId": "subnet-abababab", "VpcId": "vpc-ec43eb89",
 "AvailabilityZone": "us-east-1a", "CidrBlock": "10.0.1.0/24"}]}"#;
const ENDPOINTS: &str = r#"{"VpcEndpoints": [{"VpcEndpointId": "vpce-1a2b3c4d", "VpcEndpointType": "Interface",
 "VpcId": "vpc-ec43eb89", "ServiceName": "com.amazonaws.us-east-1.ec2", "State": "available",
 "NetworkInterfaceIds": ["eni-bf8aa46b", "eni-00000001"], "PrivateDnsEnabled": true, "DnsEntries": []}]}"#;
const ATTRIBUTES: &str = r#"{"VpcId": "vpc-ec43eb89", "EnableDnsHostnames": {"Value": true}}"#;

#[test]
fn outputs_may_be_split_and_joined_in_any_way() {
    let one = load_json(&[&format!("[{VPCS}, {ENDPOINTS}, {ATTRIBUTES}]")]);
    let cat = load_json(&[&format!("{VPCS}\n{ENDPOINTS}\n{ATTRIBUTES}\n")]);
    let files = load_json(&[ATTRIBUTES, ENDPOINTS, VPCS]);
    for loaded in [one, cat, files] {
        let text = problems(&loaded);
        assert!(text.contains("no describe-network-interfaces output: 1 endpoints"), "{text}");
        // nothing but the service's name tells the region
        assert_eq!(vpcs(&loaded)[0].region.value.as_str(), "us-east-1");
        assert!(vpcs(&loaded)[0].enable_dns_hostnames);
        assert_eq!(loaded.inputs.len(), 2);
    }
    let created = r#"{"VpcEndpoint": {"VpcEndpointId": "vpce-1a2b3c4d", "VpcEndpointType": "Interface", "VpcId": "vpc-ec43eb89",
        "ServiceName": "com.amazonaws.us-east-1.ec2", "State": "Available", "NetworkInterfaceIds": []}}"#;
    assert_eq!(endpoint(&load_json(&[created]), "vpce-1a2b3c4d").state, State::Available);
}

#[test]
fn broken_output_is_named() {
    let check = |texts: &[&str], expect: &str| assert_eq!(problems(&load_json(texts)), expect);
    check(
        &["{\"Vpcs\": [],}"],
        "1.json:1:12: error: trailing commas are not allowed\n  hint: a file must hold the whole output of the AWS CLI with `--output json`",
    );
    check(
        &["\n"],
        "1.json: error: is empty\n  hint: the command that wrote it may have failed: run it again, or remove the file",
    );
    check(
        &[VPCS],
        "1.json:1:11: error: the region of vpc-ec43eb89 is not known\n  \
         hint: run `aws ec2 describe-subnets` and save it beside the other files: its zones tell the region",
    );
    check(
        &["{\"Subnets\": [{\"SubnetId\": \"subnet-abababab\", \"VpcId\": 3}]}"],
        "1.json:1:14: error: a subnet has no 'AvailabilityZone'\n  hint: save the output of the AWS CLI as it is, without --query\n\
         1.json:1:55: error: expected a string, found 3",
    );
    check(
        &[ATTRIBUTES, &ATTRIBUTES.replace("true", "false")],
        "2.json:1:59: warning: EnableDnsHostnames of vpc-ec43eb89 is false here and true in an earlier output: this one holds, as the later one\n  \
         hint: remove the output that is out of date",
    );
    let interface = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-bf8aa46b", "SubnetId": "subnet-abababab",
        "PrivateIpAddress": "10.0.1.17"}]}"#;
    check(
        &[ENDPOINTS, interface],
        "1.json:3:26: warning: vpce-1a2b3c4d has interfaces that are in no describe-network-interfaces output: eni-00000001; their addresses are left out\n  \
         hint: run `aws ec2 describe-network-interfaces --network-interface-ids eni-00000001` and save it beside the other files\n\
         2.json:1:75: warning: subnet-abababab is in no describe-subnets output: eni-bf8aa46b is left out\n  \
         hint: run `aws ec2 describe-subnets --subnet-ids subnet-abababab` and save it beside the other files",
    );
}

/// What other tools and other commands write: it is left out, with what would be read, and stops nothing.
#[test]
fn json_that_is_no_known_output_is_a_warning() {
    for (text, hint) in [
        (r#"{"Volumes": []}"#, "outputs of `aws ec2` that are read, each without --query: describe-vpcs (Vpcs), "),
        (r#"{"VpcEndpointConnections": []}"#, "outputs of `aws ec2` that are read"),
        ("[3]", "outputs of `aws ec2` that are read"),
        ("[]", "outputs of `aws ec2` that are read"),
        ("null", "outputs of `aws ec2` that are read"),
        ("\"vpce-1a2b3c4d\"", "outputs of `aws ec2` that are read"),
        (r#"[["vpce-1a2b3c4d", "available"]]"#, "outputs of `aws ec2` that are read"),
        (r#"{"name": "web", "version": "1.0.0", "dependencies": {}}"#, "outputs of `aws ec2` that are read"),
        (
            r#"[{"VpcEndpointId": "vpce-1a2b3c4d", "State": "available"}]"#,
            "an object with VpcEndpointId is read out of the list VpcEndpoints: save `aws ec2 describe-vpc-endpoints` as it is",
        ),
        (
            r#"{"SubnetId": "subnet-abababab", "VpcId": "vpc-ec43eb89"}"#,
            "an object with SubnetId is read out of the list Subnets",
        ),
        (
            r#"{"VpcId": "vpc-ec43eb89", "CidrBlock": "10.0.0.0/16"}"#,
            "an object with VpcId is read out of the list Vpcs",
        ),
        (
            r#"{"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}"#,
            "a CloudFormation template says what is to be made",
        ),
        (
            r#"{"format_version": "1.2", "terraform_version": "1.9.0", "values": {}}"#,
            "Terraform's plan and state are not read",
        ),
    ] {
        let loaded = load_json(&[text, VPCS, SUBNETS]);
        let problem = loaded.problems.iter().find(|problem| &*problem.place.file == "1.json");
        let problem = problem.unwrap_or_else(|| panic!("{text}: {:?}", loaded.problems));
        assert!(!problem.is_error() && !loaded.incomplete, "{text}: {problem}");
        assert!(problem.hint.starts_with(hint), "{text}: {problem}");
        assert_eq!((vpcs(&loaded).len(), subnets(&loaded).len()), (1, 1), "{text}");
    }
}

#[test]
fn broken_objects_are_told_and_do_not_cascade() {
    let loaded = load_json(&[&ENDPOINTS.replace("com.amazonaws.us-east-1.ec2", "EC2")]);
    assert_eq!((loaded.inputs.len(), loaded.broken.join(" "), loaded.problems.len()), (0, "vpce-1a2b3c4d".into(), 1));
    let unknown_state = load_json(&[&ENDPOINTS.replace("available", "hibernating")]);
    assert_eq!(
        problems(&unknown_state),
        "1.json:2:82: warning: 'hibernating' is not a known endpoint state: the endpoint is not served\n  \
         hint: one of: pendingAcceptance, pending, available, partial, rejected, failed, expired, deleting, deleted"
    );
}

#[test]
fn names_of_emulators_are_not_taken_for_private_names() {
    let entries = r#""DnsEntries": [{"DnsName": "vpce-1a2b3c4d-14a97706.com.amazonaws.us-east-1.ec2"},
        {"DnsName": "vpce-1a2b3c4d-14a97706.ec2.us-east-1.vpce.localhost.localstack.cloud:4566"},
        {"DnsName": "vpce-1a2b3c4e-14a97706.ec2.us-east-1.vpce.amazonaws.com"}]"#;
    let loaded = load_json(&[&ENDPOINTS.replace("\"DnsEntries\": []", entries)]);
    let ec2 = endpoint(&loaded, "vpce-1a2b3c4d");
    assert_eq!((base(ec2), private(ec2)), (None, None));
    assert_eq!(ec2.dns_suffix.as_ref().unwrap().value.to_string(), "14a97706");
    let text = problems(&loaded);
    assert!(text.contains("the character ':' cannot stand in a name: it is ignored"), "{text}");
    assert!(text.contains("is the name of another endpoint: it is ignored"), "{text}");
}

#[test]
fn a_hosted_zone_by_itself_is_read_for_its_vpcs() {
    let text = r#"[{"HostedZone":{"Id":"/hostedzone/Z1","Name":"corp.example.","Config":{"PrivateZone":true},"ResourceRecordSetCount":4},
        "VPCs":[{"VPCId":"vpc-00000001","VPCRegion":"us-east-1"}]},
        {"IsTruncated":false,"ResourceRecordSets":[
        {"Name":"corp.example.","Type":"NS","TTL":172800,"ResourceRecords":[{"Value":"ns-0.awsdns-00.com."}]},
        {"Name":"corp.example.","Type":"SOA","TTL":900,"ResourceRecords":[{"Value":"a. b. 1 7200 900 1209600 86400"}]},
        {"Name":"sqs.corp.example.","Type":"A","AliasTarget":{"HostedZoneId":"Z7HUB22UULQXV","EvaluateTargetHealth":false,
            "DNSName":"vpce-00000001-abcdefgh.sqs.us-east-1.vpce.amazonaws.com."}},
        {"Name":"www.corp.example.","Type":"A","TTL":5,"ResourceRecords":[{"Value":"192.0.2.1"}]}]}]"#;
    let place = Place::whole("somewhere");
    let inputs = read_route53(text, &place);
    let [Input { object, place: at, .. }] = &inputs[..] else { panic!("{inputs:?}") };
    let Object::HostedZone(zone) = &**object else { panic!("{inputs:?}") };
    assert_eq!((zone.name.value.to_string().as_str(), at), ("corp.example", &place));
    let [alias, records] = &zone.records[..] else { panic!("{:?}", zone.records) };
    // the endpoint is in no output: somebody else knows it
    assert!(
        matches!(&alias.data, RecordData::Alias(target) if target.value.endpoint == "vpce-00000001".parse().unwrap())
    );
    assert!(matches!(records.data, RecordData::Records { ttl: 5, .. }));
}
