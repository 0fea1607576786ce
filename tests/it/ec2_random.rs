//! Random calls of the EC2 API: what is listed is what DNS says, a restart changes nothing, filters and pages are those
//! of a plain search.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::common::ec2::Api;
use crate::common::xml::Node;
use crate::common::{BOTH, cases, vpc};
use proptest::prelude::*;

const INSIDE: &str = "10.1.0.5";
const OUTSIDE: &str = "127.0.0.1";
const SERVICES: &[&str] = &["sqs", "monitoring", "ecr.dkr", "dynamodb"];

/// What a step of a sequence does; numbers pick from what there is.
#[derive(Clone, Debug)]
enum Step {
    Create { service: usize, subnets: u8, private: Option<bool>, family: usize, token: Option<u8> },
    Modify { which: usize, add: u8, remove: u8, private: Option<bool>, family: Option<usize> },
    Delete { which: usize, other: usize },
    Accept(usize),
    Reject(usize),
    Attribute { support: bool, on: bool },
    Tag(usize),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let number = any::<usize>;
    let bits = 0_u8..8;
    let flag = any::<Option<bool>>;
    prop_oneof![
        5 => (number(), bits.clone(), flag(), 0_usize..3, proptest::option::of(0_u8..3)).prop_map(
            |(service, subnets, private, family, token)| Step::Create { service, subnets, private, family, token }
        ),
        4 => (number(), bits.clone(), bits, flag(), proptest::option::of(0_usize..3)).prop_map(
            |(which, add, remove, private, family)| Step::Modify { which, add, remove, private, family }
        ),
        2 => (number(), number()).prop_map(|(which, other)| Step::Delete { which, other }),
        1 => number().prop_map(Step::Accept),
        1 => number().prop_map(Step::Reject),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(support, on)| Step::Attribute { support, on }),
        1 => number().prop_map(Step::Tag),
        1 => Just(Step::Restart),
    ]
}

/// An API, and what the sequence knows of it.
struct Run {
    api: Option<Api>,
    vpc: String,
    subnets: Vec<String>,
    services: Vec<String>,
    service_id: String,
    endpoints: Vec<String>,
    /// Every name that was ever listed.
    seen: BTreeSet<String>,
    done: usize,
}

impl Run {
    fn new() -> Self {
        let api = Api::new("");
        let vpc = api.call("CreateVpc CidrBlock=10.1.0.0/16").text("vpc/vpcId").to_owned();
        api.call(&format!("ModifyVpcAttribute VpcId={vpc} EnableDnsHostnames.Value=true"));
        let subnet = |n: usize| {
            let zone = ["a", "b", "c"][n - 1];
            let call = format!("CreateSubnet VpcId={vpc} CidrBlock=10.1.{n}.0/28 AvailabilityZone=us-east-1{zone}");
            api.call(&call).text("subnet/subnetId").to_owned()
        };
        let subnets = (1..=3).map(subnet).collect();
        let balancer = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/a/0123456789abcdef";
        let own = api.call(&format!("CreateVpcEndpointServiceConfiguration NetworkLoadBalancerArn.1={balancer}"));
        let own = own.find("serviceConfiguration").unwrap();
        let services = SERVICES.iter().map(|name| format!("com.amazonaws.us-east-1.{name}"));
        Self {
            vpc,
            subnets,
            services: services.chain([own.text("serviceName").to_owned()]).collect(),
            service_id: own.text("serviceId").to_owned(),
            endpoints: Vec::new(),
            seen: BTreeSet::new(),
            done: 0,
            api: Some(api),
        }
    }

    fn api(&self) -> &Api {
        self.api.as_ref().unwrap()
    }

    fn pick(&self, number: usize) -> String {
        let none = "vpce-00000000000000009".to_owned();
        if self.endpoints.is_empty() { none } else { self.endpoints[number % self.endpoints.len()].clone() }
    }

    fn listed(&self, name: &str, bits: u8) -> String {
        let chosen = self.subnets.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
        let each: Vec<String> = chosen.map(|(n, id)| format!(" {name}.{}={id}", n + 1)).collect();
        each.concat()
    }

