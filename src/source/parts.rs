//! Reads many files at once, and again only those that changed.
//!
//! Knows files and threads, and nothing of what the files hold.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::problem::Problem;

use super::files::{is_toml, read_text};
use super::{FileText, Loaded, read_json_set, read_toml};

/// A file that changed less than this before it was read may change again without its times telling.
const SETTLE: Duration = Duration::from_secs(2);

/// What was read from one TOML file, or from all JSON files together.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it holds; shared with earlier readings in which the files were the same.
    pub loaded: Arc<Loaded>,
    /// How each file looked before it was read; `None`: read it again in any case.
    stamps: Vec<(PathBuf, Option<Stamp>)>,
}

/// All parts of one reading. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    toml: BTreeMap<PathBuf, Part>,
    json: Option<Part>,
    reread: usize,
}

impl Parts {
    /// What was read: TOML files in the order of their paths, then the JSON files as one.
    pub fn iter(&self) -> impl Iterator<Item = &Part> {
        self.toml.values().chain(&self.json)
    }

    /// How many files had to be read, the others being as they were.
    pub fn files_read(&self) -> usize {
        self.reread
    }
}

/// How a file looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
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
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or(0));
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

/// Reads files, TOML files in parallel; takes over from `earlier` what has not changed since.
///
/// `progress` is told how many files are done, from any thread.
pub fn read_files(paths: &[PathBuf], earlier: Option<&Parts>, progress: &(dyn Fn(usize) + Sync)) -> Parts {
    let done = AtomicUsize::new(0);
    let tick = || progress(1 + done.fetch_add(1, Ordering::Relaxed));
    let (toml, json): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_toml(path));
    let parts = in_parallel(&toml, |path| {
        let part = toml_part(path, earlier.and_then(|parts| parts.toml.get(*path)));
        tick();
        part
    });
    let fresh = parts.iter().filter(|(_, fresh)| *fresh).count();
    let toml = toml.into_iter().cloned().zip(parts.into_iter().map(|(part, _)| part)).collect();
    let (json, fresh_json) = json_part(&json, earlier.and_then(|parts| parts.json.as_ref()), &tick);
    Parts { toml, json, reread: fresh + fresh_json }
}

/// The part of a TOML file, and whether it had to be read.
fn toml_part(path: &Path, earlier: Option<&Part>) -> (Part, bool) {
    // the stamp is taken first: a change while the file is read makes the next look differ from it
    let stamps = vec![(path.to_owned(), Stamp::of(path))];
    if let Some(part) = unchanged(earlier, &stamps) {
        return (part, false);
    }
    let loaded = match read_text(path) {
        Ok(text) => read_toml(&path.display().to_string().into(), &text),
        Err(problem) => unread(problem),
    };
    (Part { loaded: loaded.into(), stamps }, true)
}

/// The JSON files as one part: ids in one file refer to objects in others, so a change in one rereads all.
fn json_part(paths: &[&PathBuf], earlier: Option<&Part>, tick: &(dyn Fn() + Sync)) -> (Option<Part>, usize) {
    if paths.is_empty() {
        return (None, 0);
    }
    let stamps: Vec<_> = paths.iter().map(|path| ((*path).clone(), Stamp::of(path))).collect();
    if let Some(part) = unchanged(earlier, &stamps) {
        for _ in paths {
            tick();
        }
        return (Some(part), 0);
    }
    let texts = in_parallel(paths, |path| {
        let text = read_text(path).map(|text| FileText { path: path.display().to_string().into(), text });
        tick();
        text
    });
    let (texts, problems): (Vec<_>, Vec<_>) = texts.into_iter().partition(Result::is_ok);
    let texts: Vec<FileText> = texts.into_iter().flatten().collect();
    let mut loaded = read_json_set(&texts);
    for problem in problems.into_iter().filter_map(Result::err) {
        loaded.incomplete = true;
        loaded.problems.push(problem);
    }
    (Some(Part { loaded: loaded.into(), stamps }), paths.len())
}

fn unchanged(earlier: Option<&Part>, stamps: &[(PathBuf, Option<Stamp>)]) -> Option<Part> {
    let known = stamps.iter().all(|(_, stamp)| stamp.is_some());
    earlier.filter(|part| known && part.stamps == stamps).cloned()
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

    /// Writes a file that looks as if it had been there for an hour.
    fn write_settled(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }

    #[test]
    fn parts_come_in_the_order_of_paths_and_unreadable_ones_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..20).map(|i| dir.path().join(format!("{i:02}.toml"))).collect();
        for path in &paths[1..] {
            write_settled(path, VPC);
        }
        let ticks = AtomicUsize::new(0);
        let parts = read_files(&paths, None, &|_| {
            ticks.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!((ticks.into_inner(), parts.files_read(), parts.iter().count()), (20, 20, 20));
        let first = &parts.iter().next().unwrap().loaded;
        assert!(first.incomplete && first.problems[0].what.starts_with("cannot be read"));
        assert!(parts.iter().skip(1).all(|part| part.loaded.inputs.len() == 1));
    }

    #[test]
    fn fresh_files_are_never_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("a.toml"), dir.path().join("b.json")];
        write_settled(&paths[0], VPC);
        fs::write(&paths[1], "{\"Vpcs\": []}").unwrap();
        let first = read_files(&paths, None, &|_| {});
        // the change time of a file cannot be set, so both count as fresh here
        assert_eq!(read_files(&paths, Some(&first), &|_| {}).files_read(), 2);
        let settled = |parts: &Parts| {
            let mut parts = parts.clone();
            for part in parts.toml.values_mut().chain(&mut parts.json) {
                for (path, stamp) in &mut part.stamps {
                    *stamp = fs::metadata(path).ok().as_ref().map(Stamp::from);
                }
            }
            parts
        };
        let part = settled(&first).toml.into_values().next().unwrap();
        assert!(unchanged(Some(&part), &part.stamps).is_some());
        write_settled(&paths[0], &format!("{VPC}\n"));
        assert!(unchanged(Some(&part), &settled(&first).toml.into_values().next().unwrap().stamps).is_none());
    }
}
