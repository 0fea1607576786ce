//! A reply of an upstream: see `tests/it/common/entry.rs` for what must hold. `cargo +nightly fuzz run relay`
#![no_main]
#![allow(dead_code)] // the targets share one file of entry functions

#[path = "../../tests/it/common/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::relay(data));
