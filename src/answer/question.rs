//! A question as `answer` takes it: the name lowered, with the place of every label.

use std::fmt;

use crate::naming::{DnsName, MAX_LABEL, MAX_NAME, write_wire};

/// RR types that the rules know by name (IANA "Resource Record (RR) TYPEs").
pub mod rtype {
    /// IPv4 address.
    pub const A: u16 = 1;
    /// Name server.
    pub const NS: u16 = 2;
    /// Canonical name: an alias.
    pub const CNAME: u16 = 5;
    /// Start of authority.
    pub const SOA: u16 = 6;
    /// Name of an address.
    pub const PTR: u16 = 12;
    /// IPv6 address.
    pub const AAAA: u16 = 28;
    /// An alias of all that is below a name (RFC 6672).
    pub const DNAME: u16 = 39;
    /// EDNS (RFC 6891).
    pub const OPT: u16 = 41;
    /// Delegation signer: the one type that the parent side of a cut answers (RFC 4035 3.1.4.1).
    pub const DS: u16 = 43;
    /// A signature (RFC 4034 3).
    pub const RRSIG: u16 = 46;
    /// The next name, and that there is none before it (RFC 4034 4).
    pub const NSEC: u16 = 47;
    /// The same by hashes of names (RFC 5155 3).
    pub const NSEC3: u16 = 50;
    /// What a service offers, and where (RFC 9460).
    pub const SVCB: u16 = 64;
    /// The same of a web site (RFC 9460 9).
    pub const HTTPS: u16 = 65;
    /// A signature of a message, between two neighbours (RFC 8945).
    pub const TSIG: u16 = 250;
    /// Incremental transfer.
    pub const IXFR: u16 = 251;
    /// Whole transfer.
    pub const AXFR: u16 = 252;
    /// Whatever there is (RFC 8482).
    pub const ANY: u16 = 255;
}

/// A name of at most 255 octets can have 127 labels.
const MAX_LABELS: usize = 127;

/// Room for one lowered name, so that reading one allocates nothing.
#[derive(Clone)]
pub struct NameBuf {
    wire: [u8; MAX_NAME],
    len: u8,
    starts: [u8; MAX_LABELS],
    labels: u8,
}

impl Default for NameBuf {
    fn default() -> Self {
        Self { wire: [0; MAX_NAME], len: 1, starts: [0; MAX_LABELS], labels: 0 }
    }
}

impl NameBuf {
    /// Reads the uncompressed name at the beginning of `octets`, and returns how many octets it has there.
    ///
    /// `None` if it is cut short, too long, or compressed: a question's name is the first of its message and has
    /// nothing to point to (RFC 1035 4.1.4).
    pub fn read(&mut self, octets: &[u8]) -> Option<usize> {
        let mut at = 0usize;
        let mut labels = 0usize;
        loop {
            let len = usize::from(*octets.get(at)?);
            if len == 0 {
                break;
            }
            if len > MAX_LABEL {
                return None;
            }
            *self.starts.get_mut(labels)? = at as u8;
            labels += 1;
            at += 1 + len;
            if at >= MAX_NAME {
                return None;
            }
        }
        let end = at + 1;
        let name = self.wire.get_mut(..end)?;
        name.copy_from_slice(octets.get(..end)?);
        // lengths are at most 63, which is below the letters: all octets can be lowered at once
        name.make_ascii_lowercase();
        self.len = end as u8;
        self.labels = labels as u8;
        Some(end)
    }

    /// The name that was read last.
    pub fn name(&self) -> Name<'_> {
        Name {
            wire: self.wire.get(..usize::from(self.len)).unwrap_or(&[0]),
            starts: self.starts.get(..usize::from(self.labels)).unwrap_or(&[]),
        }
    }
}

impl From<&DnsName> for NameBuf {
    fn from(name: &DnsName) -> Self {
        let mut buf = Self::default();
        // a `DnsName` is well formed, so reading it cannot fail
        let _ = buf.read(name.wire());
        buf
    }
}

/// A lowered name and where its labels begin.
#[derive(Clone, Copy)]
pub struct Name<'q> {
    /// Lower-case wire form with the root.
    pub wire: &'q [u8],
    /// Where each label begins, from left to right, without the root.
    pub starts: &'q [u8],
}

impl<'q> Name<'q> {
    /// How many labels the name has.
    pub fn label_count(&self) -> usize {
        self.starts.len()
    }

    /// The name of the last `labels` labels; all of it if it has fewer.
    pub fn suffix(&self, labels: usize) -> &'q [u8] {
        match self.starts.len().checked_sub(labels).and_then(|at| self.starts.get(at)) {
            Some(&start) => self.wire.get(usize::from(start)..).unwrap_or(&[0]),
            None if labels == 0 => &[0],
            None => self.wire,
        }
    }

    /// Label number `at` from the left, without its length.
    pub fn label(&self, at: usize) -> Option<&'q [u8]> {
        let rest = self.wire.get(usize::from(*self.starts.get(at)?)..)?;
        rest.get(1..=usize::from(*rest.first()?))
    }

    /// What follows label number `at`.
    pub fn behind(&self, at: usize) -> &'q [u8] {
        self.suffix(self.label_count().saturating_sub(at + 1))
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_wire(f, self.wire)
    }
}

/// What is asked; the class is IN, which `wire` has made sure of.
#[derive(Clone, Copy)]
pub struct Question<'q> {
    /// The name.
    pub name: Name<'q>,
    /// The RR type, or one of the query types.
    pub rtype: u16,
    /// Whether the client wants others to be asked (RFC 1035 4.1.1, RD).
    pub recursion_desired: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_and_cut() {
        let mut buf = NameBuf::default();
        assert_eq!(buf.read(b"\x03FoO\x07example\x00rest"), Some(13));
        let name = buf.name();
        assert_eq!(name.to_string(), "foo.example");
        assert_eq!(name.label_count(), 2);
        assert_eq!(name.suffix(1), b"\x07example\x00");
        assert_eq!((name.suffix(0), name.suffix(2)), (&b"\x00"[..], name.wire));
        assert_eq!((name.label(0), name.label(1), name.label(2)), (Some(&b"foo"[..]), Some(&b"example"[..]), None));
        assert_eq!((name.behind(0), name.behind(1)), (&b"\x07example\x00"[..], &b"\x00"[..]));
    }

    #[test]
    fn bad_names_are_refused() {
        let mut buf = NameBuf::default();
        for wire in [&b""[..], b"\x03fo", b"\x03foo", b"\xc0\x0c", b"\x40aaaa\x00"] {
            assert_eq!(buf.read(wire), None, "{wire:?}");
        }
        let mut long = b"\x3f".iter().chain([b'a'; 63].iter()).copied().collect::<Vec<u8>>().repeat(4);
        long.push(0);
        assert_eq!(buf.read(&long), None, "257 octets");
        let mut most = b"\x01a".repeat(127);
        most.push(0);
        assert_eq!(buf.read(&most), Some(255));
        assert_eq!(buf.name().label_count(), 127);
    }
}
