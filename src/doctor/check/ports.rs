//! Who holds port 53 and the ports that the settings want.

use std::collections::BTreeSet;

use crate::address::DNS_PORT;
use crate::doctor::facts::{HostFacts, OpenSocket, PortFacts, WantedPort};
use crate::doctor::finding::Finding;

const CHECK: &str = "port";
/// Ports below this are privileged.
const FIRST_UNPRIVILEGED: u16 = 1024;

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let Some(ports) = &host.ports else { return Vec::new() };
    let mut findings: Vec<Finding> = Vec::new();
    for of_address in ports.wanted.chunk_by(|a, b| (&a.place, a.address) == (&b.place, b.address)) {
        let judged = of_address.iter().map(|wanted| judge(wanted, "", ports));
        // UDP and TCP of one address are one line, where both say the same
        let mut judged: Vec<Finding> = judged.collect();
        judged.dedup();
        if judged.len() > 1 {
            judged = of_address.iter().map(|wanted| judge(wanted, wanted.transport, ports)).collect();
        }
        findings.append(&mut judged);
    }
    let at_53: Vec<&OpenSocket> = ports.sockets.iter().filter(|socket| socket.address.port() == DNS_PORT).collect();
    if !ports.wanted.iter().any(|wanted| wanted.address.port() == DNS_PORT) {
        findings.push(Finding::ok(
            CHECK,
            match at_53.as_slice() {
                [] => "nobody holds port 53, and the settings do not want it".to_owned(),
                held => format!("port 53 is held by {}; the settings do not want it", holders(held)),
            },
        ));
    }
    findings
}

fn judge(wanted: &WantedPort, transport: &str, ports: &PortFacts) -> Finding {
    let WantedPort { place, address, refused, .. } = wanted;
    let space = if transport.is_empty() { "" } else { " " };
    let what = format!("{place} {address}{space}{transport}");
    let Some(errno) = refused else { return Finding::ok(CHECK, format!("{what} is free")) };
    match *errno {
        libc::EADDRINUSE => {
            let held: Vec<&OpenSocket> = ports.sockets.iter().filter(|socket| conflicts(socket, wanted)).collect();
            in_use(&what, address.port(), &held)
        }
        libc::EACCES if address.port() < FIRST_UNPRIVILEGED => Finding::warning(
            CHECK,
            format!("{what}: this user may not open ports below {FIRST_UNPRIVILEGED}"),
            "run doctor as the server's user, or as root; the server needs CAP_NET_BIND_SERVICE (`AmbientCapabilities=` \
             in a systemd unit, `--cap-add NET_BIND_SERVICE` for a container), or --user and a start as root",
        ),
        libc::EADDRNOTAVAIL => Finding::problem(
            CHECK,
            format!("{what}: this host does not have the address"),
            "`ip address` lists those that it has; choose one of them, or 0.0.0.0 for all",
        ),
        libc::EAFNOSUPPORT => Finding::problem(
            CHECK,
            format!("{what}: this host does not speak that version of IP"),
            "choose an address of the other version",
        ),
        errno => Finding::problem(
            CHECK,
            format!("{what}: {}", std::io::Error::from_raw_os_error(errno)),
            "choose another address",
        ),
    }
}

/// Whether the socket keeps that of the server from being opened.
fn conflicts(socket: &OpenSocket, wanted: &WantedPort) -> bool {
    let (one, other) = (socket.address, wanted.address);
    if socket.transport != wanted.transport || one.port() != other.port() {
        return false;
    }
    // [::] may hold the port for IPv4, too
    let everything = |ip: std::net::IpAddr| ip.is_unspecified();
    one.ip() == other.ip()
        || everything(one.ip()) && (one.is_ipv6() || other.is_ipv4())
        || everything(other.ip()) && one.is_ipv4() == other.is_ipv4()
}

fn in_use(what: &str, port: u16, held: &[&OpenSocket]) -> Finding {
    let is_ours = |socket: &&OpenSocket| socket.holder.as_ref().is_some_and(|holder| holder.is_ours);
    if !held.is_empty() && held.iter().all(is_ours) {
        return Finding::ok(CHECK, format!("{what} is held by {}: the server runs", holders(held)));
    }
    if held.is_empty() {
        let remedy = format!("`ss -lnp 'sport = :{port}'` on the host shows who has it");
        return Finding::problem(CHECK, format!("{what} is in use, by nobody who can be seen"), remedy);
    }
    let names = held.iter().map(|socket| socket.holder.as_ref().map_or("", |holder| holder.name.as_str()));
    let name = names.max().unwrap_or_default();
    let found = format!("{what} is held by {}", holders(held));
    let remedy = remedy(name, port);
    if name == "systemd" { Finding::warning(CHECK, found, remedy) } else { Finding::problem(CHECK, found, remedy) }
}

/// `dnsmasq (pid 7) on 192.168.122.1`
fn holders(held: &[&OpenSocket]) -> String {
    let texts: BTreeSet<String> = held
        .iter()
        .map(|socket| {
            let who = match &socket.holder {
                Some(holder) => format!("{} (pid {})", holder.name, holder.pid),
                None => format!("a process of user {} that cannot be seen from here", socket.uid),
            };
            format!("{who} on {}", socket.address.ip())
        })
        .collect();
    texts.into_iter().collect::<Vec<_>>().join(", ")
}

