//! Numbers and addresses in octets, in the network's order (RFC 1035 2.3.2).

use std::net::IpAddr;

/// Two octets from `at` on; `None` where there are none.
pub fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

/// Four octets from `at` on; `None` where there are none.
pub fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// The address that the data of an A or AAAA record is (RFC 1035 3.4.1, RFC 3596 2.2); `None` for another length.
pub fn address_of(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}
