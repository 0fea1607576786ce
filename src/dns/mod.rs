//! The protocol's vocabulary and octets: what every room that speaks DNS has in common.
//!
//! | what | file | RFC |
//! |---|---|---|
//! | numbers with names, one registry a file | `rtype.rs`, `class.rs`, `rcode.rs`, `opcode.rs`, `option_code.rs`, `info_code.rs` | IANA "DNS Parameters" |
//! | names | `name/` | 1035 3.1, 4343 |
//! | the header | `header.rs` | 1035 4.1.1 |
//! | reading a message | `message.rs`, `name/compressed.rs` | 1035 4.1 |
//! | writing one | `writer.rs`, `expand.rs` | 1035 4.1, 3597 4 |
//! | EDNS: OPT and its options | `edns.rs` | 6891, 8914 |
//!
//! Knows no zones, no clients and no transports. hickory-proto reads and prints record data elsewhere; what is here is
//! what it leaves open or does by allocating.

// no packet can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod class;
mod edns;
mod expand;
mod header;
mod info_code;
mod message;
mod name;
mod octets;
mod opcode;
mod option_code;
mod rcode;
mod registry;
mod rtype;
mod writer;

pub use class::Class;
pub use edns::{
    CLIENT_COOKIE, OPT_LEN, OPTION_HEAD, Opt, SAFE_PAYLOAD, cookie_in, each_option, extended_errors, push_option,
    put_extended_error, put_option,
};
pub use expand::{expand, expanded_rdata};
pub use header::{HEADER_LEN, Header, HeaderFlags, id_of, rcode_of, set_flags, set_id};
pub use info_code::{ExtendedError, InfoCode, MAX_EXTRA_TEXT, cut_text};
pub use message::{Malformed, Message, Record, Records, Section, same_question};
pub use name::{
    DnsName, MAX_LABEL_LEN, MAX_LABELS, MAX_NAME_LEN, NameBuf, NameError, NameRef, NameSet, a_labels, copy_name, ends,
    escaped, is_at_or_below, labels, parse_name, read_name, skip_name, write_name,
};
pub use octets::{address_of, u16_at, u32_at};
pub use opcode::Opcode;
pub use option_code::OptionCode;
pub use rcode::Rcode;
pub use rtype::{Rtype, UnknownType};
pub use writer::Writer;

/// The longest time to live, in seconds: it has 31 bits (RFC 2181 8).
pub const MAX_TTL: u32 = 0x7fff_ffff;
