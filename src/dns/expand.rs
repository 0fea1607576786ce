//! Records that move to another place: every name in them is written in full.
//!
//! Knows which record data holds names, as whoever moves a record has to write them anew.

use super::message::Record;
use super::name::copy_name;
use super::rtype::Rtype;

/// What the data of a record of `rtype` consists of, where names in it may be compressed: octets, names, octets.
///
/// RFC 3597 4: only the types of RFC 1035 are sent compressed, and those that are listed there are taken compressed
/// as well. Of any other type the data has no pointers.
fn names_in_rdata(rtype: Rtype) -> (usize, usize) {
    match rtype.number() {
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

/// Writes a record of `message` so that it can stand anywhere: no name in it is compressed.
///
/// A type whose data is not what it should be is written as it came. NAPTR, the one listed type whose name does not
/// come at a fixed place, must not be compressed by anybody (RFC 3403 4.1).
pub fn expand(message: &[u8], record: &Record, out: &mut Vec<u8>) -> Option<()> {
    copy_name(message, record.range.start, out)?;
    let fixed = record.rdata.start.checked_sub(10)?;
    out.extend_from_slice(message.get(fixed..fixed + 8)?);
    let len_at = out.len();
    out.extend_from_slice(&[0, 0]);
    if expand_rdata(message, record, out).is_none() {
        out.truncate(len_at + 2);
        out.extend_from_slice(message.get(record.rdata.clone())?);
    }
    let len = u16::try_from(out.len() - len_at - 2).ok()?;
    out.get_mut(len_at..len_at + 2)?.copy_from_slice(&len.to_be_bytes());
    Some(())
}

/// The data of a record of `message`, no name in it compressed; as it came where it is not what its type should have.
pub fn expanded_rdata(message: &[u8], record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    match expand_rdata(message, record, &mut out) {
        Some(()) => out,
        None => message.get(record.rdata.clone()).unwrap_or_default().to_vec(),
    }
}

fn expand_rdata(message: &[u8], record: &Record, out: &mut Vec<u8>) -> Option<()> {
    let (before, names) = names_in_rdata(record.rtype);
    // names end within the record, wherever their pointers lead
    let within = message.get(..record.rdata.end)?;
    let mut at = record.rdata.start + before;
    out.extend_from_slice(within.get(record.rdata.start..at)?);
    for _ in 0..names {
        at = copy_name(within, at, out)?;
    }
    out.extend_from_slice(within.get(at..)?);
    Some(())
}
