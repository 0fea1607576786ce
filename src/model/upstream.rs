//! Whom to ask for what is not ours, and how to speak with it.
//!
//! A value and its spelling; knows no sockets. The spellings are those of Unbound and systemd-resolved: the address
//! first, and behind `#` what cannot be known from it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use crate::address::{DNS_PORT, HTTPS_PORT, TLS_PORT, parse_address};

/// Where DNS over HTTPS is asked, where the URL has no path (RFC 8484 leaves it open; it is what servers use).
const DEFAULT_PATH: &str = "/dns-query";
/// Octets of a name in a certificate (RFC 1035 2.3.4, as text).
const MAX_NAME_LEN: usize = 253;

/// How an upstream is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP, and TCP for what does not fit (RFC 1035 4.2).
    Plain,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS, HTTP/2 (RFC 8484).
    Https,
    /// DNS over QUIC (RFC 9250).
    Quic,
}

impl Protocol {
    /// The port where the spelling has none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Plain => DNS_PORT,
            Self::Tls | Self::Quic => TLS_PORT,
            Self::Https => HTTPS_PORT,
        }
    }

    /// What the spelling begins with.
    fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Tls => "tls://",
            Self::Https => "https://",
            Self::Quic => "quic://",
        }
    }
}

/// A name server that is asked for what is not ours.
///
/// Spelled `10.0.0.2`, `[fd00::2]:53`, `tls://9.9.9.9#dns.quad9.net`, `quic://9.9.9.9#dns.quad9.net` or
/// `https://dns.example/dns-query#10.0.0.1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upstream {
    /// How it is spoken with.
    pub protocol: Protocol,
    /// Where it is.
    pub address: SocketAddr,
    /// The name that its certificate has to be for; `None`: it has to be for the address.
    pub name: Option<Arc<str>>,
    /// The path of the URL, with its `/`; only of HTTPS.
    pub path: Option<Arc<str>>,
    /// The addresses of its family from which it is asked, as an outbound resolver endpoint has them: one of those that are
    /// on this host. `None`, or where none of them is: the address that the system chooses.
    pub sources: Option<Arc<[IpAddr]>>,
}

impl Upstream {
    /// One that is asked by UDP and TCP.
    pub fn plain(address: SocketAddr) -> Self {
        Self { protocol: Protocol::Plain, address, name: None, path: None, sources: None }
    }

    /// The same, asked from those of these addresses that are of its family; where there are none, from the one that the
    /// system chooses.
    #[must_use]
    pub fn asked_from(&self, addresses: &[IpAddr]) -> Self {
        let sources: Arc<[IpAddr]> =
            addresses.iter().filter(|source| source.is_ipv4() == self.address.is_ipv4()).copied().collect();
        Self { sources: Some(sources).filter(|sources| !sources.is_empty()), ..self.clone() }
    }

    /// Whether questions to it are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.protocol != Protocol::Plain
    }
}

impl From<SocketAddr> for Upstream {
    fn from(address: SocketAddr) -> Self {
        Self::plain(address)
    }
}

/// Why a text is not an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {hint}")]
pub struct UpstreamError {
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub hint: &'static str,
}

impl UpstreamError {
    fn new(what: String, hint: &'static str) -> Self {
        Self { what, hint }
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::plain(address(text, text, Protocol::Plain)?));
        };
        match scheme {
            "tls" => at_address(Protocol::Tls, text, rest),
            "quic" => at_address(Protocol::Quic, text, rest),
            "https" => at_url(text, rest),
            _ => {
                let hint = "use an address alone, tls://, https:// or quic://";
                Err(UpstreamError::new(format!("'{text}' begins with an unknown protocol"), hint))
            }
        }
    }
}

/// `9.9.9.9#dns.quad9.net`, with a port or without; without the name the certificate has to be for the address.
fn at_address(protocol: Protocol, text: &str, rest: &str) -> Result<Upstream, UpstreamError> {
    let (at, name) = rest.split_once('#').map_or((rest, None), |(at, name)| (at, Some(name)));
    let address = address(text, at, protocol)?;
    let name = name.map(|name| server_name(text, name)).transpose()?;
    Ok(Upstream { protocol, address, name, path: None, sources: None })
}

