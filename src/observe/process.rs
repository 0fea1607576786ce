//! What the system says of this process: memory, processor time, descriptors.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::memory::kib;

/// Clock ticks in a second of `/proc/self/stat`: USER_HZ, which Linux keeps at 100 for programs.
const TICKS: f64 = 100.0;

/// What is known of this process; `None` where the system does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessReport {
    /// Octets of memory in use.
    pub(super) resident: Option<u64>,
    /// Processor time, of user and system.
    pub(super) cpu_seconds: Option<f64>,
    /// Descriptors that are open.
    pub(super) open_descriptors: Option<u64>,
    /// Descriptors that may be open.
    pub(super) most_descriptors: Option<u64>,
}

impl ProcessReport {
    pub(super) fn now() -> Self {
        let read = |name| fs::read_to_string(name).ok();
        Self {
            resident: read("/proc/self/status").as_deref().and_then(resident),
            cpu_seconds: read("/proc/self/stat").as_deref().and_then(cpu_seconds),
            // the directory itself is open while it is read
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|all| all.count().saturating_sub(1) as u64),
            most_descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    kib(status, "VmRSS:")
}

/// Fields 14 and 15, counted from behind the name, which may hold anything (proc_pid_stat(5)).
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(resident("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t  7692 kB\n"), Some(7692 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 20";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("42 (a"), None);
        let now = ProcessReport::now();
        assert!(now.resident.unwrap() > 1 << 20 && now.cpu_seconds.is_some(), "{now:?}");
        assert!(now.open_descriptors.unwrap() >= 3 && now.open_descriptors <= now.most_descriptors, "{now:?}");
    }
}
