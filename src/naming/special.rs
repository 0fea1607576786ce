//! Special names, which a resolver answers itself, as asking others for them gains nothing and tells too much.
//!
//! | names | source |
//! |---|---|
//! | `localhost`, `127.in-addr.arpa`, `1.0...0.ip6.arpa` | RFC 6761 6.3, RFC 6303 4.3, 4.4 |
//! | `invalid`, `test` | RFC 6761 6.4, 6.2 |
//! | `onion` | RFC 7686 2 |
//! | `home.arpa` | RFC 8375 4 |
//! | `resolver.arpa` | RFC 9462 6.4 |
//! | reverse zones of private, link-local and documentation addresses | RFC 6303 4 |
//! | `64.100.in-addr.arpa` to `127.100.in-addr.arpa` | RFC 7793 |
//!
//! Left out: `example` (RFC 6761 6.5: not special for resolvers), `local` (RFC 6762; many a network has a domain
//! of that name behind its resolver), `alt` (RFC 9476), and `ipv4only.arpa` (RFC 8880; an upstream with DNS64 has to
//! be asked, as that is how its clients find it).

use crate::dns::labels;

/// What is said about a special name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialAnswer {
    /// It and all names below have the addresses of this machine (RFC 6761 6.3).
    Localhost,
    /// The reverse zone of 127.0.0.0/8, in which 127.0.0.1 has the name `localhost` (RFC 6303 4.3).
    Loopback4,
    /// The reverse zone of `::1`, which is its only name (RFC 6303 4.4).
    Loopback6,
    /// No name below it exists.
    Nothing,
    /// No name below it has records (RFC 9462 6.4).
    NoRecords,
}

/// A zone of special names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    /// How many labels its apex has.
    pub labels: usize,
    /// What is said about its names.
    pub answer: SpecialAnswer,
    /// The number of the RFC that says so.
    pub rfc: u16,
}

/// The special zone that a name is in, by its lower-case labels from right to left, without the root.
pub fn special<'n>(mut from_right: impl Iterator<Item = &'n [u8]>) -> Option<Special> {
    let zone = |labels, answer, rfc| Some(Special { labels, answer, rfc });
    match from_right.next()? {
        b"localhost" => zone(1, SpecialAnswer::Localhost, 6761),
        b"invalid" | b"test" => zone(1, SpecialAnswer::Nothing, 6761),
        b"onion" => zone(1, SpecialAnswer::Nothing, 7686),
        b"arpa" => match from_right.next()? {
            b"home" => zone(2, SpecialAnswer::Nothing, 8375),
            b"resolver" => zone(2, SpecialAnswer::NoRecords, 9462),
            b"in-addr" => reverse4(from_right),
            b"ip6" => reverse6(from_right),
            _ => None,
        },
        _ => None,
    }
}

/// The special zone of a wire name in lower case.
pub fn special_of(wire: &[u8]) -> Option<Special> {
    let all: Vec<&[u8]> = labels(wire).collect();
    special(all.into_iter().rev())
}

/// Whether a special zone is at, above or below a wire name in lower case, as far as its last label tells.
pub fn is_near_special(wire: &[u8]) -> bool {
    labels(wire).last().is_none_or(|top| matches!(top, b"localhost" | b"invalid" | b"test" | b"onion" | b"arpa"))
}

/// `192.0.2.in-addr.arpa` and the like; octets come first one first.
fn reverse4<'n>(from_right: impl Iterator<Item = &'n [u8]>) -> Option<Special> {
    let mut octets = [None; 4];
    for (to, label) in octets.iter_mut().zip(from_right) {
        *to = reverse_octet(label);
    }
    let [Some(first), second, third, fourth] = octets else { return None };
    let zone = |octets: usize, answer, rfc| Some(Special { labels: 2 + octets, answer, rfc });
    match (first, second, third, fourth) {
        (127, ..) => zone(1, SpecialAnswer::Loopback4, 6303),
        (0 | 10, ..) => zone(1, SpecialAnswer::Nothing, 6303),
        (172, Some(16..=31), ..) | (192, Some(168), ..) | (169, Some(254), ..) => zone(2, SpecialAnswer::Nothing, 6303),
        (100, Some(64..=127), ..) => zone(2, SpecialAnswer::Nothing, 7793),
        (192, Some(0), Some(2), _) | (198, Some(51), Some(100), _) | (203, Some(0), Some(113), _) => {
            zone(3, SpecialAnswer::Nothing, 6303)
        }
        (255, Some(255), Some(255), Some(255)) => zone(4, SpecialAnswer::Nothing, 6303),
        _ => None,
    }
}

