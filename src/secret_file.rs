//! Files of secrets: what is in one, and whether others than its owner may read it.

use std::path::Path;

use crate::problem::{Place, Problem};
use crate::regular;

/// Octets of a token, at least: shorter ones can be guessed.
pub const LEAST_TOKEN: usize = 16;

/// The text of the file at `path`, which `flag` names, and whether others than its owner may read it.
pub fn read(path: &Path, flag: &str) -> Result<(String, bool), Vec<Problem>> {
    let (text, metadata) = regular::read_text(path, regular::MAX_SMALL_BYTES)
        .map_err(|error| problem(path, format!("cannot be read: {error}"), format!("see {flag}")))?;
    Ok((text, regular::is_open_to_others(&metadata, false)))
}

/// The same of a file that nobody else may read; `what` is in it.
pub fn read_owners_only(path: &Path, flag: &str, what: &str) -> Result<String, Vec<Problem>> {
    let (text, is_open_to_others) = read(path, flag)?;
    if is_open_to_others {
        let said = format!("{what} can be read by other users of this machine");
        return Err(problem(path, said, format!("chmod 600 {}", path.display())));
    }
    Ok(text)
}

fn problem(path: &Path, what: String, hint: String) -> Vec<Problem> {
    vec![Problem::error(Place::whole(path.display().to_string()), what, hint)]
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_others_may_read_is_told_apart_and_a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write(&path, "s").unwrap();
        for (mode, is_open) in [(0o600, false), (0o640, true), (0o604, true)] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path, "--x").unwrap(), ("s".to_owned(), is_open), "{mode:o}");
            assert_eq!(read_owners_only(&path, "--x", "it").is_err(), is_open, "{mode:o}");
        }
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let problems = read(&pipe, "--x").unwrap_err();
        assert!(problems[0].to_string().contains("cannot be read: is a named pipe"), "{}", problems[0]);
    }
}
