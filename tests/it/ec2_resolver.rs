//! Route 53 Resolver's API without HTTP: what a rule means for DNS, after a restart too, and beside files.

use serde_json::{Value, json};

use crate::common::ec2::Api;

const HERE: &str = "10.1.0.5";
const THERE: &str = "10.2.0.5";

/// An API with two VPCs of its own.
fn two_vpcs() -> (Api, String, String) {
    let api = Api::new("");
    let [here, there] = ["10.1.0.0/16", "10.2.0.0/16"]
        .map(|block| api.call(&format!("CreateVpc CidrBlock={block}")).text("vpc/vpcId").to_owned());
    (api, here, there)
}

#[track_caller]
fn ok(api: &Api, action: &str, document: &Value) -> Value {
    api.resolver(action, &document.to_string()).unwrap_or_else(|error| panic!("{action} {document}: {error}"))
}

#[track_caller]
fn refused(api: &Api, action: &str, document: &Value) -> String {
    match api.resolver(action, &document.to_string()) {
        Ok(answer) => panic!("{action} {document}: {answer}"),
        Err(error) => error.to_string(),
    }
}

/// The id of a new rule.
fn rule(api: &Api, domain: &str, target: &str) -> String {
    let made = json!({ "CreatorRequestId": format!("{domain} {target}"), "RuleType": "FORWARD", "DomainName": domain,
                       "TargetIps": [{ "Ip": target }] });
    ok(api, "CreateResolverRule", &made)["ResolverRule"]["Id"].as_str().unwrap().to_owned()
}

fn associate(api: &Api, rule: &str, vpc: &str) {
    ok(api, "AssociateResolverRule", &json!({ "ResolverRuleId": rule, "VPCId": vpc }));
}

/// How questions of a client for a name are answered.
fn told(api: &Api, from: &str, name: &str) -> String {
    api.ask(from, name, "A").verdict
}

#[test]
fn a_rule_holds_for_its_vpcs_after_a_restart_too() {
    let (api, here, there) = two_vpcs();
    let before = told(&api, HERE, "db.onprem.example");
    let id = rule(&api, "onprem.example", "10.9.9.9");
    assert_eq!(told(&api, HERE, "db.onprem.example"), before, "of no VPC");
    associate(&api, &id, &here);
    associate(&api, &id, &there);
    let forwarded = told(&api, HERE, "db.onprem.example");
    assert!(forwarded.contains("10.9.9.9:53"), "{forwarded}");
    assert_eq!(told(&api, THERE, "db.onprem.example"), forwarded);
    let shown = ok(&api, "GetResolverRule", &json!({ "ResolverRuleId": id }));
    let api = api.reopen();
    assert_eq!(ok(&api, "GetResolverRule", &json!({ "ResolverRuleId": id })), shown);
    assert_eq!(told(&api, HERE, "db.onprem.example"), forwarded);
    ok(&api, "DisassociateResolverRule", &json!({ "ResolverRuleId": id, "VPCId": here }));
    assert_eq!(told(&api, HERE, "db.onprem.example"), before);
    assert_eq!(told(&api, THERE, "db.onprem.example"), forwarded, "the other VPC keeps it");
    let config = json!({ "ResolverRuleId": id, "Config": { "TargetIps": [{ "Ip": "10.9.9.8", "Port": 5353 }] } });
    ok(&api, "UpdateResolverRule", &config);
    assert!(told(&api, THERE, "db.onprem.example").contains("10.9.9.8:5353"));
    ok(&api, "DisassociateResolverRule", &json!({ "ResolverRuleId": id, "VPCId": there }));
    ok(&api, "DeleteResolverRule", &json!({ "ResolverRuleId": id }));
    assert_eq!(told(&api, THERE, "db.onprem.example"), before);
    assert_eq!(api.stored().resolver_rules().count(), 0);
}

