//! Why an answer is what it is: the same `answer` and `encode` as for a packet, with a trace (invariant I7).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use hickory_proto::op::Message;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::answer::{Decision, NoTrace, Question, Reason, Reply, advice, answer, delay, delegation};
use crate::dns::{DnsName, NameBuf, Rtype};
use crate::model::{HostedZone, Key, OutboundEndpoint};
use crate::naming::VpcId;
use crate::snapshot::{Access, Client, Snapshot};
use crate::wire::{CookieSecret, Frame, Query, encode};

/// The answer to a question, and how it came to be.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Explanation {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Whose question it would be: an address, a network, or the id of a VPC.
    pub from: String,
    /// The VPC whose client that is.
    pub vpc: Option<String>,
    /// The generation of the snapshot that was asked.
    pub generation: u64,
    /// What was looked at, in order.
    pub steps: Vec<String>,
    /// The response code; none if others are asked.
    pub rcode: Option<String>,
    /// The answer section.
    pub answer: Vec<RecordText>,
    /// The authority section.
    pub authority: Vec<RecordText>,
    /// The resolvers that are asked, in order; empty if nobody is.
    pub forwarded_to: Vec<String>,
    /// The reason in one line, as in the extended error of a reply.
    pub reason: String,
    /// The info-code of that extended error (RFC 8914 4).
    pub info_code: u16,
    /// What would make the name private.
    pub advice: Vec<String>,
}

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

/// Whose question is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A client with this address, and the address that it asks, which may be a VPC's listener.
    Address(IpAddr, SocketAddr),
    /// A client in this network, as a forwarder says in EDNS Client Subnet, and the address that it asks.
    Network(IpNet, SocketAddr),
    /// Any client of this VPC.
    Vpc(VpcId),
}

impl Asker {
    /// A client with address `from` that asks at a listener that belongs to no VPC.
    pub fn address(from: IpAddr) -> Self {
        Self::Address(from, OF_NO_VPC)
    }

    /// The same client, asking at `listener` where there is one.
    #[must_use]
    pub fn to(self, listener: Option<SocketAddr>) -> Self {
        match (self, listener) {
            (Self::Address(from, _), Some(listener)) => Self::Address(from, listener),
            (Self::Network(from, _), Some(listener)) => Self::Network(from, listener),
            _ => self,
        }
    }

    /// The client as the snapshot knows it.
    pub fn client(self, snapshot: &Snapshot) -> Client<'_> {
        match self {
            Self::Address(from, local) => snapshot.client(local, from),
            Self::Network(from, local) => snapshot.client_in(local, from),
            Self::Vpc(vpc) => snapshot.client_of(vpc),
        }
    }

    /// Its address, or the first of its network; any client of a VPC has none.
    pub fn peer(self) -> Option<IpAddr> {
        match self {
            Self::Address(from, _) => Some(from),
            Self::Network(from, _) => Some(from.network()),
            Self::Vpc(_) => None,
        }
    }

    /// The address that it asks.
    pub fn local(self) -> SocketAddr {
        match self {
            Self::Address(_, local) | Self::Network(_, local) => local,
            Self::Vpc(_) => OF_NO_VPC,
        }
    }

    /// What DNS64 makes for a client in a subnet that has it.
    fn dns64(self, snapshot: &Snapshot, client: &Client<'_>, rtype: Rtype) -> Option<String> {
        let address = self.peer()?;
        let vpc = client.view.vpc.as_ref().filter(|_| rtype == Rtype::AAAA)?;
        snapshot.model.is_dns64(vpc.vpc_id, address).then(|| {
            "the client's subnet has enable_dns64: where the name has A and no AAAA, it gets AAAA below 64:ff9b::"
                .to_owned()
        })
    }

    /// What its network means for who it is.
    fn of_network(self, snapshot: &Snapshot) -> Vec<String> {
        let Self::Network(from, local) = self else { return Vec::new() };
        let mut steps = vec![format!("asked for {from} by a forwarder, in EDNS Client Subnet")];
        let is_known = snapshot.client(local, from.network()).access != Access::Unknown;
        if is_known && self.client(snapshot).access == Access::Unknown {
            steps.push(format!("{from} reaches beyond the addresses of one VPC: its clients are of none"));
        }
        steps
    }
}

