//! Which replies are kept from a client, by address, by type and by name.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message as Other, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name as OtherName, RData, Record as OtherRecord, RecordType};

use super::*;
use crate::dns::{DnsName, NameBuf};

/// A reply with one record of any type and data.
fn reply(rtype: u16, data: &[u8]) -> Vec<u8> {
    let owner: OtherName = "www.example.".parse().unwrap();
    let mut reply = Other::new(1, MessageType::Response, OpCode::Query);
    reply.queries.push(Query::query(owner.clone(), RecordType::A));
    let data = RData::Unknown { code: RecordType::from(rtype), rdata: NULL::with(data.to_vec()) };
    reply.answers.push(OtherRecord::from_rdata(owner, 60, data));
    reply.to_vec().unwrap()
}

fn on() -> Policy {
    Policy { rebind_protection: true, ..Policy::default() }
}

/// What keeps a reply from a client who asked for `name`.
fn kept(policy: &Policy, name: &str, octets: &[u8]) -> Option<IpAddr> {
    let name: DnsName = name.parse().unwrap();
    let buf = NameBuf::from(&name);
    let message = Message::parse(octets).unwrap();
    is_guarded(policy, &buf.name()).then(|| private_address(&message)).flatten()
}

#[test]
fn addresses_are_private_or_not() {
    for (address, private) in [
        ("0.0.0.0", true),
        ("0.1.2.3", true),
        ("10.0.0.1", true),
        ("11.0.0.1", false),
        ("100.63.255.255", false),
        ("100.64.0.0", true),
        ("100.127.255.255", true),
        ("100.128.0.0", false),
        ("127.0.0.1", true),
        ("169.254.169.254", true),
        ("172.15.255.255", false),
        ("172.16.0.0", true),
        ("172.31.255.255", true),
        ("172.32.0.0", false),
        ("192.168.1.1", true),
        ("192.169.1.1", false),
        ("203.0.113.7", false),
        ("::", true),
        ("::1", true),
        ("fe80::1", true),
        ("febf::1", true),
        ("fec0::1", false),
        ("fc00::1", true),
        ("fd00:ec2::253", true),
        ("fe00::1", false),
        ("::ffff:10.0.0.1", true),
        ("::ffff:203.0.113.7", false),
        ("2001:db8::1", false),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let octets = match address {
            IpAddr::V4(address) => reply(1, &address.octets()),
            IpAddr::V6(address) => reply(28, &address.octets()),
        };
        assert_eq!(kept(&on(), "www.example", &octets), private.then_some(address), "{address}");
        assert_eq!(kept(&Policy::default(), "www.example", &octets), None, "off by default: {address}");
    }
}

#[test]
fn hints_of_https_records_count() {
    let v4 = Ipv4Addr::new(10, 0, 0, 1).octets();
    let v6 = "fd00::1".parse::<Ipv6Addr>().unwrap().octets();
    // priority 1, target ".", alpn=h2, and then the hints (RFC 9460 2.2)
    let start = b"\0\x01\0\0\x01\0\x03\x02h2";
    let good = [&start[..], b"\0\x04\0\x04", &[203, 0, 113, 7]].concat();
    let hint4 = [&start[..], b"\0\x04\0\x08", &[203, 0, 113, 7], &v4].concat();
    let hint6 = [&start[..], b"\0\x06\0\x10", &v6].concat();
    // the same octets under another key are no address
    let other_key = [&start[..], b"\0\x05\0\x04", &v4].concat();
    for rtype in [64, 65] {
        assert_eq!(kept(&on(), "www.example", &reply(rtype, &good)), None);
        assert_eq!(kept(&on(), "www.example", &reply(rtype, &hint4)), Some(v4.into()));
        assert_eq!(kept(&on(), "www.example", &reply(rtype, &hint6)), Some(v6.into()));
        assert_eq!(kept(&on(), "www.example", &reply(rtype, &other_key)), None);
        for end in 1..hint4.len() {
            // breaks off: what is read up to there must not matter, only that reading it ends
            kept(&on(), "www.example", &reply(rtype, &hint4[..end]));
        }
    }
    assert_eq!(kept(&on(), "www.example", &reply(16, &v4)), None, "a TXT is no address");
    assert_eq!(kept(&on(), "www.example", &reply(1, &v4[..3])), None, "three octets are no address");
}

#[test]
fn private_names_may_have_private_addresses() {
    let octets = reply(1, &[10, 0, 0, 1]);
    let allow: Vec<DnsName> = vec!["lan.example".parse().unwrap(), "*.dev.example".parse().unwrap()];
    let policy = Policy { rebind_allow: allow.into_iter().collect(), ..on() };
    for (name, passes) in [
        ("www.example", false),
        ("lan.example", true),
        ("a.b.lan.example", true),
        ("xlan.example", false),
        ("dev.example", false),
        ("a.dev.example", true),
        // AWS publishes the private addresses of endpoints
        ("vpce-0000000f-ffffffff.ec2.us-east-1.vpce.amazonaws.com", true),
        ("ec2.us-east-1.amazonaws.com", false),
        ("x.vpce.example", false),
    ] {
        assert_eq!(kept(&policy, name, &octets).is_none(), passes, "{name}");
    }
}
