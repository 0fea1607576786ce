//! Why an answer is what it is: the same `answer` and `encode` as for a packet, with a trace (invariant I7).

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::Message;
use serde::Serialize;

use crate::answer::{Decision, NameBuf, Question, advice, answer};
use crate::model::rtype_name;
use crate::naming::DnsName;
use crate::snapshot::Snapshot;
use crate::wire::{CookieSecret, Frame, Query, encode};

/// The answer to a question, and how it came to be.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Explanation {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Whose question it would be.
    pub from: IpAddr,
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
    /// What would make the name private.
    pub advice: Vec<String>,
}

/// A record in words.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct RecordText {
    /// Owner.
    pub name: String,
    /// Seconds.
    pub ttl: u32,
    /// Type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Data in presentation format.
    pub data: String,
}

/// Answers a question as if it came from `from` to `local`, and tells how.
pub fn explain(snapshot: &Snapshot, name: &DnsName, rtype: u16, from: IpAddr, local: SocketAddr) -> Explanation {
    let buf = NameBuf::from(name);
    let question = Question { name: buf.name(), rtype, recursion_desired: true };
    let client = snapshot.client(local, from);
    let mut steps: Vec<String> = Vec::new();
    let decision = answer(snapshot, client, &question, 0, &mut steps);
    let mut explanation = Explanation {
        name: name.to_string(),
        rtype: rtype_name(rtype),
        from,
        vpc: client.view.vpc.as_ref().map(|vpc| vpc.vpc_id.to_string()),
        generation: snapshot.generation,
        steps,
        rcode: None,
        answer: Vec::new(),
        authority: Vec::new(),
        forwarded_to: Vec::new(),
        reason: String::new(),
        advice: Vec::new(),
    };
    match decision {
        Decision::Reply(reply) => {
            explanation.rcode = Some(reply.rcode.to_string());
            explanation.reason = reply.reason.to_string();
            let [h, l] = rtype.to_be_bytes();
            let octets: Vec<u8> = name.wire().iter().copied().chain([h, l, 0, 1]).collect();
            let query = Query {
                id: 0,
                recursion_desired: true,
                checking_disabled: false,
                authentic_data: false,
                question_octets: &octets,
                question,
                edns: None,
            };
            let secret = CookieSecret::new([0; 16]);
            let frame = Frame {
                limit: usize::from(u16::MAX),
                payload: 0,
                aa: snapshot.policy.aa,
                explain: false,
                secret: &secret,
                peer: from,
                now: 0,
            };
            let mut out = vec![0; usize::from(u16::MAX)];
            let len = encode(&query, &reply, &frame, &mut out);
            if let Ok(message) = Message::from_vec(out.get(..len).unwrap_or_default()) {
                explanation.answer = message.answers.iter().map(text).collect();
                explanation.authority = message.authorities.iter().map(text).collect();
            }
            if explanation.answer.is_empty() {
                explanation.advice = advice(&snapshot.model, &client, &question.name);
            }
        }
        Decision::Forward(forward) => {
            explanation.reason = forward.reason.to_string();
            explanation.forwarded_to = forward.upstreams.iter().map(ToString::to_string).collect();
            explanation.advice = advice(&snapshot.model, &client, &question.name);
        }
    }
    explanation
}

fn text(record: &hickory_proto::rr::Record) -> RecordText {
    let name = record.name.to_string();
    RecordText {
        name: name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(".").to_owned(),
        ttl: record.ttl,
        rtype: record.record_type().to_string(),
        data: record.data.to_string(),
    }
}
