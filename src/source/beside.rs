//! Files that others refer to: a master file that a TOML file names, and those that it includes.

use crate::problem::{Place, Problem};

use super::FileText;

/// Opens the files that others refer to.
pub trait FilesBeside {
    /// The file that the one at `at` calls `name`, where that may be read.
    fn open(&self, at: &Place, name: &str) -> Result<FileText, Problem>;
}

/// There are no files, as a text came from elsewhere.
pub(super) struct NoFiles;

impl FilesBeside for NoFiles {
    fn open(&self, at: &Place, name: &str) -> Result<FileText, Problem> {
        let what = format!("'{name}' cannot be read: this text is no file, and has none beside it");
        Err(Problem::error(at.clone(), what, "write the records into it"))
    }
}
