//! Everything that says what a client is told says the same: the packet, `explain`, `trace`, `expect`, `report` and the query
//! log (I7).
//!
//! The packet comes out of the resolver that every transport asks, and is read by hickory-proto; the log is read from its file.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::common::random::{CLIENTS, any_world, names};
use crate::common::{cases, model, policy, question_octets, secret, wire_name};
use hickory_proto::op::{Message, MessageType, OpCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{RData, Record, RecordType};
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Runtime;
use vpcedns::config::{Limits, Settings};
use vpcedns::dns::{DnsName, MAX_EXTRA_TEXT, Rcode, Rtype, cut_text};
use vpcedns::expect::{
    AssertedClient, Expected, Observation, Verdict, judge, observe_snapshot, parse, resolve_name, write,
};
use vpcedns::explain::{Asker, Explanation, RecordText, explain};
use vpcedns::forward::recorder::LiveEvent;
use vpcedns::model::Upstream;
use vpcedns::naming::VpcId;
use vpcedns::observe::{Counters, LiveAnswer, LiveQuestion, QueryLog};
use vpcedns::report::{PrivateStatus, report};
use vpcedns::resolve::{Incoming, NamedVpc, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Drill, DrillFault, NameFault, Policy, Snapshot};
use vpcedns::wire::Transport;

const TYPES: [&str; 7] = ["A", "AAAA", "SOA", "NS", "TXT", "ANY", "PTR"];
/// An OPT record, so that negative answers say their reason (RFC 6891 6.1.2).
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// Whose question it is.
#[derive(Clone, Copy, Debug)]
enum From {
    Address(IpAddr),
    Vpc(VpcId),
}

impl From {
    fn asker(self) -> Asker {
        match self {
            Self::Address(address) => Asker::Address(address, "127.0.0.1:53".parse().unwrap()),
            Self::Vpc(vpc) => Asker::Vpc(vpc),
        }
    }
}

/// A server's resolver over a snapshot, with a query log.
struct Server {
    snapshot: Arc<Snapshot>,
    resolver: Resolver,
    log: QueryLog,
    file: tempfile::NamedTempFile,
}

impl Server {
    fn new(snapshot: Snapshot) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings { query_log: Some(file.path().to_str().unwrap().to_owned()), ..Settings::default() };
        let log = QueryLog::start(&settings).unwrap().unwrap();
        let served = ServedSnapshot::fixed(snapshot);
        let resolver = Resolver::new(served.clone(), Limits::default(), secret(), Counters::default().into());
        Self { snapshot: served.load_full(), resolver: resolver.logging(Some(log.clone())), log, file }
    }

    /// The reply on a stream; `None`: an upstream is to be asked.
    fn ask(&self, id: u16, from: From, name: &str, rtype: Rtype) -> Option<Message> {
        self.ask_here(id, from, name, rtype).ok()
    }

    /// The reply on a stream, whoever has to be asked for it.
    fn ask_all(&self, runtime: &Runtime, id: u16, from: From, name: &str, rtype: Rtype) -> Message {
        self.ask_here(id, from, name, rtype).unwrap_or_else(|packet| {
            let (peer, vpc) = client(id, from);
            let local = "127.0.0.1:53".parse().unwrap();
            let incoming = Incoming { packet: &packet, peer, local, transport: Transport::Tcp, vpc };
            Message::from_vec(&runtime.block_on(self.resolver.resolve(incoming)).unwrap()).unwrap()
        })
    }

    /// What a trace says.
    fn trace(&self, runtime: &Runtime, from: From, name: &DnsName, rtype: Rtype) -> LiveAnswer {
        let (asker, name) = (from.asker(), name.clone());
        let question = LiveQuestion { asker, name, rtype, dnssec_ok: false, checking_disabled: false };
        runtime.block_on(self.resolver.ask_live(&self.snapshot, &question))
    }

    /// The reply on a stream, or the packet for which an upstream is to be asked.
    fn ask_here(&self, id: u16, from: From, name: &str, rtype: Rtype) -> Result<Message, Vec<u8>> {
        let question = question_octets(&wire_name(name), rtype);
        let head = [&id.to_be_bytes()[..], b"\x01\0\0\x01\0\0\0\0\0\x01"].concat();
        let packet = [&head[..], &question, OPT].concat();
        let (peer, vpc) = client(id, from);
        let local = "127.0.0.1:53".parse().unwrap();
        let incoming = Incoming { packet: &packet, peer, local, transport: Transport::Tcp, vpc };
        let mut out = vec![0; usize::from(u16::MAX)];
        match self.resolver.try_resolve(&self.resolver.batch(), incoming, &mut out) {
            Outcome::Reply(len) => Ok(Message::from_vec(&out[..len]).unwrap()),
            Outcome::Pending => Err(packet),
            Outcome::Silent => panic!("a question on a stream has a reply"),
        }
    }

    /// The lines of the log by the client's port.
    fn logged(&self) -> BTreeMap<u16, Value> {
        self.log.end(Duration::from_secs(10));
        lines(self.file.path())
    }
}

