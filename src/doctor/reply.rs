//! What a reply tells about the server that sent it and about the way it came.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::dns::{
    CLIENT_COOKIE, HeaderFlags, Malformed, Message, Rcode, Rtype, Section, cookie_in, extended_errors, u32_at,
};

/// Octets of a server cookie of RFC 9018 4: version, three reserved, the time, a hash.
const SERVER_COOKIE: usize = 16;

/// A reply, as far as checks care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyFacts {
    /// How long it took.
    pub took: Duration,
    /// The response code.
    pub rcode: Rcode,
    /// TC: the rest has to be fetched over TCP.
    pub is_truncated: bool,
    /// RA: the server asks others for its clients.
    pub is_recursive: bool,
    /// Whether it has EDNS.
    pub has_edns: bool,
    /// Its length in octets.
    pub octets: usize,
    /// The addresses in its answer, sorted.
    pub addresses: Vec<IpAddr>,
    /// The times between which its signatures hold (RFC 4034 3.1.5), as seconds since 1970, modulo 2^32.
    pub signed: Option<(u32, u32)>,
    /// Why there is no answer, in the server's words (RFC 8914).
    pub reason: Option<String>,
    /// The clock of the server, as its cookie has it (RFC 9018 4.3), in the same unit.
    pub cookie_time: Option<u32>,
}

impl ReplyFacts {
    /// Reads a message.
    pub fn read(octets: &[u8], took: Duration) -> Result<Self, Malformed> {
        let message = Message::parse(octets)?;
        let mut facts = Self {
            took,
            rcode: message.rcode(),
            is_truncated: message.flags().has(HeaderFlags::TC),
            is_recursive: message.flags().has(HeaderFlags::RA),
            has_edns: message.opt().is_some(),
            octets: octets.len(),
            reason: extended_errors(message.options()).find_map(extra_text),
            cookie_time: cookie_in(message.options()).and_then(cookie_time),
            ..Self::default()
        };
        for record in message.records().filter(|record| record.section == Section::Answer) {
            let data = octets.get(record.rdata).unwrap_or_default();
            match record.rtype {
                Rtype::A => facts.addresses.extend(<[u8; 4]>::try_from(data).map(|ip| IpAddr::V4(Ipv4Addr::from(ip)))),
                Rtype::AAAA => {
                    facts.addresses.extend(<[u8; 16]>::try_from(data).map(|ip| IpAddr::V6(Ipv6Addr::from(ip))));
                }
                // expiration stands in front of inception
                Rtype::RRSIG => facts.signed = facts.signed.or(u32_at(data, 12).zip(u32_at(data, 8))),
                _ => {}
            }
        }
        facts.addresses.sort_unstable();
        facts.addresses.dedup();
        Ok(facts)
    }
}

/// The text behind the info-code of an extended error (RFC 8914 2).
fn extra_text(error: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(error.get(2..)?).into_owned();
    Some(text).filter(|text| !text.is_empty())
}

/// The time in a cookie of RFC 9018; other forms are the server's own business.
fn cookie_time(cookie: &[u8]) -> Option<u32> {
    let server = cookie.get(CLIENT_COOKIE..).filter(|server| server.len() == SERVER_COOKIE)?;
    server.starts_with(&[1, 0, 0, 0]).then(|| u32_at(server, 4)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9018 A.1: the cookie that a server gave at 1559731985.
    #[test]
    fn the_time_of_a_cookie_is_read() {
        let cookie = |hex: &str| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let published = cookie("2464c4abcf10c957010000005cf79f111f8130c3eee29480");
        assert_eq!(cookie_time(&published), Some(1_559_731_985));
        // another version, and a form of old (RFC 7873 B.1)
        assert_eq!(cookie_time(&cookie("2464c4abcf10c957020000005cf79f111f8130c3eee29480")), None);
        assert_eq!(cookie_time(&cookie("2464c4abcf10c9571f8130c3eee29480")), None);
        assert_eq!(cookie_time(&published[..8]), None);
    }

    #[test]
    fn a_reply_is_read_and_octets_that_are_none_are_not() {
        // `a. A`, RA, TC; A 10.0.0.9, RRSIG with expiration 2 and inception 1, OPT
        let mut octets = b"\0\x07\x83\x80\0\x01\0\x02\0\0\0\x01\x01a\0\0\x01\0\x01".to_vec();
        octets.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x09");
        octets.extend(b"\xc0\x0c\0\x2e\0\x01\0\0\0\x3c\0\x13\0\x01\x0d\x01\0\0\0\x3c\0\0\0\x02\0\0\0\x01\0\0\0");
        octets.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x08\0\x0f\0\x04\0\x16no");
        let facts = ReplyFacts::read(&octets, Duration::ZERO).unwrap();
        let expected = ReplyFacts {
            rcode: Rcode::NOERROR,
            is_truncated: true,
            is_recursive: true,
            has_edns: true,
            octets: octets.len(),
            addresses: vec!["10.0.0.9".parse().unwrap()],
            signed: Some((1, 2)),
            reason: Some("no".to_owned()),
            ..ReplyFacts::default()
        };
        assert_eq!(facts, expected);
        for length in 0..octets.len() {
            assert!(ReplyFacts::read(&octets[..length], Duration::ZERO).is_err(), "{length}");
        }
    }
}
