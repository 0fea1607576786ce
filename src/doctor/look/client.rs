//! How programs of this host look names up: files, and what nameservers say to a private name.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::thread;

use super::files::HostFiles;
use super::probe::Prober;
use super::{DoctorSubject, server_address};
use crate::address::{DNS_PORT, is_own};
use crate::dns::DnsName;
use crate::doctor::facts::{AskOutcome, ClientFacts, NameserverFacts, StubUpstream};
use crate::doctor::nsswitch::Nsswitch;
use crate::doctor::resolv_conf::{DOCKER_STUB, ResolvConf};
use crate::forward::system::{RESOLV_CONF, RESOLVED_LIST, RESOLVED_STUBS};
use crate::model::{Model, Upstream};

/// Private names that are tried until the server gives one a private answer: this host may be in another VPC.
const MAX_NAMES: usize = 5;
/// Nameservers and search domains that are asked.
const MAX_ASKED: usize = 6;

/// Names of /etc/hosts that are told; one is enough to know where to look.
const MAX_PINNED: usize = 5;

/// What is known before clients are looked at.
pub(super) struct ClientReach<'r> {
    pub(super) subject: &'r DoctorSubject<'r>,
    /// Where the server is.
    pub(super) own: &'r [SocketAddr],
    pub(super) model: &'r Model,
    pub(super) prober: &'r Prober,
}

impl ClientReach<'_> {
    /// Whether whoever asks `ip` asks the server.
    fn is_server(&self, ip: IpAddr) -> bool {
        let asked = SocketAddr::new(crate::address::reachable(ip), DNS_PORT);
        match self.subject.server {
            Some(server) => !server.upstream.is_encrypted() && server.upstream.address == asked,
            None => is_own(asked, self.own),
        }
    }

    fn behind(&self, address: IpAddr, is_on_host: bool) -> StubUpstream {
        StubUpstream { address, is_server: self.is_server(address), is_on_host }
    }

    /// The private name that shows who leads to the server, and what the server says to it.
    fn private_name(&self) -> Option<(DnsName, AskOutcome)> {
        let server = match self.subject.server {
            Some(server) => server.upstream.clone(),
            None => Upstream::plain(
                self.own.first().map(|at| SocketAddr::new(crate::address::reachable(at.ip()), at.port()))?,
            ),
        };
        let names = self.subject.name.map_or_else(|| private_names(self.model), |name| vec![name.clone()]);
        let mut last = None;
        for name in names {
            let asked = self.prober.addresses(&server, &name);
            let is_last = asked.as_ref().map_or(true, |reply| !reply.addresses.is_empty());
            last = Some((name, asked));
            if is_last {
                break;
            }
        }
        last
    }
}

fn private_names(model: &Model) -> Vec<DnsName> {
    let endpoints = model.endpoints().filter(|endpoint| endpoint.private_dns_enabled());
    let names = endpoints.filter_map(|endpoint| {
        let names = &model.service(endpoint).private_names;
        names.iter().find(|name| !name.to_string().starts_with('*')).cloned()
    });
    let mut found: Vec<DnsName> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
        if found.len() == MAX_NAMES {
            break;
        }
    }
    found
}

pub(super) fn look(reach: &ClientReach<'_>, files: &mut HostFiles) -> ClientFacts {
    let conf = files.read(RESOLV_CONF).map(|text| ResolvConf::parse(&text));
    let (server, server_text) = server_address(reach.own);
    let is_encrypted = reach.subject.server.is_some_and(|server| server.upstream.is_encrypted());
    let (has_glibc, has_musl) = c_libraries();
    let mut client = ClientFacts {
        is_wanted: reach.subject.server.is_some(),
        server: server.filter(|_| !is_encrypted),
        server_text,
        nsswitch: files.read("/etc/nsswitch.conf").map(|text| Nsswitch::parse(&text)),
        resolved: resolved(reach, files),
        at_server: reach.private_name(),
        has_glibc,
        has_musl,
        ..ClientFacts::default()
    };
    if let Some(conf) = &conf {
        client.nameservers = conf.nameservers.iter().map(|(text, line)| nameserver(reach, conf, text, *line)).collect();
    }
    client.resolv_conf = conf;
    client.pinned = pinned(reach, &client, files);
    ask(reach, &mut client);
    client
}