/// From where a packet comes; the port tells the lines of the log apart.
fn client(id: u16, from: From) -> (SocketAddr, Option<NamedVpc>) {
    match from {
        From::Address(address) => ((address, id).into(), None),
        From::Vpc(vpc) => (([192, 0, 2, 99], id).into(), Some(NamedVpc::Proven(vpc))),
    }
}

/// An upstream for all tests: every name has one address.
fn upstream() -> &'static Upstream {
    static UPSTREAM: OnceLock<Upstream> = OnceLock::new();
    UPSTREAM.get_or_init(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut buf = [0; 1232];
            while let Ok((len, peer)) = socket.recv_from(&mut buf) {
                let query = Message::from_vec(&buf[..len]).unwrap();
                let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
                reply.queries.clone_from(&query.queries);
                if query.queries[0].query_type() == RecordType::A {
                    let address = RData::A(A([203, 0, 113, 7].into()));
                    reply.answers.push(Record::from_rdata(query.queries[0].name().clone(), 60, address));
                }
                socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
            }
        });
        Upstream::plain(address)
    })
}

fn lines(path: &Path) -> BTreeMap<u16, Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.map(|line| (line["srcport"].as_str().unwrap().parse().unwrap(), line)).collect()
}

/// What records are, apart from their order.
fn sorted(records: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut all: Vec<_> = records.collect();
    all.sort();
    all
}

fn of_wire(records: &[Record]) -> Vec<(String, String)> {
    sorted(records.iter().map(|record| {
        let owner = record.name.to_string().to_ascii_lowercase();
        (format!("{} {}", owner.trim_end_matches('.'), record.ttl), format!("{} {}", record.record_type(), record.data))
    }))
}

fn of_explain(records: &[RecordText]) -> Vec<(String, String)> {
    sorted(records.iter().map(|record| {
        let owner = record.name.to_ascii_lowercase();
        (format!("{} {}", owner.trim_end_matches('.'), record.ttl), format!("{} {}", record.rtype, record.data))
    }))
}

fn rcode(message: &Message) -> String {
    Rcode::new(message.metadata.response_code.into()).to_string()
}

/// The text of an Extended DNS Error (RFC 8914 2).
fn extra_text(message: &Message) -> Option<String> {
    match message.edns.as_ref()?.option(EdnsCode::Unknown(15)) {
        Some(EdnsOption::Unknown(_, data)) => Some(String::from_utf8(data[2..].to_vec()).unwrap()),
        _ => None,
    }
}

/// The packet and the explanation, which are the same.
fn same(reply: Option<&Message>, explained: &Explanation) -> Result<(), TestCaseError> {
    let Some(reply) = reply else {
        prop_assert_eq!(&explained.rcode, &None, "asked upstream, but explained as an answer: {:?}", explained);
        return Ok(());
    };
    let code = rcode(reply);
    prop_assert_eq!(explained.rcode.as_deref(), Some(code.as_str()), "{:?}", explained);
    prop_assert_eq!(of_explain(&explained.answer), of_wire(&reply.answers), "{:?}", explained);
    prop_assert_eq!(of_explain(&explained.authority), of_wire(&reply.authorities), "{:?}", explained);
    // a negative answer says why; the name servers of a cut are none
    let is_cut = reply.authorities.iter().any(|record| record.record_type() == RecordType::NS);
    let reason = match code.as_str() {
        "NOERROR" => format!("{}: no records of this type", explained.reason),
        _ => explained.reason.clone(),
    };
    // an alias that leads nowhere is no answer, unless any record will do
    let is_alias = |record: &Record| matches!(record.record_type(), RecordType::CNAME | RecordType::DNAME);
    let has_answer = reply.answers.iter().any(|record| explained.rtype == "ANY" || !is_alias(record));
    // so does an answer that a drill changed
    let is_drilled = has_answer && explained.reason.starts_with("drill ");
    let reason = if is_drilled { &explained.reason } else { &reason };
    let why = (is_drilled || !has_answer && !is_cut).then(|| cut_text(reason, MAX_EXTRA_TEXT).to_owned());
    prop_assert_eq!(extra_text(reply), why, "{:?}", explained);
    Ok(())
}

