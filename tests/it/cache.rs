//! Cached answers as clients see them: the same as uncached ones, never another VPC's, never from before a change.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::{BOTH, cases, endpoint, lines, model, secret, vpc};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{A, CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use proptest::prelude::*;
use tokio::time::{Instant, advance, sleep};
use vpcedns::answer::{Decision, NoTrace, Question, answer};
use vpcedns::config::Limits;
use vpcedns::dns::{NameBuf, Rtype};
use vpcedns::forward::cache::{Cache, Flush, ReplyKind};
use vpcedns::forward::lookup::{Lookup, LookupQuestion};
use vpcedns::forward::{Exchange, Failure, Repeated, Tried};
use vpcedns::forward::{ForwardError, Outbound};
use vpcedns::model::{Broken, Input, Model, Upstream};
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;
use vpcedns::wire::Transport;

const EC2: &str = "com.amazonaws.us-east-1.ec2";
const PRIVATE: &str = "ec2.us-east-1.amazonaws.com.";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// An upstream that answers every question with `records`, and tells how often it was asked.
fn upstream(records: Vec<Record>, rcode: ResponseCode) -> (SocketAddr, Arc<Mutex<usize>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        let mut buf = [0; 1232];
        while let Ok((len, peer)) = socket.recv_from(&mut buf) {
            *count.lock().unwrap() += 1;
            let query = Message::from_vec(&buf[..len]).unwrap();
            let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
            reply.metadata.response_code = rcode;
            reply.metadata.authentic_data = true;
            reply.queries.clone_from(&query.queries);
            reply.answers.clone_from(&records);
            socket.send_to(&reply.to_vec().unwrap(), peer).unwrap();
        }
    });
    (address, asked)
}

struct Server {
    resolver: Resolver,
    runtime: tokio::runtime::Runtime,
}

/// What a client asks, and how.
#[derive(Clone, Copy)]
struct Client {
    from: &'static str,
    edns: bool,
    dnssec_ok: bool,
    authentic_data: bool,
    cookie: bool,
    payload: u16,
    transport: Transport,
}

const INSIDE: Client = Client {
    from: "10.1.0.5",
    edns: true,
    dnssec_ok: false,
    authentic_data: true,
    cookie: true,
    payload: 1232,
    transport: Transport::Udp,
};

impl Server {
    fn new(zones: &str, upstream: SocketAddr) -> Self {
        let policy = Policy { upstreams: Arc::from([upstream.into()]), ..Policy::default() };
        let snapshots = ServedSnapshot::fixed(Snapshot::compile(model(zones), policy, 1));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let resolver = Resolver::new(snapshots, Limits::default(), secret(), Arc::new(Counters::default()));
        Self { resolver, runtime }
    }

    /// The reply, and whether it was there at once.
    fn ask(&self, client: Client, asked: &str, rtype: RecordType) -> (Vec<u8>, bool) {
        let mut query = Message::new(7, MessageType::Query, OpCode::Query);
        query.metadata.recursion_desired = true;
        query.metadata.authentic_data = client.authentic_data;
        query.queries.push(Query::query(Name::from_ascii(asked).unwrap(), rtype));
        if client.edns {
            let edns = query.edns.get_or_insert_default();
            edns.set_max_payload(client.payload).set_dnssec_ok(client.dnssec_ok);
            if client.cookie {
                edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::Cookie.into(), vec![9; 8]));
            }
        }
        let packet = query.to_vec().unwrap();
        let peer = SocketAddr::new(client.from.parse().unwrap(), 5353);
        let local = "127.0.0.1:53".parse().unwrap();
        let incoming = Incoming { packet: &packet, peer, local, transport: client.transport, vpc: None };
        let mut out = vec![0; 65_535];
        match self.resolver.try_resolve(&self.resolver.batch(), incoming, &mut out) {
            Outcome::Reply(len) => (out[..len].to_vec(), true),
            Outcome::Pending => (self.runtime.block_on(self.resolver.resolve(incoming)).unwrap(), false),
            Outcome::Silent => panic!("no reply"),
        }
    }

    fn texts(&self, client: Client, asked: &str) -> (Vec<String>, bool) {
        let (reply, at_once) = self.ask(client, asked, RecordType::A);
        let message = Message::from_vec(&reply).unwrap();
        (message.answers.iter().map(|r| format!("{} {}", r.record_type(), r.data)).collect(), at_once)
    }
}

