//! Reads files that others name: regular ones only, without ever waiting for one, and none that is too large. Replaces
//! files of our own.
//!
//! A named pipe, a socket or a device in the place of a file is an error that says so: opening a pipe would wait for its
//! writer, and reading a device may never end.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Longest file of settings, keys or certificates.
pub const MAX_SMALL_BYTES: u64 = 16 << 20;

/// Opens a regular file for reading. Returns it with what it is; never waits.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // a look first, as opening a device may do something
    regular(std::fs::metadata(path)?.file_type())?;
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    // and another: it may have been replaced meanwhile
    regular(metadata.file_type())?;
    Ok((file, metadata))
}

/// The content of a regular file. An error if it has more than `max` octets, before any of it is read.
pub fn read(path: &Path, max: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let (file, metadata) = open(path)?;
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("is larger than {}", octets(max)));
    if metadata.len() > max {
        return Err(too_large());
    }
    let mut content = Vec::new();
    content.try_reserve_exact(usize::try_from(metadata.len()).unwrap_or(usize::MAX))?;
    // it may grow meanwhile
    file.take(max + 1).read_to_end(&mut content)?;
    if content.len() as u64 > max { Err(too_large()) } else { Ok((content, metadata)) }
}

/// The same as text.
pub fn read_text(path: &Path, max: u64) -> io::Result<(String, Metadata)> {
    let (content, metadata) = read(path, max)?;
    let text =
        String::from_utf8(content).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8 text"))?;
    Ok((text, metadata))
}

/// Whether users other than the owner and the group may read or write a file, or, if `group` is false, whether anybody
/// but its owner may.
pub fn is_open_to_others(metadata: &Metadata, group: bool) -> bool {
    metadata.permissions().mode() & if group { 0o007 } else { 0o077 } != 0
}

/// Puts a new file at `path`, as a whole or not at all, which is on disk when this returns. `temporary` is beside it, and
/// gone afterwards. Nobody but the owner may read the file.
pub fn replace(path: &Path, temporary: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(temporary, path)
    };
    let written = write();
    if written.is_err() {
        // it may be what fills the disk
        let _ = std::fs::remove_file(temporary);
    }
    written?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn regular(kind: FileType) -> io::Result<()> {
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("is {what}, and no regular file")))
}

/// `256 MiB`, `16 KiB`, `100 octets`
fn octets(number: u64) -> String {
    match number {
        0x10_0000.. => format!("{} MiB", number >> 20),
        0x400.. => format!("{} KiB", number >> 10),
        _ => format!("{number} octets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_named_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        // nobody writes to it: opening it in the usual way would wait for ever
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in [
            (pipe.as_path(), "is a named pipe, and no regular file"),
            (socket.as_path(), "is a socket, and no regular file"),
            (dir.path(), "is a directory, and no regular file"),
            (Path::new("/dev/zero"), "is a device, and no regular file"),
        ] {
            assert_eq!(read(path, 10).unwrap_err().to_string(), what);
        }
    }

    #[test]
    fn the_size_is_looked_at_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap().0, "12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "is larger than 4 octets");
        // without a single block on the disk
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path, 1 << 20).unwrap_err().to_string(), "is larger than 1 MiB");
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 4).unwrap_err().to_string(), "is not UTF-8 text");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (path, temporary) = (dir.path().join("a"), dir.path().join("a.new"));
        replace(&path, &temporary, b"first").unwrap();
        assert!(!is_open_to_others(&std::fs::metadata(&path).unwrap(), false));
        std::fs::create_dir(&temporary).unwrap();
        assert!(replace(&path, &temporary, b"second").is_err());
        assert_eq!(read_text(&path, 10).unwrap().0, "first");
        std::fs::remove_dir(&temporary).unwrap();
        // what an end of the process left there
        std::fs::write(&temporary, "half of somethi").unwrap();
        replace(&path, &temporary, b"third").unwrap();
        assert_eq!(read_text(&path, 10).unwrap().0, "third");
        assert!(!temporary.exists());
        // the new name cannot be taken: nothing is left behind
        let taken = dir.path().join("directory");
        std::fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, &temporary, b"fourth").is_err() && !temporary.exists());
    }

    #[test]
    fn others_are_told_from_the_group() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "").unwrap();
        for (mode, to_all, to_group_too) in [(0o600, false, false), (0o640, false, true), (0o604, true, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let metadata = std::fs::metadata(&path).unwrap();
            let is_open = (is_open_to_others(&metadata, true), is_open_to_others(&metadata, false));
            assert_eq!(is_open, (to_all, to_group_too), "{mode:o}");
        }
    }
}
