//! Octets to a question, in place, and a decision to octets. Allocates nothing, but for what DNS64 makes.
//!
//! | RFC | what | file |
//! |---|---|---|
//! | 1035 4.1 | header, question, names | `parse.rs`, `encode.rs` |
//! | 2181 9 | truncation on whole record sets | `encode.rs` |
//! | 2308 | SOA of negative answers | `encode.rs` |
//! | 6147 | DNS64 | `dns64.rs` |
//! | 6891 | EDNS: OPT, versions, sizes | `parse.rs`, `encode.rs` |
//! | 7873, 9018 | cookies | `cookie.rs` |
//! | 7828, 7830 | whether keepalive and padding were asked for | `parse.rs` |
//! | 8482 | minimal ANY | `answer` |
//! | 8914 | extended errors | `encode.rs` |

// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod cookie;
pub mod dns64;
mod encode;
mod parse;

pub use cookie::{ClientCookie, CookieSecret};
pub use encode::{Frame, encode, encode_bare, encode_cookie, encode_error, records};
pub use parse::{CookieQuery, Edns, ErrorReply, Packet, Query, parse};

/// Makes [`Transport`] out of its variants, so that none can lack a name or a property.
macro_rules! transports {
    ($(
        $(#[doc = $doc:literal])+
        $transport:ident $name:literal, $logged:literal, $dnstap:literal: $datagrams:literal, $encrypted:literal;
    )+) => {
        /// How a message travels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Transport {
            $( $(#[doc = $doc])+ $transport, )+
        }

        impl Transport {
            /// All transports.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$transport),+];
            /// The names of all transports, in the order of the variants.
            pub const NAMES: [&'static str; [$($name),+].len()] = [$($name),+];

            /// Its name in metrics, logs and URLs.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$transport => $name, )+ }
            }

            /// Its name in the lines of the query log.
            pub const fn logged_name(self) -> &'static str {
                match self { $( Self::$transport => $logged, )+ }
            }

            /// Its number in dnstap (`SocketProtocol`).
            pub const fn dnstap_number(self) -> i32 {
                match self { $( Self::$transport => $dnstap, )+ }
            }

            /// Whether a message is a datagram, so that a reply is bounded by what the client takes.
            pub const fn is_datagram(self) -> bool {
                match self { $( Self::$transport => $datagrams, )+ }
            }

            /// Whether those on the way see nothing but lengths.
            pub const fn is_encrypted(self) -> bool {
                match self { $( Self::$transport => $encrypted, )+ }
            }
        }
    };
}

// name in metrics, logs and URLs, in the query log, number in dnstap: datagrams?, encrypted?
transports! {
    /// A datagram: the reply is bounded by what the client takes.
    Udp "udp", "UDP", 1: true, false;
    /// A stream: the reply may have 65,535 octets, as with all that follow.
    Tcp "tcp", "TCP", 2: false, false;
    /// DNS over TLS (RFC 7858).
    Tls "tls", "DoT", 3: false, true;
    /// DNS over HTTPS (RFC 8484).
    Https "https", "DoH", 4: false, true;
    /// DNS over QUIC (RFC 9250).
    Quic "quic", "DoQ", 7: false, true;
}

/// What a client without EDNS takes (RFC 1035 4.2.1).
pub const MIN_UDP: usize = 512;
