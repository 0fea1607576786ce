//! Addresses for endpoints whose source has none: emulators list endpoints without interfaces.
//!
//! What stands in is written as an interface is, with an id that says so (`InterfaceId::stand_in`).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _};

use serde_json::{Value, json};

use super::fetch::Fetched;
use crate::config::{AddressScope, EndpointAddress};
use crate::naming::InterfaceId;

/// The member of an endpoint with the ids of its interfaces.
const INTERFACES: &str = "NetworkInterfaceIds";

impl Fetched {
    /// Gives interfaces to the endpoints of type Interface that have none, or to all, as `addresses` say: one in each of
    /// their subnets, or in one of their VPC where they have none of these either.
    pub(super) fn stand_in(&mut self, addresses: &[EndpointAddress]) {
        if addresses.is_empty() {
            return;
        }
        let for_all = addresses.iter().any(|one| one.scope == AddressScope::All);
        let there = self.ids("NetworkInterfaces", "NetworkInterfaceId");
        let subnets = self.subnets();
        let mut made = Vec::new();
        for endpoint in self.list_mut("VpcEndpoints").into_iter().flatten() {
            let texts = |key: &str| -> Vec<String> {
                let list = endpoint[key].as_array().into_iter().flatten();
                list.filter_map(|one| Some(one.as_str()?.to_owned())).collect()
            };
            let is_interface = endpoint["VpcEndpointType"].as_str().is_none_or(|kind| kind == "Interface");
            let has_own = !for_all && texts(INTERFACES).iter().any(|id| there.contains(id));
            if !is_interface || has_own {
                continue;
            }
            let mut placed = texts("SubnetIds");
            if placed.is_empty() {
                let of_vpc = endpoint["VpcId"].as_str().and_then(|vpc| subnets.get(vpc));
                placed.extend(of_vpc.and_then(|all| all.first()).cloned());
            }
            let mut own: Vec<Value> =
                placed.iter().filter_map(|subnet| interface(endpoint, subnet, addresses)).collect();
            // an answer has no address twice (RFC 2181 5)
            let mut seen = BTreeSet::new();
            own.retain(|interface| seen.insert(interface["PrivateIpAddress"].to_string()));
            endpoint[INTERFACES] = own.iter().map(|interface| interface["NetworkInterfaceId"].clone()).collect();
            made.extend(own);
        }
        let Some(list) = self.list_mut("NetworkInterfaces") else { return };
        list.extend(made);
        list.sort_by(|a, b| a["NetworkInterfaceId"].as_str().cmp(&b["NetworkInterfaceId"].as_str()));
    }

    /// The subnets of each VPC.
    fn subnets(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut subnets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let list = self.lists.iter().find(|(key, _)| *key == "Subnets");
        for subnet in list.into_iter().flat_map(|(_, subnets)| subnets) {
            if let (Some(vpc), Some(id)) = (subnet["VpcId"].as_str(), subnet["SubnetId"].as_str()) {
                subnets.entry(vpc.to_owned()).or_default().insert(id.to_owned());
            }
        }
        subnets
    }
}

/// What stands for the interface of an endpoint in a subnet; `None` where no address is given for that.
fn interface(endpoint: &Value, subnet: &str, addresses: &[EndpointAddress]) -> Option<Value> {
    let is_its = |one: &&EndpointAddress| matches!(one.scope, AddressScope::Subnet(id) if id.to_string() == subnet);
    let is_any = |one: &&EndpointAddress| !matches!(one.scope, AddressScope::Subnet(_));
    let found = addresses.iter().find(is_its).or_else(|| addresses.iter().find(is_any))?;
    let mut hasher = foldhash::quality::FixedState::default().build_hasher();
    hasher.write(endpoint["VpcEndpointId"].as_str()?.as_bytes());
    hasher.write(subnet.as_bytes());
    // the low half: ids are told apart among the endpoints of one account
    let bits = u32::try_from(hasher.finish() & u64::from(u32::MAX)).unwrap_or_default();
    Some(json!({
        "NetworkInterfaceId": InterfaceId::stand_in(bits).to_string(),
        "Description": "stands in, by --endpoint-address",
        "InterfaceType": "vpc_endpoint",
        "VpcId": endpoint["VpcId"],
        "SubnetId": subnet,
        "PrivateIpAddress": found.address.to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(endpoints: Value, interfaces: Value) -> Fetched {
        let list = |value: Value| value.as_array().cloned().unwrap_or_default();
        Fetched::of_lists(vec![
            ("Subnets", list(json!([{"SubnetId": "subnet-00000003", "VpcId": "vpc-00000001"}]))),
            ("VpcEndpoints", list(endpoints)),
            ("NetworkInterfaces", list(interfaces)),
        ])
    }

    fn addresses(texts: &[&str]) -> Vec<EndpointAddress> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The subnets and addresses of the interfaces of `endpoint` after `given` stood in.
    fn made(endpoint: Value, given: &[&str]) -> Vec<(String, String)> {
        let mut endpoint = endpoint;
        endpoint["VpcEndpointId"] = json!("vpce-b27a8418a90d61dbd");
        endpoint["VpcId"] = json!("vpc-00000001");
        let mut fetched = fetched(
            json!([endpoint]),
            json!([{"NetworkInterfaceId": "eni-00000001", "SubnetId": "s", "PrivateIpAddress": "a"}]),
        );
        fetched.stand_in(&addresses(given));
        let ids = fetched.list_mut("VpcEndpoints").unwrap()[0][INTERFACES].clone();
        let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        let is_its = |one: &&Value| ids.as_array().is_some_and(|ids| ids.contains(&one["NetworkInterfaceId"]));
        let list = fetched.list_mut("NetworkInterfaces").unwrap();
        let mut made: Vec<_> =
            list.iter().filter(is_its).map(|one| (text(one, "SubnetId"), text(one, "PrivateIpAddress"))).collect();
        made.sort();
        made
    }

    #[test]
    fn endpoints_without_interfaces_have_the_given_addresses() {
        let pair = |subnet: &str, address: &str| (subnet.to_owned(), address.to_owned());
        // as MiniStack 1.5 lists one
        let bare = json!({"VpcEndpointType": "Interface", "SubnetIds": ["subnet-00000001", "subnet-00000002"]});
        let both = ["127.0.0.1", "subnet-00000002=127.0.0.2"];
        assert_eq!(
            made(bare.clone(), &both),
            [pair("subnet-00000001", "127.0.0.1"), pair("subnet-00000002", "127.0.0.2")]
        );
        assert_eq!(made(bare.clone(), &both[..1]), [pair("subnet-00000001", "127.0.0.1")], "once is enough");
        assert_eq!(made(bare.clone(), &both[1..]), [pair("subnet-00000002", "127.0.0.2")]);
        assert_eq!(made(bare, &[]), []);
        assert_eq!(made(json!({}), &both[..1]), [pair("subnet-00000003", "127.0.0.1")], "a subnet of its VPC");
        let lost = json!({"NetworkInterfaceIds": ["eni-00000009"], "SubnetIds": ["subnet-00000001"]});
        assert_eq!(made(lost, &both[..1]), [pair("subnet-00000001", "127.0.0.1")]);
        let whole = json!({"NetworkInterfaceIds": ["eni-00000001"], "SubnetIds": ["subnet-00000001"]});
        assert_eq!(made(whole.clone(), &both), [pair("s", "a")], "it has its own");
        assert_eq!(made(whole, &["all=127.0.0.1"]), [pair("subnet-00000001", "127.0.0.1")]);
        assert_eq!(made(json!({"VpcEndpointType": "Gateway"}), &both), []);
    }
}
