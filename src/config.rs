//! Settings: what `vpcedns.toml`, flags and environment variables say, and every bound in one place.

mod access_key;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use crate::model::{Upstream, UpstreamError};
use crate::naming::{DnsName, is_near_special};

pub use access_key::{AccessKey, ActionPattern, Secret};

/// Where the files are, unless someone says otherwise.
pub const DEFAULT_ZONES: &str = "./zones";
/// Where questions are taken, unless someone says otherwise: this machine only, and no port that needs a privilege.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5300);
/// Where the EC2-compatible API keeps its state, unless someone says otherwise.
pub const DEFAULT_EC2_STATE: &str = "./vpcedns-state";
/// What is logged, unless someone says otherwise.
pub const DEFAULT_LOG: &str = "info";
/// The settings file that is read if it is there.
pub const DEFAULT_FILE: &str = "./vpcedns.toml";

/// What one place said: the file, or flags and environment together. `None` where it said nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Directories and files with the zones.
    pub zones: Option<Vec<PathBuf>>,
    /// Addresses for questions, UDP and TCP.
    pub listen: Option<Vec<SocketAddr>>,
    /// Whom to ask for what is not ours.
    pub forward: Option<Upstreams>,
    /// Authorities that encrypted upstreams may have their certificates from, besides the system's.
    pub forward_ca: Option<PathBuf>,
    /// Letters of questions to upstreams in random case.
    pub forward_0x20: Option<bool>,
    /// Whether signatures of upstreams' replies are validated.
    pub dnssec: Option<Dnssec>,
    /// File with the keys that are trusted in place of the root's.
    pub dnssec_anchors: Option<PathBuf>,
    /// Names at and below which nothing is validated.
    pub dnssec_insecure: Option<Vec<DnsName>>,
    /// Networks served although they are in no VPC.
    pub allow: Option<Vec<IpNet>>,
    /// Address for health, metrics and explain.
    pub http: Option<SocketAddr>,
    /// Addresses for DNS over TLS.
    pub tls: Option<Vec<SocketAddr>>,
    /// Addresses for DNS over HTTPS.
    pub https: Option<Vec<SocketAddr>>,
    /// Addresses for DNS over QUIC.
    pub quic: Option<Vec<SocketAddr>>,
    /// The certificate of these, with its chain, in PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its key, in PEM.
    pub tls_key: Option<PathBuf>,
    /// Address for the EC2-compatible API.
    pub ec2_api: Option<SocketAddr>,
    /// Directory for the state of that API.
    pub ec2_state: Option<PathBuf>,
    /// File with the access keys of those who may call that API.
    pub ec2_keys: Option<PathBuf>,
    /// Host names by which that API is called.
    pub ec2_host: Option<Vec<String>>,
    /// URL of the SNS that connection notifications are published to.
    pub sns_endpoint: Option<String>,
    /// URL that connection notifications are posted to.
    pub ec2_webhook: Option<String>,
    /// AA in answers out of our own data.
    pub aa: Option<bool>,
    /// Special names that are asked upstream after all.
    pub forward_special: Option<Vec<DnsName>>,
    /// Names for which nobody is asked where no private answer stands.
    pub private_only: Option<Vec<DnsName>>,
    /// Whether replies to public names may not hold private addresses.
    pub rebind_protection: Option<bool>,
    /// Public names that may have private addresses nevertheless.
    pub rebind_allow: Option<Vec<DnsName>>,
    /// What to log.
    pub log: Option<String>,
    /// Bounds that differ from their defaults.
    pub limits: Vec<(String, u64)>,
}

