//! When to load again: after a change below the directories, debounced, or when told to.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::source;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// After a change that is complete (a rename, a file that was closed), more of the same are waited for this long.
const QUIET: Duration = Duration::from_millis(1);
/// A file that is being written is given this long to be closed.
const HALF_WRITTEN: Duration = Duration::from_millis(200);
/// However many changes come, a load follows after this long.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a directory that has gone is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something below the directories changed.
    Changed,
    /// Someone asked for it.
    Asked,
    /// There will be no more.
    Stop,
}

enum Event {
    Complete,
    Started,
    Rewatch,
    Asked,
    Stop,
}

/// Watches directories.
pub struct Watch {
    events: Receiver<Event>,
    sender: Sender<Event>,
    watcher: Option<RecommendedWatcher>,
    dirs: Vec<PathBuf>,
    watched: HashSet<PathBuf>,
}

/// Makes a [`Watch`] report.
#[derive(Clone)]
pub struct Waker(Sender<Event>);

impl Waker {
    /// Asks for a load.
    pub fn ask(&self) {
        // a watch that has ended needs no waking
        let _ = self.0.send(Event::Asked);
    }

    /// Asks for the end.
    pub fn stop(&self) {
        let _ = self.0.send(Event::Stop);
    }
}

impl Watch {
    /// Watches `dirs`, and all below. The text says why changes are not seen, where the system refuses to tell them.
    pub fn new(dirs: &[PathBuf]) -> (Self, Option<String>) {
        let (sender, events) = channel();
        let to = sender.clone();
        let roots: Vec<PathBuf> = dirs.to_vec();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(event) = classify(event, &roots) {
                let _ = to.send(event);
            }
        });
        let (watcher, mut complaint) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut watch = Self { events, sender, watcher, dirs: dirs.to_vec(), watched: HashSet::new() };
        complaint = complaint.or(watch.rewatch());
        (watch, complaint)
    }

    /// Something that wakes it from elsewhere.
    pub fn waker(&self) -> Waker {
        Waker(self.sender.clone())
    }

    /// Waits for the next reason to load.
    pub fn wait(&mut self) -> Wake {
        loop {
            let timeout = if self.watched.len() < self.dirs.len() { LOOK_AGAIN } else { Duration::MAX };
            let Some(event) = recv(&self.events, timeout) else {
                self.rewatch();
                if self.watched.len() == self.dirs.len() {
                    return Wake::Changed;
                }
                continue;
            };
            if let Some(wake) = self.settle(event) {
                return wake;
            }
        }
    }

    /// Waits until nothing more comes, so that many changes are one load.
    fn settle(&mut self, first: Event) -> Option<Wake> {
        let latest = Instant::now() + PATIENCE;
        let mut wake = Wake::Changed;
        let mut complete = false;
        let mut event = first;
        loop {
            match event {
                Event::Stop => return Some(Wake::Stop),
                Event::Asked => {
                    wake = Wake::Asked;
                    complete = true;
                }
                Event::Complete => complete = true,
                Event::Started => {}
                Event::Rewatch => {
                    self.watched.clear();
                    self.rewatch();
                    complete = true;
                }
            }
            // one file that is complete is not kept waiting by another that is still being written
            let wait = if complete { QUIET } else { HALF_WRITTEN };
            match self.events.recv_timeout(wait.min(latest.saturating_duration_since(Instant::now()))) {
                Ok(next) => event = next,
                Err(_) => return Some(wake),
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

fn recv(events: &Receiver<Event>, timeout: Duration) -> Option<Event> {
    if timeout == Duration::MAX {
        // the watch holds a sender itself, so the channel cannot end
        return events.recv().ok();
    }
    events.recv_timeout(timeout).ok()
}

/// What an event means; `None` for one that changes nothing, such as our own reading.
fn classify(event: notify::Result<notify::Event>, roots: &[PathBuf]) -> Option<Event> {
    let Ok(event) = event else { return Some(Event::Rewatch) };
    if event.need_rescan() {
        return Some(Event::Complete);
    }
    let at_root = event.paths.iter().any(|path| roots.contains(path));
    let is_source = || event.paths.iter().any(|path| source::is_source(path));
    match event.kind {
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) if at_root => Some(Event::Rewatch),
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(CreateKind::Folder) => {
            Some(Event::Complete)
        }
        EventKind::Access(AccessKind::Close(AccessMode::Write)) if is_source() => Some(Event::Complete),
        EventKind::Create(_) | EventKind::Modify(_) if is_source() => Some(Event::Started),
        _ => None,
    }
}
