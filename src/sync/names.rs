//! Names of endpoints that an emulator made up are left out: the reader derives those that have none.

use serde_json::Value;

use super::fetch::Fetched;
use crate::config::SyncNames;
use crate::naming::parse_label;

/// The list of an endpoint's names.
const ENTRIES: &str = "DnsEntries";

impl Fetched {
    /// Takes names away from endpoints that are to have derived ones. Where nobody asked for that, it is said.
    pub(super) fn take_names(&mut self, names: SyncNames) {
        let mut strange = 0_usize;
        for endpoint in self.list_mut("VpcEndpoints").into_iter().flatten() {
            let has_names = endpoint[ENTRIES].as_array().is_some_and(|entries| !entries.is_empty());
            let derives = match names {
                SyncNames::Given => false,
                SyncNames::Derive => has_names,
                SyncNames::Automatic => has_names && !has_own_name(endpoint),
            };
            if let Some(endpoint) = endpoint.as_object_mut().filter(|_| derives) {
                endpoint.remove(ENTRIES);
                strange += 1;
            }
        }
        if strange > 0 && names == SyncNames::Automatic {
            self.remarks.push(format!("{strange} endpoints have names that AWS does not give: theirs are derived"));
        }
    }
}

/// Whether one of the names is `vpce-ID-SUFFIX.SERVICE.REGION.vpce....`, the endpoint's own.
fn has_own_name(endpoint: &Value) -> bool {
    let id = endpoint["VpcEndpointId"].as_str().unwrap_or_default();
    let is_own = |name: &str| {
        let mut labels = name.strip_prefix("*.").unwrap_or(name).split('.');
        let label = labels.next().and_then(|first| parse_label(first.as_bytes()));
        label.is_some_and(|label| label.id.to_string() == id) && labels.any(|label| label == "vpce")
    };
    let entries = endpoint[ENTRIES].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["DnsName"].as_str()).any(is_own)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_aws_does_not_give_are_left_out() {
        let own = "vpce-0a1b2c3d4e5f60718-abcd1234.sqs.us-east-1.vpce.amazonaws.com";
        for (name, mode, stays, said) in [
            (own, SyncNames::Automatic, true, false),
            (own, SyncNames::Derive, false, false),
            ("sqs.us-east-1.localhost.localstack.cloud:4566", SyncNames::Automatic, false, true),
            ("sqs.us-east-1.localhost.localstack.cloud:4566", SyncNames::Given, true, false),
            ("vpce-0a1b2c3d4e5f60718-abcd1234.sqs.us-east-1.amazonaws.com", SyncNames::Automatic, false, true),
            ("vpce-00000000000000001-abcd1234.sqs.us-east-1.vpce.amazonaws.com", SyncNames::Automatic, false, true),
        ] {
            let endpoint = json!({"VpcEndpointId": "vpce-0a1b2c3d4e5f60718", "DnsEntries": [{"DnsName": name}]});
            let mut fetched = Fetched::of_lists(vec![("VpcEndpoints", vec![endpoint])]);
            fetched.take_names(mode);
            let left = fetched.list_mut("VpcEndpoints").unwrap()[0].get("DnsEntries").is_some();
            assert_eq!((left, !fetched.remarks.is_empty()), (stays, said), "{name} {mode:?}");
        }
    }
}
