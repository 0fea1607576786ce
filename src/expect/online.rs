//! What a server says to a question, asked in the name of a client.
//!
//! Blocking, one question at a time: the callers are as many threads as there shall be questions under way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};

use super::Observation;
use super::parse::normal;
use crate::address::{DNS_PORT, parse_address};
use crate::ask::{AskError, EncryptedClient, Manner, can_ask_from, over_tcp, over_udp, query};
use crate::dns::{DnsName, InfoCode, OptionCode, Rcode, Rtype, SAFE_PAYLOAD};
use crate::forward::Trust;
use crate::model::{Protocol, Upstream};
use crate::naming::VpcId;

/// How long one attempt waits, and how many there are over UDP.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 3;

/// How a server is told whose question it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Identity {
    /// By the source address, which this machine must have
    Source,
    /// By an EDNS Client Subnet option (RFC 7871)
    Ecs,
    /// By a PROXY protocol v2 header
    Proxy,
}

/// The server that is asked.
pub struct ServerUnderTest {
    transport: AskedOver,
    identity: Identity,
}

enum AskedOver {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Encrypted(Box<(EncryptedClient, Upstream)>),
}

/// Why there is no observation.
#[derive(Debug, thiserror::Error)]
pub enum OnlineError {
    /// The question cannot be asked in the client's name.
    #[error("{0}")]
    NoWay(String),
    /// The server gave no answer.
    #[error("{0}")]
    NoAnswer(String),
}

/// A server as it is written: an address, or one behind `udp://`, `tcp://`, `tls://`, `https://` or `quic://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Where it is, and how it is spoken with.
    pub upstream: Upstream,
    /// Whether it is asked over TCP only.
    pub tcp: bool,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tcp { write!(f, "tcp://{}", self.upstream.address) } else { self.upstream.fmt(f) }
    }
}

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |rest: &str| {
            let address = parse_address(rest, DNS_PORT);
            address.map(Upstream::plain).ok_or_else(|| format!("'{rest}' is not a valid address"))
        };
        if let Some(rest) = text.strip_prefix("tcp://") {
            return Ok(Self { upstream: plain(rest)?, tcp: true });
        }
        let upstream = match text.strip_prefix("udp://") {
            Some(rest) => plain(rest)?,
            None => text.parse().map_err(|error: crate::model::UpstreamError| error.to_string())?,
        };
        Ok(Self { upstream, tcp: false })
    }
}

impl ServerUnderTest {
    /// A server at `address`, whose certificate, if it has one, comes from an authority that `trust` knows.
    pub fn new(address: &ServerAddress, identity: Identity, trust: Trust) -> std::io::Result<Self> {
        let upstream = &address.upstream;
        let transport = match upstream.protocol {
            Protocol::Plain if address.tcp => AskedOver::Tcp(upstream.address),
            Protocol::Plain => AskedOver::Udp(upstream.address),
            _ => AskedOver::Encrypted(Box::new((EncryptedClient::new(trust)?, upstream.clone()))),
        };
        Ok(Self { transport, identity })
    }

    /// What the server tells a client with address `client`, or one of `vpc` where no address of one is known.
    pub fn observe(
        &self,
        client: Option<IpAddr>,
        vpc: Option<VpcId>,
        name: &DnsName,
        rtype: Rtype,
    ) -> Result<Observation, OnlineError> {
        let reply = match &self.transport {
            AskedOver::Encrypted(parts) => {
                let (asker, upstream) = &**parts;
                let upstream = self.encrypted(upstream, client, vpc)?;
                asker.ask(&upstream, name, rtype).map_err(|error| no_answer(error.to_string()))?
            }
            AskedOver::Udp(server) => self.ask(client, vpc, name, rtype, *server, false)?,
            AskedOver::Tcp(server) => self.ask(client, vpc, name, rtype, *server, true)?,
        };
        let message =
            Message::from_vec(&reply).map_err(|error| no_answer(format!("the reply is malformed: {error}")))?;
        Ok(observation(&message, rtype))
    }