    /// Takes a step; what is refused has to leave everything as it was, which `check` sees.
    fn take(&mut self, step: &Step) {
        const FAMILIES: [&str; 3] = ["ipv4", "dualstack", "ipv6"];
        let private =
            |private: &Option<bool>| private.map_or_else(String::new, |on| format!(" PrivateDnsEnabled={on}"));
        let call = match step {
            Step::Create { service, subnets, private: wanted, family, token } => {
                let service = &self.services[service % self.services.len()];
                let token = token.map_or_else(String::new, |token| format!(" ClientToken={token}"));
                format!(
                    "CreateVpcEndpoint VpcEndpointType=Interface VpcId={} ServiceName={service} IpAddressType={}{}{}{token}",
                    self.vpc,
                    FAMILIES[*family % 3],
                    self.listed("SubnetId", *subnets),
                    private(wanted),
                )
            }
            Step::Modify { which, add, remove, private: wanted, family } => format!(
                "ModifyVpcEndpoint VpcEndpointId={}{}{}{}{}",
                self.pick(*which),
                self.listed("AddSubnetId", *add),
                self.listed("RemoveSubnetId", *remove),
                private(wanted),
                family.map_or_else(String::new, |family| format!(" IpAddressType={}", FAMILIES[family]))
            ),
            Step::Delete { which, other } => {
                format!(
                    "DeleteVpcEndpoints VpcEndpointId.1={} VpcEndpointId.2={}",
                    self.pick(*which),
                    self.pick(*other)
                )
            }
            Step::Accept(which) | Step::Reject(which) => {
                let verb = if matches!(step, Step::Accept(_)) { "Accept" } else { "Reject" };
                let id = self.pick(*which);
                format!("{verb}VpcEndpointConnections ServiceId={} VpcEndpointId.1={id}", self.service_id)
            }
            Step::Attribute { support, on } => {
                let name = if *support { "EnableDnsSupport" } else { "EnableDnsHostnames" };
                format!("ModifyVpcAttribute VpcId={} {name}.Value={on}", self.vpc)
            }
            Step::Tag(which) => format!("CreateTags ResourceId.1={} Tag.1.Key=a Tag.1.Value=b", self.pick(*which)),
            Step::Restart => {
                let before = self.everything();
                self.api = self.api.take().map(Api::reopen);
                assert_eq!(self.everything(), before, "a restart changes nothing");
                return;
            }
        };
        let before = self.everything();
        match self.api().try_call(&call) {
            Ok(answer) => {
                self.done += 1;
                if let Some(id) = answer.find("vpcEndpoint/vpcEndpointId")
                    && !self.endpoints.contains(&id.text)
                {
                    self.endpoints.push(id.text.clone());
                }
            }
            Err(error) => {
                assert_eq!(error.status, 400, "{call}: {error}");
                assert_eq!(self.everything(), before, "{call}: {error}, and yet something changed");
            }
        }
    }

    fn everything(&self) -> Vec<Node> {
        let calls =
            ["DescribeVpcs", "DescribeSubnets", "DescribeVpcEndpoints", "DescribeNetworkInterfaces", "DescribeTags"];
        let own = "DescribeVpcEndpointServiceConfigurations";
        calls.into_iter().chain([own]).map(|call| self.api().call(call)).collect()
    }

    /// What is listed is what DNS says, and what is not listed any more is gone.
    fn check(&mut self) {
        let api = self.api();
        let interfaces = api.call("DescribeNetworkInterfaces");
        let (mut of_interface, mut zone_of): (BTreeMap<String, Vec<String>>, BTreeMap<String, String>) =
            Default::default();
        for interface in interfaces.items("networkInterfaceSet") {
            let id = interface.text("networkInterfaceId").to_owned();
            zone_of.insert(id.clone(), interface.text("availabilityZone").to_owned());
            of_interface.insert(id, interface.texts("privateIpAddressesSet", "privateIpAddress"));
        }
        let mut now = BTreeSet::new();
        let answer = api.call("DescribeVpcEndpoints");
        for endpoint in answer.items("vpcEndpointSet") {
            let ids = endpoint.texts("networkInterfaceIdSet", ".");
            let addresses = |zone: Option<&str>| {
                let here = ids.iter().filter(|id| zone.is_none_or(|zone| zone_of[*id] == zone));
                let mut all: Vec<String> = here.flat_map(|id| of_interface[id].clone()).collect();
                all.sort();
                if all.is_empty() { vec!["NOERROR".to_owned()] } else { all }
            };
            for name in endpoint.texts("dnsEntrySet", "dnsName") {
                let asked = name.replacen('*', "any", 1);
                let is_public = name.contains(".vpce.");
                let zone = if is_public { name.split('.').next().unwrap().get(32..) } else { None };
                let from = if is_public { OUTSIDE } else { INSIDE };
                let has_a = endpoint.text("dnsOptions/dnsRecordIpType") != "ipv6";
                let wanted = if has_a { addresses(zone) } else { vec!["NOERROR".to_owned()] };
                assert_eq!(api.addresses(from, &asked), wanted, "{name} of {endpoint:?}");
                now.insert(name);
            }
        }
        for name in self.seen.difference(&now) {
            let (from, gone) = if name.contains(".vpce.") { (OUTSIDE, "NXDOMAIN") } else { (INSIDE, "REFUSED") };
            assert_eq!(api.addresses(from, &name.replacen('*', "any", 1)), [gone], "{name} is not listed any more");
        }
        self.seen.extend(now);
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn what_is_listed_is_what_dns_says(steps in proptest::collection::vec(step(), 1..30)) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
            run.check();
        }
        let records = run.api().stored().records().count();
        let api = run.api.take().unwrap().reopen();
        prop_assert_eq!(api.stored().records().count(), records);
    }
}

/// A pattern with `*` and `?`, the plain way.
fn is_like(pattern: &[char], value: &[char]) -> bool {
    match pattern.split_first() {
        None => value.is_empty(),
        Some(('*', rest)) => (0..=value.len()).any(|n| is_like(rest, &value[n..])),
        Some(('?', rest)) => !value.is_empty() && is_like(rest, &value[1..]),
        Some((c, rest)) => value.first() == Some(c) && is_like(rest, &value[1..]),
    }
}

