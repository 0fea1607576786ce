//! The files that one file refers to, as they are opened while it is read.
//!
//! Knows paths and looks, and nothing of what the files hold.

use std::cell::RefCell;
use std::path::{Component, Path, PathBuf};

use crate::problem::{Place, Problem};

use super::FileText;
use super::beside::FilesBeside;
use super::gate::ReadGate;
use super::scan::{FoundFile, read_text};
use super::stamp::FileStamp;

/// Opens files below some directories, and remembers them.
pub(super) struct Opened<'g> {
    roots: &'g [PathBuf],
    gate: &'g dyn ReadGate,
    files: RefCell<Vec<OpenedFile>>,
}

/// A file that was opened, or should have been.
pub(super) struct OpenedFile {
    pub(super) file: FoundFile,
    /// How it looked before.
    pub(super) look: Option<FileStamp>,
    /// It was not read, as someone is writing to it.
    pub(super) half_written: bool,
}

impl<'g> Opened<'g> {
    /// Opens files below `roots`, each a directory or a file in the directory that is meant.
    pub(super) fn new(roots: &'g [PathBuf], gate: &'g dyn ReadGate) -> Self {
        Self { roots, gate, files: RefCell::new(Vec::new()) }
    }

    /// The files that were opened, each once.
    pub(super) fn into_files(self) -> Vec<OpenedFile> {
        self.files.into_inner()
    }

    fn is_below_a_root(&self, path: &Path) -> bool {
        let whole = |path: &Path| std::path::absolute(path).map(|path| tidy(&path)).ok();
        let Some(path) = whole(path) else { return false };
        self.roots.iter().any(|root| {
            let dir = if root.is_file() { root.parent().unwrap_or(root) } else { root };
            // a root that is a file's name alone is in the working directory, of which the parent is empty
            whole(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })
                .is_some_and(|dir| path.starts_with(dir))
        })
    }
}

impl FilesBeside for Opened<'_> {
    fn open(&self, at: &Place, name: &str) -> Result<FileText, Problem> {
        let from = Path::new(&*at.file);
        let path = tidy(&from.parent().unwrap_or(from).join(name));
        let shown = path.display().to_string();
        // by its text: a link that the operator put there may lead elsewhere, as those of other files may
        if !self.is_below_a_root(&path) {
            let hint = "put it beside the file that names it, or below: the path is relative to that one";
            return Err(Problem::error(at.clone(), format!("'{name}' is outside the zones directory"), hint));
        }
        let file = FoundFile::at(&path);
        let look = FileStamp::of(&path);
        let mut files = self.files.borrow_mut();
        let half_written = !self.gate.may_read(&file, look);
        if files.iter().all(|opened| opened.file != file) {
            files.push(OpenedFile { file, look, half_written });
        }
        if half_written {
            // whoever sees that it is half written drops what was read, and this with it
            return Err(Problem::error(at.clone(), format!("{shown} is being written"), "wait until it is complete"));
        }
        match read_text(&path) {
            Ok(text) => Ok(FileText { path: shown.into(), text }),
            Err(problem) if problem.place.line > 0 => Err(problem),
            Err(problem) => Err(Problem::error(at.clone(), format!("{shown} {}", problem.what), problem.hint)),
        }
    }
}

/// A path without `.`, and without `..` as far as there is a name before it.
pub(super) fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::gate::Unwatched;
    use super::*;

    #[test]
    fn nothing_outside_of_the_directory_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let zones = dir.path().join("zones");
        fs::create_dir_all(zones.join("sub")).unwrap();
        for path in ["out.zone", "zones/in.zone", "zones/sub/in.zone"] {
            fs::write(dir.path().join(path), "").unwrap();
        }
        let roots = [zones.clone()];
        let opened = Opened::new(&roots, &Unwatched);
        let open = |from: &str, name: &str| {
            let place = Place { line: 3, column: 8, ..Place::whole(zones.join(from).display().to_string()) };
            opened.open(&place, name).map(|file| file.path.to_string()).map_err(|problem| problem.what)
        };
        let whole = |path: &str| zones.join(path).display().to_string();
        assert_eq!(open("a.toml", "in.zone"), Ok(whole("in.zone")));
        assert_eq!(open("a.toml", "./sub/../sub/in.zone"), Ok(whole("sub/in.zone")));
        assert_eq!(open("sub/a.toml", "../in.zone"), Ok(whole("in.zone")));
        assert_eq!(open("a.toml", &whole("in.zone")), Ok(whole("in.zone")));
        for name in ["../out.zone", "sub/../../out.zone", "/etc/passwd", "../../../../../../../etc/passwd", "../zones2"]
        {
            assert_eq!(open("a.toml", name), Err(format!("'{name}' is outside the zones directory")));
        }
        let missing = open("a.toml", "no.zone").unwrap_err();
        assert_eq!(missing, format!("{} cannot be read: No such file or directory", whole("no.zone")));
        let paths: Vec<_> = opened.into_files().into_iter().map(|opened| opened.file.path).collect();
        // one that is missing is looked for again when it comes
        assert_eq!(paths, ["in.zone", "sub/in.zone", "no.zone"].map(|path| zones.join(path)));
    }

    #[test]
    fn paths_are_tidied_by_their_text() {
        for (path, want) in
            [("a/./b", "a/b"), ("a/../b", "b"), ("../a", "../a"), ("/../a", "/a"), ("a/../../b", "../b"), (".", "")]
        {
            assert_eq!(tidy(Path::new(path)), Path::new(want), "{path}");
        }
    }
}
