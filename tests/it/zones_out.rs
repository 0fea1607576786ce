//! Zones for other DNS servers: what a view's zones hold, and what secondaries are told at the address of transfers.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigAlgorithm as TheirAlgorithm;
use hickory_proto::rr::{Name, RecordType, TSigner};
use hickory_proto::serialize::binary::BinEncodable;
use vpcedns::config::{Limits, Secret, TransferKey, TsigAlgorithm};
use vpcedns::descriptors::Descriptors;
use vpcedns::export::{CATALOG, EndpointZones, ExportedView, ViewId, ZoneItem};
use vpcedns::model::show_rdata;
use vpcedns::observe::Counters;
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::Snapshot;
use vpcedns::transfer::{ZonesOut, ZonesOutSettings};

use crate::common::{BOTH, endpoint, vpc, world, world_alone};
use crate::route53;

fn view(vpc: &str, endpoint_zones: EndpointZones) -> ViewId {
    ViewId { vpc: Some(vpc.parse().unwrap()), endpoint_zones }
}

/// Each zone of a view with its records, those of the SOA and NS that every zone has left out, and what is left out.
fn zones(snapshot: &Snapshot, id: ViewId) -> BTreeMap<String, Vec<String>> {
    let view = ExportedView::new(snapshot, id, usize::MAX);
    let mut all = BTreeMap::new();
    for zone in view.zones() {
        assert_eq!(view.zone(&zone.apex).unwrap().apex, zone.apex, "each zone is found by its name");
        let mut lines: Vec<String> = zone
            .items()
            .map(|item| match item {
                ZoneItem::Record(r) => format!("{} {} {} {}", r.owner, r.ttl, r.rtype, show_rdata(r.rtype, &r.data)),
                ZoneItem::LeftOut(name, what) => format!("# {name}: {what}"),
            })
            .filter(|line| !line.contains(" NS ns-"))
            .collect();
        lines.sort();
        all.insert(zone.apex.to_string(), lines);
    }
    all
}

fn network() -> String {
    let mut text = vpc(1, BOTH) + &vpc(2, BOTH) + &vpc(3, "");
    text += &endpoint('a', 1, "com.amazonaws.us-east-1.ec2", &["1.17", "2.17"], "");
    text += &endpoint('b', 1, "com.amazonaws.us-east-1.ecr.dkr", &["1.18"], "dns_record_ip_type = \"dualstack\"");
    text += &endpoint('c', 1, "com.amazonaws.us-east-1.s3", &["1.19"], "private_dns_enabled = false");
    text += &endpoint('d', 2, "com.amazonaws.us-east-1.ec2", &["1.20"], "state = \"rejected\"");
    text += &endpoint('e', 3, "com.amazonaws.us-east-1.sqs", &["1.21"], "");
    text += r#"
[[hosted_zone]]
name = "corp.example"
vpc_ids = ["vpc-00000001"]
records = [ { name = "db", type = "A", ttl = 60, values = ["10.0.9.9"] }, { name = "ec2", alias = "vpce-0000000a" },
            { name = "a.fwd", type = "A", ttl = 60, values = ["10.0.9.8"] } ]
[[hosted_zone]]
name = "gone.example"
vpc_ids = ["vpc-00000001"]
records = []
[[resolver_rule]]
domain_name = "fwd.corp.example"
rule_type = "FORWARD"
target_ips = ["10.9.9.9"]
vpc_ids = ["vpc-00000001"]
[[resolver_rule]]
domain_name = "gone.example"
rule_type = "FORWARD"
target_ips = ["10.9.9.9"]
vpc_ids = ["vpc-00000001"]
"#;
    text
}

const EC2: &str = "vpce-0000000a-aaaaaaaa.ec2.us-east-1.vpce.amazonaws.com";

