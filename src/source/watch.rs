//! Asks for a load after a change below the directories, debounced, from a thread of its own; knows which files are
//! half written, and what of the changes is not told.
//!
//! ```text
//! trail     directories, links  -> the directories to watch
//! inotify   the system          -> what happened in them
//! ledger    what happened, looks -> which files are half written
//! net       stamps, every few seconds -> changes that nobody told of
//! ```

mod inotify;
mod ledger;
mod look;
mod net;
mod trail;

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::contract::{LoadRequest, LoadTrigger, SourceHealth};
use super::stamp::FileStamp;
use crate::problem::{Place, Problem};
pub use ledger::{LEFT_OPEN, Ledger, Readable};
use look::Lookout;

/// After a change that is complete, more of the same are waited for this long.
const QUIET: Duration = Duration::from_millis(1);
/// However many changes come, a load follows after this long.
const PATIENCE: Duration = Duration::from_millis(500);

/// Watches directories until it is dropped.
pub(super) struct Watch {
    lookout: Arc<Mutex<Lookout>>,
    wake: Arc<OwnedFd>,
    /// Why changes are not seen at all, though they should be.
    dead: Option<String>,
}

impl Watch {
    /// Watches `dirs`, and all below.
    pub(super) fn start(dirs: Vec<PathBuf>, trigger: LoadTrigger) -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let lookout = Arc::new(Mutex::new(Lookout::new(dirs)));
        let thread = WatchThread { lookout: lookout.clone(), wake: wake.clone(), trigger, first: None };
        let started = thread::Builder::new().name("vpcedns-watch".to_owned()).spawn(move || thread.run());
        let dead = started.err().map(|error| format!("no thread can be started: {error}"));
        Ok(Self { lookout, wake, dead })
    }

    fn lookout(&self) -> MutexGuard<'_, Lookout> {
        lock(&self.lookout)
    }

    /// Takes note of all that has been told so far.
    pub(super) fn catch_up(&self) {
        if self.lookout().catch_up(Instant::now()) {
            self.wake(1);
        }
    }

    /// Looks again at files whose time for that has come. Once for each reading: all of it goes by the same looks.
    pub(super) fn judge(&self) {
        self.lookout().judge(Instant::now());
    }

    /// Whether the file at this real path may be read now, which looks like `look`; `before`: how it looked when it was
    /// read last. Of one that is not there: whether it may be forgotten.
    pub(super) fn readable(&self, real: &Path, look: Option<FileStamp>, before: Option<FileStamp>) -> Readable {
        let readable = self.lookout().readable(real, look, before, Instant::now());
        if readable != Readable::Whole {
            // the thread knows when to look again
            self.wake(1);
        }
        readable
    }

    /// Takes note of how the files looked at a reading that has ended; `beside`: those of them that others name.
    pub(super) fn has_read(&self, looks: Vec<(PathBuf, Option<FileStamp>)>, beside: HashSet<PathBuf>) {
        self.lookout().has_read(looks, beside);
    }

    /// Someone asks for what is there now: two equal looks are enough, whatever is told of writers.
    pub(super) fn doubt(&self) {
        self.lookout().doubt_all(Instant::now());
        self.wake(1);
    }

    /// How the watch is.
    pub(super) fn health(&self) -> SourceHealth {
        let health = self.lookout().health(Instant::now());
        SourceHealth { untold: health.untold || self.dead.is_some(), ..health }
    }

    /// What is wrong with seeing changes, and with files that are half written for long.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.lookout().problems(Instant::now());
        problems.extend(self.dead.as_deref().map(unseen));
        problems
    }

    fn wake(&self, count: u64) {
        // full: it is awake already
        let _ = rustix::io::write(&*self.wake, &count.to_ne_bytes());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.lookout().stop = true;
        self.wake(1);
    }
}

/// The problem of changes that are not seen at all.
pub(super) fn unseen(why: &str) -> Problem {
    Problem::warning(Place::whole("--zones"), format!("changes of files are not seen: {why}"), "SIGHUP loads them")
}

fn lock(lookout: &Mutex<Lookout>) -> MutexGuard<'_, Lookout> {
    lookout.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that watches.
struct WatchThread {
    lookout: Arc<Mutex<Lookout>>,
    wake: Arc<OwnedFd>,
    trigger: LoadTrigger,
    /// When the first change came that no load has been asked for yet.
    first: Option<Instant>,
}

impl WatchThread {
    /// Asks for a load after each change, until the watch is dropped.
    fn run(mut self) {
        loop {
            let (due, stop) = {
                let mut lookout = lock(&self.lookout);
                let now = Instant::now();
                lookout.turn(now);
                if lookout.take_change() {
                    self.first.get_or_insert(now);
                    (Some(now + QUIET), lookout.stop)
                } else {
                    if self.first.take().is_some() {
                        self.trigger.send(LoadRequest::Changed);
                    }
                    (lookout.next_due(now), lookout.stop)
                }
            };
            if stop {
                return;
            }
            // changes that go on and on are loaded now and then
            if self.first.is_some_and(|first| first.elapsed() > PATIENCE) {
                self.first = None;
                self.trigger.send(LoadRequest::Changed);
            }
            self.wait(due);
        }
    }

    /// Waits until the system tells something, someone wakes this thread, or `due`.
    fn wait(&self, due: Option<Instant>) {
        let told = lock(&self.lookout).events();
        let mut fds = vec![PollFd::new(&*self.wake, PollFlags::IN)];
        fds.extend(told.as_ref().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)));
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        if poll(&mut fds, timeout.as_ref()).is_err() {
            // interrupted; any other error must not make this loop spin
            thread::sleep(QUIET);
        }
        let mut count = [0; 8];
        // empty: something else woke it
        let _ = rustix::io::read(&*self.wake, &mut count);
    }
}