/// What to do about whoever holds the port. Short names have 15 characters (proc(5), comm).
fn remedy(name: &str, port: u16) -> String {
    match name {
        "systemd-resolve" => {
            "listen on a concrete address of this host other than 127.0.0.53 and 127.0.0.54, or set DNSStubListener=no in \
             /etc/systemd/resolved.conf and restart systemd-resolved"
                .to_owned()
        }
        "dnsmasq" => {
            "let it forward to this server (listen on another port, and `server=/amazonaws.com/127.0.0.1#5300` there), \
             keep it to other addresses (`bind-interfaces` and `listen-address=`), or stop it"
                .to_owned()
        }
        "named" | "unbound" | "coredns" | "pdns_recursor" | "kresd" => {
            format!("let {name} forward to this server on another port (docs/on-premises.md), or stop it")
        }
        "docker-proxy" => {
            "`docker ps` shows which container publishes the port; stop it, or publish it on another address".to_owned()
        }
        "aardvark-dns" => {
            "it is Podman's resolver on its bridges: listen on a concrete address, or set dns_bind_port in containers.conf"
                .to_owned()
        }
        "systemd" => {
            "a socket unit has it: `systemctl list-sockets` shows for whom; vpcedns.socket gives it to this server".to_owned()
        }
        "" => format!("run doctor as root: `ss -lnp 'sport = :{port}'` shows the process; it may be in another container of this pod"),
        name => format!("stop {name}, or choose another address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{shown, sound};
    use crate::doctor::facts::SocketHolder;

    fn socket(transport: &'static str, address: &str, name: &str) -> OpenSocket {
        let holder =
            (!name.is_empty()).then(|| SocketHolder { pid: 7, name: name.to_owned(), is_ours: name == "vpcedns" });
        OpenSocket { transport, address: address.parse().unwrap(), uid: 101, inode: 1, holder }
    }

    fn said(address: &str, refused: i32, sockets: Vec<OpenSocket>) -> String {
        let wanted = ["UDP", "TCP"].map(|transport| WantedPort {
            place: "--listen".to_owned(),
            transport,
            address: address.parse().unwrap(),
            refused: (refused != 0).then_some(refused),
        });
        let host = HostFacts { ports: Some(PortFacts { wanted: wanted.into(), sockets }), ..sound() };
        shown(&check(&host)).join("\n")
    }

    #[test]
    fn the_holder_is_named_with_its_remedy() {
        let both = |address, name| vec![socket("UDP", address, name), socket("TCP", address, name)];
        for (address, held, name, words) in [
            (
                "127.0.0.1:53",
                "0.0.0.0:53",
                "dnsmasq",
                "PROBLEM port: --listen 127.0.0.1:53 is held by dnsmasq (pid 7) on 0.0.0.0 -> let it forward",
            ),
            ("0.0.0.0:53", "127.0.0.53:53", "systemd-resolve", "DNSStubListener=no"),
            ("127.0.0.1:53", "[::]:53", "named", "named (pid 7) on :: -> let named forward to this server"),
            (
                "10.0.0.2:53",
                "10.0.0.2:53",
                "",
                "a process of user 101 that cannot be seen from here on 10.0.0.2 -> run doctor as root",
            ),
            ("10.0.0.2:53", "0.0.0.0:53", "docker-proxy", "docker ps"),
            (
                "10.0.0.2:53",
                "10.0.0.2:53",
                "vpcedns",
                "ok port: --listen 10.0.0.2:53 is held by vpcedns (pid 7) on 10.0.0.2: the server runs",
            ),
            ("10.0.0.2:53", "10.0.0.2:53", "systemd", "WARNING port"),
        ] {
            let said = said(address, libc::EADDRINUSE, both(held, name));
            assert!(said.contains(words), "{said}");
            assert_eq!(said.lines().count(), 1, "UDP and TCP are one: {said}");
        }
    }

    /// dnsmasq of libvirt on its bridge is in nobody's way.
    #[test]
    fn other_addresses_are_no_conflict() {
        let others = || vec![socket("UDP", "192.168.122.1:53", "dnsmasq")];
        assert_eq!(said("127.0.0.1:53", 0, others()), "ok port: --listen 127.0.0.1:53 is free");
        let said_in_use = said("127.0.0.1:53", libc::EADDRINUSE, others());
        assert!(said_in_use.contains("by nobody who can be seen"), "{said_in_use}");
        let said_5300 = said("127.0.0.1:5300", 0, others());
        assert!(said_5300.contains("ok port: port 53 is held by dnsmasq (pid 7) on 192.168.122.1"), "{said_5300}");
    }

    #[test]
    fn udp_and_tcp_are_told_apart_where_they_differ() {
        let udp = WantedPort {
            place: "--listen".to_owned(),
            transport: "UDP",
            address: "10.0.0.2:53".parse().unwrap(),
            refused: None,
        };
        let tcp = WantedPort { transport: "TCP", refused: Some(libc::EADDRINUSE), ..udp.clone() };
        let sockets = vec![socket("TCP", "10.0.0.2:53", "python3")];
        let host = HostFacts { ports: Some(PortFacts { wanted: vec![udp, tcp], sockets }), ..sound() };
        let expected = [
            "ok port: --listen 10.0.0.2:53 UDP is free",
            "PROBLEM port: --listen 10.0.0.2:53 TCP is held by python3 (pid 7) on 10.0.0.2 -> stop python3, or choose \
             another address",
        ];
        assert_eq!(shown(&check(&host)), expected);
    }

    #[test]
    fn what_the_kernel_refuses_is_said() {
        assert!(said("10.9.9.9:53", libc::EADDRNOTAVAIL, vec![]).contains("does not have the address"));
        assert!(said("127.0.0.1:53", libc::EACCES, vec![]).starts_with("WARNING port"));
        assert!(said("[::1]:53", libc::EAFNOSUPPORT, vec![]).contains("that version of IP"));
        let host = HostFacts { ports: None, ..sound() };
        assert_eq!(check(&host), []);
    }
}
