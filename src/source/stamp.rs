//! What tells a file from an earlier state of it, without reading it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that changed less than this before it was read may change again without its times telling: file systems
/// stamp changes with a clock that moves a few milliseconds at a time.
pub(super) const SETTLE: Duration = Duration::from_millis(100);

/// How a file looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl FileStamp {
    /// How the file at `path` looks, links followed; `None` if it is not there.
    pub fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::from)
    }

    /// The same; `None` too if it was touched so lately that a second change could look the same.
    pub(super) fn settled(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let settled = |time: SystemTime| time.elapsed().is_ok_and(|age| age > SETTLE);
        let since_epoch =
            |seconds: i64, ns: i64| Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(ns).ok()?));
        let changed = SystemTime::UNIX_EPOCH + since_epoch(metadata.ctime(), metadata.ctime_nsec())?;
        (settled(metadata.modified().ok()?) && settled(changed)).then(|| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileStamp {
    fn from(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
