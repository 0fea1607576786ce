//! Record data in presentation format (`10 mail.example.`) to wire form, at load time.

use data_encoding::HEXLOWER_PERMISSIVE;
use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict};

use crate::dns::{DnsName, Rtype};

/// Why a text is not record data of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RdataError {
    /// The type has no presentation format that is known here.
    #[error("records of type {0} cannot be written here")]
    Type(Rtype),
    /// The text does not fit the type.
    #[error("'{text}' is not valid {rtype} record data: {why}")]
    Data {
        /// As written.
        text: String,
        /// Of which type it was meant to be.
        rtype: Rtype,
        /// The parser's words.
        why: String,
    },
}

/// Record data of type `rtype` in uncompressed wire form.
///
/// Names in it are absolute, with or without a final dot, as in Route 53 record values.
pub fn parse_rdata(rtype: Rtype, text: &str) -> Result<Box<[u8]>, RdataError> {
    let kind = RecordType::from(rtype);
    let bad = |why: String| RdataError::Data { text: text.to_owned(), rtype, why };
    if let Some(rest) = text.trim_start().strip_prefix("\\#") {
        return generic(rtype, rest).map_err(bad);
    }
    if !matches!(
        kind,
        RecordType::A
            | RecordType::AAAA
            | RecordType::CAA
            | RecordType::CNAME
            | RecordType::HTTPS
            | RecordType::MX
            | RecordType::NAPTR
            | RecordType::NS
            | RecordType::PTR
            | RecordType::SRV
            | RecordType::SSHFP
            | RecordType::SVCB
            | RecordType::TLSA
            | RecordType::TXT
    ) && !matches!(rtype, Rtype::SPF | Rtype::DS)
    {
        return Err(RdataError::Type(rtype));
    }
    if matches!(rtype, Rtype::TXT | Rtype::SPF) {
        return txt(text).map_err(bad);
    }
    if rtype == Rtype::DS {
        return ds(text).ok_or_else(|| bad("expected key tag, algorithm, digest type and digest".into()));
    }
    let data = RData::try_from_str(kind, text).map_err(|e| bad(e.to_string()))?;
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).map_err(|e| bad(e.to_string()))?;
    Ok(wire.into())
}

/// `\# 4 0A000909` (RFC 3597 5): the length, and that many octets in hexadecimal digits, with spaces anywhere.
///
/// "the RDATA must be in uncompressed form and well formed for the type": a type that is known is checked. DNAME is not
/// taken, as nothing here redirects the names below one, nor is a type that is only of questions and messages.
fn generic(rtype: Rtype, text: &str) -> Result<Box<[u8]>, String> {
    let mut words = text.split_ascii_whitespace();
    let length: u16 =
        words.next().and_then(|word| word.parse().ok()).ok_or("\\# takes a length, such as \\# 4 0A000909")?;
    let data = hexadecimal(words).ok_or("an odd number of digits, or one that is not hexadecimal")?;
    if data.len() != usize::from(length) {
        return Err(format!("{length} octets are announced, and {} follow", data.len()));
    }
    let code = u16::from(rtype);
    if matches!(code, 0 | 39 | 41 | 128..=255) {
        return Err(format!("{rtype} cannot be a record of a zone here"));
    }
    let is_name = |octets: &[u8]| DnsName::from_wire(octets).is_some();
    let is_well_formed = match rtype {
        Rtype::A => data.len() == 4,
        Rtype::AAAA => data.len() == 16,
        Rtype::CNAME | Rtype::NS | Rtype::PTR => is_name(&data),
        Rtype::MX => data.get(2..).is_some_and(is_name),
        Rtype::SRV => data.get(6..).is_some_and(is_name),
        _ => RData::read(&mut BinDecoder::new(&data), RecordType::from(rtype), Restrict::new(length)).is_ok(),
    };
    if is_well_formed { Ok(data.into()) } else { Err("the octets are not well formed for the type".into()) }
}

/// `12345 13 2 3EF0...` (RFC 4034 5.3): the digest is in hexadecimal digits, with spaces anywhere.
fn ds(text: &str) -> Option<Box<[u8]>> {
    let mut words = text.split_ascii_whitespace();
    let (tag, algorithm, kind): (u16, u8, u8) =
        (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let digest = hexadecimal(words).filter(|digest| !digest.is_empty())?;
    let [high, low] = tag.to_be_bytes();
    Some([high, low, algorithm, kind].into_iter().chain(digest).collect())
}

/// The octets that words of hexadecimal digits stand for, together.
fn hexadecimal<'w>(words: impl Iterator<Item = &'w str>) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(words.collect::<String>().as_bytes()).ok()
}

/// What stands behind a backslash: an octet in three decimal digits, or any other as it is (RFC 1035 5.1).
fn escaped(rest: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> Result<u8, String> {
    let first = rest.next().ok_or("a backslash at the end")?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = rest.next().filter(u8::is_ascii_digit).ok_or("a backslash takes three digits, such as \\034")?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| format!("\\{value} is not an octet"))
}

