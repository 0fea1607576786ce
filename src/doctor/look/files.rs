//! Files of the host, and a note of each that was looked at.

use std::path::Path;

use serde::Serialize;

use crate::regular;

/// A file that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookedAt {
    /// Its path, and where it is a link, what that leads to.
    pub path: String,
    /// `read`, `not there`, or why it cannot be read.
    pub state: String,
}

/// See the module.
#[derive(Default)]
pub(super) struct HostFiles {
    pub(super) looked_at: Vec<LookedAt>,
}

impl HostFiles {
    /// The content of a file of text; `None` where there is none, or it cannot be read.
    pub(super) fn read(&mut self, path: &str) -> Option<String> {
        // files of /proc have no size, so that they are read without a look at it
        let read = if path.starts_with("/proc/") {
            std::fs::read_to_string(path)
        } else {
            regular::read(Path::new(path), regular::MAX_SMALL_BYTES)
                .map(|(content, _)| String::from_utf8_lossy(&content).into_owned())
        };
        let (text, state) = match read {
            Ok(text) => (Some(text), "read".to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (None, "not there".to_owned()),
            Err(error) => (None, format!("cannot be read: {error}")),
        };
        self.note(Path::new(path), &state);
        text
    }

    /// Notes a file that somebody else reads.
    pub(super) fn note(&mut self, path: &Path, state: &str) {
        let target = std::fs::read_link(path).map_or_else(|_| String::new(), |to| format!(" -> {}", to.display()));
        let looked_at = LookedAt { path: format!("{}{target}", path.display()), state: state.to_owned() };
        if !self.looked_at.contains(&looked_at) {
            self.looked_at.push(looked_at);
        }
    }
}
