//! A packet of a client: see `tests/it/common/entry.rs` for what must hold. `cargo +nightly fuzz run packet`
#![no_main]
#![allow(dead_code)] // the targets share one file of entry functions

#[path = "../../tests/it/common/entry.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::packet(data));
