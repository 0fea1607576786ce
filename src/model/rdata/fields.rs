//! What the data of each type is made of, in wire form and as text alike.

use crate::dns::{Rtype, labels};

/// A part of record data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    U8,
    U16,
    U32,
    /// Seconds in 32 bits, with units or without: `1h30m`.
    Period,
    /// A DNSSEC algorithm by its number or mnemonic (RFC 4034 A.1).
    Algorithm,
    Ipv4,
    Ipv6,
    /// A domain name, uncompressed.
    Name,
    /// A character string: at most 255 octets behind their number (RFC 1035 3.3).
    Text,
    /// Character strings up to the end, at least one.
    Texts,
    /// A tag of letters and digits behind its length (RFC 8659 4.1).
    Tag,
    /// The octets up to the end, written as one string.
    Rest,
    /// The octets up to the end, in hexadecimal digits.
    Hex,
    /// The octets up to the end, in base64.
    Base64,
    /// So many octets in hexadecimal digits with hyphens between (RFC 7043 3.2).
    Eui(usize),
    /// SvcParams up to the end (RFC 9460 2.1).
    Params,
}

/// The parts of the data of a type; `None` for a type that is not written in parts here.
pub(super) fn fields(rtype: Rtype) -> Option<&'static [Field]> {
    use Field::{Algorithm, Base64, Eui, Hex, Ipv4, Ipv6, Name, Params, Period, Rest, Tag, Text, Texts, U8, U16, U32};
    Some(match rtype.number() {
        // A
        1 => &[Ipv4],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, DNAME (RFC 1035 3.3, RFC 1348, RFC 6672 2.1)
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 23 | 39 => &[Name],
        // SOA
        6 => &[Name, Name, U32, Period, Period, Period, Period],
        // HINFO
        13 => &[Text, Text],
        // MINFO, RP (RFC 1183 2.2)
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT (RFC 1183), KX (RFC 2230), LP (RFC 6742 2.4)
        15 | 18 | 21 | 36 | 107 => &[U16, Name],
        // TXT, ISDN (RFC 1183 3.2), NINFO, SPF, AVC, WALLET
        16 | 20 | 56 | 99 | 258 | 262 => &[Texts],
        // X25 (RFC 1183 3.1)
        19 => &[Text],
        // PX (RFC 2163 4)
        26 => &[U16, Name, Name],
        // GPOS (RFC 1712 3)
        27 => &[Text, Text, Text],
        // AAAA
        28 => &[Ipv6],
        // SRV
        33 => &[U16, U16, U16, Name],
        // NAPTR (RFC 3403 4.1)
        35 => &[U16, U16, Text, Text, Text, Name],
        // DS, CDS, DLV, TA (RFC 4034 5, RFC 7344 3.1)
        43 | 59 | 32768 | 32769 => &[U16, Algorithm, U8, Hex],
        // SSHFP (RFC 4255 3.1)
        44 => &[U8, U8, Hex],
        // KEY, DNSKEY, CDNSKEY (RFC 4034 2)
        25 | 48 | 60 => &[U16, U8, Algorithm, Base64],
        // DHCID, OPENPGPKEY (RFC 4701 3.1, RFC 7929 2)
        49 | 61 => &[Base64],
        // TLSA, SMIMEA (RFC 6698 2, RFC 8162 2)
        52 | 53 => &[U8, U8, U8, Hex],
        // ZONEMD (RFC 8976 2)
        63 => &[U32, U8, U8, Hex],
        // SVCB, HTTPS
        64 | 65 => &[U16, Name, Params],
        // L32 (RFC 6742 2.2)
        105 => &[U16, Ipv4],
        // EUI48, EUI64 (RFC 7043)
        108 => &[Eui(6)],
        109 => &[Eui(8)],
        // URI (RFC 7553 4)
        256 => &[U16, U16, Rest],
        // CAA
        257 => &[U8, Tag, Rest],
        _ => return None,
    })
}

impl Field {
    /// The octets at the front of `data` that are this part, and what follows; `None` where they are not well formed.
    pub(super) fn split(self, data: &[u8]) -> Option<(&[u8], &[u8])> {
        let len = match self {
            Self::U8 | Self::Algorithm => 1,
            Self::U16 => 2,
            Self::U32 | Self::Period | Self::Ipv4 => 4,
            Self::Ipv6 => 16,
            Self::Eui(len) => len,
            Self::Text | Self::Tag => 1 + usize::from(*data.first()?),
            Self::Name => 1 + labels(data).map(|label| 1 + label.len()).sum::<usize>(),
            Self::Texts | Self::Rest | Self::Hex | Self::Base64 | Self::Params => data.len(),
        };
        let (part, rest) = data.split_at_checked(len)?;
        let is_whole = match self {
            Self::Name => crate::dns::DnsName::from_wire(part).is_some(),
            Self::Texts => !part.is_empty() && are_texts(part),
            _ => true,
        };
        is_whole.then_some((part, rest))
    }
}

fn are_texts(mut data: &[u8]) -> bool {
    while !data.is_empty() {
        let Some((_, rest)) = Field::Text.split(data) else { return false };
        data = rest;
    }
    true
}

/// The parts of well-formed data, each with what it is.
pub(super) fn parts(rtype: Rtype, data: &[u8]) -> Option<Vec<(Field, &[u8])>> {
    let mut rest = data;
    let mut parts = Vec::new();
    for field in fields(rtype)? {
        let (part, after) = field.split(rest)?;
        parts.push((*field, part));
        rest = after;
    }
    rest.is_empty().then_some(parts)
}

/// The same data with its names in lower case: two records are equal where these are (RFC 4343 3).
pub fn folded(rtype: Rtype, data: &[u8]) -> Box<[u8]> {
    let Some(parts) = parts(rtype, data) else { return data.into() };
    let fold = |(field, part): &(Field, &[u8])| match field {
        Field::Name => part.to_ascii_lowercase(),
        _ => part.to_vec(),
    };
    parts.iter().flat_map(fold).collect()
}

/// DNSSEC algorithms (IANA "DNS Security Algorithm Numbers").
pub(super) const ALGORITHMS: [(&str, u8); 16] = [
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];
