//! `embed`: hickory-server gives our answers, hands on what is not private, and follows reloads.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use crate::common::hickory::{Client, HickoryServer, question};
use crate::common::{BOTH, endpoint, record_text, vpc, wire_name};
use crate::forwarding::upstream;
use crate::route53::{NETWORK, ZONE, alias, records};
use hickory_proto::op::{Edns, Header, HeaderCounts, Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NULL, SOA};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_server::net::NetError;
use hickory_server::net::runtime::{TokioRuntimeProvider, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{
    AxfrPolicy, Catalog, LookupControlFlow, LookupOptions, MessageResponse, ZoneHandler, ZoneType,
};
use vpcedns::embed::{Builder, PrivateZones, Refuse};
use vpcedns::model::Upstream;
use vpcedns::snapshot::Policy;

/// A client of VPC 1, which has everything, and one of VPC 2, which has nothing.
const INSIDE: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 5);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 2, 0, 5);

const EC2: &str = "ec2.us-east-1.amazonaws.com.";

fn zones() -> String {
    let local =
        |n: u8| vpc(n, BOTH).replace(&format!("\"10.{n}.0.0/16\""), &format!("\"10.{n}.0.0/16\", \"127.{n}.0.0/16\""));
    let many: Vec<String> = (1..60).map(|n| format!("\"10.9.1.{n}\"")).collect();
    let many = many.join(", ");
    let zone = format!(
        "[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-00000001\"]\nrecords = [\
           {{ name = \"db\", type = \"A\", values = [\"10.9.9.9\"] }},\
           {{ name = \"many\", type = \"A\", values = [{many}] }},\
           {{ name = \"www\", type = \"CNAME\", values = [\"db.corp.example\"] }},\
           {{ name = \"gone\", type = \"CNAME\", values = [\"nothing.corp.example\"] }},\
           {{ name = \"out\", type = \"CNAME\", values = [\"public.example.org\"] }},\
           {{ name = \"away\", type = \"CNAME\", values = [\"nowhere.example.org\"] }},\
           {{ name = \"sub\", type = \"NS\", values = [\"ns.sub.corp.example\"] }},\
           {{ name = \"ns.sub\", type = \"A\", values = [\"10.9.9.53\"] }}]\n"
    );
    let ec2 = endpoint('a', 1, "com.amazonaws.us-east-1.ec2", &["1.17"], "dns_record_ip_type = \"dualstack\"");
    local(1) + &local(2) + &ec2 + &zone
}

fn loaded() -> PrivateZones {
    Builder::toml_str(&zones()).build().unwrap_or_else(|error| panic!("{error}"))
}

fn ask(server: SocketAddr, from: Ipv4Addr, name: &str, rtype: RecordType) -> Message {
    Message::from_vec(&Client::new(server, from).ask_udp(&question(name, rtype).to_vec().unwrap())).unwrap()
}

/// Code, answers and authority in one line.
fn line(reply: &Message) -> String {
    let asked = wire_name(&reply.queries[0].name().to_string());
    let texts = |records: &[Record]| records.iter().map(|record| record_text(record, &asked)).collect::<Vec<_>>();
    let code = reply.metadata.response_code;
    format!("{code:?} | {} | {}", texts(&reply.answers).join(", "), texts(&reply.authorities).join(", "))
}

#[test]
fn what_is_not_private_is_the_inner_handlers() {
    let server = HickoryServer::start(loaded().in_front_of(Refuse));
    let line = |from, name| line(&ask(server.address, from, name, RecordType::A));
    assert_eq!(line(INSIDE, EC2), "NoError | 60 A 10.1.1.17 | ");
    assert_eq!(line(OUTSIDE, EC2), "Refused |  | ");
    assert_eq!(line(INSIDE, "www.example.org."), "Refused |  | ");
    // no VPC, but no stranger either: the inner handler decides
    assert_eq!(line(Ipv4Addr::new(127, 9, 9, 9), "www.example.org."), "Refused |  | ");
}

#[test]
fn a_listener_decides_where_its_handler_says_which_it_is() {
    let two = zones().replacen("enable_dns_support", "listeners = [\"127.0.0.1:1053\"]\nenable_dns_support", 1);
    let zones = Builder::toml_str(&two).build().unwrap();
    let handler = zones.at("127.0.0.1:1053".parse().unwrap()).in_front_of(Refuse);
    let (at, elsewhere) = (HickoryServer::start(handler), HickoryServer::start(zones.in_front_of(Refuse)));
    let line = |server: SocketAddr| line(&ask(server, OUTSIDE, EC2, RecordType::A));
    assert_eq!(line(at.address), "NoError | 60 A 10.1.1.17 | ");
    assert_eq!(line(elsewhere.address), "Refused |  | ");
}