/// `dns.example/dns-query#10.0.0.1`, with a port or without; an address in place of the name needs none behind.
fn at_url(text: &str, rest: &str) -> Result<Upstream, UpstreamError> {
    let protocol = Protocol::Https;
    let (url, bootstrap) = rest.split_once('#').map_or((rest, None), |(url, ip)| (url, Some(ip)));
    let (host, path) = url.find('/').map_or((url, DEFAULT_PATH), |at| url.split_at(at));
    if path.len() > 255 || path.bytes().any(|octet| !octet.is_ascii_graphic()) {
        let hint = "write visible ASCII only, such as https://dns.example/dns-query#10.0.0.1";
        return Err(UpstreamError::new(format!("'{text}' has no proper path"), hint));
    }
    let path = Some(Arc::from(path));
    let Some(bootstrap) = bootstrap else {
        let address = address(text, host, protocol).map_err(|error| {
            let hint = "add its address behind '#', such as https://dns.example/dns-query#10.0.0.1";
            // a port that cannot be is worth its own words
            if error.what.ends_with("port 0") {
                error
            } else {
                UpstreamError::new(format!("'{text}' does not say at which address"), hint)
            }
        })?;
        return Ok(Upstream { protocol, address, name: None, path, sources: None });
    };
    let (name, port) = match host.rsplit_once(':') {
        None => (host, protocol.default_port()),
        Some((name, port)) => match port.parse() {
            Ok(port) if port != 0 => (name, port),
            _ => return Err(UpstreamError::new(format!("'{text}' has no proper port"), "ports are 1 to 65535")),
        },
    };
    let Ok(ip) = bare(bootstrap).parse::<IpAddr>() else {
        let hint = "behind '#' stands the address of the server, such as 10.0.0.1; its port is in the URL";
        return Err(UpstreamError::new(format!("'{text}' does not end with an address"), hint));
    };
    let (address, name) = (SocketAddr::new(ip, port), Some(server_name(text, name)?));
    Ok(Upstream { protocol, address, name, path, sources: None })
}

/// An address with a port, or one alone with the port of the protocol.
fn address(text: &str, at: &str, protocol: Protocol) -> Result<SocketAddr, UpstreamError> {
    match parse_address(at, protocol.default_port()) {
        Some(address) if address.port() == 0 => {
            Err(UpstreamError::new(format!("'{text}' has port 0"), "leave it out, or say which"))
        }
        Some(address) => Ok(address),
        None => {
            let hint = match protocol {
                Protocol::Plain => "such as 10.0.0.2:53 or [fd00::2]:53",
                Protocol::Tls => "such as tls://9.9.9.9#dns.quad9.net",
                Protocol::Https => "such as https://dns.example/dns-query#10.0.0.1",
                Protocol::Quic => "such as quic://9.9.9.9#dns.quad9.net",
            };
            Err(UpstreamError::new(format!("'{text}' is not an IP address with or without a port"), hint))
        }
    }
}

/// `[fd00::2]` is written so only because a port might follow.
fn bare(text: &str) -> &str {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text)
}

/// A name that can stand in a certificate, in lower case (RFC 6125 6.4.1): letters, digits, `-`, and dots between.
fn server_name(text: &str, name: &str) -> Result<Arc<str>, UpstreamError> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_label = |label: &str| {
        let edge = label.starts_with('-') || label.ends_with('-');
        (1..=63).contains(&label.len()) && !edge && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    if name.len() > MAX_NAME_LEN || !name.split('.').all(is_label) || name.parse::<IpAddr>().is_ok() {
        let hint = "the name stands in the server's certificate, such as dns.quad9.net";
        return Err(UpstreamError::new(format!("'{text}' has no proper server name"), hint));
    }
    Ok(name.into())
}

/// The shortest spelling, and the addresses it is asked from: `10.9.9.9:53 from 10.0.1.5 or 10.0.2.5`. The port of a plain
/// upstream is always said, as people look for it.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_target(f)?;
        let words = std::iter::once(" from ").chain(std::iter::repeat(" or "));
        self.sources
            .iter()
            .flat_map(|sources| sources.iter())
            .zip(words)
            .try_for_each(|(ip, word)| write!(f, "{word}{ip}"))
    }
}

