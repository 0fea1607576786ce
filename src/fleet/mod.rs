//! Sets of files that the servers of a fleet share, in the store in which the API's state is: by name, each as a whole.
//!
//! ```text
//! set      a set of files: its head, its parts, and what neither may be
//! remote   a set in the store: read at one revision
//! push     a set is put there, on top of the one that is there
//! kept     the same on disk: a server's last good one
//! follow   what the store has, and what is served of it
//! source   a set as a source of objects
//! ```
//!
//! Keys are below `PREFIX/f1/`, outside of what the followers of objects watch:
//!
//! ```text
//! PREFIX/f1/NAME/head       paths, octets and parts of all files; who put them there, and when
//! PREFIX/f1/NAME/p/SHA256   a part of a file, by its hash
//! ```
//!
//! The head is put in one transaction, when all parts of it are there. A part is never another one, so that a reader has a set
//! whole or not at all. No path of a set is ever a path of this machine's.

// what is in the store was written by others
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod follow;
mod kept;
mod push;
mod remote;
mod set;
mod source;

pub use follow::FollowedSet;
pub use push::{PushPlan, PushedFile, plan, push};
pub use remote::SharedSets;
pub use set::{FileSet, SetHead};
pub use source::{SetSource, fixed, in_store};

/// The set that `vpcedns push` puts there.
pub const PUSHED: &str = "zones";