/// The octets less the server's cookie, which has the second of the day in it.
fn without_cookie(mut reply: Vec<u8>) -> Vec<u8> {
    if let Some(at) = reply.windows(12).position(|w| w == [0, 10, 0, 24, 9, 9, 9, 9, 9, 9, 9, 9]) {
        reply[at + 12..at + 28].fill(0);
    }
    reply
}

#[test]
fn a_hit_is_the_miss() {
    let address = |last: u8| RData::A(A::new(203, 0, 113, last));
    let records: Vec<Record> = [
        Record::from_rdata(name("www.example."), 3000, RData::CNAME(CNAME(name("web.example.")))),
        Record::from_rdata(name("web.example."), 3000, address(7)),
        Record::from_rdata(name("web.example."), 3000, address(9)),
    ]
    .into();
    let (address, asked) = upstream(records, ResponseCode::NoError);
    for client in [
        INSIDE,
        Client { edns: false, ..INSIDE },
        Client { edns: false, authentic_data: false, ..INSIDE },
        Client { dnssec_ok: true, authentic_data: false, ..INSIDE },
        Client { cookie: false, transport: Transport::Tcp, ..INSIDE },
    ] {
        let server = Server::new(&vpc(1, BOTH), address);
        let before = *asked.lock().unwrap();
        let (miss, at_once) = server.ask(client, "wWw.Example.", RecordType::A);
        assert!(!at_once);
        let (hit, at_once) = server.ask(client, "wWw.Example.", RecordType::A);
        assert!(at_once);
        assert_eq!(without_cookie(hit), without_cookie(miss.clone()));
        assert_eq!(*asked.lock().unwrap(), before + 1);
        // AD is for those who understand it (RFC 6840 5.8)
        let wanted = client.authentic_data || client.dnssec_ok;
        assert_eq!(Message::from_vec(&miss).unwrap().metadata.authentic_data, wanted);
        let (other_case, at_once) = server.ask(client, "WWW.example.", RecordType::A);
        assert!(at_once && other_case[13..16] == *b"WWW");
    }
}

#[test]
fn a_hit_that_is_too_long_is_cut_at_once() {
    let text = |n: u8| {
        Record::from_rdata(
            name("big.example."),
            300,
            RData::TXT(TXT::new(
                vec![vec![b'x'; 200 + usize::from(n)]; 1].into_iter().map(|t| String::from_utf8(t).unwrap()).collect(),
            )),
        )
    };
    let (address, asked) = upstream((0..5).map(text).collect(), ResponseCode::NoError);
    let server = Server::new(&vpc(1, BOTH), address);
    let tcp = Client { transport: Transport::Tcp, ..INSIDE };
    assert_eq!(Message::from_vec(&server.ask(tcp, "big.example.", RecordType::TXT).0).unwrap().answers.len(), 5);
    let (cut, at_once) = server.ask(Client { payload: 512, ..INSIDE }, "big.example.", RecordType::TXT);
    let cut = Message::from_vec(&cut).unwrap();
    assert!(at_once && cut.metadata.truncation && cut.answers.is_empty());
    assert!(server.ask(tcp, "big.example.", RecordType::TXT).1);
    assert_eq!(*asked.lock().unwrap(), 1);
}

/// Two VPCs share the upstream, and so the entry; each gets its own end of the alias.
#[test]
fn an_alias_is_looked_at_anew_on_every_hit() {
    let zones = [vpc(1, BOTH), vpc(2, BOTH), endpoint('a', 1, EC2, &["1.17"], "")].concat();
    let public = vec![
        Record::from_rdata(name("www.example."), 300, RData::CNAME(CNAME(name(PRIVATE)))),
        Record::from_rdata(name(PRIVATE), 300, RData::A(A::new(203, 0, 113, 7))),
    ];
    let (address, asked) = upstream(public, ResponseCode::NoError);
    let server = Server::new(&zones, address);
    let outside = Client { from: "10.2.0.5", ..INSIDE };
    let alias = format!("CNAME {PRIVATE}");
    let (public, private) = (vec![alias.clone(), "A 203.0.113.7".into()], vec![alias, "A 10.1.1.17".into()]);
    assert_eq!(server.texts(outside, "www.example."), (public.clone(), false));
    for _ in 0..2 {
        // put together out of the entry, on the slow path
        assert_eq!(server.texts(INSIDE, "www.example."), (private.clone(), false));
        assert_eq!(server.texts(outside, "www.example."), (public.clone(), true));
    }
    assert_eq!(*asked.lock().unwrap(), 1);
}

