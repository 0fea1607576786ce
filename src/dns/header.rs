//! The header of a message: id, flags, and how many records each section has (RFC 1035 4.1.1).

use std::fmt;
use std::ops::BitOr;

use super::octets::u16_at;
use super::opcode::Opcode;
use super::rcode::Rcode;

/// Octets of a header (RFC 1035 4.1.1).
pub const HEADER_LEN: usize = 12;
const FLAGS_AT: usize = 2;

/// The third and fourth octet of a header: opcode, response code, and one bit for each of the others.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct HeaderFlags(u16);

impl HeaderFlags {
    /// None is set; opcode QUERY, response code NOERROR.
    pub const NONE: Self = Self(0);
    /// This is a reply (RFC 1035 4.1.1).
    pub const QR: Self = Self(0x8000);
    /// Authoritative answer (RFC 1035 4.1.1).
    pub const AA: Self = Self(0x0400);
    /// Truncated (RFC 1035 4.1.1).
    pub const TC: Self = Self(0x0200);
    /// Recursion desired (RFC 1035 4.1.1).
    pub const RD: Self = Self(0x0100);
    /// Recursion available (RFC 1035 4.1.1).
    pub const RA: Self = Self(0x0080);
    /// Authentic data (RFC 4035 3.2.3).
    pub const AD: Self = Self(0x0020);
    /// Checking disabled (RFC 4035 3.2.2).
    pub const CD: Self = Self(0x0010);
    /// The four bits of the opcode (RFC 1035 4.1.1).
    pub const OPCODE: Self = Self(0x7800);
    /// The four bits of the response code (RFC 1035 4.1.1).
    pub const RCODE: Self = Self(0x000f);

    /// HeaderFlags out of the header's two octets as one number.
    pub const fn new(bits: u16) -> Self {
        Self(bits)
    }

    /// The two octets as one number.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags, with `other` set where `when` holds.
    #[must_use]
    pub const fn with(self, other: Self, when: bool) -> Self {
        if when { Self(self.0 | other.0) } else { self }
    }

    /// These flags without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Of these flags those of `other` alone.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The kind of request.
    pub const fn opcode(self) -> Opcode {
        Opcode::new((self.0 & Self::OPCODE.0) >> 11)
    }

    /// The response code as far as the header has it: its lower four bits.
    pub const fn rcode(self) -> Rcode {
        Rcode::new(self.0 & Self::RCODE.0)
    }

    /// These flags with the lower four bits of `rcode`.
    #[must_use]
    pub const fn with_rcode(self, rcode: Rcode) -> Self {
        Self(self.0 & !Self::RCODE.0 | rcode.in_header())
    }
}

impl BitOr for HeaderFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `QR RD RA NXDOMAIN`, as dig prints them.
impl fmt::Debug for HeaderFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = [("QR", Self::QR), ("AA", Self::AA), ("TC", Self::TC), ("RD", Self::RD), ("RA", Self::RA)];
        for (name, bit) in bits.into_iter().chain([("AD", Self::AD), ("CD", Self::CD)]) {
            if self.has(bit) {
                write!(f, "{name} ")?;
            }
        }
        if self.opcode() != Opcode::QUERY {
            write!(f, "{:?} ", self.opcode())?;
        }
        write!(f, "{}", self.rcode())
    }
}

/// A header by value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What joins a reply to its query.
    pub id: u16,
    /// Opcode, response code and flags.
    pub flags: HeaderFlags,
    /// QDCOUNT: questions.
    pub questions: u16,
    /// ANCOUNT: records of the answer section.
    pub answers: u16,
    /// NSCOUNT: records of the authority section.
    pub authorities: u16,
    /// ARCOUNT: records of the additional section.
    pub additional: u16,
}

