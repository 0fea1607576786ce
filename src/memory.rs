//! Gives memory back to the system after a large load, and says how much may still be taken.
//!
//! What is read is several times as large as what is kept of it, and the allocator keeps what is freed: at a million
//! endpoints 1.2 GB. Knows nothing of what the memory was for.

#![allow(unsafe_code)]

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// How much memory may still be taken, and what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLeft {
    /// Octets.
    pub octets: u64,
    /// The bound, in words.
    pub bound: &'static str,
}

/// Octets that this process may take in all: the least of what the machine has and what its control groups allow; `None`
/// where neither can be told (Documentation/admin-guide/cgroup-v2.rst, `memory.max`; proc(5)).
pub fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "MemTotal:"));
    control_groups(Path::new("/")).iter().map(|group| group.most).chain(machine).min()
}

/// How much memory this process may still take, by the tightest of its bounds: control groups, `RLIMIT_AS`,
/// `RLIMIT_DATA`, and what the machine has. `None`: no bound is known.
pub fn left() -> Option<MemoryLeft> {
    let at = |octets, bound| MemoryLeft { octets, bound };
    let groups = control_groups(Path::new("/")).iter().map(|group| group.left).min();
    let groups = groups.map(|octets| at(octets, "the memory of its control group"));
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine =
        machine.and_then(|text| kib(&text, "MemAvailable:")).map(|octets| at(octets, "this machine's memory"));
    [groups, left_to_allocate(), machine].into_iter().flatten().min_by_key(|left| left.octets)
}

/// How much memory can still be allocated: beyond `RLIMIT_AS` and `RLIMIT_DATA` an allocation fails, and ends the process.
/// `None`: neither is set.
pub fn left_to_allocate() -> Option<MemoryLeft> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of_limit = |limit, taken: &str, bound| {
        let left = getrlimit(limit).current?.saturating_sub(kib(&status, taken)?);
        // what the allocator has taken and nothing is on is left, too
        Some(MemoryLeft { octets: left.saturating_add(free_in_allocator()), bound })
    };
    let addresses = of_limit(Resource::As, "VmSize:", "its address space (ulimit -v)");
    let data = of_limit(Resource::Data, "VmData:", "its data (ulimit -d)");
    [addresses, data].into_iter().flatten().min_by_key(|left| left.octets)
}

/// A line such as `VmSize:   123 kB`, in octets (proc_pid_status(5)).
pub fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What a control group allows, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ControlGroup {
    most: u64,
    left: u64,
}

/// The control groups of this process that have a bound, its own and those it is in (version 2, or 1); `root` is `/`.
fn control_groups(root: &Path) -> Vec<ControlGroup> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut bounded = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (base, max, current, cached) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max", "memory.current", "file "),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache ")
            }
            _ => continue,
        };
        let base = root.join(base);
        let mut dir = base.join(group.trim_start_matches('/'));
        while dir.starts_with(&base) {
            let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
            let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
            if let (Some(most), Some(current)) = (number(max), number(current)) {
                // what is kept of files is given up when memory is wanted
                let stat = read("memory.stat").unwrap_or_default();
                let cached = stat.lines().find_map(|line| line.strip_prefix(cached)?.trim().parse::<u64>().ok());
                bounded.push(ControlGroup {
                    most,
                    left: most.saturating_sub(current.saturating_sub(cached.unwrap_or(0))),
                });
            }
            if !dir.pop() {
                break;
            }
        }
    }
    bounded
}

/// Octets that the allocator has and nothing is on; 0 where the C library is not glibc.
fn free_in_allocator() -> u64 {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallinfo(3) takes nothing, locks what it counts, and returns numbers, which wrap at 4 GiB (mallinfo2 does not,
    // but wants a newer library). No safe crate covers it.
    return u64::from(unsafe { libc::mallinfo() }.fordblks.cast_unsigned());
    #[cfg(not(target_env = "gnu"))]
    0
}

/// Where the address space is bounded, lets all threads allocate out of one part of it: by default a thread may reserve 64
/// MiB for itself, which no other can use. Call it while there is one thread.
pub fn share_addresses() {
    #[cfg(target_env = "gnu")]
    if getrlimit(Resource::As).current.is_some() {
        // SAFETY: mallopt(3) takes any number, and there is no other thread yet. No safe crate covers it.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_some_left() {
        assert!(left().is_some_and(|left| left.octets > 0));
        assert!(available() >= left().map(|left| left.octets));
        assert_eq!(kib("VmPeak:\t  9 kB\nVmSize:\t  12 kB\n", "VmSize:"), Some(12 * 1024));
        assert_eq!(kib("VmSize: many", "VmSize:"), None);
    }

    #[test]
    fn the_tightest_control_group_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let least = || control_groups(dir.path()).iter().map(|group| group.left).min();
        assert_eq!(least(), None);
        write("proc/self/cgroup", "0::/a/b\n");
        assert_eq!(least(), None);
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        write("sys/fs/cgroup/a/b/memory.current", "900\n");
        write("sys/fs/cgroup/a/memory.max", "1000\n");
        write("sys/fs/cgroup/a/memory.current", "900\n");
        assert_eq!(least(), Some(100));
        write("sys/fs/cgroup/a/memory.stat", "anon 300\nfile 600\n");
        assert_eq!(least(), Some(700));
        write("sys/fs/cgroup/a/b/memory.max", "950\n");
        assert_eq!(least(), Some(50));
        write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/m\n1:name=systemd:/b\n");
        write("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "500\n");
        write("sys/fs/cgroup/memory/m/memory.usage_in_bytes", "500\n");
        write("sys/fs/cgroup/memory/m/memory.stat", "cache 1\ntotal_cache 20\n");
        assert_eq!(control_groups(dir.path()), [ControlGroup { most: 500, left: 20 }]);
    }
}
