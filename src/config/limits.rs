//! The declarations of all limits. One entry here makes key, range, default, help, template and reference.

use std::time::Duration;

use crate::problem::nearest;

use super::limit::{LimitInfo, Measure, Unit, limits};

/// One limit: all that is known of it.
pub type Limit = LimitInfo<Limits>;

limits! {
    "UDP":
    /// Largest UDP reply, whatever the client says it takes (DNS flag day 2020)
    udp_payload: u16 = "udp_payload", Octets, 1232, 512..=4096;
    /// Threads with a socket of their own for each UDP address; 0: one for each processor
    udp_workers: usize = "udp_workers", Count, 0, 0..=1024;
    /// Receive and send buffer of a UDP socket; the kernel may grant less
    udp_socket_buffer: usize = "udp_socket_buffer", Octets, 4 << 20, 4096..=1 << 30;

    "Forwarding":
    /// Questions that wait for an upstream at one time, of all clients together
    forward_in_flight: usize = "forward_in_flight", Count, 4096, 1..=1 << 20;
    /// Of these, questions of one client: an IPv4 address or an IPv6 /64
    forward_in_flight_per_client: usize = "forward_in_flight_per_client", Count, 2048, 1..=1 << 20;
    /// Questions that wait for one upstream at one time
    forward_in_flight_per_upstream: usize = "forward_in_flight_per_upstream", Count, 2048, 1..=1 << 20;
    /// UDP sockets to one upstream that take questions, of each UDP worker and of all else; as many again wait for last replies
    forward_sockets: usize = "forward_sockets", Count, 16, 1..=1024;
    /// Longest time of one attempt at one upstream before the next is made beside it
    forward_timeout: Duration = "forward_timeout_ms", Milliseconds, 1500, 10..=60_000;
    /// Time for a question in all, over every upstream and attempt
    forward_deadline: Duration = "forward_deadline_ms", Milliseconds, 5000, 10..=60_000;

    "Cache":
    /// Memory for cached replies; 0: no cache
    cache_size: u64 = "cache_size", Octets, 64 << 20, 0..=1 << 40;
    /// Shorter TTLs are raised to this in the cache
    cache_min_ttl: Duration = "cache_min_ttl_s", Seconds, 0, 0..=86_400;
    /// Longer TTLs are cut down to this in the cache
    cache_max_ttl: Duration = "cache_max_ttl_s", Seconds, 86_400, 1..=604_800;
    /// Longest TTL of a negative answer (RFC 2308 5)
    cache_negative_ttl: Duration = "cache_negative_ttl_s", Seconds, 3600, 0..=86_400;
    /// 1: a name that does not exist has nothing below it (RFC 8020); 0: each name is asked for
    cache_nxdomain_cut: usize = "cache_nxdomain_cut", Count, 0, 0..=1;
    /// How long the first failure of a question is remembered; each that follows doubles it (RFC 9520 3.2)
    cache_failure: Duration = "cache_failure_s", Seconds, 5, 1..=300;
    /// Longest time for which a failure is remembered
    cache_failure_most: Duration = "cache_failure_most_s", Seconds, 60, 1..=300;
    /// How long an expired reply may answer while no upstream does (RFC 8767); 0: not at all
    stale: Duration = "stale_s", Seconds, 86_400, 0..=604_800;
    /// TTL of such an answer
    stale_ttl: Duration = "stale_ttl_s", Seconds, 30, 1..=3600;
    /// How long a client waits for an upstream before it gets such an answer
    stale_wait: Duration = "stale_wait_ms", Milliseconds, 1800, 0..=60_000;
    /// Time between a failed refresh and the next attempt
    stale_retry: Duration = "stale_retry_s", Seconds, 30, 1..=3600;
    /// A hit in this last part of a reply's TTL refreshes it; 0: replies are refreshed when they have expired
    prefetch_percent: u64 = "prefetch_percent", Percent, 10, 0..=90;

    "TCP and encrypted DNS":
    /// TCP connections at one time; TLS, HTTPS and QUIC together may have as many again
    tcp_connections: usize = "tcp_connections", Count, 1024, 1..=1 << 20;
    /// Of these, connections of one client: an IPv4 address or an IPv6 /64
    tcp_connections_per_client: usize = "tcp_connections_per_client", Count, 128, 1..=1 << 20;
    /// Questions of one connection, encrypted or not, that are being answered at one time
    tcp_pipeline: usize = "tcp_pipeline", Count, 64, 1..=1 << 16;
    /// A connection, encrypted or not, that asks nothing or does not read its replies for this long is closed
    tcp_idle: Duration = "tcp_idle_ms", Milliseconds, 10_000, 100..=3_600_000;
    /// Time for a handshake of TLS or QUIC
    tls_handshake: Duration = "tls_handshake_ms", Milliseconds, 5000, 10..=60_000;

    "Zones out":
    /// Connections to --transfer at one time; a further one takes the place of the longest idle
    transfer_connections: usize = "transfer_connections", Count, 64, 1..=1 << 16;
    /// Of these, connections of one client: an IPv4 address or an IPv6 /64
    transfer_connections_per_client: usize = "transfer_connections_per_client", Count, 16, 1..=1 << 16;
    /// Zones of one key; those beyond are left out, and the log says so
    transfer_zones: usize = "transfer_zones", Count, 100_000, 1..=1 << 24;

    "Server":
    /// Time for which a server that is told to stop goes on answering, while /readyz sends clients elsewhere
    lameduck: Duration = "lameduck_ms", Milliseconds, 0, 0..=600_000;
    /// Time for questions in progress when the server is told to stop
    drain: Duration = "drain_ms", Milliseconds, 5000, 0..=600_000;
    /// Connections to --http at one time, and to the control socket; a further one takes the place of the longest idle
    http_connections: usize = "http_connections", Count, 64, 1..=1 << 16;
    /// Time for the head of a request to --http or the EC2-compatible API, and between two requests
    http_head: Duration = "http_head_ms", Milliseconds, 10_000, 100..=3_600_000;

    "EC2-compatible API":
    /// How long a new or changed endpoint is `pending`; it answers meanwhile
    ec2_pending: Duration = "ec2_pending_ms", Milliseconds, 0, 0..=3_600_000;
    /// How long a deleted endpoint is `deleting`; it does not answer any more
    ec2_deleting: Duration = "ec2_deleting_ms", Milliseconds, 0, 0..=3_600_000;
    /// How long a deleted endpoint is listed as `deleted` after that
    ec2_deleted: Duration = "ec2_deleted_ms", Milliseconds, 60_000, 0..=86_400_000;
    /// Interface endpoints of a VPC (AWS quota L-29B6F2EB)
    ec2_endpoints_per_vpc: usize = "ec2_endpoints_per_vpc", Count, 50, 1..=1 << 20;
    /// Connections at one time; a further one takes the place of the longest idle
    ec2_connections: usize = "ec2_connections", Count, 256, 1..=1 << 16;
    /// Calls of one caller of the EC2 API a second, over time; twice as many at once
    ec2_calls_per_second: u32 = "ec2_calls_per_second", PerSecond, 1000, 1..=1 << 20;
}

