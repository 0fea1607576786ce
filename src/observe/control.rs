//! The control socket: the routes of HTTP on a Unix socket that only its owner can open.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::descriptors::{Descriptors, SocketOffer};

/// The socket at a path, which is removed when it is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    descriptors: Descriptors,
    /// For a successor, as long as this lives.
    _offer: SocketOffer,
}

impl ControlSocket {
    /// Opens the socket at `path`, with mode 0600. One that a dead server left is replaced; a live one is an error.
    ///
    /// One that `descriptors` has is used as it is. To be called in a runtime.
    pub fn open(path: &Path, descriptors: &Descriptors) -> io::Result<(Self, UnixListener)> {
        let listener = match descriptors.unix(path) {
            Some(given) => {
                given.set_nonblocking(true)?;
                UnixListener::from_std(given)?
            }
            None => Self::bind(path)?,
        };
        let offer = descriptors.offer(&listener)?;
        Ok((Self { path: path.to_owned(), descriptors: descriptors.clone(), _offer: offer }, listener))
    }

    fn bind(path: &Path) -> io::Result<UnixListener> {
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if is_socket {
            match UnixStream::connect(path) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
                Err(error) => return Err(error),
                Ok(_) => return Err(io::Error::new(ErrorKind::AddrInUse, "another server answers there")),
            }
        }
        // to connect, one needs to write: until the next line the umask keeps others out
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        Ok(listener)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if self.descriptors.are_handed_on() {
            return;
        }
        // nobody can be told, and the next server replaces it
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_and_goes_with_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        // left by a server that was killed
        drop(UnixListener::bind(&path).unwrap());
        let (socket, listener) = ControlSocket::open(&path, &Descriptors::default()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            ControlSocket::open(&path, &Descriptors::default()).unwrap_err().kind(),
            ErrorKind::AddrInUse,
            "of a live server"
        );
        drop((listener, socket));
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        assert!(ControlSocket::open(&path, &Descriptors::default()).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"a file", "what is no socket stays");
    }
}
