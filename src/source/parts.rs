//! Reads many files at once, and again only those that changed.
//!
//! Knows files and threads, and nothing of what the files hold.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::problem::Problem;

use super::contract::{Declared, PartId};
use super::scan::{is_toml, read_text};
use super::stamp::FileStamp;
use super::{FileText, read_json_set, read_toml};

/// All JSON files: ids in one refer to objects in others.
pub(super) const JSON: PartId = PartId::Set("json");

/// How the files of a part looked before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileStamps(Vec<(PathBuf, Option<FileStamp>)>);

/// A part of the sources.
#[derive(Debug)]
pub(super) struct FilePart {
    /// Which one.
    pub(super) id: PartId,
    /// How its files looked; pass it to the next reading, if this one was taken over.
    pub(super) stamps: FileStamps,
    /// What it holds; `None`: the same as when it was read before.
    pub(super) loaded: Option<Declared>,
}

/// Reads files, TOML files in parallel, but for those that look as `earlier` says they did, and those that are
/// `half_written`: these are as they were earlier.
///
/// Returns every part, in the order of their ids. `progress` is told how many files are done, from any thread.
pub(super) fn read_files(
    paths: &[PathBuf],
    earlier: &dyn Fn(&PartId) -> Option<FileStamps>,
    half_written: &dyn Fn(&Path) -> bool,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<FilePart> {
    let done = AtomicUsize::new(0);
    let tick = || progress(1 + done.fetch_add(1, Ordering::Relaxed));
    let (toml, json): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| is_toml(path));
    let looked: Vec<(PartId, FileStamps, bool)> = toml
        .into_iter()
        .map(|path| (PartId::File(path.clone()), vec![path]))
        .chain((!json.is_empty()).then_some((JSON, json)))
        .filter_map(|(id, paths)| {
            if paths.iter().any(|path| half_written(path)) {
                // what was last complete stays; one that never was waits
                return earlier(&id).map(|stamps| (id, stamps, true));
            }
            // stamps are taken first: a change while a file is read makes the next look differ from them
            let stamps = FileStamps(paths.into_iter().map(|path| (path.clone(), FileStamp::settled(path))).collect());
            let unchanged = stamps.are_settled() && earlier(&id).is_some_and(|earlier| earlier == stamps);
            Some((id, stamps, unchanged))
        })
        .collect();
    let loaded = in_parallel(&looked, |(id, stamps, unchanged)| {
        let loaded = (!unchanged).then(|| match id {
            PartId::File(path) => load_toml(path),
            PartId::Set(_) => load_json(&stamps.0),
        });
        for _ in &stamps.0 {
            tick();
        }
        loaded
    });
    looked.into_iter().zip(loaded).map(|((id, stamps, _), loaded)| FilePart { id, stamps, loaded }).collect()
}

impl FileStamps {
    /// Whether the same stamps again would mean the same content.
    fn are_settled(&self) -> bool {
        self.0.iter().all(|(_, stamp)| stamp.is_some())
    }
}

fn load_toml(path: &Path) -> Declared {
    match read_text(path) {
        Ok(text) => Declared { files: 1, ..read_toml(&path.display().to_string().into(), &text) },
        Err(problem) => unread(problem),
    }
}

fn load_json(files: &[(PathBuf, Option<FileStamp>)]) -> Declared {
    let mut texts = Vec::with_capacity(files.len());
    let mut problems = Vec::new();
    for (path, _) in files {
        match read_text(path) {
            Ok(text) => texts.push(FileText { path: path.display().to_string().into(), text }),
            Err(problem) => problems.push(problem),
        }
    }
    let mut loaded = read_json_set(&texts);
    loaded.files = texts.len();
    loaded.incomplete |= !problems.is_empty();
    loaded.problems.extend(problems);
    loaded
}

fn unread(problem: Problem) -> Declared {
    Declared { incomplete: true, problems: vec![problem], ..Declared::default() }
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
    use std::fs;
    use std::time::Duration;

    use super::super::stamp::SETTLE;
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
        let parts = read_files(&paths, &|_| None, &|_| false, &|_| {
            ticks.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!((ticks.into_inner(), parts.len()), (20, 20));
        let first = parts[0].loaded.as_ref().unwrap();
        assert!(first.incomplete && first.problems[0].what.starts_with("cannot be read"));
        assert!(parts.iter().zip(&paths).skip(1).all(|(part, path)| {
            part.id == PartId::File(path.clone()) && part.loaded.as_ref().unwrap().inputs.len() == 1
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
            let paths = if *id == JSON { &paths[1..] } else { &paths[..1] };
            let stamps = paths.iter().map(|path| (path.clone(), FileStamp::of(path)));
            Some(FileStamps(stamps.collect()))
        };
        let fresh = read_files(&paths, &|_| None, &|_| false, &|_| {});
        assert!(
            fresh.iter().all(|part| part.loaded.is_some() && !part.stamps.are_settled()),
            "too young to be trusted"
        );
        thread::sleep(SETTLE + Duration::from_millis(20));
        let again = read_files(&paths, &settled, &|_| false, &|_| {});
        assert!(again.iter().all(|part| part.loaded.is_none() && part.stamps.are_settled()));
        fs::write(&paths[1], "{\"Vpcs\": [] }").unwrap();
        thread::sleep(SETTLE + Duration::from_millis(20));
        let before: Vec<FilePart> = again;
        let changed = read_files(
            &paths,
            &|id| before.iter().find(|part| part.id == *id).map(|part| part.stamps.clone()),
            &|_| false,
            &|_| {},
        );
        assert_eq!(changed.iter().map(|part| part.loaded.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}
