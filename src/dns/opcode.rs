//! Kinds of requests (IANA "DNS OpCodes").

use super::registry::registry;

registry! {
    /// The four bits that say what kind of request a message is.
    Opcode, otherwise "OPCODE";
    /// A standard query (RFC 1035 4.1.1), the only kind that is answered here.
    QUERY = 0, "QUERY";
    /// A zone has changed (RFC 1996): said to secondaries.
    NOTIFY = 4, "NOTIFY";
}
