//! Names inside of a message: compressed where they stand, whole where they are wanted (RFC 1035 4.1.4).
//!
//! Whatever octets come in, nothing panics and each walk ends: pointers lead strictly backwards, and a name has at
//! most 255 octets.

use super::buffer::NameBuf;
use super::wire::{MAX_LABEL_LEN, MAX_NAME_LEN};
use crate::dns::header::HEADER_LEN;
use crate::dns::octets::u16_at;

/// Calls `label` with each label of the name at `at`, length included and root included; returns where what follows
/// the name begins.
fn walk_name<'a>(octets: &'a [u8], at: usize, mut label: impl FnMut(&'a [u8])) -> Option<usize> {
    let (mut at, mut end, mut total) = (at, None, 0);
    // where the octets begin that have been read in one go: a pointer has to lead before them, and what it leads to has to
    // end before them, as a prior occurrence does (RFC 1035 4.1.4); a label across them would change with what follows it
    let (mut run, mut limit) = (at, octets.len());
    loop {
        let len = usize::from(*octets.get(at)?);
        match len {
            0..=MAX_LABEL_LEN => {
                total += 1 + len;
                if total > MAX_NAME_LEN {
                    return None;
                }
                if at + len >= limit {
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
                if target >= run || target < HEADER_LEN || at + 1 >= limit {
                    return None;
                }
                end.get_or_insert(at + 2);
                (at, run, limit) = (target, target, run);
            }
            // RFC 6891 5: extended label types are deprecated
            _ => return None,
        }
    }
}

/// The name at `at` of a message, and where what follows it begins.
pub fn read_name(message: &[u8], at: usize) -> Option<(NameBuf, usize)> {
    let mut name = NameBuf::empty();
    let mut fits = Some(());
    let end = walk_name(message, at, |label| fits = fits.and_then(|()| name.push(label)))?;
    fits.map(|()| (name, end))
}

/// Where what follows the name at `at` of a message begins; the name is sound wherever its pointers lead.
pub(in crate::dns) fn skip_compressed(message: &[u8], at: usize) -> Option<usize> {
    walk_name(message, at, |_| {})
}

/// Writes the name at `at` of a message without compression, its case kept; returns where what follows it begins.
pub fn copy_name(message: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    walk_name(message, at, |label| out.extend_from_slice(label))
}

/// Skips a name, compressed or not, and does not look where pointers lead; each step shortens `rest`, so it ends.
pub fn skip_name(rest: &mut &[u8]) -> Option<()> {
    loop {
        let (&len, behind) = rest.split_first()?;
        match len {
            0 => {
                *rest = behind;
                return Some(());
            }
            1..=63 => *rest = behind.get(usize::from(len)..)?,
            192..=255 => {
                *rest = behind.get(1..)?;
                return Some(());
            }
            // RFC 6891 5: no other label types are in use
            _ => return None,
        }
    }
}