/// `d.f.ip6.arpa` and the like; nibbles come first one first.
fn reverse6<'n>(from_right: impl Iterator<Item = &'n [u8]>) -> Option<Special> {
    let mut nibbles = [b'-'; 32];
    for (to, label) in nibbles.iter_mut().zip(from_right) {
        let [nibble] = label else { break };
        *to = *nibble;
    }
    let zone = |nibbles: usize, answer| Some(Special { labels: 2 + nibbles, answer, rfc: 6303 });
    match &nibbles {
        // unique local addresses of RFC 4193, link-local ones, and those of documentation
        [b'f', b'd', ..] => zone(2, SpecialAnswer::Nothing),
        [b'f', b'e', b'8' | b'9' | b'a' | b'b', ..] => zone(3, SpecialAnswer::Nothing),
        [b'2', b'0', b'0', b'1', b'0', b'd', b'b', b'8', ..] => zone(8, SpecialAnswer::Nothing),
        [zeros @ .., b'0'] if zeros.iter().all(|nibble| *nibble == b'0') => zone(32, SpecialAnswer::Nothing),
        [zeros @ .., b'1'] if zeros.iter().all(|nibble| *nibble == b'0') => zone(32, SpecialAnswer::Loopback6),
        _ => None,
    }
}

/// A decimal octet as reverse names write it: no sign, no leading zero.
pub fn reverse_octet(label: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(label).ok()?;
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::DnsName;

    fn zone(name: &str) -> Option<String> {
        let name: DnsName = name.parse().unwrap();
        let special = special_of(name.wire())?;
        let apex: Vec<String> = name.to_string().split('.').map(str::to_owned).collect();
        let apex = apex[apex.len() - special.labels..].join(".");
        Some(format!("{apex} {:?} {}", special.answer, special.rfc))
    }

    #[test]
    fn special_names_are_known() {
        let zeros = "0.".repeat(31);
        for (name, want) in [
            ("localhost", "localhost Localhost 6761"),
            ("x.y.LOCALHOST", "localhost Localhost 6761"),
            ("x.invalid", "invalid Nothing 6761"),
            ("test", "test Nothing 6761"),
            ("x.onion", "onion Nothing 7686"),
            ("nas.home.arpa", "home.arpa Nothing 8375"),
            ("_dns.resolver.arpa", "resolver.arpa NoRecords 9462"),
            ("1.0.0.127.in-addr.arpa", "127.in-addr.arpa Loopback4 6303"),
            ("0.in-addr.arpa", "0.in-addr.arpa Nothing 6303"),
            ("4.3.2.10.in-addr.arpa", "10.in-addr.arpa Nothing 6303"),
            ("x.10.in-addr.arpa", "10.in-addr.arpa Nothing 6303"),
            ("16.172.in-addr.arpa", "16.172.in-addr.arpa Nothing 6303"),
            ("1.31.172.in-addr.arpa", "31.172.in-addr.arpa Nothing 6303"),
            ("1.168.192.in-addr.arpa", "168.192.in-addr.arpa Nothing 6303"),
            ("1.254.169.in-addr.arpa", "254.169.in-addr.arpa Nothing 6303"),
            ("64.100.in-addr.arpa", "64.100.in-addr.arpa Nothing 7793"),
            ("1.127.100.in-addr.arpa", "127.100.in-addr.arpa Nothing 7793"),
            ("2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa Nothing 6303"),
            ("1.100.51.198.in-addr.arpa", "100.51.198.in-addr.arpa Nothing 6303"),
            ("113.0.203.in-addr.arpa", "113.0.203.in-addr.arpa Nothing 6303"),
            ("255.255.255.255.in-addr.arpa", "255.255.255.255.in-addr.arpa Nothing 6303"),
            ("1.d.f.ip6.arpa", "d.f.ip6.arpa Nothing 6303"),
            ("8.e.f.ip6.arpa", "8.e.f.ip6.arpa Nothing 6303"),
            ("1.b.e.f.ip6.arpa", "b.e.f.ip6.arpa Nothing 6303"),
            ("1.8.b.d.0.1.0.0.2.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa Nothing 6303"),
            (&format!("0.{zeros}ip6.arpa"), &format!("0.{zeros}ip6.arpa Nothing 6303")),
            (&format!("x.1.{zeros}ip6.arpa"), &format!("1.{zeros}ip6.arpa Loopback6 6303")),
        ] {
            assert_eq!(zone(name).as_deref(), Some(want), "{name}");
        }
    }

    #[test]
    fn other_names_are_not() {
        let zeros = "0.".repeat(31);
        for name in [
            ".",
            "example",
            "local",
            "alt",
            "arpa",
            "in-addr.arpa",
            "ip6.arpa",
            "ipv4only.arpa",
            "localhost.example",
            "home.arpa.example",
            "172.in-addr.arpa",
            "15.172.in-addr.arpa",
            "32.172.in-addr.arpa",
            "192.in-addr.arpa",
            "010.in-addr.arpa",
            "63.100.in-addr.arpa",
            "128.100.in-addr.arpa",
            "1.0.192.in-addr.arpa",
            "255.255.255.in-addr.arpa",
            "8.8.8.8.in-addr.arpa",
            "x.in-addr.arpa",
            "c.f.ip6.arpa",
            "c.e.f.ip6.arpa",
            "9.b.d.0.1.0.0.2.ip6.arpa",
            "dd.f.ip6.arpa",
            zeros.strip_suffix('.').unwrap(),
            &format!("{zeros}ip6.arpa"),
            &format!("2.{zeros}ip6.arpa"),
        ] {
            assert_eq!(zone(name), None, "{name}");
        }
    }
}
