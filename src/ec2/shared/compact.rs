//! Values in the store: JSON, as in the state file, but endpoints, of which there may be millions, in a form of their own without
//! what is so by default, and with ids that are not said twice. Whoever looks with `etcdctl get` can still read it:
//!
//! ```text
//! {"e":1,"v":"0123456789abcdef0","s":"us-east-1.ec2","t":1764257712345,"g":"0a1b2c3d4e5f60718",
//!  "i":"0123456789abcdef0/0fedcba9876543210/10.0.1.17 ..."}
//!
//! e   the form       v   vpc-     s   the service, where it is com.amazonaws.*     t   made, in ms since 1970
//! g   sg-, ...       i   eni-/subnet-/addresses (IPv4+IPv6), one for each interface
//! ```
//!
//! All else has the name and the form that it has in the state file, and is there only where it is not the default. An endpoint
//! that does not fit is kept as in the state file.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ec2::codec::{StoreError, decode, encode};
use crate::ec2::record::{EndpointRecord, InterfaceRecord, StoredObject};

/// The form of endpoints.
const FORM: u32 = 1;
const SERVICES: &str = "com.amazonaws.";
/// What most endpoints have.
const DEFAULTS: [(&str, &str); 10] = [
    ("owner", "\"000000000000\""),
    ("endpoint_type", "\"Interface\""),
    ("phase", "\"accepted\""),
    ("private_dns_enabled", "true"),
    ("ip_address_type", "\"ipv4\""),
    ("dns_record_ip_type", "\"ipv4\""),
    ("inbound_resolver_only", "false"),
    ("policy", "null"),
    ("route_tables", "[]"),
    ("tags", "{}"),
];

