//! Who a client is: PROXY headers, and what forwarders say in EDNS Client Subnet.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsCode;
use vpcedns::config::Limits;
use vpcedns::observe::Counters;
use vpcedns::resolve::{Incoming, Outcome, Resolve, Resolver};
use vpcedns::serve::proxy::split_proxied;
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::read_toml;
use vpcedns::wire::{CookieSecret, Transport};

use super::{ZONE, apply};

/// What follows a header is as long as the header says.
pub(super) fn proxy(octets: &[u8]) {
    if let Ok((_, packet)) = split_proxied(octets) {
        let len = 16 + usize::from(u16::from_be_bytes([octets[14], octets[15]]));
        assert_eq!(packet, &octets[len..]);
        assert!(len <= 512, "{len} octets of header");
    }
}

/// Any packet of a forwarder that is believed gets a whole message with the network that it named, or nothing.
pub(super) fn client_subnet(packet: &[u8]) {
    static RESOLVER: OnceLock<Resolver> = OnceLock::new();
    let resolver = RESOLVER.get_or_init(|| {
        let model = apply(read_toml(&"zone.toml".into(), ZONE)).expect("the zone has no errors");
        let snapshots = ServedSnapshot::fixed(Snapshot::compile(model, Policy::default(), 1));
        let secret = CookieSecret::new([7; 16]);
        let resolver = Resolver::new(snapshots, Limits::default(), secret, Arc::new(Counters::default()));
        resolver.believing(vec!["127.0.0.0/8".parse().expect("a network")])
    });
    let peer: SocketAddr = "127.0.0.9:4711".parse().expect("an address");
    for transport in [Transport::Tcp, Transport::Udp] {
        let mut out = vec![0; usize::from(u16::MAX)];
        let incoming = Incoming { packet, peer, local: peer, transport, vpc: None };
        let Outcome::Reply(len) = resolver.try_resolve(&resolver.batch(), incoming, &mut out) else { continue };
        let most = if transport == Transport::Udp { 1232 } else { out.len() };
        assert!(len <= most, "{len} octets");
        let reply = Message::from_vec(&out[..len]).expect("a whole message");
        let said =
            |message: &Message| message.edns.as_ref().is_some_and(|edns| edns.option(EdnsCode::Subnet).is_some());
        let answered = reply.metadata.response_code == ResponseCode::NoError && reply.edns.is_some();
        if answered && Message::from_vec(packet).is_ok_and(|question| said(&question)) {
            assert!(said(&reply), "the network is not repeated");
        }
    }
}
