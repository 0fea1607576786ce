//! The EC2-compatible Query API.
//!
//! ```text
//! auth     who calls, and whether they may
//! notify   tells SNS topics and a webhook what became of an endpoint's connection
//! ```
// no request can panic
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

pub mod auth;
pub mod notify;
