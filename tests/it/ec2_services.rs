//! Endpoint services over the EC2 API: providers, their consumers, DNS, and who is told of it.

use std::time::{Duration, SystemTime};

use crate::common::ec2;
use vpcedns::ec2::ApiSettings;
use vpcedns::ec2::notify::{Delivery, Outbox, Target};

const PROVIDER: &str = "111111111111";
const CONSUMER: &str = "222222222222";
const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/a/0123456789abcdef";
const TOPIC: &str = "arn:aws:sns:us-east-1:111111111111:VpceNotification";

/// The API as several accounts call it.
struct Api(ec2::Api);

impl Api {
    fn new() -> Self {
        Self(ec2::Api::new(""))
    }

    /// The answer's body, or `Code: message`.
    fn call(&self, account: &str, action: &str, parameters: &str) -> Result<String, String> {
        let form = format!("Action={action}&Version=2016-11-15&{parameters}");
        self.0.form(account, &form).map_err(|error| error.to_string())
    }

    fn ok(&self, account: &str, action: &str, parameters: &str) -> String {
        self.call(account, action, parameters).unwrap_or_else(|error| panic!("{action} {parameters}: {error}"))
    }

    fn refused(&self, account: &str, action: &str, parameters: &str) -> String {
        self.call(account, action, parameters).expect_err(action)
    }

    /// A VPC in which private DNS works, of an account, and a subnet of it in zone a.
    fn vpc(&self, account: &str, block: &str) -> (String, String) {
        let vpc = first(&self.ok(account, "CreateVpc", &format!("CidrBlock={block}.0.0/16")), "vpcId");
        self.ok(account, "ModifyVpcAttribute", &format!("VpcId={vpc}&EnableDnsHostnames.Value=true"));
        let subnet = format!("VpcId={vpc}&CidrBlock={block}.1.0/24&AvailabilityZone=us-east-1a");
        let subnet = first(&self.ok(account, "CreateSubnet", &subnet), "subnetId");
        (vpc, subnet)
    }

    fn service(&self, parameters: &str) -> (String, String) {
        let parameters = format!("NetworkLoadBalancerArn.1={BALANCER}&{parameters}");
        let made = self.ok(PROVIDER, "CreateVpcEndpointServiceConfiguration", &parameters);
        (first(&made, "serviceId"), first(&made, "serviceName"))
    }

    /// An endpoint whose only address is the fourth of the subnet.
    fn endpoint(&self, account: &str, service: &str, (vpc, subnet): &(String, String)) -> String {
        let block = first(&self.ok(account, "DescribeSubnets", &format!("SubnetId.1={subnet}")), "cidrBlock");
        let address = block.replace(".0/24", ".4");
        let parameters = format!(
            "VpcEndpointType=Interface&VpcId={vpc}&ServiceName={service}&SubnetConfiguration.1.SubnetId={subnet}\
             &SubnetConfiguration.1.Ipv4={address}"
        );
        first(&self.ok(account, "CreateVpcEndpoint", &parameters), "vpcEndpointId")
    }

    fn state(&self, account: &str, endpoint: &str) -> String {
        first(&self.ok(account, "DescribeVpcEndpoints", &format!("VpcEndpointId.1={endpoint}")), "state")
    }

    /// The names that an endpoint is said to have.
    fn names(&self, account: &str, endpoint: &str) -> Vec<String> {
        all(&self.ok(account, "DescribeVpcEndpoints", &format!("VpcEndpointId.1={endpoint}")), "dnsName")
    }

    /// What DNS says to a client at `from`.
    fn dns(&self, from: &str, name: &str) -> String {
        let told = self.0.ask(from, name, "A");
        format!("{} {}", told.verdict, told.answers.join(", ")).trim_end().to_owned()
    }

    fn waiting(&self) -> Vec<Delivery> {
        let later = SystemTime::now() + Duration::from_secs(60);
        self.0.store.due(Target::Sns, later, 1_000).unwrap()
    }

    /// `Event notification` of everything that waits to be told, in order.
    fn told(&self) -> Vec<(String, String)> {
        let field = |body: &serde_json::Value, key: &str| body[key].as_str().unwrap().to_owned();
        let body = |delivery: &Delivery| serde_json::from_str::<serde_json::Value>(&delivery.body).unwrap();
        self.waiting().iter().map(body).map(|body| (field(&body, "Event"), field(&body, "NotificationId"))).collect()
    }
}

/// The texts of all elements of this name, in order.
fn all(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).map(|rest| rest.split(&close).next().unwrap().to_owned()).collect()
}

fn first(xml: &str, name: &str) -> String {
    all(xml, name).into_iter().next().unwrap_or_else(|| panic!("no {name} in {xml}"))
}

