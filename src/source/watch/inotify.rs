//! What the system tells of directories (inotify(7)): which to tell of, and what it told.
//!
//! Not through a portable interface: what is read must be known to be complete, so events that the system has ready are
//! taken before and after a file is read, on the same thread, and events of readers are never asked for.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::trail::Interest;

/// Something that happened in a directory that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirEvent {
    /// Its real path.
    pub(crate) path: PathBuf,
    /// Whether it is a directory.
    pub(crate) is_dir: bool,
    /// What happened.
    pub(crate) what: Happening,
    /// The same number for both halves of a rename; 0 for all else.
    pub(crate) cookie: u32,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// It was made.
    Made,
    /// It was written to.
    Written,
    /// Someone who could write to it has closed it.
    Closed,
    /// Its owner, permissions or times changed.
    Touched,
    /// It was renamed to this path.
    Arrived,
    /// It was removed, or renamed to another path.
    Gone,
    /// The directory itself was removed, renamed or unmounted.
    Lost,
    /// Events were lost.
    Overflow,
}

/// Octets of events that are read at once.
const BUFFER: usize = 16 << 10;

/// An inotify instance with the directories it tells of.
pub(super) struct Inotify {
    fd: Arc<OwnedFd>,
    dirs: HashMap<PathBuf, Watched>,
    /// Paths by watch descriptor: one directory may be reached by several, through bind mounts.
    paths: HashMap<i32, Vec<PathBuf>>,
}

struct Watched {
    descriptor: i32,
    /// Device and inode.
    identity: (u64, u64),
    interest: Interest,
}

impl Inotify {
    pub(super) fn new() -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { fd: Arc::new(fd), dirs: HashMap::new(), paths: HashMap::new() })
    }

    /// Readable while there are events.
    pub(super) fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// Has the system tell of these directories and no others. Returns whether the set is new, and what is not told.
    pub(super) fn watch_only(&mut self, wanted: HashMap<PathBuf, Interest>) -> (bool, Vec<(PathBuf, io::Error)>) {
        let (mut is_new, mut failed) = (false, Vec::new());
        let gone: Vec<PathBuf> = self.dirs.keys().filter(|dir| !wanted.contains_key(*dir)).cloned().collect();
        for dir in gone {
            self.forget(&dir);
            is_new = true;
        }
        for (dir, interest) in wanted {
            match self.watch(&dir, interest) {
                Ok(changed) => is_new |= changed,
                Err(error) => {
                    self.forget(&dir);
                    failed.push((dir, error));
                }
            }
        }
        failed.sort_by(|a, b| a.0.cmp(&b.0));
        (is_new, failed)
    }

    fn watch(&mut self, dir: &Path, interest: Interest) -> io::Result<bool> {
        let metadata = fs::metadata(dir)?;
        let identity = (metadata.dev(), metadata.ino());
        let is_same = |watched: &Watched| watched.identity == identity && watched.interest == interest;
        if self.dirs.get(dir).is_some_and(is_same) {
            return Ok(false);
        }
        if self.dirs.get(dir).is_some_and(|watched| watched.identity != identity) {
            // another directory has taken its name
            self.forget(dir);
        }
        let descriptor = inotify::add_watch(&*self.fd, dir, mask(&interest))?;
        self.dirs.insert(dir.to_owned(), Watched { descriptor, identity, interest });
        let paths = self.paths.entry(descriptor).or_default();
        if !paths.iter().any(|path| path == dir) {
            paths.push(dir.to_owned());
        }
        Ok(true)
    }

    fn forget(&mut self, dir: &Path) {
        let Some(watched) = self.dirs.remove(dir) else { return };
        let Some(paths) = self.paths.get_mut(&watched.descriptor) else { return };
        paths.retain(|path| path != dir);
        if paths.is_empty() {
            self.paths.remove(&watched.descriptor);
            // the system may have ended the watch itself
            let _ = inotify::remove_watch(&*self.fd, watched.descriptor);
        }
    }

    /// What has happened since the last call, in order, as far as it is of interest.
    pub(super) fn drain(&mut self) -> Vec<DirEvent> {
        let mut events = Vec::new();
        let mut ended = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(&*self.fd, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                // none for now; any other error would come again and again
                Err(_) => break,
            };
            let told = Told { descriptor: event.wd(), flags: event.events(), cookie: event.cookie() };
            if told.flags.contains(ReadFlags::IGNORED) {
                ended.push(told.descriptor);
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            told.add_to(&mut events, name, &self.paths, &self.dirs);
        }
        for descriptor in ended {
            for path in self.paths.remove(&descriptor).unwrap_or_default() {
                if self.dirs.get(&path).is_some_and(|watched| watched.descriptor == descriptor) {
                    self.dirs.remove(&path);
                }
            }
        }
        events
    }
}

/// What is asked for: nothing that a reader causes.
fn mask(interest: &Interest) -> WatchFlags {
    let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
    let itself = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
    // a file that has lost its name is written to without being ours
    let content = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB | WatchFlags::EXCL_UNLINK;
    if interest.has_files() { names | itself | content } else { names | itself }
}

/// One event as the system gives it.
struct Told {
    descriptor: i32,
    flags: ReadFlags,
    cookie: u32,
}

impl Told {
    fn add_to(
        self,
        events: &mut Vec<DirEvent>,
        name: Option<&OsStr>,
        paths: &HashMap<i32, Vec<PathBuf>>,
        dirs: &HashMap<PathBuf, Watched>,
    ) {
        if self.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            events.push(DirEvent { path: PathBuf::new(), is_dir: false, what: Happening::Overflow, cookie: 0 });
            return;
        }
        let Some(what) = happening(self.flags, name.is_some()) else { return };
        for dir in paths.get(&self.descriptor).into_iter().flatten() {
            let path = match name {
                None => dir.clone(),
                Some(name) if dirs.get(dir).is_some_and(|watched| watched.interest.takes(name)) => dir.join(name),
                Some(_) => continue,
            };
            events.push(DirEvent { path, is_dir: self.flags.contains(ReadFlags::ISDIR), what, cookie: self.cookie });
        }
    }
}

fn happening(flags: ReadFlags, has_name: bool) -> Option<Happening> {
    let any = |some: ReadFlags| flags.intersects(some);
    if any(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED) {
        return Some(Happening::Lost);
    }
    if !has_name {
        // the attributes of the directory itself: it may have become readable
        return any(ReadFlags::ATTRIB).then_some(Happening::Lost);
    }
    let table = [
        (ReadFlags::DELETE | ReadFlags::MOVED_FROM, Happening::Gone),
        (ReadFlags::MOVED_TO, Happening::Arrived),
        (ReadFlags::CREATE, Happening::Made),
        (ReadFlags::MODIFY, Happening::Written),
        (ReadFlags::CLOSE_WRITE, Happening::Closed),
        (ReadFlags::ATTRIB, Happening::Touched),
    ];
    table.into_iter().find(|(some, _)| any(*some)).map(|(_, what)| what)
}