#[test]
fn targets_are_asked_as_their_protocol_says() {
    let (api, here, _) = two_vpcs();
    for (at, (target, expected)) in [
        (json!({ "Ipv6": "fd00::53" }), "[fd00::53]:53"),
        (json!({ "Ip": "10.9.9.9", "Protocol": "DoH" }), "https://10.9.9.9/dns-query"),
        (
            json!({ "Ip": "10.9.9.9", "Port": 8443, "Protocol": "DoH-FIPS", "ServerNameIndication": "dns.example" }),
            "https://dns.example:8443/dns-query#10.9.9.9",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let domain = format!("n{at}.example");
        let made =
            json!({ "CreatorRequestId": domain, "RuleType": "FORWARD", "DomainName": domain, "TargetIps": [target] });
        let made = ok(&api, "CreateResolverRule", &made);
        associate(&api, made["ResolverRule"]["Id"].as_str().unwrap(), &here);
        let told = told(&api, HERE, &domain);
        assert!(told.contains(expected), "{told}");
    }
    // the root is a domain as any other
    let root = rule(&api, ".", "10.9.9.7");
    associate(&api, &root, &here);
    assert!(told(&api, HERE, "whatever.example").contains("10.9.9.7:53"));
    assert_eq!(ok(&api, "GetResolverRule", &json!({ "ResolverRuleId": root }))["ResolverRule"]["DomainName"], ".");
}

#[test]
fn a_rule_of_files_and_one_of_the_api_do_not_meet() {
    let zone = "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.1.0.0/16\"]\n\
                [[resolver_rule]]\ndomain_name = \"onprem.example\"\nrule_type = \"FORWARD\"\ntarget_ips = [\"10.9.9.9:53\"]\n\
                vpc_ids = [\"vpc-00000001\"]\n";
    let api = Api::new(zone);
    let id = rule(&api, "OnPrem.Example.", "10.9.9.8");
    let error = refused(&api, "AssociateResolverRule", &json!({ "ResolverRuleId": id, "VPCId": "vpc-00000001" }));
    assert!(error.contains("Conflict with the resolver rule at ") && error.contains("t.toml:"), "{error}");
    assert!(told(&api, HERE, "db.onprem.example").contains("10.9.9.9:53"), "the file's rule holds");
    let below = rule(&api, "sub.onprem.example", "10.9.9.8");
    associate(&api, &below, "vpc-00000001");
    assert!(told(&api, HERE, "db.sub.onprem.example").contains("10.9.9.8:53"));
    // a VPC that has gone from the files takes along what holds there, and no start fails for it
    std::fs::write(api.zones().join("zones/t.toml"), "").unwrap();
    let api = api.reopen();
    let listed = ok(&api, "ListResolverRuleAssociations", &json!({}));
    assert_eq!(listed["ResolverRuleAssociations"].as_array().unwrap().len(), 1, "it can still be listed");
    // and changed: what holds elsewhere follows
    let other = api.call("CreateVpc CidrBlock=10.2.0.0/16").text("vpc/vpcId").to_owned();
    associate(&api, &below, &other);
    let config = json!({ "ResolverRuleId": below, "Config": { "TargetIps": [{ "Ip": "10.9.9.7" }] } });
    ok(&api, "UpdateResolverRule", &config);
    assert!(told(&api, THERE, "db.sub.onprem.example").contains("10.9.9.7:53"));
    // its VPC is back, and it is as it was changed meanwhile
    std::fs::write(api.zones().join("zones/t.toml"), zone).unwrap();
    let api = api.reopen();
    assert!(told(&api, HERE, "db.sub.onprem.example").contains("10.9.9.7:53"));
    ok(&api, "DisassociateResolverRule", &json!({ "ResolverRuleId": below, "VPCId": "vpc-00000001" }));
}

#[test]
fn an_endpoint_has_addresses_that_nobody_else_gets() {
    let (api, here, _) = two_vpcs();
    let subnet = |block: &str, zone: &str| {
        let call = format!("CreateSubnet VpcId={here} CidrBlock={block} AvailabilityZone=us-east-1{zone}");
        api.call(&call).text("subnet/subnetId").to_owned()
    };
    // 11 addresses each
    let subnets = [subnet("10.1.1.0/28", "a"), subnet("10.1.2.0/28", "b")];
    let group = here.replace("vpc-", "sg-");
    let wanted: Vec<Value> = subnets.iter().cycle().take(20).map(|subnet| json!({ "SubnetId": subnet })).collect();
    let asked = |request: &str, wanted: &[Value]| {
        json!({ "CreatorRequestId": request, "Direction": "INBOUND", "SecurityGroupIds": [group], "IpAddresses": wanted,
                "Tags": [{ "Key": "vpcedns:listener", "Value": "127.0.0.53:5353" }] })
    };
    let made = ok(&api, "CreateResolverEndpoint", &asked("1", &wanted));
    let id = made["ResolverEndpoint"]["Id"].as_str().unwrap();
    let listed = ok(&api, "ListResolverEndpointIpAddresses", &json!({ "ResolverEndpointId": id }));
    let ips: std::collections::BTreeSet<String> =
        listed["IpAddresses"].as_array().unwrap().iter().map(|it| it["Ip"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ips.len(), 20);
    let inbound =
        || api.snapshot().model.inbound().iter().map(|it| format!("{} {:?}", it.vpc, it.listeners)).collect::<Vec<_>>();
    assert_eq!(inbound(), [format!("{here} [127.0.0.53:5353]")]);
    // each address has the name of a host
    let name = format!("ip-{}.ec2.internal", ips.first().unwrap().replace('.', "-"));
    api.call(&format!("ModifyVpcAttribute VpcId={here} EnableDnsHostnames.Value=true"));
    assert_eq!(api.addresses(HERE, &name), [ips.first().unwrap().clone()]);
    let error = refused(&api, "CreateResolverEndpoint", &asked("2", &wanted[..2]));
    assert!(error.contains("This address is not available"), "a listener twice: {error}");
    let outbound = |request: &str, wanted: &[Value]| json!({ "CreatorRequestId": request, "Direction": "OUTBOUND", "SecurityGroupIds": [], "IpAddresses": wanted });
    ok(&api, "CreateResolverEndpoint", &outbound("3", &wanted[..2]));
    let error = refused(&api, "CreateResolverEndpoint", &outbound("4", &wanted[..2]));
    assert!(error.contains("There are not enough free addresses"), "{error}");
    let api = api.reopen();
    assert_eq!(api.snapshot().model.inbound().len(), 1);
    assert_eq!(ok(&api, "ListResolverEndpointIpAddresses", &json!({ "ResolverEndpointId": id })), listed);
    ok(&api, "DeleteResolverEndpoint", &json!({ "ResolverEndpointId": id }));
    assert_eq!(api.snapshot().model.inbound().len(), 0);
    assert_ne!(api.addresses(HERE, &name), [ips.first().unwrap().clone()]);
}

#[test]
fn what_is_in_a_vpc_that_has_gone_from_the_files_hinders_no_start() {
    let zone = "[[vpc]]\nvpc_id = \"vpc-00000001\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.1.0.0/16\"]\n";
    let api = Api::new(zone);
    let subnet = api.call("CreateSubnet VpcId=vpc-00000001 CidrBlock=10.1.1.0/24").text("subnet/subnetId").to_owned();
    api.call(&format!("CreateNetworkInterface SubnetId={subnet}"));
    let wanted = json!([{ "SubnetId": subnet }, { "SubnetId": subnet }]);
    let asked = json!({ "CreatorRequestId": "1", "Direction": "INBOUND", "SecurityGroupIds": ["sg-1"], "IpAddresses": wanted,
                        "Tags": [{ "Key": "vpcedns:listener", "Value": "127.0.0.53:5353" }] });
    let made = ok(&api, "CreateResolverEndpoint", &asked);
    // what files declare is theirs to change
    let config = json!({ "ResourceId": "vpc-00000001", "AutodefinedReverseFlag": "DISABLE" });
    let error = refused(&api, "UpdateResolverConfig", &config);
    assert!(error.starts_with("InvalidRequestException: vpc-00000001 is declared at "), "{error}");
    let zone =
        api.call("CreateHostedZone Name=corp.example CallerReference=1 VPC.VPCId=vpc-00000001 VPC.VPCRegion=us-east-1");
    let zone = zone.text("HostedZone/Id").rsplit('/').next().unwrap().to_owned();
    let profile =
        ok(&api, "Profiles.CreateProfile", &json!({ "Name": "p", "ClientToken": "p" }))["Profile"]["Id"].clone();
    let arn = format!("arn:aws:route53:::hostedzone/{zone}");
    let share = json!({ "Name": "zone", "ProfileId": profile, "ResourceArn": arn });
    ok(&api, "Profiles.AssociateResourceToProfile", &share);
    ok(&api, "Profiles.AssociateProfile", &json!({ "Name": "v", "ProfileId": profile, "ResourceId": "vpc-00000001" }));
    std::fs::write(api.zones().join("zones/t.toml"), "").unwrap();
    let api = api.reopen();
    assert_eq!((api.snapshot().model.inbound().len(), api.snapshot().model.profiles().len()), (0, 0));
    ok(&api, "Profiles.DisassociateProfile", &json!({ "ProfileId": profile, "ResourceId": "vpc-00000001" }));
    ok(&api, "Profiles.DeleteProfile", &json!({ "ProfileId": profile }));
    api.call(&format!("DeleteHostedZone Id={zone}"));
    let id = &made["ResolverEndpoint"]["Id"];
    ok(&api, "DeleteResolverEndpoint", &json!({ "ResolverEndpointId": id }));
}

#[test]
fn a_profile_shares_what_it_is_told_to_and_no_more() {
    let (api, here, there) = two_vpcs();
    for vpc in [&here, &there] {
        api.call(&format!("ModifyVpcAttribute VpcId={vpc} EnableDnsHostnames.Value=true"));
    }
    let before = told(&api, THERE, "db.onprem.example");
    let id = rule(&api, "onprem.example", "10.9.9.9");
    let arn = ok(&api, "GetResolverRule", &json!({ "ResolverRuleId": id }))["ResolverRule"]["Arn"].clone();
    let made = ok(&api, "Profiles.CreateProfile", &json!({ "Name": "hub", "ClientToken": "t" }));
    let profile = made["Profile"]["Id"].clone();
    let share = json!({ "Name": "rule", "ProfileId": profile, "ResourceArn": arn });
    ok(&api, "Profiles.AssociateResourceToProfile", &share);
    assert_eq!(told(&api, THERE, "db.onprem.example"), before, "a Profile of no VPC");
    let link = json!({ "Name": "there", "ProfileId": profile, "ResourceId": there, "Priority": 200 });
    let link = ok(&api, "Profiles.AssociateProfile", &link);
    assert_eq!(link["ProfileAssociation"]["Priority"], 200);
    assert!(told(&api, THERE, "db.onprem.example").contains("10.9.9.9:53"));
    assert_eq!(told(&api, HERE, "db.onprem.example"), before, "another VPC");
    // a change of what is shared is seen by those who have the Profile, after a restart too
    let config = json!({ "ResolverRuleId": id, "Config": { "TargetIps": [{ "Ip": "10.9.9.8" }] } });
    ok(&api, "UpdateResolverRule", &config);
    assert!(told(&api, THERE, "db.onprem.example").contains("10.9.9.8:53"));
    let api = api.reopen();
    assert!(told(&api, THERE, "db.onprem.example").contains("10.9.9.8:53"));
    // one rule may be the VPC's own, and shared with it
    associate(&api, &id, &there);
    ok(&api, "Profiles.DisassociateProfile", &json!({ "ProfileId": profile, "ResourceId": there }));
    assert!(told(&api, THERE, "db.onprem.example").contains("10.9.9.8:53"), "its own");
    ok(&api, "DisassociateResolverRule", &json!({ "ResolverRuleId": id, "VPCId": there }));
    assert_eq!(told(&api, THERE, "db.onprem.example"), before);
    // what is deleted is shared no more, and the Profile can still be listed and used
    ok(&api, "DeleteResolverRule", &json!({ "ResolverRuleId": id }));
    ok(&api, "Profiles.AssociateProfile", &json!({ "Name": "here", "ProfileId": profile, "ResourceId": here }));
    assert_eq!(told(&api, HERE, "db.onprem.example"), before);
    let api = api.reopen();
    let listed = ok(&api, "Profiles.ListProfileResourceAssociations", &json!({ "ProfileId": profile }));
    assert_eq!(listed["ProfileResourceAssociations"].as_array().unwrap().len(), 1);
}

/// Whatever a call lacks or has too much of, it is answered, and changes nothing.
#[test]
fn every_action_looks_at_its_members() {
    let (api, ..) = two_vpcs();
    let reference = vpcedns::ec2::actions_reference();
    let named = |line: &str, service: &str, prefix: &str| {
        let name = line.split('|').nth(1)?.trim();
        line.contains(&format!("| {service} |")).then(|| format!("{prefix}{name}"))
    };
    let of_lines = |service, prefix| reference.lines().filter_map(move |line| named(line, service, prefix));
    let actions: Vec<String> = of_lines("Resolver", "").chain(of_lines("Profiles", "Profiles.")).collect();
    assert!(actions.len() >= 36 + 17, "{actions:?}");
    for action in &actions {
        let is_list = action.contains("List") && action.ends_with('s') && !action.ends_with("ResourceAssociations");
        match api.resolver(action, "{}") {
            Ok(_) => assert!(is_list, "{action}"),
            Err(error) => assert_eq!(error.code, "ValidationException", "{action}: {error}"),
        }
        let members = [
            "ResolverRuleId",
            "ResourceArn",
            "ResourceId",
            "MaxResults",
            "NextToken",
            "CreatorRequestId",
            "VPCId",
            "ResolverEndpointId",
            "IpAddresses",
            "Protocols",
            "Name",
            "ResolverQueryLogConfigId",
            "SortBy",
            "ResolverQueryLogConfigAssociationId",
            "ProfileId",
            "ProfileAssociationId",
            "ProfileResourceAssociationId",
            "ClientToken",
        ];
        for wrong in [json!(true), json!([]), json!({}), json!(1.5)] {
            let document: serde_json::Map<String, Value> =
                members.iter().map(|name| ((*name).to_owned(), wrong.clone())).collect();
            let error = refused(&api, action, &Value::Object(document));
            assert!(error.starts_with("SerializationException") || error.starts_with("ValidationException"), "{error}");
        }
        for document in ["", "[]", "nonsense", "\u{0}"] {
            let error = api.resolver(action, document).unwrap_err();
            assert_eq!(error.code, "SerializationException", "{action} {document}");
        }
    }
    assert_eq!(api.stored().resolver_rules().count(), 0);
}