/// The line of the log and the explanation, which are the same.
fn same_in_log(line: &Value, explained: &Explanation) -> Result<(), TestCaseError> {
    prop_assert_eq!(line["rcode"].as_str(), explained.rcode.as_deref());
    prop_assert_eq!(line.get("vpc_id").and_then(Value::as_str), explained.vpc.as_deref());
    prop_assert_eq!(line["vpcedns"]["generation"].as_u64(), Some(explained.generation));
    let answers = line["answers"].as_array().unwrap();
    let said = sorted(answers.iter().map(|record| {
        let text = |key: &str| record[key].as_str().unwrap().to_owned();
        // in quotes, as in a master file; the explanation has what is in them
        let data = if record["Type"] == "TXT" { text("Rdata").replace('"', "") } else { text("Rdata") };
        (text("Type"), data)
    }));
    prop_assert_eq!(said, sorted(explained.answer.iter().map(|record| (record.rtype.clone(), record.data.clone()))));
    if let Some(endpoint) = line["vpcedns"].get("vpc_endpoint_id").and_then(Value::as_str) {
        prop_assert!(explained.reason.contains(endpoint) || explained.steps.join("\n").contains(endpoint));
    }
    Ok(())
}

/// What an assertion is judged by, out of a packet.
fn observed(reply: Option<&Message>, rtype: Rtype, rule: &str) -> Observation {
    let wanted = rtype.to_string();
    let text = |data: &dyn ToString| data.to_string().trim_end_matches('.').to_owned();
    let answers = reply.map(|reply| &reply.answers[..]).unwrap_or_default();
    let (own, others): (Vec<_>, Vec<_>) = answers.iter().partition(|record| record.record_type().to_string() == wanted);
    Observation {
        rcode: reply.map(rcode),
        records: own.iter().map(|record| text(&record.data)).collect(),
        others: others.iter().map(|record| format!("{} {}", record.record_type(), text(&record.data))).collect(),
        delegated_to: Vec::new(),
        blocked: false,
        online: false,
        rule: rule.to_owned(),
        steps: Vec::new(),
    }
}

fn server(world: &crate::common::random::AnyWorld, upstream: bool) -> Server {
    Server::new(snapshot(world, upstream))
}

fn snapshot(world: &crate::common::random::AnyWorld, upstream: bool) -> Snapshot {
    let policy = if upstream { policy() } else { Policy::default() };
    Snapshot::compile(model(&world.text()), policy, 7)
}

