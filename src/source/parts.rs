//! Reads many files at once, and again only those that changed.
//!
//! Knows files and threads, and nothing of what the files hold.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::problem::Problem;

use super::files::{is_toml, read_text};
use super::{FileText, Loaded, read_json_set, read_toml};

/// A file that changed less than this before it was read may change again without its times telling: file systems
/// stamp changes with a clock that moves a few milliseconds at a time.
const SETTLE: Duration = Duration::from_millis(100);

/// What is read, and reread, as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartId {
    /// One TOML file.
    Toml(PathBuf),
    /// All JSON files: ids in one refer to objects in others.
    Json,
}

/// How the files of a part looked before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// A part of the sources.
#[derive(Debug)]
pub struct Part {
    /// Which one.
    pub id: PartId,
    /// How its files looked; pass it to the next reading, if this one was taken over.
    pub stamps: Stamps,
    /// What it holds; `None`: the same as when it was read before.
    pub loaded: Option<Loaded>,
}

/// How a file looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Stamp {
    /// `None` for a file that is missing, or was touched so lately that a second change could look the same.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let settled = |time: SystemTime| time.elapsed().is_ok_and(|age| age > SETTLE);
        let stamp = Self::from(&metadata);
        let since_epoch =
            |seconds: i64, ns: i64| Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(ns).ok()?));
        let changed = SystemTime::UNIX_EPOCH + since_epoch(metadata.ctime(), metadata.ctime_nsec())?;
        (settled(metadata.modified().ok()?) && settled(changed)).then_some(stamp)
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reads files, TOML files in parallel, but for those that look as `earlier` says they did.
///
/// Returns every part, in the order of their ids. `progress` is told how many files are done, from any thread.
pub fn read_files(
    paths: &[PathBuf],
    earlier: &dyn Fn(&PartId) -> Option<Stamps>,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<Part> {
    let done = AtomicUsize::new(0);
    let tick = || progress(1 + done.fetch_add(1, Ordering::Relaxed));
    let (toml, json): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_toml(path));
    let looked: Vec<(PartId, Stamps, bool)> = toml
        .into_iter()
        .map(|path| (PartId::Toml(path.clone()), vec![path]))
        .chain((!json.is_empty()).then_some((PartId::Json, json)))
        .map(|(id, paths)| {
            // stamps are taken first: a change while a file is read makes the next look differ from them
            let stamps = Stamps(paths.into_iter().map(|path| (path.clone(), Stamp::of(path))).collect());
            let unchanged = stamps.are_settled() && earlier(&id).is_some_and(|earlier| earlier == stamps);
            (id, stamps, unchanged)
        })
        .collect();
    let loaded = in_parallel(&looked, |(id, stamps, unchanged)| {
        let loaded = (!unchanged).then(|| match id {
            PartId::Toml(path) => load_toml(path),
            PartId::Json => load_json(&stamps.0),
        });
        for _ in &stamps.0 {
            tick();
        }
        loaded
    });
    looked.into_iter().zip(loaded).map(|((id, stamps, _), loaded)| Part { id, stamps, loaded }).collect()
}

impl Stamps {
    /// Whether the same stamps again would mean the same content.
    fn are_settled(&self) -> bool {
        self.0.iter().all(|(_, stamp)| stamp.is_some())
    }
}

fn load_toml(path: &Path) -> Loaded {
    match read_text(path) {
        Ok(text) => read_toml(&path.display().to_string().into(), &text),
        Err(problem) => unread(problem),
    }
}

fn load_json(files: &[(PathBuf, Option<Stamp>)]) -> Loaded {
    let mut texts = Vec::with_capacity(files.len());
    let mut problems = Vec::new();
    for (path, _) in files {
        match read_text(path) {
            Ok(text) => texts.push(FileText { path: path.display().to_string().into(), text }),
            Err(problem) => problems.push(problem),
        }
    }
    let mut loaded = read_json_set(&texts);
    loaded.incomplete |= !problems.is_empty();
    loaded.problems.extend(problems);
    loaded
}

fn unread(problem: Problem) -> Loaded {
    Loaded { incomplete: true, problems: vec![problem], ..Loaded::default() }
}

/// `work` for each item on as many threads as there are processors; results in the order of the items.
pub(super) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(item) = items.get(index)
                {
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n";

    #[test]
    fn parts_come_in_the_order_of_paths_and_unreadable_ones_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..20).map(|i| dir.path().join(format!("{i:02}.toml"))).collect();
        for path in &paths[1..] {
            fs::write(path, VPC).unwrap();
        }
        let ticks = AtomicUsize::new(0);
        let parts = read_files(&paths, &|_| None, &|_| {
            ticks.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!((ticks.into_inner(), parts.len()), (20, 20));
        let first = parts[0].loaded.as_ref().unwrap();
        assert!(first.incomplete && first.problems[0].what.starts_with("cannot be read"));
        assert!(parts.iter().zip(&paths).skip(1).all(|(part, path)| {
            part.id == PartId::Toml(path.clone()) && part.loaded.as_ref().unwrap().inputs.len() == 1
        }));
    }

    #[test]
    fn only_what_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("a.toml"), dir.path().join("b.json")];
        fs::write(&paths[0], VPC).unwrap();
        fs::write(&paths[1], "{\"Vpcs\": []}").unwrap();
        // as if the files had been there for an hour
        let settled = |id: &PartId| {
            let paths = if *id == PartId::Json { &paths[1..] } else { &paths[..1] };
            let stamps = paths.iter().map(|path| (path.clone(), fs::metadata(path).ok().as_ref().map(Stamp::from)));
            Some(Stamps(stamps.collect()))
        };
        let fresh = read_files(&paths, &|_| None, &|_| {});
        assert!(
            fresh.iter().all(|part| part.loaded.is_some() && !part.stamps.are_settled()),
            "too young to be trusted"
        );
        thread::sleep(SETTLE + Duration::from_millis(20));
        let again = read_files(&paths, &settled, &|_| {});
        assert!(again.iter().all(|part| part.loaded.is_none() && part.stamps.are_settled()));
        fs::write(&paths[1], "{\"Vpcs\": [] }").unwrap();
        thread::sleep(SETTLE + Duration::from_millis(20));
        let before: Vec<Part> = again;
        let changed = read_files(
            &paths,
            &|id| before.iter().find(|part| part.id == *id).map(|part| part.stamps.clone()),
            &|_| {},
        );
        assert_eq!(changed.iter().map(|part| part.loaded.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}