#[test]
fn a_connection_lives_as_its_two_sides_decide() {
    let api = Api(ec2::Api::with("", ApiSettings { deleted: Duration::ZERO, ..ApiSettings::default() }));
    let (service, name) = api.service("PrivateDnsName=api.partner.example");
    let permit = format!("ServiceId={service}&AddAllowedPrincipals.1=arn:aws:iam::{CONSUMER}:root");
    api.ok(PROVIDER, "ModifyVpcEndpointServicePermissions", &permit);
    let notify = format!(
        "ServiceId={service}&ConnectionNotificationArn={TOPIC}&ConnectionEvents.1=Connect&ConnectionEvents.2=Accept\
         &ConnectionEvents.3=Reject&ConnectionEvents.4=Delete"
    );
    let made = api.ok(PROVIDER, "CreateVpcEndpointConnectionNotification", &notify);
    let notification = first(&made, "connectionNotificationId");
    let told = |events: &[&str]| -> Vec<(String, String)> {
        events.iter().map(|event| ((*event).to_owned(), notification.clone())).collect()
    };

    let place = api.vpc(CONSUMER, "10.1");
    let endpoint = api.endpoint(CONSUMER, &name, &place);
    assert_eq!(api.state(CONSUMER, &endpoint), "pendingAcceptance");
    assert_eq!(api.names(CONSUMER, &endpoint), [""; 0]);
    assert_eq!(api.told(), told(&["Connect"]));

    let both = format!("ServiceId={service}&VpcEndpointId.1={endpoint}");
    let accepted = api.ok(PROVIDER, "AcceptVpcEndpointConnections", &both);
    assert!(accepted.contains("<unsuccessful></unsuccessful>"), "{accepted}");
    assert_eq!(api.state(CONSUMER, &endpoint), "available");
    let names = api.names(CONSUMER, &endpoint);
    assert_eq!(names.len(), 2);
    for name in &names {
        assert_eq!(api.dns("10.1.0.9", name), "NOERROR 60 A 10.1.1.4", "{name}");
    }

    // the name has to be verified before a consumer can have it
    let enable = format!("VpcEndpointId={endpoint}&PrivateDnsEnabled=true");
    assert_eq!(
        api.refused(CONSUMER, "ModifyVpcEndpoint", &enable),
        format!(
            "InvalidParameter: Private DNS can't be enabled because the service {name} does not provide a private DNS name."
        )
    );
    api.ok(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", &format!("ServiceId={service}"));
    api.ok(CONSUMER, "ModifyVpcEndpoint", &enable);
    assert_eq!(api.dns("10.1.0.9", "api.partner.example"), "NOERROR 60 A 10.1.1.4");
    assert_eq!(api.names(CONSUMER, &endpoint).len(), 3);

    api.ok(PROVIDER, "RejectVpcEndpointConnections", &both);
    assert_eq!(api.state(CONSUMER, &endpoint), "rejected");
    assert_eq!(api.names(CONSUMER, &endpoint), [""; 0]);
    for name in names.iter().map(String::as_str).chain(["api.partner.example"]) {
        assert!(!api.dns("10.1.0.9", name).contains(" A "), "{name}");
    }
    let again = api.ok(PROVIDER, "RejectVpcEndpointConnections", &both);
    assert_eq!((first(&again, "code"), first(&again, "resourceId")), ("InvalidState".to_owned(), endpoint.clone()));

    api.ok(PROVIDER, "AcceptVpcEndpointConnections", &both);
    assert_eq!(api.dns("10.1.0.9", "api.partner.example"), "NOERROR 60 A 10.1.1.4");
    let deleted = api.ok(CONSUMER, "DeleteVpcEndpoints", &format!("VpcEndpointId.1={endpoint}"));
    assert!(deleted.contains("<unsuccessful></unsuccessful>"), "{deleted}");
    assert!(!api.dns("10.1.0.9", &names[0]).contains(" A "));
    assert_eq!(api.told(), told(&["Connect", "Accept", "Reject", "Accept", "Delete"]));
    let gone = api.ok(PROVIDER, "AcceptVpcEndpointConnections", &both);
    assert_eq!(first(&gone, "code"), "InvalidVpcEndpointId.NotFound");
    assert_eq!(first(&gone, "message"), format!("The Vpc Endpoint Id '{endpoint}' does not exist"));
}

#[test]
fn what_is_to_be_told_outlives_a_restart_and_is_told_at_least_once() {
    let api = Api::new();
    let (service, name, first_endpoint) = {
        let (service, name) = api.service("AcceptanceRequired=false");
        for events in ["ConnectionEvents.1=Connect", "ConnectionEvents.1=Connect&ConnectionEvents.2=Delete"] {
            let notify = format!("ServiceId={service}&ConnectionNotificationArn={TOPIC}&{events}");
            api.ok(PROVIDER, "CreateVpcEndpointConnectionNotification", &notify);
        }
        let place = api.vpc(PROVIDER, "10.1");
        let endpoint = api.endpoint(PROVIDER, &name, &place);
        assert_eq!(api.waiting().len(), 2);
        // a call that fails, or only asks, tells nobody
        let (vpc, subnet) = &place;
        let parameters = format!("VpcEndpointType=Interface&VpcId={vpc}&ServiceName={name}&SubnetId.1={subnet}");
        api.refused(PROVIDER, "CreateVpcEndpoint", &format!("{parameters}&DryRun=true"));
        api.refused(PROVIDER, "CreateVpcEndpoint", &format!("{parameters}&SecurityGroupId.1=sg-0"));
        // delivered, and the mark of the second lost
        api.0.store.delivered(api.waiting()[0].id).unwrap();
        (service, name, endpoint)
    };
    let api = Api(api.0.reopen());
    assert_eq!(api.told().len(), 1);
    let described = api.ok(PROVIDER, "DescribeVpcEndpointServiceConfigurations", &format!("ServiceId.1={service}"));
    assert_eq!(first(&described, "serviceName"), name);
    api.ok(PROVIDER, "DeleteVpcEndpoints", &format!("VpcEndpointId.1={first_endpoint}"));
    let events: Vec<String> = api.told().into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, ["Connect", "Delete"]);
}

