//! Where a log goes: a file, standard output, or a Unix socket that somebody listens on.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, ErrorKind, Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::dnstap::ControlFrame;

/// How long the other end of a socket may take for its part of the handshake, and to take what is written.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest control frame (fstrm, `FSTRM_CONTROL_FRAME_LENGTH_MAX`).
const MOST_CONTROL: usize = 512;

/// A place that is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogPlace {
    /// `-`
    Stdout,
    /// A path: appended to, and opened anew when another file or none is there, as after a rotation.
    File(PathBuf),
    /// `unix:PATH`: connected to, and again after it broke off.
    Socket(PathBuf),
}

impl LogPlace {
    pub(super) fn of(text: &str) -> Self {
        match text.strip_prefix("unix:") {
            _ if text == "-" => Self::Stdout,
            Some(path) => Self::Socket(path.into()),
            None => Self::File(text.into()),
        }
    }
}

/// An open place.
pub(super) struct Sink {
    place: LogPlace,
    out: BufWriter<Box<dyn Write + Send>>,
    /// Device and inode of the file.
    file: Option<(u64, u64)>,
}

impl Sink {
    /// Opens it. In `frames`, what is written are Frame Streams: they begin with a handshake on a socket.
    pub(super) fn open(place: &LogPlace, frames: bool) -> io::Result<Self> {
        let mut file = None;
        let out: Box<dyn Write + Send> = match place {
            LogPlace::Stdout => Box::new(io::stdout()),
            LogPlace::File(path) => {
                // a stream has one beginning: what is there stays of lines only
                let opened = OpenOptions::new()
                    .create(true)
                    .append(!frames)
                    .write(true)
                    .truncate(frames)
                    .mode(0o640)
                    .open(path)?;
                file = inode(&opened.metadata()?);
                Box::new(opened)
            }
            LogPlace::Socket(path) => {
                let mut stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_read_timeout(Some(PATIENCE))?;
                if frames {
                    stream.write_all(&ControlFrame::Ready.octets())?;
                    accepted(&mut stream)?;
                }
                Box::new(stream)
            }
        };
        let mut sink = Self { place: place.clone(), out: BufWriter::with_capacity(64 << 10, out), file };
        if frames {
            sink.out.write_all(&ControlFrame::Start.octets())?;
            sink.out.flush()?;
        }
        Ok(sink)
    }

    /// Whether its path leads to another file by now, or to none.
    pub(super) fn is_moved(&self) -> bool {
        let LogPlace::File(path) = &self.place else { return false };
        std::fs::metadata(path).ok().and_then(|metadata| inode(&metadata)) != self.file
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.out.write_all(octets)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn inode(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    // a pipe or a terminal is not rotated
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

/// Reads the reader's ACCEPT.
fn accepted(stream: &mut UnixStream) -> io::Result<()> {
    let wrong = |what: &str| io::Error::new(ErrorKind::InvalidData, format!("the reader is none of dnstap: {what}"));
    let mut number = [0; 4];
    let mut next = |stream: &mut UnixStream| {
        stream.read_exact(&mut number)?;
        Ok::<u32, io::Error>(u32::from_be_bytes(number))
    };
    if next(stream)? != 0 {
        return Err(wrong("it does not begin with a control frame"));
    }
    let length = next(stream)? as usize;
    if !(4..=MOST_CONTROL).contains(&length) {
        return Err(wrong("its control frame is too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if body.starts_with(&(ControlFrame::Accept as u32).to_be_bytes()) {
        Ok(())
    } else {
        Err(wrong("it does not accept"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        assert_eq!(LogPlace::of("-"), LogPlace::Stdout);
        assert_eq!(LogPlace::of("unix:/run/dnstap.sock"), LogPlace::Socket("/run/dnstap.sock".into()));
        assert_eq!(LogPlace::of("/var/log/queries"), LogPlace::File("/var/log/queries".into()));
    }

    #[test]
    fn a_file_that_was_moved_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let place = LogPlace::File(path.clone());
        let mut sink = Sink::open(&place, false).unwrap();
        sink.write(b"one\n").unwrap();
        sink.flush().unwrap();
        assert!(!sink.is_moved());
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        assert!(sink.is_moved());
        Sink::open(&place, false).unwrap().write(b"two\n").unwrap();
        assert!(sink.is_moved(), "another file is there now");
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        assert_eq!(std::fs::read(dir.path().join("log.1")).unwrap(), b"one\n");
    }
}
