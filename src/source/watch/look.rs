//! What is watched, and what is known of it: the state that the thread which watches and the one that reads share.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::inotify::{DirEvent, Happening, Inotify};
use super::ledger::{Ledger, Readable};
use super::net::{Net, is_remote};
use super::trail::to_watch;
use crate::problem::{Place, Problem};
use crate::source::contract::SourceHealth;
use crate::source::scan::{Scanned, is_source, scan_all};
use crate::source::stamp::FileStamp;

/// A file that changed is complete if it looks the same after this long, where nobody tells of its writer's end.
const APART: Duration = Duration::from_millis(250);
/// Directories that are named one by one where their changes are not told.
const NAMED: usize = 5;
/// A directory that is made while others are being watched is looked for so often.
const ROUNDS: usize = 8;

/// What is watched.
pub(super) struct Lookout {
    dirs: Vec<PathBuf>,
    inotify: io::Result<Inotify>,
    ledger: Ledger,
    net: Net,
    /// Paths whose change matters, whatever they are called: links, what they lead to, and the directories themselves.
    named: HashSet<PathBuf>,
    /// Directories whose changes are not told, and why.
    untold: Vec<(PathBuf, io::Error)>,
    /// Directories on file systems that other machines write to: their writes are not told.
    remote: HashSet<PathBuf>,
    /// Directories or links have changed since the last look at which to watch.
    moved: bool,
    /// Something has changed that no load has been asked for.
    changed: bool,
    /// The first half of a rename whose second half has not been told.
    renamed: Option<(u32, PathBuf)>,
    /// What was last said of the watch.
    said: SourceHealth,
    /// The watch is over.
    pub(super) stop: bool,
}

impl Lookout {
    pub(super) fn new(dirs: Vec<PathBuf>) -> Self {
        let mut lookout = Self {
            dirs,
            inotify: Inotify::new(),
            ledger: Ledger::default(),
            net: Net::new(Instant::now()),
            named: HashSet::new(),
            untold: Vec::new(),
            remote: HashSet::new(),
            moved: false,
            changed: false,
            renamed: None,
            said: SourceHealth::default(),
            stop: false,
        };
        lookout.watch_what_is_there();
        lookout.said = lookout.health(Instant::now());
        lookout
    }

    /// Readable while the system has something to tell.
    pub(super) fn events(&self) -> Option<std::sync::Arc<OwnedFd>> {
        self.inotify.as_ref().ok().map(Inotify::fd)
    }

    /// Takes note of what has been told. Returns whether the thread that watches has something to do.
    pub(super) fn catch_up(&mut self, now: Instant) -> bool {
        let events = self.inotify.as_mut().map(Inotify::drain).unwrap_or_default();
        for event in events {
            self.note(event, now);
        }
        self.changed || self.moved
    }

    fn note(&mut self, event: DirEvent, now: Instant) {
        let DirEvent { path, is_dir, what, cookie } = event;
        match what {
            Happening::Overflow => {
                self.ledger.doubt_all(now, APART, &FileStamp::of);
                (self.moved, self.changed) = (true, true);
                return;
            }
            Happening::Lost => {
                (self.moved, self.changed) = (true, true);
                return;
            }
            _ => {}
        }
        let of_path = fs::symlink_metadata(&path);
        let is_link = of_path.as_ref().is_ok_and(fs::Metadata::is_symlink);
        let is_named = self.named.contains(&path);
        // a pipe or device is never written to its end: it is named at once
        let is_special = of_path.as_ref().is_ok_and(|metadata| !metadata.is_file());
        let leads = is_dir || is_link || is_named || is_special;
        if !leads && !is_source(&path) && !self.net.is_beside(&path) {
            return;
        }
        self.note_rename(&path, is_dir, what, cookie);
        match what {
            Happening::Made | Happening::Arrived | Happening::Gone if leads => {
                (self.moved, self.changed) = (true, true);
            }
            Happening::Arrived | Happening::Closed | Happening::Gone | Happening::Touched => self.changed = true,
            Happening::Made | Happening::Written | Happening::Lost | Happening::Overflow => {}
        }
        if is_dir || is_special {
            return;
        }
        match what {
            Happening::Written => self.ledger.written(path, now),
            Happening::Arrived | Happening::Closed => self.ledger.completed(path),
            Happening::Gone => self.ledger.gone(&path),
            Happening::Made => match of_path {
                // whoever made it has it open and will write
                Ok(metadata) if metadata.len() == 0 && metadata.nlink() == 1 => self.ledger.written(path, now),
                Ok(metadata) => self.ledger.doubt(path, Some(FileStamp::from(&metadata)), now, APART),
                // it has gone again
                Err(_) => {}
            },
            Happening::Touched | Happening::Lost | Happening::Overflow => {}
        }
    }

