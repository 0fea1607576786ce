//! Text to record data.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::fields::{ALGORITHMS, Field};
use super::svcb;
use super::words::Word;
use crate::dns::{a_labels, parse_name};

/// The data whose parts are `fields`. Names without a final dot are followed by `origin`, or are absolute.
pub(super) fn read(fields: &[Field], words: &[Word<'_>], origin: Option<&[u8]>) -> Result<Box<[u8]>, String> {
    let mut out = Vec::new();
    let mut rest = words;
    for field in fields {
        rest = one(*field, rest, origin, &mut out).map_err(|why| match words {
            // the whole text is named in front of this
            [word] => why.strip_prefix(&format!("'{}' is ", word.text)).map_or(why.clone(), str::to_owned),
            _ => why,
        })?;
    }
    match rest.first() {
        Some(word) => Err(format!("'{}' is one too many", word.text)),
        None if out.len() > usize::from(u16::MAX) => Err("more than 65535 octets".into()),
        None => Ok(out.into()),
    }
}

/// Appends one part; returns the words behind it.
fn one<'w, 't>(
    field: Field,
    words: &'w [Word<'t>],
    origin: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<&'w [Word<'t>], String> {
    match field {
        Field::Texts => {
            if words.is_empty() {
                out.push(0);
            }
            for word in words {
                // a long string is what people mean by one value: it goes out in pieces (RFC 7208 3.3)
                let string = word.octets()?;
                let pieces = if string.is_empty() { vec![&string[..]] } else { string.chunks(255).collect() };
                for piece in pieces {
                    put_text(piece, out);
                }
            }
            return Ok(&[]);
        }
        Field::Hex => {
            let digits: String = words.iter().map(|word| word.text).collect();
            let octets = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok().filter(|octets| !octets.is_empty());
            out.extend(octets.ok_or("hexadecimal digits are missing, odd in number, or are none")?);
            return Ok(&[]);
        }
        Field::Base64 => {
            let digits: String = words.iter().map(|word| word.text).collect();
            let octets = BASE64.decode(digits.as_bytes()).ok().filter(|octets| !octets.is_empty());
            out.extend(octets.ok_or("base64 is missing, or is not valid")?);
            return Ok(&[]);
        }
        Field::Params => {
            svcb::read(words, out)?;
            return Ok(&[]);
        }
        _ => {}
    }
    let (word, rest) = words.split_first().ok_or_else(|| format!("{} is missing", noun(field)))?;
    let text = word.text;
    let bad = || format!("'{text}' is not {}", noun(field));
    match field {
        Field::U8 => out.push(text.parse().map_err(|_| bad())?),
        Field::U16 => out.extend(text.parse::<u16>().map_err(|_| bad())?.to_be_bytes()),
        Field::U32 => out.extend(text.parse::<u32>().map_err(|_| bad())?.to_be_bytes()),
        Field::Period => out.extend(parse_period(text).ok_or_else(bad)?.to_be_bytes()),
        Field::Algorithm => {
            let known = ALGORITHMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
            out.push(known.or_else(|| text.parse().ok()).ok_or_else(bad)?);
        }
        Field::Ipv4 => out.extend(text.parse::<Ipv4Addr>().map_err(|_| bad())?.octets()),
        Field::Ipv6 => out.extend(text.parse::<Ipv6Addr>().map_err(|_| bad())?.octets()),
        Field::Name => {
            let name = parse_name(text, origin).map_err(|error| {
                let ascii = a_labels(text).filter(|_| !text.is_ascii());
                let hint = ascii.map_or_else(String::new, |ascii| format!(": its A-labels are {ascii}"));
                format!("'{text}' is not a domain name: {error}{hint}")
            })?;
            out.extend(name);
        }
        Field::Text => {
            let string = word.octets()?;
            if string.len() > 255 {
                return Err(format!("a string of {} octets; most are 255 (RFC 1035 3.3)", string.len()));
            }
            put_text(&string, out);
        }
        Field::Tag => {
            if text.is_empty() || text.len() > 255 || !text.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
                return Err(bad());
            }
            put_text(text.as_bytes(), out);
        }
        Field::Rest => out.extend(word.octets()?),
        Field::Eui(len) => {
            let digits: String = text.split('-').filter(|pair| pair.len() == 2).collect();
            let octets = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
            let is_whole = |octets: &Vec<u8>| octets.len() == len && text.len() == len * 3 - 1;
            out.extend(octets.filter(is_whole).ok_or_else(bad)?);
        }
        Field::Texts | Field::Hex | Field::Base64 | Field::Params => {}
    }
    Ok(rest)
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    // callers have cut it
    out.push(text.len() as u8);
    out.extend_from_slice(text);
}

/// Seconds with units as BIND writes them: `3600`, `1h`, `1w2d3h4m5s`. `None` where they are not, or over 32 bits.
pub fn parse_period(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0u32, None::<u32>);
    for octet in text.bytes() {
        let unit = match octet.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => {
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u32::from(digit - b'0'))?);
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    // a number without a unit stands alone
    match number {
        Some(number) if text.bytes().all(|octet| octet.is_ascii_digit()) => Some(number),
        None if !text.is_empty() => Some(total),
        _ => None,
    }
}

/// What a part is, for messages.
fn noun(field: Field) -> &'static str {
    match field {
        Field::U8 => "a number from 0 to 255",
        Field::U16 => "a number from 0 to 65535",
        Field::U32 => "a number of 32 bits",
        Field::Period => "a number of seconds, or a time such as 1h30m",
        Field::Algorithm => "a DNSSEC algorithm",
        Field::Ipv4 => "an IPv4 address",
        Field::Ipv6 => "an IPv6 address",
        Field::Name => "a domain name",
        Field::Tag => "a tag of letters and digits",
        Field::Eui(6) => "an EUI-48 such as 00-00-5e-00-53-2a",
        Field::Eui(_) => "an EUI-64 such as 00-00-5e-ef-10-00-00-2a",
        Field::Text | Field::Texts | Field::Rest => "a string",
        Field::Hex | Field::Base64 | Field::Params => "its data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_bind_writes_them() {
        for (text, want) in [
            ("0", Some(0)),
            ("3600", Some(3600)),
            ("1h", Some(3600)),
            ("1H30M", Some(5400)),
            ("1w2d3h4m5s", Some(604_800 + 2 * 86_400 + 3 * 3600 + 4 * 60 + 5)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("9999999w", None),
            ("1h30", None),
            ("h", None),
            ("1x", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(parse_period(text), want, "{text}");
        }
    }
}