impl Header {
    /// The header at the beginning of `message`; `None` where that is shorter than a header.
    #[inline]
    pub fn of(message: &[u8]) -> Option<Self> {
        let [i0, i1, f0, f1, q0, q1, an0, an1, ns0, ns1, ar0, ar1] = *message.first_chunk::<HEADER_LEN>()?;
        Some(Self {
            id: u16::from_be_bytes([i0, i1]),
            flags: HeaderFlags(u16::from_be_bytes([f0, f1])),
            questions: u16::from_be_bytes([q0, q1]),
            answers: u16::from_be_bytes([an0, an1]),
            authorities: u16::from_be_bytes([ns0, ns1]),
            additional: u16::from_be_bytes([ar0, ar1]),
        })
    }

    /// The octets of the header.
    #[inline]
    pub fn octets(self) -> [u8; HEADER_LEN] {
        let [i0, i1] = self.id.to_be_bytes();
        let [f0, f1] = self.flags.0.to_be_bytes();
        let [q0, q1] = self.questions.to_be_bytes();
        let [an0, an1] = self.answers.to_be_bytes();
        let [ns0, ns1] = self.authorities.to_be_bytes();
        let [ar0, ar1] = self.additional.to_be_bytes();
        [i0, i1, f0, f1, q0, q1, an0, an1, ns0, ns1, ar0, ar1]
    }

    /// Writes the header over the beginning of `message`; `None` where that is shorter than a header.
    #[inline]
    pub fn write(self, message: &mut [u8]) -> Option<()> {
        *message.first_chunk_mut()? = self.octets();
        Some(())
    }

    /// The same header with the counts of answer, authority and additional section.
    #[must_use]
    pub fn with_counts(self, [answers, authorities, additional]: [u16; 3]) -> Self {
        Self { answers, authorities, additional, ..self }
    }
}

/// Replaces the id of a message; does nothing to what is too short to have one.
pub fn set_id(message: &mut [u8], id: u16) {
    if let Some(field) = message.first_chunk_mut() {
        *field = id.to_be_bytes();
    }
}

/// Replaces the flags of a message; does nothing to what is too short to have any.
pub fn set_flags(message: &mut [u8], flags: HeaderFlags) {
    if let Some(field) = message.get_mut(FLAGS_AT..).and_then(<[u8]>::first_chunk_mut) {
        *field = flags.0.to_be_bytes();
    }
}

/// The response code of a reply, as far as the header has it.
pub fn rcode_of(reply: &[u8]) -> Rcode {
    Header::of(reply).unwrap_or_default().flags.rcode()
}

/// The id of a message; `None` for what is too short to have one.
pub fn id_of(message: &[u8]) -> Option<u16> {
    u16_at(message, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let flags =
            HeaderFlags::QR.with(HeaderFlags::RD, true).with(HeaderFlags::AD, false).with_rcode(Rcode::NXDOMAIN);
        let header = Header { id: 0x1234, flags, questions: 1, ..Header::default() }.with_counts([2, 3, 4]);
        assert_eq!(header.octets(), *b"\x12\x34\x81\x03\0\x01\0\x02\0\x03\0\x04");
        assert_eq!(Header::of(&header.octets()), Some(header));
        assert_eq!(Header::of(&header.octets()[..11]), None);
        let mut message = header.octets();
        set_id(&mut message, 7);
        set_flags(&mut message, flags.without(HeaderFlags::RD));
        assert_eq!((id_of(&message), Header::of(&message).unwrap().flags.bits()), (Some(7), 0x8003));
    }

    #[test]
    fn flags_are_bits() {
        let flags = HeaderFlags::new(0x2895);
        assert_eq!((flags.opcode(), flags.rcode()), (Opcode::new(5), Rcode::REFUSED));
        assert!(
            flags.has(HeaderFlags::RA) && flags.has(HeaderFlags::CD) && !flags.has(HeaderFlags::RA | HeaderFlags::AD)
        );
        assert_eq!(format!("{flags:?}"), "RA CD OPCODE5 REFUSED");
        assert_eq!(flags.only(HeaderFlags::RA | HeaderFlags::RD), HeaderFlags::RA);
    }
}
