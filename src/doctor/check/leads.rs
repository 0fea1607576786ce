//! Whether a nameserver leads to the server, through whatever stub.
//!
//! The reply to a private name decides where there is one: whoever gives the server's own answer leads to it. Otherwise
//! addresses are compared, and what files say about stubs.

use std::net::IpAddr;

use crate::dns::{DnsName, Rcode};
use crate::doctor::facts::{AskOutcome, ClientFacts, NameserverFacts, StubUpstream};
use crate::doctor::reply::ReplyFacts;
use crate::doctor::resolv_conf::DOCKER_STUB;
use crate::forward::system::RESOLVED_STUBS;

/// Whether a nameserver leads to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leads {
    ToServer,
    /// And what shows that.
    Elsewhere(String),
}

/// Where `server` leads.
pub(super) fn leads(client: &ClientFacts, server: &NameserverFacts) -> Leads {
    if server.is_server {
        return Leads::ToServer;
    }
    let Some(ip) = server.address else { return Leads::Elsewhere(" is not a valid address".to_owned()) };
    if RESOLVED_STUBS.contains(&ip) {
        return resolved_leads(client, server.asked.as_ref(), client.resolved.as_deref().unwrap_or_default());
    }
    if let Some(leads) = by_answer(client, server.asked.as_ref()) {
        return leads;
    }
    if ip == DOCKER_STUB {
        return behind("is Docker's resolver", &server.asks);
    }
    Leads::Elsewhere(" has another address".to_owned())
}

/// Where systemd-resolved leads, by what its stub answered and by its list of upstreams.
pub(super) fn resolved_leads(client: &ClientFacts, asked: Option<&AskOutcome>, upstreams: &[StubUpstream]) -> Leads {
    let by_file = behind("is systemd-resolved's stub", upstreams);
    match (by_answer(client, asked), by_file) {
        (Some(Leads::ToServer), _) => Leads::ToServer,
        (Some(Leads::Elsewhere(answer)), Leads::Elsewhere(file)) => Leads::Elsewhere(format!("{file}, and{answer}")),
        (Some(answer), Leads::ToServer) => answer,
        (None, by_file) => by_file,
    }
}

/// What a file says about whom a stub asks.
fn behind(what: &str, upstreams: &[StubUpstream]) -> Leads {
    if upstreams.iter().any(|upstream| upstream.is_server && !upstream.is_on_host) {
        return Leads::ToServer;
    }
    let asks: Vec<String> = upstreams
        .iter()
        .map(|upstream| format!("{}{}", upstream.address, if upstream.is_on_host { " on the Docker host" } else { "" }))
        .collect();
    let asks = if asks.is_empty() { String::new() } else { format!(", which asks {}", asks.join(", ")) };
    Leads::Elsewhere(format!(" {what}{asks}"))
}

/// What the reply to the private name shows; `None` where nothing was asked, or the server's own answer shows nothing.
fn by_answer(client: &ClientFacts, asked: Option<&AskOutcome>) -> Option<Leads> {
    let (name, at_server) = private_answer(client)?;
    Some(match asked? {
        Ok(reply) if reply.addresses == at_server.addresses => Leads::ToServer,
        Ok(reply) => {
            Leads::Elsewhere(format!(" answers {name} with {}, and the server with {}", said(reply), said(at_server)))
        }
        Err(why) => Leads::Elsewhere(format!(" does not answer ({why})")),
    })
}

/// The private answer of the server: addresses that no public resolver would give.
pub(super) fn private_answer(client: &ClientFacts) -> Option<(&DnsName, &ReplyFacts)> {
    let (name, asked) = client.at_server.as_ref()?;
    let reply = asked.as_ref().ok()?;
    (!reply.addresses.is_empty() && reply.addresses.iter().all(|ip| is_private(*ip))).then_some((name, reply))
}

/// Addresses of endpoints: RFC 1918, 6598, 4193, and the loopback addresses of tests.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback(),
    }
}

/// `10.0.1.17 and 10.0.2.17`, or the response code where there is no address.
pub(super) fn said(reply: &ReplyFacts) -> String {
    let addresses: Vec<String> = reply.addresses.iter().map(ToString::to_string).collect();
    match (addresses.is_empty(), reply.rcode) {
        (false, _) => addresses.join(" and "),
        (true, Rcode::NOERROR) => "no address".to_owned(),
        (true, rcode) => rcode.to_string(),
    }
}
