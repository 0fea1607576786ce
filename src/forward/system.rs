//! The system's own resolvers, and the guard against asking ourselves.
//!
//! A server that is its own upstream answers each question with the same question, until its limits end it. So an
//! upstream that is one of our listeners is left out, or refused where somebody wrote it. Knows no DNS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::address::{DNS_PORT, is_own, reachable};
use crate::problem::{FileName, Place, Problem};

/// Where the system's resolvers are written (resolv.conf(5)).
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Nameservers that the C library takes of it (MAXNS).
pub const MAX_NAMESERVERS: usize = 3;
/// systemd-resolved's stubs: the second asks without the names of this machine and its links.
pub const RESOLVED_STUBS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54))];
/// The resolvers that systemd-resolved asks, whatever /etc/resolv.conf is (systemd-resolved.service(8)).
pub const RESOLVED_LIST: &str = "/run/systemd/resolve/resolv.conf";

/// The nameservers of /etc/resolv.conf, at most three, less those that are `own`: the addresses that we listen on.
pub fn system_resolvers(own: &[SocketAddr]) -> (Vec<SocketAddr>, Vec<Problem>) {
    match std::fs::read_to_string(RESOLV_CONF) {
        Ok(text) => read_resolv_conf(&text, own),
        Err(error) => {
            let what = format!("cannot read the system's resolvers: {error}");
            (Vec::new(), vec![Problem::warning(Place::whole(RESOLV_CONF), what, HINT)])
        }
    }
}

const HINT: &str = "give upstreams with --forward ADDRESS, or --forward none";

/// The nameservers that `text`, the content of /etc/resolv.conf, names, as [`system_resolvers`] has them; and a problem for
/// each that is left out.
pub fn read_resolv_conf(text: &str, own: &[SocketAddr]) -> (Vec<SocketAddr>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut resolvers = Vec::new();
    let file = FileName::from(RESOLV_CONF);
    for (address, line) in nameservers(text).take(MAX_NAMESERVERS) {
        let place = Place { file: file.clone(), line, column: 0 };
        // a scope names an interface of this machine, which matters to link-local addresses only
        let (bare, scope) = address.split_once('%').map_or((address, None), |(bare, scope)| (bare, Some(scope)));
        let Ok(ip) = bare.parse::<IpAddr>() else {
            let what = format!("nameserver '{address}' is not a valid address");
            problems.push(Problem::warning(place, what, "it is left out"));
            continue;
        };
        let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if link_local && scope.is_some() {
            let what = format!("nameserver {address} is link-local");
            problems.push(Problem::warning(place, what, format!("it is left out; {HINT}")));
            continue;
        }
        // resolv.conf(5): 0.0.0.0 is this machine
        let resolver = SocketAddr::new(reachable(ip), DNS_PORT);
        if is_own(resolver, own) {
            let what = format!("nameserver {address} is this server");
            problems.push(Problem::warning(place, what, format!("it is left out; {HINT}")));
        } else if !resolvers.contains(&resolver) {
            resolvers.push(resolver);
        }
    }
    if resolvers.is_empty() && problems.is_empty() {
        problems.push(Problem::warning(Place::whole(file), "no nameserver is named", HINT));
    }
    (resolvers, problems)
}

/// Where the C library's questions end up, less what is `own`; `None`: none of that is, so that the C library can be asked.
pub fn resolvers_beside(own: &[SocketAddr]) -> Option<Vec<SocketAddr>> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    beside(&read(RESOLV_CONF), || read(RESOLVED_LIST), own)
}

fn beside(resolv_conf: &str, behind_stub: impl FnOnce() -> String, own: &[SocketAddr]) -> Option<Vec<SocketAddr>> {
    let (mut asked, _) = read_resolv_conf(resolv_conf, &[]);
    if !asked.is_empty() && asked.iter().all(|resolver| RESOLVED_STUBS.contains(&resolver.ip())) {
        let (behind, _) = read_resolv_conf(&behind_stub(), &[]);
        // one that knows none has been given them in another way
        asked = if behind.is_empty() { asked } else { behind };
    }
    if asked.is_empty() {
        // resolv.conf(5): without a nameserver this machine is asked
        asked.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS_PORT));
    }
    let (ours, others): (Vec<_>, Vec<_>) = asked.into_iter().partition(|resolver| is_own(*resolver, own));
    (!ours.is_empty()).then_some(others)
}

/// All nameservers that `text` names, as they are written, each with its line.
pub fn nameservers(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.lines().zip(1..).filter_map(|(line, number)| Some((nameserver(line)?, number)))
}

/// The address of a `nameserver` line. Comments begin with `#` or `;` (resolv.conf(5)).
fn nameserver(line: &str) -> Option<&str> {
    let mut words = line.split(['#', ';']).next()?.split_whitespace();
    if words.next()? == "nameserver" { words.next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn reads_what_the_c_library_reads() {
        let text = "# nameserver 192.0.2.9\n; nameserver 192.0.2.8\nsearch example\noptions ndots:5\n\
                    nameserver 192.0.2.1 # the first\n  nameserver\t2001:db8::1%eth0\nnameserver\nnameservers 192.0.2.7\n\
                    nameserver 192.0.2.2\nnameserver 192.0.2.3\n";
        let (resolvers, problems) = read_resolv_conf(text, &[]);
        assert_eq!(resolvers, addresses(&["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"]));
        assert_eq!(problems, []);
    }

    #[test]
    fn leaves_out_what_cannot_be_asked_and_says_so() {
        let text = "nameserver fe80::1%eth0\nnameserver dns.example\nnameserver 127.0.0.1\n";
        let (resolvers, problems) = read_resolv_conf(text, &addresses(&["127.0.0.1:53"]));
        assert_eq!(resolvers, []);
        let texts: Vec<_> = problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what)).collect();
        assert_eq!(
            texts,
            [
                "/etc/resolv.conf:1: nameserver fe80::1%eth0 is link-local",
                "/etc/resolv.conf:2: nameserver 'dns.example' is not a valid address",
                "/etc/resolv.conf:3: nameserver 127.0.0.1 is this server",
            ]
        );
        assert_eq!(read_resolv_conf("search example\n", &[]).1.len(), 1);
    }

    #[test]
    fn the_c_library_is_asked_where_it_does_not_ask_us() {
        let own = addresses(&["127.0.0.1:53", "10.0.0.2:53", "127.0.0.1:5300"]);
        for (conf, behind, expected) in [
            ("nameserver 192.0.2.1", "", None),
            ("nameserver 192.0.2.1\nnameserver 127.0.0.1", "", Some(&["192.0.2.1:53"][..])),
            ("nameserver 10.0.0.2", "", Some(&[])),
            ("", "", Some(&[])),
            ("nameserver 127.0.0.53", "nameserver 10.0.0.2\nnameserver 192.0.2.1", Some(&["192.0.2.1:53"])),
            ("nameserver 127.0.0.53", "nameserver 192.0.2.1", None),
            ("nameserver 127.0.0.53", "", None),
        ] {
            let found = beside(conf, || behind.to_owned(), &own);
            assert_eq!(found, expected.map(addresses), "{conf} {behind}");
        }
        assert_eq!(beside("", String::new, &[]), None);
    }
}
