//! One address to its sockets, or to a [`Problem`] that says what to do.
//!
//! The trap that this file is about: sockets of one user that have SO_REUSEPORT share a port without a word, so that
//! a second server started by mistake would get half of the questions. Therefore the first socket is bound without
//! the option, which fails if anybody has the port in whatever way, and only then opened to our own other workers.
//! There is no moment between a probe and the real thing for another server to slip in.
//!
//! A socket that this process was given is used as it is, and nothing is bound in its place.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::descriptors::Descriptors;
use crate::problem::{Place, Problem};
use crate::serve::mmsg;

/// Connections that may wait to be accepted; the kernel cuts it down to net.core.somaxconn.
pub(crate) const BACKLOG: i32 = 4096;

/// How often a free port is looked for that UDP and TCP can both have.
const PORT_TRIES: usize = 32;

/// How to open an address.
#[derive(Clone, Copy)]
pub(crate) struct BindPlan {
    /// UDP sockets, one for each worker.
    pub(crate) workers: usize,
    /// Octets of a UDP socket's buffers, each way.
    pub(crate) buffer: usize,
    /// True where we have the port already, on an overlapping address or while it drains. Then nobody can be told
    /// apart from ourselves, and the port is shared from the beginning.
    pub(crate) share: bool,
}

/// The sockets of one address, open, with nobody at work on them yet.
pub(crate) struct Bound {
    /// The address, with the port that was found where 0 was wanted.
    pub(crate) actual: SocketAddr,
    pub(crate) udp: Vec<Socket>,
    /// Whether other processes may have the UDP sockets, too.
    pub(crate) udp_is_given: bool,
    pub(crate) tcp: TcpListener,
}

/// A socket that shares its port with nobody; the buffer is what a UDP socket begins with.
pub(crate) const ALONE: BindPlan = BindPlan { workers: 1, buffer: 0, share: false };

/// Why an address could not be opened.
#[derive(Debug)]
pub(crate) struct BindError {
    transport: &'static str,
    error: io::Error,
}

impl BindError {
    /// `error`, of a socket of this transport (`UDP`, `TCP`).
    pub(crate) fn new(transport: &'static str, error: io::Error) -> Self {
        Self { transport, error }
    }
}

/// Opens `address` for UDP and TCP, on the same port, as far as `given` does not have its sockets.
pub(crate) fn bind(address: SocketAddr, plan: BindPlan, given: &Descriptors) -> Result<Bound, BindError> {
    let (udp, tcp) = (given.udp(address), given.tcp(address));
    if udp.is_empty() && tcp.is_none() {
        return bind_new(address, plan);
    }
    let of_udp = |error| BindError { transport: "UDP", error };
    let of_tcp = |error| BindError { transport: "TCP", error };
    let udp_is_given = !udp.is_empty();
    let udp = if udp_is_given { prepare(udp, address, plan) } else { udp_sockets(address, plan) }.map_err(of_udp)?;
    let tcp = tcp.map_or_else(|| tcp_socket(address, plan), Ok).map_err(of_tcp)?;
    Ok(Bound { actual: address, udp, udp_is_given, tcp })
}

/// Makes sockets that were given what a worker expects; each has one worker at least, as what comes to it is for us.
fn prepare(mut sockets: Vec<Socket>, address: SocketAddr, plan: BindPlan) -> io::Result<Vec<Socket>> {
    for socket in &sockets {
        socket.set_nonblocking(false)?;
        let _ = socket.set_recv_buffer_size(plan.buffer);
        let _ = socket.set_send_buffer_size(plan.buffer);
        if address.ip().is_unspecified() {
            mmsg::report_destination(socket, address.is_ipv6())?;
        }
    }
    let given = sockets.len();
    for worker in given..plan.workers {
        // one that is read by several workers: a socket beside it would get none of its questions
        let copy = sockets.get(worker % given).map(Socket::try_clone).transpose()?;
        sockets.extend(copy);
    }
    Ok(sockets)
}

/// A socket for each worker.
fn udp_sockets(address: SocketAddr, plan: BindPlan) -> io::Result<Vec<Socket>> {
    (0..plan.workers.max(1)).map(|worker| udp_socket(address, plan, plan.share || worker > 0)).collect()
}

