//! Octets to a question, in place, and a decision to octets. Allocates nothing.
//!
//! | RFC | what | file |
//! |---|---|---|
//! | 1035 4.1 | header, question, names | `parse.rs`, `encode.rs` |
//! | 2181 9 | truncation on whole record sets | `encode.rs` |
//! | 2308 | SOA of negative answers | `encode.rs` |
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
mod encode;
mod parse;

pub use cookie::{ClientCookie, CookieSecret};
pub use encode::{Frame, encode, encode_error, records};
pub use parse::{Edns, ErrorReply, Packet, Query, parse};

/// Makes [`Transport`] out of its variants and their names, so that none can lack one.
macro_rules! transports {
    ($( $(#[doc = $doc:literal])+ $transport:ident $name:literal; )+) => {
        /// How a message travels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Transport {
            $( $(#[doc = $doc])+ $transport, )+
        }

        impl Transport {
            /// The names of all transports, in the order of the variants.
            pub const NAMES: [&'static str; [$($name),+].len()] = [$($name),+];
        }
    };
}

transports! {
    /// A datagram: the reply is bounded by what the client takes.
    Udp "udp";
    /// A stream: the reply may have 65,535 octets, as with all that follow.
    Tcp "tcp";
    /// DNS over TLS (RFC 7858).
    Tls "tls";
    /// DNS over HTTPS (RFC 8484).
    Https "https";
    /// DNS over QUIC (RFC 9250).
    Quic "quic";
}

impl Transport {
    /// Whether those on the way see nothing but lengths.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Quic)
    }
}

/// What a client without EDNS takes (RFC 1035 4.2.1).
pub const MIN_UDP: usize = 512;
