//! Which files are half written: a file that someone writes to is not read before it is complete.
//!
//! Pure: paths, looks and the time are arguments. Paths are real ones, without symbolic links.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::source::stamp::FileStamp;

/// A file that is written to and not complete for longer than this is worth a warning.
pub const LEFT_OPEN: Duration = Duration::from_secs(30);

/// Files that are being written, and files that were said to be complete since they were last read.
#[derive(Default)]
pub struct Ledger {
    writing: HashMap<PathBuf, Writing>,
    complete: HashSet<PathBuf>,
}

/// What is known of a file that is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// It may be read; or, if it is not there, be forgotten.
    Whole,
    /// Somebody writes to it, or it has been changing for 30 s.
    HalfWritten,
    /// It has changed, or gone, and nobody tells when its writer is done: the next looks will show it, and a load follows.
    InDoubt,
}

/// A file that is half written, or may be.
struct Writing {
    since: Instant,
    until: Until,
}

/// What shows that it is complete.
enum Until {
    /// Its writer closes it, or another takes its name: the system tells of both.
    Closed,
    /// It looks the same at two looks that are `apart`; `written`: it was told that somebody writes to it.
    Same { look: Option<FileStamp>, at: Instant, apart: Duration, written: bool },
}

impl Ledger {
    /// Takes note of a write that the system told of.
    pub fn written(&mut self, path: PathBuf, now: Instant) {
        self.complete.remove(&path);
        self.writing.entry(path).or_insert(Writing { since: now, until: Until::Closed }).until = Until::Closed;
    }

    /// Takes note of what is at `path` being complete.
    pub fn completed(&mut self, path: PathBuf) {
        self.writing.remove(&path);
        self.complete.insert(path);
    }

    /// Takes note of a file having gone.
    pub fn gone(&mut self, path: &Path) {
        self.writing.remove(path);
        self.complete.remove(path);
    }

    /// Takes note of a file having changed, while nobody told whether its writer is done.
    pub fn doubt(&mut self, path: PathBuf, look: Option<FileStamp>, now: Instant, apart: Duration) {
        let until = Until::Same { look, at: now, apart, written: false };
        self.complete.remove(&path);
        self.writing.entry(path).or_insert(Writing { since: now, until });
    }

    /// Trusts no longer that a writer's end will be told: the looks of each file decide from now on.
    pub fn doubt_all(&mut self, now: Instant, apart: Duration, look: &dyn Fn(&Path) -> Option<FileStamp>) {
        for (path, writing) in &mut self.writing {
            let written = matches!(writing.until, Until::Closed | Until::Same { written: true, .. });
            writing.until = Until::Same { look: look(path), at: now, apart, written };
        }
    }

    /// Looks again at the files whose time for that has come. Returns whether one is complete, or has gone.
    pub fn judge(&mut self, now: Instant, look: &dyn Fn(&Path) -> Option<FileStamp>) -> bool {
        let mut done = Vec::new();
        for (path, writing) in &mut self.writing {
            let Until::Same { look: before, at, apart, .. } = &mut writing.until else { continue };
            if now < *at + *apart {
                continue;
            }
            let after = look(path);
            if after == *before {
                done.push(path.clone());
            } else {
                (*before, *at) = (after, now);
            }
        }
        let any = !done.is_empty();
        for path in done {
            self.completed(path);
        }
        any
    }

    /// Whether the file at `path` is half written, and who will tell of its end; [`Readable::Whole`]: it is not, as far as
    /// anybody knows.
    pub fn half_written(&self, path: &Path, now: Instant) -> Readable {
        match self.writing.get(path) {
            None => Readable::Whole,
            Some(Writing { since, until: Until::Same { written: false, .. } })
                if now.saturating_duration_since(*since) < LEFT_OPEN =>
            {
                Readable::InDoubt
            }
            Some(_) => Readable::HalfWritten,
        }
    }

    /// Whether it was told that the file at `path` is complete, since it was last read.
    pub fn is_complete(&self, path: &Path) -> bool {
        self.complete.contains(path)
    }

