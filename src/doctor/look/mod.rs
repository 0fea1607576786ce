//! Reads the host: the one part of `doctor` that touches files, sockets and other servers.
//!
//! ```text
//! files     what was read, and what was not there
//! sockets   /proc: open sockets, and which processes have them; whether a port can be opened
//! client    resolv.conf, nsswitch.conf and what stands behind stubs
//! probe     one server, asked in several ways
//! ```

mod client;
mod files;
mod probe;
mod sockets;

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

pub use files::LookedAt;

use super::facts::{CertificateFacts, HostFacts, PortFacts, ServerFacts, WantedPort};
use crate::address::{DNS_PORT, is_own, reachable};
use crate::config::{Dnssec, Settings, Upstreams, unused};
use crate::dns::{DnsName, Rtype};
use crate::expect::ServerAddress;
use crate::forward::Trust;
use crate::forward::system::{RESOLV_CONF, read_resolv_conf};
use crate::model::{Model, RuleAction, Upstream};
use crate::problem::{Place, Problem, count};
use crate::serve::encrypted::Address;
use crate::server::{encrypted_listeners, wanted_listeners};
use crate::source::Sources;
use client::ClientReach;
use files::HostFiles;
use probe::Prober;

/// Upstream resolvers that are asked: rules may name hundreds.
const MAX_UPSTREAMS: usize = 32;

/// What is looked at.
pub struct DoctorSubject<'s> {
    /// The settings of the server.
    pub settings: &'s Settings,
    /// The server whose client this host shall be; `None`: this host is the server's.
    pub server: Option<&'s ServerAddress>,
    /// A name that the server answers privately; `None`: one of the zones.
    pub name: Option<&'s DnsName>,
}

/// Looks at the host, and says which files it looked at.
pub fn look(subject: &DoctorSubject<'_>) -> (HostFacts, Vec<LookedAt>) {
    let settings = subject.settings;
    let mut files = HostFiles::default();
    let mut host = HostFacts { validates: settings.dnssec == Dnssec::Validate, ..HostFacts::default() };
    let model = load(subject, &mut host, &mut files);
    let own = match &subject.server {
        Some(server) => vec![server.upstream.address],
        None => wanted_listeners(&settings.listen, &model).into_iter().map(|at| at.value).collect(),
    };
    if subject.server.is_none() {
        host.problems.extend(unused(settings));
        host.ports = Some(ports(settings, &model, &mut files));
        certificate(settings, &mut host, &mut files);
    }
    host.ipv6 = ipv6(&mut files);
    let prober = Prober::new(trust(settings, &mut host));
    let reach = ClientReach { subject, own: &own, model: &model, prober: &prober };
    host.client = client::look(&reach, &mut files);
    // first, as it keeps failures for a while, and says of those no more than that
    host.running = match (subject.server, own.first()) {
        (None, Some(own)) => Some(Prober::root(SocketAddr::new(reachable(own.ip()), own.port()))),
        _ => None,
    };
    let asked = match subject.server {
        Some(server) => vec![own_server(server, host.client.at_server.as_ref().map(|(name, _)| name))],
        None => upstreams(settings, &model, &own, &mut host, &mut files),
    };
    // as late as can be: replies have the time in them
    host.now = now();
    host.servers = prober.ask_all(asked);
    (host, files.looked_at)
}

/// The clock, in seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

/// The zones; empty where they do not load, which is a problem of `host`.
fn load(subject: &DoctorSubject<'_>, host: &mut HostFacts, files: &mut HostFiles) -> Model {
    let settings = subject.settings;
    // a client has no zones, mostly
    if subject.server.is_some() && settings.zones.iter().all(|path| !path.exists()) {
        return Model::default();
    }
    let loaded = Sources::of_files(settings.zones.clone()).with_names(settings.catalogue).load(&|_, _| {});
    for path in &settings.zones {
        files.note(path, if path.exists() { "read" } else { "not there" });
    }
    host.problems.extend(loaded.problems);
    let Some(model) = loaded.model else { return Model::default() };
    let (endpoints, vpcs) = (count(model.endpoint_count(), "endpoint"), count(model.vpcs().len(), "VPC"));
    host.loaded = format!("{endpoints} in {vpcs} from {}", count(loaded.files_read, "file"));
    model
}