/// hickory writes the question's name twice: what then exceeds the client's datagram is truncated, and keeps its OPT.
#[test]
fn a_reply_fits_the_clients_datagram() {
    let server = HickoryServer::start(loaded().in_front_of(Refuse));
    let client = Client::new(server.address, INSIDE);
    for payload in [None, Some(512), Some(900), Some(1232), Some(4096)] {
        let mut many = question("many.corp.example.", RecordType::A);
        many.edns = payload.map(|payload| {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            edns
        });
        let packet = many.to_vec().unwrap();
        let octets = client.ask_udp(&packet);
        let reply = Message::from_vec(&octets).unwrap();
        let most = payload.unwrap_or(512).min(1232);
        assert!(octets.len() <= most.into(), "{} octets for {payload:?}", octets.len());
        // 59 records of 16 octets
        assert_eq!(reply.metadata.truncation, most < 1000, "{payload:?}");
        assert_eq!(reply.edns.as_ref().map(Edns::max_payload), payload.map(|_| 1232), "{payload:?}");
    }
    let whole = client.ask_tcp(&question("many.corp.example.", RecordType::A).to_vec().unwrap());
    let whole = Message::from_vec(&whole).unwrap();
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (59, false));
}

#[test]
fn files_are_read_again_and_errors_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    fs::write(&file, zones()).unwrap();
    let loaded = Builder::from_dir(dir.path()).build().unwrap();
    let server = HickoryServer::start(loaded.in_front_of(Refuse));
    let line = || line(&ask(server.address, INSIDE, EC2, RecordType::A));
    assert_eq!(line(), "NoError | 60 A 10.1.1.17 | ");
    loaded.reload().unwrap();
    fs::write(&file, zones().replace("10.1.1.17", "10.1.1.99")).unwrap();
    loaded.reload().unwrap();
    assert_eq!(line(), "NoError | 60 A 10.1.1.99 | ");
    fs::write(&file, "[[vpc]]\nvpc_id = 7\n").unwrap();
    let error = loaded.reload().unwrap_err();
    assert!(error.to_string().contains("a.toml:2"), "{error}");
    assert_eq!(line(), "NoError | 60 A 10.1.1.99 | ");
    fs::remove_file(&file).unwrap();
    loaded.reload().unwrap();
    assert_eq!(line(), "Refused |  | ");
}