fn bind_new(address: SocketAddr, plan: BindPlan) -> Result<Bound, BindError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let first = udp_socket(address, plan, plan.share).map_err(|error| BindError { transport: "UDP", error })?;
        match bind_rest(first, address, plan) {
            Err(failed) if tries > 0 && failed.error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

/// Opens what goes with the first UDP socket, which has found the port.
fn bind_rest(first: Socket, address: SocketAddr, plan: BindPlan) -> Result<Bound, BindError> {
    let udp = |error| BindError { transport: "UDP", error };
    let port = first.local_addr().map_err(udp)?.as_socket().map_or(0, |local| local.port());
    let actual = SocketAddr::new(address.ip(), port);
    let actual = if let (SocketAddr::V6(mut to), SocketAddr::V6(from)) = (actual, address) {
        to.set_scope_id(from.scope_id());
        to.into()
    } else {
        actual
    };
    let mut sockets = vec![first];
    for _ in 1..plan.workers {
        sockets.push(udp_socket(actual, plan, true).map_err(udp)?);
    }
    let tcp = tcp_socket(actual, plan).map_err(|error| BindError { transport: "TCP", error })?;
    Ok(Bound { actual, udp: sockets, udp_is_given: false, tcp })
}

fn udp_socket(address: SocketAddr, plan: BindPlan, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Two sockets, one for each family, instead of one with mapped addresses: a client has one spelling only.
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Best effort: the kernel caps both at net.core.[rw]mem_max, and a smaller buffer works as well, only not as
    // well when many ask at once.
    let _ = socket.set_recv_buffer_size(plan.buffer);
    let _ = socket.set_send_buffer_size(plan.buffer);
    if address.ip().is_unspecified() {
        mmsg::report_destination(&socket, address.is_ipv6())?;
    }
    if share {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    if !share {
        socket.set_reuse_port(true)?;
    }
    Ok(socket)
}

fn tcp_socket(address: SocketAddr, plan: BindPlan) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // connections of a former run may be in TIME_WAIT; another listener is an error all the same
    socket.set_reuse_address(true)?;
    if plan.share {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    if !plan.share {
        socket.set_reuse_port(true)?;
    }
    Ok(socket.into())
}

/// Opens `address` for one TCP listener, or takes the one that was given.
pub(crate) fn bind_tcp(address: SocketAddr, given: &Descriptors) -> Result<TcpListener, BindError> {
    given
        .tcp(address)
        .map_or_else(|| tcp_socket(address, ALONE), Ok)
        .map_err(|error| BindError { transport: "TCP", error })
}

/// Opens `address` for one UDP socket, or takes the one that was given.
pub(crate) fn bind_udp(address: SocketAddr, buffer: usize, given: &Descriptors) -> Result<UdpSocket, BindError> {
    let socket = given.udp(address).into_iter().next();
    let socket = socket.map_or_else(|| udp_socket(address, BindPlan { buffer, ..ALONE }, false), Ok);
    socket.map(UdpSocket::from).map_err(|error| BindError { transport: "UDP", error })
}

/// What the operator can do about it: choose another address with `flag`, for one thing.
pub(crate) fn problem(place: Place, flag: &str, address: SocketAddr, failed: &BindError) -> Problem {
    let BindError { transport, error } = failed;
    let port = address.port();
    let (why, hint) = match error.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            let list = if *transport == "TCP" { "ss -ltnp" } else { "ss -lunp" };
            let resolved = if port == 53 {
                "; where it is systemd-resolved, listen on a concrete address instead of a wildcard"
            } else {
                ""
            };
            (
                "the port is in use".to_owned(),
                format!("who has it: `{list} 'sport = :{port}'`; choose another with {flag}{resolved}"),
            )
        }
        Some(libc::EACCES) if port < 1024 => (
            "not permitted".to_owned(),
            format!(
                "ports below 1024 need CAP_NET_BIND_SERVICE: `setcap cap_net_bind_service=+ep` on the program, \
                 `AmbientCapabilities=CAP_NET_BIND_SERVICE` in a systemd unit, `--cap-add NET_BIND_SERVICE` for a \
                 container; or choose a port from 1024 up with {flag}"
            ),
        ),
        Some(libc::EADDRNOTAVAIL) => (
            "this machine does not have the address".to_owned(),
            format!("`ip address` lists those that it has; choose one of them with {flag}"),
        ),
        Some(libc::EAFNOSUPPORT) => {
            ("this machine does not speak that version of IP".to_owned(), format!("choose another with {flag}"))
        }
        Some(libc::EMFILE) => (
            "too many open files".to_owned(),
            "raise the limit: `ulimit -n`, or `LimitNOFILE=` in a systemd unit".to_owned(),
        ),
        _ => (error.to_string(), String::new()),
    };
    Problem::error(place, format!("cannot listen on {address} ({transport}): {why}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(share: bool) -> BindPlan {
        BindPlan { workers: 2, buffer: 1 << 16, share }
    }

    #[test]
    fn finds_one_port_for_udp_and_tcp() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let bound = bind(address.parse().unwrap(), plan(false), &Descriptors::default()).unwrap();
            assert_ne!(bound.actual.port(), 0);
            assert_eq!(bound.tcp.local_addr().unwrap(), bound.actual);
            for socket in &bound.udp {
                assert_eq!(socket.local_addr().unwrap().as_socket(), Some(bound.actual));
            }
        }
    }

    #[test]
    fn a_second_server_is_an_error_even_if_it_is_one_of_ours() {
        let first = bind("127.0.0.1:0".parse().unwrap(), plan(false), &Descriptors::default()).unwrap();
        let error = bind(first.actual, plan(false), &Descriptors::default()).err().unwrap();
        let problem = problem(Place::whole("--listen"), "--listen", first.actual, &error);
        let port = first.actual.port();
        assert_eq!(
            problem.to_string(),
            format!(
                "--listen: error: cannot listen on 127.0.0.1:{port} (UDP): the port is in use\n  hint: who has it: \
                 `ss -lunp 'sport = :{port}'`; choose another with --listen"
            )
        );
        assert!(bind(first.actual, plan(true), &Descriptors::default()).is_ok(), "but a server may share with itself");
    }

    #[test]
    fn given_sockets_are_used_and_every_worker_has_one() {
        let address = "127.0.0.1:0".parse().unwrap();
        let first = bind(address, plan(false), &Descriptors::default()).unwrap();
        for given in [1, 2] {
            let copies = first.udp[..given].iter().map(|socket| socket.try_clone().unwrap().into());
            let tcp = first.tcp.try_clone().unwrap().into();
            let descriptors = Descriptors::default();
            descriptors.add_predecessors(copies.chain([tcp]).collect());
            let workers = BindPlan { workers: 3, ..plan(false) };
            let second = bind(first.actual, workers, &descriptors).unwrap();
            assert_eq!((second.actual, second.udp.len(), second.udp_is_given), (first.actual, 3, true));
            assert!(bind(first.actual, workers, &descriptors).is_err(), "none is left, and the port is in use");
        }
    }

    #[test]
    fn a_port_that_only_tcp_has_is_in_use() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let error = bind(address, plan(false), &Descriptors::default()).err().unwrap();
        assert!(problem(Place::whole("x"), "--listen", address, &error).hint.contains("ss -ltnp"));
    }

    #[test]
    fn every_error_says_what_to_do() {
        let address = "192.0.2.1:53".parse().unwrap();
        let error = bind("192.0.2.1:0".parse().unwrap(), plan(false), &Descriptors::default()).err().unwrap();
        assert!(
            problem(Place::whole("x"), "--listen", address, &error)
                .what
                .ends_with("this machine does not have the address")
        );
        for (code, word) in [
            (libc::EACCES, "CAP_NET_BIND_SERVICE"),
            (libc::EADDRINUSE, "systemd-resolved"),
            (libc::EMFILE, "ulimit"),
            (libc::EAFNOSUPPORT, "--listen"),
        ] {
            let error = BindError { transport: "UDP", error: io::Error::from_raw_os_error(code) };
            let problem = problem(Place::whole("x"), "--listen", address, &error);
            assert!(problem.hint.contains(word), "{problem}");
        }
    }
}
