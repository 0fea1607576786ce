//! Room on the stack for a name that is read off a message, so that reading one allocates nothing.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::borrowed::NameRef;
use super::owned::DnsName;
use super::wire::{MAX_LABEL_LEN, MAX_LABELS, MAX_NAME_LEN, is_at_or_below, write_name};

/// Octets that are lowered at once.
const LANE: usize = 16;
/// Room for the longest name, in whole lanes.
const ROOM: usize = MAX_NAME_LEN.next_multiple_of(LANE);

/// Room for one name in lower case, and the place of each of its labels. The root, before anything is read.
#[derive(Clone, Copy)]
pub struct NameBuf {
    wire: [u8; ROOM],
    len: u8,
    starts: [u8; MAX_LABELS],
    labels: u8,
}

impl Default for NameBuf {
    fn default() -> Self {
        Self { wire: [0; ROOM], len: 1, starts: [0; MAX_LABELS], labels: 0 }
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
            if len > MAX_LABEL_LEN {
                return None;
            }
            *self.starts.get_mut(labels)? = at as u8;
            labels += 1;
            at += 1 + len;
            if at >= MAX_NAME_LEN {
                return None;
            }
        }
        let end = at + 1;
        self.wire.get_mut(..end)?.copy_from_slice(octets.get(..end)?);
        // lengths are at most 63, which is below the letters; what is behind the name in its last lane means nothing
        let (lanes, _) = self.wire.as_chunks_mut::<LANE>();
        lanes.iter_mut().take(end.div_ceil(LANE)).for_each(|lane| lane.make_ascii_lowercase());
        self.len = end as u8;
        self.labels = labels as u8;
        Some(end)
    }

    /// A name of no labels and no root, for [`push`](Self::push).
    pub(super) fn empty() -> Self {
        Self { len: 0, ..Self::default() }
    }

    /// Appends one label with its length, the root being of length 0; `None` if there is no room for it.
    pub(super) fn push(&mut self, label: &[u8]) -> Option<()> {
        let from = usize::from(self.len);
        let room = self.wire.get_mut(..MAX_NAME_LEN)?.get_mut(from..from + label.len())?;
        room.copy_from_slice(label);
        room.make_ascii_lowercase();
        if label.len() > 1 {
            *self.starts.get_mut(usize::from(self.labels))? = self.len;
            self.labels += 1;
        }
        self.len += label.len() as u8;
        Some(())
    }

    /// The name that was read last.
    pub fn name(&self) -> NameRef<'_> {
        let starts = self.starts.get(..usize::from(self.labels)).unwrap_or(&[]);
        NameRef::new(self.wire(), starts)
    }

    /// Its wire form in lower case.
    pub fn wire(&self) -> &[u8] {
        self.wire.get(..usize::from(self.len)).unwrap_or(&[0])
    }

    /// True when `self` is `ancestor` or below it.
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        is_at_or_below(self.wire(), ancestor.wire())
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

impl PartialEq for NameBuf {
    fn eq(&self, other: &Self) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for NameBuf {}

impl Hash for NameBuf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wire().hash(state);
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.wire())
    }
}

impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.wire())
    }
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
        assert_eq!((name.suffix(0), name.suffix(2)), (&b"\x00"[..], name.wire()));
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
        let mut full = NameBuf::empty();
        for _ in 0..5 {
            assert_eq!(full.push(&[b"\x31".as_slice(), &[b'A'; 49]].concat()), Some(()));
        }
        assert_eq!(full.push(b"\x05aaaaa"), None, "256 octets");
        assert_eq!((full.push(b"\x03aaa"), full.push(b"\x00"), full.push(b"\x00")), (Some(()), Some(()), None));
        assert_eq!(full.wire().len(), 255);
        let mut most = b"\x01a".repeat(127);
        most.push(0);
        assert_eq!(buf.read(&most), Some(255));
        assert_eq!(buf.name().label_count(), 127);
    }
}