#[test]
fn filters_and_pages_are_those_of_a_plain_search() {
    let api = Api::with(
        &format!("{}{}", vpc(1, BOTH), vpc(2, BOTH)),
        vpcedns::ec2::ApiSettings { endpoints_per_vpc: 1_000, ..Default::default() },
    );
    let services = ["ec2", "ec2messages", "sqs", "s3"];
    for n in 0..120_usize {
        let service = services[n % 4];
        let (kind, more) = match n % 5 {
            0 if service == "s3" => ("Gateway", String::new()),
            _ => ("Interface", format!("PrivateDnsEnabled=false IpAddressType={}", ["ipv4", "dualstack"][n % 2])),
        };
        let tags = format!(
            "TagSpecification.1.ResourceType=vpc-endpoint TagSpecification.1.Tag.1.Key=n TagSpecification.1.Tag.1.Value=v{} \
             TagSpecification.1.Tag.2.Key=k{} TagSpecification.1.Tag.2.Value=x",
            n % 7,
            n % 3
        );
        let vpc = 1 + n % 2;
        let answer = api.call(&format!(
            "CreateVpcEndpoint VpcId=vpc-0000000{vpc} VpcEndpointType={kind} ServiceName=com.amazonaws.us-east-1.{service} {more} {tags}"
        ));
        if n % 11 == 0 {
            api.call(&format!("DeleteVpcEndpoints VpcEndpointId.1={}", answer.text("vpcEndpoint/vpcEndpointId")));
        }
    }
    let all = api.call("DescribeVpcEndpoints");
    let all = all.items("vpcEndpointSet");
    assert_eq!(all.len(), 120);
    let value = |endpoint: &Node, filter: &str| -> Vec<String> {
        let text = |name: &str| endpoint.find(name).map(|node| node.text.clone()).into_iter().collect();
        match filter {
            "vpc-id" => text("vpcId"),
            "service-name" => text("serviceName"),
            "service-region" => text("serviceRegion"),
            "vpc-endpoint-id" => text("vpcEndpointId"),
            "vpc-endpoint-state" => text("state"),
            "vpc-endpoint-type" => text("vpcEndpointType"),
            "ip-address-type" => text("ipAddressType"),
            "tag-key" => endpoint.texts("tagSet", "key"),
            tag => {
                let key = tag.strip_prefix("tag:").unwrap();
                let items = endpoint.items("tagSet");
                items.iter().filter(|item| item.text("key") == key).map(|item| item.text("value").to_owned()).collect()
            }
        }
    };
    let mut matched = 0;
    for filters in [
        &[("vpc-id", &["vpc-00000001"][..])][..],
        &[("service-name", &["*.ec2", "*sqs"]), ("vpc-endpoint-state", &["available"])],
        &[("service-name", &["com.*.ec2*"]), ("tag:n", &["v1", "v?2", "v3"])],
        &[("vpc-endpoint-type", &["Gateway"]), ("ip-address-type", &["*"])],
        &[("vpc-endpoint-type", &["Gate*"]), ("vpc-id", &["vpc-0000000?"])],
        &[("tag-key", &["k1"]), ("tag:k1", &["x"])],
        &[("tag:k1", &["X"])],
        &[("vpc-endpoint-state", &["deleted", "deleting"])],
        &[("vpc-endpoint-id", &["vpce-0?*"]), ("service-region", &["us-*-1"]), ("ip-address-type", &["dualstack"])],
    ] {
        let mut call = "DescribeVpcEndpoints".to_owned();
        for (n, (name, values)) in filters.iter().enumerate() {
            write!(call, " Filter.{}.Name={name}", n + 1).unwrap();
            for (m, value) in values.iter().enumerate() {
                write!(call, " Filter.{}.Value.{}={value}", n + 1, m + 1).unwrap();
            }
        }
        let chars = |text: &str| text.chars().collect::<Vec<char>>();
        let is_meant = |endpoint: &&&Node| {
            filters.iter().all(|(name, patterns)| {
                let values = value(endpoint, name);
                values.iter().any(|value| patterns.iter().any(|p| is_like(&chars(p), &chars(value))))
            })
        };
        let expected: Vec<&str> = all.iter().filter(is_meant).map(|endpoint| endpoint.text("vpcEndpointId")).collect();
        assert_eq!(api.call(&call).texts("vpcEndpointSet", "vpcEndpointId"), expected, "{call}");
        matched += expected.len();

        let (mut paged, mut token) = (Vec::new(), String::new());
        loop {
            let answer = api.call(&format!("{call} MaxResults=7{token}"));
            let page = answer.texts("vpcEndpointSet", "vpcEndpointId");
            assert!(page.len() <= 7);
            paged.extend(page);
            match answer.find("nextToken") {
                Some(next) => token = format!(" NextToken={}", next.text),
                None => break,
            }
        }
        assert_eq!(paged, expected, "{call}, page by page");
    }
    assert!(matched > 200, "the filters have to match something: {matched}");
}
