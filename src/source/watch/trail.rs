//! Which directories to watch, so that nothing that leads to a file can change unseen.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::source::scan::Scanned;

/// Symbolic links that are followed one after the other, as many as Linux follows (path_resolution(7)).
const HOPS: usize = 40;

/// What of a directory is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// All that is in it.
    All,
    /// These names; `files`: what is written to them too.
    Names { names: HashSet<OsString>, files: bool },
}

impl Interest {
    /// Whether `name` is of interest.
    pub(super) fn takes(&self, name: &OsStr) -> bool {
        match self {
            Self::All => true,
            Self::Names { names, .. } => names.contains(name),
        }
    }

    /// Whether files in it are read.
    pub(super) fn has_files(&self) -> bool {
        match self {
            Self::All => true,
            Self::Names { files, .. } => *files,
        }
    }
}

/// Every directory to watch, by its real path: those that were scanned, the parents of `roots`, and for every symbolic
/// link on the way to a file the directory that holds the link and the one that holds its target. And the paths of these
/// roots, links and targets.
pub(super) fn to_watch(roots: &[PathBuf], scanned: &Scanned) -> (HashMap<PathBuf, Interest>, HashSet<PathBuf>) {
    let mut wanted: HashMap<PathBuf, Interest> = HashMap::new();
    let mut named = HashSet::new();
    for path in roots.iter().chain(&scanned.links) {
        for step in trail(path) {
            named.insert(step.dir.join(&step.name));
            let interest = wanted.entry(step.dir).or_insert(Interest::Names { names: HashSet::new(), files: false });
            if let Interest::Names { names, files } = interest {
                names.insert(step.name);
                *files |= step.is_file;
            }
        }
    }
    for dir in &scanned.dirs {
        wanted.insert(dir.clone(), Interest::All);
    }
    (wanted, named)
}

/// A name on the way, and the real directory it is in.
#[derive(Debug, PartialEq, Eq)]
struct TrailStep {
    dir: PathBuf,
    name: OsString,
    is_file: bool,
}

/// The symbolic links on the way to `path`, what the last of them leads to, and the first name that is not there.
fn trail(path: &Path) -> Vec<TrailStep> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut ahead: VecDeque<OsString> = parts(&absolute).collect();
    let (mut at, mut steps, mut hops) = (PathBuf::from("/"), Vec::new(), 0);
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let here = at.join(&part);
        let metadata = fs::symlink_metadata(&here);
        let is_link = metadata.as_ref().is_ok_and(fs::Metadata::is_symlink);
        if is_link || ahead.is_empty() || metadata.is_err() {
            let is_file = metadata.as_ref().is_ok_and(fs::Metadata::is_file);
            steps.push(TrailStep { dir: at.clone(), name: part, is_file });
        }
        match metadata {
            Err(_) => break,
            Ok(_) if is_link => {
                hops += 1;
                let Some(target) = fs::read_link(&here).ok().filter(|_| hops < HOPS) else { break };
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    ahead.push_front(part);
                }
            }
            Ok(_) => at = here,
        }
    }
    steps
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::source::scan::scan_all;

    /// The directories to watch below `base`, each with `*` or its names; what leads to `base` is left out.
    fn watched(roots: &[PathBuf], base: &Path) -> Vec<String> {
        let (wanted, _) = to_watch(roots, &scan_all(roots));
        let below = wanted.iter().filter_map(|(dir, interest)| {
            let dir = dir.strip_prefix(base).ok()?.display().to_string();
            let names = match interest {
                Interest::All => "*".to_owned(),
                Interest::Names { names, files } => {
                    let mut names: Vec<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
                    names.sort();
                    names.join(",") + if *files { " with files" } else { "" }
                }
            };
            Some(format!("{dir}/{names}"))
        });
        let mut all: Vec<String> = below.collect();
        all.sort();
        all
    }

    #[test]
    fn links_and_their_targets_are_watched() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        for path in ["zones/sub", "releases/1", "elsewhere"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        for path in ["zones/a.toml", "releases/1/b.toml", "elsewhere/c"] {
            fs::write(base.join(path), "").unwrap();
        }
        assert_eq!(watched(&[base.join("zones")], &base), ["/zones", "zones/*", "zones/sub/*"]);
        // a directory that is a link, as a deployment swaps it
        symlink("releases/1", base.join("current")).unwrap();
        assert_eq!(watched(&[base.join("current")], &base), ["/current", "releases/1", "releases/1/*"]);
        // a file that is a link, through another
        symlink("../elsewhere/c", base.join("zones/hop")).unwrap();
        symlink("hop", base.join("zones/c.toml")).unwrap();
        assert_eq!(
            watched(&[base.join("zones")], &base),
            ["/zones", "elsewhere/c with files", "zones/*", "zones/sub/*"]
        );
        // one that is not there yet
        assert_eq!(watched(&[base.join("later/zones")], &base), ["/later"]);
        // round in a circle
        symlink("round", base.join("round")).unwrap();
        assert_eq!(watched(&[base.join("round")], &base), ["/round"]);
    }
}
