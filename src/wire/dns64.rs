//! What DNS64 (RFC 6147) makes of replies: clients in a subnet with `enable_dns64` get an AAAA record for each A record of a
//! name that has none.
//!
//! The prefix is 64:ff9b::/96 (VPC guide, "DNS64 and NAT64"). AWS makes such addresses of private ones, too: "the resolver
//! synthesizes an IPv6 address for the record" has no exception, so that RFC 6052 3.1 is not followed. Asks nobody: who has
//! the replies (`resolve`, `explain`) says what they are.

use std::net::IpAddr;

use super::Query;
use crate::answer::TTL;
use crate::dns::{Class, HEADER_LEN, Header, HeaderFlags, Message, NameBuf, Rcode, Rtype, Section, expand, u32_at};
use crate::snapshot::{Client, Snapshot};

/// 64:ff9b::/96 (RFC 6052 2.1).
const PREFIX: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
/// The end of the reverse names below the prefix: its nibbles from the last to the first (RFC 3596 2.5).
const REVERSE: &str = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa";
/// Longest TTL of what is made, where the negative answer has no SOA, in seconds (RFC 6147 5.1.7).
const NO_SOA_TTL: u32 = 600;
/// Octets of a record behind its owner and before its data: type, class, TTL and length (RFC 1035 4.1.3).
const FIXED: usize = 10;

/// What an answer may be made of.
#[derive(Clone, Debug)]
pub enum Translation {
    /// AAAA of the A records of the same name.
    Addresses,
    /// The PTR of an address below the prefix of that of the IPv4 address in it.
    Reverse(Box<NameBuf>),
}

/// How the answer to a question of a client at `address` is made where its name has no other; `None`: it is not.
///
/// "If CD and DO are both set, the client validates itself" (RFC 6147 5.5): it gets what there is.
pub fn translation(
    snapshot: &Snapshot,
    client: &Client<'_>,
    address: IpAddr,
    query: &Query<'_>,
) -> Option<Translation> {
    let vpc = client.view.vpc.as_ref().filter(|_| client.access.is_served())?;
    let validates = query.checking_disabled && query.edns.is_some_and(|edns| edns.dnssec_ok);
    if validates || !query.question.recursion_desired || !snapshot.model.is_dns64(vpc.vpc_id, address) {
        return None;
    }
    match query.question.rtype {
        Rtype::AAAA => Some(Translation::Addresses),
        Rtype::PTR => reverse_name(query.question.name.wire()).map(|name| Translation::Reverse(Box::new(name))),
        _ => None,
    }
}

/// `7.2.0.192.in-addr.arpa` for the reverse name of 64:ff9b::c000:207; `None` for any other name.
fn reverse_name(wire: &[u8]) -> Option<NameBuf> {
    // eight labels of one nibble each, the last one first
    let (nibbles, end) = wire.split_at_checked(16)?;
    let mut octets = [0u8; 4];
    for (at, label) in nibbles.chunks_exact(2).enumerate() {
        let &[1, digit] = label else { return None };
        let nibble = char::from(digit).to_digit(16)? as u8;
        *octets.get_mut(at / 2)? |= if at % 2 == 0 { nibble } else { nibble << 4 };
    }
    let suffix: Vec<u8> =
        REVERSE.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    (end.strip_suffix(&[0])? == suffix).then_some(())?;
    let text: Vec<u8> = octets.iter().flat_map(|octet| label_of(octet.to_string().as_bytes())).collect();
    let name = [&text[..], b"\x07in-addr\x04arpa\0"].concat();
    let mut buf = NameBuf::default();
    buf.read(&name)?;
    Some(buf)
}

fn label_of(text: &[u8]) -> Vec<u8> {
    [&[text.len() as u8], text].concat()
}

/// How long what is made in the place of `reply` may be kept, in seconds; `None`: the reply stands.
///
/// A name that does not exist has no address to make one of; another error is as good as no answer (RFC 6147 5.1.2).
pub fn longest_ttl(reply: &[u8]) -> Option<u32> {
    let message = Message::parse(reply).ok()?;
    let has_aaaa = message.records().any(|record| record.section == Section::Answer && record.rtype == Rtype::AAAA);
    (!has_aaaa && message.rcode() != Rcode::NXDOMAIN).then_some(())?;
    let soa = message.records().find(|record| record.rtype == Rtype::SOA);
    // the TTL stands before the data's length
    let ttl = soa.and_then(|soa| u32_at(message.octets(), soa.rdata.start.checked_sub(6)?));
    Some(ttl.unwrap_or(NO_SOA_TTL))
}

