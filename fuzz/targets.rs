//! Every fuzz target as one program: the environment variable FUZZ_TARGET names the function of
//! `tests/it/common/entry/` that it calls. `fuzz/run` builds and runs it.
#![no_main]

use std::sync::LazyLock;

#[path = "../tests/it/common/entry/mod.rs"]
mod entry;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    let found = entry::TARGETS.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET: no such target: {name}")).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
