//! Finds the files of a directory and reads them.
//!
//! Knows the file system and nothing of what files hold.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::unread;
use crate::problem::{Place, Problem};
use crate::regular;

/// Longest file that is read: some 500,000 endpoints. What is longer is a mistake, such as a disk image.
pub const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FoundFile {
    /// As the user sees it.
    pub(super) path: PathBuf,
    /// The same without symbolic links.
    pub(super) real: PathBuf,
}

impl FoundFile {
    /// The file at `path`.
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), real: real(path) }
    }
}

/// What is below some directories.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// What is to be read, in order.
    pub(super) files: Vec<FoundFile>,
    /// Master files, which are read where a file names them.
    pub(super) zone_files: Vec<FoundFile>,
    /// The directories that were looked through, by their real paths.
    pub(super) dirs: Vec<PathBuf>,
    /// Symbolic links that lead to files or directories.
    pub(super) links: Vec<PathBuf>,
    /// What could not be looked at.
    pub(super) problems: Vec<Problem>,
}

/// Every `*.toml` and `*.json` below the given directories, in order; a file may be given in place of a directory.
///
/// Symbolic links are followed, and what is reached by several ways is read once. Hidden entries are skipped, so that
/// a Kubernetes ConfigMap (visible links into `..data`) is read once, and editors' leftovers are not read at all.
pub fn scan(dirs: &[PathBuf]) -> (Vec<PathBuf>, Vec<Problem>) {
    let Scanned { files, problems, .. } = scan_all(dirs);
    (files.into_iter().map(|file| file.path).collect(), problems)
}

/// The same, with what else is known of the files and the way to them.
pub(super) fn scan_all(dirs: &[PathBuf]) -> Scanned {
    let mut scan = Scan::default();
    for dir in dirs {
        match fs::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => scan.directory(dir, &real(dir)),
            Ok(metadata) => scan.file(dir, real(dir), &metadata),
            Err(error) => {
                let hint = "name a directory that exists, or make this one";
                let what = format!("cannot be read: {}", words(&error));
                scan.found.problems.push(Problem::error(place(dir), what, hint));
            }
        }
    }
    scan.found.files.sort();
    scan.found
}

#[derive(Default)]
struct Scan {
    found: Scanned,
    /// Real paths of what has been visited: no link leads round in a circle.
    seen: HashSet<PathBuf>,
}

impl Scan {
    fn directory(&mut self, dir: &Path, real_dir: &Path) {
        if !self.seen.insert(real_dir.to_owned()) {
            return;
        }
        // before it is read: whoever watches it next misses nothing
        self.found.dirs.push(real_dir.to_owned());
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(dir, &error),
        };
        let mut paths = vec![];
        for entry in entries {
            match entry {
                Ok(entry) => paths.push((entry.path(), entry.file_type().is_ok_and(|kind| kind.is_symlink()))),
                Err(error) => self.unreadable(dir, &error),
            }
        }
        // of two ways to one file, the same one is taken each time
        paths.sort();
        for (path, is_link) in paths.iter().filter(|(path, _)| is_visible(path)) {
            let name = path.file_name().unwrap_or_default();
            let real = if *is_link { real(path) } else { real_dir.join(name) };
            let before = (self.found.files.len(), self.found.dirs.len());
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => self.directory(path, &real),
                Ok(metadata) if is_ours(path) => self.file(path, real, &metadata),
                Ok(metadata) if is_zone_file(path) => self.zone_file(path, real, &metadata),
                Err(error) if is_ours(path) => self.unreadable(path, &error),
                Ok(metadata) if metadata.is_file() => self.found.problems.extend(unread::warning(path)),
                Ok(_) | Err(_) => {}
            }
            if *is_link
                && (is_ours(path) || is_zone_file(path) || before != (self.found.files.len(), self.found.dirs.len()))
            {
                self.found.links.push(path.clone());
            }
        }
    }

    fn file(&mut self, path: &Path, real: PathBuf, metadata: &Metadata) {
        if !metadata.is_file() {
            let hint = "only files and directories are read";
            self.found.problems.push(Problem::error(place(path), "is not a regular file", hint));
        } else if !is_ours(path) {
            let hint = "files end in .toml, or in .json for output of the AWS CLI";
            self.found.problems.push(Problem::error(place(path), "is neither TOML nor JSON by its name", hint));
        } else if self.seen.insert(real.clone()) {
            self.found.files.push(FoundFile { path: path.to_owned(), real });
        }
    }

    fn zone_file(&mut self, path: &Path, real: PathBuf, metadata: &Metadata) {
        if metadata.is_file() && self.seen.insert(real.clone()) {
            self.found.zone_files.push(FoundFile { path: path.to_owned(), real });
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.found.problems.push(unreadable(path, error));
    }
}

/// Where a path leads, symbolic links followed; the path itself if that cannot be told.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether a path is called like a file that is read, or that one of those may name.
pub(super) fn is_source(path: &Path) -> bool {
    is_visible(path) && (is_ours(path) || is_zone_file(path))
}

/// False for `.git`, `..data`, `.#x.toml`.
fn is_visible(path: &Path) -> bool {
    path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
}

