//! Settings: what `vpcedns.toml`, flags and environment variables come to, and every bound in one place.

use std::time::Duration;

/// Every bound of the server, so that nothing a client does can grow without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest UDP reply in octets, whatever the client says it takes (DNS flag day 2020).
    pub udp_payload: u16,
    /// Threads with a socket of their own for each UDP address; 0: one for each processor.
    pub udp_workers: usize,
    /// Octets asked for as receive and as send buffer of a UDP socket; the kernel may grant less.
    pub udp_socket_buffer: usize,
    /// Questions that wait for an upstream at one time, all clients together.
    pub forward_in_flight: usize,
    /// Time for one attempt at one upstream.
    pub forward_timeout: Duration,
    /// Time for a question in all, over every upstream and attempt.
    pub forward_deadline: Duration,
    /// TCP connections at one time.
    pub tcp_connections: usize,
    /// TCP connections at one time from one client: an IPv4 address or an IPv6 /64.
    pub tcp_connections_per_client: usize,
    /// Questions of one TCP connection that are being answered at one time.
    pub tcp_pipeline: usize,
    /// A TCP connection that has asked nothing, or not taken its replies, for this long is closed.
    pub tcp_idle: Duration,
    /// Time for what is under way when the server is told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            udp_payload: 1232,
            udp_workers: 0,
            udp_socket_buffer: 4 << 20,
            forward_in_flight: 4096,
            forward_timeout: Duration::from_millis(1500),
            forward_deadline: Duration::from_secs(5),
            tcp_connections: 1024,
            tcp_connections_per_client: 128,
            tcp_pipeline: 64,
            tcp_idle: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}