/// A public "no" for a name that could be private says why, from the cache as well.
#[test]
fn reasons_are_there_on_hits() {
    let zones = [vpc(1, ""), endpoint('a', 1, EC2, &["1.17"], "")].concat();
    let (address, _) = upstream(Vec::new(), ResponseCode::ServFail);
    let server = Server::new(&zones, address);
    let (miss, _) = server.ask(INSIDE, PRIVATE, RecordType::A);
    let (hit, at_once) = server.ask(INSIDE, PRIVATE, RecordType::A);
    assert!(at_once, "failures are kept, too");
    assert_eq!(without_cookie(miss), without_cookie(hit.clone()));
    assert!(String::from_utf8_lossy(&hit).contains("private DNS is off: enable_dns_hostnames=false"));
}

fn inputs(text: &str) -> Vec<Input> {
    let loaded = read_toml(&"t.toml".into(), text);
    assert_eq!(lines(&loaded.problems), "", "{text}");
    loaded.inputs
}

/// What is published, changed in whole as files are.
struct World {
    text: String,
    model: Model,
    snapshot: Arc<Snapshot>,
}

impl World {
    fn new(text: String, policy: Policy) -> Self {
        let model = model(&text);
        let snapshot = Arc::new(Snapshot::compile(model.clone(), policy, 1));
        Self { text, model, snapshot }
    }

    /// Publishes another text, and returns the names that changed hands by it.
    fn publish(&mut self, text: String) -> HashSet<vpcedns::dns::DnsName> {
        let removed: Vec<_> = inputs(&self.text).iter().map(Input::key).collect();
        let applied = self.model.apply(&removed, &inputs(&text), &Broken::default(), &|_| None);
        let model = applied.model.unwrap_or_else(|| panic!("{:#?}", applied.violations));
        let next = self.snapshot.next(model.clone(), &applied.changes);
        let names = self.snapshot.changed_hands(&next, &applied.changes);
        (self.text, self.model, self.snapshot) = (text, model, Arc::new(next));
        names
    }
}

#[test]
fn names_that_change_hands() {
    let zone = |name: &str, address: &str| {
        format!(
            "[[hosted_zone]]\nname = \"{name}\"\nvpc_ids = [\"vpc-00000001\"]\n\
             records = [{{ name = \"x\", type = \"A\", values = [\"{address}\"] }}]\n"
        )
    };
    let base = || [vpc(1, BOTH), vpc(2, ""), endpoint('a', 1, EC2, &["1.17"], "")].concat();
    let ec2 = ["ec2.us-east-1.amazonaws.com", "ec2.us-east-1.vpce.amazonaws.com"];
    for (from, to, want) in [
        (base(), base(), &[][..]),
        (base(), base() + &rule(1, "corp.example", 9), &["corp.example"]),
        (base() + &rule(1, "corp.example", 9), base() + &rule(1, "corp.example", 8), &["corp.example"]),
        (base() + &zone("a.example", "10.0.0.1"), base() + &zone("b.example", "10.0.0.1"), &["a.example", "b.example"]),
        (base() + &zone("a.example", "10.0.0.1"), base() + &zone("a.example", "10.0.0.2"), &["a.example"]),
        (base(), [vpc(1, BOTH), vpc(2, "")].concat(), &ec2),
        (base(), base().replace("1.17", "1.18"), &ec2),
        (base(), base() + &vpc(3, ""), &["in-addr.arpa"]),
        (base(), base() + &vpc(3, BOTH), &["ec2.internal", "in-addr.arpa"]),
        (
            base(),
            base().replace(&vpc(1, BOTH), &vpc(1, "")),
            &["ec2.internal", "ec2.us-east-1.amazonaws.com", "in-addr.arpa"],
        ),
    ] {
        let mut world = World::new(from.clone(), Policy::default());
        let mut names: Vec<String> = world.publish(to.clone()).iter().map(ToString::to_string).collect();
        names.sort();
        assert_eq!(names, want, "from\n{from}\nto\n{to}");
    }
}

fn rule(n: u8, domain: &str, upstream: u8) -> String {
    format!(
        "[[resolver_rule]]\ndomain_name = \"{domain}\"\nrule_type = \"FORWARD\"\n\
         target_ips = [\"192.0.2.{upstream}:53\"]\nvpc_ids = [\"vpc-0000000{n}\"]\n"
    )
}