#[test]
fn the_same_call_with_a_token_is_made_and_told_once() {
    let api = Api::new();
    let create = format!("NetworkLoadBalancerArn.1={BALANCER}&ClientToken=t");
    let one = api.ok(PROVIDER, "CreateVpcEndpointServiceConfiguration", &create);
    assert_eq!(one, api.ok(PROVIDER, "CreateVpcEndpointServiceConfiguration", &create));
    assert_eq!(first(&one, "clientToken"), "t");
    let other =
        api.refused(PROVIDER, "CreateVpcEndpointServiceConfiguration", &format!("{create}&AcceptanceRequired=false"));
    assert!(other.starts_with("IdempotentParameterMismatch: "), "{other}");
    let listed = api.ok(PROVIDER, "DescribeVpcEndpointServiceConfigurations", "");
    assert_eq!(all(&listed, "serviceId").len(), 1);
}

#[test]
fn only_those_who_may_see_and_connect_do() {
    let api = Api::new();
    let (service, name) = api.service("AcceptanceRequired=false");
    let place = api.vpc(CONSUMER, "10.1");
    let (vpc, subnet) = &place;
    let create = format!("VpcEndpointType=Interface&VpcId={vpc}&ServiceName={name}&SubnetId.1={subnet}");
    let missing = format!("InvalidServiceName: The Vpc Endpoint Service '{name}' does not exist");
    assert_eq!(api.refused(CONSUMER, "CreateVpcEndpoint", &create), missing);

    let of_service = format!("ServiceId={service}");
    for (principal, fits) in [
        ("arn:aws:iam::333333333333:root", false),
        ("arn:aws:iam::222222222222:role/deployer", true),
        ("arn:aws:iam::222222222222:user/a/b", true),
        ("*", true),
    ] {
        let add = format!("{of_service}&AddAllowedPrincipals.1={principal}");
        let added = api.ok(PROVIDER, "ModifyVpcEndpointServicePermissions", &add);
        assert_eq!(first(&added, "principal"), principal);
        let id = first(&added, "servicePermissionId");
        assert_eq!(first(&api.ok(PROVIDER, "ModifyVpcEndpointServicePermissions", &add), "servicePermissionId"), id);
        let answered = api.call(CONSUMER, "CreateVpcEndpoint", &format!("{create}&DryRun=true")).unwrap_err();
        let expected =
            if fits { "DryRunOperation: Request would have succeeded, but DryRun flag is set." } else { &missing };
        assert_eq!(answered, expected, "{principal}");
        let remove = format!("{of_service}&RemoveAllowedPrincipals.1={principal}");
        api.ok(PROVIDER, "ModifyVpcEndpointServicePermissions", &remove);
    }
    for bad in [
        "222222222222",
        "arn:aws:iam::222222222222:group/x",
        "arn:aws:iam::2222:root",
        "arn:aws:iam::222222222222:user/",
    ] {
        let add = format!("{of_service}&AddAllowedPrincipals.1={bad}");
        let error = api.refused(PROVIDER, "ModifyVpcEndpointServicePermissions", &add);
        assert!(error.starts_with("UnknownPrincipalType.Unsupported: The principal type is not supported."), "{error}");
    }

    // another account's service is not there
    let not_there =
        format!("InvalidVpcEndpointServiceId.NotFound: The VpcEndpointService Id '{service}' does not exist");
    for action in [
        "ModifyVpcEndpointServiceConfiguration",
        "DescribeVpcEndpointServicePermissions",
        "StartVpcEndpointServicePrivateDnsVerification",
    ] {
        assert_eq!(api.refused(CONSUMER, action, &of_service), not_there, "{action}");
    }
    let accept = format!("{of_service}&VpcEndpointId.1=vpce-0123456789abcdef0");
    assert_eq!(api.refused(CONSUMER, "AcceptVpcEndpointConnections", &accept), not_there);
    let listed = api.ok(CONSUMER, "DescribeVpcEndpointServiceConfigurations", "");
    assert_eq!(all(&listed, "serviceId"), [""; 0]);
    // nor are its VPCs and groups
    assert_eq!(all(&api.ok(PROVIDER, "DescribeVpcs", ""), "vpcId"), [""; 0]);
    assert_eq!(all(&api.ok(PROVIDER, "DescribeSecurityGroups", ""), "groupId"), [""; 0]);
    let tag = format!("ResourceId.1={vpc}&Tag.1.Key=a");
    assert_eq!(
        api.refused(PROVIDER, "CreateTags", &tag),
        format!("InvalidVpcID.NotFound: The vpc ID '{vpc}' does not exist")
    );
}