impl Settings {
    /// What `self` says, and what `other` says where `self` says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // all fields by name: one that is forgotten here does not compile
        let Self {
            zones,
            listen,
            forward,
            forward_ca,
            forward_0x20,
            dnssec,
            dnssec_anchors,
            dnssec_insecure,
            allow,
            http,
            tls,
            https,
            quic,
            tls_cert,
            tls_key,
            ec2_api,
            ec2_state,
            ec2_keys,
            ec2_host,
            sns_endpoint,
            ec2_webhook,
            aa,
            log,
            limits,
            forward_special,
            private_only,
            rebind_protection,
            rebind_allow,
        } = other;
        Self {
            zones: self.zones.or(zones),
            listen: self.listen.or(listen),
            forward: self.forward.or(forward),
            forward_ca: self.forward_ca.or(forward_ca),
            forward_0x20: self.forward_0x20.or(forward_0x20),
            dnssec: self.dnssec.or(dnssec),
            dnssec_anchors: self.dnssec_anchors.or(dnssec_anchors),
            dnssec_insecure: self.dnssec_insecure.or(dnssec_insecure),
            allow: self.allow.or(allow),
            http: self.http.or(http),
            tls: self.tls.or(tls),
            https: self.https.or(https),
            quic: self.quic.or(quic),
            tls_cert: self.tls_cert.or(tls_cert),
            tls_key: self.tls_key.or(tls_key),
            ec2_api: self.ec2_api.or(ec2_api),
            ec2_state: self.ec2_state.or(ec2_state),
            ec2_keys: self.ec2_keys.or(ec2_keys),
            ec2_host: self.ec2_host.or(ec2_host),
            sns_endpoint: self.sns_endpoint.or(sns_endpoint),
            ec2_webhook: self.ec2_webhook.or(ec2_webhook),
            aa: self.aa.or(aa),
            forward_special: self.forward_special.or(forward_special),
            private_only: self.private_only.or(private_only),
            rebind_protection: self.rebind_protection.or(rebind_protection),
            rebind_allow: self.rebind_allow.or(rebind_allow),
            log: self.log.or(log),
            // later ones win when they are set one after the other
            limits: limits.into_iter().chain(self.limits).collect(),
        }
    }
}

/// What becomes of the signatures in upstreams' replies (DNSSEC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dnssec {
    /// They go to clients that ask for them, unseen.
    Off,
    /// They are validated, and what is bogus is not handed on.
    Validate,
}

impl FromStr for Dnssec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "validate" => Ok(Self::Validate),
            _ => Err(format!("'{text}' is neither 'off' nor 'validate'")),
        }
    }
}

/// Whom to ask for what is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstreams {
    /// The resolvers of this machine, less ourselves.
    System,
    /// Nobody.
    None,
    /// These, in order.
    These(Vec<Upstream>),
}

impl Upstreams {
    /// Several words to one choice: `system` and `none` stand alone.
    pub fn from_words(words: &[UpstreamWord]) -> Result<Self, String> {
        match words {
            [UpstreamWord::System] => Ok(Self::System),
            [UpstreamWord::None] => Ok(Self::None),
            _ => words
                .iter()
                .map(|word| match word {
                    UpstreamWord::Upstream(upstream) => Ok(upstream.clone()),
                    _ => Err("'system' and 'none' stand alone: give one of them, or addresses".to_owned()),
                })
                .collect::<Result<_, _>>()
                .map(Self::These),
        }
    }
}

/// One word about upstreams: one of them, `system` or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamWord {
    /// The resolvers of this machine.
    System,
    /// Nobody.
    None,
    /// This one.
    Upstream(Upstream),
}

impl FromStr for UpstreamWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "system" => Ok(Self::System),
            "none" => Ok(Self::None),
            _ => {
                text.parse().map(Self::Upstream).map_err(|error: UpstreamError| format!("{error}, 'system' or 'none'"))
            }
        }
    }
}

/// A name at or below which special names are asked upstream after all; it has to be near one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialName(pub DnsName);

impl FromStr for SpecialName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name: DnsName = text.parse().map_err(|error| format!("'{text}' is no domain name: {error}"))?;
        if is_near_special(name.wire()) {
            return Ok(Self(name));
        }
        Err(format!(
            "'{text}' is no special name: such are localhost, test, home.arpa, 10.in-addr.arpa, or '.' for all"
        ))
    }
}

/// An address with a port, or one alone with port 53 (RFC 1035 4.2).
pub fn parse_address(text: &str) -> Option<SocketAddr> {
    parse_address_or(text, 53)
}