/// TTL of every scripted answer, in seconds.
const TTL: u64 = 20;
/// Names of which the first two are under the rules that change.
const NAMES: [&str; 3] = ["a.corp.example", "b.corp.example", "c.example"];

/// Upstreams that say who they are, and number what they say; those that are down say nothing for five seconds.
#[derive(Default)]
struct Scripted {
    /// What was said, by its number: who said it, and when it was asked.
    said: Mutex<Vec<(u8, Step)>>,
    down: Mutex<HashSet<u8>>,
    /// What the next questions take, in turn.
    delays: Mutex<Vec<u64>>,
    step: Mutex<Step>,
}

/// How many things have happened.
type Step = usize;

/// The same upstreams for the lookup and for the test.
struct Shared(Arc<Scripted>);

impl Exchange for Shared {
    async fn exchange(
        &self,
        question: &Outbound<'_>,
        to: &Arc<[Upstream]>,
        _: &Repeated,
    ) -> Result<Vec<u8>, ForwardError> {
        let SocketAddr::V4(first) = to[0].address else { panic!("no IPv4") };
        let upstream = first.ip().octets()[3];
        let asked = *self.0.step.lock().unwrap();
        let delay = {
            let mut delays = self.0.delays.lock().unwrap();
            delays.rotate_left(1);
            delays[0]
        };
        if self.0.down.lock().unwrap().contains(&upstream) {
            sleep(Duration::from_secs(5)).await;
            return Err(ForwardError {
                tried: vec![Tried { upstream: to[0].clone(), failure: Failure::TimedOut, over_tcp: false }],
            });
        }
        sleep(Duration::from_millis(delay)).await;
        let mut said = self.0.said.lock().unwrap();
        let number = u16::try_from(said.len()).unwrap().to_be_bytes();
        said.push((upstream, asked));
        let head = [0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, TTL as u8, 0, 4, 10, upstream, number[0], number[1]];
        Ok([&head[..], question.name, &[0, 1, 0, 1], &record].concat())
    }

    fn refusal(&self, _: &[u8], _: &[Upstream]) -> Option<ForwardError> {
        None
    }
}

/// What a VPC does with `corp.example`.
#[derive(Clone, Copy, Debug)]
enum Corp {
    /// It is as for everybody.
    Public,
    /// A rule to this upstream.
    Rule(u8),
    /// A zone of its own.
    Zone,
}

#[derive(Clone, Debug)]
enum Event {
    Ask { vpc: u8, name: usize },
    Turn { ms: u64 },
    Publish { vpc: u8, corp: Corp },
    Toggle { upstream: u8 },
    Flush,
}

fn event() -> impl Strategy<Value = Event> {
    let corp =
        prop_oneof![Just(Corp::Public), (1..3u8).prop_map(Corp::Rule), (1..3u8).prop_map(Corp::Rule), Just(Corp::Zone)];
    prop_oneof![
        8 => (1..3u8, 0..NAMES.len()).prop_map(|(vpc, name)| Event::Ask { vpc, name }),
        4 => prop::sample::select(vec![1, 300, 2000, 6000, 19_000, 25_000]).prop_map(|ms| Event::Turn { ms }),
        2 => (1..3u8, corp).prop_map(|(vpc, corp)| Event::Publish { vpc, corp }),
        1 => (0..3u8).prop_map(|upstream| Event::Toggle { upstream }),
        1 => Just(Event::Flush),
    ]
}

fn zones(corps: [Corp; 2]) -> String {
    let own = (1..).zip(corps).map(|(n, corp)| match corp {
        Corp::Public => String::new(),
        Corp::Rule(upstream) => rule(n, "corp.example", upstream),
        Corp::Zone => {
            format!("[[hosted_zone]]\nname = \"corp.example\"\nvpc_ids = [\"vpc-0000000{n}\"]\nrecords = []\n")
        }
    });
    [vpc(1, BOTH), vpc(2, BOTH)].into_iter().chain(own).collect()
}

