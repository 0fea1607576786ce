//! Asks for a load after a change below the directories, debounced, from a thread of its own.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
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
pub(super) struct Watch {
    events: Sender<FileEvent>,
    open: Arc<OpenFiles>,
}

/// Files that someone has written to and not closed yet, by their real path, with the time of the first write.
#[derive(Default)]
struct OpenFiles(Mutex<HashMap<PathBuf, Instant>>);

impl OpenFiles {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<PathBuf, Instant>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes note of a write: the file is half written until it is closed, or another takes its name.
    fn written(&self, path: &Path) {
        if let Ok(real) = path.canonicalize() {
            self.with(|open| *open.entry(real).or_insert_with(Instant::now));
        }
    }

    /// Takes note of what is at `path` being complete.
    fn complete(&self, path: &Path) {
        let real = path.canonicalize();
        self.with(|open| open.retain(|known, _| real.as_ref().ok() != Some(known) && known.exists()));
    }
}

enum FileEvent {
    /// A file was closed after writing, renamed or removed.
    Complete,
    /// A file or link was made, or its attributes changed.
    Started,
    /// A file was written to, and is not closed yet.
    Written,
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
        let open = Arc::new(OpenFiles::default());
        let noted = Arc::clone(&open);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Ok(event) = &event {
                note(event, &noted);
            }
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
        (Some(Self { events: sender, open }), complaint.as_deref().map(unseen))
    }

    /// Since when the file at `path` is half written, by a writer that has not closed it; `None`: it is complete.
    pub(super) fn half_written(&self, path: &Path) -> Option<Instant> {
        self.open.with(|open| if open.is_empty() { None } else { open.get(&path.canonicalize().ok()?).copied() })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // a thread that has ended needs no telling
        let _ = self.events.send(FileEvent::Stop);
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
            match self.settle(event) {
                Some(true) => self.trigger.send(LoadRequest::Changed),
                Some(false) => {}
                None => return,
            }
        }
    }

    /// Waits until nothing more comes, so that many changes are one load. Returns whether there is anything to load: a
    /// file that is still being written is not. `None`: there will be no more events.
    fn settle(&mut self, first: FileEvent) -> Option<bool> {
        let latest = Instant::now() + PATIENCE;
        let (mut complete, mut started) = (false, false);
        let mut event = first;
        loop {
            match event {
                FileEvent::Stop => return None,
                FileEvent::Complete => complete = true,
                FileEvent::Started => started = true,
                FileEvent::Written => {}
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
                Err(_) => return Some(complete || started),
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
        EventKind::Modify(ModifyKind::Data(_)) if is_source() => Some(FileEvent::Written),
        EventKind::Create(_) | EventKind::Modify(_) if is_source() => Some(FileEvent::Started),
        _ => None,
    }
}

/// Keeps account of which files are half written.
fn note(event: &notify::Event, open: &OpenFiles) {
    let each = |f: &dyn Fn(&Path)| event.paths.iter().for_each(|path| f(path));
    match event.kind {
        EventKind::Modify(ModifyKind::Data(_)) => each(&|path| open.written(path)),
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Remove(_)
        | EventKind::Modify(ModifyKind::Name(_)) => each(&|path| open.complete(path)),
        _ if event.need_rescan() => open.with(HashMap::clear),
        _ => {}
    }
}
