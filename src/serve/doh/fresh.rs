//! How long a reply may be kept (RFC 8484 5.1).

use crate::dns::{HeaderFlags, Message, Rcode, Record, Rtype, Section};

/// Response codes that say something that lasts (RFC 1035 4.1.1).
const LASTING: [Rcode; 2] = [Rcode::NOERROR, Rcode::NXDOMAIN];

/// The smallest TTL of a reply's answer and authority, in seconds; 0 for what is an error or not whole.
pub(super) fn seconds(reply: &[u8]) -> u32 {
    let Ok(message) = Message::parse(reply) else { return 0 };
    if !LASTING.contains(&message.rcode()) || message.flags().has(HeaderFlags::TC) {
        return 0;
    }
    let records = message.records().filter(|record| record.section != Section::Additional);
    records.map(|record| ttl(reply, &record)).min().unwrap_or(0)
}

/// A record's TTL; of an SOA no more than its MINIMUM, which ends it (RFC 2308 5).
fn ttl(reply: &[u8], record: &Record) -> u32 {
    let rdata = reply.get(record.rdata.clone()).unwrap_or_default();
    let most = match (record.section, rdata.last_chunk::<4>()) {
        (Section::Authority, Some(minimum)) if record.rtype == Rtype::SOA => u32::from_be_bytes(*minimum),
        _ => u32::MAX,
    };
    // RFC 2181 8: with the highest bit set it means 0
    if record.ttl > i32::MAX as u32 { 0 } else { record.ttl.min(most) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(rtype: u8, ttl: u32, rdata: &[u8]) -> Vec<u8> {
        [&[0xc0, 12, 0, rtype, 0, 1], &ttl.to_be_bytes()[..], &[0, rdata.len() as u8], rdata].concat()
    }

    fn reply(flags: [u8; 2], answers: &[Vec<u8>], authority: &[Vec<u8>], additional: &[Vec<u8>]) -> Vec<u8> {
        let counts = [answers, authority, additional].map(|records| [0, records.len() as u8]).concat();
        let head = [&[0, 0], &flags[..], &[0, 1], &counts, b"\x01a\0\0\x01\0\x01"].concat();
        [head, answers.concat(), authority.concat(), additional.concat()].concat()
    }

    #[test]
    fn the_smallest_ttl_counts() {
        let a = |ttl| record(1, ttl, &[10, 0, 0, 1]);
        let soa = |ttl, minimum: u32| record(6, ttl, &[&[0; 18][..], &minimum.to_be_bytes()].concat());
        let good = [0x81, 0x80];
        for (reply, want) in [
            (reply(good, &[a(60), a(7), a(300)], &[], &[a(1)]), 7),
            (reply(good, &[a(60)], &[a(5)], &[]), 5),
            (reply([0x81, 0x83], &[], &[soa(900, 60)], &[]), 60),
            (reply(good, &[], &[soa(30, 60)], &[]), 30),
            // an SOA that was asked for is an answer like others
            (reply(good, &[soa(900, 60)], &[], &[]), 900),
            (reply(good, &[a(0x8000_0000)], &[], &[]), 0),
            (reply(good, &[], &[], &[]), 0),
            (reply([0x81, 0x82], &[a(60)], &[], &[]), 0),
            (reply([0x83, 0x80], &[a(60)], &[], &[]), 0),
            (b"no message".to_vec(), 0),
        ] {
            assert_eq!(seconds(&reply), want, "{reply:02x?}");
        }
    }
}
