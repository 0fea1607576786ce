//! Reads many files at once, and again only those that changed.
//!
//! Knows files and threads, and nothing of what the files hold.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::memory::{self, MemoryLeft};
use crate::problem::{Place, Problem};

use super::contract::{Declared, PartId};
use super::gate::ReadGate;
use super::opened::{Opened, OpenedFile};
use super::parallel::in_parallel;
use super::scan::{FoundFile, MAX_FILE_BYTES, is_toml, read_text};
use super::stamp::FileStamp;
use super::{FileText, read_json_set, read_toml_with};

/// All JSON files: ids in one refer to objects in others.
pub(super) const JSON: PartId = PartId::Set("json");

/// Octets of memory that the objects of a file take, at most, for each octet of its text: inputs, model and snapshot.
/// Measured with 15 MB of endpoints in 96 files: 6.7.
const OBJECTS: u64 = 7;
/// The same for its tree, while it is being read. Measured with the same in one file: 19.3 with its objects.
const TREE: u64 = 13;
/// A load that takes less than this is not compared with what is left.
const SMALL: u64 = 1 << 20;
/// What has to be left besides: for questions that come meanwhile, and for threads that have yet to start.
const SPARE: u64 = 8 << 20;

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
    /// Those of `looks` that others name.
    pub(super) beside: Vec<PathBuf>,
    /// What it holds; `None`: the same as when it was read before.
    pub(super) loaded: Option<Declared>,
    /// Files of it that are half written: it is as it was before, or empty if it was not there before.
    pub(super) half_written: Vec<PathBuf>,
}

