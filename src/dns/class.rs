//! Classes of records (IANA "DNS CLASSes").

use std::fmt;

use super::registry::registry;

registry! {
    /// The class of a record, or of a question.
    Class, otherwise "CLASS";
    /// The Internet (RFC 1035 3.2.4).
    IN = 1, "IN";
    /// Chaos (RFC 1035 3.2.4), in which servers tell their versions.
    CH = 3, "CH";
    /// Any class (RFC 1035 3.2.5); that of TSIG records (RFC 8945 4.2).
    ANY = 255, "ANY";
}

/// The mnemonic, or `CLASSnnn` (RFC 3597 5).
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
