//! One HTTP request to a running server, by its control socket or its HTTP address.

use std::fmt;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

/// A server that needs longer for a line or two is not well.
const PATIENCE: Duration = Duration::from_secs(2);
/// Octets of an answer that are read; a list comes in pages, and hosted zones can be large.
const MOST: u64 = 1 << 30;

/// Which running server a command is for.
#[derive(Args)]
pub(super) struct ServerArgs {
    /// Control socket of the server
    #[arg(long, value_name = "PATH", env = "VPCEDNS_SOCKET", default_value = "./vpcedns.sock")]
    pub(super) socket: PathBuf,
    /// HTTP address of the server, where there is no control socket
    #[arg(long, value_name = "ADDR", env = "VPCEDNS_HTTP")]
    pub(super) http: Option<SocketAddr>,
    /// File with the token that changes over HTTP require
    #[arg(long, value_name = "FILE", env = "VPCEDNS_HTTP_TOKEN")]
    pub(super) http_token: Option<PathBuf>,
}

/// An answer.
pub(super) struct HttpAnswer {
    /// `HTTP/1.1 200 OK`
    pub(super) status: String,
    /// What follows the headers.
    pub(super) body: String,
}

impl HttpAnswer {
    pub(super) fn is_ok(&self) -> bool {
        self.status.starts_with("HTTP/1.1 200 ")
    }
}

/// `the server at ./vpcedns.sock`
impl fmt::Display for ServerAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "the server at {}", path.display()),
            Self::Http(address, _) => write!(f, "the server at http://{address}"),
        }
    }
}

/// Where a running server is asked.
pub(super) enum ServerAt {
    /// Its control socket.
    Socket(PathBuf),
    /// Its HTTP address, with the token that changes require.
    Http(SocketAddr, Option<String>),
}

impl ServerAt {
    /// The control socket if it is there, else the HTTP address if one is given.
    pub(super) fn of(args: &ServerArgs) -> Result<Self, String> {
        match args.http {
            Some(address) if !args.socket.exists() => {
                let read =
                    |file: &PathBuf| std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
                let token = args.http_token.as_ref().map(read).transpose()?;
                Ok(Self::Http(address, token.map(|token| token.trim().to_owned())))
            }
            _ => Ok(Self::Socket(args.socket.clone())),
        }
    }

    /// Sends a request without a body, such as `GET /v1/status`; the text says what to do if nobody answers.
    pub(super) fn request(&self, request: &str) -> Result<HttpAnswer, String> {
        self.request_within(request, PATIENCE)
    }

    /// The same, of what takes longer.
    fn request_within(&self, request: &str, patience: Duration) -> Result<HttpAnswer, String> {
        self.post_within(request, "", patience)
    }

    /// The same with a JSON document, such as `POST /v1/diff`; an empty one is none.
    pub(super) fn post_within(&self, request: &str, json: &str, patience: Duration) -> Result<HttpAnswer, String> {
        match self {
            Self::Http(address, token) => {
                http_within(*address, request, json, token.as_deref(), patience).map_err(|error| {
                    format!(
                        "nobody answers on http://{address}: {error}\n  hint: `vpcedns serve` answers there when it is \
                         given the same --http (or VPCEDNS_HTTP)"
                    )
                })
            }
            Self::Socket(path) => socket(path, request, json, patience).map_err(|error| {
                format!(
                    "no server answers on {}: {error}\n  hint: run this where `vpcedns serve` runs, as the same user, \
                     with the same --socket (or VPCEDNS_SOCKET)",
                    path.display()
                )
            }),
        }
    }

    /// The same; what is not answered with 200 is an error, too.
    pub(super) fn ask(&self, request: &str) -> Result<String, String> {
        Self::good(self.request(request)?)
    }

    /// The same, of what takes longer.
    pub(super) fn ask_within(&self, request: &str, patience: Duration) -> Result<String, String> {
        Self::good(self.request_within(request, patience)?)
    }

    fn good(answer: HttpAnswer) -> Result<String, String> {
        if answer.is_ok() { Ok(answer.body) } else { Err(format!("{}: {}", answer.status, answer.body.trim_end())) }
    }
}

/// Sends a request without a body, such as `GET /healthz`.
pub(super) fn http(address: SocketAddr, request: &str, token: Option<&str>) -> Result<HttpAnswer, Error> {
    http_within(address, request, "", token, PATIENCE)
}

fn http_within(
    address: SocketAddr,
    request: &str,
    json: &str,
    token: Option<&str>,
    patience: Duration,
) -> Result<HttpAnswer, Error> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    exchange(&mut stream, &format!("{request} HTTP/1.1\r\nHost: {address}\r\n{token}"), json)
}

fn socket(path: &Path, request: &str, json: &str, patience: Duration) -> Result<HttpAnswer, Error> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(&mut stream, &format!("{request} HTTP/1.1\r\nHost: localhost\r\n"), json)
}

fn exchange(stream: &mut (impl Read + Write), head: &str, json: &str) -> Result<HttpAnswer, Error> {
    let kind = if json.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let sent = write!(stream, "{head}{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{json}", json.len());
    // who has had enough of it may have said why
    if json.is_empty() {
        sent?;
    }
    let mut octets = Vec::new();
    stream.take(MOST).read_to_end(&mut octets)?;
    let text = String::from_utf8_lossy(&octets);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    match head.lines().next() {
        Some(status) => Ok(HttpAnswer { status: status.to_owned(), body: body.to_owned() }),
        None => Err(Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
    }
}