/// A listener that belongs to no VPC.
const OF_NO_VPC: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(from, _) => from.fmt(f),
            Self::Network(from, _) => from.fmt(f),
            Self::Vpc(vpc) => vpc.fmt(f),
        }
    }
}

impl FromStr for Asker {
    type Err = String;

    /// An address, a network, or the id of a VPC.
    fn from_str(text: &str) -> Result<Self, String> {
        let network = || text.parse().ok().map(|network: IpNet| Self::Network(network.trunc(), OF_NO_VPC));
        let vpc = || text.starts_with("vpc-").then(|| text.parse().ok()).flatten();
        let asker = text.parse().ok().map(Self::address).or_else(network).or_else(|| vpc().map(Self::Vpc));
        asker.ok_or_else(|| format!("'{text}' is neither an IP address or network nor the id of a VPC"))
    }
}

/// Octets that nearly all answers fit in; the rest get a buffer of the largest size.
const USUAL: usize = 4096;

/// The answer to `asker`'s question for `name`, and how it came to be.
pub fn explain(snapshot: &Snapshot, asker: Asker, name: &DnsName, rtype: Rtype) -> Explanation {
    let buf = NameBuf::from(name);
    let question = Question { name: buf.name(), rtype, recursion_desired: true };
    let client = asker.client(snapshot);
    let mut steps = asker.of_network(snapshot);
    let decision = answer(snapshot, client, &question, 0, &mut steps);
    steps.extend(delay(snapshot, &client, &question).map(|(drill, _)| format!("{drill}, for {}", drill.whom())));
    steps.extend(views(snapshot, &client, &decision));
    steps.extend(outbound(&decision));
    steps.extend(validation(snapshot, &client, &decision));
    let (told, authority) = told(snapshot, &question, &decision);
    steps.extend(asker.dns64(snapshot, &client, rtype).filter(|_| told.answer.is_empty()));
    let reason = decision.reason();
    Explanation {
        name: name.to_string(),
        rtype: rtype.to_string(),
        from: asker.to_string(),
        vpc: client.view.vpc.as_ref().map(|vpc| vpc.vpc_id.to_string()),
        generation: snapshot.generation,
        steps,
        // one that has an answer needs none
        advice: if told.answer.is_empty() { advice(&snapshot.model, &client, &question.name) } else { Vec::new() },
        rcode: told.rcode,
        answer: told.answer,
        authority,
        forwarded_to: told.forwarded_to,
        reason: told.reason,
        info_code: reason.info_code().number(),
    }
}

/// What a client is told, without how it came to be.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
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

/// What `client` is told for `name`: as [`explain`], which takes longer to say why.
pub fn tell(snapshot: &Snapshot, client: Client<'_>, name: &DnsName, rtype: Rtype) -> ToldAnswer {
    let buf = NameBuf::from(name);
    let question = Question { name: buf.name(), rtype, recursion_desired: true };
    told(snapshot, &question, &answer(snapshot, client, &question, 0, &mut NoTrace)).0
}