/// An address with a port, or one alone with `port`.
pub fn parse_address_or(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| bare.parse().ok().map(|ip| SocketAddr::new(ip, port)))
}

/// Port of DNS over TLS and of DNS over QUIC (RFC 7858 3.1; RFC 9250 4.1.1), where an address comes without one.
pub const TLS_PORT: u16 = 853;
/// Port of HTTPS, and so of DNS over it (RFC 9110 4.2.2).
pub const HTTPS_PORT: u16 = 443;

/// Every bound of the server, so that nothing a client does can grow without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest UDP reply in octets, whatever the client says it takes (DNS flag day 2020).
    pub udp_payload: u16,
    /// Threads with a socket of their own for each UDP address; 0: one for each processor.
    pub udp_workers: usize,
    /// Octets asked for as receive and as send buffer of a UDP socket; the kernel may grant less.
    pub udp_socket_buffer: usize,
    /// Questions that wait for an upstream at one time, all clients together.
    pub forward_in_flight: usize,
    /// Of these, questions of one client: an IPv4 address or an IPv6 /64.
    pub forward_in_flight_per_client: usize,
    /// Questions that wait for one upstream at one time.
    pub forward_in_flight_per_upstream: usize,
    /// UDP sockets to one upstream that take questions; as many again may wait for their last replies.
    pub forward_sockets: usize,
    /// The longest that one attempt at one upstream may take before the next is made beside it.
    pub forward_timeout: Duration,
    /// Time for a question in all, over every upstream and attempt.
    pub forward_deadline: Duration,
    /// Octets that cached replies may take; 0: no cache.
    pub cache_size: u64,
    /// What a shorter TTL is raised to in the cache, in whole seconds.
    pub cache_min_ttl: Duration,
    /// What a longer TTL is cut down to in the cache, in whole seconds.
    pub cache_max_ttl: Duration,
    /// The same for what does not exist (RFC 2308 5).
    pub cache_negative_ttl: Duration,
    /// How long the first failure of a question is remembered; each one that follows doubles it (RFC 9520 3.2).
    pub cache_failure: Duration,
    /// Longest time for which a failure is remembered.
    pub cache_failure_most: Duration,
    /// How long after its time a cached reply may answer while no upstream does (RFC 8767); 0: not at all.
    pub stale: Duration,
    /// The TTL of such an answer, in whole seconds.
    pub stale_ttl: Duration,
    /// How long a client waits for an upstream before it gets such an answer.
    pub stale_wait: Duration,
    /// How long after a failed refresh the next one is tried.
    pub stale_retry: Duration,
    /// A hit in the last so many hundredths of a reply's time has it fetched anew; 0: not before its time is over.
    pub prefetch_percent: u64,
    /// TCP connections at one time; TLS, HTTPS and QUIC together may have as many again.
    pub tcp_connections: usize,
    /// Of these, connections at one time from one client: an IPv4 address or an IPv6 /64.
    pub tcp_connections_per_client: usize,
    /// Questions of one connection, encrypted or not, that are being answered at one time.
    pub tcp_pipeline: usize,
    /// A connection, encrypted or not, that has asked nothing, or not taken its replies, for this long is closed.
    pub tcp_idle: Duration,
    /// Time for a handshake of TLS or QUIC.
    pub tls_handshake: Duration,
    /// Time for what is under way when the server is told to stop.
    pub drain: Duration,
    /// HTTP requests that are being answered at one time.
    pub http_connections: usize,
    /// How long a new or changed endpoint of the EC2 API is `pending`; it answers meanwhile.
    pub ec2_pending: Duration,
    /// How long a deleted endpoint is `deleting`; it does not answer any more.
    pub ec2_deleting: Duration,
    /// How long a deleted endpoint is listed as `deleted` after that.
    pub ec2_deleted: Duration,
    /// Interface endpoints of a VPC (AWS quota L-29B6F2EB).
    pub ec2_endpoints_per_vpc: usize,
    /// Calls of one caller of the EC2 API a second, over time; twice as many at once.
    pub ec2_calls_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            udp_payload: 1232,
            udp_workers: 0,
            udp_socket_buffer: 4 << 20,
            forward_in_flight: 4096,
            forward_in_flight_per_client: 2048,
            forward_in_flight_per_upstream: 2048,
            forward_sockets: 16,
            forward_timeout: Duration::from_millis(1500),
            forward_deadline: Duration::from_secs(5),
            cache_size: 64 << 20,
            cache_min_ttl: Duration::ZERO,
            cache_max_ttl: Duration::from_secs(86_400),
            cache_negative_ttl: Duration::from_secs(3600),
            cache_failure: Duration::from_secs(5),
            cache_failure_most: Duration::from_secs(60),
            stale: Duration::from_secs(86_400),
            stale_ttl: Duration::from_secs(30),
            stale_wait: Duration::from_millis(1800),
            stale_retry: Duration::from_secs(30),
            prefetch_percent: 10,
            tcp_connections: 1024,
            tcp_connections_per_client: 128,
            tcp_pipeline: 64,
            tcp_idle: Duration::from_secs(10),
            tls_handshake: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            http_connections: 64,
            ec2_pending: Duration::ZERO,
            ec2_deleting: Duration::ZERO,
            ec2_deleted: Duration::from_secs(60),
            ec2_endpoints_per_vpc: 50,
            ec2_calls_per_second: 1_000,
        }
    }
}

