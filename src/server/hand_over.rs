//! A restart without a lost question: a running server gives its sockets to its successor, both read them until the
//! successor is ready, and then the old one answers what it has, and ends.
//!
//! The successor connects to the control socket, and says on that connection, one line each:
//!
//! | successor | answer | what the old server does |
//! |---|---|---|
//! | `state` | `free`, or why not | the EC2 API takes no calls and closes its state; connections wait in the socket |
//! | `sockets` | the descriptors (`descriptors/rights.rs`) | nothing else: it serves |
//! | `ready` | `leaving` | it reads no more, answers what it has, and ends |
//!
//! If the connection ends before `ready`, the old server goes on as if nothing had been.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, info, warn};

use super::ec2::Ec2Api;
use crate::descriptors::{self, Descriptors};
use crate::observe::HAND_OVER;
use crate::problem::{Place, Problem};

/// Longest time between two lines of a successor: the load of a large estate lies between them.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longest time for an answer, the end of calls under way included.
const ANSWER: Duration = Duration::from_secs(30);

/// What a server that is to be succeeded does.
pub(super) struct HandOver {
    descriptors: Descriptors,
    ec2: Option<Arc<Mutex<Ec2Api>>>,
    leave: Box<dyn Fn() + Send + Sync>,
    /// There is one successor at a time.
    is_busy: AtomicBool,
}

impl HandOver {
    /// `leave` ends the server, which leaves its sockets to the successor.
    pub(super) fn new(
        descriptors: Descriptors,
        ec2: Option<Arc<Mutex<Ec2Api>>>,
        leave: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self { descriptors, ec2, leave: Box::new(leave), is_busy: AtomicBool::new(false) }
    }

    /// Talks to a successor until it is ready, or gone.
    pub(super) fn talk(&self, stream: UnixStream) {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            // the stream is closed, by which the other one learns it
            return warn!("another server is being started already to take over");
        }
        match self.answer_lines(stream) {
            Ok(()) => {
                info!("another server has taken over; this one answers what it has, and ends");
                self.descriptors.hand_on();
                (self.leave)();
                return;
            }
            Err(failed) => warn!("the server that was to take over did not start: {failed}; this one goes on"),
        }
        if let Some(ec2) = &self.ec2
            && let Err(problems) = ec2.lock().unwrap_or_else(PoisonError::into_inner).resume()
        {
            for problem in problems {
                error!("the EC2 API does not go on: {problem}");
            }
        }
        self.is_busy.store(false, Ordering::Release);
    }

    fn answer_lines(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let mut lines = BufReader::new(stream.try_clone()?);
        loop {
            match read_line(&mut lines)?.as_str() {
                "sockets" => descriptors::send(&stream, &self.descriptors.on_offer())?,
                "state" => {
                    let freed = self
                        .ec2
                        .as_ref()
                        .map_or(Ok(()), |ec2| ec2.lock().unwrap_or_else(PoisonError::into_inner).pause());
                    writeln!(stream, "{}", freed.err().unwrap_or("free"))?;
                }
                "ready" => return writeln!(stream, "leaving"),
                other => return Err(io::Error::other(format!("it says '{}'", other.escape_debug()))),
            }
        }
    }
}

/// The server that is to be succeeded, as its successor sees it. Dropping it lets that server go on.
pub(super) struct Predecessor {
    stream: UnixStream,
    /// Its control socket.
    path: PathBuf,
}

impl Predecessor {
    /// The server that answers on the control socket at `path`; `None`: there is none.
    pub(super) fn find(path: &Path) -> Result<Option<Self>, Vec<Problem>> {
        let failed = |error| cannot_take_over(path, &error);
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                info!("no server answers on {}: there is nothing to take over", path.display());
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let mut predecessor = Self { stream, path: path.to_owned() };
        predecessor.begin().map_err(failed)?;
        Ok(Some(predecessor))
    }

    /// Takes its sockets into `descriptors`: those that it has now, so that it should not open others any more.
    pub(super) fn give_sockets(&mut self, descriptors: &Descriptors) -> Result<(), Vec<Problem>> {
        let sockets = self.stream.write_all(b"sockets\n").and_then(|()| descriptors::receive(&self.stream));
        descriptors.add_predecessors(sockets.map_err(|error| cannot_take_over(&self.path, &error))?);
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(ANSWER))?;
        self.stream.set_write_timeout(Some(ANSWER))?;
        write!(
            self.stream,
            "POST /v1/hand-over HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: {HAND_OVER}\r\n\
             Content-Length: 0\r\n\r\n"
        )?;
        let mut status = String::new();
        loop {
            let line = read_line(&mut one_by_one(&self.stream))?;
            match line.trim_end() {
                "" => break,
                line if status.is_empty() => line.clone_into(&mut status),
                _ => {}
            }
        }
        if !status.contains(" 101 ") {
            return Err(io::Error::other(format!("it answers {status}")));
        }
        Ok(())
    }

    /// Has the predecessor give the state of its EC2 API free.
    pub(super) fn free_state(&mut self) -> Result<(), Vec<Problem>> {
        match self.ask("state") {
            Ok(answer) if answer == "free" => Ok(()),
            Ok(why) => Err(kept(&why)),
            Err(error) => Err(kept(&error.to_string())),
        }
    }

    /// Tells the predecessor that this process answers.
    pub(super) fn succeed(mut self) {
        match self.ask("ready") {
            Ok(_) => info!("this server has taken over; the former one answers what it has, and ends"),
            Err(error) => warn!("the former server does not say that it ends: {error}"),
        }
    }

    fn ask(&mut self, line: &str) -> io::Result<String> {
        writeln!(self.stream, "{line}")?;
        read_line(&mut one_by_one(&self.stream))
    }
}

fn cannot_take_over(path: &Path, error: &io::Error) -> Vec<Problem> {
    let what = format!("cannot take over from the server on {}: {error}", path.display());
    let hint = "its log may say more; without --take-over, stop it first";
    vec![Problem::error(Place::whole("--take-over"), what, hint)]
}

fn kept(why: &str) -> Vec<Problem> {
    let hint = "start again; calls of the EC2 API come to their end first";
    vec![Problem::error(
        Place::whole("--take-over"),
        format!("the former server keeps the EC2 API's state: {why}"),
        hint,
    )]
}

/// Reads no octet too many: what comes behind a line may have descriptors, which an ordinary read would lose.
fn one_by_one(stream: &UnixStream) -> BufReader<&UnixStream> {
    BufReader::with_capacity(1, stream)
}

/// A line without its end; an error if the other side is gone.
fn read_line(lines: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match io::Read::take(lines, LINE).read_line(&mut line)? {
        _ if line.ends_with('\n') => Ok(line.trim_end().to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is gone")),
    }
}

/// Octets of a line, at most.
const LINE: u64 = 1024;
