//! Names as text: what is escaped, and what is relative (RFC 1035 5.1).

use super::owned::NameError;
use super::wire::{MAX_LABEL_LEN, MAX_NAME_LEN};

/// The wire form of a name in a master file, in the case it is written in.
///
/// A name without a final dot is followed by `origin`; without one, each name is absolute. `@` is the origin itself.
pub fn parse_name(text: &str, origin: Option<&[u8]>) -> Result<Vec<u8>, NameError> {
    match (text, origin) {
        ("", _) => return Err(NameError::Empty),
        (".", _) => return Ok(vec![0]),
        ("@", Some(origin)) => return Ok(origin.to_vec()),
        _ => {}
    }
    let mut wire = Vec::with_capacity(text.len() + 2);
    let mut label = Vec::new();
    let mut chars = text.chars();
    let mut is_absolute = false;
    while let Some(c) = chars.next() {
        is_absolute = c == '.';
        match c {
            '.' => put_label(&mut wire, &mut label)?,
            '\\' => label.push(escaped(&mut chars).ok_or(NameError::Escape)?),
            '"' | '(' | ')' | ';' => return Err(NameError::Character(c)),
            _ if c.is_ascii_graphic() => label.push(c as u8),
            _ => return Err(NameError::Character(c)),
        }
    }
    if !is_absolute {
        put_label(&mut wire, &mut label)?;
    }
    wire.extend_from_slice(origin.filter(|_| !is_absolute).unwrap_or(&[0]));
    if wire.len() > MAX_NAME_LEN { Err(NameError::LongName) } else { Ok(wire) }
}

fn put_label(wire: &mut Vec<u8>, label: &mut Vec<u8>) -> Result<(), NameError> {
    match label.len() {
        0 => return Err(NameError::EmptyLabel),
        len if len > MAX_LABEL_LEN => return Err(NameError::LongLabel),
        len => wire.push(len as u8),
    }
    wire.append(label);
    Ok(())
}

/// What follows a backslash: an octet in three decimal digits, or a character as it is. `None` if it is neither.
pub fn escaped(rest: &mut std::str::Chars<'_>) -> Option<u8> {
    let first = rest.next()?;
    if !first.is_ascii_digit() {
        return first.is_ascii().then_some(first as u8);
    }
    let mut value = first.to_digit(10)?;
    for _ in 0..2 {
        value = value * 10 + rest.next()?.to_digit(10)?;
    }
    u8::try_from(value).ok()
}

/// An internationalised name by its A-labels, for advice (RFC 5890 2.3.2.1); `None` where it has none.
pub fn a_labels(text: &str) -> Option<String> {
    let ascii = hickory_proto::rr::Name::from_utf8(text).ok()?.to_ascii();
    ascii.is_ascii().then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_master_files() {
        let origin = b"\x04Corp\x07example\x00";
        for (text, want) in [
            ("@", &b"\x04Corp\x07example\x00"[..]),
            (".", b"\x00"),
            ("Db", b"\x02Db\x04Corp\x07example\x00"),
            ("db.", b"\x02db\x00"),
            ("a\\.b", b"\x03a.b\x04Corp\x07example\x00"),
            ("a\\.", b"\x02a.\x04Corp\x07example\x00"),
            ("\\@.", b"\x01@\x00"),
            ("\\000\\255.", b"\x02\x00\xff\x00"),
            ("*.a_b/c.", b"\x01*\x05a_b/c\x00"),
        ] {
            assert_eq!(parse_name(text, Some(origin)).as_deref(), Ok(want), "{text}");
        }
        assert_eq!(parse_name("db.corp", None).as_deref(), Ok(&b"\x02db\x04corp\x00"[..]));
    }

    #[test]
    fn internationalised_names_have_a_labels() {
        assert_eq!(a_labels("München.example").as_deref(), Some("xn--mnchen-3ya.example"));
        assert_eq!(a_labels("a..b"), None);
    }

    #[test]
    fn texts_that_are_no_names() {
        for (text, want) in [
            ("", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a\\25", NameError::Escape),
            ("a\\256", NameError::Escape),
            ("a\\", NameError::Escape),
            ("a\\é", NameError::Escape),
            ("münchen", NameError::Character('ü')),
            ("a\"b", NameError::Character('"')),
            (&"a".repeat(64), NameError::LongLabel),
            (&"a.".repeat(128), NameError::LongName),
        ] {
            assert_eq!(parse_name(text, Some(&[0])), Err(want), "{text}");
        }
    }
}