impl Limits {
    /// Every bound that can be set: its key, with the unit last, the least and the most.
    pub const KEYS: [(&'static str, u64, u64); 32] = [
        ("udp_payload", 512, 4096),
        ("udp_workers", 0, 1024),
        ("udp_socket_buffer", 4096, 1 << 30),
        ("forward_in_flight", 1, 1 << 20),
        ("forward_in_flight_per_client", 1, 1 << 20),
        ("forward_in_flight_per_upstream", 1, 1 << 20),
        ("forward_sockets", 1, 1024),
        ("forward_timeout_ms", 10, 60_000),
        ("forward_deadline_ms", 10, 60_000),
        ("cache_size", 0, 1 << 40),
        ("cache_min_ttl_s", 0, 86_400),
        ("cache_max_ttl_s", 1, 604_800),
        ("cache_negative_ttl_s", 0, 86_400),
        // RFC 9520 3.2: at least a second, at most five minutes
        ("cache_failure_s", 1, 300),
        ("cache_failure_most_s", 1, 300),
        ("stale_s", 0, 604_800),
        ("stale_ttl_s", 1, 3600),
        ("stale_wait_ms", 0, 60_000),
        ("stale_retry_s", 1, 3600),
        ("prefetch_percent", 0, 90),
        ("tcp_connections", 1, 1 << 20),
        ("tcp_connections_per_client", 1, 1 << 20),
        ("tcp_pipeline", 1, 1 << 16),
        ("tcp_idle_ms", 100, 3_600_000),
        ("tls_handshake_ms", 10, 60_000),
        ("drain_ms", 0, 600_000),
        ("http_connections", 1, 1 << 16),
        ("ec2_pending_ms", 0, 3_600_000),
        ("ec2_deleting_ms", 0, 3_600_000),
        ("ec2_deleted_ms", 0, 86_400_000),
        ("ec2_endpoints_per_vpc", 1, 1 << 20),
        ("ec2_calls_per_second", 1, 1 << 20),
    ];

    /// Sets one bound by its key; the text says what would be right.
    pub fn set(&mut self, key: &str, value: u64) -> Result<(), String> {
        let Some((_, least, most)) = Self::KEYS.iter().find(|(known, ..)| *known == key) else {
            let keys: Vec<&str> = Self::KEYS.iter().map(|(key, ..)| *key).collect();
            let near = crate::problem::nearest(key, keys.iter().copied());
            let hint = near
                .map_or_else(|| format!("limits are {}", keys.join(", ")), |near| format!("did you mean '{near}'?"));
            return Err(format!("unknown limit '{key}': {hint}"));
        };
        if !(*least..=*most).contains(&value) {
            return Err(format!("limit {key} = {value} is out of range: {least} to {most}"));
        }
        let size = usize::try_from(value).unwrap_or(usize::MAX);
        let ms = Duration::from_millis(value);
        let seconds = Duration::from_secs(value);
        match key {
            "udp_payload" => self.udp_payload = u16::try_from(value).unwrap_or(u16::MAX),
            "udp_workers" => self.udp_workers = size,
            "udp_socket_buffer" => self.udp_socket_buffer = size,
            "forward_in_flight" => self.forward_in_flight = size,
            "forward_in_flight_per_client" => self.forward_in_flight_per_client = size,
            "forward_in_flight_per_upstream" => self.forward_in_flight_per_upstream = size,
            "forward_sockets" => self.forward_sockets = size,
            "forward_timeout_ms" => self.forward_timeout = ms,
            "forward_deadline_ms" => self.forward_deadline = ms,
            "cache_size" => self.cache_size = value,
            "cache_min_ttl_s" => self.cache_min_ttl = seconds,
            "cache_max_ttl_s" => self.cache_max_ttl = seconds,
            "cache_negative_ttl_s" => self.cache_negative_ttl = seconds,
            "cache_failure_s" => self.cache_failure = seconds,
            "cache_failure_most_s" => self.cache_failure_most = seconds,
            "stale_s" => self.stale = seconds,
            "stale_ttl_s" => self.stale_ttl = seconds,
            "stale_wait_ms" => self.stale_wait = ms,
            "stale_retry_s" => self.stale_retry = seconds,
            "prefetch_percent" => self.prefetch_percent = value,
            "tcp_connections" => self.tcp_connections = size,
            "tcp_connections_per_client" => self.tcp_connections_per_client = size,
            "tcp_pipeline" => self.tcp_pipeline = size,
            "tcp_idle_ms" => self.tcp_idle = ms,
            "tls_handshake_ms" => self.tls_handshake = ms,
            "drain_ms" => self.drain = ms,
            "http_connections" => self.http_connections = size,
            "ec2_pending_ms" => self.ec2_pending = ms,
            "ec2_deleting_ms" => self.ec2_deleting = ms,
            "ec2_deleted_ms" => self.ec2_deleted = ms,
            "ec2_endpoints_per_vpc" => self.ec2_endpoints_per_vpc = size,
            _ => self.ec2_calls_per_second = u32::try_from(value).unwrap_or(u32::MAX),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_and_is_bounded() {
        for (key, least, most) in Limits::KEYS {
            let mut limits = Limits::default();
            limits.set(key, least).unwrap();
            if limits == Limits::default() {
                // the least is the default
                limits.set(key, least + 1).unwrap();
            }
            assert_ne!(limits, Limits::default(), "{key} sets nothing");
            assert!(limits.set(key, most + 1).is_err());
        }
        let error = Limits::default().set("tcp_idle", 3).unwrap_err();
        assert_eq!(error, "unknown limit 'tcp_idle': did you mean 'tcp_idle_ms'?");
    }

    #[test]
    fn upstreams_are_read() {
        let words = |texts: &[&str]| {
            let words: Result<Vec<UpstreamWord>, String> = texts.iter().map(|text| text.parse()).collect();
            words.and_then(|words| Upstreams::from_words(&words))
        };
        assert_eq!(words(&["system"]), Ok(Upstreams::System));
        let two = vec!["10.0.0.2:53".parse().unwrap(), "[fd00::2]:5353".parse().unwrap()];
        assert_eq!(words(&["10.0.0.2", "[fd00::2]:5353"]), Ok(Upstreams::These(two)));
        assert!(words(&["system", "10.0.0.2"]).is_err());
        assert!(words(&["dns.example"]).unwrap_err().contains("is no IP address"));
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Settings { aa: Some(true), limits: vec![("drain_ms".into(), 1)], ..Settings::default() };
        let file = Settings {
            aa: Some(false),
            log: Some("warn".into()),
            limits: vec![("drain_ms".into(), 2)],
            ..Settings::default()
        };
        let both = flags.or(file);
        assert_eq!((both.aa, both.log.as_deref()), (Some(true), Some("warn")));
        assert_eq!(both.limits.last(), Some(&("drain_ms".to_owned(), 1)));
    }
}