    /// What is renamed to another name that is read does not come back: its old name has not gone for a moment only.
    fn note_rename(&mut self, path: &Path, is_dir: bool, what: Happening, cookie: u32) {
        match what {
            Happening::Gone if cookie != 0 => self.renamed = Some((cookie, path.to_owned())),
            Happening::Arrived => {
                let Some((_, from)) = self.renamed.take().filter(|(of, _)| *of == cookie) else { return };
                if is_dir {
                    for path in self.net.read_below(&from) {
                        self.ledger.completed(path);
                    }
                } else if is_source(path) {
                    self.ledger.completed(from);
                }
            }
            _ => {}
        }
    }

    /// All that is due: what was told, what is to be watched, looks at files, the net.
    pub(super) fn turn(&mut self, now: Instant) {
        self.catch_up(now);
        if self.moved {
            self.watch_what_is_there();
        }
        self.judge(now);
        if self.net.is_due(now) {
            self.look_everywhere(now);
        }
        let health = self.health(now);
        if health != self.said {
            // what is said of the source is renewed by a load
            self.said = health;
            self.changed = true;
        }
    }

    /// Whether something has changed since the last call.
    pub(super) fn take_change(&mut self) -> bool {
        let changed = std::mem::take(&mut self.changed);
        if changed {
            self.net.load_was_asked_for();
        }
        changed
    }

    /// Looks again at files that may be complete.
    pub(super) fn judge(&mut self, now: Instant) {
        self.changed |= self.ledger.judge(now, &FileStamp::of);
    }

