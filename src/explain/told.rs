//! A decision in words: the reply as a packet would have it, read again.

use std::cell::LazyCell;
use std::fmt;
use std::net::IpAddr;

use hickory_proto::op::Message as ParsedReply;
use serde::{Deserialize, Serialize};

use crate::answer::{Decision, NoTrace, Question, Reason, Reply, answer, delegation, glue};
use crate::dns::{DnsName, HeaderFlags, Message, NameBuf, Rtype, rcode_of};
use crate::model::HostedZone;
use crate::snapshot::{Client, Snapshot};
use crate::wire::dns64::{self, Translation};
use crate::wire::{CookieSecret, Frame, Query, encode};

/// A record in words.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct RecordText {
    /// Name of the owner, without a final dot.
    pub name: String,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// Mnemonic of the record type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Data in presentation format.
    pub data: String,
}

/// Octets that nearly all answers fit in; the rest get a buffer of the largest size.
const USUAL: usize = 4096;

/// What a client is told, without how it came to be.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ToldAnswer {
    /// The response code; none if others are asked.
    pub rcode: Option<String>,
    /// The answer section; of a question for others, empty.
    pub answer: Vec<RecordText>,
    /// The resolvers that are asked, in order; empty if nobody is.
    pub forwarded_to: Vec<String>,
    /// The reason in one line.
    pub reason: String,
}

impl ToldAnswer {
    /// Whether clients see no difference: the reason may be another, and the order of records.
    pub fn is_same(&self, other: &Self) -> bool {
        let sorted = |told: &Self| {
            let mut lines: Vec<_> =
                told.answer.iter().map(|r| (r.name.clone(), r.rtype.clone(), r.data.clone(), r.ttl)).collect();
            lines.sort();
            lines
        };
        (&self.rcode, &self.forwarded_to) == (&other.rcode, &other.forwarded_to) && sorted(self) == sorted(other)
    }
}

/// `NOERROR 10.0.1.17 10.0.1.81`, or who is asked.
impl fmt::Display for ToldAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rcode) = &self.rcode else {
            return write!(f, "asked upstream at {}", self.forwarded_to.join(", "));
        };
        f.write_str(rcode)?;
        self.answer.iter().try_for_each(|record| match record.rtype.as_str() {
            "A" | "AAAA" => write!(f, " {}", record.data),
            rtype => write!(f, " {rtype} {}", record.data),
        })
    }
}

/// What `client` is told for `name`: as [`super::explain`], which takes longer to say why.
pub fn tell(snapshot: &Snapshot, client: Client<'_>, name: &DnsName, rtype: Rtype) -> ToldAnswer {
    let buf = NameBuf::from(name);
    let question = Question { name: buf.name(), rtype, recursion_desired: true };
    told(snapshot, &question, &answer(snapshot, client, &question, 0, &mut NoTrace)).0
}

/// A decision in words, and the authority section of a reply.
pub(super) fn told(
    snapshot: &Snapshot,
    question: &Question<'_>,
    decision: &Decision<'_>,
) -> (ToldAnswer, Vec<RecordText>) {
    let mut told =
        ToldAnswer { rcode: None, answer: Vec::new(), forwarded_to: Vec::new(), reason: decision.reason().to_string() };
    let mut authority = Vec::new();
    match decision {
        Decision::Reply(reply) => {
            told.rcode = Some(reply.rcode.to_string());
            // what its extended error says
            told.reason = reply.drill().map_or(told.reason, ToString::to_string);
            [told.answer, authority] = sections(&encoded(snapshot, question, reply)).unwrap_or_default();
        }
        Decision::Forward(forward) => {
            told.forwarded_to = match forward.reason {
                Reason::DelegateRule(_, zone) => name_servers(zone, forward.name.as_deref(), question),
                _ => forward.upstreams.iter().map(ToString::to_string).collect(),
            };
        }
    }
    (told, authority)
}

/// The name servers of the cut that is followed, with the addresses that the zone has of them.
fn name_servers(zone: &HostedZone, name: Option<&DnsName>, question: &Question<'_>) -> Vec<String> {
    let own = DnsName::from_wire(question.name.wire());
    let cut = name.or(own.as_ref()).and_then(|name| delegation(zone, name));
    let servers = cut.into_iter().flat_map(|(_, servers)| &servers.rdata);
    let servers = servers.filter_map(|data| DnsName::from_wire(data));
    servers
        .map(|server| match &glue(zone, &server)[..] {
            [] => server.to_string(),
            addresses => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                format!("{server} ({})", addresses.join(", "))
            }
        })
        .collect()
}

