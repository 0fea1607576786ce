//! Record data to text, as other servers read it.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE64, HEXUPPER};

use super::fields::{Field, parts};
use super::svcb;
use super::words::put_quoted;
use crate::dns::{Rtype, write_name};

/// Record data in presentation format, its names absolute; what is not known to be written in parts, in the form for
/// any type (RFC 3597 5).
pub fn show_rdata(rtype: Rtype, data: &[u8]) -> String {
    in_parts(rtype, data).unwrap_or_else(|| generic_rdata(data))
}

/// Record data of any type: the length, and hexadecimal digits (RFC 3597 5).
pub fn generic_rdata(data: &[u8]) -> String {
    let digits = HEXUPPER.encode(data);
    format!("\\# {}{}{digits}", data.len(), if digits.is_empty() { "" } else { " " })
}

fn in_parts(rtype: Rtype, data: &[u8]) -> Option<String> {
    let mut out = String::new();
    for (field, part) in parts(rtype, data)? {
        if !out.is_empty() && field != Field::Params {
            out.push(' ');
        }
        let _ = match field {
            Field::U8 | Field::Algorithm => write!(out, "{}", part.first()?),
            Field::U16 => write!(out, "{}", u16::from_be_bytes(part.try_into().ok()?)),
            Field::U32 | Field::Period => write!(out, "{}", u32::from_be_bytes(part.try_into().ok()?)),
            Field::Ipv4 => write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(part).ok()?)),
            Field::Ipv6 => write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(part).ok()?)),
            Field::Name => {
                put_name(part, &mut out);
                Ok(())
            }
            Field::Text => {
                put_quoted(part.get(1..)?, &mut out);
                Ok(())
            }
            Field::Texts => {
                let mut rest = part;
                while let Some((text, after)) = Field::Text.split(rest).filter(|_| !rest.is_empty()) {
                    put_quoted(text.get(1..)?, &mut out);
                    out.push_str(if after.is_empty() { "" } else { " " });
                    rest = after;
                }
                Ok(())
            }
            Field::Tag => out.write_str(std::str::from_utf8(part.get(1..).filter(|tag| is_tag(tag))?).ok()?),
            Field::Rest => {
                put_quoted(part, &mut out);
                Ok(())
            }
            // digits that are not there cannot be written
            Field::Hex | Field::Base64 if part.is_empty() => return None,
            Field::Hex => out.write_str(&HEXUPPER.encode(part)),
            Field::Base64 => out.write_str(&BASE64.encode(part)),
            Field::Eui(_) => {
                let pairs: Vec<String> = part.iter().map(|octet| format!("{octet:02x}")).collect();
                out.write_str(&pairs.join("-"))
            }
            Field::Params => {
                svcb::show(part, &mut out)?;
                Ok(())
            }
        };
    }
    Some(out)
}

fn is_tag(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(u8::is_ascii_alphanumeric)
}

/// A name with its final dot.
pub fn put_name(wire: &[u8], out: &mut String) {
    // a String takes all
    let _ = write_name(out, wire);
    if wire.len() > 1 {
        out.push('.');
    }
}
