//! What the integration tests share: worlds out of TOML, questions in one line, answers in one line.
//!
//! Answers are read off the wire by hickory-proto, so that each of them is a test of the encoder too.
#![allow(unreachable_pub)] // shared by tests, and no library

pub mod dir;
pub mod ec2;
pub mod entry;
pub mod hickory;
pub mod random;
pub mod rust_source;
pub mod xml;

use std::cell::LazyCell;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use vpcedns::answer::{Decision, NoTrace, Part, Question, answer};
use vpcedns::dns::{NameBuf, Rtype, Writer};
use vpcedns::model::{Broken, Model};
use vpcedns::problem::Problem;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;
use vpcedns::wire::{CookieSecret, Edns, Frame, Query, encode, records};

/// So many cases; a failure is shrunk for a while and told, and leaves no file behind.
pub fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Default::default() }
}

/// The upstream of every world that has one.
pub const UPSTREAM: &str = "192.0.2.53:53";

/// The model of one TOML text, or everything that is wrong with it.
pub fn try_model(toml: &str) -> Result<Model, Vec<Problem>> {
    let loaded = read_toml(&"t.toml".into(), toml);
    let broken = Broken { ids: loaded.broken.into_iter().collect(), incomplete: loaded.incomplete };
    let applied = Model::default().apply(&[], &loaded.inputs, &broken, &|_| None);
    let mut problems = loaded.problems;
    problems.extend(vpcedns::source::problems(applied.violations));
    match applied.model {
        Some(model) if !problems.iter().any(Problem::is_error) => Ok(model),
        _ => Err(problems),
    }
}

/// The model of one TOML text that has no errors.
pub fn model(toml: &str) -> Model {
    try_model(toml).unwrap_or_else(|problems| panic!("{}\n{toml}", lines(&problems)))
}

/// Problems as people see them.
pub fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect::<Vec<_>>().concat()
}

/// A policy with an upstream.
pub fn policy() -> Policy {
    Policy { upstreams: Arc::from([UPSTREAM.parse().unwrap()]), ..Policy::default() }
}

/// What is served out of a TOML text, with an upstream.
pub fn world(toml: &str) -> Snapshot {
    Snapshot::compile(model(toml), policy(), 1)
}

/// The same without an upstream.
pub fn world_alone(toml: &str) -> Snapshot {
    Snapshot::compile(model(toml), Policy::default(), 1)
}

/// VPC number `n`: 10.n.0.0/16 in us-east-1, with a subnet 10.n.1.0/24 in zone a, 10.n.2.0/24 in b, 10.n.3.0/24 in c.
pub fn vpc(n: u8, extra: &str) -> String {
    let mut text = format!(
        "[[vpc]]\nvpc_id = \"vpc-0000000{n}\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.{n}.0.0/16\", \"fd00:{n}::/32\"]\n{extra}\n"
    );
    for (number, zone) in (1..).zip(["a", "b", "c"]) {
        writeln!(
            text,
            "[[subnet]]\nsubnet_id = \"subnet-00000{n}0{zone}\"\nvpc_id = \"vpc-0000000{n}\"\n\
             availability_zone = \"us-east-1{zone}\"\ncidr_block = \"10.{n}.{number}.0/24\"\n\
             ipv6_cidr_block = \"fd00:{n}:0:{number}::/64\""
        )
        .unwrap();
    }
    text
}

/// Both attributes that private DNS needs.
pub const BOTH: &str = "enable_dns_support = true\nenable_dns_hostnames = true";