#[test]
fn a_view_has_private_names_hosted_zones_and_hostnames() {
    let snapshot = world(&network());
    let all = zones(&snapshot, view("vpc-00000001", EndpointZones::Each));
    let of = |zone: &str| all.get(zone).unwrap_or_else(|| panic!("no {zone} in {:?}", all.keys())).join("\n");
    assert_eq!(
        of("ec2.us-east-1.amazonaws.com"),
        "ec2.us-east-1.amazonaws.com 60 A 10.1.1.17\nec2.us-east-1.amazonaws.com 60 A 10.1.2.17"
    );
    let dkr = "dkr.ecr.us-east-1.amazonaws.com";
    assert_eq!(
        of(dkr),
        format!(
            "*.{dkr} 60 A 10.1.1.18\n*.{dkr} 60 AAAA fd00:1:0:1::18\n{dkr} 60 A 10.1.1.18\n{dkr} 60 AAAA fd00:1:0:1::18"
        )
    );
    assert_eq!(of(EC2), format!("{EC2} 60 A 10.1.1.17\n{EC2} 60 A 10.1.2.17"));
    assert_eq!(of(&EC2.replace("aaaaaaaa.", "aaaaaaaa-us-east-1b.")).rsplit(' ').next().unwrap(), "10.1.2.17");
    let s3 = "vpce-0000000c-cccccccc.s3.us-east-1.vpce.amazonaws.com";
    assert_eq!(of(s3), format!("*.{s3} 60 A 10.1.1.19\n{s3} 60 A 10.1.1.19"));
    assert_eq!(
        of("corp.example"),
        "# a.fwd.corp.example: a FORWARD rule for fwd.corp.example lies over it: have the other server forward that name\n\
         db.corp.example 60 A 10.0.9.9\nec2.corp.example 60 A 10.1.1.17\nec2.corp.example 60 A 10.1.2.17"
    );
    assert!(!all.contains_key("gone.example"), "a FORWARD rule lies over it");
    assert!(!all.keys().any(|zone| zone.contains("dddddddd")), "an endpoint that is not served has no hostnames");
    let catalog = of(CATALOG);
    assert_eq!(catalog.lines().filter(|line| line.contains(" PTR ")).count(), all.len() - 1);
    assert!(catalog.contains("version.catalog.vpcedns.invalid 60 TXT \"2\""), "{catalog}");
}

#[test]
fn hostnames_are_zones_of_regions_or_none() {
    let snapshot = world_alone(&network());
    let whole = zones(&snapshot, view("vpc-00000002", EndpointZones::Whole));
    assert_eq!(whole.keys().collect::<Vec<_>>(), [CATALOG, "us-east-1.vpce.amazonaws.com"], "nothing private there");
    let region = &whole["us-east-1.vpce.amazonaws.com"];
    assert!(region.contains(&format!("{EC2} 60 A 10.1.2.17")), "{region:?}");
    assert!(!region.iter().any(|line| line.contains("dddddddd")));
    let none = zones(&snapshot, view("vpc-00000001", EndpointZones::None));
    assert!(!none.keys().any(|zone| zone.contains(".vpce.")), "{:?}", none.keys());
    assert!(none.contains_key("ec2.us-east-1.amazonaws.com"));
    // without both attributes nothing is private; without the VPC, there is nothing
    let off = zones(&snapshot, view("vpc-00000003", EndpointZones::None));
    assert_eq!(off.keys().collect::<Vec<_>>(), [CATALOG]);
    assert!(zones(&snapshot, view("vpc-0000000f", EndpointZones::Each)).is_empty());
}