/// Character strings of at most 255 octets (RFC 1035 3.3.14): quoted ones as they stand, else one for each word.
fn txt(text: &str) -> Result<Box<[u8]>, String> {
    let mut strings: Vec<Vec<u8>> = Vec::new();
    let mut rest = text.trim_start().bytes().peekable();
    while let Some(first) = rest.next() {
        let quoted = first == b'"';
        let mut string = match first {
            b'"' => vec![],
            b'\\' => vec![escaped(&mut rest)?],
            _ => vec![first],
        };
        loop {
            match rest.next() {
                Some(b'"') if quoted => break,
                None if quoted => return Err("a quoted string does not end".into()),
                Some(b' ' | b'\t') | None if !quoted => break,
                Some(b'\\') => string.push(escaped(&mut rest)?),
                Some(octet) => string.push(octet),
                None => break,
            }
        }
        strings.push(string);
        while rest.peek().is_some_and(u8::is_ascii_whitespace) {
            rest.next();
        }
    }
    if strings.is_empty() {
        strings.push(vec![]);
    }
    let mut wire = Vec::new();
    for string in strings {
        // a long string is what people mean by one value: it goes out in pieces (RFC 7208 3.3)
        for piece in if string.is_empty() { vec![&string[..]] } else { string.chunks(255).collect() } {
            wire.push(piece.len() as u8);
            wire.extend_from_slice(piece);
        }
    }
    Ok(wire.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rtype: &str, text: &str) -> Result<Vec<u8>, RdataError> {
        parse_rdata(rtype.parse().unwrap(), text).map(Vec::from)
    }

    #[test]
    fn wire_of_common_types() {
        assert_eq!(parse("A", "10.0.9.9").unwrap(), [10, 0, 9, 9]);
        assert_eq!(parse("cname", "db.corp.example.").unwrap(), b"\x02db\x04corp\x07example\x00");
        assert_eq!(parse("MX", "10 mail.corp.example.").unwrap(), b"\x00\x0a\x04mail\x04corp\x07example\x00");
        assert_eq!(parse("TXT", "\"a b\" c").unwrap(), b"\x03a b\x01c");
        assert_eq!(parse("TXT", &format!("\"{}\"", "x".repeat(256))).unwrap().len(), 258);
        assert_eq!(parse("TXT", "\"a\\228\\\"b\" \\065").unwrap(), b"\x04a\xe4\"b\x01A");
        assert_eq!(parse("SPF", "\"v=spf1 -all\"").unwrap(), b"\x0bv=spf1 -all");
        assert_eq!(
            parse("DS", "60485 5 1 2BB183AF 5F22588179A53B0A98631FAD1A292118").unwrap()[..6],
            [0xec, 0x45, 5, 1, 0x2b, 0xb1]
        );
        assert_eq!(parse("SRV", "0 0 22 h.example.").unwrap(), b"\x00\x00\x00\x00\x00\x16\x01h\x07example\x00");
    }

    /// RFC 3597 5, with its own example.
    #[test]
    fn any_type_in_hexadecimal_digits() {
        assert_eq!(parse("A", "\\# 4 0A000001").unwrap(), [10, 0, 0, 1]);
        assert_eq!(parse("TYPE731", "\\# 6 abcd (\n ef 01 23 45 )".replace(['(', ')'], "").as_str()).unwrap().len(), 6);
        assert_eq!(parse("TYPE62347", "\\# 0").unwrap(), [0u8; 0]);
        assert_eq!(parse("CNAME", "\\# 5 03 777777 00").unwrap(), b"\x03www\x00");
        for (rtype, text) in [
            ("A", "\\# 3 0A0000"),
            ("A", "\\# 4 0A0000"),
            ("A", "\\# 4 0A00000g"),
            ("A", "\\#"),
            ("A", "\\# x 00"),
            ("AAAA", "\\# 4 0A000001"),
            ("CNAME", "\\# 2 c00c"),
            ("MX", "\\# 1 00"),
            ("SRV", "\\# 6 000000000000"),
            ("TYPE39", "\\# 1 00"),
            ("TYPE41", "\\# 0"),
            ("TYPE252", "\\# 0"),
        ] {
            assert!(matches!(parse(rtype, text), Err(RdataError::Data { .. })), "{rtype} {text}");
        }
    }

    #[test]
    fn bad_data_is_named() {
        for (rtype, text) in [
            ("A", "10.0.9"),
            ("A", "::1"),
            ("MX", "mail"),
            ("TXT", "\"open"),
            ("TXT", "\\25"),
            ("TXT", "\\256"),
            ("DS", "1 2 3"),
            ("DS", "1 2 3 0g"),
            ("AAAA", "10.0.0.1"),
            ("SOA", "x"),
        ] {
            assert!(parse(rtype, text).is_err(), "{rtype} {text}");
        }
    }
}