/// By the ending, which `x.toml~`, `x.toml.swp` and `#x.toml#` do not have.
fn is_ours(path: &Path) -> bool {
    is_toml(path) || is_json(path)
}

/// True for our own format.
pub(super) fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// True for output of the AWS CLI.
pub(super) fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn is_zone_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zone")
}

/// The text of a file in UTF-8, or UTF-16 with a byte order mark, without that mark.
pub(super) fn read_text(path: &Path) -> Result<String, Problem> {
    match regular::read(path, MAX_FILE_BYTES) {
        Ok((octets, _)) => decode(path, octets),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(Problem::error(place(path), error.to_string(), "split it into several files"))
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn decode(path: &Path, octets: Vec<u8>) -> Result<String, Problem> {
    match String::from_utf8(octets) {
        Ok(text) => Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(error) => {
            // `>` of Windows PowerShell writes it
            if let Some(text) = utf16(error.as_bytes()) {
                return Ok(text);
            }
            let valid = error.utf8_error().valid_up_to();
            let octets = error.as_bytes();
            let looks_like_utf16 = octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]);
            let hint =
                if looks_like_utf16 { "it looks like UTF-16, cut off: save it anew" } else { "save it as UTF-8" };
            let line = 1 + octets.iter().take(valid).filter(|octet| **octet == b'\n').count() as u32;
            Err(Problem::error(Place { line, ..place(path) }, "is not UTF-8 text", hint))
        }
    }
}

/// Text in UTF-16 behind a byte order mark (RFC 2781 3.2).
fn utf16(octets: &[u8]) -> Option<String> {
    let (mark, rest) = octets.split_first_chunk::<2>()?;
    let unit: fn([u8; 2]) -> u16 = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let (units, odd) = rest.as_chunks::<2>();
    let units: Vec<u16> = units.iter().copied().map(unit).collect();
    String::from_utf16(&units).ok().filter(|_| odd.is_empty())
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let hint = "it must exist, and its permissions must let this user read it";
    Problem::error(place(path), format!("cannot be read: {}", words(error)), hint)
}

/// The system's words without its number: "No such file or directory".
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The file as a whole.
pub(super) fn place(path: &Path) -> Place {
    Place::whole(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dirs: &[PathBuf], base: &Path) -> Vec<String> {
        let (paths, problems) = scan(dirs);
        assert_eq!(problems, []);
        paths.iter().map(|path| path.strip_prefix(base).unwrap().display().to_string()).collect()
    }

    #[test]
    fn finds_what_is_ours_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        assert_eq!(names(&[base.to_owned()], base), [""; 0]);
        fs::create_dir_all(base.join("b/.git")).unwrap();
        fs::create_dir(base.join("dir.toml")).unwrap();
        for name in [
            "z.toml",
            "a.json",
            "b/c.toml",
            ".#z.toml",
            "z.toml~",
            "z.toml.swp",
            "#z.toml#",
            "b/.git/x.toml",
            "README.md",
        ] {
            fs::write(base.join(name), "").unwrap();
        }
        assert_eq!(
            names(&[base.to_owned(), base.join("b"), base.join("z.toml")], base),
            ["a.json", "b/c.toml", "z.toml"]
        );
    }

    #[test]
    fn config_maps_and_circles() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        fs::create_dir(base.join("..2026_01_01")).unwrap();
        fs::write(base.join("..2026_01_01/a.toml"), "").unwrap();
        symlink("..2026_01_01", base.join("..data")).unwrap();
        symlink("..data/a.toml", base.join("a.toml")).unwrap();
        symlink(".", base.join("round")).unwrap();
        symlink("a.toml", base.join("same.toml")).unwrap();
        assert_eq!(names(&[base.to_owned()], base), ["a.toml"]);
        symlink("nowhere", base.join("b.toml")).unwrap();
        let (_, problems) = scan(&[base.to_owned()]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().contains("b.toml: error: cannot be read: No such file or directory\n"));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let (paths, problems) = scan(&["does/not/exist".into()]);
        assert!(paths.is_empty());
        assert_eq!(
            problems[0].to_string(),
            "does/not/exist: error: cannot be read: No such file or directory\n  hint: name a directory that exists, or make this one"
        );
    }

    #[test]
    fn text_must_be_utf8() {
        let decode = |octets: &[u8]| decode(Path::new("x.toml"), octets.to_vec());
        assert_eq!(decode(b"\xef\xbb\xbfa").unwrap(), "a");
        assert_eq!(
            decode(b"a\nb\xff\n").unwrap_err().to_string(),
            "x.toml:2: error: is not UTF-8 text\n  hint: save it as UTF-8"
        );
        for text in [&b"\xff\xfea\0\n\0\xe9\0"[..], b"\xfe\xff\0a\0\n\0\xe9"] {
            assert_eq!(decode(text).unwrap(), "a\n\u{e9}", "as PowerShell writes it");
        }
        for cut in [&b"\xff\xfea"[..], b"\xff\xfe\0\xd8"] {
            assert!(decode(cut).unwrap_err().hint.contains("UTF-16"), "{cut:?}");
        }
    }
}
