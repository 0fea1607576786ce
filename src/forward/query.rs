//! The question that goes to an upstream, and whether a reply belongs to it.
//!
//! Knows octets only. A reply is believed when everything that an attacker off the path would have to guess is
//! right (RFC 5452 9.1): here id and question, and by the socket the port and the upstream's address.

use crate::forward::message::{HEADER, flag, same_question, u16_at};
use crate::forward::relay::{EDNS_PAYLOAD, OPT_LEN, opt_header};

/// A question for an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'a> {
    /// The name as the client wrote it: uncompressed wire octets, case kept, root included.
    pub name: &'a [u8],
    /// The type that is asked for.
    pub rtype: u16,
    /// The class, which is hardly ever other than 1 (IN).
    pub class: u16,
    /// The client's RD: whether the upstream may ask others.
    pub recursion_desired: bool,
    /// The client's CD: whether it checks signatures itself (RFC 4035 3.2.2).
    pub checking_disabled: bool,
    /// The client's AD: whether it wants to know if the answer was checked (RFC 6840 5.7).
    pub authentic_data: bool,
    /// The client's DO: whether it wants signatures (RFC 3225 3).
    pub dnssec_ok: bool,
    /// Whether the question has EDNS: as the client's had. None of its options pass: EDNS is between two neighbours
    /// (RFC 6891 6.1.1).
    pub edns: bool,
}

/// The octets that are sent, and what a reply to them must have.
pub(super) struct Query {
    octets: Vec<u8>,
    question_end: usize,
}

impl Query {
    /// The question under `id`, with EDNS where it is wanted and `edns` does not forbid it.
    pub(super) fn new(outbound: &Outbound<'_>, id: u16, edns: bool) -> Self {
        let edns = edns && outbound.edns;
        let flags = [
            (outbound.recursion_desired, flag::RD),
            (outbound.checking_disabled, flag::CD),
            (outbound.authentic_data, flag::AD),
        ];
        let flags = flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit);
        let mut octets = Vec::with_capacity(HEADER + outbound.name.len() + 4 + OPT_LEN);
        for word in [id, flags, 1, 0, 0, u16::from(edns)] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
        octets.extend_from_slice(outbound.name);
        octets.extend_from_slice(&outbound.rtype.to_be_bytes());
        octets.extend_from_slice(&outbound.class.to_be_bytes());
        let question_end = octets.len();
        if edns {
            octets.extend_from_slice(&opt_header(EDNS_PAYLOAD, 0, outbound.dnssec_ok, 0));
        }
        Self { octets, question_end }
    }

    /// What is sent.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// True when `reply` belongs to this query: its id, a reply, a standard query's, and its question.
    ///
    /// An error without a question is taken too: servers that do not understand a query (and those that do not know
    /// EDNS) say so with a bare header.
    pub(super) fn is_answered_by(&self, reply: &[u8]) -> bool {
        let (Some(id), Some(flags), Some(questions)) = (u16_at(reply, 0), u16_at(reply, 2), u16_at(reply, 4)) else {
            return false;
        };
        if Some(id) != u16_at(&self.octets, 0) || flags & (flag::QR | flag::OPCODE) != flag::QR {
            return false;
        }
        match questions {
            0 => reply.len() >= HEADER && !matches!(flags & flag::RCODE, rcode::NOERROR | rcode::NXDOMAIN),
            1 => match (self.octets.get(HEADER..self.question_end), reply.get(HEADER..self.question_end)) {
                (Some(asked), Some(answered)) => same_question(asked, answered),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Response codes that decide what happens next (RFC 1035 4.1.1).
pub(super) mod rcode {
    pub(in crate::forward) const NOERROR: u16 = 0;
    pub(in crate::forward) const FORMERR: u16 = 1;
    pub(in crate::forward) const SERVFAIL: u16 = 2;
    pub(in crate::forward) const NXDOMAIN: u16 = 3;
    pub(in crate::forward) const NOTIMP: u16 = 4;
    pub(in crate::forward) const REFUSED: u16 = 5;
}

/// The response code of a reply, as far as the header has it.
pub(super) fn rcode_of(reply: &[u8]) -> u16 {
    u16_at(reply, 2).unwrap_or_default() & flag::RCODE
}

/// True when the reply says that it does not hold everything.
pub(super) fn is_truncated(reply: &[u8]) -> bool {
    u16_at(reply, 2).unwrap_or_default() & flag::TC != 0
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Message, MessageType};

    use super::*;

    fn outbound() -> Outbound<'static> {
        Outbound {
            name: b"\x03wWw\x07eXample\x00",
            rtype: 28,
            class: 1,
            recursion_desired: true,
            checking_disabled: true,
            authentic_data: false,
            dnssec_ok: true,
            edns: true,
        }
    }

    #[test]
    fn another_implementation_reads_what_is_sent() {
        let message = Message::from_vec(Query::new(&outbound(), 0xabcd, true).octets()).unwrap();
        assert_eq!((message.metadata.id, message.metadata.message_type), (0xabcd, MessageType::Query));
        assert!(message.metadata.recursion_desired && message.metadata.checking_disabled);
        assert!(!message.metadata.authentic_data);
        assert_eq!(message.queries[0].name().to_string(), "wWw.eXample.");
        let edns = message.edns.unwrap();
        assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok), (1232, 0, true));
        assert!(edns.options().as_ref().is_empty());
        for without in [Query::new(&outbound(), 1, false), Query::new(&Outbound { edns: false, ..outbound() }, 1, true)]
        {
            assert!(Message::from_vec(without.octets()).unwrap().edns.is_none());
        }
    }

    #[test]
    fn only_its_own_reply_belongs_to_a_query() {
        let query = Query::new(&outbound(), 0x1234, true);
        let mut good = query.octets().to_vec();
        good[2] |= 0x80;
        let change = |at: usize, to: u8| {
            let mut reply = good.clone();
            reply[at] = to;
            query.is_answered_by(&reply)
        };
        assert!(query.is_answered_by(&good));
        assert!(change(13, b'W'), "case does not matter");
        for (at, to, what) in [
            (1, 0x35, "another id"),
            (2, 0x01, "a query"),
            (2, 0xa1, "another opcode"),
            (5, 2, "two questions"),
            (5, 0, "no question and no error"),
            (13, b'v', "another name"),
            (26, 29, "another type"),
            (28, 3, "another class"),
        ] {
            assert!(!change(at, to), "{what}");
        }
        // 'A' is type 65 and 'a' type 97: types have no case
        let query = Query::new(&Outbound { rtype: 65, ..outbound() }, 0x1234, true);
        let mut reply = query.octets().to_vec();
        reply[2] |= 0x80;
        reply[26] = 97;
        assert!(!query.is_answered_by(&reply));
        assert!((0..good.len()).all(|end| !query.is_answered_by(&good[..end]) || end >= query.question_end));
        assert!(query.is_answered_by(b"\x12\x34\x80\x01\0\0\0\0\0\0\0\0"), "a bare FORMERR");
    }
}
