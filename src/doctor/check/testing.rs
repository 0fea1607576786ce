//! Made-up hosts.

use std::time::Duration;

use crate::dns::{DnsName, Rcode, Rtype};
use crate::doctor::facts::{AskOutcome, ClientFacts, HostFacts, NameserverFacts, PortFacts, ServerFacts, StubUpstream};
use crate::doctor::finding::Finding;
use crate::doctor::nsswitch::Nsswitch;
use crate::doctor::reply::ReplyFacts;
use crate::doctor::resolv_conf::ResolvConf;

/// 2026-11-26 12:00:00 UTC.
pub(super) const NOON: i64 = 1_795_694_400;
/// Where the server of [`as_client`] is.
const SERVER: &str = "10.0.0.2";

/// Each finding in one line.
pub(super) fn shown(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let Finding { check, level, found, remedy } = finding;
        let remedy = if remedy.is_empty() { String::new() } else { format!(" -> {remedy}") };
        format!("{level} {check}: {found}{remedy}")
    };
    findings.iter().map(line).collect()
}

/// A server's host on which all is well.
pub(super) fn sound() -> HostFacts {
    HostFacts {
        loaded: "3 endpoints in 1 VPC".to_owned(),
        ports: Some(PortFacts::default()),
        client: ClientFacts {
            has_glibc: true,
            nsswitch: Some(Nsswitch::parse("hosts: files dns")),
            ..ClientFacts::default()
        },
        ipv6: Some(Vec::new()),
        now: NOON,
        ..HostFacts::default()
    }
}

/// A client of 10.0.0.2 with this resolv.conf, where nobody was asked.
pub(super) fn as_client(resolv_conf: &str) -> HostFacts {
    let conf = ResolvConf::parse(resolv_conf);
    let behind = conf.docker_asks.iter().map(|(address, is_on_host)| StubUpstream {
        address: *address,
        is_server: address.to_string() == SERVER,
        is_on_host: *is_on_host,
    });
    let asks: Vec<StubUpstream> = behind.collect();
    let servers = conf.nameservers.iter().map(|(text, line)| NameserverFacts {
        line: *line,
        text: text.clone(),
        address: text.parse().ok(),
        is_server: text == SERVER,
        asked: None,
        asks: asks.clone(),
    });
    let nameservers = servers.collect();
    let client = ClientFacts {
        is_wanted: true,
        server: Some(SERVER.parse().unwrap()),
        server_text: SERVER.to_owned(),
        resolv_conf: Some(conf),
        nameservers,
        ..sound().client
    };
    HostFacts { ports: None, client, ..sound() }
}

/// A stub's list of one server.
pub(super) fn nameservers(ip: &str) -> Vec<StubUpstream> {
    vec![StubUpstream { address: ip.parse().unwrap(), is_server: ip == SERVER, is_on_host: false }]
}

/// An upstream that answers all.
pub(super) fn upstream(address: &str) -> ServerFacts {
    let good = || Some(Ok(reply()));
    ServerFacts {
        server: address.parse().unwrap(),
        place: "--forward".to_owned(),
        leads_back: None,
        name: DnsName::root(),
        rtype: Rtype::NS,
        plain: good(),
        edns: good(),
        dnssec: good(),
        tcp: good(),
    }
}

/// A good reply, with EDNS.
pub(super) fn reply() -> ReplyFacts {
    ReplyFacts {
        took: Duration::from_millis(2),
        rcode: Rcode::NOERROR,
        is_recursive: true,
        has_edns: true,
        octets: 100,
        ..ReplyFacts::default()
    }
}

/// A reply with this address.
pub(super) fn answers(ip: &str) -> ReplyFacts {
    ReplyFacts { addresses: vec![ip.parse().unwrap()], ..reply() }
}

/// A reply with this response code.
pub(super) fn says(rcode: Rcode) -> ReplyFacts {
    ReplyFacts { rcode, ..reply() }
}

/// No reply.
pub(super) fn silent() -> AskOutcome {
    Err("no reply in time".to_owned())
}
