//! How one value of a setting is read from its text, and what is said when it cannot be.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::address::{DNS_PORT, HTTPS_PORT, TLS_PORT, parse_address};
use crate::dns::DnsName;
use crate::naming::{CatalogueNames, is_near_special};
use crate::problem::Fault;

/// The least that `memory` may be: room for a few of the longest replies.
const LEAST_MEMORY: u64 = 1 << 20;

/// A directory or file, as written.
pub(super) fn path(text: &str) -> Result<PathBuf, Fault> {
    if text.is_empty() { Err(Fault::new("'' is not a valid path", "")) } else { Ok(text.into()) }
}

/// Any text.
#[expect(clippy::unnecessary_wraps, reason = "readers of one value have one type")]
pub(super) fn word(text: &str) -> Result<String, Fault> {
    Ok(text.to_owned())
}

/// A number of which one is taken.
pub(super) fn one_of(text: &str) -> Result<u32, Fault> {
    let fault = || Fault::new(format!("'{text}' is not a number from 1 on"), "such as 100");
    text.parse().ok().filter(|number| *number >= 1).ok_or_else(fault)
}

/// A number of seconds up to a day, one at least.
pub(super) fn seconds(text: &str) -> Result<u32, Fault> {
    let fault = || Fault::new(format!("'{text}' is not a number of seconds"), "give one from 1 to 86400");
    text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds)).ok_or_else(fault)
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, Fault> {
    text.parse().map_err(|_| Fault::new(format!("'{text}' is neither 'true' nor 'false'"), ""))
}

/// A number of octets, with or without a unit, of which each is 1,024 times the one before.
pub(super) fn octets(text: &str) -> Result<u64, Fault> {
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = units.iter().find_map(|(unit, bits)| Some((text.strip_suffix(*unit)?, *bits)));
    let (number, bits) = unit.unwrap_or((text, 0));
    let octets = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << bits));
    let fault =
        |what: &str| Fault::new(format!("'{text}' is {what}"), "give a number of octets from 1M on, such as 64M or 2G");
    match octets {
        None => Err(fault("not a number of octets")),
        Some(octets) if octets < LEAST_MEMORY => Err(fault("too little memory")),
        Some(octets) => Ok(octets),
    }
}

/// An address with its port.
pub(super) fn address(text: &str) -> Result<SocketAddr, Fault> {
    let hint = "give one with a port, such as 127.0.0.1:9153 or [::1]:9153";
    text.parse().map_err(|_| Fault::new(format!("'{text}' is not a valid address"), hint))
}

/// An address of a DNS listener.
pub(super) fn dns_address(text: &str) -> Result<SocketAddr, Fault> {
    address_or(text, DNS_PORT)
}

/// An address of a listener for DNS over TLS or QUIC.
pub(super) fn tls_address(text: &str) -> Result<SocketAddr, Fault> {
    address_or(text, TLS_PORT)
}

/// An address of a listener for DNS over HTTPS.
pub(super) fn https_address(text: &str) -> Result<SocketAddr, Fault> {
    address_or(text, HTTPS_PORT)
}

fn address_or(text: &str, port: u16) -> Result<SocketAddr, Fault> {
    let hint = || format!("such as 10.0.0.2:{port} or [fd00::2]:{port}");
    parse_address(text, port).ok_or_else(|| Fault::new(format!("'{text}' is not a valid address"), hint()))
}

/// A CIDR block, or a lone address of a full-length prefix.
pub(super) fn network(text: &str) -> Result<IpNet, Fault> {
    let net: IpNet =
        text.parse().map_err(|_| Fault::new(format!("'{text}' is not a valid CIDR block"), "such as 10.0.0.0/16"))?;
    if net.addr() == net.network() {
        Ok(net)
    } else {
        let what = format!("'{text}' has bits set behind its prefix");
        Err(Fault::new(what, format!("the block that holds this address is {}", net.trunc())))
    }
}

/// A number from 1 on.
pub(super) fn count(text: &str) -> Result<u32, Fault> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Fault::new(format!("'{text}' is not a number from 1 up"), "such as 1000"))
}

/// A domain name.
pub(super) fn name(text: &str) -> Result<DnsName, Fault> {
    text.parse().map_err(|error| Fault::new(format!("'{text}' is not a valid domain name: {error}"), ""))
}

/// `evident` or `sdk-names`.
pub(super) fn catalogue(text: &str) -> Result<CatalogueNames, Fault> {
    text.parse().map_err(|what: String| Fault::new(what, ""))
}

/// A name at or below which special names can be forwarded: it has to be near one.
pub(super) fn special_name(text: &str) -> Result<DnsName, Fault> {
    let name = name(text)?;
    if is_near_special(name.wire()) {
        return Ok(name);
    }
    let hint = "special names are localhost, test, home.arpa, 10.in-addr.arpa, ..., or '.' for all";
    Err(Fault::new(format!("'{text}' is not a special name"), hint))
}
