//! Record data in presentation format (`10 mail.example.`) to wire form and back, at load time.
//!
//! ```text
//! words    a text            -> words
//! fields   a type            -> the parts of its data
//! read     parts, words      -> octets
//! show     parts, octets     -> text
//! svcb     the same for SvcParams
//! ```
//!
//! hickory-proto parses what `fields` does not list. It is not asked for more: it lowers names, refuses NAPTR texts with
//! slashes and SvcParams out of order, and knows neither DNAME nor what is relative to an origin.

mod fields;
mod read;
mod show;
mod svcb;
mod words;

use data_encoding::HEXLOWER_PERMISSIVE;
use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict};

pub use fields::folded;
pub use read::parse_period;
pub use show::{generic_rdata, put_name, show_rdata};
pub use words::{OpenQuote, Word};

use crate::dns::Rtype;

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
    let bad = |why: String| RdataError::Data { text: text.to_owned(), rtype, why };
    let words = words::words(text).map_err(|_| bad("a quoted string does not end".into()))?;
    read_words(rtype, &words, None, text)
}

/// The same of the words of a master file, in which names without a final dot are relative to `origin`.
pub fn read_rdata(rtype: Rtype, words: &[Word<'_>], origin: &[u8]) -> Result<Box<[u8]>, RdataError> {
    let as_written = |word: &Word<'_>| if word.quoted { format!("\"{}\"", word.text) } else { word.text.to_owned() };
    let text = words.iter().map(as_written).collect::<Vec<_>>().join(" ");
    read_words(rtype, words, Some(origin), &text)
}

fn read_words(rtype: Rtype, words: &[Word<'_>], origin: Option<&[u8]>, text: &str) -> Result<Box<[u8]>, RdataError> {
    let bad = |why: String| RdataError::Data { text: text.to_owned(), rtype, why };
    if let Some((first, rest)) = words.split_first()
        && first.text == "\\#"
        && !first.quoted
    {
        return generic(rtype, rest).map_err(bad);
    }
    if !is_record_type(rtype) {
        return Err(RdataError::Type(rtype));
    }
    if let Some(fields) = fields::fields(rtype) {
        return read::read(fields, words, origin).map_err(bad);
    }
    if !matches!(RecordType::from(rtype), RecordType::CERT | RecordType::CSYNC) {
        return Err(RdataError::Type(rtype));
    }
    let data = RData::try_from_str(rtype.into(), text).map_err(|e| bad(e.to_string()))?;
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).map_err(|e| bad(e.to_string()))?;
    Ok(wire.into())
}

/// Whether a record of a zone can be of this type, and not only questions and messages.
fn is_record_type(rtype: Rtype) -> bool {
    !rtype.is_query_type() && !matches!(rtype, Rtype::NONE | Rtype::OPT)
}

/// `\# 4 0A000909` (RFC 3597 5): the length, and that many octets in hexadecimal digits, with spaces anywhere.
///
/// "the RDATA must be in uncompressed form and well formed for the type": a type that is known is checked.
fn generic(rtype: Rtype, words: &[Word<'_>]) -> Result<Box<[u8]>, String> {
    let (first, rest) = words.split_first().ok_or("\\# takes a length, such as \\# 4 0A000909")?;
    let length: u16 = first.text.parse().map_err(|_| "\\# takes a length, such as \\# 4 0A000909")?;
    let digits: String = rest.iter().map(|word| word.text).collect();
    let data = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
    let data = data.map_err(|_| "an odd number of digits, or one that is not hexadecimal")?;
    if data.len() != usize::from(length) {
        return Err(format!("{length} octets are announced, and {} follow", data.len()));
    }
    if !is_record_type(rtype) {
        return Err(format!("{rtype} cannot be a record of a zone here"));
    }
    let is_well_formed = match fields::fields(rtype) {
        Some(_) => fields::parts(rtype, &data).is_some(),
        None => RData::read(&mut BinDecoder::new(&data), rtype.into(), Restrict::new(length)).is_ok(),
    };
    if is_well_formed { Ok(data.into()) } else { Err("the octets are not well formed for the type".into()) }
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

    /// A type that is written in parts has a mnemonic, by which zones name it.
    #[test]
    fn types_in_parts_have_names() {
        let in_parts = (0..=u16::MAX).map(Rtype::new).filter(|rtype| fields::fields(*rtype).is_some());
        let nameless: Vec<String> = in_parts.map(|it| it.to_string()).filter(|name| name.starts_with("TYPE")).collect();
        assert!(nameless.is_empty(), "not in src/dns/rtype.rs: {}", nameless.join(", "));
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
            ("TYPE39", "\\# 2 c00c"),
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
