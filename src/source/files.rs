//! The files source: directories of TOML files, the master files that they name, and the AWS CLI's JSON.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::contract::{LoadTrigger, PartId, Progress, Reading, Source, SourceHealth, SourceId};
use super::gate::ReadGate;
use super::parts::{FilePart, FileStamps, read_files};
use super::scan::{FoundFile, Scanned, place, scan_all};
use super::stamp::FileStamp;
use super::unread;
use super::watch::{Readable, Watch, unseen};
use crate::problem::Problem;

/// A file that is being written at the start is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Every `*.toml` and `*.json` below some directories.
pub struct Files {
    id: SourceId,
    dirs: Vec<PathBuf>,
    required: bool,
    /// How the files of each part looked when they were read and taken over.
    known: BTreeMap<PartId, FileStamps>,
    /// The same of the last reading.
    last: BTreeMap<PartId, FileStamps>,
    /// The files of the last reading.
    last_found: Vec<FoundFile>,
    /// How each file looked at the last reading, by its real path.
    looks: HashMap<PathBuf, Option<FileStamp>>,
    /// What was wrong at the last reading: with the set as a whole, and with parts that were not taken over.
    said: (Vec<Problem>, Vec<Problem>),
    /// False until a reading is taken over.
    started: bool,
    /// Watches as long as it is kept.
    watch: Option<Watch>,
    /// Why there is no watch, though there should be one.
    unwatched: Option<String>,
}

impl Files {
    /// The files below `dirs`, each of which has to be there.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self {
            id: Self::usual_id(),
            dirs,
            required: true,
            known: BTreeMap::new(),
            last: BTreeMap::new(),
            last_found: Vec::new(),
            looks: HashMap::new(),
            said: Default::default(),
            started: false,
            watch: None,
            unwatched: None,
        }
    }

    /// The name of the files of a server, where they have no other.
    pub(crate) fn usual_id() -> SourceId {
        SourceId::new("files")
    }

    /// The files below `dirs`; one that is not there is as good as an empty one.
    pub fn where_present(dirs: Vec<PathBuf>) -> Self {
        Self { required: false, ..Self::new(dirs) }
    }

    /// The same by another name, where there are several of its kind.
    #[must_use]
    pub fn named(self, id: SourceId) -> Self {
        Self { id, ..self }
    }

    /// Files of the last reading that are not among `found`, but may come back: whoever checks another version out
    /// removes a file before it writes the next.
    fn gone_for_a_moment(&self, found: &[FoundFile], gate: &Gate<'_>) -> Vec<FoundFile> {
        gate.catch_up();
        let there: HashSet<&FoundFile> = found.iter().collect();
        let missing = self.last_found.iter().filter(|file| !there.contains(file));
        // a directory that cannot be read is an error, and keeps all of its files
        missing.filter(|file| !file.path.exists() && !gate.may_read(file, None)).cloned().collect()
    }

    fn present(&self) -> Vec<PathBuf> {
        self.dirs.iter().filter(|dir| self.required || dir.exists()).cloned().collect()
    }
}

impl Source for Files {
    fn id(&self) -> SourceId {
        self.id.clone()
    }

    fn read(&mut self, progress: Progress<'_>) -> Reading {
        let Scanned { mut files, zone_files, mut problems, .. } = scan_all(&self.present());
        let known = |id: &PartId| self.known.get(id).cloned();
        let gate = Gate {
            watch: self.watch.as_ref(),
            looks: &self.looks,
            started: self.started,
            in_doubt: AtomicBool::new(false),
        };
        self.watch.iter().for_each(Watch::judge);
        let gone = self.gone_for_a_moment(&files, &gate);
        let are_gone: HashSet<PathBuf> = gone.iter().map(|file| file.real.clone()).collect();
        files.extend(gone);
        files.sort();
        let total = files.len();
        let parts = match read_files(&files, &self.dirs, &known, &gate, &|done| progress(done, total)) {
            Ok(parts) => parts,
            // nothing was read: all is as it was
            Err(problem) => return Reading { problems: vec![problem], ..Reading::default() },
        };
        // what was gone for a moment has gone for good meanwhile: a load that knows so follows
        let is_overtaken =
            |part: &FilePart| part.loaded.is_some() && part.looks.iter().any(|(real, _)| are_gone.contains(real));
        // a checkout, or a link that leads to another directory, is served whole: what is left of the old set together with
        // what is known of the new one is neither
        if gate.is_given_up() || self.started && parts.iter().any(is_overtaken) {
            let problems = [&*self.said.0, &*self.said.1].concat();
            let health = self.watch.as_ref().map(Watch::health).unwrap_or_default();
            return Reading { problems, health, ..Reading::default() };
        }
        self.last_found = files;
        self.looks = parts.iter().flat_map(|part| part.looks.iter().cloned()).collect();
        let half_written = parts.iter().flat_map(|part| &part.half_written);
        if !self.started {
            problems.extend(half_written.map(|path| {
                let hint = "start again when it is complete: a writer closes it, or renames another over it";
                Problem::error(place(path), "is being written", hint)
            }));
        }
        // a file with errors may not have come to name all of its own
        if parts.iter().flat_map(|part| &part.loaded).all(|loaded| !loaded.problems.iter().any(Problem::is_error)) {
            let unnamed = zone_files.iter().filter(|file| !self.looks.contains_key(&file.real));
            problems.extend(unnamed.map(|file| unread::zone_file(&file.path)));
        }
        let mut health = SourceHealth::default();
        if let Some(watch) = &self.watch {
            let beside = parts.iter().flat_map(|part| part.beside.iter().cloned()).collect();
            watch.has_read(self.looks.iter().map(|(path, look)| (path.clone(), *look)).collect(), beside);
            problems.extend(watch.problems());
            health = watch.health();
        }
        if let Some(why) = &self.unwatched {
            problems.push(unseen(why));
            health.untold = true;
        }
        self.last = parts.iter().map(|part| (part.id.clone(), part.stamps.clone())).collect();
        let gone = self.known.keys().filter(|id| !self.last.contains_key(id)).cloned().collect();
        let parts: Vec<_> = parts.into_iter().filter_map(|part| Some((part.id, part.loaded?))).collect();
        self.said = (problems.clone(), parts.iter().flat_map(|(_, declared)| declared.problems.clone()).collect());
        Reading { parts, gone, problems, health, ..Reading::default() }
    }

