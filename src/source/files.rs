//! The files source: directories of TOML files and of the AWS CLI's JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::contract::{LoadTrigger, PartId, Progress, Reading, Source, SourceId};
use super::parts::{FileStamps, read_files};
use super::scan::scan;
use super::watch::Watch;
use crate::problem::{Place, Problem};

/// A file that is written to and not closed for longer than this is worth a warning.
const LEFT_OPEN: Duration = Duration::from_secs(30);

/// Every `*.toml` and `*.json` below some directories.
pub struct Files {
    dirs: Vec<PathBuf>,
    required: bool,
    /// How the files of each part looked when they were read and taken over.
    known: BTreeMap<PartId, FileStamps>,
    /// The same of the last reading.
    last: BTreeMap<PartId, FileStamps>,
    /// Watches as long as it is kept.
    watch: Option<Watch>,
}

impl Files {
    /// The files below `dirs`, each of which has to be there.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self { dirs, required: true, known: BTreeMap::new(), last: BTreeMap::new(), watch: None }
    }

    /// The files below `dirs`; one that is not there is as good as an empty one.
    pub fn where_present(dirs: Vec<PathBuf>) -> Self {
        Self { required: false, ..Self::new(dirs) }
    }
}

/// A warning where a writer keeps a file open for long.
fn left_open(path: &Path, age: Duration) -> Option<Problem> {
    let hint = "close the file, or write another and rename it over this one";
    let what = format!("is half written since {} s: its last complete content is served", age.as_secs());
    (age >= LEFT_OPEN).then(|| Problem::warning(Place::whole(path.display().to_string()), what, hint))
}

impl Source for Files {
    fn id(&self) -> SourceId {
        SourceId::new("files")
    }

    fn read(&mut self, progress: Progress<'_>) -> Reading {
        let dirs = self.dirs.iter().filter(|dir| self.required || dir.exists()).cloned();
        let (paths, mut problems) = scan(&dirs.collect::<Vec<_>>());
        let total = paths.len();
        let known = |id: &PartId| self.known.get(id).cloned();
        let since = |path: &Path| self.watch.as_ref().and_then(|watch| watch.half_written(path));
        let parts = read_files(&paths, &known, &|path| since(path).is_some(), &|done| progress(done, total));
        problems.extend(paths.iter().filter_map(|path| Some(left_open(path, since(path)?.elapsed()))).flatten());
        self.last = parts.iter().map(|part| (part.id.clone(), part.stamps.clone())).collect();
        let gone = self.known.keys().filter(|id| !self.last.contains_key(id)).cloned().collect();
        let parts = parts.into_iter().filter_map(|part| Some((part.id, part.loaded?))).collect();
        Reading { parts, gone, problems, ..Reading::default() }
    }

    fn taken(&mut self) {
        self.known.clone_from(&self.last);
    }

    fn watch(&mut self, trigger: LoadTrigger) -> Option<Problem> {
        let (watch, problem) = Watch::start(self.dirs.clone(), trigger);
        self.watch = watch;
        problem
    }
}
