//! Open sockets of this network namespace, by /proc/net, and the processes that have them, by /proc/PID/fd.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};

use super::files::HostFiles;
use crate::doctor::facts::{OpenSocket, SocketHolder};

/// States in /proc/net/tcp and udp (net/tcp_states.h): one that listens, and a UDP socket without a peer.
const LISTEN: u8 = 0x0a;
const UNCONNECTED: u8 = 0x07;

/// All sockets that wait for clients.
pub(super) fn open_sockets(files: &mut HostFiles) -> Vec<OpenSocket> {
    let mut sockets: Vec<OpenSocket> = Vec::new();
    for (path, transport) in
        [("/proc/net/udp", "UDP"), ("/proc/net/udp6", "UDP"), ("/proc/net/tcp", "TCP"), ("/proc/net/tcp6", "TCP")]
    {
        let text = files.read(path).unwrap_or_default();
        sockets.extend(text.lines().skip(1).filter_map(|line| open_socket(line, transport)));
    }
    let holders = holders();
    for socket in &mut sockets {
        socket.holder = holders.get(&socket.inode).cloned();
    }
    sockets
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...`
fn open_socket(line: &str, transport: &'static str) -> Option<OpenSocket> {
    let mut words = line.split_whitespace();
    let address = socket_address(words.nth(1)?)?;
    let state = u8::from_str_radix(words.nth(1)?, 16).ok()?;
    let waits = state == if transport == "TCP" { LISTEN } else { UNCONNECTED };
    let uid = words.nth(3)?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    waits.then_some(OpenSocket { transport, address, uid, inode, holder: None })
}

/// `0100007F:0035`: words of 32 bits as the machine has them in memory, and the port.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut octets = [0; 16];
    let mut words = 0;
    for (word, place) in ip.as_bytes().chunks(8).zip(octets.chunks_mut(4)) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        place.copy_from_slice(&word.to_ne_bytes());
        words += 1;
    }
    let ip = match words {
        1 => IpAddr::V4(Ipv4Addr::from(*octets.first_chunk::<4>()?)),
        // ::ffff:127.0.0.1 is 127.0.0.1 to whoever opens a port
        4 => IpAddr::V6(Ipv6Addr::from(octets)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Sockets by number in the kernel, as far as this user may see whose they are.
fn holders() -> HashMap<u64, SocketHolder> {
    let own = Path::new("/proc/self");
    let (own_name, own_program) = (short_name(own), fs::read_link(own.join("exe")).ok());
    let mut holders: HashMap<u64, SocketHolder> = HashMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let sockets = sockets_of(&process.path());
        if sockets.is_empty() {
            continue;
        }
        let name = short_name(&process.path());
        // whatever name it was started by; whose program another user's process runs, cannot be read
        let program = fs::read_link(process.path().join("exe")).ok();
        let is_ours = name == own_name || program.is_some() && program == own_program;
        let holder = SocketHolder { pid, name, is_ours };
        for inode in sockets {
            // a service manager has the sockets of its units, too: the unit's process is the holder
            if holders.get(&inode).is_none_or(|known| known.pid == 1) {
                holders.insert(inode, holder.clone());
            }
        }
    }
    holders
}

/// At most 15 characters (proc_pid_comm(5)).
fn short_name(process: &Path) -> String {
    fs::read_to_string(process.join("comm")).unwrap_or_default().trim_end().to_owned()
}

fn sockets_of(process: &Path) -> Vec<u64> {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let sockets = descriptors.filter_map(|descriptor| {
        let target = fs::read_link(descriptor.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    });
    sockets.collect()
}

/// Opens the address as the server would, and closes it again.
pub(super) fn try_to_open(transport: &str, address: SocketAddr) -> io::Result<()> {
    let (kind, protocol) =
        if transport == "TCP" { (Type::STREAM, Protocol::TCP) } else { (Type::DGRAM, Protocol::UDP) };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if transport == "TCP" {
        // connections of a former run may be in TIME_WAIT; who listens is in the way all the same
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())
}

/// The address in a line of /proc/net/if_inet6, if its scope is global or the host.
pub(super) fn interface_address(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    let ip = u128::from_str_radix(words.next()?, 16).ok()?;
    let scope = words.nth(2)?;
    ["00", "10"].contains(&scope).then(|| IpAddr::V6(Ipv6Addr::from(ip)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a machine with systemd-resolved and an open connection.
    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_proc_are_read() {
        let udp = "  366: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 21316 2 0000000000000000 0";
        let socket = open_socket(udp, "UDP").unwrap();
        assert_eq!((socket.address.to_string().as_str(), socket.uid, socket.inode), ("127.0.0.53:53", 101, 21316));
        let tcp6 = "   0: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9988 1 0000000000000000 100 0 0 10 0";
        assert_eq!(open_socket(tcp6, "TCP").unwrap().address.to_string(), "[::]:53");
        let mapped = "   0: 0000000000000000FFFF00000100007F:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9988 1";
        assert_eq!(open_socket(mapped, "TCP").unwrap().address.to_string(), "127.0.0.1:53");
        let connected =
            "   1: 0100007F:9C40 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 9989 1";
        assert_eq!(open_socket(connected, "TCP"), None);
        for cut in ["", "0:", "0: 0100007F", "0: 0100007F:0035 00000000:0000 07"] {
            assert_eq!(open_socket(cut, "UDP"), None, "{cut}");
        }
    }

    #[test]
    fn addresses_of_interfaces_are_read() {
        let lo = "00000000000000000000000000000001 01 80 10 80       lo";
        let link = "fe800000000000000042acfffe110002 02 40 20 80     eth0";
        let global = "20010db8000000000000000000000005 02 40 00 80     eth0";
        let read = [lo, link, global].map(|line| interface_address(line).map(|ip| ip.to_string()));
        assert_eq!(read, [Some("::1".to_owned()), None, Some("2001:db8::5".to_owned())]);
    }

    /// Our own socket is found with our own process.
    #[test]
    fn a_holder_is_found() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(try_to_open("UDP", address).unwrap_err().raw_os_error(), Some(libc::EADDRINUSE));
        let found = open_sockets(&mut HostFiles::default()).into_iter().find(|open| open.address == address).unwrap();
        assert_eq!(found.holder.map(|holder| holder.pid), Some(std::process::id()));
        drop(socket);
        try_to_open("UDP", address).unwrap();
    }
}
