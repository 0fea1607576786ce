//! Numbers in octets, in the network's order (RFC 1035 2.3.2).

/// Two octets from `at` on; `None` where there are none.
pub fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

/// Four octets from `at` on; `None` where there are none.
pub fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}