/// An endpoint `vpce-0000000{id}` with the suffix `{id}{id}...` in VPC `n`, its interfaces at `10.n.` and each of `hosts`.
pub fn endpoint(id: char, n: u8, service: &str, hosts: &[&str], extra: &str) -> String {
    let zone = |host: &str| ["a", "b", "c"][host[..1].parse::<usize>().unwrap() - 1];
    let interfaces = hosts.iter().enumerate().map(|(k, host)| {
        let (subnet, last) = host.split_once('.').unwrap();
        let ipv6 = if extra.contains("dns_record_ip_type") {
            format!(", ipv6_address = \"fd00:{n}:0:{subnet}::{last}\"")
        } else {
            String::new()
        };
        format!(
            "  {{ network_interface_id = \"eni-0000{n}{id}0{k}\", subnet_id = \"subnet-00000{n}0{}\", private_ip_address = \"10.{n}.{host}\"{ipv6} }},\n",
            zone(host)
        )
    });
    let interfaces: String = interfaces.collect();
    let suffix: String = std::iter::repeat_n(id, 8).collect();
    format!(
        "[[vpc_endpoint]]\nvpc_endpoint_id = \"vpce-0000000{id}\"\nvpc_id = \"vpc-0000000{n}\"\nservice_name = \"{service}\"\n\
         dns_suffix = \"{suffix}\"\n{extra}\nnetwork_interfaces = [\n{interfaces}]\n"
    )
}

/// A question as the tests write it: `from 10.1.0.5 [to 10.1.0.2:53] NAME TYPE [rd=0]`.
#[derive(Clone, Debug)]
pub struct Asked {
    pub from: IpAddr,
    pub to: SocketAddr,
    pub name: Vec<u8>,
    pub rtype: Rtype,
    pub recursion_desired: bool,
    pub rotation: u32,
}

/// Text to wire form, case kept; a final dot may be left out.
pub fn wire_name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

impl Asked {
    pub fn new(from: &str, name: &str, rtype: &str) -> Self {
        Self {
            from: from.parse().unwrap(),
            to: "127.0.0.1:53".parse().unwrap(),
            name: wire_name(name),
            rtype: rtype.parse().unwrap_or_else(|_| panic!("{rtype} is no type")),
            recursion_desired: true,
            rotation: 0,
        }
    }

    pub fn parse(text: &str) -> Self {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let rd0 = words.last() == Some(&"rd=0");
        if rd0 {
            words.pop();
        }
        let (from, to, name, rtype) = match words[..] {
            ["from", from, name, rtype] => (from, None, name, rtype),
            ["from", from, "to", to, name, rtype] => (from, Some(to), name, rtype),
            _ => panic!("no question: {text}"),
        };
        let mut asked = Self::new(from, name, rtype);
        asked.recursion_desired = !rd0;
        if let Some(to) = to {
            asked.to = to.parse().unwrap();
        }
        asked
    }
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `NOERROR`, ..., or `FORWARD` and the upstreams, and the name where it is not the question's.
    pub verdict: String,
    pub answers: Vec<String>,
    pub authority: Vec<String>,
    pub reason: String,
}

impl Told {
    /// In one line: verdict, records, reason.
    pub fn line(&self) -> String {
        let mut parts = vec![self.verdict.clone()];
        if !self.answers.is_empty() {
            parts.push(self.answers.join(", "));
        }
        if !self.authority.is_empty() {
            parts.push(format!("authority {}", self.authority.join(", ")));
        }
        parts.push(self.reason.clone());
        parts.join(" | ")
    }
}

/// The record in one line; the owner is left out where it is `asked`, and of an SOA only owner and TTL are said.
pub fn record_text(record: &Record, asked: &[u8]) -> String {
    let owner = record.name.to_string().to_ascii_lowercase();
    let is_asked = wire_name(&owner) == asked.to_ascii_lowercase();
    let owner = if is_asked { String::new() } else { format!("{} ", short(&owner)) };
    let data = record.data.to_string();
    match record.record_type() {
        hickory_proto::rr::RecordType::SOA => format!("{owner}{} SOA", record.ttl),
        rtype => format!("{owner}{} {rtype} {}", record.ttl, short(&data)),
    }
}

fn short(name: &str) -> &str {
    name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(name)
}

/// The secret of all tests.
pub fn secret() -> CookieSecret {
    CookieSecret::new([7; 16])
}

