//! One HTTP request to a running server, for commands in containers without curl.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server that needs longer for a line or two is not well.
const PATIENCE: Duration = Duration::from_secs(2);
/// Octets of an answer that are read; the rest is of no interest.
const MOST: u64 = 16 << 10;

/// An answer.
pub(super) struct Answer {
    /// `HTTP/1.1 200 OK`
    pub(super) status: String,
    /// What follows the headers.
    pub(super) body: String,
}

impl Answer {
    pub(super) fn is_ok(&self) -> bool {
        self.status.starts_with("HTTP/1.1 200 ")
    }
}

/// Sends a request without a body, such as `GET /healthz`.
pub(super) fn request(address: SocketAddr, request: &str) -> Result<Answer, Error> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let rest = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    write!(stream, "{request} HTTP/1.1\r\nHost: {address}\r\n{rest}")?;
    let mut octets = Vec::new();
    stream.take(MOST).read_to_end(&mut octets)?;
    let text = String::from_utf8_lossy(&octets);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    match head.lines().next() {
        Some(status) => Ok(Answer { status: status.to_owned(), body: body.to_owned() }),
        None => Err(Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
    }
}
