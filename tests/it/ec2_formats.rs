//! States of earlier formats open, serve, and are written forward; one of a later format is refused, and left as it is.
//!
//! `tests/states/*.jsonl` have an object of every kind, as each form of the state has had it. Until there were numbers, a
//! form differed from the one before it by kinds and members:
//!
//! | form | since | new |
//! |---|---|---|
//! | `first` | 5f86be0 | VPCs, subnets, groups, endpoints, services, notifications |
//! | `rules` | f38c5be | rules of groups, attributes of subnets, network address usage metrics |
//! | `listeners` | 62c2cba | listeners and clients of VPCs |
//! | `defaults` | 49504d8 | default VPCs and subnets, route tables, network interfaces |
//! | `zones` | 1c7caba | hosted zones |
//! | `resolver` | f8fb6f4 | resolver rules and endpoints, query logs, configurations of VPCs |
//! | `profiles` | acc0a6f | Profiles |

use std::fs;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase as _, TableDefinition};
use serde_json::{Value, json};

use crate::common::ec2::Api;
use vpcedns::ec2::{StateFault, Store, content, copies, read_sound};

const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
const TOKENS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tokens");
const FORMAT: TableDefinition<'_, (), u32> = TableDefinition::new("format");

const VPC: &str = "vpc-0a2a276f5af31e568";
const FORMS: [(&str, usize); 7] =
    [("first", 8), ("rules", 8), ("listeners", 8), ("defaults", 10), ("zones", 11), ("resolver", 14), ("profiles", 15)];

/// Writes a state as a server of that form did.
fn lay_out(path: &Path, form: &str, format: Option<u32>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let database = Database::create(path).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut records = write.open_table(RECORDS).unwrap();
        let mut tokens = write.open_table(TOKENS).unwrap();
        let text = fs::read_to_string(format!("tests/states/{form}.jsonl")).unwrap();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            if let Some(key) = value["token"].as_str() {
                let token = json!({"parameters": value["parameters"], "answer": value["answer"], "at": value["at"]});
                tokens.insert(key, token.to_string().as_bytes()).unwrap();
            } else {
                let id = value["id"].as_str().or(value["interface"]["id"].as_str());
                records.insert(id.unwrap(), line.as_bytes()).unwrap();
            }
        }
        if let Some(number) = format {
            write.open_table(FORMAT).unwrap().insert((), number).unwrap();
            records.insert("dream-1", &br#"{"kind": "dream", "id": "dream-1"}"#[..]).unwrap();
        }
    }
    write.commit().unwrap();
}

/// An object as it is written.
fn written(path: &Path, id: &str) -> Value {
    let copy = tempfile::NamedTempFile::new().unwrap();
    fs::copy(path, copy.path()).unwrap();
    let database = Database::open(copy.path()).unwrap();
    let read = database.begin_read().unwrap();
    let octets = read.open_table(RECORDS).unwrap().get(id).unwrap().unwrap().value().to_vec();
    serde_json::from_slice(&octets).unwrap()
}

#[test]
fn states_of_earlier_formats_open_and_serve_and_are_written_forward() {
    for (form, objects) in FORMS {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("zones")).unwrap();
        let path = Store::file(&dir.path().join("state"));
        lay_out(&path, form, None);
        let before = read_sound(&path).unwrap();
        assert_eq!((before.format, before.records.len()), (0, objects), "{form}");

        let api = Api::open(Arc::new(dir), vpcedns::ec2::ApiSettings::default());
        assert_eq!(api.addresses("127.10.9.9", "sqs.us-east-1.amazonaws.com"), ["127.10.1.71"], "{form}");
        let listed = api.call("DescribeVpcEndpoints");
        assert_eq!(listed.items("vpcEndpointSet")[0].text("vpcEndpointId"), "vpce-0db3a2550afc2a021", "{form}");
        assert!(api.stored().token("000000000000 us-east-1 CreateVpcEndpoint t1").is_some(), "{form}");
        let zone = api.addresses("127.10.9.9", "www.corp.example");
        assert_eq!(zone == ["10.0.0.9"], objects >= 11, "{form}: {zone:?}");

        // all of it is in today's form, whether it changes or not
        let now = content(&fs::read(&path).unwrap()).unwrap();
        assert_eq!((now.format, &now.records, &now.tokens), (1, &before.records, &before.tokens), "{form}");
        let vpc = written(&path, VPC);
        for member in ["is_default", "resolver", "listeners", "clients", "enable_network_address_usage_metrics"] {
            assert!(vpc.get(member).is_some(), "{form}: {member} is not written");
        }
        // the way back is there
        let [(copy, _)] = &copies(&path)[..] else { panic!("{form}: no copy") };
        assert_eq!(read_sound(copy).unwrap(), before, "{form}");

        api.call(&format!("CreateTags ResourceId.1={VPC} Tag.1.Key=a Tag.1.Value=b"));
        let api = api.reopen();
        let tags = api.call(&format!("DescribeTags Filter.1.Name=resource-id Filter.1.Value.1={VPC}"));
        assert_eq!(tags.items("tagSet")[0].text("value"), "b", "{form}");
    }
}

#[test]
fn a_state_of_a_later_format_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = Store::file(dir.path());
    lay_out(&path, "profiles", Some(2));
    let octets = fs::read(&path).unwrap();
    assert!(matches!(content(&octets), Err(StateFault::Newer(2))));
    let said = Store::open(dir.path()).err().unwrap().to_string();
    assert!(said.contains("was written by a newer version of vpcedns: its format is 2"), "{said}");
    assert!(said.contains("start the version that wrote it, or restore a backup of before"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), octets);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something was made beside it");

    // with a copy, it is the way back
    fs::write(path.with_extension("redb.copy1"), &octets).unwrap();
    let said = Store::open(dir.path()).err().unwrap().to_string();
    assert!(said.contains("copy1") && said.contains("vpcedns state verify"), "{said}");
}