/// A decision in words, and the authority section of a reply.
fn told(snapshot: &Snapshot, question: &Question<'_>, decision: &Decision<'_>) -> (ToldAnswer, Vec<RecordText>) {
    let mut told =
        ToldAnswer { rcode: None, answer: Vec::new(), forwarded_to: Vec::new(), reason: decision.reason().to_string() };
    let mut authority = Vec::new();
    match decision {
        Decision::Reply(reply) => {
            told.rcode = Some(reply.rcode.to_string());
            // what its extended error says
            told.reason = reply.drill().map_or(told.reason, ToString::to_string);
            if let Some(message) = encoded(snapshot, question, reply) {
                told.answer = message.answers.iter().map(text).collect();
                authority = message.authorities.iter().map(text).collect();
            }
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

/// The name servers of the cut that is followed.
fn name_servers(zone: &HostedZone, name: Option<&DnsName>, question: &Question<'_>) -> Vec<String> {
    let own = DnsName::from_wire(question.name.wire());
    let cut = name.or(own.as_ref()).and_then(|name| delegation(zone, name));
    let servers = cut.into_iter().flat_map(|(_, servers)| &servers.rdata);
    servers.filter_map(|data| Some(DnsName::from_wire(data)?.to_string())).collect()
}

/// The reply as a packet would have it, read again.
fn encoded(snapshot: &Snapshot, question: &Question<'_>, reply: &Reply<'_>) -> Option<Message> {
    let [h, l] = question.rtype.octets();
    let octets: Vec<u8> = question.name.wire().iter().copied().chain([h, l, 0, 1]).collect();
    let query = Query {
        id: 0,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        question_octets: &octets,
        question: *question,
        edns: None,
    };
    let secret = CookieSecret::new([0; 16]);
    let frame = Frame {
        limit: usize::from(u16::MAX),
        payload: 0,
        aa: snapshot.policy.aa,
        explain: false,
        secret: &secret,
        peer: IpAddr::from([0; 4]),
        now: 0,
    };
    let encoded = |room: usize| {
        let mut out = vec![0; room];
        let len = encode(&query, reply, &Frame { limit: room, ..frame }, &mut out);
        Message::from_vec(out.get(..len).unwrap_or_default())
    };
    encoded(USUAL)
        .and_then(|short| if short.metadata.truncation { encoded(usize::from(u16::MAX)) } else { Ok(short) })
        .ok()
}

/// From where others are asked, where a rule names an outbound endpoint.
fn outbound(decision: &Decision<'_>) -> Option<String> {
    let (Reason::Rule(rule) | Reason::DelegateRule(rule, _)) = decision.reason() else { return None };
    let OutboundEndpoint { id, addresses } = rule.outbound.as_ref()?;
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Some(match &addresses[..] {
        [] => format!("the addresses of the outbound endpoint {id} are not known here: the system chooses one"),
        _ => format!("asked from {}, of the outbound endpoint {id}, where it is on this host", addresses.join(" or ")),
    })
}

/// That the reply is validated, and who wants it.
fn validation(snapshot: &Snapshot, client: &Client<'_>, decision: &Decision<'_>) -> Option<String> {
    // the name servers of a delegation are asked, and not these
    let is_followed = matches!(decision.reason(), Reason::DelegateRule(..));
    let Decision::Forward(forward) = decision else { return None };
    let whose = match &client.view.vpc {
        _ if snapshot.policy.dnssec_validation => "--dnssec validate".to_owned(),
        Some(vpc) => format!("dnssec_validation of {}", vpc.vpc_id),
        None => return None,
    };
    let is_so = !is_followed && snapshot.validates(client, forward.upstreams);
    is_so.then(|| format!("the reply is validated (DNSSEC): {whose}"))
}

/// Which views hold of the objects that the decision is about, where several were read.
fn views(snapshot: &Snapshot, client: &Client<'_>, decision: &Decision<'_>) -> Vec<String> {
    let vpc = client.view.vpc.as_ref().map(|vpc| Key::Vpc(vpc.vpc_id));
    let endpoint = decision.reason().endpoint();
    let subnets = endpoint.into_iter().flat_map(|e| e.interfaces.iter().map(|i| Key::Subnet(i.subnet)));
    let keys = vpc.into_iter().chain(endpoint.map(|e| Key::Endpoint(e.id))).chain(subnets);
    keys.filter_map(|key| snapshot.model.note(&key).map(str::to_owned)).collect()
}

/// A record in words.
pub(super) fn text(record: &hickory_proto::rr::Record) -> RecordText {
    let name = record.name.to_string();
    RecordText {
        name: name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(".").to_owned(),
        ttl: record.ttl,
        rtype: record.record_type().to_string(),
        data: record.data.to_string(),
    }
}