impl Limits {
    /// The limit with this key; the text says what would be right.
    pub fn find(key: &str) -> Result<&'static Limit, String> {
        Self::TABLE.iter().find(|limit| limit.key == key).ok_or_else(|| {
            let keys = || Self::TABLE.iter().map(|limit| limit.key);
            let hint = nearest(key, keys()).map_or_else(
                || format!("limits are {}", keys().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean '{near}'?"),
            );
            format!("unknown limit '{key}': {hint}")
        })
    }

    /// Sets one limit by its key; the text says what would be right.
    pub fn set(&mut self, key: &str, value: u64) -> Result<(), String> {
        let limit = Self::find(key)?;
        limit.check(value)?;
        (limit.set)(self, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_and_is_bounded() {
        for limit in Limits::TABLE {
            let Limit { key, least, most, default, .. } = *limit;
            let mut limits = Limits::default();
            assert_eq!(limit.value(&limits), default, "{key}");
            limits.set(key, default).unwrap();
            assert_eq!(limits, Limits::default(), "{key}");
            for value in [least, most] {
                limits.set(key, value).unwrap();
                assert_eq!(limit.value(&limits), value, "{key}");
                assert_eq!(limits == Limits::default(), value == default, "{key} sets nothing");
            }
            assert!(limits.set(key, most + 1).is_err());
            assert!(least == 0 || limits.set(key, least - 1).is_err());
        }
        let error = Limits::default().set("tcp_idle", 3).unwrap_err();
        assert_eq!(error, "unknown limit 'tcp_idle': did you mean 'tcp_idle_ms'?");
    }

    #[test]
    fn keys_are_fields_with_their_units() {
        for limit in Limits::TABLE {
            let unit = match limit.unit {
                Unit::Milliseconds => "_ms",
                Unit::Seconds => "_s",
                // their fields have the unit in their names
                Unit::Count | Unit::Octets | Unit::Percent | Unit::PerSecond => "",
            };
            assert_eq!(limit.key, format!("{}{unit}", limit.field));
            assert!(limit.unit != Unit::Percent || limit.key.ends_with("_percent"));
            assert!(limit.unit != Unit::PerSecond || limit.key.ends_with("_per_second"));
        }
    }
}
