//! The files source: directories of TOML files and of the AWS CLI's JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::contract::{LoadTrigger, PartId, Progress, Reading, Source, SourceId};
use super::parts::{FileStamps, read_files};
use super::scan::scan;
use super::watch::Watch;
use crate::problem::Problem;

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

impl Source for Files {
    fn id(&self) -> SourceId {
        SourceId::new("files")
    }

    fn read(&mut self, progress: Progress<'_>) -> Reading {
        let dirs = self.dirs.iter().filter(|dir| self.required || dir.exists()).cloned();
        let (paths, problems) = scan(&dirs.collect::<Vec<_>>());
        let total = paths.len();
        let known = |id: &PartId| self.known.get(id).cloned();
        let parts = read_files(&paths, &known, &|done| progress(done, total));
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
