//! Reads many files at once, and again only those that changed.
//!
//! Knows files and threads, and nothing of what the files hold.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::problem::Problem;

use super::contract::{Declared, PartId};
use super::scan::{FoundFile, is_toml, read_text};
use super::stamp::FileStamp;
use super::{FileText, read_json_set, read_toml};

/// All JSON files: ids in one refer to objects in others.
pub(super) const JSON: PartId = PartId::Set("json");

/// How the files of a part looked before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileStamps {
    looks: Vec<(PathBuf, Option<FileStamp>)>,
    /// Whether the same looks again would mean the same content.
    settled: bool,
}

/// A part of the sources.
#[derive(Debug)]
pub(super) struct FilePart {
    /// Which one.
    pub(super) id: PartId,
    /// How its files looked; pass it to the next reading, if this one was taken over.
    pub(super) stamps: FileStamps,
    /// The same by real path, of this reading.
    pub(super) looks: Vec<(PathBuf, Option<FileStamp>)>,
    /// What it holds; `None`: the same as when it was read before.
    pub(super) loaded: Option<Declared>,
    /// Files of it that are half written: it is as it was before, or empty if it was not there before.
    pub(super) half_written: Vec<PathBuf>,
}

/// Knows which files are half written.
pub(super) trait ReadGate: Sync {
    /// Takes note of all that is known up to now.
    fn catch_up(&self);

    /// Whether a file that looks like this may be read.
    fn may_read(&self, file: &FoundFile, look: Option<FileStamp>) -> bool;

    /// Whether a file that looked like this before it was read, and has been read, was not written to meanwhile.
    fn was_whole(&self, file: &FoundFile, look: Option<FileStamp>) -> bool;
}

/// Part, files and looks before they are read.
struct Candidate<'f> {
    id: PartId,
    files: Vec<&'f FoundFile>,
    stamps: FileStamps,
    state: Before,
}

/// What is to be done with a part.
#[derive(PartialEq, Eq)]
enum Before {
    Read,
    Unchanged,
    HalfWritten(Vec<PathBuf>),
}

/// Reads files, TOML files in parallel, but for those that look as `earlier` says they did, and those that are half
/// written: these are as they were earlier.
///
/// Returns every part, in the order of their ids. `progress` is told how many files are done, from any thread.
pub(super) fn read_files(
    files: &[FoundFile],
    earlier: &dyn Fn(&PartId) -> Option<FileStamps>,
    gate: &dyn ReadGate,
    progress: &(dyn Fn(usize) + Sync),
) -> Vec<FilePart> {
    let done = AtomicUsize::new(0);
    let tick = || progress(1 + done.fetch_add(1, Ordering::Relaxed));
    let (toml, json): (Vec<&FoundFile>, Vec<&FoundFile>) = files.iter().partition(|file| is_toml(&file.path));
    gate.catch_up();
    let candidates: Vec<Candidate<'_>> = toml
        .into_iter()
        .map(|file| (PartId::File(file.path.clone()), vec![file]))
        .chain((!json.is_empty()).then_some((JSON, json)))
        .map(|(id, files)| Candidate::new(id, files, earlier, gate))
        .collect();
    let loaded = in_parallel(&candidates, |part| {
        let loaded = (part.state == Before::Read).then(|| match &part.id {
            PartId::File(path) => load_toml(path),
            PartId::Set(_) => load_json(&part.files),
        });
        for _ in &part.files {
            tick();
        }
        loaded
    });
    gate.catch_up();
    candidates.into_iter().zip(loaded).map(|(part, loaded)| part.after(loaded, earlier, gate)).collect()
}

impl<'f> Candidate<'f> {
    fn new(
        id: PartId,
        files: Vec<&'f FoundFile>,
        earlier: &dyn Fn(&PartId) -> Option<FileStamps>,
        gate: &dyn ReadGate,
    ) -> Self {
        // stamps are taken first: a change while a file is read makes the next look differ from them
        let stamps = FileStamps::of(&files);
        let unchanged = earlier(&id).is_some_and(|earlier| earlier.settled && earlier.looks == stamps.looks);
        let state = if unchanged { Before::Unchanged } else { Before::Read };
        let mut part = Self { id, files, stamps, state };
        if part.state == Before::Read {
            let half_written = part.those(&|file, look| !gate.may_read(file, look));
            if !half_written.is_empty() {
                part.state = Before::HalfWritten(half_written);
            }
        }
        part
    }

    /// The paths of files for which `is` holds.
    fn those(&self, is: &dyn Fn(&FoundFile, Option<FileStamp>) -> bool) -> Vec<PathBuf> {
        let looks = self.stamps.looks.iter().map(|(_, look)| *look);
        let those = self.files.iter().zip(looks).filter(|(file, look)| is(file, *look));
        those.map(|(file, _)| file.path.clone()).collect()
    }