fn nameserver(reach: &ClientReach<'_>, conf: &ResolvConf, text: &str, line: u32) -> NameserverFacts {
    // a scope names an interface of this machine
    let address = text.split('%').next().and_then(|bare| bare.parse().ok());
    let asks = conf.docker_asks.iter().filter(|_| address == Some(DOCKER_STUB));
    NameserverFacts {
        line,
        text: text.to_owned(),
        address,
        is_server: address.is_some_and(|ip| reach.is_server(ip)),
        asked: None,
        asks: asks.map(|(ip, on_host)| reach.behind(*ip, *on_host)).collect(),
    }
}

/// Whom systemd-resolved asks; `None` where it does not run.
fn resolved(reach: &ClientReach<'_>, files: &mut HostFiles) -> Option<Vec<StubUpstream>> {
    let text = files.read(RESOLVED_LIST)?;
    let conf = ResolvConf::parse(&text);
    let addresses = conf.nameservers.iter().filter_map(|(text, _)| text.split('%').next()?.parse().ok());
    Some(addresses.map(|ip| reach.behind(ip, false)).collect())
}

/// Names of /etc/hosts that the server answers, too: that are private names of its model, or the one that was named.
fn pinned(reach: &ClientReach<'_>, client: &ClientFacts, files: &mut HostFiles) -> Vec<(IpAddr, String)> {
    let Some(text) = files.read("/etc/hosts") else { return Vec::new() };
    // both may be long: lists of hosts that are blocked, a million endpoints
    let endpoints = reach.model.endpoints().flat_map(|endpoint| &reach.model.service(endpoint).private_names);
    let asked = client.at_server.as_ref().map(|(name, _)| name);
    let ours: HashSet<&DnsName> = endpoints.chain(asked).collect();
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(ip) = words.next().and_then(|word| word.parse().ok()) else { continue };
        let pinned = words.filter(|word| word.parse().is_ok_and(|name: DnsName| ours.contains(&name)));
        found.extend(pinned.map(|name| (ip, name.to_owned())));
        if found.len() >= MAX_PINNED {
            break;
        }
    }
    found
}

/// Whether programs here have glibc, and whether they have musl. Alpine may have a loader that looks like glibc's, and a
/// Debian one that is musl's.
fn c_libraries() -> (bool, bool) {
    let has = |prefix: &str| {
        ["/lib", "/lib64", "/usr/lib", "/usr/lib64"].iter().any(|dir| {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with(prefix))
        })
    };
    let (glibc, musl) = (has("ld-linux"), has("ld-musl-"));
    let is_musl = Path::new("/etc/alpine-release").exists() || musl && !glibc;
    (!is_musl, is_musl)
}

/// Asks nameservers for the private name, all at once.
fn ask(reach: &ClientReach<'_>, client: &mut ClientFacts) {
    let Some((name, Ok(_))) = &client.at_server else { return };
    let prober = reach.prober;
    let at = |ip: IpAddr| Upstream::plain(SocketAddr::new(ip, DNS_PORT));
    let first = client.nameservers.iter().find_map(|server| server.address);
    let longer = client.resolv_conf.as_ref().map_or_else(Vec::new, |conf| conf.tried_before(&name.to_string()));
    let [stub, _] = RESOLVED_STUBS;
    thread::scope(|scope| {
        let asked: Vec<_> = client
            .nameservers
            .iter()
            .take(MAX_ASKED)
            .map(|server| {
                let address = server.address.filter(|_| !server.is_server);
                scope.spawn(move || address.map(|ip| prober.addresses(&at(ip), name)))
            })
            .collect();
        let stub = client.resolved.as_ref().map(|_| scope.spawn(move || prober.addresses(&at(stub), name)));
        let searched: Vec<_> = longer
            .into_iter()
            .take(MAX_ASKED)
            .filter_map(|text| Some((text.parse::<DnsName>().ok()?, text)))
            .filter_map(|(name, text)| {
                let first = first?;
                Some((text, scope.spawn(move || prober.addresses(&at(first), &name))))
            })
            .collect();
        for (server, thread) in client.nameservers.iter_mut().zip(asked) {
            server.asked = thread.join().ok().flatten();
        }
        client.resolved_asked = stub.and_then(|thread| thread.join().ok());
        client.searched = searched.into_iter().filter_map(|(text, thread)| Some((text, thread.join().ok()?))).collect();
    });
}