    /// The upstream as the client asks it: DoH names a VPC in its path; else the source address says who it is.
    fn encrypted(
        &self,
        upstream: &Upstream,
        client: Option<IpAddr>,
        vpc: Option<VpcId>,
    ) -> Result<Upstream, OnlineError> {
        if let (Some(vpc), Protocol::Https) = (vpc, upstream.protocol) {
            let path = upstream.path.as_deref().unwrap_or("/dns-query").trim_end_matches('/');
            return Ok(Upstream { path: Some(Arc::from(format!("{path}/{vpc}"))), ..upstream.clone() });
        }
        if self.identity != Identity::Source {
            return Err(no_way("--via ecs and --via proxy are for servers over UDP and TCP".to_owned()));
        }
        let client = client.ok_or_else(|| no_address(vpc))?;
        if client.is_ipv4() != upstream.address.is_ipv4() {
            return Err(no_way(format!("{client} cannot ask {}: they are of two families", upstream.address)));
        }
        // a forwarder whose own address is missing asks from another
        can_ask_from(client).map_err(|error| failed(upstream.address, "", error))?;
        Ok(upstream.asked_from(&[client]))
    }

    fn ask(
        &self,
        client: Option<IpAddr>,
        vpc: Option<VpcId>,
        name: &DnsName,
        rtype: Rtype,
        server: SocketAddr,
        tcp: bool,
    ) -> Result<Vec<u8>, OnlineError> {
        let client = client.ok_or_else(|| no_address(vpc))?;
        let (bind, ecs, proxy) = match self.identity {
            Identity::Source => (Some(client), None, None),
            Identity::Ecs => (None, Some(client), None),
            Identity::Proxy => (None, None, Some(proxy_header(client, server, tcp))),
        };
        let question = query(name, rtype, Some(edns(ecs))).map_err(no_way)?;
        let lead = proxy.unwrap_or_default();
        let manner = Manner { from: bind, lead: &lead, patience: PATIENCE, attempts: ATTEMPTS };
        if !tcp {
            let reply = over_udp(&question, server, manner).map_err(|error| failed(server, "", error))?;
            if reply.get(2).is_none_or(|flags| flags & 0x02 == 0) {
                return Ok(reply);
            }
        }
        let lead = if self.identity == Identity::Proxy { proxy_header(client, server, true) } else { Vec::new() };
        let manner = Manner { lead: &lead, ..manner };
        over_tcp(&question, server, manner).map_err(|error| failed(server, " over TCP", error))
    }
}

fn no_way(why: String) -> OnlineError {
    OnlineError::NoWay(why)
}

fn no_answer(why: String) -> OnlineError {
    OnlineError::NoAnswer(why)
}

fn no_address(vpc: Option<VpcId>) -> OnlineError {
    let vpc = vpc.map_or_else(String::new, |vpc| vpc.to_string());
    no_way(format!("no address of {vpc} is known to ask from; ask an https:// server, or give --zones"))
}

/// EDNS with the client's address, where it is to be said so.
fn edns(ecs: Option<IpAddr>) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(SAFE_PAYLOAD);
    if let Some(address) = ecs {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(address, prefix, 0)));
    }
    edns
}

fn failed(server: SocketAddr, over: &str, error: AskError) -> OnlineError {
    match error {
        AskError::From(from, error) => no_way(format!(
            "this machine cannot ask from {from} ({error}); use --via ecs or --via proxy, or name a VPC and an https:// server"
        )),
        AskError::NoReply(error) => no_answer(format!("{server} does not answer{over}: {error}")),
    }
}

