//! A directory with files, and the loader that reads it.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use vpcedns::model::{Changes, Model};
use vpcedns::source::{Files, Sources};

use super::lines;

/// A directory with files, and its loader.
pub struct Dir {
    pub dir: tempfile::TempDir,
    pub loader: Sources,
}

impl Dir {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let loader =
            Sources::new(vec![Box::new(Files::new(vec![dir.path().to_owned()]))], vec!["10.1.0.2:53".parse().unwrap()]);
        Self { dir, loader }
    }

    /// Makes the directory hold these files and no others; what is the same is not touched.
    pub fn write(&self, files: &[(&str, &str)]) {
        let wanted: HashSet<&str> = files.iter().map(|(name, _)| *name).collect();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if !wanted.contains(path.file_name().unwrap().to_str().unwrap()) {
                fs::remove_file(path).unwrap();
            }
        }
        for (name, text) in files {
            let path = self.dir.path().join(name);
            if fs::read_to_string(&path).ok().as_deref() != Some(*text) {
                fs::write(&path, text).unwrap();
            }
        }
    }

    /// Loads; problems with the directory's own path left out.
    pub fn load(&mut self) -> (Option<Model>, Changes, String) {
        let loaded = self.loader.load(&|_, _| {});
        let prefix = format!("{}/", self.dir.path().display());
        (loaded.model, loaded.changes, lines(&loaded.problems).replace(&prefix, ""))
    }

    /// Waits until the files are old enough not to be read again, as those of a server are.
    pub fn settle(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.loader.load(&|_, _| {}).files_read > 0 {
            assert!(Instant::now() < until, "files are read again and again");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
