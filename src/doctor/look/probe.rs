//! One server, asked in several ways: with EDNS and without, over UDP, TCP and encrypted.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::EdnsOption;

use crate::ask::{AskError, EncryptedClient, Manner, over_tcp, over_udp, query};
use crate::dns::{CLIENT_COOKIE, DnsName, OptionCode, Rtype, SAFE_PAYLOAD};
use crate::doctor::facts::{AskOutcome, ServerFacts};
use crate::doctor::reply::ReplyFacts;
use crate::forward::Trust;
use crate::model::Upstream;

/// Two attempts of a second: a lost datagram is no finding, and a person waits.
const MANNER: Manner<'_> = Manner { from: None, lead: &[], patience: Duration::from_secs(1), attempts: 2 };
/// Servers that are asked side by side.
const SIDE_BY_SIDE: usize = 8;
/// Keys of the root, which are long, and which every resolver can get.
const DNSKEY: Rtype = Rtype::new(48);

/// See the module.
pub(super) struct Prober {
    trust: Trust,
    /// For encrypted servers; made when the first is asked.
    client: OnceLock<Result<EncryptedClient, String>>,
}

impl Prober {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust, client: OnceLock::new() }
    }

    /// Asks each of them in all ways; those that lead back are not asked.
    pub(super) fn ask_all(&self, mut servers: Vec<ServerFacts>) -> Vec<ServerFacts> {
        for some in servers.chunks_mut(SIDE_BY_SIDE) {
            thread::scope(|scope| {
                for server in some.iter_mut().filter(|server| server.leads_back.is_none()) {
                    scope.spawn(move || self.ask(server));
                }
            });
        }
        servers
    }

    fn ask(&self, facts: &mut ServerFacts) {
        let (name, rtype, address) = (&facts.name, facts.rtype, facts.server.address);
        if facts.server.is_encrypted() {
            facts.plain = Some(self.encrypted(&facts.server, name, rtype));
            return;
        }
        let udp = |name, rtype, edns| timed(|| over_udp(&query(name, rtype, edns)?, address, MANNER).map_err(why));
        let plain = udp(name, rtype, None);
        if plain.is_ok() {
            let edns = udp(name, rtype, Some(with_edns(false)));
            if edns.is_ok() {
                facts.dnssec = Some(udp(name, DNSKEY, Some(with_edns(true))));
            }
            facts.edns = Some(edns);
        }
        facts.plain = Some(plain);
        facts.tcp = Some(tcp(address, name, rtype));
    }

    /// What a server says to a question for IPv4 addresses.
    pub(super) fn addresses(&self, server: &Upstream, name: &DnsName) -> AskOutcome {
        if server.is_encrypted() {
            return self.encrypted(server, name, Rtype::A);
        }
        let question = query(name, Rtype::A, None)?;
        let reply = timed(|| over_udp(&question, server.address, MANNER).map_err(why))?;
        if reply.is_truncated { tcp(server.address, name, Rtype::A) } else { Ok(reply) }
    }

    /// What a server says to a question for the root's servers, which it has to ask others for.
    pub(super) fn root(server: SocketAddr) -> AskOutcome {
        let question = query(&DnsName::root(), Rtype::NS, Some(with_edns(false)))?;
        timed(|| over_udp(&question, server, MANNER).map_err(why))
    }

    fn encrypted(&self, server: &Upstream, name: &DnsName, rtype: Rtype) -> AskOutcome {
        let make =
            || EncryptedClient::new(self.trust.clone()).map_err(|error| format!("cannot start a thread: {error}"));
        let client = self.client.get_or_init(make).as_ref().map_err(Clone::clone)?;
        timed(|| {
            client.ask(server, name, rtype).map_err(|error| {
                error.tried.first().map_or_else(|| error.to_string(), |tried| tried.failure.to_string())
            })
        })
    }
}

fn tcp(server: SocketAddr, name: &DnsName, rtype: Rtype) -> AskOutcome {
    timed(|| over_tcp(&query(name, rtype, None)?, server, MANNER).map_err(why))
}

fn timed(ask: impl FnOnce() -> Result<Vec<u8>, String>) -> AskOutcome {
    let began = Instant::now();
    let octets = ask()?;
    ReplyFacts::read(&octets, began.elapsed()).map_err(|_| "its reply is malformed".to_owned())
}

/// The reason in the words of a person.
fn why(error: AskError) -> String {
    match error {
        AskError::NoReply(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nobody listens there".to_owned()
        }
        AskError::NoReply(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it closes the connection".to_owned()
        }
        error => error.to_string(),
    }
}

/// EDNS as the server sends it (RFC 6891), with a cookie of our own (RFC 7873 4.1), whose reply has the server's time.
fn with_edns(dnssec_ok: bool) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(SAFE_PAYLOAD);
    edns.set_dnssec_ok(dnssec_ok);
    let cookie: [u8; CLIENT_COOKIE] = rand::random();
    edns.options_mut().insert(EdnsOption::Unknown(OptionCode::COOKIE.number(), cookie.to_vec()));
    edns
}
