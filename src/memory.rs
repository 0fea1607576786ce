//! Gives memory back to the system after a large load.
//!
//! What is read is several times as large as what is kept of it, and the allocator keeps what is freed: at a million
//! endpoints 1.2 GB. Knows nothing of what the memory was for.

#![allow(unsafe_code)]

/// Gives back the pages that nothing is on any more. Takes milliseconds for each gigabyte.
///
/// Does nothing where the C library is not glibc.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes any padding, is thread-safe, and touches free memory only. No safe crate covers it.
    unsafe {
        libc::malloc_trim(0);
    }
}