    fn taken(&mut self) {
        self.started = true;
        self.said.1.clear();
        self.known.clone_from(&self.last);
    }

    fn watch(&mut self, trigger: LoadTrigger) {
        match Watch::start(self.dirs.clone(), trigger) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => self.unwatched = Some(error.to_string()),
        }
    }

    fn settle(&mut self, patience: Duration) {
        let Some(watch) = &self.watch else { return };
        let until = Instant::now() + patience;
        let is_whole =
            |file: &FoundFile| watch.readable(&file.real, FileStamp::of(&file.real), None) == Readable::Whole;
        loop {
            watch.catch_up();
            watch.judge();
            let Scanned { files, zone_files, .. } = scan_all(&self.present());
            if files.iter().chain(&zone_files).all(is_whole) || Instant::now() > until {
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn doubt(&mut self) {
        if let Some(watch) = &self.watch {
            watch.doubt();
        }
    }
}

/// Whether files may be read: what the watch knows of their writers.
struct Gate<'w> {
    watch: Option<&'w Watch>,
    /// How files looked at the last reading, whether it was taken over or not.
    looks: &'w HashMap<PathBuf, Option<FileStamp>>,
    /// A reading was taken over, which stays as long as this one is in doubt.
    started: bool,
    /// A file may not be read, and only the next looks will tell what it is.
    in_doubt: AtomicBool,
}

impl Gate<'_> {
    fn lets_read(&self, real: &Path, look: Option<FileStamp>, before: Option<FileStamp>) -> bool {
        let Some(watch) = self.watch else { return true };
        let readable = watch.readable(real, look, before);
        if readable == Readable::InDoubt {
            self.in_doubt.store(true, Ordering::Relaxed);
        }
        readable == Readable::Whole
    }
}

impl ReadGate for Gate<'_> {
    fn catch_up(&self) {
        if let Some(watch) = self.watch {
            watch.catch_up();
        }
    }

    fn may_read(&self, file: &FoundFile, look: Option<FileStamp>) -> bool {
        let before = self.looks.get(&file.real).copied().flatten();
        self.lets_read(&file.real, look, before)
    }

    fn is_given_up(&self) -> bool {
        self.started && self.in_doubt.load(Ordering::Relaxed)
    }

    fn was_whole(&self, file: &FoundFile, look: Option<FileStamp>) -> bool {
        if self.watch.is_none() {
            return true;
        }
        let now = FileStamp::of(&file.real);
        if let (Some(now), Some(look)) = (now, look)
            && !now.is_same_file(&look)
        {
            // another has taken its name: what was read is whole, and the next load reads the other
            return true;
        }
        self.lets_read(&file.real, now, look) && now == look
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::contract::LoadRequests;

    const VPC: &str = "[[vpc]]\nvpc_id = \"vpc-ec43eb89\"\nregion = \"us-east-1\"\ncidr_blocks = [\"10.0.0.0/16\"]\n";

    #[test]
    fn a_set_that_takes_the_place_of_another_is_served_whole() {
        let (dir, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (old, new) = (dir.path().join("old.toml"), dir.path().join("new.toml"));
        fs::write(&old, VPC).unwrap();
        fs::write(beside.path().join("new"), VPC).unwrap();
        let mut files = Files::new(vec![dir.path().to_owned()]);
        files.watch(LoadRequests::new().0);
        files.settle(Duration::from_secs(10));
        assert_eq!(files.read(&|_, _| {}).parts.len(), 1);
        files.taken();
        fs::remove_file(&old).unwrap();
        let differs = |files: &mut Files| {
            let reading = files.read(&|_, _| {});
            assert!(reading.problems.is_empty(), "{:?}", reading.problems);
            let names = |ids: Vec<PartId>| ids.into_iter().map(|id| format!("{id:?}")).collect::<Vec<_>>();
            files.taken();
            (names(reading.gone), names(reading.parts.into_iter().map(|(id, _)| id).collect()))
        };
        // whoever removes a file may be about to write another, and nobody tells when a second link to one is whole
        assert_eq!(differs(&mut files), (vec![], vec![]));
        thread::sleep(LOOK_AGAIN);
        fs::hard_link(beside.path().join("new"), &new).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let first = loop {
            let now = differs(&mut files);
            if now != (vec![], vec![]) {
                break now;
            }
            assert!(Instant::now() < until, "the new set is never read");
        };
        let file = |path: &PathBuf| vec![format!("{:?}", PartId::File(path.clone()))];
        assert_eq!(first, (file(&old), file(&new)), "one went, or came, without the other");
    }
}