#[derive(Serialize, Deserialize)]
struct CompactEndpoint {
    #[serde(rename = "e")]
    form: u32,
    #[serde(rename = "v")]
    vpc: String,
    #[serde(rename = "s")]
    service: String,
    #[serde(rename = "t")]
    created: u64,
    #[serde(rename = "g", default, skip_serializing_if = "String::is_empty")]
    groups: String,
    #[serde(rename = "i", default, skip_serializing_if = "String::is_empty")]
    interfaces: String,
    /// What is not as usual.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// The value of an object.
pub(super) fn encode_object(object: &StoredObject) -> Result<Vec<u8>, StoreError> {
    let StoredObject::Endpoint(endpoint) = object else { return encode(object) };
    let id = endpoint.id.to_string();
    let Some(mut compact) = compact(endpoint) else { return encode(object) };
    let is_read = |compact: &CompactEndpoint| full(&id, compact).as_ref() == Some(object);
    for key in compact.rest.keys().cloned().collect::<Vec<_>>() {
        let Some(value) = compact.rest.remove(&key) else { continue };
        // what a record has by itself where it is not said
        if !is_read(&compact) {
            compact.rest.insert(key, value);
        }
    }
    if is_read(&compact) { encode(&compact) } else { encode(object) }
}

/// The object that has this value under the key of `id`.
pub(super) fn decode_object(id: &str, value: &[u8]) -> Result<StoredObject, StoreError> {
    if !value.starts_with(b"{\"e\":") {
        return decode(id, value);
    }
    let compact: CompactEndpoint = decode(id, value)?;
    if compact.form != FORM {
        return Err(StoreError::new(format!("{id}: an endpoint of form {}, which is not known here", compact.form)));
    }
    full(id, &compact).ok_or_else(|| StoreError::new(format!("{id}: an endpoint of form {FORM} that is not complete")))
}

fn compact(endpoint: &EndpointRecord) -> Option<CompactEndpoint> {
    let Value::Object(mut rest) = serde_json::to_value(endpoint).ok()? else { return None };
    let text = |rest: &mut Map<String, Value>, key: &str| Some(rest.remove(key)?.as_str()?.to_owned());
    rest.remove("id");
    rest.remove("interfaces");
    rest.remove("security_groups");
    let vpc = text(&mut rest, "vpc")?.strip_prefix("vpc-")?.to_owned();
    let service = text(&mut rest, "service")?.strip_prefix(SERVICES)?.to_owned();
    let created = rest.remove("created")?.as_u64()?;
    if rest.get("phase_since")?.as_u64()? == created {
        rest.remove("phase_since");
    }
    for (key, default) in DEFAULTS {
        if Some(rest.get(key)?) == value_of(default).as_ref() {
            rest.remove(key);
        }
    }
    let groups = endpoint.security_groups.iter().map(|group| group.strip_prefix("sg-"));
    let groups = groups.collect::<Option<Vec<_>>>()?.join(" ");
    let interfaces = endpoint.interfaces.iter().map(interface_text).collect::<Option<Vec<_>>>()?.join(" ");
    Some(CompactEndpoint { form: FORM, vpc, service, created, groups, interfaces, rest })
}

fn value_of(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

fn full(id: &str, compact: &CompactEndpoint) -> Option<StoredObject> {
    let CompactEndpoint { vpc, service, created, groups, interfaces, rest, .. } = compact;
    let mut record = rest.clone();
    for (key, default) in DEFAULTS {
        if !record.contains_key(key) {
            record.insert(key.to_owned(), value_of(default)?);
        }
    }
    let groups =
        groups.split(' ').filter(|group| !group.is_empty()).map(|group| format!("sg-{group}")).collect::<Vec<_>>();
    let interfaces =
        interfaces.split(' ').filter(|text| !text.is_empty()).map(interface).collect::<Option<Vec<_>>>()?;
    for (key, value) in [
        ("id", Value::from(id)),
        ("vpc", format!("vpc-{vpc}").into()),
        ("service", format!("{SERVICES}{service}").into()),
        ("created", (*created).into()),
        ("security_groups", groups.into()),
        ("interfaces", interfaces.into()),
    ] {
        record.insert(key.to_owned(), value);
    }
    record.entry("phase_since").or_insert_with(|| (*created).into());
    serde_json::from_value(Value::Object(record)).ok().map(StoredObject::Endpoint)
}

/// `eni/subnet/10.0.1.17+2001:db8::17`
fn interface_text(interface: &InterfaceRecord) -> Option<String> {
    let (id, subnet) = (interface.id.to_string(), interface.subnet.to_string());
    let addresses = match (interface.ipv4, interface.ipv6) {
        (Some(ipv4), None) => ipv4.to_string(),
        (None, Some(ipv6)) => format!("+{ipv6}"),
        (Some(ipv4), Some(ipv6)) => format!("{ipv4}+{ipv6}"),
        (None, None) => String::new(),
    };
    Some(format!("{}/{}/{addresses}", id.strip_prefix("eni-")?, subnet.strip_prefix("subnet-")?))
}

fn interface(text: &str) -> Option<Value> {
    let (id, rest) = text.split_once('/')?;
    let (subnet, addresses) = rest.split_once('/')?;
    let (ipv4, ipv6) = addresses.split_once('+').unwrap_or((addresses, ""));
    let address = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let mut record = Map::new();
    record.insert("id".to_owned(), format!("eni-{id}").into());
    record.insert("subnet".to_owned(), format!("subnet-{subnet}").into());
    record.insert("ipv4".to_owned(), address(ipv4));
    record.insert("ipv6".to_owned(), address(ipv6));
    Some(Value::Object(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An endpoint as the API makes it, with `changes`.
    fn endpoint(changes: &str) -> StoredObject {
        let mut record: Map<String, Value> = serde_json::from_str(
            r#"{"kind":"endpoint","id":"vpce-0123456789abcdef0","owner":"000000000000","vpc":"vpc-0123456789abcdef1",
            "service":"com.amazonaws.us-east-1.monitoring","endpoint_type":"Interface","phase":"accepted",
            "phase_since":1764257712345,"created":1764257712345,"private_dns_enabled":true,"ip_address_type":"ipv4",
            "dns_record_ip_type":"ipv4","inbound_resolver_only":false,"policy":null,
            "security_groups":["sg-0123456789abcdef2"],"interfaces":[
            {"id":"eni-0123456789abcdef3","subnet":"subnet-0123456789abcdef4","ipv4":"10.100.1.170","ipv6":null},
            {"id":"eni-0123456789abcdef5","subnet":"subnet-0123456789abcdef6","ipv4":"10.100.2.170","ipv6":null},
            {"id":"eni-0123456789abcdef7","subnet":"subnet-0123456789abcdef8","ipv4":"10.100.3.170","ipv6":null}],
            "route_tables":[],"tags":{}}"#,
        )
        .unwrap();
        record.extend(serde_json::from_str::<Map<String, Value>>(changes).unwrap());
        serde_json::from_value(Value::Object(record)).unwrap()
    }

    #[test]
    fn an_endpoint_of_three_interfaces_takes_a_third_of_a_kilobyte_with_its_key() {
        let value = encode_object(&endpoint("{}")).unwrap();
        let key = super::super::layout::KeyLayout::new("/vpcedns").object("vpce-0123456789abcdef0");
        assert!(
            key.len() + value.len() <= 300,
            "{} and {} octets: {}",
            key.len(),
            value.len(),
            String::from_utf8_lossy(&value)
        );
        assert!(encode(&endpoint("{}")).unwrap().len() > 700);
    }

    #[test]
    fn what_is_written_is_read_whatever_an_endpoint_has() {
        for changes in [
            "{}",
            r#"{"tags":{"Name":"é\"<","":""},"policy":"{}","owner":"123456789012"}"#,
            r#"{"phase":"deleted","phase_since":1764257799999,"interfaces":[]}"#,
            r#"{"phase":"requested","private_dns_enabled":false,"inbound_resolver_only":true}"#,
            r#"{"endpoint_type":"Gateway","route_tables":["rtb-1"],"security_groups":[],"interfaces":[]}"#,
            r#"{"service":"com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0","security_groups":["sg-1","sg-2"]}"#,
            r#"{"ip_address_type":"dualstack","dns_record_ip_type":"dualstack","interfaces":[
                {"id":"eni-1111111a","subnet":"subnet-1111111b","ipv4":"10.0.0.1","ipv6":"2001:db8::1"},
                {"id":"eni-1111111c","subnet":"subnet-1111111d","ipv4":null,"ipv6":"2001:db8::2"}]}"#,
            r#"{"service":"cn.com.amazonaws.cn-north-1.ecr.dkr"}"#,
            r#"{"security_groups":["odd one"]}"#,
        ] {
            let endpoint = endpoint(changes);
            let value = encode_object(&endpoint).unwrap();
            assert_eq!(decode_object("vpce-0123456789abcdef0", &value).unwrap(), endpoint, "{changes}");
            let whole = encode(&endpoint).unwrap();
            assert_eq!(
                decode_object("vpce-0123456789abcdef0", &whole).unwrap(),
                endpoint,
                "the form of the state file"
            );
        }
    }

    #[test]
    fn a_form_of_later_is_told_and_not_misread() {
        for (value, said) in [
            (r#"{"e":2,"v":"1","s":"x","t":1}"#, "form 2, which is not known here"),
            (r#"{"e":1,"v":"1","s":"us-east-1.ec2","t":1,"i":"1"}"#, "not complete"),
            (r#"{"e":1,"v":"1"}"#, "missing field"),
        ] {
            let error = decode_object("vpce-0123456789abcdef0", value.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
