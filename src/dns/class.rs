//! Classes of records (IANA "DNS CLASSes").

use super::registry::registry;

registry! {
    /// The class of a record, or of a question.
    Class, otherwise "CLASS";
    /// The Internet (RFC 1035 3.2.4).
    IN = 1, "IN";
}