/// A zone that is down for all, and a name at fault for clients of one VPC.
fn drills() -> [Drill; 2] {
    let drill = |id, fault| Drill { id, fault, vpcs: Vec::new(), clients: Vec::new(), until: 0 };
    let fault = DrillFault::Name("*.ecr.us-east-1.amazonaws.com".parse().unwrap(), NameFault::NxDomain);
    let vpcs = vec!["vpc-00000001".parse().unwrap()];
    [drill(1, DrillFault::Zone("us-east-1a".parse().unwrap())), Drill { vpcs, ..drill(2, fault) }]
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn packet_explain_expect_and_log(
        world in any_world(), upstream: bool, drilled: bool,
        questions in prop::collection::vec(
            (prop::sample::select(names()), prop::sample::select(&CLIENTS[..]), prop::sample::select(&TYPES[..])), 40),
    ) {
        let snapshot = snapshot(&world, upstream);
        let server = Server::new(if drilled { snapshot.with_drills(&drills()) } else { snapshot });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut answered = BTreeMap::new();
        for (id, (name, client, rtype)) in (1u16..).zip(&questions) {
            let (from, rtype): (_, Rtype) = (From::Address(client.parse().unwrap()), rtype.parse().unwrap());
            let domain: DnsName = name.parse().unwrap();
            let explained = explain(&server.snapshot, from.asker(), &domain, rtype);
            // what DNS64 makes takes more than one question, which are not for the thread that answers
            let made = || explained.rcode.is_some().then(|| server.ask_all(&runtime, id, from, name, rtype));
            let reply = server.ask(id, from, name, rtype).or_else(made);
            same(reply.as_ref(), &explained)?;
            let seen = observe_snapshot(&server.snapshot, from.asker(), &domain, rtype);
            let packet = observed(reply.as_ref(), rtype, &explained.reason);
            prop_assert_eq!((&seen.rcode, &seen.rule), (&packet.rcode, &packet.rule));
            let verdict = judge(&Expected::Records(seen.records.clone()), &packet, &[]);
            prop_assert!(matches!(verdict, Verdict::Pass), "{:?}: {:?} {:?}", verdict, seen, packet);
            if reply.is_some() {
                answered.insert(id, explained);
            }
        }
        let logged = server.logged();
        prop_assert_eq!(logged.keys().collect::<Vec<_>>(), answered.keys().collect::<Vec<_>>(), "one line for each reply");
        for (id, explained) in &answered {
            same_in_log(&logged[id], explained)?;
        }
    }

    /// A trace has the packet's answer, whoever gave it, and the explanation's decision; only those are asked that it names.
    #[test]
    fn packet_explain_and_trace(
        world in any_world(), first: bool,
        questions in prop::collection::vec(
            (prop::sample::select(names()), prop::sample::select(&CLIENTS[..]), prop::sample::select(&TYPES[..])), 20),
    ) {
        let policy = Policy { upstreams: Arc::from([upstream().clone()]), ..Policy::default() };
        let server = Server::new(Snapshot::compile(model(&world.text()), policy, 7));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (name, client, rtype) in &questions {
            let (from, rtype): (_, Rtype) = (From::Address(client.parse().unwrap()), rtype.parse().unwrap());
            let domain: DnsName = name.parse().unwrap();
            let explained = explain(&server.snapshot, from.asker(), &domain, rtype);
            // rules name addresses that are not there
            if explained.forwarded_to.iter().any(|to| *to != upstream().to_string()) {
                continue;
            }
            let early = first.then(|| server.trace(&runtime, from, &domain, rtype));
            let reply = server.ask_all(&runtime, 1, from, name, rtype);
            let late = server.trace(&runtime, from, &domain, rtype);
            for live in early.iter().chain([&late]) {
                prop_assert_eq!(&live.rcode, &rcode(&reply), "{:?}", live);
                prop_assert_eq!(of_explain(&live.answer), of_wire(&reply.answers), "{:?}", live);
                prop_assert_eq!(of_explain(&live.authority), of_wire(&reply.authorities), "{:?}", live);
                let decided = live.events.iter().find_map(|event| match &event.what {
                    // what the explanation adds to the rules' own steps is behind them
                    LiveEvent::Decided { name, steps, rcode, reason, .. } => {
                        // the PTR that DNS64 makes is decided by that of the IPv4 address, and by steps of its own
                        let other = (rtype == Rtype::PTR && *name != explained.name)
                            .then(|| explain(&server.snapshot, from.asker(), &name.parse().unwrap(), rtype));
                        let of = other.as_ref().unwrap_or(&explained);
                        of.steps.starts_with(steps).then_some((rcode, reason))
                    }
                    _ => None,
                });
                prop_assert_eq!(decided, Some((&explained.rcode, &explained.reason)), "{:?}", live);
                let asked = live.events.iter().any(|event| matches!(event.what, LiveEvent::Reply { .. }));
                prop_assert!(!asked || !explained.forwarded_to.is_empty(), "{:?}", live);
            }
            if !explained.forwarded_to.is_empty() {
                let last = late.events.iter().any(|event| matches!(event.what, LiveEvent::Cache { .. }));
                prop_assert!(last, "{:?}", late);
            }
        }
    }

    /// What `expect --write` says of a snapshot holds for its packets.
    #[test]
    fn written_assertions_hold_on_the_wire(world in any_world(), upstream: bool) {
        let server = server(&world, upstream);
        let text = write(&server.snapshot);
        let (assertions, problems) = parse(&"expect.txt".into(), &text);
        prop_assert!(problems.is_empty(), "{:?}", problems);
        for assertion in assertions {
            let AssertedClient::Vpc(vpc) = assertion.from else { panic!("{assertion}") };
            let reply = server.ask(1, From::Vpc(vpc), &resolve_name(&assertion.name, "vpcedns-agree"), assertion.rtype);
            let seen = observed(reply.as_ref(), assertion.rtype, "");
            let verdict = judge(&assertion.expected, &seen, &[]);
            prop_assert!(matches!(verdict, Verdict::Pass), "{}: {:?}\n{}", assertion, verdict, world.text());
        }
    }

    /// PRIVATE is an answer in the packet, PUBLIC a question for an upstream, and the rule is that of the explanation.
    #[test]
    fn report_and_packet(world in any_world()) {
        let server = server(&world, true);
        for row in report(&server.snapshot, None, None) {
            let from = From::Vpc(row.vpc_id.parse().unwrap());
            for name in &row.names {
                let asked = resolve_name(&name.name, "vpcedns-agree");
                let told = |rtype| {
                    let explained = explain(&server.snapshot, from.asker(), &asked.parse().unwrap(), rtype);
                    let reply = server.ask(1, from, &asked, rtype);
                    same(reply.as_ref(), &explained).map(|()| (reply, explained.reason))
                };
                let ((a, why_a), (aaaa, why_aaaa)) = (told(Rtype::A)?, told(Rtype::AAAA)?);
                let answers = [&a, &aaaa].into_iter().flatten().map(|reply| reply.answers.len()).sum::<usize>();
                match name.status {
                    PrivateStatus::Private => prop_assert!(answers > 0, "{:?}", name),
                    PrivateStatus::Public => prop_assert!(a.is_none(), "{:?} {:?}", name, a),
                    PrivateStatus::Off => {}
                }
                if name.status != PrivateStatus::Public {
                    prop_assert!(name.rule == why_a || name.rule == why_aaaa, "{:?}: {} {}", name, why_a, why_aaaa);
                }
            }
        }
    }
}
