//! What tells a file from an earlier state of it, without reading it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A file that changed less than this before it was read may change again without its times telling: file systems
/// stamp changes with a clock that moves a few milliseconds at a time.
const SETTLE: Duration = Duration::from_millis(100);

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

    /// Whether both are of one file, by device and inode.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether the last change to the file was so long ago, by this machine's clock. False for a time to come.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        let older = |ns: i128| {
            let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            i128::try_from(since_epoch.as_nanos())
                .is_ok_and(|now| now - ns > i128::try_from(age.as_nanos()).unwrap_or(i128::MAX))
        };
        older(self.modified_ns) && older(self.changed_ns)
    }

    /// Whether a second change would show: it was not touched just now.
    pub(super) fn is_settled(&self) -> bool {
        self.is_older_than(SETTLE)
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