    /// Forgets what was told of files that `are_read` as they are.
    pub fn forget_complete(&mut self, are_read: &dyn Fn(&Path) -> bool) {
        self.complete.retain(|path| !are_read(path));
    }

    /// Files that have been half written for longer than is usual, with their ages.
    pub fn left_open(&self, now: Instant) -> impl Iterator<Item = (&Path, Duration)> {
        let age = move |writing: &Writing| now.saturating_duration_since(writing.since);
        let aged = self.writing.iter().map(move |(path, writing)| (path.as_path(), age(writing)));
        aged.filter(|(_, age)| *age >= LEFT_OPEN)
    }

    /// When there is something to do next: a look at a file, or a warning of one.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        let looks = self.writing.values().filter_map(|writing| match writing.until {
            Until::Closed => None,
            Until::Same { at, apart, .. } => Some(at + apart),
        });
        let warnings = self.writing.values().map(|writing| writing.since + LEFT_OPEN).filter(|at| *at > now);
        looks.chain(warnings).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APART: Duration = Duration::from_millis(250);

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_write_lasts_until_it_is_closed() {
        let (mut ledger, now, path) = (Ledger::default(), Instant::now(), PathBuf::from("/z/a.toml"));
        ledger.written(path.clone(), now);
        ledger.written(path.clone(), now + Duration::from_secs(9));
        assert_eq!(ledger.left_open(now + LEFT_OPEN).count(), 1, "the first write counts");
        assert_eq!(ledger.half_written(&path, now), Readable::HalfWritten);
        assert!(!ledger.judge(now + Duration::from_secs(60), &|_| None), "no look ends what will be told");
        ledger.completed(path.clone());
        assert!(ledger.half_written(&path, now) == Readable::Whole && ledger.is_complete(&path));
        ledger.written(path.clone(), now);
        assert!(!ledger.is_complete(&path), "complete before, and half written again");
        ledger.gone(&path);
        assert!(ledger.half_written(&path, now) == Readable::Whole && !ledger.is_complete(&path));
    }

    #[test]
    fn two_equal_looks_end_a_doubt_and_two_that_differ_do_not() {
        let (_dir, path) = file("a");
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.doubt(path.clone(), FileStamp::of(&path), now, APART);
        assert_eq!(ledger.next_due(now), Some(now + APART));
        assert!(!ledger.judge(now + APART / 2, &FileStamp::of), "too early");
        assert_eq!(ledger.half_written(&path, now), Readable::InDoubt);
        let later = ledger.half_written(&path, now + LEFT_OPEN);
        assert_eq!(later, Readable::HalfWritten, "nobody waits for one that changes for ever");
        std::fs::write(&path, "ab").unwrap();
        assert!(!ledger.judge(now + APART, &FileStamp::of), "it has changed");
        assert!(!ledger.judge(now + APART + APART / 2, &FileStamp::of), "too early again");
        assert!(ledger.judge(now + APART * 2, &FileStamp::of));
        assert!(ledger.is_complete(&path) && ledger.half_written(&path, now) == Readable::Whole);
    }

    #[test]
    fn after_an_overflow_looks_decide() {
        let (_dir, path) = file("a");
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.written(path.clone(), now);
        ledger.doubt_all(now, APART, &FileStamp::of);
        assert_eq!(ledger.half_written(&path, now), Readable::HalfWritten, "others do not wait for a writer");
        assert!(ledger.judge(now + APART, &FileStamp::of));
    }

    #[test]
    fn what_is_open_for_long_is_named() {
        let (mut ledger, now, path) = (Ledger::default(), Instant::now(), PathBuf::from("/z/a.toml"));
        ledger.written(path.clone(), now);
        assert_eq!(ledger.left_open(now + LEFT_OPEN / 2).count(), 0);
        assert_eq!(ledger.next_due(now), Some(now + LEFT_OPEN));
        assert_eq!(ledger.left_open(now + LEFT_OPEN).next(), Some((path.as_path(), LEFT_OPEN)));
    }
}
