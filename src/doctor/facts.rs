//! What was found on a host: plain data that checks read, and that tests make up.

use std::net::{IpAddr, SocketAddr};

use super::nsswitch::Nsswitch;
use super::reply::ReplyFacts;
use super::resolv_conf::ResolvConf;
use crate::dns::{DnsName, Rtype};
use crate::model::Upstream;
use crate::problem::Problem;

/// What came of a question: the reply, or why there is none.
pub type AskOutcome = Result<ReplyFacts, String>;

/// All that checks know.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// What keeps settings, zones or certificates from being loaded.
    pub problems: Vec<Problem>,
    /// What was loaded, in words; empty if nothing was.
    pub loaded: String,
    /// Ports that the server would have; `None` where this host is looked at as a client.
    pub ports: Option<PortFacts>,
    /// How programs of this host come to the server.
    pub client: ClientFacts,
    /// The certificate of the encrypted listeners.
    pub certificate: Option<CertificateFacts>,
    /// The server that is asked as a client, then upstream resolvers.
    pub servers: Vec<ServerFacts>,
    /// What the running server answers to a question for its upstreams; `None` where it does not run.
    pub running: Option<AskOutcome>,
    /// Whether signatures of upstreams are validated.
    pub validates: bool,
    /// Why there is no upstream resolver where some are wanted; empty otherwise.
    pub no_upstream: String,
    /// Addresses of this host's interfaces in IPv6; `None` where the kernel has no IPv6.
    pub ipv6: Option<Vec<IpAddr>>,
    /// The clock, in seconds since 1970.
    pub now: i64,
}

/// Ports of this host.
#[derive(Clone, Debug, Default)]
pub struct PortFacts {
    /// What the server would listen on.
    pub wanted: Vec<WantedPort>,
    /// Open sockets that wait for clients.
    pub sockets: Vec<OpenSocket>,
}

/// A socket that the server opens.
#[derive(Clone, Debug)]
pub struct WantedPort {
    /// Where it is written: `--listen`.
    pub place: String,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Its address.
    pub address: SocketAddr,
    /// The error number with which it could not be opened just now.
    pub refused: Option<i32>,
}

/// A UDP socket, or a TCP socket that listens, of any process of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSocket {
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// Its address.
    pub address: SocketAddr,
    /// Whose it is.
    pub uid: u32,
    /// Its number in the kernel.
    pub inode: u64,
    /// The process that has it, where that can be seen.
    pub holder: Option<SocketHolder>,
}

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketHolder {
    /// Its number.
    pub pid: u32,
    /// Its short name, as `ps -o comm` shows it.
    pub name: String,
    /// Whether it is this program.
    pub is_ours: bool,
}

/// How programs of this host look names up.
#[derive(Clone, Debug, Default)]
pub struct ClientFacts {
    /// Whether this host has to be a client of the server.
    pub is_wanted: bool,
    /// Where the server is, as resolv.conf could name it; `None` if it has no port 53.
    pub server: Option<IpAddr>,
    /// Where it is in words.
    pub server_text: String,
    /// /etc/resolv.conf; `None` where there is none.
    pub resolv_conf: Option<ResolvConf>,
    /// Its nameservers, in order.
    pub nameservers: Vec<NameserverFacts>,
    /// systemd-resolved's own list of upstreams; `None` where it does not run.
    pub resolved: Option<Vec<StubUpstream>>,
    /// What its stub answered.
    pub resolved_asked: Option<AskOutcome>,
    /// /etc/nsswitch.conf; `None` where there is none.
    pub nsswitch: Option<Nsswitch>,
    /// Names of /etc/hosts that the server has, too.
    pub pinned: Vec<(IpAddr, String)>,
    /// Whether programs here have musl, whose resolver asks all nameservers at once.
    pub has_musl: bool,
    /// Whether programs here have glibc.
    pub has_glibc: bool,
    /// The private name that was asked for, and what the server said.
    pub at_server: Option<(DnsName, AskOutcome)>,
    /// The same name with search domains behind it, as the first nameserver answers them.
    pub searched: Vec<(String, AskOutcome)>,
}

/// One nameserver of resolv.conf.
#[derive(Clone, Debug)]
pub struct NameserverFacts {
    /// Its line.
    pub line: u32,
    /// As it is written.
    pub text: String,
    /// Its address; `None` where that is none.
    pub address: Option<IpAddr>,
    /// Whether that is the server's.
    pub is_server: bool,
    /// What it answered to the private name.
    pub asked: Option<AskOutcome>,
    /// Whom it asks, as far as a file says so: for Docker's resolver.
    pub asks: Vec<StubUpstream>,
}

/// Whom a stub asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StubUpstream {
    /// Its address.
    pub address: IpAddr,
    /// Whether that is the server's.
    pub is_server: bool,
    /// It is asked from the host's side of a container, where addresses mean something else.
    pub is_on_host: bool,
}

/// The certificate of the encrypted listeners.
#[derive(Clone, Debug, Default)]
pub struct CertificateFacts {
    /// Its file.
    pub file: String,
    /// The flag of the first listener that wants it.
    pub flag: &'static str,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// The first and the last second of its validity; `None` where they cannot be read.
    pub valid: Option<(i64, i64)>,
}

/// A server that was asked: an upstream resolver, or the server of this client.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// Who it is.
    pub server: Upstream,
    /// What it is for: `--forward`, or the rule that names it; `--server` for the server of this client.
    pub place: String,
    /// It would answer our questions with our questions.
    pub leads_back: Option<String>,
    /// What it was asked for.
    pub name: DnsName,
    /// The type.
    pub rtype: Rtype,
    /// Over UDP, without EDNS; over an encrypted connection where it is an encrypted server.
    pub plain: Option<AskOutcome>,
    /// Over UDP, with EDNS, a payload of 1232 octets and a cookie.
    pub edns: Option<AskOutcome>,
    /// The same with DO, for keys, which are long.
    pub dnssec: Option<AskOutcome>,
    /// Over TCP.
    pub tcp: Option<AskOutcome>,
}
