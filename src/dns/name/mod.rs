//! Domain names: one form, length-prefixed labels in lower case with the root at the end (RFC 1035 3.1, RFC 4343).
//!
//! | type | what it is | file |
//! |---|---|---|
//! | [`DnsName`] | owned, cheap to clone, for what is kept | `owned.rs` |
//! | [`NameBuf`] | room on the stack, for a name that is read off a message | `buffer.rs` |
//! | [`NameRef`] | borrowed, with the place of each label, for rules | `borrowed.rs` |
//! | [`NameSet`] | names, each of which stands for all below it, too | `set.rs` |
//!
//! What they share is said once, about wire octets, in `wire.rs`; `compressed.rs` reads names off messages,
//! and `text.rs` those of master files.

mod borrowed;
mod buffer;
mod compressed;
mod owned;
mod set;
mod text;
mod wire;

pub use borrowed::NameRef;
pub use buffer::NameBuf;
pub(super) use compressed::skip_compressed;
pub use compressed::{copy_name, read_name, skip_name};
pub use owned::{DnsName, NameError};
pub use set::NameSet;
pub use text::{a_labels, escaped, parse_name};
pub use wire::{MAX_LABEL_LEN, MAX_LABELS, MAX_NAME_LEN, ends, is_at_or_below, labels, write_name};
