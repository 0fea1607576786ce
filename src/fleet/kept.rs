//! A set on disk, as a server's last good one: its head on one line, then what its files hold. One file, that a rename puts in the
//! place of the one before.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::set::{FileSet, SetHead};
use crate::regular;

/// Largest file that is read: a set, and its head.
const MOST: u64 = 300 << 20;

/// The file of a set.
pub(super) struct KeptSet {
    path: PathBuf,
}

impl KeptSet {
    /// That of the set `name` in a directory.
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        Self { path: dir.join(format!("{name}.set")) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is kept; `None`: nothing is. An error where it cannot be read, or is not whole.
    pub(super) fn read(&self) -> io::Result<Option<FileSet>> {
        let octets = match regular::read(&self.path, MOST) {
            Ok((octets, _)) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let line = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
        let (head, rest) = octets.split_at_checked(line).unwrap_or((&octets, &[]));
        let head = SetHead::read(head).map_err(damaged)?;
        let mut rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        let mut texts = Vec::new();
        for file in &head.files {
            let length = usize::try_from(file.octets()).unwrap_or(usize::MAX);
            let (text, behind) =
                rest.split_at_checked(length).ok_or_else(|| damaged(format!("{} is cut short", file.path)))?;
            texts.push(text.to_vec());
            rest = behind;
        }
        FileSet::whole(head, texts).map(Some).map_err(damaged)
    }

    /// Keeps a set, which is on disk when this returns.
    pub(super) fn write(&self, set: &FileSet) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut octets = set.head.encoded();
        octets.push(b'\n');
        octets.extend(set.texts.iter().flatten());
        // a successor may keep its own at the same time
        let temporary = self.path.with_extension(format!("set.{}", std::process::id()));
        regular::replace(&self.path, &temporary, &octets)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ec2::time::UnixMillis;

    #[test]
    fn what_is_kept_is_read_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let kept = KeptSet::new(&dir.path().join("state"), "zones");
        assert!(kept.read().unwrap().is_none());
        let files = [("a.toml", "one\ntwo\n"), ("b/c.zone", ""), ("d.json", "{}")];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let set = FileSet::new(files, "01234567890123456789".to_owned(), "me".to_owned(), UnixMillis(7)).unwrap();
        kept.write(&set).unwrap();
        let read = kept.read().unwrap().unwrap();
        assert_eq!((read.head, read.texts), (set.head, set.texts));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(kept.path()), mode(kept.path().parent().unwrap())), (0o600, 0o700));
        let whole = std::fs::read(kept.path()).unwrap();
        for (octets, said) in [
            (whole[..whole.len() - 1].to_vec(), "d.json is cut short"),
            (whole[..20].to_vec(), "cannot be read"),
            ([&whole[..whole.len() - 1], b"]"].concat(), "d.json is not what its head says"),
        ] {
            std::fs::write(kept.path(), octets).unwrap();
            let error = kept.read().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        kept.write(&FileSet::default()).unwrap();
        assert!(kept.read().unwrap().is_some_and(|set| set.head.id.is_empty()));
    }
}
