//! Names inside of a message: compressed where they stand, whole where they are wanted (RFC 1035 4.1.4).
//!
//! Knows which record data holds names, as whoever moves a record has to write them anew.

use crate::forward::message::{HEADER, Record, u16_at};
use crate::naming::{MAX_LABEL, MAX_NAME, write_wire};

/// A name as the wire has it, uncompressed and in lower case; comparable.
#[derive(Clone, Copy)]
pub struct WireName {
    octets: [u8; MAX_NAME],
    len: u8,
}

impl WireName {
    /// Labels with their lengths, and the root.
    pub fn wire(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// True when `self` is `ancestor` or below it.
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        let mut rest = self.wire();
        while rest.len() > ancestor.wire().len() {
            let Some((&len, below)) = rest.split_first() else { return false };
            rest = below.get(usize::from(len)..).unwrap_or_default();
        }
        rest == ancestor.wire()
    }
}

impl PartialEq for WireName {
    fn eq(&self, other: &Self) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for WireName {}

impl std::hash::Hash for WireName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.wire().hash(state);
    }
}

impl std::fmt::Debug for WireName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_wire(f, self.wire())
    }
}

/// Calls `label` with each label of the name at `at`, length included and root included; returns where what follows
/// the name begins.
fn walk_name<'a>(octets: &'a [u8], at: usize, mut label: impl FnMut(&'a [u8])) -> Option<usize> {
    let (mut at, mut end, mut total) = (at, None, 0);
    // where the octets begin that have been read in one go: a pointer has to lead before them
    let mut run = at;
    loop {
        let len = usize::from(*octets.get(at)?);
        match len {
            0..=MAX_LABEL => {
                total += 1 + len;
                if total > MAX_NAME {
                    return None;
                }
                label(octets.get(at..=at + len)?);
                at += 1 + len;
                if len == 0 {
                    return Some(end.unwrap_or(at));
                }
            }
            // RFC 1035 4.1.4: the upper two bits, and the offset of a prior occurrence; the header has no names
            0xc0.. => {
                let target = usize::from(u16_at(octets, at)? & 0x3fff);
                if target >= run || target < HEADER {
                    return None;
                }
                end.get_or_insert(at + 2);
                (at, run) = (target, target);
            }
            // RFC 6891 5: extended label types are deprecated
            _ => return None,
        }
    }
}

/// The name at `at`, in lower case, and where what follows it begins.
pub(super) fn read_name(octets: &[u8], at: usize) -> Option<(WireName, usize)> {
    let mut name = WireName { octets: [0; MAX_NAME], len: 0 };
    let end = walk_name(octets, at, |label| {
        let from = usize::from(name.len);
        if let Some(room) = name.octets.get_mut(from..from + label.len()) {
            room.copy_from_slice(label);
            // the length octet is below any letter, and stays as it is
            room.make_ascii_lowercase();
            name.len += label.len() as u8;
        }
    })?;
    Some((name, end))
}

/// Writes the name at `at` without compression, case kept; returns where what follows it begins.
pub(super) fn copy_name(octets: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    walk_name(octets, at, |label| out.extend_from_slice(label))
}

/// What the data of a record of `rtype` consists of, where names in it may be compressed: octets, names, octets.
///
/// RFC 3597 4: only the types of RFC 1035 are sent compressed, and those that are listed there are taken compressed
/// as well. Of any other type the data has no pointers.
fn names_in_rdata(rtype: u16) -> (usize, usize) {
    match rtype {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, and NXT (whose bitmap follows)
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 30 => (0, 1),
        // SOA, MINFO, RP
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT
        15 | 18 | 21 => (2, 1),
        // SIG
        24 => (18, 1),
        // PX
        26 => (2, 2),
        // SRV
        33 => (6, 1),
        _ => (0, 0),
    }
}

/// Writes a record of `octets` so that it can stand anywhere: no name in it is compressed.
///
/// A type whose data is not what it should be is written as it came. NAPTR, the one listed type whose name does not
/// come at a fixed place, must not be compressed by anybody (RFC 3403 4.1).
pub(super) fn expand(octets: &[u8], record: &Record, out: &mut Vec<u8>) -> Option<()> {
    copy_name(octets, record.range.start, out)?;
    let fixed = record.rdata.start.checked_sub(10)?;
    out.extend_from_slice(octets.get(fixed..fixed + 8)?);
    let len_at = out.len();
    out.extend_from_slice(&[0, 0]);
    if expand_rdata(octets, record, out).is_none() {
        out.truncate(len_at + 2);
        out.extend_from_slice(octets.get(record.rdata.clone())?);
    }
    let len = u16::try_from(out.len() - len_at - 2).ok()?;
    out.get_mut(len_at..len_at + 2)?.copy_from_slice(&len.to_be_bytes());
    Some(())
}

fn expand_rdata(octets: &[u8], record: &Record, out: &mut Vec<u8>) -> Option<()> {
    let (before, names) = names_in_rdata(record.rtype);
    // names end within the record, wherever their pointers lead
    let within = octets.get(..record.rdata.end)?;
    let mut at = record.rdata.start + before;
    out.extend_from_slice(within.get(record.rdata.start..at)?);
    for _ in 0..names {
        at = copy_name(within, at, out)?;
    }
    out.extend_from_slice(within.get(at..)?);
    Some(())
}