    /// When there is something to do, though nothing is told.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.ledger.next_due(now).into_iter().chain([self.net.next()]).min()
    }

    /// See [`super::Watch::readable`].
    pub(super) fn readable(
        &mut self,
        real: &Path,
        look: Option<FileStamp>,
        before: Option<FileStamp>,
        now: Instant,
    ) -> Readable {
        let known = self.ledger.half_written(real, now);
        if known != Readable::Whole || look == before || self.ledger.is_complete(real) {
            return known;
        }
        let Some(stamp) = look else {
            // a checkout removes a file before it writes another
            self.ledger.doubt(real.to_owned(), look, now, APART);
            return Readable::InDoubt;
        };
        // nobody told of it
        let apart = if before.is_some() && self.is_polled(real) { self.net.pause() } else { APART };
        let is_remote = real.parent().is_some_and(|dir| self.remote.contains(dir));
        // another machine's clock says nothing here
        if !is_remote && stamp.is_older_than(apart) {
            return Readable::Whole;
        }
        self.ledger.doubt(real.to_owned(), look, now, apart);
        Readable::InDoubt
    }

    /// See [`super::Watch::has_read`].
    pub(super) fn has_read(&mut self, looks: Vec<(PathBuf, Option<FileStamp>)>, beside: HashSet<PathBuf>) {
        self.net.has_read(looks, beside);
        self.ledger.forget_complete(&|path| self.net.is_as_read(path, FileStamp::of(path)));
    }

    /// Trusts looks from now on, and not what is told of writers.
    pub(super) fn doubt_all(&mut self, now: Instant) {
        self.catch_up(now);
        self.ledger.doubt_all(now, APART, &FileStamp::of);
    }

    pub(super) fn health(&self, now: Instant) -> SourceHealth {
        SourceHealth {
            untold: self.inotify.is_err() || !self.untold.is_empty() || !self.remote.is_empty(),
            half_written: self.ledger.left_open(now).count(),
            found_late: self.net.found(),
            ..SourceHealth::default()
        }
    }

    pub(super) fn problems(&self, now: Instant) -> Vec<Problem> {
        let mut problems = Vec::new();
        let pause = self.net.pause().as_secs();
        let late = |place: &str, why: &io::Error| {
            let (why, hint) = limit_in_words(why);
            let what = format!("changes in it are found late, by looking every {pause} s: {why}");
            Problem::warning(Place::whole(place), what, hint)
        };
        problems.extend(self.inotify.as_ref().err().map(|error| late("--zones", error)));
        let named = self.untold.iter().take(NAMED);
        problems.extend(named.map(|(dir, error)| late(&dir.display().to_string(), error)));
        problems.extend(self.ledger.left_open(now).map(|(path, age)| {
            let hint = "close the file, or write another and rename it over this one; SIGHUP reads it as it is";
            // its age in steps, so that the same problem is not a new one each time
            let minutes = age.as_secs() / 60;
            let age = if minutes == 0 { "30 s".to_owned() } else { format!("{minutes} min") };
            let what = format!("has been half written for {age}: its last complete content is served");
            Problem::warning(Place::whole(path.display().to_string()), what, hint)
        }));
        problems
    }

    fn is_polled(&self, real: &Path) -> bool {
        let Some(dir) = real.parent() else { return true };
        self.inotify.is_err() || self.remote.contains(dir) || self.untold.iter().any(|(untold, _)| untold == dir)
    }

    fn watch_what_is_there(&mut self) {
        for _ in 0..ROUNDS {
            let scanned = scan_all(&self.dirs);
            if !self.watch_only(&scanned) {
                break;
            }
            // what was made in a new directory before it was watched was not told
            self.changed = true;
        }
        self.moved = false;
    }

    /// Watches what was scanned. Returns whether any of it is new.
    fn watch_only(&mut self, scanned: &Scanned) -> bool {
        let (wanted, named) = to_watch(&self.dirs, scanned);
        self.named = named;
        self.remote = scanned.dirs.iter().filter(|dir| is_remote(dir)).cloned().collect();
        let Ok(inotify) = &mut self.inotify else { return false };
        let (is_new, untold) = inotify.watch_only(wanted);
        self.untold = untold;
        is_new
    }

    /// Compares all files with how they looked when they were read, and watches what was not watched.
    fn look_everywhere(&mut self, now: Instant) {
        if self.inotify.is_err() {
            self.inotify = Inotify::new();
        }
        let scanned = scan_all(&self.dirs);
        self.changed |= self.watch_only(&scanned);
        // what was told meanwhile is no news
        self.catch_up(now);
        let polled = self.health(now).untold;
        let is_known =
            |path: &Path| self.ledger.half_written(path, now) != Readable::Whole || self.ledger.is_complete(path);
        let files: Vec<&Path> = scanned.files.iter().map(|file| file.real.as_path()).collect();
        let late = self.net.differing(&files, &is_known, now, polled);
        for path in late {
            self.changed = true;
            // a reading judges it as one that nobody told of
            let (look, before) = (FileStamp::of(&path), self.net.look_at_reading(&path));
            self.readable(&path, look, before, now);
        }
    }
}

/// What a refusal of the system means, and the remedy.
fn limit_in_words(error: &io::Error) -> (String, String) {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOSPC) => {
            ("no inotify watches are left".to_owned(), "raise fs.inotify.max_user_watches".to_owned())
        }
        Some(rustix::io::Errno::MFILE) => (
            "no inotify instances or descriptors are left".to_owned(),
            "raise fs.inotify.max_user_instances, or the limit of open files".to_owned(),
        ),
        _ => (error.to_string(), "let this user read the directory, and those that lead to it".to_owned()),
    }
}
