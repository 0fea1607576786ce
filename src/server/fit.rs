//! Limits that fit what this process may have: memory for replies, and descriptors for connections.

use rustix::process::{Resource, getrlimit};
use tracing::warn;

use crate::budget::Budget;
use crate::config::{Limits, Settings};
use crate::memory;

/// Of the memory that there is, replies of upstreams may take one part in so many. The allocator takes as much again
/// for what comes and goes in all sizes, and the rest is for the model, the tasks and the page cache.
const MEMORY_SHARE: u64 = 4;
/// One question may wait for an upstream for each so many octets: its task and what belongs to it take 4 to 5 KB.
const MEMORY_PER_QUESTION: u64 = 16 << 10;
/// Of the descriptors, plain connections may have one in so many, and encrypted ones as many again.
const DNS_SHARE: usize = 3;
/// The same for connections to the EC2-compatible API.
const EC2_SHARE: usize = 12;
/// The same for those to --http, and to the control socket. What is left, a sixth and more, is for UDP, upstreams, files,
/// and connections that are being closed.
const HTTP_SHARE: usize = 32;

/// Lowers the limits of `settings` to what this process may have; returns the budget of replies on their way.
pub(super) fn fit(settings: &mut Settings) -> Budget {
    let soft = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    share_descriptors(usize::try_from(soft).unwrap_or(usize::MAX), &mut settings.limits);
    let memory = settings.memory.or_else(|| memory::available().map(|octets| octets / MEMORY_SHARE));
    share_memory(memory, &mut settings.limits)
}

/// However many connections come, on every listener, descriptors are left for DNS over UDP and for forwarding.
fn share_descriptors(descriptors: usize, limits: &mut Limits) {
    for (what, wanted, share) in [
        ("DNS", &mut limits.tcp_connections, DNS_SHARE),
        ("the EC2 API", &mut limits.ec2_connections, EC2_SHARE),
        ("HTTP", &mut limits.http_connections, HTTP_SHARE),
    ] {
        let most = (descriptors / share).max(1);
        if most < *wanted {
            warn!("{descriptors} open files are allowed, so that {what} can have only {most} of {wanted} connections");
            *wanted = most;
        }
    }
}

/// At most half of `memory` is the cache's, and the rest is for replies on their way, of which the number of questions is
/// bounded, too. `None`: no bound.
fn share_memory(memory: Option<u64>, limits: &mut Limits) -> Budget {
    let Some(memory) = memory else { return Budget::default() };
    limits.cache_size = limits.cache_size.min(memory / 2);
    let questions = usize::try_from(memory / MEMORY_PER_QUESTION).unwrap_or(usize::MAX);
    limits.forward_in_flight = limits.forward_in_flight.min(questions);
    Budget::new(usize::try_from(memory - limits.cache_size).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_all_kinds_leave_descriptors() {
        for descriptors in [64, 256, 1024, 4096] {
            let mut limits = Limits::default();
            share_descriptors(descriptors, &mut limits);
            let Limits { tcp_connections, ec2_connections, http_connections, .. } = limits;
            // plain and encrypted; the address and the control socket
            let taken = 2 * tcp_connections + ec2_connections + 2 * http_connections;
            assert!(descriptors - taken >= descriptors / 6, "{descriptors}: {taken}");
        }
        let mut limits = Limits::default();
        share_descriptors(1 << 20, &mut limits);
        assert_eq!(limits, Limits::default(), "where there are enough, nothing changes");
        share_descriptors(1, &mut limits);
        assert_eq!((limits.tcp_connections, limits.ec2_connections, limits.http_connections), (1, 1, 1));
    }

    #[test]
    fn the_cache_has_half_of_a_small_memory() {
        let mut limits = Limits::default();
        share_memory(Some(1 << 20), &mut limits);
        assert_eq!((limits.cache_size, limits.forward_in_flight), (1 << 19, 64));
        let mut limits = Limits::default();
        share_memory(None, &mut limits);
        assert_eq!(limits, Limits::default());
    }
}
