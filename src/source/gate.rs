//! Which files may be read now: those that nobody is writing to.

use super::scan::FoundFile;
use super::stamp::FileStamp;

/// Knows which files are half written.
pub(super) trait ReadGate: Sync {
    /// Takes note of all that is known up to now.
    fn catch_up(&self);

    /// Whether a file that looks like this may be read.
    fn may_read(&self, file: &FoundFile, look: Option<FileStamp>) -> bool;

    /// Whether the reading will be given up, as far as the files that were asked about show: then none need be read.
    fn is_given_up(&self) -> bool {
        false
    }

    /// Whether a file that looked like this before it was read, and has been read, was not written to meanwhile.
    fn was_whole(&self, file: &FoundFile, look: Option<FileStamp>) -> bool;
}

/// Nothing is known of writers: every file may be read.
pub(super) struct Unwatched;

impl ReadGate for Unwatched {
    fn catch_up(&self) {}

    fn may_read(&self, _: &FoundFile, _: Option<FileStamp>) -> bool {
        true
    }

    fn was_whole(&self, _: &FoundFile, _: Option<FileStamp>) -> bool {
        true
    }
}
