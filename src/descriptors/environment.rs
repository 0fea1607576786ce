//! Descriptors that the process was started with, as systemd's socket units pass them (sd_listen_fds(3)).
//!
//! | variable | what it says |
//! |---|---|
//! | `LISTEN_PID` | the process that they are for: another's are left alone |
//! | `LISTEN_FDS` | how many there are, from descriptor 3 on |
//! | `LISTEN_FDNAMES` | their names, with colons between |
#![allow(unsafe_code)]

use std::env;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The first descriptor (SD_LISTEN_FDS_START).
const FIRST: RawFd = 3;
/// More than this is no list of sockets but a mistake.
const MOST: usize = 4096;

/// The descriptors with their names.
pub(super) fn take() -> Vec<(OwnedFd, String)> {
    let variable = |name| env::var(name).ok();
    let (count, names) = parse(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
        std::process::id(),
    );
    let numbers = (FIRST..).take(count).zip(names.into_iter().chain(std::iter::repeat(String::new())));
    // a number that is not open must not become an owner: closing it later could close another's
    let open = numbers.filter(|(number, _)| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok());
    open.map(|(number, name)| {
        // SAFETY: the caller calls this once, before it opens anything; the variables say that the descriptors are
        // for this process, and each is open, so nobody else owns it. No safe call makes an owner of a number.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let _ = rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC);
        (descriptor, name)
    })
    .collect()
}

/// How many there are for process `own`, and their names.
fn parse(pid: Option<&str>, count: Option<&str>, names: Option<&str>, own: u32) -> (usize, Vec<String>) {
    let is_ours = pid.is_some_and(|pid| pid.parse() == Ok(own));
    let count = count.and_then(|count| count.parse().ok()).filter(|count| is_ours && *count <= MOST).unwrap_or(0);
    (count, names.unwrap_or_default().split(':').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_of_others_are_left_alone() {
        for (pid, count, want) in [
            (Some("7"), Some("2"), 2),
            (Some("8"), Some("2"), 0),
            (None, Some("2"), 0),
            (Some("7"), None, 0),
            (Some("7"), Some("-1"), 0),
            (Some("7"), Some("99999999999999999999"), 0),
            (Some("7"), Some("4097"), 0),
            (Some(""), Some(""), 0),
        ] {
            assert_eq!(parse(pid, count, None, 7).0, want, "{pid:?} {count:?}");
        }
        assert_eq!(parse(Some("7"), Some("2"), Some("dns:control"), 7).1, ["dns", "control"]);
    }
}