/// Asks a snapshot, and reads the reply off the wire.
pub fn ask(snapshot: &Snapshot, asked: &Asked) -> Told {
    let mut buf = NameBuf::default();
    buf.read(&asked.name).unwrap_or_else(|| panic!("{:?} is no name", asked.name));
    let question = Question { name: buf.name(), rtype: asked.rtype, recursion_desired: asked.recursion_desired };
    let client = snapshot.client(asked.to, asked.from);
    let decision = answer(snapshot, client, &question, asked.rotation, &mut NoTrace);
    tell(&decision, &question, &asked.name)
}

/// A decision in words, by way of the wire.
pub fn tell(decision: &Decision<'_>, question: &Question<'_>, name: &[u8]) -> Told {
    let octets = question_octets(name, question.rtype);
    match decision {
        Decision::Reply(reply) => {
            let query = Query {
                id: 1,
                recursion_desired: question.recursion_desired,
                checking_disabled: false,
                authentic_data: false,
                question_octets: &octets,
                question: *question,
                edns: Some(Edns::default()),
            };
            let secret = secret();
            let frame = Frame {
                limit: usize::from(u16::MAX),
                payload: 1232,
                aa: false,
                explain: true,
                secret: &secret,
                peer: IpAddr::from([127, 0, 0, 1]),
                now: &LazyCell::new(|| 0),
            };
            let mut out = vec![0; usize::from(u16::MAX)];
            let len = encode(&query, reply, &frame, &mut out);
            let message = Message::from_vec(&out[..len]).expect("a reply parses");
            assert_eq!(u16::from(message.metadata.response_code), u16::from(reply.rcode), "the rcode on the wire");
            let text = |records: &[Record]| records.iter().map(|record| record_text(record, name)).collect();
            Told {
                verdict: reply.rcode.to_string(),
                answers: text(&message.answers),
                authority: text(&message.authorities),
                reason: reply.reason.to_string(),
            }
        }
        Decision::Forward(forward) => {
            let mut verdict = "FORWARD".to_owned();
            for upstream in forward.upstreams.iter() {
                write!(verdict, " {upstream}").unwrap();
            }
            if let Some(name) = &forward.name {
                write!(verdict, " for {name}").unwrap();
            }
            Told {
                verdict,
                answers: chain_text(&forward.chain, &octets, name),
                authority: Vec::new(),
                reason: forward.reason.to_string(),
            }
        }
    }
}

/// Aliases in front of what is forwarded, by way of the wire.
fn chain_text(chain: &[Part<'_>], question_octets: &[u8], name: &[u8]) -> Vec<String> {
    let mut out = vec![0; usize::from(u16::MAX)];
    out[..12].copy_from_slice(&[0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
    let start = 12 + question_octets.len();
    out[12..start].copy_from_slice(question_octets);
    let mut writer = Writer::new(&mut out[start..], 16_384);
    let count = records(chain, &mut writer).expect("room for a chain");
    let len = start + writer.len();
    out[6..8].copy_from_slice(&count.to_be_bytes());
    let message = Message::from_vec(&out[..len]).expect("a chain parses");
    message.answers.iter().map(|record| record_text(record, name)).collect()
}

/// Name, type, class IN.
pub fn question_octets(name: &[u8], rtype: Rtype) -> Vec<u8> {
    let [high, low] = rtype.octets();
    [name, &[high, low, 0, 1]].concat()
}

/// A table of questions, each on a line of its own with the answer below it, indented.
///
/// All of them are asked; a failure shows the table as it would be right.
#[track_caller]
pub fn check(snapshot: &Snapshot, table: &str) {
    check_with(table, |question| ask(snapshot, &Asked::parse(question)).line());
}

/// The same for any way to get from a line to a line.
#[track_caller]
pub fn check_with(table: &str, answer: impl Fn(&str) -> String) {
    let (mut wanted, mut got) = (String::new(), String::new());
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        writeln!(wanted, "{}", line.trim_end()).unwrap();
        if !line.starts_with(' ') {
            writeln!(got, "{line}\n  {}", answer(line)).unwrap();
        }
    }
    assert!(wanted == got, "expected:\n{wanted}\nfound:\n{got}<end>");
}
