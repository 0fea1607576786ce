//! IP addresses with ports: how they are spelled, where something sent to them arrives, and which are our own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

/// Port of DNS (RFC 1035 4.2).
pub const DNS_PORT: u16 = 53;
/// Port of DNS over TLS and of DNS over QUIC (RFC 7858 3.1; RFC 9250 4.1.1).
pub const TLS_PORT: u16 = 853;
/// Port of HTTPS, and so of DNS over it (RFC 9110 4.2.2).
pub const HTTPS_PORT: u16 = 443;

/// The address in `text`: `10.0.0.2:53`, `[fd00::2]:53`, or `10.0.0.2`, `fd00::2`, `[fd00::2]` with `default_port`.
pub fn parse_address(text: &str, default_port: u16) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse().ok().or_else(|| bare.parse().ok().map(|ip| SocketAddr::new(ip, default_port)))
}

/// The address where something sent to `ip` arrives: the unspecified address is this machine.
pub fn reachable(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// True when what is sent to `to` arrives at one of the addresses on which we listen.
pub fn is_own(to: SocketAddr, listeners: &[SocketAddr]) -> bool {
    let ip = reachable(to.ip());
    listeners.iter().any(|own| {
        let listens_everywhere = own.ip().is_unspecified() && own.is_ipv4() == ip.is_ipv4();
        own.port() == to.port() && (own.ip() == ip || listens_everywhere && is_local(ip))
    })
}

/// True when an interface of this machine has the address: a socket can be bound to no other.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether one of `networks` has the address, in whichever way its family is written.
pub fn is_within(networks: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    networks.iter().any(|network| network.contains(&ip))
}

/// Whether two networks have an address in common: one is within the other then.
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// The network that an address stands for where one sender may have many: its /24, or for IPv6 its /56.
pub fn prefix_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 56)).into(),
    }
}

/// Whom something counts for: the address, or for IPv6 its /64, within which one host has addresses at will.
pub fn client_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_or_without_port() {
        for (text, want) in [
            ("10.0.0.2", Some("10.0.0.2:853")),
            ("10.0.0.2:5353", Some("10.0.0.2:5353")),
            ("fd00::2", Some("[fd00::2]:853")),
            ("[fd00::2]", Some("[fd00::2]:853")),
            ("[fd00::2]:54", Some("[fd00::2]:54")),
            ("10.0.0.2:0", Some("10.0.0.2:0")),
            ("dns.example:53", None),
            ("", None),
        ] {
            assert_eq!(parse_address(text, TLS_PORT).map(|at| at.to_string()).as_deref(), want, "{text}");
        }
    }
}
