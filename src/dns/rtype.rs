//! Types of resource records (IANA "Resource Record (RR) TYPEs").

use std::fmt;
use std::str::FromStr;

use hickory_proto::rr::RecordType;

use super::registry::registry;

registry! {
    /// The type of a record, or of a question. `Display` and `FromStr` also know `TYPEnnn` (RFC 3597 5).
    Rtype, otherwise "TYPE";
    /// Reserved: no record has it (RFC 6895 3.1).
    NONE = 0, "TYPE0";
    /// IPv4 address (RFC 1035 3.4.1).
    A = 1, "A";
    /// Name server (RFC 1035 3.3.11).
    NS = 2, "NS";
    /// Alias (RFC 1035 3.3.1).
    CNAME = 5, "CNAME";
    /// Start of authority (RFC 1035 3.3.13).
    SOA = 6, "SOA";
    /// A name that another name stands for, mostly that of an address (RFC 1035 3.3.12).
    PTR = 12, "PTR";
    /// Mail exchange (RFC 1035 3.3.9).
    MX = 15, "MX";
    /// Text (RFC 1035 3.3.14).
    TXT = 16, "TXT";
    /// IPv6 address (RFC 3596 2.1).
    AAAA = 28, "AAAA";
    /// Where a service is (RFC 2782).
    SRV = 33, "SRV";
    /// An alias of everything below a name (RFC 6672 2.1).
    DNAME = 39, "DNAME";
    /// EDNS (RFC 6891 6.1.1).
    OPT = 41, "OPT";
    /// Delegation signer: the one type that the parent side of a cut answers (RFC 4035 3.1.4.1).
    DS = 43, "DS";
    /// A signature (RFC 4034 3).
    RRSIG = 46, "RRSIG";
    /// The next name, and the types of this one (RFC 4034 4).
    NSEC = 47, "NSEC";
    /// The same with hashed names (RFC 5155 3).
    NSEC3 = 50, "NSEC3";
    /// Service binding (RFC 9460 2).
    SVCB = 64, "SVCB";
    /// Service binding of a web site (RFC 9460 9).
    HTTPS = 65, "HTTPS";
    /// A sender policy, as TXT (RFC 7208 3.1).
    SPF = 99, "SPF";
    /// The signature of a message between two neighbours (RFC 8945 4.2).
    TSIG = 250, "TSIG";
    /// Incremental transfer (RFC 1995 2).
    IXFR = 251, "IXFR";
    /// Whole transfer (RFC 5936 2).
    AXFR = 252, "AXFR";
    /// Whatever there is (RFC 8482 4).
    ANY = 255, "ANY";
}

/// Types that hickory-proto 0.26 has no mnemonic for.
const ONLY_OURS: &[Rtype] = &[Rtype::DNAME, Rtype::SPF];

/// Mnemonics of all other types of records in the registry, which hickory-proto 0.26 does not have.
const IN_MASTER_FILES: &[(&str, u16)] = &[
    ("MD", 3),
    ("MF", 4),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("WKS", 11),
    ("MINFO", 14),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAP-PTR", 23),
    ("PX", 26),
    ("GPOS", 27),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("ATMA", 34),
    ("KX", 36),
    ("A6", 38),
    ("SINK", 40),
    ("APL", 42),
    ("IPSECKEY", 45),
    ("DHCID", 49),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("ZONEMD", 63),
    ("DSYNC", 66),
    ("HHIT", 67),
    ("BRID", 68),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("URI", 256),
    ("AVC", 258),
    ("DOA", 259),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("WALLET", 262),
    ("CLA", 263),
    ("IPN", 264),
    ("TA", 32768),
    ("DLV", 32769),
];

impl Rtype {
    /// Whether the type is one that only questions and messages have: query types and meta types (RFC 6895 3.1).
    pub const fn is_query_type(self) -> bool {
        matches!(self.0, 128..=255)
    }

    /// Whether it is MAILB or MAILA, which ask for types that nobody has (RFC 1035 3.2.3).
    pub const fn is_mail_type(self) -> bool {
        matches!(self.0, 253 | 254)
    }
}

/// hickory-proto's word for the same type.
impl From<Rtype> for RecordType {
    fn from(rtype: Rtype) -> Self {
        rtype.0.into()
    }
}

impl From<RecordType> for Rtype {
    fn from(kind: RecordType) -> Self {
        Self(kind.into())
    }
}

/// A text that is not a record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record type")]
pub struct UnknownType;

/// A mnemonic in any case, or `TYPEnnn` (RFC 3597 5).
impl FromStr for Rtype {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let upper = text.to_ascii_uppercase();
        if let Some(number) = upper.strip_prefix("TYPE") {
            return number.parse().map(Self).map_err(|_| UnknownType);
        }
        if let Some(rtype) = ONLY_OURS.iter().find(|rtype| rtype.mnemonic() == Some(&upper)) {
            return Ok(*rtype);
        }
        if let Some((_, number)) = IN_MASTER_FILES.iter().find(|(mnemonic, _)| *mnemonic == upper) {
            return Ok(Self(*number));
        }
        upper.parse::<RecordType>().map(|known| Self(known.into())).map_err(|_| UnknownType)
    }
}

/// The mnemonic, or `TYPEnnn` (RFC 3597 5).
impl fmt::Display for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mnemonic(), RecordType::from(self.0)) {
            (Some(mnemonic), _) => f.pad(mnemonic),
            (None, RecordType::Unknown(number)) => {
                let known = IN_MASTER_FILES.iter().find(|(_, known)| *known == number);
                f.pad(&known.map_or_else(|| format!("TYPE{number}"), |(mnemonic, _)| (*mnemonic).to_owned()))
            }
            (None, known) => f.pad(&known.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_name_and_number() {
        assert_eq!("aaaa".parse(), Ok(Rtype::AAAA));
        assert_eq!("dname".parse(), Ok(Rtype::DNAME));
        assert_eq!("SPF".parse(), Ok(Rtype::SPF));
        assert_eq!("NAPTR".parse::<Rtype>().unwrap().number(), 35);
        for (mnemonic, number) in IN_MASTER_FILES {
            let rtype = Rtype::new(*number);
            assert_eq!((mnemonic.parse(), rtype.to_string().as_str()), (Ok(rtype), *mnemonic));
        }
        assert_eq!("TYPE65400".parse(), Ok(Rtype::new(65400)));
        assert_eq!("NOPE".parse::<Rtype>(), Err(UnknownType));
        assert_eq!("TYPE65536".parse::<Rtype>(), Err(UnknownType));
        assert_eq!(Rtype::new(65).to_string(), "HTTPS");
        assert_eq!(Rtype::new(35).to_string(), "NAPTR");
        assert_eq!(Rtype::new(65400).to_string(), "TYPE65400");
    }

    /// Both tables of mnemonics say the same, but for type 0, which has none.
    #[test]
    fn mnemonics_are_those_of_hickory() {
        for number in (1..=u16::MAX).filter(|number| !ONLY_OURS.contains(&Rtype::new(*number))) {
            let known = RecordType::from(number);
            if let Some(mnemonic) = Rtype::new(number).mnemonic() {
                assert_eq!(mnemonic, known.to_string(), "{number}");
            }
        }
    }
}