impl Upstream {
    fn fmt_target(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, address, name, path, sources: _ } = self;
        f.write_str(protocol.scheme())?;
        let has_port = *protocol == Protocol::Plain || address.port() != protocol.default_port();
        if let (Protocol::Https, Some(name)) = (protocol, name) {
            f.write_str(name)?;
            if has_port {
                write!(f, ":{}", address.port())?;
            }
            return write!(f, "{}#{}", path.as_deref().unwrap_or(DEFAULT_PATH), address.ip());
        }
        match (has_port, address.ip()) {
            (true, _) => write!(f, "{address}")?,
            (false, IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            (false, IpAddr::V4(ip)) => write!(f, "{ip}")?,
        }
        match (name, path) {
            (Some(name), _) => write!(f, "#{name}"),
            (None, Some(path)) => f.write_str(path),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read is written in its shortest spelling, which reads as the same.
    #[test]
    fn spellings_are_read_and_written() {
        for (text, want) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("10.0.0.2:5353", "10.0.0.2:5353"),
            ("fd00::2", "[fd00::2]:53"),
            ("[fd00::2]", "[fd00::2]:53"),
            ("tls://9.9.9.9#dns.quad9.net", "tls://9.9.9.9#dns.quad9.net"),
            ("tls://9.9.9.9:853#DNS.quad9.net.", "tls://9.9.9.9#dns.quad9.net"),
            ("tls://[2620:fe::fe]:8853", "tls://[2620:fe::fe]:8853"),
            ("quic://2620:fe::fe#dns.quad9.net", "quic://[2620:fe::fe]#dns.quad9.net"),
            ("https://dns.example#10.0.0.1", "https://dns.example/dns-query#10.0.0.1"),
            ("https://dns.example:8443/q?x=1#fd00::1", "https://dns.example:8443/q?x=1#fd00::1"),
            ("https://10.0.0.1/dns-query", "https://10.0.0.1/dns-query"),
            ("https://[fd00::1]:444", "https://[fd00::1]:444/dns-query"),
        ] {
            let upstream: Upstream = text.parse().unwrap();
            assert_eq!(upstream.to_string(), want, "{text}");
            assert_eq!(want.parse(), Ok(upstream), "{want}");
        }
        let upstream: Upstream = "https://dns.example:8443/q#10.0.0.1".parse().unwrap();
        assert_eq!(upstream.address, "10.0.0.1:8443".parse().unwrap());
        assert_eq!((upstream.name.as_deref(), upstream.path.as_deref()), (Some("dns.example"), Some("/q")));
    }

    #[test]
    fn where_it_is_asked_from_is_said() {
        let from = |ips: &[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        let upstream: Upstream = "tls://9.9.9.9#dns.quad9.net".parse().unwrap();
        assert_eq!(upstream.asked_from(&from(&["10.0.1.5"])).to_string(), "tls://9.9.9.9#dns.quad9.net from 10.0.1.5");
        let two = upstream.asked_from(&from(&["10.0.1.5", "fd00::5", "10.0.2.5"]));
        assert_eq!(two.to_string(), "tls://9.9.9.9#dns.quad9.net from 10.0.1.5 or 10.0.2.5", "none of another family");
        for none in [&["fd00::5"][..], &[]] {
            assert_eq!(two.asked_from(&from(none)), upstream);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_a_remedy() {
        for (text, want) in [
            ("10.0.0.2:0", "'10.0.0.2:0' has port 0: leave it out, or say which"),
            (
                "dns.example",
                "'dns.example' is not an IP address with or without a port: such as 10.0.0.2:53 or [fd00::2]:53",
            ),
            (
                "udp://10.0.0.2",
                "'udp://10.0.0.2' begins with an unknown protocol: use an address alone, tls://, https:// or quic://",
            ),
            (
                "tls://dns.quad9.net",
                "'tls://dns.quad9.net' is not an IP address with or without a port: such as tls://9.9.9.9#dns.quad9.net",
            ),
            (
                "tls://9.9.9.9#",
                "'tls://9.9.9.9#' has no proper server name: the name stands in the server's certificate, such as dns.quad9.net",
            ),
            (
                "https://dns.example/dns-query",
                "'https://dns.example/dns-query' does not say at which address: add its address behind '#', such as \
                 https://dns.example/dns-query#10.0.0.1",
            ),
            (
                "https://dns.example#10.0.0.1:443",
                "'https://dns.example#10.0.0.1:443' does not end with an address: behind '#' stands the address of the \
                 server, such as 10.0.0.1; its port is in the URL",
            ),
        ] {
            assert_eq!(text.parse::<Upstream>().unwrap_err().to_string(), want);
        }
        for text in [
            "",
            "tls://",
            "tls://9.9.9.9#a..b",
            "tls://9.9.9.9#9.9.9.9",
            "quic://9.9.9.9:0#a",
            "https:///x#1.1.1.1",
            "https://a:0#1.1.1.1",
            "https://a:65536#1.1.1.1",
            "https://a/ #1.1.1.1",
            "https://10.0.0.1:0/",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }
}