#[test]
fn permissions_are_listed_by_page_and_filter() {
    let api = Api::new();
    let (service, _) = api.service("");
    let add = format!(
        "ServiceId={service}&AddAllowedPrincipals.1=*&AddAllowedPrincipals.2=arn:aws:iam::222222222222:root\
         &AddAllowedPrincipals.3=arn:aws:iam::333333333333:user/u"
    );
    api.ok(PROVIDER, "ModifyVpcEndpointServicePermissions", &add);
    let list = |more: &str| {
        let parameters = format!("ServiceId={service}&{more}");
        api.ok(PROVIDER, "DescribeVpcEndpointServicePermissions", &parameters)
    };
    assert_eq!(all(&list(""), "principalType"), ["All", "Account", "User"]);
    let users = list("Filter.1.Name=principal-type&Filter.1.Value.1=User&Filter.1.Value.2=Role");
    assert_eq!(all(&users, "principal"), ["arn:aws:iam::333333333333:user/u"]);
    let page = list("MaxResults=2");
    assert_eq!(all(&page, "principal").len(), 2);
    let rest = list(&format!("MaxResults=2&NextToken={}", first(&page, "nextToken")));
    assert_eq!((all(&rest, "principal").len(), all(&rest, "nextToken").len()), (1, 0));
}

