//! Descriptors of listening sockets, as they pass from one process to the next: so that a restart loses no question.
//!
//! ```text
//! environment   LISTEN_FDS: what systemd, or whoever else opened the sockets, gives a new process
//! rights        SCM_RIGHTS: what a running server gives its successor
//! ```
//!
//! A listener asks for a descriptor of its address before it opens one, and offers what it has opened. Descriptors are
//! known by what they are (address and type), so nothing has to be agreed upon. Knows no DNS.

mod environment;
mod rights;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{SockRef, Socket, Type};

pub use rights::{receive, send};

/// The descriptors that this process was given, and those that its successor will be.
#[derive(Clone, Debug, Default)]
pub struct Descriptors(Arc<DescriptorLists>);

#[derive(Debug, Default)]
struct DescriptorLists {
    given: Mutex<Vec<Given>>,
    offered: Mutex<Vec<Arc<OwnedFd>>>,
    handed_on: AtomicBool,
}

/// A descriptor that nobody has asked for yet.
#[derive(Debug)]
struct Given {
    descriptor: OwnedFd,
    /// As it was called by whoever gave it; empty if it was not.
    name: String,
    /// From the server that has the control socket, and not from a service manager.
    by_predecessor: bool,
}

/// A socket that a successor may have, as long as this lives.
#[derive(Debug)]
pub struct SocketOffer {
    descriptors: Descriptors,
    descriptor: Arc<OwnedFd>,
}

impl Drop for SocketOffer {
    fn drop(&mut self) {
        self.descriptors.offered().retain(|offered| !Arc::ptr_eq(offered, &self.descriptor));
    }
}

impl Descriptors {
    /// Those that `LISTEN_FDS` names, if they are for this process. To be called once, before other descriptors are
    /// opened.
    pub fn of_environment() -> Self {
        let descriptors = Self::default();
        let given = environment::take();
        let given = given.into_iter().map(|(descriptor, name)| Given { descriptor, name, by_predecessor: false });
        descriptors.given().extend(given);
        descriptors
    }

    /// Adds those that a predecessor has sent.
    pub fn add_predecessors(&self, descriptors: Vec<OwnedFd>) {
        let given = descriptors.into_iter();
        let given = given.map(|descriptor| Given { descriptor, name: String::new(), by_predecessor: true });
        self.given().extend(given);
    }

    /// Every UDP socket that is bound to `address`.
    pub fn udp(&self, address: SocketAddr) -> Vec<Socket> {
        let mut taken = Vec::new();
        while let Some(socket) = self.take(|given| given.is_inet(Type::DGRAM, address)) {
            taken.push(socket.into());
        }
        taken
    }

    /// A TCP socket that listens on `address`.
    pub fn tcp(&self, address: SocketAddr) -> Option<TcpListener> {
        self.take(|given| given.is_inet(Type::STREAM, address)).map(Into::into)
    }

    /// A Unix socket that listens at `path`, or the one of the predecessor, who was found there.
    pub fn unix(&self, path: &Path) -> Option<UnixListener> {
        self.take(|given| given.is_unix(path)).map(Into::into)
    }

    /// What nobody asked for, in words: address, type, and name. It is closed.
    pub fn close_rest(&self) -> Vec<String> {
        let rest = std::mem::take(&mut *self.given());
        // a predecessor may have listened where nobody is to any more
        rest.iter().filter(|given| !given.by_predecessor).map(Given::describe).collect()
    }

    /// Keeps a copy of a socket for a successor until the offer is dropped.
    pub fn offer(&self, socket: impl AsFd) -> io::Result<SocketOffer> {
        let descriptor = Arc::new(socket.as_fd().try_clone_to_owned()?);
        self.offered().push(Arc::clone(&descriptor));
        Ok(SocketOffer { descriptors: self.clone(), descriptor })
    }

    /// What is on offer now.
    pub fn on_offer(&self) -> Vec<Arc<OwnedFd>> {
        self.offered().clone()
    }

    /// Takes note that a successor reads what was offered.
    pub fn hand_on(&self) {
        self.0.handed_on.store(true, Ordering::Release);
    }

    /// Whether a successor reads what was offered: then what comes in is no longer for this process.
    pub fn are_handed_on(&self) -> bool {
        self.0.handed_on.load(Ordering::Acquire)
    }

    fn take(&self, is_wanted: impl Fn(&Given) -> bool) -> Option<OwnedFd> {
        let mut given = self.given();
        let at = given.iter().position(is_wanted)?;
        Some(given.remove(at).descriptor)
    }

    fn given(&self) -> MutexGuard<'_, Vec<Given>> {
        self.0.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offered(&self) -> MutexGuard<'_, Vec<Arc<OwnedFd>>> {
        self.0.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    fn is_inet(&self, kind: Type, address: SocketAddr) -> bool {
        let socket = SockRef::from(&self.descriptor);
        socket.r#type().is_ok_and(|found| found == kind)
            && socket.local_addr().is_ok_and(|local| local.as_socket() == Some(address))
            && (kind != Type::STREAM || socket.is_listener().unwrap_or(false))
    }

    fn is_unix(&self, path: &Path) -> bool {
        let socket = SockRef::from(&self.descriptor);
        let Ok(local) = socket.local_addr() else { return false };
        local.is_unix()
            && socket.is_listener().unwrap_or(false)
            && (self.by_predecessor || local.as_pathname() == Some(path))
    }

    /// `10.0.0.2:53 (UDP), named dns`
    fn describe(&self) -> String {
        let socket = SockRef::from(&self.descriptor);
        let kind = match socket.r#type() {
            Ok(Type::DGRAM) => "UDP",
            Ok(Type::STREAM) => "TCP",
            _ => "no socket for DNS",
        };
        let local = socket.local_addr().ok();
        let place = match local.as_ref().and_then(socket2::SockAddr::as_socket) {
            Some(address) => address.to_string(),
            None => local
                .as_ref()
                .and_then(|a| a.as_pathname())
                .map_or("no address".to_owned(), |p| p.display().to_string()),
        };
        let name = if self.name.is_empty() { String::new() } else { format!(", named {}", self.name) };
        format!("{place} ({kind}){name}")
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn descriptors_are_known_by_what_they_are() {
        let [a, b] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at_a, at_tcp) = (a.local_addr().unwrap(), tcp.local_addr().unwrap());
        let connected = std::net::TcpStream::connect(at_tcp).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let unix = UnixListener::bind(&path).unwrap();
        let descriptors = Descriptors::default();
        let name = "spare".to_owned();
        descriptors.given().push(Given { descriptor: b.into(), name, by_predecessor: false });
        descriptors.add_predecessors(vec![a.into(), connected.into(), tcp.into(), unix.into()]);
        assert!(descriptors.tcp(at_a).is_none(), "UDP is not TCP");
        assert_eq!(descriptors.udp(at_a).len(), 1);
        assert_eq!(descriptors.udp(at_a).len(), 0, "each is taken once");
        assert!(descriptors.udp(at_tcp).is_empty());
        assert!(descriptors.tcp(at_tcp).is_some());
        assert!(descriptors.unix(Path::new("elsewhere")).is_some(), "the predecessor was found there");
        let rest = descriptors.close_rest();
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert!(rest[0].ends_with(" (UDP), named spare"), "{rest:?}");
    }

    #[test]
    fn an_offer_ends_with_its_listener() {
        let descriptors = Descriptors::default();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let offer = descriptors.offer(&tcp).unwrap();
        assert_eq!(descriptors.on_offer().len(), 1);
        drop(offer);
        assert_eq!(descriptors.on_offer().len(), 0);
    }
}