#[test]
fn what_records_cannot_say_is_left_out_and_named() {
    let weighted = |id: &str, weight: u8, host: &str| {
        route53::values("w.corp.example.", "A", &[host], &format!("\"SetIdentifier\": \"{id}\", \"Weight\": {weight},"))
    };
    let sets = [
        weighted("one", 10, "10.9.9.1"),
        weighted("two", 20, "10.9.9.2"),
        route53::alias("out.corp.example.", "A", "lb.eu-west-1.elb.amazonaws.com.", "Z32O12XQLNTSW2"),
        route53::alias("in.corp.example.", "A", "db.corp.example.", "Z0PRIVATE"),
        route53::values("db.corp.example.", "A", &["10.9.9.9"], ""),
        route53::values(
            "health.corp.example.",
            "A",
            &["10.9.9.5"],
            "\"SetIdentifier\": \"f\", \"Failover\": \"PRIMARY\", \"HealthCheckId\": \"abc\",",
        ),
    ];
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let files = [
        ("a.json", route53::NETWORK.to_owned()),
        ("b.json", route53::ZONE.to_owned()),
        ("c.json", route53::records(&sets)),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let (snapshot, _) = route53::load(&files);
    let all = zones(&snapshot, view("vpc-00000001", EndpointZones::None));
    let lines = &all["corp.example"];
    let have = |line: &str| assert!(lines.iter().any(|found| found.starts_with(line)), "{line} in {lines:#?}");
    have("db.corp.example 300 A 10.9.9.9");
    have("in.corp.example 300 A 10.9.9.9");
    have("w.corp.example 300 A 10.9.9.1");
    have("w.corp.example 300 A 10.9.9.2");
    have("# w.corp.example: A has record sets with weights: all of them are given at once, without the weights");
    have("# out.corp.example: A is an alias, or has a routing policy, that is not known here");
    assert!(!lines.iter().any(|line| line.starts_with("out.corp.example ")), "{lines:#?}");
}

const SECRET: &[u8] = b"thirty-two octets of a secret...";

/// A server of zones on loopback, and what a secondary of it does.
struct Primary {
    zones: ZonesOut,
    _dir: tempfile::TempDir,
}

impl Primary {
    fn start(snapshot: Snapshot, limits: Limits) -> Self {
        Self::start_with(snapshot, limits, "corp.example.")
    }

    /// The same; it is there once it has this zone.
    fn start_with(snapshot: Snapshot, limits: Limits, zone: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::new(data_encoding::BASE64.encode(SECRET));
        let key = TransferKey {
            name: "key.example".parse().unwrap(),
            algorithm: TsigAlgorithm::Sha256,
            secret,
            view: view("vpc-00000001", EndpointZones::Each),
            notify: vec![],
        };
        let settings = ZonesOutSettings {
            addresses: vec!["127.0.0.1:0".parse().unwrap()],
            keys: vec![key],
            serials: dir.path().join("serials"),
            limits,
        };
        let snapshots = ServedSnapshot::fixed(snapshot);
        let zones =
            ZonesOut::start(settings, snapshots, &Arc::new(Counters::default()), &Descriptors::default()).unwrap();
        let primary = Self { zones, _dir: dir };
        let until = Instant::now() + Duration::from_secs(20);
        while primary.ask(zone, RecordType::SOA)[0].response_code != ResponseCode::NoError {
            assert!(Instant::now() < until, "the first round does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
        primary
    }

    fn address(&self) -> SocketAddr {
        self.zones.addresses()[0]
    }

    /// All messages of the reply over TCP, each with a good signature.
    fn ask(&self, name: &str, rtype: RecordType) -> Vec<Message> {
        let signer = TSigner::new(SECRET.to_vec(), TheirAlgorithm::HmacSha256, "key.example.".parse().unwrap(), 300);
        let signer = signer.unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut question = question(name, rtype);
        let (tsig, _) = signer.sign_message(&question, now).unwrap();
        question.set_signature(tsig);
        let question = question.to_bytes().unwrap();
        let (mut mac, ..) = signer.verify_message_byte(&question, None, true).unwrap();
        let mut stream = TcpStream::connect(self.address()).unwrap();
        send(&mut stream, &question);
        let mut messages = vec![];
        loop {
            let packet = receive(&mut stream).unwrap();
            (mac, ..) = signer.verify_message_byte(&packet, Some(&mac), messages.is_empty()).unwrap();
            let message = Message::from_vec(&packet).unwrap();
            let is_last = message.answers.last().is_none_or(|record| record.record_type() == RecordType::SOA)
                && (message.answers.len() > 1 || rtype != RecordType::AXFR || !messages.is_empty());
            messages.push(message);
            if is_last || messages[0].response_code != ResponseCode::NoError {
                return messages;
            }
        }
    }
}

fn question(name: &str, rtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 7;
    message.add_query(Query::query(name.parse::<Name>().unwrap(), rtype));
    message
}

fn send(stream: &mut TcpStream, packet: &[u8]) {
    stream.write_all(&[&(packet.len() as u16).to_be_bytes()[..], packet].concat()).unwrap();
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet)?;
    Ok(packet)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_comes_whole_signed_and_between_two_soa_records() {
    let mut text = network();
    let records: Vec<String> = (0..5000)
        .map(|n| format!("{{ name = \"n{n}\", type = \"A\", ttl = 60, values = [\"10.7.{}.{}\"] }}", n / 250, n % 250))
        .collect();
    text += "[[hosted_zone]]\nname = \"large.example\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [";
    text += &records.join(",\n");
    text += "]\n";
    let primary = Primary::start(world(&text), Limits::default());
    tokio::task::block_in_place(|| {
        let messages = primary.ask("large.example.", RecordType::AXFR);
        assert!(messages.len() > 5, "{}", messages.len());
        let all: Vec<_> = messages.iter().flat_map(|message| &message.answers).collect();
        assert_eq!(all.first(), all.last());
        assert_eq!(all[0].record_type(), RecordType::SOA);
        assert_eq!(all.iter().filter(|record| record.record_type() == RecordType::A).count(), 5000);
        assert_eq!(messages[0].queries.len(), 1);
        assert!(messages.iter().all(|message| message.metadata.authoritative && message.metadata.id == 7));
        let soa = primary.ask("large.example.", RecordType::SOA);
        assert_eq!(soa[0].answers, vec![all[0].clone()]);
        for (name, rtype, rcode) in [
            ("none.example.", RecordType::AXFR, ResponseCode::NotAuth),
            ("n1.large.example.", RecordType::AXFR, ResponseCode::NotAuth),
            ("large.example.", RecordType::A, ResponseCode::Refused),
            ("large.example.", RecordType::IXFR, ResponseCode::FormErr),
            ("sqs.us-east-1.amazonaws.com.", RecordType::SOA, ResponseCode::NotAuth),
        ] {
            assert_eq!(primary.ask(name, rtype)[0].response_code, rcode, "{name} {rtype}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_so_many_zones() {
    let limits = Limits { transfer_zones: 3, ..Limits::default() };
    let mut text = vpc(1, BOTH);
    for zone in ["corp.example", "a.example", "b.example", "c.example"] {
        text += "[[hosted_zone]]\nvpc_ids = [\"vpc-00000001\"]\nrecords = []\nname = \"";
        text += zone;
        text += "\"\n";
    }
    let (primary, zones) = tokio::task::block_in_place(|| {
        let primary = Primary::start_with(world(&text), limits, CATALOG);
        let all = ["corp.example.", "a.example.", "b.example.", "c.example."];
        let is_there = |zone: &&&str| primary.ask(zone, RecordType::SOA)[0].response_code == ResponseCode::NoError;
        let zones = all.iter().filter(is_there).count();
        (primary, zones)
    });
    assert_eq!(zones, 2, "the catalog is one, too");
    let catalog = tokio::task::block_in_place(|| primary.ask(CATALOG, RecordType::AXFR));
    let members = catalog[0].answers.iter().filter(|record| record.record_type() == RecordType::PTR);
    assert_eq!(members.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_in_gets_an_error_or_nothing() {
    let primary = Primary::start(world(&network()), Limits::default());
    tokio::task::block_in_place(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(primary.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let good = question("corp.example.", RecordType::SOA).to_bytes().unwrap();
        let ask = |packet: &[u8]| {
            socket.send(packet).unwrap();
            let mut reply = [0; 4096];
            let len = socket.recv(&mut reply).unwrap();
            Message::from_vec(&reply[..len]).unwrap()
        };
        for end in 12..good.len() {
            assert_eq!(ask(&good[..end]).response_code, ResponseCode::FormErr, "{end} octets");
        }
        assert_eq!(ask(&good).response_code, ResponseCode::Refused, "not signed");
        let mut notify = question("corp.example.", RecordType::SOA);
        notify.metadata.op_code = OpCode::Notify;
        let reply = ask(&notify.to_bytes().unwrap());
        assert_eq!((reply.response_code, reply.op_code), (ResponseCode::Refused, OpCode::Notify));
        // replies, and what has no header, are not answered: the next answer is that of the next question
        let mut reply = good.clone();
        reply[2] |= 0x80;
        for silent in [&reply[..], &good[..11], b""] {
            socket.send(silent).unwrap();
        }
        let mut other = good.clone();
        other[1] = 99;
        assert_eq!(ask(&other).metadata.id, 99);
        // over TCP: what is no request ends the connection
        for octets in [&b"\xff\xff"[..], b"\0\x02x"] {
            let mut stream = TcpStream::connect(primary.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.write_all(octets).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(receive(&mut stream).is_err());
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_make_room() {
    let limits = Limits { transfer_connections: 4, transfer_connections_per_client: 64, ..Limits::default() };
    let primary = Primary::start(world(&network()), limits);
    tokio::task::block_in_place(|| {
        let idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(primary.address()).unwrap()).collect();
        assert_eq!(primary.ask("corp.example.", RecordType::SOA)[0].response_code, ResponseCode::NoError);
        let closed = idle.iter().filter(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            let mut reader: &TcpStream = stream;
            let is_open = |error: std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            reader.read(&mut [0]).map_or_else(|error| !is_open(error), |read| read == 0)
        });
        assert!(closed.count() >= 16);
    });
}
