//! Why an upstream gave no answer, worded for the client.

use std::fmt;
use std::io;

use crate::model::Upstream;

/// Upstreams that an error names, so that it fits into an extended error (RFC 8914 2).
const NAMED: usize = 4;

/// No upstream gave a reply, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ForwardError {
    /// Those that were asked, and what came of it the last time. None: there was nobody to ask.
    pub tried: Vec<Tried>,
}

/// An upstream that gave no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The upstream resolver.
    pub upstream: Upstream,
    /// Why it gave none.
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
    /// The reply on a connection, which has room for every message, is truncated.
    #[error("sent a truncated reply")]
    Truncated,
    /// The reply on a connection is to another question.
    #[error("answered another question")]
    Mismatched,
    /// TLS or QUIC came to nothing: the certificate is for another name, out of date or from nobody that is trusted.
    #[error("is not who it should be: {0}")]
    Untrusted(String),
    /// The HTTP status of a reply that is none (RFC 8484 4.2.1).
    #[error("answered HTTP status {0}")]
    Http(u16),
    /// It has not answered for a while, and is not asked at this moment.
    #[error("is down")]
    Down,
    /// This question came back to us.
    #[error("leads back to this server")]
    Loops,
    /// The domain of the question is silent there, and newer questions for it took the place of this one.
    #[error("leaves most names of this domain unanswered, and too many questions for them wait")]
    SilentDomain,
    /// As many questions wait for it as may.
    #[error("has too many questions waiting")]
    Busy,
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
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::WriteZero => Self::Closed,
            // rustls says so of everything that is wrong with the other side
            io::ErrorKind::InvalidData => Self::Untrusted(error.to_string()),
            _ => Self::Local(error.to_string()),
        }
    }
}

impl Failure {
    /// Whether it says something about the upstream.
    pub(super) fn is_of_upstream(&self) -> bool {
        !matches!(self, Self::Local(_) | Self::Busy | Self::Down | Self::Loops | Self::SilentDomain)
    }
}

impl ForwardError {
    /// Whether nobody was asked, or not long enough: that says nothing about the question, and is not to be remembered
    /// for it.
    pub fn nobody_was_asked(&self) -> bool {
        use Failure::{Busy, Down, Local, SilentDomain};
        self.tried.iter().all(|tried| matches!(tried.failure, Busy | Down | Local(_) | SilentDomain))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_ours_is_not_blamed_on_the_upstream() {
        let failure = Failure::from(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(failure.to_string().starts_with("could not be asked: Too many open files"), "{failure}");
    }

    #[test]
    fn an_error_names_a_few() {
        let many = (1..=6).map(|port| Upstream::plain(([127, 0, 0, 1], port).into()));
        let tried = many.map(|upstream| Tried { upstream, failure: Failure::TimedOut, over_tcp: false });
        let error = ForwardError { tried: tried.collect() };
        assert!(error.to_string().ends_with("127.0.0.1:4 timed out, and 2 more"));
        assert_eq!(ForwardError { tried: Vec::new() }.to_string(), "no upstream to ask");
    }
}