/// A PROXY protocol v2 header: `client` asks `server` (HAProxy's specification, 2.2).
fn proxy_header(client: IpAddr, server: SocketAddr, tcp: bool) -> Vec<u8> {
    const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
    let transport = if tcp { 0x1 } else { 0x2 };
    let mut header = SIGNATURE.to_vec();
    header.push(0x21);
    let mut put = |family: u8, addresses: &[&[u8]]| {
        let length: usize = addresses.iter().map(|part| part.len()).sum::<usize>() + 4;
        header.push(family | transport);
        header.extend(u16::try_from(length).unwrap_or(0).to_be_bytes());
        for part in addresses {
            header.extend_from_slice(part);
        }
        // the client's port means nothing
        header.extend(53_000u16.to_be_bytes());
        header.extend(server.port().to_be_bytes());
    };
    match (client, server.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => put(0x10, &[&from.octets(), &to.octets()]),
        (from, to) => {
            let wide = |address: IpAddr| match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            put(0x20, &[&wide(from), &wide(to)]);
        }
    }
    header
}

fn observation(message: &Message, rtype: Rtype) -> Observation {
    let wanted = RecordType::from(rtype);
    let (records, others): (Vec<_>, Vec<_>) = message.answers.iter().partition(|record| record.record_type() == wanted);
    let (info_code, text) = extended_error(message);
    let rcode = message.metadata.response_code;
    Observation {
        rcode: Some(Rcode::new(u16::from(rcode)).to_string()),
        records: records.iter().map(|record| normal(&record.data.to_string())).collect(),
        others: others
            .iter()
            .map(|record| format!("{} {}", record.record_type(), normal(&record.data.to_string())))
            .collect(),
        delegated_to: Vec::new(),
        blocked: info_code == Some(InfoCode::BLOCKED.number()),
        online: true,
        rule: text.unwrap_or_else(|| "the server gave no reason".to_owned()),
        steps: Vec::new(),
    }
}

/// Info-code and text of the first extended error (RFC 8914 2).
fn extended_error(message: &Message) -> (Option<u16>, Option<String>) {
    let Some(edns) = &message.edns else { return (None, None) };
    let Some(EdnsOption::Unknown(_, octets)) = edns.option(EdnsCode::Unknown(OptionCode::EXTENDED_ERROR.number()))
    else {
        return (None, None);
    };
    let (code, text) = octets.split_at_checked(2).unwrap_or_default();
    let code = <[u8; 2]>::try_from(code).ok().map(u16::from_be_bytes);
    let text = String::from_utf8_lossy(text).into_owned();
    (code, Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_spelled_like_upstreams() {
        for (text, want) in [
            ("127.0.0.1", Some((Protocol::Plain, "127.0.0.1:53", false))),
            ("udp://127.0.0.1:5300", Some((Protocol::Plain, "127.0.0.1:5300", false))),
            ("tcp://[::1]:5300", Some((Protocol::Plain, "[::1]:5300", true))),
            ("tls://127.0.0.1#localhost", Some((Protocol::Tls, "127.0.0.1:853", false))),
            ("tcp://nowhere", None),
            ("gopher://127.0.0.1", None),
        ] {
            let got = text.parse::<ServerAddress>().ok();
            let got = got.map(|server| (server.upstream.protocol, server.upstream.address, server.tcp));
            assert_eq!(got, want.map(|(protocol, address, tcp)| (protocol, address.parse().unwrap(), tcp)), "{text}");
        }
    }

    /// The example of HAProxy's specification 2.2 in octets: signature, version and command, family, length, addresses.
    #[test]
    fn proxy_headers() {
        let header = proxy_header("10.0.0.1".parse().unwrap(), "10.0.0.2:53".parse().unwrap(), false);
        assert_eq!(header[..12], *b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a");
        assert_eq!(header[12..24], [0x21, 0x12, 0, 12, 10, 0, 0, 1, 10, 0, 0, 2]);
        assert_eq!(header[26..], [0, 53]);
        let header = proxy_header("fd00::1".parse().unwrap(), "10.0.0.2:53".parse().unwrap(), true);
        assert_eq!((header[13], header.len()), (0x21, 16 + 36));
    }
}