    /// The part after it was read.
    fn after(
        self,
        loaded: Option<Declared>,
        earlier: &dyn Fn(&PartId) -> Option<FileStamps>,
        gate: &dyn ReadGate,
    ) -> FilePart {
        let looks = self.files.iter().zip(&self.stamps.looks).map(|(file, (_, look))| (file.real.clone(), *look));
        let looks = looks.collect();
        let half_written = match &self.state {
            Before::Read => self.those(&|file, look| !gate.was_whole(file, look)),
            Before::Unchanged => Vec::new(),
            Before::HalfWritten(paths) => paths.clone(),
        };
        let (stamps, loaded) = if half_written.is_empty() {
            (self.stamps, loaded)
        } else {
            // what was last complete stays; what never was is empty, and never the same as what will be there
            let none = || FileStamps { looks: Vec::new(), settled: false };
            (earlier(&self.id).unwrap_or_else(none), None)
        };
        FilePart { id: self.id, stamps, looks, loaded, half_written }
    }
}

impl FileStamps {
    fn of(files: &[&FoundFile]) -> Self {
        let looks: Vec<_> = files.iter().map(|file| (file.path.clone(), FileStamp::of(&file.path))).collect();
        let settled = looks.iter().all(|(_, look)| look.is_some_and(|stamp| stamp.is_settled()));
        Self { looks, settled }
    }
}

fn load_toml(path: &Path) -> Declared {
    match read_text(path) {
        Ok(text) => Declared { files: 1, ..read_toml(&path.display().to_string().into(), &text) },
        Err(problem) => unread(problem),
    }
}

fn load_json(files: &[&FoundFile]) -> Declared {
    let mut texts = Vec::with_capacity(files.len());
    let mut problems = Vec::new();
    for FoundFile { path, .. } in files {
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

    use super::*;

    /// Enough for a second change to show.
    const SETTLED: Duration = Duration::from_millis(130);

    const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n";

    /// Says which files are half written: before they are read, and after.
    #[derive(Default)]
    struct Writers {
        before: Vec<PathBuf>,
        after: Vec<PathBuf>,
    }

    impl ReadGate for Writers {
        fn catch_up(&self) {}

        fn may_read(&self, file: &FoundFile, _: Option<FileStamp>) -> bool {
            !self.before.contains(&file.path)
        }

        fn was_whole(&self, file: &FoundFile, _: Option<FileStamp>) -> bool {
            !self.after.contains(&file.path)
        }
    }

    fn found(paths: &[PathBuf]) -> Vec<FoundFile> {
        paths.iter().map(|path| FoundFile { path: path.clone(), real: path.clone() }).collect()
    }

    #[test]
    fn half_written_files_stay_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.toml", "b.toml", "c.json", "d.json"].map(|name| dir.path().join(name));
        for path in &paths {
            fs::write(path, if path.extension().unwrap() == "json" { "{\"Vpcs\": []}" } else { VPC }).unwrap();
        }
        let files = found(&paths);
        let whole = read_files(&files, &|_| None, &Writers::default(), &|_| {});
        let earlier = |id: &PartId| whole.iter().find(|part| part.id == *id).map(|part| part.stamps.clone());
        for after in [false, true] {
            let half = vec![paths[1].clone(), paths[3].clone()];
            let writers = if after {
                Writers { after: half, ..Writers::default() }
            } else {
                Writers { before: half, ..Writers::default() }
            };
            let parts = read_files(&files, &earlier, &writers, &|_| {});
            // of the JSON files, which are one part, none is read
            let read: Vec<_> = parts.iter().map(|part| (part.loaded.is_some(), part.half_written.len())).collect();
            assert_eq!(read, [(true, 0), (false, 1), (false, 1)], "{after}");
            assert_eq!((&parts[1].stamps, &parts[2].stamps), (&whole[1].stamps, &whole[2].stamps));
            let new = read_files(&files, &|_| None, &writers, &|_| {});
            assert!(new[1].loaded.is_none() && new[1].stamps.looks.is_empty(), "it was never complete");
        }
    }

    #[test]
    fn parts_come_in_the_order_of_paths_and_unreadable_ones_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..20).map(|i| dir.path().join(format!("{i:02}.toml"))).collect();
        for path in &paths[1..] {
            fs::write(path, VPC).unwrap();
        }
        let ticks = AtomicUsize::new(0);
        let parts = read_files(&found(&paths), &|_| None, &Writers::default(), &|_| {
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
            let looks = paths.iter().map(|path| (path.clone(), FileStamp::of(path)));
            Some(FileStamps { looks: looks.collect(), settled: true })
        };
        let fresh = read_files(&found(&paths), &|_| None, &Writers::default(), &|_| {});
        assert!(fresh.iter().all(|part| part.loaded.is_some() && !part.stamps.settled), "too young to be trusted");
        thread::sleep(SETTLED);
        let again = read_files(&found(&paths), &settled, &Writers::default(), &|_| {});
        assert!(again.iter().all(|part| part.loaded.is_none() && part.stamps.settled));
        fs::write(&paths[1], "{\"Vpcs\": [] }").unwrap();
        thread::sleep(SETTLED);
        let before: Vec<FilePart> = again;
        let changed = read_files(
            &found(&paths),
            &|id| before.iter().find(|part| part.id == *id).map(|part| part.stamps.clone()),
            &Writers::default(),
            &|_| {},
        );
        assert_eq!(changed.iter().map(|part| part.loaded.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}