#[test]
fn text_is_read_once_with_its_errors_and_warnings() {
    let error = Builder::toml_str("[[vpc]]\nvpc_id = 7\n").build().err().unwrap();
    assert!(error.to_string().ends_with("toml:2:10: error: expected a string, found 7"), "{error}");
    assert!(error.problems().iter().all(|problem| &*problem.place.file == "toml"), "{error}");
    assert!(Builder::from_dir("/nowhere/at/all").build().is_err());
    let vpcs = r#"{"Vpcs": [{"VpcId": "vpc-00000001", "CidrBlock": "10.1.0.0/16", "Region": "us-east-1"}]}"#;
    let zones = Builder::from_cli_json([("vpcs.json", vpcs)]).build().unwrap();
    zones.reload().unwrap();
    assert_eq!(zones.warnings(), []);
    let unknown = Builder::from_cli_json([("vpcs.json", vpcs), ("odd.json", r#"{"Oddities": []}"#)]).build().unwrap();
    assert!(
        unknown.warnings().iter().any(|problem| problem.place.file.contains("odd.json")),
        "{:?}",
        unknown.warnings()
    );
}

/// With a policy the whole of `serve` answers: upstreams, aliases in both directions, strangers.
#[test]
fn a_policy_leaves_nothing_to_others() {
    let name = |text: &str| Name::from_ascii(text).unwrap();
    let to_ec2 = Record::from_rdata(name("public.example.org."), 60, RData::CNAME(CNAME(name(EC2))));
    let (address, asked) = upstream(1, vec![to_ec2], ResponseCode::NoError);
    let policy = Policy { upstreams: Arc::from([Upstream::plain(address)]), ..Policy::default() };
    let zones = Builder::toml_str(&zones()).policy(policy).build().unwrap();
    let server = HickoryServer::start(zones.in_front_of(Refuse));
    let reply = ask(server.address, INSIDE, "out.corp.example.", RecordType::A);
    let chain = "NoError | 300 CNAME public.example.org, public.example.org 60 CNAME ec2.us-east-1.amazonaws.com, \
                 ec2.us-east-1.amazonaws.com 60 A 10.1.1.17 | ";
    assert_eq!(line(&reply), chain);
    assert_eq!(asked.join().unwrap()[0].queries[0].name().to_string(), "public.example.org.");
}

#[test]
fn a_reply_that_hickory_cannot_read_is_servfail() {
    let three_octets = RData::Unknown { code: RecordType::A, rdata: NULL::with(vec![10, 0, 0]) };
    let odd = Record::from_rdata(Name::from_ascii("odd.example.org.").unwrap(), 60, three_octets);
    let (address, asked) = upstream(1, vec![odd], ResponseCode::NoError);
    let policy = Policy { upstreams: Arc::from([Upstream::plain(address)]), ..Policy::default() };
    let server = HickoryServer::start(Builder::toml_str(&zones()).policy(policy).build().unwrap().in_front_of(Refuse));
    assert_eq!(line(&ask(server.address, INSIDE, "odd.example.org.", RecordType::A)), "ServFail |  | ");
    asked.join().unwrap();
}

/// Keeps what it is to send.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<ResponseCode>>>);

#[async_trait::async_trait]
impl ResponseHandler for Sent {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        self.0.lock().unwrap().push(response.metadata().response_code);
        Ok(Header { metadata: *response.metadata(), counts: HeaderCounts::default() }.into())
    }
}

/// The inner handler is asked for the target, and never for the name of a private zone (invariant I8).
#[test]
fn an_alias_that_leads_out_is_followed_by_the_inner_handler() {
    let zones = loaded();
    let mut zone = public();
    let there = Name::from_ascii("public.example.org.").unwrap();
    zone.upsert_mut(Record::from_rdata(there, 60, RData::A(A::new(192, 0, 2, 8))), 1);
    let mut catalog = Catalog::new();
    catalog.upsert(LowerName::from(Name::root()), vec![Arc::new(zone)]);
    let server = HickoryServer::start(zones.in_front_of(catalog));
    let table = [
        (
            INSIDE,
            "out.corp.example.",
            RecordType::A,
            "NoError | 300 CNAME public.example.org, public.example.org 60 A 192.0.2.8 | ",
        ),
        (INSIDE, "out.corp.example.", RecordType::AAAA, "NoError | 300 CNAME public.example.org | . 5 SOA"),
        (INSIDE, "out.corp.example.", RecordType::CNAME, "NoError | 300 CNAME public.example.org | "),
        (INSIDE, "away.corp.example.", RecordType::A, "NXDomain | 300 CNAME nowhere.example.org | . 5 SOA"),
        // for everybody else the public zone has an address
        (OUTSIDE, "out.corp.example.", RecordType::A, "NoError | 60 A 192.0.2.1 | "),
    ];
    let mut wrong = Vec::new();
    for (from, name, rtype, wanted) in table {
        let found = line(&ask(server.address, from, name, rtype));
        if found != wanted {
            wrong.push(format!("{from} {name} {rtype}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An alias record of Route 53 has its target's addresses: nothing here asks for them, and the inner handler does not see
/// the private name.
#[test]
fn an_alias_record_that_leads_out_fails() {
    let record = alias("flat.corp.example.", "A", "public.example.org.", "Z35SXDOTRQ7X7K");
    let outputs =
        [("a.json", NETWORK.replace("10.1.", "127.1.")), ("z.json", ZONE.to_owned()), ("r.json", records(&[&record]))];
    let zones = Builder::from_cli_json(outputs.iter().map(|(name, text)| (*name, text.as_str()))).build();
    let server = HickoryServer::start(zones.unwrap_or_else(|error| panic!("{error}")).in_front_of(Refuse));
    assert_eq!(line(&ask(server.address, INSIDE, "flat.corp.example.", RecordType::A)), "ServFail |  | ");
}

/// A stranger's address may be forged: the handler stays silent beyond what strangers get, and asks nobody instead.
#[test]
fn strangers_do_not_get_each_datagram_answered() {
    const ASKED: usize = 1000;
    let zones = Builder::toml_str(&zones()).policy(Policy::default()).build().unwrap();
    let (handler, sent) = (zones.in_front_of(Refuse), Sent::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stranger = SocketAddr::from(([198, 51, 100, 7], 5353));
    for _ in 0..ASKED {
        let packet = question(EC2, RecordType::A).to_vec().unwrap();
        let request = Request::from_bytes(packet, stranger, Protocol::Udp).unwrap();
        runtime.block_on(handler.handle_request::<_, TokioTime>(&request, sent.clone()));
    }
    let codes = sent.0.lock().unwrap();
    assert!(!codes.is_empty() && codes.len() < ASKED, "{} replies", codes.len());
    assert!(codes.iter().all(|code| *code == ResponseCode::Refused), "{codes:?}");
}

/// The zone that everybody else sees.
fn public() -> InMemoryZoneHandler {
    let mut zone =
        InMemoryZoneHandler::<TokioRuntimeProvider>::empty(Name::root(), ZoneType::Primary, AxfrPolicy::Deny, None);
    let soa = SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 5);
    zone.upsert_mut(Record::from_rdata(Name::root(), 5, RData::SOA(soa)), 1);
    let mut add = |name: &str| {
        zone.upsert_mut(Record::from_rdata(Name::from_ascii(name).unwrap(), 60, RData::A(A::new(192, 0, 2, 1))), 1)
    };
    assert!(add(EC2) && add("out.corp.example."));
    zone
}

#[test]
fn a_catalog_skips_what_is_not_private() {
    let mut catalog = Catalog::new();
    let chain: Vec<Arc<dyn ZoneHandler>> = vec![Arc::new(loaded().zone_handler()), Arc::new(public())];
    catalog.upsert(LowerName::from(Name::root()), chain);
    let server = HickoryServer::start(catalog);
    let table = [
        (INSIDE, EC2, RecordType::A, "NoError | 60 A 10.1.1.17 | "),
        (INSIDE, EC2, RecordType::AAAA, "NoError | 60 AAAA fd00:1:0:1::17 | "),
        (INSIDE, EC2, RecordType::HTTPS, "NoError |  | 60 SOA"),
        (INSIDE, EC2, RecordType::SOA, "NoError | 900 SOA | "),
        (
            INSIDE,
            "below.ec2.us-east-1.amazonaws.com.",
            RecordType::A,
            "NXDomain |  | ec2.us-east-1.amazonaws.com 60 SOA",
        ),
        (
            INSIDE,
            "below.ec2.us-east-1.amazonaws.com.",
            RecordType::SOA,
            "NXDomain |  | ec2.us-east-1.amazonaws.com 60 SOA",
        ),
        (
            INSIDE,
            "www.corp.example.",
            RecordType::A,
            "NoError | 300 CNAME db.corp.example, db.corp.example 300 A 10.9.9.9 | ",
        ),
        (INSIDE, "gone.corp.example.", RecordType::A, "NoError | 300 CNAME nothing.corp.example | "),
        (INSIDE, "x.sub.corp.example.", RecordType::A, "ServFail |  | "),
        (INSIDE, "out.corp.example.", RecordType::A, "NoError | 300 CNAME public.example.org | "),
        (OUTSIDE, EC2, RecordType::A, "NoError | 60 A 192.0.2.1 | "),
        (OUTSIDE, "nothing.example.", RecordType::A, "NXDomain |  | . 5 SOA"),
    ];
    let mut wrong = Vec::new();
    for (from, name, rtype, wanted) in table {
        let reply = ask(server.address, from, name, rtype);
        if line(&reply) != wanted {
            wrong.push(format!("{from} {name} {rtype}: {}", line(&reply)));
        }
        // the VPC resolver's flags where it is private, hickory's own where it is not
        let is_private = from == INSIDE;
        let flags = (reply.metadata.recursion_available, reply.metadata.authoritative);
        assert_eq!(flags, (is_private, !is_private), "{from} {name} {rtype}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name is private for a client: `lookup` needs to know it, as `search` does.
#[test]
fn a_zone_handler_looks_up_for_a_client_only() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let handler = loaded().zone_handler();
    let name = LowerName::from(Name::from_ascii(EC2).unwrap());
    let look = |from: Option<Ipv4Addr>| {
        let packet = question(EC2, RecordType::A).to_vec().unwrap();
        let from = from.map(|ip| Request::from_bytes(packet, SocketAddr::from((ip, 5353)), Protocol::Udp).unwrap());
        let info = from.as_ref().map(|request| request.request_info().unwrap());
        runtime.block_on(handler.lookup(&name, RecordType::A, info.as_ref(), LookupOptions::default()))
    };
    let LookupControlFlow::Break(Ok(found)) = look(Some(INSIDE)) else { panic!("not found inside") };
    assert_eq!(found.iter().map(|record| record.data.to_string()).collect::<Vec<_>>(), ["10.1.1.17"]);
    assert!(matches!(look(Some(OUTSIDE)), LookupControlFlow::Skip));
    assert!(matches!(look(None), LookupControlFlow::Skip));
}