/// What a packet with this question would be.
fn query<'q>(question: &Question<'q>, question_octets: &'q [u8]) -> Query<'q> {
    Query {
        id: 0,
        recursion_desired: question.recursion_desired,
        checking_disabled: false,
        authentic_data: false,
        question_octets,
        question: *question,
        edns: None,
    }
}

/// Name, type and class IN.
fn octets_of(question: &Question<'_>) -> Vec<u8> {
    let [h, l] = question.rtype.octets();
    question.name.wire().iter().copied().chain([h, l, 0, 1]).collect()
}

/// The reply as a packet would have it.
fn encoded(snapshot: &Snapshot, question: &Question<'_>, reply: &Reply<'_>) -> Vec<u8> {
    let octets = octets_of(question);
    let query = query(question, &octets);
    let secret = CookieSecret::new([0; 16]);
    let frame = Frame {
        limit: usize::from(u16::MAX),
        payload: 0,
        aa: snapshot.policy.aa,
        explain: false,
        secret: &secret,
        peer: IpAddr::from([0; 4]),
        now: &LazyCell::new(|| 0),
    };
    let encoded = |room: usize| {
        let mut out = vec![0; room];
        let len = encode(&query, reply, &Frame { limit: room, ..frame }, &mut out);
        out.truncate(len);
        out
    };
    let short = encoded(USUAL);
    let is_cut = Message::parse(&short).is_ok_and(|message| message.flags().has(HeaderFlags::TC));
    if is_cut { encoded(usize::from(u16::MAX)) } else { short }
}

/// Answer and authority section of a message.
fn sections(message: &[u8]) -> Option<[Vec<RecordText>; 2]> {
    let message = ParsedReply::from_vec(message).ok()?;
    Some([&message.answers, &message.authorities].map(|section| section.iter().map(text).collect()))
}

/// What DNS64 makes for a client at `address` in the place of `decision`; `None`: that stands.
pub(super) fn translated(
    snapshot: &Snapshot,
    client: &Client<'_>,
    address: IpAddr,
    question: &Question<'_>,
    decision: &Decision<'_>,
) -> Option<Translated> {
    let octets = octets_of(question);
    let decide = |question: &Question<'_>| answer(snapshot, *client, question, 0, &mut NoTrace);
    match dns64::translation(snapshot, client, address, &query(question, &octets))? {
        Translation::Addresses => {
            // nobody knows what an upstream will say
            let Decision::Reply(reply) = decision else { return Some(Translated::Perhaps) };
            let longest_ttl = dns64::longest_ttl(&encoded(snapshot, question, reply))?;
            let of_a = Question { rtype: Rtype::A, ..*question };
            Translated::of(snapshot, &of_a, &decide(&of_a), |source| dns64::addresses(&octets, source, longest_ttl))
        }
        Translation::Reverse(name) => {
            let of_v4 = Question { name: name.name(), ..*question };
            Translated::of(snapshot, &of_v4, &decide(&of_v4), |source| dns64::alias(&octets, source, &name))
        }
    }
}

/// What DNS64 makes of a question.
pub(super) enum Translated {
    /// This answer, out of the answer for another name or type, and its authority section.
    Made(ToldAnswer, Vec<RecordText>, String),
    /// AAAA of A, where an upstream has A alone.
    Perhaps,
}

impl fmt::Display for Translated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client's subnet has enable_dns64: ")?;
        match self {
            Self::Made(_, _, source) => write!(f, "the answer is made of {source}"),
            Self::Perhaps => f.write_str("where the name has A and no AAAA, it gets AAAA below 64:ff9b::"),
        }
    }
}

impl Translated {
    /// Out of what is decided for `source`; `make` makes the answer of its reply.
    fn of(
        snapshot: &Snapshot,
        source: &Question<'_>,
        decision: &Decision<'_>,
        make: impl FnOnce(&Message<'_>) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let (mut told, mut authority) = told(snapshot, source, decision);
        if let Decision::Reply(reply) = decision {
            let octets = encoded(snapshot, source, reply);
            let reply = make(&Message::parse(&octets).ok()?)?;
            told.rcode = Some(rcode_of(&reply).to_string());
            [told.answer, authority] = sections(&reply)?;
        }
        Some(Self::Made(told, authority, format!("the {} records of {}", source.rtype, source.name)))
    }
}

/// A record in words.
pub fn text(record: &hickory_proto::rr::Record) -> RecordText {
    let name = record.name.to_string();
    RecordText {
        name: name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(".").to_owned(),
        ttl: record.ttl,
        rtype: record.record_type().to_string(),
        data: record.data.to_string(),
    }
}
