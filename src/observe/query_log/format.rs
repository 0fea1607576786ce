//! A line of JSON in the form of Route 53 Resolver's query logs ("Values that appear in VPC Resolver query logs"), with
//! what only we know in one more member, `vpcedns`.

use hickory_proto::op::Message;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::AnsweredQuestion;
use crate::answer::Topic;
use crate::dns::{Rcode, rcode_of};
use crate::snapshot::ViewClass;
use crate::wire::Transport;

/// The version of the format.
const VERSION: &str = "1.100000";

/// The line without its end; `None`: the packets are no question and reply.
pub(super) fn line(logged: &AnsweredQuestion) -> Option<String> {
    let query = Message::from_vec(&logged.query).ok()?;
    let reply = Message::from_vec(&logged.reply).ok();
    let question = query.queries.first()?;
    let mut line = Map::new();
    let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
    put("version", VERSION.into());
    if let Some((vpc, region)) = &logged.vpc {
        put("region", region.as_str().into());
        put("vpc_id", vpc.to_string().into());
    }
    put("query_timestamp", timestamp(logged).into());
    put("query_name", question.name().to_string().into());
    put("query_type", question.query_type().to_string().into());
    put("query_class", question.query_class().to_string().into());
    // a reply that hickory-proto cannot read, such as one of a record type that it does not know, still has its code
    let rcode = reply.as_ref().map(|reply| Rcode::new(reply.metadata.response_code.into()));
    put("rcode", rcode.unwrap_or_else(|| rcode_of(&logged.reply)).to_string().into());
    let answers = reply.iter().flat_map(|reply| &reply.answers).map(|record| {
        json!({"Rdata": record.data.to_string(), "Type": record.record_type().to_string(), "Class": record.dns_class.to_string()})
    });
    put("answers", answers.collect());
    put("srcaddr", logged.peer.ip().to_canonical().to_string().into());
    put("srcport", logged.peer.port().to_string().into());
    put("transport", transport(logged.transport).into());
    put("srcids", json!({}));
    put("vpcedns", ours(logged));
    Some(Value::Object(line).to_string())
}

/// What only we know of it.
pub(super) fn ours(logged: &AnsweredQuestion) -> Value {
    let mut ours = json!({
        "decision": Topic::NAMES.get(logged.decision as usize),
        "view": ViewClass::NAMES.get(logged.class as usize),
        "generation": logged.generation,
        "local": logged.local.to_string(),
        "duration_us": u64::try_from(logged.took.as_micros()).unwrap_or(u64::MAX),
    });
    if let Some(endpoint) = logged.endpoint {
        ours["vpc_endpoint_id"] = endpoint.to_string().into();
    }
    ours
}

/// `2021-02-04T17:51:55Z`
fn timestamp(logged: &AnsweredQuestion) -> String {
    let at = OffsetDateTime::from(logged.at);
    let (date, time) = ((at.year(), u8::from(at.month()), at.day()), at.time());
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", date.0, date.1, date.2, time.hour(), time.minute(), time.second())
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "DoT",
        Transport::Https => "DoH",
        Transport::Quic => "DoQ",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// The question of Route 53's example ("VPC Resolver query log example"), and a reply to it.
    pub(in super::super) fn question() -> AnsweredQuestion {
        let name = b"\x0215\x013\x014\x0232\x07in-addr\x04arpa\0";
        let query = [&b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0"[..], name, b"\0\x0c\0\x01"].concat();
        let answer = b"\xc0\x0c\0\x0c\0\x01\0\0\0\x3c\0\x05\x01a\x01b\0";
        let head = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0";
        let reply = [&head[..], name, b"\0\x0c\0\x01", answer].concat();
        AnsweredQuestion {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_612_461_115_250),
            took: Duration::from_micros(40),
            peer: "4.5.64.102:56067".parse().unwrap(),
            local: "10.0.0.2:53".parse().unwrap(),
            transport: Transport::Udp,
            vpc: Some(("vpc-ec43eb89".parse().unwrap(), "us-east-1".parse().unwrap())),
            class: ViewClass::Vpc,
            decision: Topic::Endpoint,
            endpoint: Some("vpce-088d25a4bbf4a7abc".parse().unwrap()),
            generation: 7,
            query: query.into(),
            reply: reply.into(),
        }
    }

    #[test]
    fn a_line_is_that_of_route_53() {
        let expected = json!({
            "version": "1.100000", "region": "us-east-1", "vpc_id": "vpc-ec43eb89", "query_timestamp": "2021-02-04T17:51:55Z",
            "query_name": "15.3.4.32.in-addr.arpa.", "query_type": "PTR", "query_class": "IN", "rcode": "NOERROR",
            "answers": [{"Rdata": "a.b.", "Type": "PTR", "Class": "IN"}],
            "srcaddr": "4.5.64.102", "srcport": "56067", "transport": "UDP", "srcids": {},
            "vpcedns": {"decision": "endpoint", "view": "vpc", "generation": 7, "local": "10.0.0.2:53", "duration_us": 40,
                        "vpc_endpoint_id": "vpce-088d25a4bbf4a7abc"},
        });
        assert_eq!(serde_json::from_str::<Value>(&line(&question()).unwrap()).unwrap(), expected);
    }

    #[test]
    fn a_reply_that_is_cut_short_has_its_code() {
        let mut cut = question();
        cut.reply = cut.reply[..20].into();
        cut.vpc = None;
        let line: Value = serde_json::from_str(&line(&cut).unwrap()).unwrap();
        assert_eq!((&line["rcode"], &line["answers"], line.get("vpc_id")), (&json!("NOERROR"), &json!([]), None));
        assert!(super::line(&AnsweredQuestion { query: Box::from(*b"x"), ..cut }).is_none());
    }
}
