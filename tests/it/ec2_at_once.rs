//! Calls that come at one time: each is worked out on top of those before it, and they become durable together.

use std::collections::BTreeSet;
use std::thread;

use crate::common::ec2::Api;

const THREADS: usize = 24;

fn text(node: &crate::common::xml::Node, path: &str) -> String {
    node.text(path).to_owned()
}

/// An API with a VPC and a subnet of eleven addresses.
fn api() -> (Api, String, String) {
    let api = Api::new("");
    let vpc = text(&api.call("CreateVpc CidrBlock=10.0.0.0/16"), "vpc/vpcId");
    let subnet = api.call(&format!("CreateSubnet VpcId={vpc} CidrBlock=10.0.1.0/28 AvailabilityZone=us-east-1a"));
    let subnet = text(&subnet, "subnet/subnetId");
    (api, vpc, subnet)
}

#[test]
fn no_address_is_given_twice_and_what_has_no_room_is_refused() {
    let (api, vpc, subnet) = api();
    let call = format!(
        "CreateVpcEndpoint VpcEndpointType=Interface VpcId={vpc} ServiceName=com.amazonaws.us-east-1.sqs \
         SubnetId.1={subnet} PrivateDnsEnabled=false"
    );
    let made: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| api.try_call(&call))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let refused: BTreeSet<String> =
        made.iter().filter_map(|one| one.as_ref().err()).map(|error| error.code.to_string()).collect();
    assert_eq!(refused, BTreeSet::from(["InsufficientFreeAddressesInSubnet".to_owned()]));
    let ids: BTreeSet<String> = made.iter().flatten().map(|one| text(one, "vpcEndpoint/vpcEndpointId")).collect();
    assert_eq!(ids.len(), 11, "as many as the subnet has addresses");
    let stored = api.stored();
    let addresses: BTreeSet<_> =
        stored.endpoints().flat_map(|endpoint| &endpoint.interfaces).filter_map(|interface| interface.ipv4).collect();
    assert_eq!((stored.endpoints().count(), addresses.len()), (11, 11));
    let api = api.reopen();
    assert_eq!(api.stored().endpoints().map(|endpoint| endpoint.id.to_string()).collect::<BTreeSet<_>>(), ids);
}

#[test]
fn one_token_is_one_call_however_often_it_comes() {
    let (api, vpc, subnet) = api();
    let call = format!(
        "CreateVpcEndpoint VpcEndpointType=Interface VpcId={vpc} ServiceName=com.amazonaws.us-east-1.sqs \
         SubnetId.1={subnet} PrivateDnsEnabled=false ClientToken=once"
    );
    let ids: BTreeSet<String> = thread::scope(|scope| {
        let all: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| api.call(&call))).collect();
        all.into_iter().map(|one| text(&one.join().unwrap(), "vpcEndpoint/vpcEndpointId")).collect()
    });
    assert_eq!((ids.len(), api.stored().endpoints().count()), (1, 1));
}
