//! The net below what the system tells: how files look is compared every few seconds with how they looked when they
//! were read.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::source::stamp::FileStamp;

/// How often, where the system tells of changes.
const SELDOM: Duration = Duration::from_secs(5);
/// How often, where it does not.
const OFTEN: Duration = Duration::from_secs(2);

/// How files looked when they were read, and when to compare.
pub(super) struct Net {
    /// By real path; `None`: nothing has been read yet.
    seen: Option<HashMap<PathBuf, Option<FileStamp>>>,
    /// Those that were read as others name them, whatever they are called.
    beside: HashSet<PathBuf>,
    /// A load was asked for that has not read yet: it will see what there is.
    asked: bool,
    pause: Duration,
    next: Instant,
    found: u64,
}

impl Net {
    pub(super) fn new(now: Instant) -> Self {
        Self { seen: None, beside: HashSet::new(), asked: false, pause: OFTEN, next: now + OFTEN, found: 0 }
    }

    /// Time between two looks.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Changes found so far that nobody told of.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    pub(super) fn load_was_asked_for(&mut self) {
        self.asked = true;
    }

    /// Takes note of how the files looked at a reading.
    pub(super) fn has_read(&mut self, looks: Vec<(PathBuf, Option<FileStamp>)>, beside: HashSet<PathBuf>) {
        self.asked = false;
        self.seen = Some(looks.into_iter().collect());
        self.beside = beside;
    }

    /// Whether the file at `path` was read as another one names it.
    pub(super) fn is_beside(&self, path: &Path) -> bool {
        self.beside.contains(path)
    }

    /// Whether the file at `path` looks as it did when it was read, or is not one that is read.
    pub(super) fn is_as_read(&self, path: &Path, look: Option<FileStamp>) -> bool {
        self.seen.as_ref().and_then(|seen| seen.get(path)).is_none_or(|seen| *seen == look)
    }

    /// How the file at `path` looked when it was read.
    pub(super) fn look_at_reading(&self, path: &Path) -> Option<FileStamp> {
        *self.seen.as_ref()?.get(path)?
    }

    /// The files below `dir` that were read.
    pub(super) fn read_below(&self, dir: &Path) -> Vec<PathBuf> {
        self.seen.iter().flat_map(HashMap::keys).filter(|path| path.starts_with(dir)).cloned().collect()
    }

    /// The files, and those that they name, that differ from what was read, less those of which something `is_known`;
    /// files that have gone are among them. To be called when it is due; `polled`: nobody else tells of changes.
    pub(super) fn differing(
        &mut self,
        files: &[&Path],
        is_known: &dyn Fn(&Path) -> bool,
        now: Instant,
        polled: bool,
    ) -> Vec<PathBuf> {
        let began = Instant::now();
        let differing = match &self.seen {
            Some(seen) if !self.asked => {
                let files = files.iter().copied().chain(self.beside.iter().map(PathBuf::as_path));
                differing(seen, files, is_known)
            }
            _ => Vec::new(),
        };
        self.found += differing.len() as u64;
        // looking takes a small share of the time, however many files there are
        let took = began.elapsed();
        self.pause = if polled { OFTEN.max(took * 20) } else { SELDOM.max(took * 100) };
        self.next = now + self.pause;
        differing
    }
}

fn differing<'f>(
    seen: &HashMap<PathBuf, Option<FileStamp>>,
    files: impl Iterator<Item = &'f Path>,
    is_known: &dyn Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let mut there = HashSet::new();
    let mut differing = Vec::new();
    for path in files {
        there.insert(path);
        if seen.get(path) != Some(&FileStamp::of(path)) && !is_known(path) {
            differing.push(path.to_owned());
        }
    }
    differing.extend(seen.keys().filter(|path| !there.contains(path.as_path())).cloned());
    differing
}

/// Whether a directory is on a file system that other machines or hosts write to: the system does not tell of that.
pub(super) fn is_remote(dir: &Path) -> bool {
    /// f_type of NFS, SMB, CIFS, SMB2, FUSE, 9P, AFS, Ceph, Coda, VirtualBox, GFS2, OCFS2, Lustre (statfs(2)).
    const REMOTE: [u32; 13] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x5346_414f,
        0x00c3_6400,
        0x7375_7245,
        0x786f_4256,
        0x0116_1970,
        0x7461_636f,
        0x0bd0_0bd0,
    ];
    rustix::fs::statfs(dir)
        .is_ok_and(|found| REMOTE.iter().any(|known| i64::from(*known) == found.f_type & 0xffff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_last_reading_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| dir.path().join(name)).collect();
        for path in &paths {
            std::fs::write(path, "1").unwrap();
        }
        let now = Instant::now();
        let mut net = Net::new(now);
        let all: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        assert!(net.differing(&all, &|_| false, now, false).is_empty(), "nothing has been read yet");
        net.has_read(paths[..2].iter().map(|path| (path.clone(), FileStamp::of(path))).collect(), HashSet::new());
        assert_eq!(net.differing(&all, &|_| false, now, false), [paths[2].clone()], "a new one");
        assert!(net.differing(&all, &|path| path == paths[2], now, false).is_empty(), "one that was told of");
        net.has_read(paths.iter().map(|path| (path.clone(), FileStamp::of(path))).collect(), HashSet::new());
        std::fs::write(&paths[0], "12").unwrap();
        assert_eq!(net.differing(&all[..2], &|_| false, now, false), [paths[0].clone(), paths[2].clone()]);
        assert_eq!((net.found(), net.pause()), (3, SELDOM));
        net.load_was_asked_for();
        assert!(net.differing(&all, &|_| false, now, true).is_empty(), "a load will see it");
        assert_eq!((net.next(), net.pause()), (now + OFTEN, OFTEN));
        // one that another names is looked at, though no directory is searched for it
        net.has_read(vec![(paths[1].clone(), FileStamp::of(&paths[1]))], HashSet::from([paths[1].clone()]));
        assert!(net.is_beside(&paths[1]) && net.differing(&[], &|_| false, now, true).is_empty());
        std::fs::remove_file(&paths[1]).unwrap();
        assert_eq!(net.differing(&[], &|_| false, now, true), [paths[1].clone()]);
        assert!(!is_remote(Path::new("/")));
    }
}
