//! A line of JSON in the form of Route 53 Resolver's query logs ("Values that appear in VPC Resolver query logs"), with
//! what only we know in one more member, `vpcedns`.
//!
//! A line is written straight into a buffer, as there may be hundreds of thousands a second.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use super::AnsweredQuestion;
use crate::answer::Topic;
use crate::dns::{Class, Message, Rcode, Record, Rtype, Section, expanded_rdata, rcode_of, u16_at, write_name};
use crate::model::show_rdata;
use crate::naming::{EndpointId, VpcId};
use crate::snapshot::ViewClass;

/// The version of the format.
const VERSION: &str = "1.100000";

/// The members, in their order.
#[derive(Serialize)]
struct QueryLogLine<'l> {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_id: Option<AsText<VpcId>>,
    query_timestamp: AsText<LogTime>,
    query_name: AsText<LoggedName<'l>>,
    query_type: AsText<Rtype>,
    query_class: AsText<Class>,
    rcode: AsText<Rcode>,
    answers: LoggedAnswers<'l>,
    srcaddr: AsText<IpAddr>,
    srcport: AsText<u16>,
    transport: &'static str,
    srcids: SourceIds<'l>,
    vpcedns: OnlyOurs,
}

/// What only we know of it.
#[derive(Serialize)]
pub(super) struct OnlyOurs {
    decision: Option<&'static str>,
    view: Option<&'static str>,
    generation: u64,
    local: AsText<SocketAddr>,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_endpoint_id: Option<AsText<EndpointId>>,
}

/// What the client is known as besides its address.
#[derive(Serialize)]
struct SourceIds<'l> {
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolver_endpoint: Option<&'l str>,
}

/// An answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LoggedAnswer<'m> {
    rdata: AsText<LoggedData<'m>>,
    r#type: AsText<Rtype>,
    class: AsText<Class>,
}

/// The answers of a reply; none where it cannot be read.
struct LoggedAnswers<'m>(Option<Message<'m>>);

/// Printed as a string.
struct AsText<T>(T);

/// `2021-02-04T17:51:55Z`
struct LogTime(OffsetDateTime);

/// A name in wire form, with its final dot.
struct LoggedName<'n>(&'n [u8]);

/// The data of a record as in a master file.
struct LoggedData<'m> {
    message: &'m [u8],
    record: Record,
}

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for LoggedAnswers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let answers = self.0.iter().flat_map(|message| {
            let records = message.records().take_while(|record| record.section == Section::Answer);
            records.map(|record| LoggedAnswer {
                r#type: AsText(record.rtype),
                class: AsText(record.class),
                rdata: AsText(LoggedData { message: message.octets(), record }),
            })
        });
        serializer.collect_seq(answers)
    }
}

impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.0.date(), self.0.time());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second())
    }
}

impl fmt::Display for LoggedName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.0)?;
        // the root is a dot already
        if self.0.len() > 1 { f.write_str(".") } else { Ok(()) }
    }
}

impl fmt::Display for LoggedData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, record } = self;
        let data = message.get(record.rdata.clone()).unwrap_or_default();
        // nearly all of them
        match (record.rtype, data.len()) {
            (Rtype::A, 4) => return data.first_chunk::<4>().map_or(Ok(()), |octets| Ipv4Addr::from(*octets).fmt(f)),
            (Rtype::AAAA, 16) => {
                return data.first_chunk::<16>().map_or(Ok(()), |octets| Ipv6Addr::from(*octets).fmt(f));
            }
            _ => {}
        }
        f.write_str(&show_rdata(record.rtype, &expanded_rdata(message, record)))
    }
}

/// Writes the line and its end to the end of `out`. Returns whether it did: nothing is written of packets that are no question.
pub(super) fn write_line(logged: &AnsweredQuestion, out: &mut Vec<u8>) -> bool {
    let Ok(query) = Message::parse(&logged.query) else { return false };
    let Some((name, kind)) = query.question().split_last_chunk::<4>() else { return false };
    let number = |at| u16_at(kind, at).unwrap_or_default();
    let reply = Message::parse(&logged.reply).ok();
    let line = QueryLogLine {
        version: VERSION,
        account_id: logged.account.as_deref(),
        region: logged.vpc.as_ref().map(|(_, region)| region.as_str()),
        vpc_id: logged.vpc.as_ref().map(|(vpc, _)| AsText(*vpc)),
        query_timestamp: AsText(LogTime(logged.at.into())),
        query_name: AsText(LoggedName(name)),
        query_type: AsText(number(0).into()),
        query_class: AsText(number(2).into()),
        // a reply that breaks off still has its code
        rcode: AsText(reply.as_ref().map_or_else(|| rcode_of(&logged.reply), Message::rcode)),
        answers: LoggedAnswers(reply),
        srcaddr: AsText(logged.peer.ip().to_canonical()),
        srcport: AsText(logged.peer.port()),
        transport: logged.transport.logged_name(),
        srcids: SourceIds {
            instance: logged.instance.as_deref(),
            resolver_endpoint: logged.resolver_endpoint.as_deref(),
        },
        vpcedns: ours(logged),
    };
    let begin = out.len();
    let is_written = serde_json::to_writer(&mut *out, &line).is_ok();
    if is_written {
        out.push(b'\n');
    } else {
        out.truncate(begin);
    }
    is_written
}