/// Plays the events; every answer is judged when it is there.
async fn play(events: Vec<Event>, delays: Vec<u64>) {
    let scripted = Arc::new(Scripted { delays: Mutex::new(delays), ..Scripted::default() });
    let limits = Limits::default();
    let lookup = Arc::new(Lookup::new(Shared(Arc::clone(&scripted)), Arc::new(Cache::new(&limits)), &limits));
    let policy = Policy { upstreams: Arc::from(["192.0.2.0:53".parse().unwrap()]), ..Policy::default() };
    let mut corps = [Corp::Rule(1), Corp::Rule(2)];
    let mut world = World::new(zones(corps), policy);
    // since when no answer may be given that was asked for before, for names below corp.example and for all others
    let mut since = [0, 0];
    let mut clients = Vec::new();
    for (step, event) in (1..).zip(events) {
        *scripted.step.lock().unwrap() = step;
        match event {
            Event::Turn { ms } => advance(Duration::from_millis(ms)).await,
            Event::Toggle { upstream } => {
                let mut down = scripted.down.lock().unwrap();
                if !down.remove(&upstream) {
                    down.insert(upstream);
                }
            }
            Event::Flush => {
                lookup.cache().flush(&Flush::All);
                since = [step, step];
            }
            Event::Publish { vpc, corp } => {
                corps[usize::from(vpc) - 1] = corp;
                let names = world.publish(zones(corps));
                lookup.cache().forget_below(&names);
                if !names.is_empty() {
                    since[0] = step;
                }
            }
            Event::Ask { vpc, name } => {
                let (lookup, scripted, snapshot) = (lookup.clone(), scripted.clone(), world.snapshot.clone());
                let since = since[usize::from(name == 2)];
                let expected = match corps[usize::from(vpc) - 1] {
                    Corp::Rule(upstream) if name < 2 => Some(upstream),
                    Corp::Zone if name < 2 => None,
                    _ => Some(0),
                };
                clients.push(tokio::spawn(async move {
                    let got = ask(&lookup, &snapshot, vpc, NAMES[name]).await;
                    let (Some(expected), Some((upstream, number))) = (expected, got) else {
                        assert!(expected.is_some() || got.is_none(), "a name of ours was asked for");
                        return;
                    };
                    let (said_by, asked) = scripted.said.lock().unwrap()[number];
                    assert_eq!((upstream, said_by), (expected, expected), "vpc {vpc}, {}", NAMES[name]);
                    assert!(asked >= since, "{} was asked for at step {asked}, before {since}", NAMES[name]);
                }));
            }
        }
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
    for client in clients {
        client.await.unwrap();
    }
}

/// Who answered a client, and the number of what it said; nothing for a failure, and for a name that is ours.
async fn ask<E: Exchange>(lookup: &Arc<Lookup<E>>, snapshot: &Snapshot, vpc: u8, name: &str) -> Option<(u8, usize)> {
    let wire = crate::common::wire_name(name);
    let mut buf = NameBuf::default();
    buf.read(&wire).unwrap();
    let question = Question { name: buf.name(), rtype: Rtype::A, recursion_desired: true };
    let client = snapshot.client("127.0.0.1:53".parse().unwrap(), format!("10.{vpc}.0.5").parse().unwrap());
    let Decision::Forward(forward) = answer(snapshot, client, &question, 0, &mut NoTrace) else { return None };
    let upstreams = lookup.cache().upstreams(forward.upstreams, false);
    let name = question.name.wire();
    let (rtype, dnssec_ok, checking_disabled) = (Rtype::A, false, false);
    let upstreams = &upstreams;
    let wanted =
        LookupQuestion { spelled: &wire, name, rtype, dnssec_ok, checking_disabled, upstreams, recorder: None };
    let began = Instant::now();
    let found = match lookup.find(&wanted, lookup.now()) {
        Some(found) => found,
        None => lookup.resolve(&wanted).await,
    };
    assert!(began.elapsed() <= Duration::from_secs(30), "{:?}", began.elapsed());
    let octets = found.entry.message(found.age, Rtype::A);
    let [upstream, high, low] = *octets.get(..octets.len() - 11)?.last_chunk()?;
    (found.entry.kind() == ReplyKind::Positive).then(|| (upstream, usize::from(u16::from_be_bytes([high, low]))))
}

proptest! {
    #![proptest_config(cases(150))]

    /// Two VPCs with different rules for one domain never see each other's answers, nor any from before a change.
    #[test]
    fn no_client_sees_what_is_not_for_it(
        events in prop::collection::vec(event(), 1..60),
        delays in prop::collection::vec(prop::sample::select(vec![0, 10, 700, 2500]), 7),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(events, delays));
    }
}
