//! Hosted zones and their records.

use crate::model::Object;

use super::toml::check;
use super::{load_toml, problems};

const ZONE: &str = "[[hosted_zone]]\nname = \"corp.example\"\n";

#[test]
fn broken_hosted_zones() {
    let record =
        |record: &str, expect: &str| check(ZONE, &format!("records = [\n{record}\n]\nvpc_ids = [\"*\"]"), expect);
    record(
        "{ name = \"a\", type = \"A\", values = [\"10.0.0.300\"] }",
        "t.toml:4:37: error: '10.0.0.300' is not valid A record data: not an IPv4 address\n  hint: an IPv4 address, such as 10.0.9.9",
    );
    record(
        "{ name = \"a\", type = \"AX\", values = [\"x\"] }",
        "t.toml:4:22: error: 'AX' is not a record type\n  hint: such as A, AAAA, CNAME, TXT, SRV or MX",
    );
    record(
        "{ name = \"\", type = \"SOA\", values = [\"x\"] }",
        "t.toml:4:21: error: an SOA record cannot be given\n  hint: leave it out: a zone has its SOA record of itself, or that of its master file ('file')",
    );
    record(
        "{ name = \"a\", type = \"TYPE250\", values = [\"x\"] }",
        "t.toml:4:22: error: records of type TSIG cannot be written here",
    );
    record(
        "{ name = \"a\", type = \"A\", ttl = 2147483648, values = [\"10.0.0.1\"] }",
        "t.toml:4:33: error: 2147483648 is out of range\n  hint: ttl is from 0 to 2147483647",
    );
    record(
        "{ name = \"a\", type = \"A\", ttl = 1.5, values = [\"10.0.0.1\"] }",
        "t.toml:4:33: error: expected an integer, found 1.5",
    );
    record(
        "{ name = \"a\", type = \"A\", values = [] }",
        "t.toml:4:36: error: a record needs at least one value\n  hint: leave the record out, or add a value",
    );
    record(
        "{ name = \"a\", type = \"A\" }",
        "t.toml:4:1: error: a record has no 'values'\n  hint: add values = [\"10.0.9.9\"], or alias = \"vpce-0123456789abcdef0\"",
    );
    record(
        "{ name = \"a.other.example.\", type = \"A\", values = [\"10.0.0.1\"] }",
        "t.toml:4:10: error: 'a.other.example.' is outside the zone corp.example\n  hint: without the final dot it is a name within the zone",
    );
    record(
        "{ name = \"a\", alias = \"vpce-1a2b3c4d\", ttl = 5 }",
        "t.toml:4:46: error: a record with 'alias' has no 'ttl'\n  hint: an alias answers with the endpoint's addresses and their TTL",
    );
    record(
        "{ name = \"a\", type = \"CNAME\", values = [\"b.example\", \"c.example\"] }",
        "t.toml:4:54: error: a CNAME has one value (RFC 2181 10.1)\n  hint: keep one of them",
    );
    record(
        "{ name = \"@\", type = \"CNAME\", values = [\"b.example\"] }",
        "t.toml:4:1: error: the apex of corp.example cannot have a CNAME record of its own\n  hint: a zone has SOA and NS at its apex; use an alias or addresses there",
    );
    record(
        "{ name = \"a\", type = \"A\", values = [\"10.0.0.1\"] },\n{ name = \"A.corp.example\", type = \"A\", values = [\"10.0.0.2\"] }",
        "t.toml:5:1: error: a.corp.example A is given twice\n  hint: the first is at t.toml:4:1: put all values into one record",
    );
    record(
        "{ name = \"a\", alias = \"vpce-1a2b3c4d\" },\n{ name = \"a\", type = \"AAAA\", values = [\"fd00::1\"] }",
        "t.toml:5:1: error: a.corp.example AAAA is given twice\n  hint: the first is at t.toml:4:1: put all values into one record",
    );
    record(
        "{ name = \"a\", type = \"TXT\", values = [\"x\"] },\n{ name = \"a\", type = \"CNAME\", values = [\"b.example\"] }",
        "t.toml:5:1: error: a.corp.example has a CNAME and other data\n  hint: a CNAME stands alone (RFC 1034 3.6.2); the other record is at t.toml:4:1",
    );
}

#[test]
fn record_names_are_relative_or_absolute() {
    let names = ["", "@", "corp.example", "db", "db.corp.example", "db2.corp.example.", "example", "*.w", "_sip._tcp"];
    let records = names.map(|name| format!("{{ name = \"{name}\", type = \"TXT\", values = [\"{name}x\"] }}"));
    let of = |records: &[String]| load_toml(&format!("{ZONE}vpc_ids = [\"*\"]\nrecords = [{}]\n", records.join(",\n")));
    let owners: Vec<_> = records
        .iter()
        .map(|record| {
            let loaded = of(std::slice::from_ref(record));
            assert_eq!(problems(&loaded), "");
            match &*loaded.inputs[0].object {
                Object::HostedZone(zone) => zone.records[0].name.value.to_string(),
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(
        owners,
        [
            "corp.example",
            "corp.example",
            "corp.example",
            "db.corp.example",
            "db.corp.example",
            "db2.corp.example",
            "example.corp.example",
            "*.w.corp.example",
            "_sip._tcp.corp.example"
        ]
    );
    let root = load_toml(
        "[[hosted_zone]]\nname = \".\"\nvpc_ids = [\"*\"]\nrecords = [{ name = \"a.b\", type = \"A\", values = [\"10.0.0.1\"] }]\n",
    );
    assert_eq!(problems(&root), "");
}