/// The answer section of `message`, which is about A, with AAAA in the place of A; `None` if it has no A. `question` is the
/// client's.
pub fn addresses(question: &[u8], message: &Message<'_>, longest_ttl: u32) -> Option<Vec<u8>> {
    (message.rcode() == Rcode::NOERROR).then_some(())?;
    let mut out = head(question);
    let (mut count, mut made) = (0u16, false);
    for record in message.records().filter(|record| record.section == Section::Answer) {
        if !matches!(record.rtype, Rtype::A | Rtype::CNAME | Rtype::DNAME) {
            continue;
        }
        let begin = out.len();
        expand(message.octets(), &record, &mut out)?;
        count = count.checked_add(1)?;
        if record.rtype == Rtype::A {
            let fixed = out.len().checked_sub(FIXED + 4).filter(|fixed| *fixed > begin)?;
            let ttl = u32_at(&out, fixed + 4)?.min(longest_ttl);
            let address = out.split_off(fixed + FIXED);
            out.truncate(fixed);
            out.extend_from_slice(&Rtype::AAAA.octets());
            out.extend_from_slice(&Class::IN.octets());
            out.extend_from_slice(&ttl.to_be_bytes());
            out.extend_from_slice(&16u16.to_be_bytes());
            out.extend_from_slice(&PREFIX);
            out.extend_from_slice(&address);
            made = true;
        }
    }
    made.then_some(())?;
    finish(out, message, Rcode::NOERROR, [count, 0, 0])
}

/// A CNAME to `name`, the reverse name of the IPv4 address, and what `message` says of that (RFC 6147 5.3.1).
pub fn alias(question: &[u8], message: &Message<'_>, name: &NameBuf) -> Option<Vec<u8>> {
    let mut out = head(question);
    // the question's own name, by a pointer to it (RFC 1035 4.1.4)
    out.extend_from_slice(&[0xc0, HEADER_LEN as u8]);
    out.extend_from_slice(&Rtype::CNAME.octets());
    out.extend_from_slice(&Class::IN.octets());
    out.extend_from_slice(&TTL.to_be_bytes());
    out.extend_from_slice(&(name.wire().len() as u16).to_be_bytes());
    out.extend_from_slice(name.wire());
    let mut counts = [1u16, 0, 0];
    for record in message.records().filter(|record| record.section != Section::Additional) {
        expand(message.octets(), &record, &mut out)?;
        let count = counts.get_mut(record.section as usize)?;
        *count = count.checked_add(1)?;
    }
    finish(out, message, message.rcode(), counts)
}

/// Room for a header, and the client's question.
fn head(question: &[u8]) -> Vec<u8> {
    [&[0; HEADER_LEN], question].concat()
}

/// Writes the header of a message of which `out` has the rest.
fn finish(mut out: Vec<u8>, message: &Message<'_>, rcode: Rcode, counts: [u16; 3]) -> Option<Vec<u8>> {
    let flags = message.flags().without(HeaderFlags::AD).without(HeaderFlags::AA).without(HeaderFlags::TC);
    let flags = flags.with_rcode(rcode);
    Header { flags, questions: 1, ..Header::default() }.with_counts(counts).write(&mut out)?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::DnsName;

    #[test]
    fn reverse_names_below_the_prefix() {
        let told = |text: &str| {
            let name: DnsName = text.parse().unwrap();
            reverse_name(name.wire()).map(|name| format!("{:?}", name.name().to_string()))
        };
        let below = |nibbles: &str| format!("{nibbles}.{REVERSE}");
        assert_eq!(told(&below("7.0.2.0.0.0.0.c")).as_deref(), Some("\"7.2.0.192.in-addr.arpa\""));
        assert_eq!(told(&below("f.f.f.f.f.f.f.f")).as_deref(), Some("\"255.255.255.255.in-addr.arpa\""));
        assert_eq!(told(&below("7.0.2.0.0.0.0")), None);
        assert_eq!(told(&below("7.0.2.0.0.0.0.0.c")), None);
        assert_eq!(told(&below("g.0.2.0.0.0.0.c")), None);
        assert_eq!(told("7.0.2.0.0.0.0.c.0.0.0.0.ip6.arpa"), None);
    }
}
