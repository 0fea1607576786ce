//! A question to the first good reply of several upstreams, in time.
//!
//! Knows the order and the patience; `attempt` knows how one upstream is asked.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;
use crate::forward::attempt::{self, NoReply, Times};
use crate::forward::query::{Outbound, is_truncated, rcode, rcode_of};

/// How often every upstream is asked: a lost datagram is not the end.
const ROUNDS: usize = 2;
/// Upstreams that an error names, so that it fits into an extended error (RFC 8914 2).
const NAMED: usize = 4;

/// Asks upstreams.
#[derive(Clone, Debug)]
pub struct Forwarder {
    timeout: Duration,
    deadline: Duration,
}

/// No upstream gave a reply, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ForwardError {
    /// Those that were asked, and what came of it the last time. None: there was nobody to ask.
    pub tried: Vec<Tried>,
}

/// An upstream that gave no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which.
    pub upstream: SocketAddr,
    /// Why not.
    pub failure: Failure,
    /// Whether it had been asked by TCP, as its reply by UDP was truncated.
    pub over_tcp: bool,
}

/// What keeps an upstream from answering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing came in time.
    #[error("timed out")]
    TimedOut,
    /// The machine is there, and nobody listens on the port.
    #[error("refused the connection")]
    Refused,
    /// There is no way there.
    #[error("cannot be reached")]
    Unreachable,
    /// The connection ended before the reply did.
    #[error("closed the connection")]
    Closed,
    /// The reply is no DNS message.
    #[error("sent a malformed reply")]
    Malformed,
    /// The reply on a connection is to another question.
    #[error("answered another question")]
    Mismatched,
    /// It is on our side: no descriptor, port or memory is left.
    #[error("could not be asked: {0}")]
    Local(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
                Self::Unreachable
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::InvalidData => Self::Mismatched,
            _ => Self::Local(error.to_string()),
        }
    }
}

impl ForwardError {
    /// Whether nobody was asked at all: that says nothing about the question, and is not to be remembered for it.
    pub fn nobody_was_asked(&self) -> bool {
        self.tried.iter().all(|tried| matches!(tried.failure, Failure::Local(_)))
    }
}

/// `10.9.9.9:53 timed out, 10.9.9.10:53 refused the connection`.
impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tried.is_empty() {
            return f.write_str("no upstream to ask");
        }
        for (at, Tried { upstream, failure, over_tcp }) in self.tried.iter().take(NAMED).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let over_tcp = if *over_tcp { " over TCP" } else { "" };
            write!(f, "{comma}{upstream} {failure}{over_tcp}")?;
        }
        match self.tried.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

impl Forwarder {
    /// With the times of `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self { timeout: limits.forward_timeout, deadline: limits.forward_deadline }
    }

    /// Asks `upstreams` in their order, those that gave no reply twice, until there is a good reply.
    ///
    /// NXDOMAIN and "no such record" are good replies. An error of an upstream may be its own, so the next one is
    /// asked; where none knows better, the first such reply is returned as it is. Always a whole message, with
    /// the question that was asked or, in an error, with none.
    pub async fn exchange(&self, question: &Outbound<'_>, upstreams: &[SocketAddr]) -> Result<Vec<u8>, ForwardError> {
        let times = Times { attempt: self.timeout, deadline: Instant::now() + self.deadline };
        let mut second_best = None;
        let mut tried: Vec<Tried> = Vec::new();
        // those that have said something would say it again
        let mut left = upstreams.to_vec();
        for _ in 0..ROUNDS {
            for upstream in std::mem::take(&mut left) {
                if Instant::now() >= times.deadline {
                    break;
                }
                match attempt::ask(upstream, question, times).await {
                    Ok(reply) if is_good(&reply) => return Ok(reply),
                    Ok(reply) => drop(second_best.get_or_insert(reply)),
                    Err(NoReply { failure, over_tcp }) => {
                        left.push(upstream);
                        tried.retain(|earlier| earlier.upstream != upstream);
                        tried.push(Tried { upstream, failure, over_tcp });
                    }
                }
            }
        }
        second_best.ok_or(ForwardError { tried })
    }
}

/// True when no other upstream could know better.
fn is_good(reply: &[u8]) -> bool {
    let poor = matches!(rcode_of(reply), rcode::FORMERR | rcode::SERVFAIL | rcode::NOTIMP | rcode::REFUSED);
    !poor && !is_truncated(reply)
}

#[cfg(test)]
mod tests;