/// Everything that the settings want to listen on, opened for a moment.
fn ports(settings: &Settings, model: &Model, files: &mut HostFiles) -> PortFacts {
    let mut wanted: Vec<(String, &'static str, SocketAddr)> = Vec::new();
    for at in wanted_listeners(&settings.listen, model) {
        wanted.extend(["UDP", "TCP"].map(|transport| (at.place.to_string(), transport, at.value)));
    }
    for address in Address::wanted(settings) {
        wanted.push((address.flag().to_owned(), address.socket(), address.address));
    }
    for (flag, address) in [("--http", settings.http), ("--ec2-api", settings.ec2_api)] {
        wanted.extend(address.map(|address| (flag.to_owned(), "TCP", address)));
    }
    // before our own sockets are among them
    let sockets = sockets::open_sockets(files);
    let wanted = wanted.into_iter().filter(|(_, _, address)| address.port() != 0);
    let wanted = wanted.map(|(place, transport, address)| {
        let refused = sockets::try_to_open(transport, address).err().and_then(|error| error.raw_os_error());
        WantedPort { place, transport, address, refused }
    });
    PortFacts { wanted: wanted.collect(), sockets }
}

fn certificate(settings: &Settings, host: &mut HostFacts, files: &mut HostFiles) {
    match encrypted_listeners(settings) {
        Err(problems) => host.problems.extend(problems),
        Ok(None) => {}
        Ok(Some(encrypted)) => {
            for path in [&settings.tls_cert, &settings.tls_key].into_iter().flatten() {
                files.note(path, "read");
            }
            host.certificate = Some(CertificateFacts {
                file: settings.tls_cert.as_ref().map_or_else(String::new, |path| path.display().to_string()),
                flag: encrypted.addresses.first().map_or("", Address::flag),
                names: encrypted.certificates.names(),
                valid: encrypted.certificates.validity(),
            });
        }
    }
}

fn trust(settings: &Settings, host: &mut HostFacts) -> Trust {
    let Some(file) = &settings.forward_ca else { return Trust::default() };
    Trust::with_file(file).unwrap_or_else(|what| {
        let hint = "name a PEM file with the certificates of the authorities";
        host.problems.push(Problem::error(Place::whole(file.display().to_string()), what, hint));
        Trust::default()
    })
}

/// Addresses of /proc/net/if_inet6 that are worth something beyond one link.
fn ipv6(files: &mut HostFiles) -> Option<Vec<IpAddr>> {
    let text = files.read("/proc/net/if_inet6")?;
    Some(text.lines().filter_map(sockets::interface_address).collect())
}

/// What the server of this client is asked.
fn own_server(server: &ServerAddress, name: Option<&DnsName>) -> ServerFacts {
    // special names are answered without anybody's help (RFC 6761 6.3)
    let name = name.cloned().or_else(|| "localhost".parse().ok()).unwrap_or_else(DnsName::root);
    to_ask("--server".to_owned(), server.upstream.clone(), name, Rtype::A)
}

fn to_ask(place: String, server: Upstream, name: DnsName, rtype: Rtype) -> ServerFacts {
    ServerFacts { place, server, leads_back: None, name, rtype, plain: None, edns: None, dnssec: None, tcp: None }
}

/// The upstreams of the settings and of rules, each once.
fn upstreams(
    settings: &Settings,
    model: &Model,
    own: &[SocketAddr],
    host: &mut HostFacts,
    files: &mut HostFiles,
) -> Vec<ServerFacts> {
    let mut asked: Vec<ServerFacts> = Vec::new();
    let general = |upstream: Upstream, place: &str| to_ask(place.to_owned(), upstream, DnsName::root(), Rtype::NS);
    match &settings.forward {
        Upstreams::None => {}
        Upstreams::These(upstreams) => {
            asked.extend(upstreams.iter().map(|upstream| general(upstream.clone(), "--forward")));
        }
        Upstreams::System => {
            let text = files.read(RESOLV_CONF).unwrap_or_default();
            let (resolvers, problems) = read_resolv_conf(&text, own);
            if resolvers.is_empty() {
                let why: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
                host.no_upstream = format!("--forward system finds no resolver in {RESOLV_CONF}: {}", why.join(", "));
            }
            asked.extend(resolvers.into_iter().map(|address| general(Upstream::plain(address), "--forward system")));
        }
    }
    for rule in model.rules() {
        let RuleAction::Forward(targets) = &rule.action else { continue };
        let place = format!("rule {}", rule.domain_name);
        let of_rule = |target: &Upstream| to_ask(place.clone(), target.clone(), rule.domain_name.clone(), Rtype::SOA);
        asked.extend(targets.iter().map(of_rule));
    }
    let mut seen = std::collections::HashSet::new();
    asked.retain(|facts| seen.insert(facts.server.clone()));
    asked.truncate(MAX_UPSTREAMS);
    for facts in &mut asked {
        if is_own(facts.server.address, own) {
            facts.leads_back = Some("it is one of the addresses that the server listens on".to_owned());
        }
    }
    asked
}

/// The address of the server as resolv.conf could name it, and in words.
fn server_address(own: &[SocketAddr]) -> (Option<IpAddr>, String) {
    let named = own.iter().find(|address| address.port() == DNS_PORT).map(|address| reachable(address.ip()));
    let text = match (named, own.first()) {
        (Some(ip), _) => ip.to_string(),
        (None, Some(address)) => SocketAddr::new(reachable(address.ip()), address.port()).to_string(),
        (None, None) => "the server".to_owned(),
    };
    (named, text)
}
