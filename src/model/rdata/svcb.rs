//! SvcParams: the parameters of SVCB and HTTPS records (RFC 9460 2.1, 7).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;

use super::words::{Word, octets, put_quoted, put_string};

/// Keys by number (IANA "DNS Service Bindings (SVCB) Parameter Registry").
const KEYS: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const OHTTP: u16 = 8;
/// The newest key of RFC 9460 itself.
const NEWEST_NAMED: u16 = 6;

/// Appends the parameters, in the order of their keys, whatever the order they are written in.
pub(super) fn read(words: &[Word<'_>], out: &mut Vec<u8>) -> Result<(), String> {
    let mut params: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    for word in words {
        let (name, value) = word.text.split_once('=').map_or((word.text, None), |(name, value)| (name, Some(value)));
        let key = key(name).ok_or_else(|| format!("'{name}' is not a key, such as alpn, port or key65280"))?;
        if params.insert(key, value_of(key, name, value)?).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    if params.contains_key(&NO_DEFAULT_ALPN) && !params.contains_key(&ALPN) {
        return Err("no-default-alpn requires alpn (RFC 9460 7.1.1)".into());
    }
    let mandatory = params.get(&MANDATORY).into_iter().flat_map(|keys| keys.as_chunks().0);
    if let Some(missing) = mandatory.map(|key| u16::from_be_bytes(*key)).find(|key| !params.contains_key(key)) {
        return Err(format!("{} is mandatory and missing (RFC 9460 8)", name(missing)));
    }
    for (key, value) in params {
        let length = u16::try_from(value.len()).map_err(|_| format!("{} is longer than 65535 octets", name(key)))?;
        out.extend(key.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(value);
    }
    Ok(())
}

fn key(name: &str) -> Option<u16> {
    let known = KEYS.iter().zip(0u16..).find(|(known, _)| known.eq_ignore_ascii_case(name));
    if let Some((_, number)) = known {
        return Some(number);
    }
    // 65535 is reserved: "Invalid key" (RFC 9460 14.3.2)
    name.strip_prefix("key")?.parse().ok().filter(|number| *number != u16::MAX)
}

fn name(key: u16) -> String {
    KEYS.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).to_owned())
}

fn value_of(key: u16, name: &str, value: Option<&str>) -> Result<Vec<u8>, String> {
    if matches!(key, NO_DEFAULT_ALPN | OHTTP) {
        return if value.is_none() { Ok(vec![]) } else { Err(format!("{name} takes no value")) };
    }
    let Some(value) = value else {
        // a key of which only the number is known may have none
        return if KEYS.get(usize::from(key)).is_none() { Ok(vec![]) } else { Err(format!("{name} takes a value")) };
    };
    let value = value.strip_prefix('"').map_or(value, |value| value.strip_suffix('"').unwrap_or(value));
    let value = octets(value)?;
    let text = || std::str::from_utf8(&value).map_err(|_| format!("{name} is not text"));
    let bad = |text: &str, what| format!("{name}: '{text}' is not {what}");
    match key {
        MANDATORY => {
            let mut keys = Vec::new();
            for text in text()?.split(',') {
                keys.push(self::key(text).filter(|key| *key != MANDATORY).ok_or_else(|| bad(text, "a key"))?);
            }
            keys.sort_unstable();
            if keys.windows(2).any(|pair| pair.first() == pair.last()) {
                return Err(format!("{name} has a key twice (RFC 9460 8)"));
            }
            Ok(keys.into_iter().flat_map(u16::to_be_bytes).collect())
        }
        ALPN => {
            let mut wire = Vec::new();
            for id in list(&value)? {
                let length = u8::try_from(id.len()).ok().filter(|length| *length > 0);
                wire.push(length.ok_or_else(|| format!("{name}: a protocol has from 1 to 255 octets"))?);
                wire.extend(id);
            }
            Ok(wire)
        }
        3 => {
            text()?.parse::<u16>().map(|port| port.to_be_bytes().to_vec()).map_err(|_| format!("{name} is not a port"))
        }
        4 => {
            let octets =
                |text: &str| text.parse().map(|a: Ipv4Addr| a.octets()).map_err(|_| bad(text, "an IPv4 address"));
            Ok(text()?.split(',').map(octets).collect::<Result<Vec<_>, _>>()?.concat())
        }
        5 => BASE64.decode(&value).map_err(|_| format!("{name} is not base64")),
        6 => {
            let octets =
                |text: &str| text.parse().map(|a: Ipv6Addr| a.octets()).map_err(|_| bad(text, "an IPv6 address"));
            Ok(text()?.split(',').map(octets).collect::<Result<Vec<_>, _>>()?.concat())
        }
        _ => Ok(value),
    }
}

/// The items of a list: a comma or a backslash of theirs has a backslash in front (RFC 9460 A.1).
fn list(value: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let (mut items, mut octets) = (vec![vec![]], value.iter());
    while let Some(octet) = octets.next() {
        let Some(item) = items.last_mut() else { break };
        match octet {
            b',' => items.push(vec![]),
            b'\\' => item.push(*octets.next().ok_or("a backslash at the end of a list")?),
            _ => item.push(*octet),
        }
    }
    Ok(items)
}

/// Parameters as text, each with a space in front; `None` where they are not well formed.
pub(super) fn show(mut data: &[u8], out: &mut String) -> Option<()> {
    let mut last = None;
    while let Some((head, rest)) = data.split_first_chunk::<4>() {
        let [k0, k1, l0, l1] = *head;
        let key = u16::from_be_bytes([k0, k1]);
        // "in increasing numeric order" (RFC 9460 2.2)
        if last.replace(key).is_some_and(|last| last >= key) {
            return None;
        }
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        data = rest;
        out.push(' ');
        show_one(key, value, out)?;
    }
    data.is_empty().then_some(())
}

fn show_one(key: u16, value: &[u8], out: &mut String) -> Option<()> {
    let joined = |items: Vec<String>| (!items.is_empty()).then(|| items.join(","));
    let text = match key {
        MANDATORY if value.len().is_multiple_of(2) => {
            joined(value.as_chunks().0.iter().map(|key| shown_name(u16::from_be_bytes(*key))).collect())?
        }
        ALPN => {
            let (mut rest, mut items) = (value, Vec::new());
            while let Some((length, after)) = rest.split_first() {
                let (id, after) = after.split_at_checked(usize::from(*length)).filter(|(id, _)| !id.is_empty())?;
                let mut item = Vec::new();
                for octet in id {
                    item.extend_from_slice(if matches!(octet, b',' | b'\\') { b"\\" } else { b"" });
                    item.push(*octet);
                }
                items.push(item);
                rest = after;
            }
            if items.is_empty() {
                return None;
            }
            out.push_str("alpn=");
            put_quoted(&items.join(&b','), out);
            return Some(());
        }
        NO_DEFAULT_ALPN if value.is_empty() => {
            out.push_str("no-default-alpn");
            return Some(());
        }
        3 => u16::from_be_bytes(value.try_into().ok()?).to_string(),
        4 if value.len().is_multiple_of(4) => {
            joined(value.as_chunks().0.iter().map(|a: &[u8; 4]| Ipv4Addr::from(*a).to_string()).collect())?
        }
        5 if !value.is_empty() => BASE64.encode(value),
        6 if value.len().is_multiple_of(16) => {
            joined(value.as_chunks().0.iter().map(|a: &[u8; 16]| Ipv6Addr::from(*a).to_string()).collect())?
        }
        0..=NEWEST_NAMED => return None,
        _ => {
            out.push_str(&shown_name(key));
            if !value.is_empty() {
                out.push_str("=\"");
                put_string(value, out);
                out.push('"');
            }
            return Some(());
        }
    };
    let _ = write!(out, "{}={text}", shown_name(key));
    Some(())
}

/// The name of a key of RFC 9460; newer ones by number, as readers know them from different versions on.
fn shown_name(key: u16) -> String {
    if key <= NEWEST_NAMED { name(key) } else { format!("key{key}") }
}
