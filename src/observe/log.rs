//! The log: lines go into a bounded queue, and a thread of its own writes them.
//!
//! Logging never blocks, fails or panics, whatever becomes of stderr: a full disk, a closed pipe and a pipe that nobody
//! reads cost lines, which are counted. No client can cause more than one line a minute and kind.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::problem::Fault;

/// Lines that wait to be written; the next ones are dropped.
const LINES: usize = 1024;
/// Octets that wait to be written; lines beyond are dropped.
const OCTETS: usize = 1 << 20;
/// A kind of event that clients can cause is written once in this time.
const FLOOD_PERIOD: Duration = Duration::from_secs(60);
/// Targets of events that clients can cause, besides those of other crates.
const CAUSED_BY_CLIENTS: [&str; 4] =
    ["vpcedns::serve", "vpcedns::resolve", "vpcedns::observe::front", "vpcedns::ec2::http"];

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Log lines that could not be written since the start, of the whole process.
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// A bounded queue of lines before something that may be slow, full or closed.
#[derive(Clone)]
pub struct LineQueue {
    lines: SyncSender<Vec<u8>>,
    octets: Arc<AtomicUsize>,
}

impl LineQueue {
    /// A queue whose lines a new thread writes to `out`. Without a thread, all lines are dropped and counted.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        let (lines, receiver) = sync_channel(LINES);
        let octets = Arc::new(AtomicUsize::new(0));
        let queued = Arc::clone(&octets);
        let thread = thread::Builder::new().name("vpcedns-log".to_owned());
        drop(thread.spawn(move || write_lines(&receiver, &queued, out)));
        Self { lines, octets }
    }

    /// Puts a line into the queue, or drops it if there is no room; never waits.
    pub fn push(&self, line: &[u8]) {
        let before = self.octets.fetch_add(line.len(), Ordering::Relaxed);
        if before + line.len() > OCTETS || self.lines.try_send(line.to_vec()).is_err() {
            self.octets.fetch_sub(line.len(), Ordering::Relaxed);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all lines are written, at most for `patience`.
    pub fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.octets.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn write_lines(lines: &Receiver<Vec<u8>>, queued: &AtomicUsize, mut out: impl Write) {
    let mut told = 0;
    for line in lines {
        let mut written = out.write_all(&line).and_then(|()| out.flush());
        let dropped = dropped_lines();
        if written.is_ok() && dropped > told {
            written = writeln!(out, "{} log lines were dropped, as they could not be written", dropped - told);
            told = dropped;
        }
        if written.is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        queued.fetch_sub(line.len(), Ordering::Relaxed);
    }
}

/// One event is one call of `write`.
impl Write for LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LineQueue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The log of the process: its queue, and the filter that can be changed.
#[derive(Clone)]
pub struct Log {
    queue: LineQueue,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    /// Starts the log of this process on stderr; to be called once.
    pub fn start(filter: &str) -> Result<Self, Fault> {
        let (layer, handle) = reload::Layer::new(parse(filter)?);
        let queue = LineQueue::to(io::stderr());
        let lines = tracing_subscriber::fmt::layer().with_writer(queue.clone()).with_ansi(io::stderr().is_terminal());
        let flood = FloodLimit { last: Mutex::default(), queue: queue.clone() };
        let started = tracing_subscriber::registry().with(layer).with(flood).with(lines).try_init();
        started.map_err(|error| Fault::new(format!("the log cannot be started: {error}"), ""))?;
        Ok(Self { queue, filter: handle })
    }

    /// Logs by another filter from now on.
    pub fn set(&self, filter: &str) -> Result<(), Fault> {
        let failed = |error: reload::Error| Fault::new(format!("the log level cannot be changed: {error}"), "");
        self.filter.reload(parse(filter)?).map_err(failed)
    }

    /// Writes a line that is not an event.
    pub fn line(&self, line: &str) {
        self.queue.push(format!("{line}\n").as_bytes());
    }

    /// Waits until all lines are written, at most for `patience`.
    pub fn flush(&self, patience: Duration) {
        self.queue.flush(patience);
    }
}

fn parse(filter: &str) -> Result<EnvFilter, Fault> {
    // the validator logs the content of every forged reply, and h2 warns of every client that breaks its rules: whoever
    // sends such would fill the disk
    EnvFilter::try_new(format!("hickory_net=off,h2=off,{filter}")).map_err(|error| {
        let hint = "use error, warn, info, debug or trace, or a filter such as vpcedns::reload=debug";
        Fault::new(format!("'{filter}' is not a log level: {error}"), hint)
    })
}

/// Lets one event of a kind (its place in the source) through a minute, where clients can cause it.
///
/// Not below `info`: who asks for debug lines wants them.
struct FloodLimit {
    last: Mutex<HashMap<Identifier, Kept>>,
    queue: LineQueue,
}

/// The last event of a kind that was let through, and how many were not since.
struct Kept {
    at: Instant,
    left_out: u64,
}

impl FloodLimit {
    /// How many events of this kind were left out before this one; `None`: this one is left out, too.
    fn admit(&self, kind: Identifier, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.get_mut(&kind) {
            Some(kept) if now.saturating_duration_since(kept.at) < FLOOD_PERIOD => {
                kept.left_out += 1;
                None
            }
            Some(kept) => {
                kept.at = now;
                Some(std::mem::take(&mut kept.left_out))
            }
            None => {
                last.insert(kind, Kept { at: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for FloodLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || !is_caused_by_clients(metadata.target()) {
            return true;
        }
        let Some(left_out) = self.admit(metadata.callsite(), Instant::now()) else { return false };
        if left_out > 0 {
            self.queue.push(format!("{left_out} lines like the next were left out\n").as_bytes());
        }
        true
    }
}

fn is_caused_by_clients(target: &str) -> bool {
    let is_below =
        |room: &&str| target.strip_prefix(*room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    !target.starts_with("vpcedns") || CAUSED_BY_CLIENTS.iter().any(is_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing, as a pipe that nobody reads, until it is let go.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Fails always, as a full disk.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_dropped_and_counted() {
        let (go, wait) = sync_channel(0);
        let stuck = LineQueue::to(Stuck(wait));
        let before = dropped_lines();
        for _ in 0..3 * LINES {
            stuck.push(b"line\n");
        }
        // one is being written, and as many wait as there is room for
        let dropped = dropped_lines() - before;
        assert!((2 * LINES as u64 - 1..=2 * LINES as u64).contains(&dropped), "{dropped} of {}", 3 * LINES);
        stuck.push(&vec![b'x'; OCTETS + 1]);
        assert!(dropped_lines() > before + dropped, "a line that is too long");
        drop(go);

        let full = LineQueue::to(Full);
        let before = dropped_lines();
        full.push(b"line\n");
        full.flush(Duration::from_secs(10));
        assert!(dropped_lines() > before);
    }

    #[test]
    fn a_kind_is_let_through_once_a_minute() {
        let limit = FloodLimit { last: Mutex::default(), queue: LineQueue::to(io::sink()) };
        let callsites = [
            tracing::callsite!(name: "a", kind: tracing::metadata::Kind::EVENT, fields: ),
            tracing::callsite!(name: "b", kind: tracing::metadata::Kind::EVENT, fields: ),
        ];
        let [a, b] = callsites.map(|callsite| tracing::Callsite::metadata(callsite).callsite());
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(limit.admit(a.clone(), at(0)), Some(0));
        assert_eq!((limit.admit(a.clone(), at(1)), limit.admit(a.clone(), at(59))), (None, None));
        assert_eq!(limit.admit(b, at(2)), Some(0), "another kind");
        assert_eq!(limit.admit(a, at(60)), Some(2));
    }

    #[test]
    fn our_own_news_is_not_limited() {
        assert!(is_caused_by_clients("h2::codec") && is_caused_by_clients("vpcedns::serve::tcp"));
        assert!(!is_caused_by_clients("vpcedns::server::reload") && !is_caused_by_clients("vpcedns::audit"));
    }
}
