//! Asks for a load after a change below the directories, debounced, from a thread of its own.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::contract::{LoadRequest, LoadTrigger};
use super::scan::is_source;
use crate::problem::{Place, Problem};

/// After a change that is complete (a rename, a file that was closed), more of the same are waited for this long.
const QUIET: Duration = Duration::from_millis(1);
/// A file that is being written is given this long to be closed.
const HALF_WRITTEN: Duration = Duration::from_millis(200);
/// However many changes come, a load follows after this long.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a directory that has gone is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Watches directories until it is dropped.
pub(super) struct Watch(Sender<FileEvent>);

enum FileEvent {
    Complete,
    Started,
    Rewatch,
    Stop,
}

/// The thread that watches.
struct WatchThread {
    events: Receiver<FileEvent>,
    watcher: Option<RecommendedWatcher>,
    dirs: Vec<PathBuf>,
    watched: HashSet<PathBuf>,
    trigger: LoadTrigger,
}

impl Watch {
    /// Watches `dirs`, and all below. The problem says why changes are not seen, where the system refuses to tell them.
    pub(super) fn start(dirs: Vec<PathBuf>, trigger: LoadTrigger) -> (Option<Self>, Option<Problem>) {
        let (sender, events) = channel();
        let to = sender.clone();
        let roots = dirs.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(event) = classify(event, &roots) {
                let _ = to.send(event);
            }
        });
        let (watcher, refused) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut watcher = WatchThread { events, watcher, dirs, watched: HashSet::new(), trigger };
        let complaint = refused.or(watcher.rewatch());
        let thread = thread::Builder::new().name("vpcedns-watch".to_owned()).spawn(move || watcher.run());
        let complaint = complaint.or(thread.err().map(|error| error.to_string()));
        (Some(Self(sender)), complaint.as_deref().map(unseen))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // a thread that has ended needs no telling
        let _ = self.0.send(FileEvent::Stop);
    }
}

fn unseen(why: &str) -> Problem {
    Problem::warning(Place::whole("--zones"), format!("changes of files are not seen: {why}"), "SIGHUP loads them")
}

impl WatchThread {
    /// Asks for a load after each change, until it is told to stop.
    fn run(mut self) {
        loop {
            let timeout = if self.watched.len() < self.dirs.len() { LOOK_AGAIN } else { Duration::MAX };
            let Some(event) = recv(&self.events, timeout) else {
                let before = self.watched.len();
                self.rewatch();
                if self.watched.len() > before {
                    self.trigger.send(LoadRequest::Changed);
                }
                continue;
            };
            if !self.settle(event) {
                return;
            }
            self.trigger.send(LoadRequest::Changed);
        }
    }

    /// Waits until nothing more comes, so that many changes are one load. False: there will be no more.
    fn settle(&mut self, first: FileEvent) -> bool {
        let latest = Instant::now() + PATIENCE;
        let mut complete = false;
        let mut event = first;
        loop {
            match event {
                FileEvent::Stop => return false,
                FileEvent::Complete => complete = true,
                FileEvent::Started => {}
                FileEvent::Rewatch => {
                    self.watched.clear();
                    self.rewatch();
                    complete = true;
                }
            }
            // one file that is complete is not kept waiting by another that is still being written
            let wait = if complete { QUIET } else { HALF_WRITTEN };
            match self.events.recv_timeout(wait.min(latest.saturating_duration_since(Instant::now()))) {
                Ok(next) => event = next,
                Err(_) => return true,
            }
        }
    }

    /// Watches the directories that are not watched yet; the text says what went wrong.
    fn rewatch(&mut self) -> Option<String> {
        let watcher = self.watcher.as_mut()?;
        let mut complaint = None;
        for dir in &self.dirs {
            if self.watched.contains(dir) {
                continue;
            }
            match watcher.watch(dir, RecursiveMode::Recursive) {
                Ok(()) => {
                    self.watched.insert(dir.clone());
                }
                Err(error) => complaint = Some(format!("{}: {error}", dir.display())),
            }
        }
        complaint
    }
}

fn recv(events: &Receiver<FileEvent>, timeout: Duration) -> Option<FileEvent> {
    if timeout == Duration::MAX {
        // whoever holds the other end has gone: the watch is over
        return Some(events.recv().unwrap_or(FileEvent::Stop));
    }
    events.recv_timeout(timeout).ok()
}

/// What an event means; `None` for one that changes nothing, such as our own reading.
fn classify(event: notify::Result<notify::Event>, roots: &[PathBuf]) -> Option<FileEvent> {
    let Ok(event) = event else { return Some(FileEvent::Rewatch) };
    if event.need_rescan() {
        return Some(FileEvent::Complete);
    }
    let at_root = event.paths.iter().any(|path| roots.contains(path));
    let is_source = || event.paths.iter().any(|path| is_source(path));
    match event.kind {
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) if at_root => Some(FileEvent::Rewatch),
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(CreateKind::Folder) => {
            Some(FileEvent::Complete)
        }
        EventKind::Access(AccessKind::Close(AccessMode::Write)) if is_source() => Some(FileEvent::Complete),
        EventKind::Create(_) | EventKind::Modify(_) if is_source() => Some(FileEvent::Started),
        _ => None,
    }
}