/// What only we know of it.
pub(super) fn ours(logged: &AnsweredQuestion) -> OnlyOurs {
    OnlyOurs {
        decision: Topic::NAMES.get(logged.decision as usize).copied(),
        view: ViewClass::NAMES.get(logged.class as usize).copied(),
        generation: logged.generation,
        local: AsText(logged.local),
        duration_us: u64::try_from(logged.took.as_micros()).unwrap_or(u64::MAX),
        vpc_endpoint_id: logged.endpoint.map(AsText),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::{Value, json};

    use super::*;
    use crate::wire::Transport;

    fn line(logged: &AnsweredQuestion) -> Option<Value> {
        let mut out = Vec::new();
        let is_written = write_line(logged, &mut out);
        assert_eq!(out.is_empty(), !is_written);
        is_written.then(|| serde_json::from_slice(&out).unwrap())
    }

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
            account: Some("111122223333".into()),
            instance: Some("i-0d15cd0d3adc37c2f".into()),
            resolver_endpoint: None,
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
            "version": "1.100000", "account_id": "111122223333", "region": "us-east-1", "vpc_id": "vpc-ec43eb89", "query_timestamp": "2021-02-04T17:51:55Z",
            "query_name": "15.3.4.32.in-addr.arpa.", "query_type": "PTR", "query_class": "IN", "rcode": "NOERROR",
            "answers": [{"Rdata": "a.b.", "Type": "PTR", "Class": "IN"}],
            "srcaddr": "4.5.64.102", "srcport": "56067", "transport": "UDP",
            "srcids": {"instance": "i-0d15cd0d3adc37c2f"},
            "vpcedns": {"decision": "endpoint", "view": "vpc", "generation": 7, "local": "10.0.0.2:53", "duration_us": 40,
                        "vpc_endpoint_id": "vpce-088d25a4bbf4a7abc"},
        });
        assert_eq!(line(&question()).unwrap(), expected);
    }

    #[test]
    fn a_reply_that_is_cut_short_has_its_code() {
        let mut cut = question();
        cut.reply = cut.reply[..20].into();
        (cut.vpc, cut.account, cut.instance) = (None, None, None);
        cut.resolver_endpoint = Some("rslvr-in-0123456789abcdef0".into());
        let found = line(&cut).unwrap();
        assert_eq!(found["srcids"], json!({"resolver_endpoint": "rslvr-in-0123456789abcdef0"}));
        assert_eq!(found.get("account_id"), None);
        assert_eq!((&found["rcode"], &found["answers"], found.get("vpc_id")), (&json!("NOERROR"), &json!([]), None));
        assert!(line(&AnsweredQuestion { query: Box::from(*b"x"), ..cut }).is_none());
    }
    #[test]
    fn data_of_every_type_is_that_of_a_master_file() {
        let logged = question();
        let data = |rtype: u16, rdata: &[u8]| {
            let record =
                [&b"\xc0\x0c"[..], &rtype.to_be_bytes(), b"\0\x01\0\0\0\x3c\0", &[rdata.len() as u8], rdata].concat();
            // what comes before the answer of the question above
            let reply = [&logged.reply[..12 + 24 + 4], &record].concat();
            let found = line(&AnsweredQuestion { reply: reply.into(), ..logged.clone() }).unwrap();
            let answer = &found["answers"][0];
            assert_eq!(answer["Class"], "IN");
            format!("{} {}", answer["Type"].as_str().unwrap(), answer["Rdata"].as_str().unwrap())
        };
        assert_eq!(data(1, &[10, 0, 1, 17]), "A 10.0.1.17");
        assert_eq!(data(1, &[10, 0]), r"A \# 2 0A00", "no address");
        assert_eq!(data(28, &Ipv6Addr::LOCALHOST.octets()), "AAAA ::1");
        assert_eq!(data(12, b"\x01A\xc0\x0c"), "PTR A.15.3.4.32.in-addr.arpa.");
        assert_eq!(data(15, b"\0\x0a\xc0\x0c"), "MX 10 15.3.4.32.in-addr.arpa.");
        assert_eq!(data(16, b"\x02a\"\x01b"), r#"TXT "a\"" "b""#);
        assert_eq!(data(65280, b"\x01\xff"), r"TYPE65280 \# 2 01FF");
    }

    #[test]
    fn names_keep_their_case_and_what_cannot_be_printed_is_escaped() {
        let name = |wire: &[u8]| {
            let query = [&b"\0\0\x01\0\0\x01\0\0\0\0\0\0"[..], wire, b"\0\x01\0\x01"].concat();
            line(&AnsweredQuestion { query: query.into(), ..question() }).unwrap()["query_name"].clone()
        };
        assert_eq!(name(b"\x03Ec2\x01b\0"), "Ec2.b.");
        assert_eq!(name(b"\x03a\0.\0"), r"a\000\..");
        assert_eq!(name(b"\0"), ".");
    }
}
