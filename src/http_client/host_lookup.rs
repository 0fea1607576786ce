//! Where hosts are. A server that overrides AWS's names, and calls AWS itself, must not ask itself for them: it would be sent
//! to an endpoint of somebody's VPC, or, before it answers, to nobody.
//!
//! | name | who knows it |
//! |---|---|
//! | `localhost` and below | this machine (RFC 6761 6.3) |
//! | one of /etc/hosts | that file |
//! | any other with a dot, where upstreams are named | they |
//! | the rest | the C library; where that asks us, the other nameservers of /etc/resolv.conf |

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use crate::config::Upstreams;
use crate::dns::{Class, DnsName, Message, Rcode, Rtype, Section};
use crate::forward::system::resolvers_beside;
use crate::forward::{Forwarder, Outbound};
use crate::model::Upstream;
use crate::observe::OpenAddresses;

/// Names that are found before anybody is asked (hosts(5)).
const HOSTS: &str = "/etc/hosts";
const LOCALHOST: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Who is asked where hosts are. By default the C library, whomever that asks.
#[derive(Clone, Default)]
pub struct HostLookup(Option<Arc<HostLookupSources>>);

struct HostLookupSources {
    forward: Upstreams,
    forwarder: Forwarder,
    /// Where a server of ours answers.
    own: OpenAddresses,
}

impl HostLookup {
    /// Never `own`: the upstreams of `forward`, by `forwarder`, or this machine's resolvers less ourselves.
    pub fn beside(own: OpenAddresses, forward: Upstreams, forwarder: Forwarder) -> Self {
        Self(Some(Arc::new(HostLookupSources { forward, forwarder, own })))
    }

    async fn find(self, name: Name) -> Result<Vec<IpAddr>, String> {
        let Some(sources) = &self.0 else { return of_c_library(name).await };
        sources.find(name).await
    }
}

impl HostLookupSources {
    async fn find(&self, name: Name) -> Result<Vec<IpAddr>, String> {
        let host = name.as_str().trim_end_matches('.');
        if is_localhost(host) {
            return Ok(LOCALHOST.to_vec());
        }
        let file = std::fs::read_to_string(HOSTS).unwrap_or_default();
        let listed = listed(&file, host);
        if !listed.is_empty() {
            return Ok(listed);
        }
        if let Upstreams::These(upstreams) = &self.forward
            && host.contains('.')
        {
            return self.ask(host, upstreams).await;
        }
        match resolvers_beside(&(self.own)()) {
            None => of_c_library(name).await,
            Some(others) if others.is_empty() => Err(format!(
                "nobody is known who could be asked for {host}: /etc/resolv.conf names this server alone. Name upstreams with \
                 --forward, or the host in {HOSTS}"
            )),
            Some(others) => self.ask(host, &others.into_iter().map(Upstream::plain).collect::<Vec<_>>()).await,
        }
    }

    /// Asks for addresses of both families at once; those of one are enough.
    async fn ask(&self, host: &str, upstreams: &[Upstream]) -> Result<Vec<IpAddr>, String> {
        let name: DnsName = host.parse().map_err(|error| format!("{host}: {error}"))?;
        let (v4, v6) =
            tokio::join!(self.ask_one(&name, Rtype::A, upstreams), self.ask_one(&name, Rtype::AAAA, upstreams));
        match (v4, v6) {
            (Ok(v4), Ok(v6)) if v4.is_empty() && v6.is_empty() => Err(format!("{host} has no address")),
            (Err(why), Ok(none)) | (Ok(none), Err(why)) if none.is_empty() => Err(why),
            (Err(why), Err(_)) => Err(why),
            (v4, v6) => Ok([v4, v6].into_iter().flatten().flatten().collect()),
        }
    }

    async fn ask_one(&self, name: &DnsName, rtype: Rtype, upstreams: &[Upstream]) -> Result<Vec<IpAddr>, String> {
        let question = Outbound { edns: true, ..Outbound::plain(name.wire(), rtype) };
        let reply = self.forwarder.ask(&question, upstreams).await.map_err(|error| format!("{name}: {error}"))?;
        let reply = Message::parse(&reply).map_err(|_| format!("{name}: the reply cannot be read"))?;
        match reply.rcode() {
            Rcode::NOERROR => Ok(addresses(&reply)),
            rcode => {
                let asked = upstreams.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(format!("{name}: {rcode}, says {asked}"))
            }
        }
    }
}

/// As every program of this machine asks.
async fn of_c_library(name: Name) -> Result<Vec<IpAddr>, String> {
    let found = GaiResolver::new().call(name).await.map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}

fn is_localhost(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost")
}

/// The addresses of `host` in a file such as /etc/hosts.
fn listed(file: &str, host: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host)).then_some(address)
    };
    file.lines().filter_map(address).collect()
}

/// The addresses of an answer, whatever aliases lead to them.
fn addresses(reply: &Message<'_>) -> Vec<IpAddr> {
    let answers = reply.records().filter(|record| record.section == Section::Answer && record.class == Class::IN);
    let address = |data: &[u8], rtype: Rtype| match rtype {
        Rtype::A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        Rtype::AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    };
    answers.filter_map(|record| address(reply.octets().get(record.rdata.clone())?, record.rtype)).collect()
}

impl Service<Name> for HostLookup {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = String;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, String>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.clone().find(name);
        // the connector puts the port in
        Box::pin(async move {
            Ok(found.await?.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect::<Vec<_>>().into_iter())
        })
    }
}

impl fmt::Debug for HostLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostLookup").field(&self.0.as_ref().map(|sources| &sources.forward)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_hosts_is_read_as_the_c_library_reads_it() {
        let file = "# 192.0.2.9 moto\n127.0.0.1\tlocalhost\n192.0.2.1 Moto.example moto # a.example\nx moto\n\
                    2001:db8::1 moto\n";
        let found = |host| listed(file, host).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("MOTO"), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(found("moto.example"), ["192.0.2.1"]);
        assert_eq!(found("a.example"), Vec::<String>::new());
        assert_eq!(["localhost", "a.LOCALHOST", "localhost.example", ""].map(is_localhost), [true, true, false, false]);
    }
}
