//! What all names can do, on their wire octets in lower case.

use std::fmt;

/// Longest name in octets, lengths and root included (RFC 1035 2.3.4).
pub const MAX_NAME_LEN: usize = 255;
/// Longest label in octets (RFC 1035 2.3.4).
pub const MAX_LABEL_LEN: usize = 63;
/// Most labels that a name of 255 octets can have, without the root.
pub const MAX_LABELS: usize = 127;

/// The labels of a name from left to right, without the root; stops at the first malformed octet.
pub fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let len = usize::from(*rest.first()?);
        if len == 0 {
            return None;
        }
        let label = rest.get(1..=len)?;
        rest = rest.get(1 + len..)?;
        Some(label)
    })
}

/// The name itself, then the name above it, and so on to the root; stops at the first malformed octet.
pub fn ends(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(name);
    std::iter::from_fn(move || {
        let end = rest?;
        let len = usize::from(*end.first()?);
        rest = if len == 0 { None } else { end.get(1 + len..) };
        Some(end)
    })
}

/// True when `name` is `ancestor` or below it. Both are in the same case.
pub fn is_at_or_below(name: &[u8], ancestor: &[u8]) -> bool {
    // an end that begins inside of a label is none: the labels in front are walked
    ends(name).find(|end| end.len() <= ancestor.len()) == Some(ancestor)
}

/// Whether an octet of a label has a meaning of its own in master files (RFC 1035 5.1).
fn is_special(octet: u8) -> bool {
    matches!(octet, b'.' | b'\\' | b'"' | b';' | b'(' | b')')
}

/// Whether an octet of a label is written as it is.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_graphic() && !is_special(octet)
}

/// Writes a name as text, without a final dot; unprintable octets as `\DDD` (RFC 1035 5.1).
pub fn write_name(f: &mut impl fmt::Write, name: &[u8]) -> fmt::Result {
    let mut first = true;
    for label in labels(name) {
        if !std::mem::take(&mut first) {
            f.write_char('.')?;
        }
        // what needs no escape is written in one go: names are printed by the thousand
        for run in label.chunk_by(|a, b| is_plain(*a) && is_plain(*b)) {
            match run {
                [octet] if is_special(*octet) => write!(f, "\\{}", char::from(*octet))?,
                [octet] if !is_plain(*octet) => write!(f, "\\{octet:03}")?,
                run => f.write_str(str::from_utf8(run).unwrap_or_default())?,
            }
        }
    }
    if first { f.write_char('.') } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_in_all_names_above_it() {
        let of = |name| ends(name).collect::<Vec<_>>();
        assert_eq!(of(b"\x01a\x02bc\0"), [&b"\x01a\x02bc\0"[..], b"\x02bc\0", b"\0"]);
        assert_eq!(of(b"\0"), [b"\0"]);
        assert_eq!(of(b"\x05a"), [b"\x05a"], "and stops where it is malformed");
        assert!(of(b"").is_empty());
    }

    #[test]
    fn ancestry_respects_label_borders() {
        assert!(is_at_or_below(b"\x01a\x01b\0", b"\x01b\0") && is_at_or_below(b"\x01b\0", b"\x01b\0"));
        assert!(is_at_or_below(b"\x01b\0", b"\0") && !is_at_or_below(b"\0", b"\x01b\0"));
        // the octets 1, `b` inside of a label
        assert!(!is_at_or_below(b"\x03a\x01b\0", b"\x01b\0"));
    }
}
