//! Response codes (IANA "DNS RCODEs").

use std::fmt;

use super::registry::registry;

registry! {
    /// A response code of twelve bits: four in the header, and eight above them in the OPT record (RFC 6891 6.1.3).
    Rcode, otherwise "RCODE";
    /// The question was answered, perhaps with nothing (RFC 1035 4.1.1).
    NOERROR = 0, "NOERROR";
    /// The packet is malformed (RFC 1035 4.1.1).
    FORMERR = 1, "FORMERR";
    /// Something failed at the server (RFC 1035 4.1.1).
    SERVFAIL = 2, "SERVFAIL";
    /// The name does not exist (RFC 1035 4.1.1).
    NXDOMAIN = 3, "NXDOMAIN";
    /// The server does not do requests of this kind (RFC 1035 4.1.1).
    NOTIMP = 4, "NOTIMP";
    /// The server does not do this for this client (RFC 1035 4.1.1).
    REFUSED = 5, "REFUSED";
    /// A name exists that should not: a DNAME makes one that is too long (RFC 6672 2.2).
    YXDOMAIN = 6, "YXDOMAIN";
    /// The server has no such zone, or the signature is not good (RFC 1996, RFC 8945 5.2).
    NOTAUTH = 9, "NOTAUTH";
    /// The server does not speak this version of EDNS (RFC 6891 9).
    BADVERS = 16, "BADVERS";
    /// The server cookie is missing or old (RFC 7873 8).
    BADCOOKIE = 23, "BADCOOKIE";
}

impl Rcode {
    /// The code out of the header's four bits and the OPT record's eight (RFC 6891 6.1.3).
    pub const fn from_parts(header: u16, opt: u8) -> Self {
        Self((opt as u16) << 4 | header & 0x0f)
    }

    /// The lower four bits, which the header has.
    pub const fn in_header(self) -> u16 {
        self.0 & 0x0f
    }

    /// The upper eight bits, which the OPT record has.
    pub const fn in_opt(self) -> u8 {
        (self.0 >> 4) as u8
    }

    /// Whether the code is about the talk of two neighbours, their EDNS, keys and cookies, and so means nothing to anybody
    /// behind them (RFC 6891 9, RFC 8945 3, RFC 7873 8).
    pub const fn is_between_neighbours(self) -> bool {
        matches!(self.0, 16..=23)
    }

    /// Whether the code has bits that a reply without EDNS cannot say.
    pub const fn needs_edns(self) -> bool {
        self.0 > 0x0f
    }
}

/// The mnemonic, or `RCODEn`.
impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => f.pad(mnemonic),
            None => f.pad(&format!("RCODE{}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_two_places() {
        for code in [Rcode::NOERROR, Rcode::REFUSED, Rcode::BADVERS, Rcode::BADCOOKIE, Rcode::new(4095)] {
            assert_eq!(Rcode::from_parts(code.in_header(), code.in_opt()), code);
        }
        assert_eq!((Rcode::BADCOOKIE.in_header(), Rcode::BADCOOKIE.in_opt()), (7, 1));
        assert!(Rcode::BADVERS.is_between_neighbours() && !Rcode::REFUSED.is_between_neighbours());
        assert!(Rcode::BADVERS.needs_edns() && !Rcode::new(15).needs_edns());
        assert_eq!((Rcode::BADVERS.to_string(), Rcode::new(11).to_string()), ("BADVERS".into(), "RCODE11".into()));
    }
}