#[test]
fn a_name_that_goes_takes_private_dns_along() {
    let api = Api::new();
    let (service, name) = api.service("AcceptanceRequired=false&PrivateDnsName=API.Partner.example.");
    let modify = |more: &str| format!("ServiceId={service}&{more}");
    let listed = api.ok(PROVIDER, "DescribeVpcEndpointServiceConfigurations", &format!("ServiceId.1={service}"));
    assert_eq!(first(&listed, "privateDnsName"), "api.partner.example");
    let proof = all(&listed, "privateDnsNameConfiguration")[0].clone();
    assert!(proof.starts_with("<state>pendingVerification</state><type>TXT</type><value>vpce:"), "{proof}");
    assert!(proof.contains("<name>_"), "{proof}");
    api.ok(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", &modify(""));
    let place = api.vpc(PROVIDER, "10.1");
    let endpoint = api.endpoint(PROVIDER, &name, &place);
    api.ok(PROVIDER, "ModifyVpcEndpoint", &format!("VpcEndpointId={endpoint}&PrivateDnsEnabled=true"));
    assert_eq!(api.dns("10.1.0.9", "api.partner.example"), "NOERROR 60 A 10.1.1.4");

    // another name is not verified, the same name again stays what it was
    api.ok(PROVIDER, "ModifyVpcEndpointServiceConfiguration", &modify("PrivateDnsName=api.partner.example"));
    assert_eq!(api.dns("10.1.0.9", "api.partner.example"), "NOERROR 60 A 10.1.1.4");
    api.ok(PROVIDER, "ModifyVpcEndpointServiceConfiguration", &modify("PrivateDnsName=other.partner.example"));
    assert!(!api.dns("10.1.0.9", "api.partner.example").contains(" A "));
    let described = api.ok(PROVIDER, "DescribeVpcEndpoints", &format!("VpcEndpointId.1={endpoint}"));
    assert_eq!(first(&described, "privateDnsEnabled"), "false");
    assert_eq!(all(&described, "dnsName").len(), 2);

    let both = modify("PrivateDnsName=x.example&RemovePrivateDnsName=true");
    let error = api.refused(PROVIDER, "ModifyVpcEndpointServiceConfiguration", &both);
    assert!(error.starts_with("InvalidParameterCombination: "), "{error}");
    api.ok(PROVIDER, "ModifyVpcEndpointServiceConfiguration", &modify("RemovePrivateDnsName=true"));
    assert_eq!(
        api.refused(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", &modify("")),
        format!("InvalidParameter: The VPC endpoint service {service} does not have a private DNS name.")
    );
}

#[test]
fn a_service_with_connections_stays() {
    let api = Api::new();
    let (service, name) = api.service("");
    let place = api.vpc(PROVIDER, "10.1");
    let endpoint = api.endpoint(PROVIDER, &name, &place);
    let notify = format!("ServiceId={service}&ConnectionNotificationArn={TOPIC}&ConnectionEvents.1=Accept");
    api.ok(PROVIDER, "CreateVpcEndpointConnectionNotification", &notify);
    let delete = |id: &str| api.ok(PROVIDER, "DeleteVpcEndpointServiceConfigurations", &format!("ServiceId.1={id}"));
    let kept = delete(&service);
    assert_eq!(
        (first(&kept, "code"), first(&kept, "message"), first(&kept, "resourceId")),
        (
            "ExistingVpcEndpointConnections".to_owned(),
            "Service has existing active VPC Endpoint connections!".to_owned(),
            service.clone()
        )
    );
    // a connection that was rejected does not count
    let reject = format!("ServiceId={service}&VpcEndpointId.1={endpoint}");
    api.ok(PROVIDER, "RejectVpcEndpointConnections", &reject);
    assert!(delete(&service).contains("<unsuccessful></unsuccessful>"));
    let notifications = api.ok(PROVIDER, "DescribeVpcEndpointConnectionNotifications", "");
    assert_eq!(all(&notifications, "connectionNotificationId"), [""; 0]);
    assert_eq!(first(&delete(&service), "code"), "InvalidVpcEndpointService.NotFound");
    assert_eq!(
        api.refused(PROVIDER, "DescribeVpcEndpointServiceConfigurations", "ServiceId.1=x"),
        "InvalidVpcEndpointServiceIdId.Malformed: Invalid VPC endpoint service Id: 'x' (expecting 'vpce-svc-...; the Id \
         may only contain lowercase alphanumeric characters and a single dash')"
    );
}

#[test]
fn load_balancers_and_lists_are_checked() {
    let api = Api::new();
    let create = |parameters: &str| api.refused(PROVIDER, "CreateVpcEndpointServiceConfiguration", parameters);
    assert_eq!(create(""), "MissingParameter: The request must contain the parameter NetworkLoadBalancerArn");
    let gateway = BALANCER.replace("/net/", "/gwy/");
    for bad in ["x", &gateway, &BALANCER.replace("111111111111", "1"), &BALANCER.replace("/net/a", "/net/")] {
        let error = create(&format!("NetworkLoadBalancerArn.1={bad}"));
        assert!(error.starts_with("InvalidNetworkLoadBalancerArn.Malformed: "), "{bad}: {error}");
    }
    let both = create(&format!("NetworkLoadBalancerArn.1={BALANCER}&GatewayLoadBalancerArn.1={gateway}"));
    assert!(both.starts_with("InvalidParameterCombination: "), "{both}");
    let name = create(&format!("NetworkLoadBalancerArn.1={BALANCER}&PrivateDnsName=a..b"));
    assert!(name.starts_with("InvalidParameterValue: Value (a..b) for parameter PrivateDnsName is invalid."), "{name}");
    let unknown = create(&format!("NetworkLoadBalancerArn.1={BALANCER}&Colour=red"));
    assert_eq!(unknown, "UnknownParameter: The parameter Colour is not recognized");

    let (service, _) = api.service("SupportedIpAddressType.1=ipv4&SupportedIpAddressType.2=ipv6");
    let second = BALANCER.replace("net/a", "net/b");
    let modify = format!(
        "ServiceId={service}&AddNetworkLoadBalancerArn.1={second}&RemoveNetworkLoadBalancerArn.1={BALANCER}\
         &RemoveSupportedIpAddressType.1=ipv4&AcceptanceRequired=false"
    );
    api.ok(PROVIDER, "ModifyVpcEndpointServiceConfiguration", &modify);
    let listed = api.ok(PROVIDER, "DescribeVpcEndpointServiceConfigurations", "");
    assert!(listed.contains(&format!("<networkLoadBalancerArnSet><item>{second}</item></networkLoadBalancerArnSet>")));
    assert!(listed.contains("<supportedIpAddressTypeSet><item>ipv6</item></supportedIpAddressTypeSet>"));
    assert_eq!(first(&listed, "acceptanceRequired"), "false");
    let last = format!("ServiceId={service}&RemoveNetworkLoadBalancerArn.1={second}");
    assert!(api.refused(PROVIDER, "ModifyVpcEndpointServiceConfiguration", &last).starts_with("MissingParameter: "));
}

#[test]
fn connections_are_listed_for_the_provider() {
    let api = Api(ec2::Api::with("", ec2::slow()));
    let (service, name) = api.service("");
    let permit = format!("ServiceId={service}&AddAllowedPrincipals.1=*");
    api.ok(PROVIDER, "ModifyVpcEndpointServicePermissions", &permit);
    let of_consumer = api.endpoint(CONSUMER, &name, &api.vpc(CONSUMER, "10.1"));
    let of_provider = api.endpoint(PROVIDER, &name, &api.vpc(PROVIDER, "10.2"));
    let list = |account: &str, more: &str| api.ok(account, "DescribeVpcEndpointConnections", more);
    assert_eq!(all(&list(CONSUMER, ""), "vpcEndpointId"), [""; 0]);
    let mut expected = [of_consumer.clone(), of_provider.clone()];
    expected.sort();
    assert_eq!(all(&list(PROVIDER, ""), "vpcEndpointId"), expected);
    let theirs = list(PROVIDER, "Filter.1.Name=vpc-endpoint-owner&Filter.1.Value.1=2222*");
    assert_eq!(all(&theirs, "vpcEndpointId"), [of_consumer.as_str()]);
    let accept = format!("ServiceId={service}&VpcEndpointId.1={of_consumer}&VpcEndpointId.2={of_consumer}");
    assert!(api.ok(PROVIDER, "AcceptVpcEndpointConnections", &accept).contains("<unsuccessful></unsuccessful>"));
    // it answers while it is `pending`, and the provider sees by which names
    let pending = list(PROVIDER, "Filter.1.Name=vpc-endpoint-state&Filter.1.Value.1=pending");
    assert_eq!(all(&pending, "vpcEndpointId"), [of_consumer.as_str()]);
    let names = all(&pending, "dnsName");
    assert_eq!(names.len(), 2);
    assert_eq!(api.dns("192.0.2.1", &names[0]), "REFUSED");
    assert_eq!(api.dns("10.2.0.9", &names[0]), "NOERROR 60 A 10.1.1.4");
    let error = api.refused(PROVIDER, "DescribeVpcEndpointConnections", "Filter.1.Name=colour&Filter.1.Value.1=x");
    assert_eq!(error, "InvalidFilter: The filter 'colour' is invalid");
    // an endpoint of another service is none of this one's
    let (other, _) = api.service("");
    let answer =
        api.ok(PROVIDER, "RejectVpcEndpointConnections", &format!("ServiceId={other}&VpcEndpointId.1={of_provider}"));
    assert_eq!(first(&answer, "code"), "InvalidVpcEndpointId.NotFound");
}

#[test]
fn notifications_are_made_changed_and_deleted() {
    let api = Api::new();
    let (service, name) = api.service("AcceptanceRequired=false");
    let place = api.vpc(PROVIDER, "10.1");
    let endpoint = api.endpoint(PROVIDER, &name, &place);
    let create = |parameters: &str| api.call(PROVIDER, "CreateVpcEndpointConnectionNotification", parameters);
    let arn = format!("ConnectionNotificationArn={TOPIC}");
    for (parameters, error) in [
        (
            format!("{arn}&ConnectionEvents.1=Accept"),
            "MissingParameter: The request must contain the parameter VpcEndpointId",
        ),
        (
            format!("ServiceId={service}&ConnectionEvents.1=Accept"),
            "MissingParameter: The request must contain the parameter ConnectionNotificationArn",
        ),
        (
            format!("ServiceId={service}&{arn}"),
            "MissingParameter: The request must contain the parameter ConnectionEvents",
        ),
        (
            format!("ServiceId={service}&{arn}&ConnectionEvents.1=accept"),
            "InvalidParameterValue: Value (accept) for parameter ConnectionEvents is invalid. Expected Accept, Connect, Delete or Reject.",
        ),
        (
            format!("ServiceId={service}&ConnectionNotificationArn=topic&ConnectionEvents.1=Accept"),
            "InvalidParameterValue: Value (topic) for parameter ConnectionNotificationArn is invalid. Expected the ARN of a standard SNS topic.",
        ),
        (
            format!("ServiceId={service}&VpcEndpointId={endpoint}&{arn}&ConnectionEvents.1=Accept"),
            "InvalidParameterCombination: The parameters ServiceId and VpcEndpointId cannot be used together.",
        ),
        (
            format!("VpcEndpointId=vpce-0123456789abcdef0&{arn}&ConnectionEvents.1=Accept"),
            "InvalidVpcEndpointId.NotFound: The Vpc Endpoint Id 'vpce-0123456789abcdef0' does not exist",
        ),
    ] {
        assert_eq!(create(&parameters).unwrap_err(), error);
    }
    let made = create(&format!("VpcEndpointId={endpoint}&{arn}&ConnectionEvents.1=Delete")).unwrap();
    let id = first(&made, "connectionNotificationId");
    assert_eq!(first(&made, "vpcEndpointId"), endpoint);
    assert_eq!(first(&made, "connectionNotificationState"), "Enabled");

    let modify = format!("ConnectionNotificationId={id}&ConnectionEvents.1=Reject&ConnectionNotificationArn={TOPIC}2");
    api.ok(PROVIDER, "ModifyVpcEndpointConnectionNotification", &modify);
    let list = |more: &str| api.ok(PROVIDER, "DescribeVpcEndpointConnectionNotifications", more);
    let listed = list(&format!("ConnectionNotificationId={id}"));
    assert_eq!(first(&listed, "connectionNotificationArn"), format!("{TOPIC}2"));
    assert!(listed.contains("<connectionEvents><item>Reject</item></connectionEvents>"), "{listed}");
    let by = |filter: &str, value: &str| list(&format!("Filter.1.Name={filter}&Filter.1.Value.1={value}"));
    assert_eq!(all(&by("vpc-endpoint-id", &endpoint), "connectionNotificationId").len(), 1);
    assert_eq!(all(&by("service-id", "*"), "connectionNotificationId").len(), 0);

    let missing = "InvalidConnectionNotification: The connection notification 'vpce-nfn-0' does not exist";
    let asked = "ConnectionNotificationId=vpce-nfn-0";
    assert_eq!(api.refused(PROVIDER, "ModifyVpcEndpointConnectionNotification", asked), missing);
    assert_eq!(api.refused(PROVIDER, "DescribeVpcEndpointConnectionNotifications", asked), missing);
    let delete = format!("ConnectionNotificationId.1={id}&ConnectionNotificationId.2=vpce-nfn-0");
    let deleted = api.ok(PROVIDER, "DeleteVpcEndpointConnectionNotifications", &delete);
    assert_eq!(all(&deleted, "resourceId"), ["vpce-nfn-0"]);
    assert_eq!(first(&deleted, "code"), "InvalidConnectionNotification");
    assert_eq!(all(&list(""), "connectionNotificationId"), [""; 0]);
    // of what was asked for the endpoint nothing happened
    assert_eq!(api.told(), []);

    // one that is about an endpoint goes with it, and tells of that
    let made = create(&format!("VpcEndpointId={endpoint}&{arn}&ConnectionEvents.1=Delete")).unwrap();
    api.ok(PROVIDER, "DeleteVpcEndpoints", &format!("VpcEndpointId.1={endpoint}"));
    assert_eq!(api.told(), [("Delete".to_owned(), first(&made, "connectionNotificationId"))]);
    assert_eq!(all(&list(""), "connectionNotificationId"), [""; 0]);
}

#[test]
fn tags_are_kept_with_what_they_are_on() {
    let api = Api::new();
    let specification = "TagSpecification.1.ResourceType=vpc-endpoint-service&TagSpecification.1.Tag.1.Key=team\
                         &TagSpecification.1.Tag.1.Value=dns";
    let (service, _) = api.service(specification);
    let vpc = first(&api.ok(PROVIDER, "CreateVpc", "CidrBlock=10.1.0.0/16"), "vpcId");
    let create = format!("ResourceId.1={service}&ResourceId.2={vpc}&Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=b");
    api.ok(PROVIDER, "CreateTags", &create);
    let list = |more: &str| {
        let answer = api.ok(PROVIDER, "DescribeTags", more);
        let pairs = all(&answer, "key").into_iter().zip(all(&answer, "value"));
        pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(list("Filter.1.Name=resource-type&Filter.1.Value.1=vpc"), ["a=1", "b="]);
    assert_eq!(list(&format!("Filter.1.Name=resource-id&Filter.1.Value.1={service}")), ["a=1", "b=", "team=dns"]);
    assert_eq!(list("Filter.1.Name=tag:team&Filter.1.Value.1=d*"), ["team=dns"]);
    let services =
        api.ok(PROVIDER, "DescribeVpcEndpointServiceConfigurations", "Filter.1.Name=tag-key&Filter.1.Value.1=b");
    assert_eq!(all(&services, "serviceId"), [service]);
}

#[test]
fn tags_are_deleted_as_ec2_does() {
    let api = Api::new();
    let vpc = first(&api.ok(PROVIDER, "CreateVpc", "CidrBlock=10.1.0.0/16"), "vpcId");
    let tags = |more: &str| {
        api.ok(PROVIDER, "CreateTags", &format!("ResourceId.1={vpc}&Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=b"));
        api.ok(PROVIDER, "DeleteTags", &format!("ResourceId.1={vpc}&{more}"));
        all(&api.ok(PROVIDER, "DescribeTags", ""), "key")
    };
    assert_eq!(tags("Tag.1.Key=a"), ["b"]);
    assert_eq!(tags("Tag.1.Key=a&Tag.1.Value=2"), ["a", "b"]);
    assert_eq!(tags("Tag.1.Key=a&Tag.1.Value="), ["a", "b"]);
    assert_eq!(tags("Tag.1.Key=b&Tag.1.Value="), ["a"]);
    assert_eq!(tags("Tag.1.Key=nobody"), ["a", "b"]);
    assert_eq!(tags(""), [""; 0]);
    for (id, error) in [
        ("vpc-0123456789abcdef0", "InvalidVpcID.NotFound: The vpc ID 'vpc-0123456789abcdef0' does not exist"),
        (
            "subnet-0123456789abcdef0",
            "InvalidSubnetID.NotFound: The subnet ID 'subnet-0123456789abcdef0' does not exist",
        ),
        ("sg-1", "InvalidGroup.NotFound: The security group 'sg-1' does not exist"),
        (
            "vpce-0123456789abcdef0",
            "InvalidVpcEndpointId.NotFound: The Vpc Endpoint Id 'vpce-0123456789abcdef0' does not exist",
        ),
        (
            "vpce-svc-0123456789abcdef0",
            "InvalidVpcEndpointServiceId.NotFound: The VpcEndpointService Id 'vpce-svc-0123456789abcdef0' does not exist",
        ),
        ("i-1", "InvalidID: The ID 'i-1' is not valid"),
    ] {
        assert_eq!(api.refused(PROVIDER, "CreateTags", &format!("ResourceId.1={id}&Tag.1.Key=a")), error);
    }
    let many = (1..50).map(|n| format!("Tag.{n}.Key=k{n}")).collect::<Vec<_>>().join("&");
    api.ok(PROVIDER, "CreateTags", &format!("ResourceId.1={vpc}&{many}"));
    let more = format!("ResourceId.1={vpc}&Tag.1.Key=x&Tag.2.Key=y");
    assert_eq!(api.refused(PROVIDER, "CreateTags", &more), "TagLimitExceeded: The maximum number of tags is 50.");
}

#[test]
fn groups_belong_to_vpcs() {
    let api = Api(ec2::Api::new(&crate::common::vpc(1, crate::common::BOTH)));
    let place = api.vpc(PROVIDER, "10.2");
    let (vpc, subnet) = &place;
    let create = |name: &str| {
        api.call(PROVIDER, "CreateSecurityGroup", &format!("VpcId={vpc}&GroupName={name}&GroupDescription=d"))
    };
    let group = first(&create("web").unwrap(), "groupId");
    assert_eq!(
        create("web").unwrap_err(),
        format!("InvalidGroup.Duplicate: The security group 'web' already exists for VPC '{vpc}'")
    );
    assert_eq!(
        create("default").unwrap_err(),
        "InvalidParameterValue: Cannot use reserved security group name: default"
    );
    assert!(create("sg-1").unwrap_err().starts_with("InvalidParameterValue: "));
    // each VPC has a default group, those of files too
    let listed = api.ok(PROVIDER, "DescribeSecurityGroups", "Filter.1.Name=group-name&Filter.1.Value.1=default");
    let mut owners = all(&listed, "vpcId");
    owners.sort();
    let mut expected = [vpc.clone(), "vpc-00000001".to_owned()];
    expected.sort();
    assert_eq!(owners, expected);
    // what a file declares is the file's
    let tag = api.refused(PROVIDER, "CreateTags", "ResourceId.1=vpc-00000001&Tag.1.Key=a");
    assert!(tag.starts_with("OperationNotPermitted: vpc-00000001 is declared at "), "{tag}");
    let default = first(
        &api.ok(
            PROVIDER,
            "DescribeSecurityGroups",
            &format!("Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}&Filter.2.Name=group-name&Filter.2.Value.1=default"),
        ),
        "groupId",
    );
    let delete = |id: &str| api.call(PROVIDER, "DeleteSecurityGroup", &format!("GroupId={id}"));
    assert_eq!(
        delete(&default).unwrap_err(),
        format!("CannotDelete: the specified group: \"{default}\" name: \"default\" cannot be deleted by a user")
    );
    let endpoint = format!(
        "VpcEndpointType=Interface&VpcId={vpc}&ServiceName=com.amazonaws.us-east-1.ec2&SubnetId.1={subnet}&SecurityGroupId.1={group}"
    );
    let endpoint = first(&api.ok(PROVIDER, "CreateVpcEndpoint", &endpoint), "vpcEndpointId");
    assert_eq!(delete(&group).unwrap_err(), format!("DependencyViolation: resource {group} has a dependent object"));
    api.ok(PROVIDER, "DeleteVpcEndpoints", &format!("VpcEndpointId.1={endpoint}"));
    assert_eq!(first(&delete(&group).unwrap(), "return"), "true");
    assert_eq!(
        delete(&group).unwrap_err(),
        format!("InvalidGroup.NotFound: The security group '{group}' does not exist")
    );
}

#[test]
fn regions_and_zones_are_listed() {
    let api = Api::new();
    let zones = api.ok(PROVIDER, "DescribeAvailabilityZones", "Filter.1.Name=zone-id&Filter.1.Value.1=use1-az[12]");
    assert_eq!(all(&zones, "zoneName"), [""; 0]);
    let zones = api.ok(PROVIDER, "DescribeAvailabilityZones", "Filter.1.Name=zone-id&Filter.1.Value.1=use1-az?");
    assert_eq!(all(&zones, "zoneName").len(), 6);
    assert_eq!(
        api.refused(PROVIDER, "DescribeAvailabilityZones", "ZoneName.1=eu-west-1a"),
        "InvalidParameterValue: Invalid availability zone: [eu-west-1a]"
    );
    let regions = api.ok(PROVIDER, "DescribeRegions", "RegionName.1=eu-west-1");
    assert_eq!(all(&regions, "regionEndpoint"), ["ec2.eu-west-1.amazonaws.com"]);
    // another partition is another world
    assert!(
        api.refused(PROVIDER, "DescribeRegions", "RegionName.1=us-gov-west-1").starts_with("InvalidParameterValue")
    );
    let lists = api.ok(
        PROVIDER,
        "DescribePrefixLists",
        "Filter.1.Name=prefix-list-name&Filter.1.Value.1=com.amazonaws.us-east-1.s3",
    );
    let list = first(&lists, "prefixListId");
    let managed = api.ok(PROVIDER, "DescribeManagedPrefixLists", &format!("PrefixListId.1={list}"));
    assert_eq!(all(&managed, "prefixListName"), ["com.amazonaws.us-east-1.s3"]);
    assert!(api.ok(PROVIDER, "DescribeRouteTables", "").contains("<routeTableSet></routeTableSet>"));
}
