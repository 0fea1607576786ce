//! The threads that write what is in the queues, one for each place.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::dnstap::{ControlFrame, FrameWriter};
use super::sink::{LogPlace, Sink};
use super::{AnsweredQuestion, PlaceQueue, QueryLog, QueryLogCounts, format};
use crate::config::Settings;
use crate::priority;
use crate::problem::{Place, Problem};

/// Questions that wait to be written; the next ones are dropped.
const QUESTIONS: usize = 16 << 10;
/// Time for questions to gather: a thread that is woken for each of them costs more than what it writes.
const GATHER: Duration = Duration::from_millis(5);
/// What is written is seen after this long, at most.
const FLUSH: Duration = Duration::from_millis(200);
/// Time between two looks at a file that may have been rotated, and between attempts to open a place again.
const LOOK: Duration = Duration::from_secs(1);

impl QueryLog {
    /// Starts the log where the settings ask for one. A file that cannot be opened is an error; a socket is waited for.
    pub fn start(settings: &Settings) -> Result<Option<Self>, Vec<Problem>> {
        let wanted = [(&settings.query_log, false), (&settings.dnstap, true)];
        let mut outputs = Vec::new();
        for (text, frames) in wanted {
            outputs.extend(text.as_deref().map(|text| Output::open(text, frames)));
        }
        let outputs = outputs.into_iter().collect::<Result<Vec<_>, Problem>>().map_err(|problem| vec![problem])?;
        if outputs.is_empty() {
            return Ok(None);
        }
        let counts = Arc::default();
        let places = outputs.into_iter().map(|output| output.start(&counts)).collect::<io::Result<_>>();
        let cannot = |error: io::Error| {
            vec![Problem::error(Place::whole("--query-log"), format!("cannot start a thread: {error}"), "")]
        };
        Ok(Some(Self { places: places.map_err(cannot)?, one_of: settings.query_log_one_of, counts }))
    }
}

/// A queue, and what its thread has of it.
fn queue() -> (PlaceQueue, QueueEnd) {
    let (questions, waiting) = sync_channel(QUESTIONS);
    let (end, ended) = sync_channel(0);
    let queued = Arc::new(AtomicUsize::new(0));
    let place = PlaceQueue { questions, queued: Arc::clone(&queued), ended: Mutex::new(ended) };
    (place, QueueEnd { waiting, queued, _end: end })
}

/// The end of a queue that is read.
struct QueueEnd {
    waiting: Receiver<Option<Arc<AnsweredQuestion>>>,
    queued: Arc<AtomicUsize>,
    /// Dropped when the thread ends.
    _end: SyncSender<()>,
}

/// One place, and what is written there.
struct Output {
    place: LogPlace,
    /// `None`: lines of JSON.
    frames: Option<FrameWriter>,
    sink: Option<Sink>,
    /// Of the question that is written.
    octets: Vec<u8>,
    /// When it was last looked at.
    looked: Option<Instant>,
    /// It is known that it cannot be written to.
    told: bool,
}

impl Output {
    fn open(text: &str, frames: bool) -> Result<Self, Problem> {
        let place = LogPlace::of(text);
        // whoever listens on a socket may be slow: that is for the thread
        let sink = if matches!(place, LogPlace::Socket(_)) { None } else { Some(Sink::open(&place, frames)) };
        let sink = sink.transpose().map_err(|error| {
            let flag = if frames { "--dnstap" } else { "--query-log" };
            let hint = format!("name a file that this user may write to, `unix:` and a socket, or `-`, with {flag}");
            Problem::error(Place::whole(text), error.to_string(), hint)
        })?;
        let name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        let frames = frames.then(|| FrameWriter::new(&name()));
        Ok(Self { sink, place, frames, octets: Vec::new(), looked: None, told: false })
    }

    /// Has a thread of its own write what is in its queue.
    fn start(self, counts: &Arc<QueryLogCounts>) -> io::Result<PlaceQueue> {
        let ((place, end), counts) = (queue(), Arc::clone(counts));
        thread::Builder::new().name("vpcedns-qlog".to_owned()).spawn(move || self.run(&end, &counts))?;
        Ok(place)
    }

