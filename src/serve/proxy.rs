//! The PROXY protocol, version 2: what a proxy puts before a datagram or a connection to say whom it is from.
//!
//! From listed proxies every one has to begin so, and from others none may, as anybody could claim to be anybody. Anything
//! but version 2 with addresses of IPv4 or IPv6, or the command LOCAL, is malformed (HAProxy, "The PROXY protocol", 2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::address::is_within;

/// What a header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of signature, command, family and length.
const HEAD: usize = 16;
/// Octets of a header, with everything that may follow the addresses (as PowerDNS has it).
const MOST: usize = 512;
/// How long a header may take to come.
const PATIENCE: Duration = Duration::from_secs(2);

/// The networks of proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(Vec<IpNet>);

/// Whom a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxiedClient {
    /// The proxy itself: it looks whether we are well.
    Proxy,
    /// Its client.
    Client(SocketAddr),
}

/// A header is not one of version 2 with a client, or is not there in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedProxyHeader;

impl Proxies {
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contain(&self, peer: IpAddr) -> bool {
        is_within(&self.0, peer)
    }
}

impl ProxiedClient {
    /// The client, where `proxy` is who sent the header.
    pub(super) fn or(self, proxy: SocketAddr) -> SocketAddr {
        match self {
            Self::Proxy => proxy,
            Self::Client(client) => client,
        }
    }
}

/// The client that a datagram's header names, and what follows the header.
pub fn split_proxied(datagram: &[u8]) -> Result<(ProxiedClient, &[u8]), MalformedProxyHeader> {
    let (head, rest) = datagram.split_first_chunk::<HEAD>().ok_or(MalformedProxyHeader)?;
    let (command, family, len) = read_head(head)?;
    let (addresses, packet) = rest.split_at_checked(len).ok_or(MalformedProxyHeader)?;
    Ok((client(command, family, addresses)?, packet))
}

/// Reads a header off the beginning of a connection, and not an octet more.
pub(super) async fn read_proxied(stream: &mut (impl AsyncRead + Unpin)) -> Result<ProxiedClient, MalformedProxyHeader> {
    let read = async {
        let mut head = [0; HEAD];
        stream.read_exact(&mut head).await.map_err(|_| MalformedProxyHeader)?;
        let (command, family, len) = read_head(&head)?;
        let mut rest = [0; MOST - HEAD];
        let addresses = rest.get_mut(..len).ok_or(MalformedProxyHeader)?;
        stream.read_exact(addresses).await.map_err(|_| MalformedProxyHeader)?;
        client(command, family, addresses)
    };
    timeout(PATIENCE, read).await.map_err(|_| MalformedProxyHeader)?
}

/// Command, family, and how many octets follow.
fn read_head(head: &[u8; HEAD]) -> Result<(u8, u8, usize), MalformedProxyHeader> {
    let &[ref signature @ .., command, family, l0, l1] = head;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if signature != SIGNATURE || len > MOST - HEAD {
        return Err(MalformedProxyHeader);
    }
    Ok((command, family, len))
}

fn client(command: u8, family: u8, addresses: &[u8]) -> Result<ProxiedClient, MalformedProxyHeader> {
    match (command, family) {
        (0x20, _) => Ok(ProxiedClient::Proxy),
        // over TCP or UDP: source, destination, their ports
        (0x21, 0x11 | 0x12) => source::<4, 12>(addresses, |octets| Ipv4Addr::from(octets).into()),
        (0x21, 0x21 | 0x22) => source::<16, 36>(addresses, |octets| Ipv6Addr::from(octets).into()),
        _ => Err(MalformedProxyHeader),
    }
}

fn source<const A: usize, const ALL: usize>(
    addresses: &[u8],
    of: fn([u8; A]) -> IpAddr,
) -> Result<ProxiedClient, MalformedProxyHeader> {
    let all = addresses.first_chunk::<ALL>().ok_or(MalformedProxyHeader)?;
    let ip = all.first_chunk::<A>().ok_or(MalformedProxyHeader)?;
    let port = all.get(2 * A..2 * A + 2).and_then(|port| port.try_into().ok()).ok_or(MalformedProxyHeader)?;
    Ok(ProxiedClient::Client(SocketAddr::new(of(*ip).to_canonical(), u16::from_be_bytes(port))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, its addresses, what follows these in it, and a packet.
    fn datagram(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &(rest.len() as u16).to_be_bytes(), rest, b"packet"].concat()
    }

    const V4: &[u8] = b"\x0a\0\x01\x05\x0a\0\0\x02\xc3\x50\0\x35";

    #[tokio::test]
    async fn the_source_is_the_client() {
        let v6: &[u8] = &[&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], &[0, 9, 0, 53]].concat();
        let mapped: &[u8] =
            &[&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 1, 5][..], &[0; 16], &[0, 9, 0, 53]].concat();
        let with_tlv = [V4, b"\x04\0\x01x"].concat();
        let longest = [V4, &[0; MOST - HEAD - 12]].concat();
        let too_long = [V4, &[0; MOST - HEAD - 11]].concat();
        for (octets, want) in [
            (datagram(0x21, 0x12, V4), Some("10.0.1.5:50000")),
            (datagram(0x21, 0x11, V4), Some("10.0.1.5:50000")),
            (datagram(0x21, 0x12, &with_tlv), Some("10.0.1.5:50000")),
            (datagram(0x21, 0x12, &longest), Some("10.0.1.5:50000")),
            (datagram(0x21, 0x22, v6), Some("[fd00::7]:9")),
            (datagram(0x21, 0x22, mapped), Some("10.0.1.5:9")),
            (datagram(0x20, 0x00, b""), Some("proxy")),
            (datagram(0x20, 0x12, V4), Some("proxy")),
            (datagram(0x21, 0x12, &too_long), None),
            (datagram(0x21, 0x12, &V4[..11]), None),
            (datagram(0x21, 0x22, V4), None),
            (datagram(0x21, 0x00, b""), None),
            (datagram(0x21, 0x31, &[0; 216]), None),
            (datagram(0x22, 0x12, V4), None),
            (datagram(0x11, 0x12, V4), None),
            (b"PROXY TCP4 10.0.1.5 10.0.0.2 50000 53\r\npacket".to_vec(), None),
            (b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0packet".to_vec(), None),
            (Vec::new(), None),
        ] {
            let shown = |client| match client {
                ProxiedClient::Proxy => "proxy".to_owned(),
                ProxiedClient::Client(client) => client.to_string(),
            };
            let split = split_proxied(&octets);
            assert_eq!(split.map(|(client, _)| shown(client)).ok().as_deref(), want, "{octets:?}");
            assert!(split.is_err() || split.unwrap().1 == b"packet");
            let mut stream = &octets[..];
            let read = read_proxied(&mut stream).await;
            assert_eq!(read.map(shown).ok().as_deref(), want, "{octets:?}");
            assert!(read.is_err() || stream == b"packet", "not an octet more is read");
        }
        for len in 0..datagram(0x21, 0x12, V4).len() - b"packet".len() {
            assert_eq!(split_proxied(&datagram(0x21, 0x12, V4)[..len]), Err(MalformedProxyHeader));
        }
    }
}