/// Part, files and looks before they are read.
struct Candidate {
    id: PartId,
    files: Vec<FoundFile>,
    /// Files that they named when they were read and taken over.
    beside: Vec<FoundFile>,
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
/// written: these are as they were earlier. The files that they name have to be below `roots`.
///
/// Returns every part, in the order of their ids. `progress` is told how many files are done, from any thread.
pub(super) fn read_files(
    files: &[FoundFile],
    roots: &[PathBuf],
    earlier: &dyn Fn(&PartId) -> Option<FileStamps>,
    gate: &dyn ReadGate,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<FilePart>, Problem> {
    let done = AtomicUsize::new(0);
    let tick = || progress(1 + done.fetch_add(1, Ordering::Relaxed));
    let (toml, json): (Vec<FoundFile>, Vec<FoundFile>) = files.iter().cloned().partition(|file| is_toml(&file.path));
    gate.catch_up();
    let candidates: Vec<Candidate> = toml
        .into_iter()
        .map(|file| (PartId::File(file.path.clone()), vec![file]))
        .chain((!json.is_empty()).then_some((JSON, json)))
        .map(|(id, files)| Candidate::new(id, files, earlier, gate))
        .collect();
    let is_read = |part: &&Candidate| part.state == Before::Read;
    if !gate.is_given_up() {
        enough_memory(candidates.iter().filter(is_read).map(Candidate::size).collect())?;
    }
    let loaded = in_parallel(&candidates, |part| {
        let loaded = (is_read(&part) && !gate.is_given_up()).then(|| match &part.id {
            PartId::File(path) => load_toml(path, Opened::new(roots, gate)),
            PartId::Set(_) => (load_json(&part.files), Vec::new()),
        });
        for _ in &part.files {
            tick();
        }
        loaded
    });
    gate.catch_up();
    Ok(candidates.into_iter().zip(loaded).map(|(part, loaded)| part.after(loaded, earlier, gate)).collect())
}

/// Whether what is left of the memory allowed is enough for reading parts of these sizes, in octets.
pub(super) fn enough_memory(mut sizes: Vec<u64>) -> Result<(), Problem> {
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let size: u64 = sizes.iter().sum();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let at_once: u64 = sizes.iter().take(threads).sum();
    let need = size.saturating_mul(OBJECTS).saturating_add(at_once.saturating_mul(TREE));
    if need < SMALL {
        return Ok(());
    }
    let is_enough = |left: &MemoryLeft| left.octets >= need.saturating_add(SPARE);
    let Some(left) = memory::left().filter(|left| !is_enough(left)) else { return Ok(()) };
    let mib = |octets: u64| octets >> 20;
    let what = format!(
        "reading {} MiB takes up to {} MiB of memory, and {} MiB are left of {}",
        mib(size),
        mib(need),
        mib(left.octets),
        left.bound
    );
    Err(Problem::error(Place::whole("--zones"), what, "allow more memory, or change fewer files at a time"))
}

impl Candidate {
    fn new(
        id: PartId,
        files: Vec<FoundFile>,
        earlier: &dyn Fn(&PartId) -> Option<FileStamps>,
        gate: &dyn ReadGate,
    ) -> Self {
        let earlier = earlier(&id);
        let named = earlier.iter().flat_map(|earlier| &earlier.looks).map(|(path, _)| path);
        let beside: Vec<_> = named.filter(|path| files.iter().all(|file| file.path != **path)).collect();
        let beside = beside.into_iter().map(|path| FoundFile::at(path)).collect();
        // stamps are taken first: a change while a file is read makes the next look differ from them
        let mut part = Self { id, files, beside, stamps: FileStamps::none(), state: Before::Read };
        part.stamps = FileStamps::of(part.all().map(|file| (file.path.clone(), FileStamp::of(&file.path))).collect());
        if earlier.is_some_and(|earlier| earlier.settled && earlier.looks == part.stamps.looks) {
            part.state = Before::Unchanged;
            return part;
        }
        let looks = part.all().zip(&part.stamps.looks);
        let half_written = looks.filter(|(file, (_, look))| !gate.may_read(file, *look));
        let half_written: Vec<PathBuf> = half_written.map(|(file, _)| file.path.clone()).collect();
        if !half_written.is_empty() {
            part.state = Before::HalfWritten(half_written);
        }
        part
    }

    /// Octets of its files.
    fn size(&self) -> u64 {
        let looks = self.stamps.looks.iter().filter_map(|(_, look)| *look);
        looks.map(|look| look.size().min(MAX_FILE_BYTES)).sum()
    }

    /// Its files, and those that they name.
    fn all(&self) -> impl Iterator<Item = &FoundFile> {
        self.files.iter().chain(&self.beside)
    }

    /// The part after it was read, with the files that were opened for it.
    fn after(
        mut self,
        loaded: Option<(Declared, Vec<OpenedFile>)>,
        earlier: &dyn Fn(&PartId) -> Option<FileStamps>,
        gate: &dyn ReadGate,
    ) -> FilePart {
        let mut half_written = match &self.state {
            Before::HalfWritten(paths) => paths.clone(),
            Before::Read | Before::Unchanged => Vec::new(),
        };
        let loaded = loaded.map(|(loaded, opened)| {
            self.stamps.looks.truncate(self.files.len());
            self.stamps.looks.extend(opened.iter().map(|opened| (opened.file.path.clone(), opened.look)));
            self.stamps = FileStamps::of(std::mem::take(&mut self.stamps.looks));
            let not_whole = opened.iter().filter(|opened| opened.half_written).map(|opened| opened.file.path.clone());
            half_written.extend(not_whole);
            self.beside = opened.into_iter().map(|opened| opened.file).collect();
            let looks = self.all().zip(&self.stamps.looks);
            let not_whole = looks.filter(|(file, (_, look))| !gate.was_whole(file, *look));
            half_written.extend(not_whole.map(|(file, _)| file.path.clone()));
            loaded
        });
        let looks = self.all().zip(&self.stamps.looks).map(|(file, (_, look))| (file.real.clone(), *look)).collect();
        let beside = self.beside.iter().map(|file| file.real.clone()).collect();
        let (stamps, loaded) = if half_written.is_empty() {
            (self.stamps, loaded)
        } else {
            // what was last complete stays; what never was is empty, and never the same as what will be there
            (earlier(&self.id).unwrap_or_else(FileStamps::none), None)
        };
        FilePart { id: self.id, stamps, looks, beside, loaded, half_written }
    }
}

impl FileStamps {
    fn of(looks: Vec<(PathBuf, Option<FileStamp>)>) -> Self {
        let settled = looks.iter().all(|(_, look)| look.is_some_and(|stamp| stamp.is_settled()));
        Self { looks, settled }
    }

    /// Those of a part that was never read: no other is the same.
    fn none() -> Self {
        Self { looks: Vec::new(), settled: false }
    }
}

fn load_toml(path: &Path, opened: Opened<'_>) -> (Declared, Vec<OpenedFile>) {
    match read_text(path) {
        Ok(text) => {
            let declared = read_toml_with(&path.display().to_string().into(), &text, &opened);
            let opened = opened.into_files();
            (Declared { files: 1 + opened.len(), ..declared }, opened)
        }
        Err(problem) => (unread(problem), Vec::new()),
    }
}

fn load_json(files: &[FoundFile]) -> Declared {
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
        let whole = read_files(&files, &[], &|_| None, &Writers::default(), &|_| {}).unwrap();
        let earlier = |id: &PartId| whole.iter().find(|part| part.id == *id).map(|part| part.stamps.clone());
        for after in [false, true] {
            let half = vec![paths[1].clone(), paths[3].clone()];
            let writers = if after {
                Writers { after: half, ..Writers::default() }
            } else {
                Writers { before: half, ..Writers::default() }
            };
            let parts = read_files(&files, &[], &earlier, &writers, &|_| {}).unwrap();
            // of the JSON files, which are one part, none is read
            let read: Vec<_> = parts.iter().map(|part| (part.loaded.is_some(), part.half_written.len())).collect();
            assert_eq!(read, [(true, 0), (false, 1), (false, 1)], "{after}");
            assert_eq!((&parts[1].stamps, &parts[2].stamps), (&whole[1].stamps, &whole[2].stamps));
            let new = read_files(&files, &[], &|_| None, &writers, &|_| {}).unwrap();
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
        let parts = read_files(&found(&paths), &[], &|_| None, &Writers::default(), &|_| {
            ticks.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
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
        let fresh = read_files(&found(&paths), &[], &|_| None, &Writers::default(), &|_| {}).unwrap();
        assert!(fresh.iter().all(|part| part.loaded.is_some() && !part.stamps.settled), "too young to be trusted");
        thread::sleep(SETTLED);
        let again = read_files(&found(&paths), &[], &settled, &Writers::default(), &|_| {}).unwrap();
        assert!(again.iter().all(|part| part.loaded.is_none() && part.stamps.settled));
        fs::write(&paths[1], "{\"Vpcs\": [] }").unwrap();
        thread::sleep(SETTLED);
        let before: Vec<FilePart> = again;
        let changed = read_files(
            &found(&paths),
            &[],
            &|id| before.iter().find(|part| part.id == *id).map(|part| part.stamps.clone()),
            &Writers::default(),
            &|_| {},
        )
        .unwrap();
        assert_eq!(changed.iter().map(|part| part.loaded.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}