    fn run(mut self, queue: &QueueEnd, counts: &QueryLogCounts) {
        priority::give_way();
        let mut flushed = Instant::now();
        loop {
            let mut next = queue.waiting.recv_timeout(FLUSH);
            let now = Instant::now();
            self.look(now);
            let mut written = 0;
            loop {
                match next {
                    Ok(Some(question)) => {
                        let count = if self.write(&question) { &counts.written } else { &counts.dropped };
                        count.fetch_add(1, Ordering::Relaxed);
                        queue.queued.fetch_sub(question.size(), Ordering::Relaxed);
                        written += 1;
                    }
                    Ok(None) | Err(RecvTimeoutError::Disconnected) => return self.end(),
                    Err(RecvTimeoutError::Timeout) => break,
                }
                // there may always be another one
                if written == QUESTIONS {
                    break;
                }
                next = queue.waiting.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                });
            }
            if written == 0 || now.duration_since(flushed) >= FLUSH {
                flushed = now;
                self.flush();
            }
            if (1..QUESTIONS).contains(&written) {
                thread::sleep(GATHER);
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.sink = None;
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
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return;
        }
        self.looked = Some(now);
        if self.sink.as_ref().is_some_and(Sink::is_moved) {
            self.end();
        }
        if self.sink.is_none() {
            match Sink::open(&self.place, self.frames.is_some()) {
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
    fn write(&mut self, question: &AnsweredQuestion) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        self.octets.clear();
        match &self.frames {
            Some(frames) => frames.write(question, &mut self.octets),
            // packets that are no question are no line, and no fault either
            None => {
                format::write_line(question, &mut self.octets);
            }
        }
        sink.write(&self.octets).map_err(|error| self.failed(&error)).is_ok()
    }

    fn flush(&mut self) {
        if let Some(Err(error)) = self.sink.as_mut().map(Sink::flush) {
            self.failed(&error);
        }
    }

    fn end(&mut self) {
        if let Some(mut sink) = self.sink.take() {
            if self.frames.is_some() {
                let _ = sink.write(&ControlFrame::Stop.octets());
            }
            let _ = sink.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;

    use super::super::OCTETS;
    use super::*;

    /// A log of one place.
    fn one_place(one_of: u32) -> (QueryLog, QueueEnd) {
        let (place, end) = queue();
        (QueryLog { places: Arc::from([place]), one_of, counts: Arc::default() }, end)
    }

    #[test]
    fn at_the_end_all_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let settings = Settings { query_log: Some(path.display().to_string()), ..Settings::default() };
        let log = QueryLog::start(&settings).unwrap().unwrap();
        (0..1000).for_each(|_| log.push(format::tests::question()));
        log.end(Duration::from_secs(30));
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1000);
        assert_eq!(log.counts().totals(), (1000, 0));
    }

    #[test]
    fn what_nobody_writes_is_dropped_and_counted() {
        let (log, end) = one_place(1);
        let question = format::tests::question();
        let one = AnsweredQuestion { reply: vec![0; OCTETS / 2].into(), ..question.clone() };
        log.push(one.clone());
        log.push(one);
        assert_eq!(log.counts().totals(), (0, 1), "two have more octets than may wait");
        drop(end);
        log.push(question);
        assert_eq!(log.counts().totals(), (0, 2), "nobody is there");
    }

    #[test]
    fn one_of_so_many_is_logged() {
        let (log, _end) = one_place(100);
        let due = (0..100_000).filter(|_| log.is_due()).count();
        assert!((700..1_400).contains(&due), "{due}");
        let (all, _end) = one_place(1);
        assert!((0..1000).all(|_| all.is_due()));
    }

    #[test]
    fn a_rotated_file_is_followed_and_a_socket_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut output = Output::open(path.to_str().unwrap(), false).unwrap();
        let question = format::tests::question();
        output.look(Instant::now());
        assert!(output.write(&question));
        output.flush();
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        assert!(output.write(&question));
        output.look(Instant::now() + LOOK);
        assert!(output.write(&question));
        output.end();
        let lines = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().lines().count();
        assert_eq!((lines("log.1"), lines("log")), (2, 1));

        let socket = dir.path().join("socket");
        let mut output = Output::open(&format!("unix:{}", socket.display()), false).unwrap();
        output.look(Instant::now());
        assert!(!output.write(&question));
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        output.look(Instant::now() + LOOK);
        assert!(output.write(&question));
        output.flush();
        let mut line = String::new();
        io::BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
        assert!(line.contains("\"vpc_id\":\"vpc-ec43eb89\""), "{line}");
        assert!(Output::open("/nowhere/log", false).is_err());
    }
}
