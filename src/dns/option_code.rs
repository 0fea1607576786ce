//! Options of EDNS (IANA "DNS EDNS0 Option Codes (OPT)").

use super::registry::registry;

registry! {
    /// The kind of an EDNS option (RFC 6891 6.1.2).
    OptionCode, otherwise "OPTION";
    /// Whom a forwarder asks for (RFC 7871 6).
    CLIENT_SUBNET = 8, "edns-client-subnet";
    /// Cookies of client and server (RFC 7873 4).
    COOKIE = 10, "COOKIE";
    /// How long an idle connection stays open (RFC 7828 3.1).
    TCP_KEEPALIVE = 11, "edns-tcp-keepalive";
    /// Octets that make a message longer (RFC 7830 3).
    PADDING = 12, "Padding";
    /// Extended error (RFC 8914 2).
    EXTENDED_ERROR = 15, "Extended DNS Error";
}
