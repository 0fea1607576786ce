//! `vpcedns health`: is a running server alive? For containers without a shell or curl.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::args::HealthArgs;

/// A server that needs longer for one line is not well.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn run(args: &HealthArgs) -> ExitCode {
    match status_line(args.http) {
        Ok(line) if line.starts_with("HTTP/1.1 200 ") => super::print("healthy\n"),
        Ok(line) => {
            eprintln!("error: http://{}/healthz says {}", args.http, line.trim_end());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: nobody answers on http://{}/healthz: {error}", args.http);
            eprintln!("  hint: `vpcedns serve` answers there when it is given the same --http (or VPCEDNS_HTTP)");
            ExitCode::FAILURE
        }
    }
}

/// The first line of the answer to `GET /healthz`.
fn status_line(address: SocketAddr) -> Result<String, Error> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut head = [0; 64];
    let mut filled = 0;
    while !head[..filled].contains(&b'\n') && filled < head.len() {
        match stream.read(&mut head[filled..])? {
            0 => return Err(Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
            count => filled += count,
        }
    }
    let text = String::from_utf8_lossy(&head[..filled]);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
