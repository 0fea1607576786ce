//! The thread that writes what is in the queue.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::sink::{LogPlace, Sink};
use super::{AnsweredQuestion, QueryLog, QueryLogCounts, dnstap, format};
use crate::config::Settings;
use crate::problem::{Place, Problem};

/// Questions that wait to be written; the next ones are dropped.
const QUESTIONS: usize = 16 << 10;
/// What is written is seen after this long, at most.
const FLUSH: Duration = Duration::from_millis(200);
/// Time between two looks at a file that may have been rotated, and between attempts to open a place again.
const LOOK: Duration = Duration::from_secs(1);

impl QueryLog {
    /// Starts the log where the settings ask for one. A file that cannot be opened is an error; a socket is waited for.
    pub fn start(settings: &Settings) -> Result<Option<Self>, Vec<Problem>> {
        let wanted = [(&settings.query_log, false), (&settings.dnstap, true)];
        let outputs = wanted.into_iter().filter_map(|(text, frames)| Some(Output::open(text.as_deref()?, frames)));
        let outputs = outputs.collect::<Result<Vec<_>, Problem>>().map_err(|problem| vec![problem])?;
        if outputs.is_empty() {
            return Ok(None);
        }
        let (log, queue) = Self::queue(settings.query_log_one_of);
        let counts = Arc::clone(log.counts());
        let thread = thread::Builder::new().name("vpcedns-qlog".to_owned());
        let cannot = |error: io::Error| {
            vec![Problem::error(Place::whole("--query-log"), format!("cannot start a thread: {error}"), "")]
        };
        thread.spawn(move || run(&queue, outputs, &counts)).map_err(cannot)?;
        Ok(Some(log))
    }

    /// A log of one question of `one_of`, and the end of its queue.
    fn queue(one_of: u32) -> (Self, Receiver<AnsweredQuestion>) {
        let (queue, receiver) = sync_channel(QUESTIONS);
        (Self { queue, one_of, counts: Arc::default() }, receiver)
    }
}

/// One place, and what is written there.
struct Output {
    place: LogPlace,
    frames: bool,
    sink: Option<Sink>,
    /// When it was last looked at, or opened in vain.
    looked: Instant,
    /// It is known that it cannot be written to.
    told: bool,
}

impl Output {
    fn open(text: &str, frames: bool) -> Result<Self, Problem> {
        let place = LogPlace::of(text);
        let mut output = Self { sink: None, place, frames, looked: Instant::now(), told: false };
        match (Sink::open(&output.place, frames), &output.place) {
            (Ok(sink), _) => output.sink = Some(sink),
            (Err(error), LogPlace::Socket(_)) => output.failed(&error),
            (Err(error), _) => {
                let flag = if frames { "--dnstap" } else { "--query-log" };
                let hint =
                    format!("name a file that this user may write to, `unix:` and a socket, or `-`, with {flag}");
                return Err(Problem::error(Place::whole(text), error.to_string(), hint));
            }
        }
        Ok(output)
    }

    fn failed(&mut self, error: &io::Error) {
        self.sink = None;
        self.looked = Instant::now();
        if !std::mem::replace(&mut self.told, true) {
            warn!("the query log cannot be written: {}: {error}", self.name());
        }
    }

    fn name(&self) -> String {
        match &self.place {
            LogPlace::Stdout => "standard output".to_owned(),
            LogPlace::File(path) | LogPlace::Socket(path) => Path::display(path).to_string(),
        }
    }

    /// Opens it again where that is due.
    fn look(&mut self, now: Instant) {
        if now.duration_since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        if self.sink.as_ref().is_some_and(Sink::is_moved) {
            self.end();
        }
        if self.sink.is_none() {
            match Sink::open(&self.place, self.frames) {
                Ok(sink) => {
                    self.sink = Some(sink);
                    if std::mem::take(&mut self.told) {
                        info!("the query log is written again: {}", self.name());
                    }
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Whether it was written.
    fn write(&mut self, question: &AnsweredQuestion, identity: &str) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        let written = if self.frames {
            sink.write(&dnstap::data(&dnstap::frame(question, identity)))
        } else {
            format::line(question).map_or(Ok(()), |line| sink.write((line + "\n").as_bytes()))
        };
        written.map_err(|error| self.failed(&error)).is_ok()
    }

    fn flush(&mut self) {
        if let Some(Err(error)) = self.sink.as_mut().map(Sink::flush) {
            self.failed(&error);
        }
    }

    fn end(&mut self) {
        if let Some(mut sink) = self.sink.take() {
            if self.frames {
                let _ = sink.write(&dnstap::ControlFrame::Stop.octets());
            }
            let _ = sink.flush();
        }
    }
}

fn run(queue: &Receiver<AnsweredQuestion>, mut outputs: Vec<Output>, counts: &QueryLogCounts) {
    let identity = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut flushed = Instant::now();
    loop {
        let next = queue.recv_timeout(FLUSH);
        let now = Instant::now();
        for output in &mut outputs {
            output.look(now);
        }
        match next {
            Ok(question) => {
                let size = question.query.len() + question.reply.len();
                let written =
                    outputs.iter_mut().map(|output| output.write(&question, &identity)).fold(false, |a, b| a | b);
                let count = if written { &counts.written } else { &counts.dropped };
                count.fetch_add(1, Ordering::Relaxed);
                counts.queued.fetch_sub(size, Ordering::Relaxed);
                if now.duration_since(flushed) < FLUSH {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return outputs.iter_mut().for_each(Output::end),
        }
        flushed = now;
        outputs.iter_mut().for_each(Output::flush);
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;

    use super::super::OCTETS;
    use super::*;

    #[test]
    fn what_nobody_writes_is_dropped_and_counted() {
        let (log, queue) = QueryLog::queue(1);
        let question = format::tests::question();
        let one = AnsweredQuestion { reply: vec![0; OCTETS / 2].into(), ..question.clone() };
        log.push(one.clone());
        log.push(one);
        assert_eq!(log.counts().totals(), (0, 1), "two have more octets than may wait");
        drop(queue);
        log.push(question);
        assert_eq!(log.counts().totals(), (0, 2), "nobody is there");
    }

    #[test]
    fn one_of_so_many_is_logged() {
        let (log, _queue) = QueryLog::queue(100);
        let due = (0..100_000).filter(|_| log.is_due()).count();
        assert!((700..1_400).contains(&due), "{due}");
        let (all, _queue) = QueryLog::queue(1);
        assert!((0..1000).all(|_| all.is_due()));
    }

    #[test]
    fn a_rotated_file_is_followed_and_a_socket_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut output = Output::open(path.to_str().unwrap(), false).unwrap();
        let question = format::tests::question();
        assert!(output.write(&question, "host"));
        output.flush();
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        assert!(output.write(&question, "host"));
        output.look(Instant::now() + LOOK);
        assert!(output.write(&question, "host"));
        output.end();
        let lines = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().lines().count();
        assert_eq!((lines("log.1"), lines("log")), (2, 1));

        let socket = dir.path().join("socket");
        let mut output = Output::open(&format!("unix:{}", socket.display()), false).unwrap();
        assert!(!output.write(&question, "host"));
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        output.look(Instant::now() + LOOK);
        assert!(output.write(&question, "host"));
        output.flush();
        let mut line = String::new();
        io::BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
        assert!(line.contains("\"vpc_id\":\"vpc-ec43eb89\""), "{line}");
        assert!(Output::open("/nowhere/log", false).is_err());
    }
}
