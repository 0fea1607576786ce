//! Whether lookups of this host, container or pod come to the server: the order of the nameservers of resolv.conf.

use super::leads::{Leads, leads, private_answer, resolved_leads};
use super::remedy::{name_the_server, through_docker, through_resolved};
use crate::doctor::facts::{ClientFacts, HostFacts};
use crate::doctor::finding::Finding;
use crate::doctor::resolv_conf::{DOCKER_STUB, ResolvConf};
use crate::forward::system::{MAX_NAMESERVERS, RESOLVED_STUBS};

const CHECK: &str = "resolv.conf";
/// Where the C library asks without any nameserver (resolv.conf(5)).
const DEFAULT_NAMESERVER: &str = "127.0.0.1";

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let client = &host.client;
    let lookups = client.resolv_conf.as_ref().map_or_else(|| no_file(client), |conf| through_files(client, conf));
    let mut findings = vec![if client.is_wanted { lookups } else { lookups.at_most_warning() }];
    let invalid = client.nameservers.iter().filter(|server| server.address.is_none());
    findings.extend(invalid.map(|server| {
        let found = format!("/etc/resolv.conf:{}: nameserver '{}' is not a valid address", server.line, server.text);
        Finding::warning(CHECK, found, "the C library leaves it out: write an address, not a name")
    }));
    findings.extend(nss_resolve(client));
    findings
}

fn no_file(client: &ClientFacts) -> Finding {
    let found = format!("/etc/resolv.conf is not there, or cannot be read: the C library asks {DEFAULT_NAMESERVER}");
    let asks_us = client.server.is_some_and(|ip| ip.to_string() == DEFAULT_NAMESERVER);
    if asks_us {
        return Finding::warning(CHECK, format!("{found}, which is the server"), name_the_server(client));
    }
    Finding::problem(CHECK, found, name_the_server(client))
}

fn through_files(client: &ClientFacts, conf: &ResolvConf) -> Finding {
    // what is no address does not count (res_init.c)
    let valid = client.nameservers.iter().filter(|server| server.address.is_some());
    let servers: Vec<(&str, Leads)> = valid.map(|server| (server.text.as_str(), leads(client, server))).collect();
    let Some((begin, _)) = servers.first() else {
        let found = format!("/etc/resolv.conf names no nameserver: the C library asks {DEFAULT_NAMESERVER}");
        return Finding::problem(CHECK, found, name_the_server(client));
    };
    let Some(first) = servers.iter().position(|(_, leads)| *leads == Leads::ToServer) else {
        return none_leads(client, &servers);
    };
    let own = servers.get(first).map_or("", |(text, _)| text);
    if first >= MAX_NAMESERVERS {
        let found = format!(
            "nameserver {own} is number {} of /etc/resolv.conf, and the C library takes {MAX_NAMESERVERS}",
            first + 1
        );
        return Finding::problem(CHECK, found, name_the_server(client));
    }
    if first > 0 {
        let found = format!(
            "nameserver {own}, which leads to the server, comes after {begin}: it is asked when those before it are silent"
        );
        return Finding::problem(CHECK, found, name_the_server(client));
    }
    let others = servers.iter().take(MAX_NAMESERVERS).filter(|(_, leads)| *leads != Leads::ToServer);
    let others: Vec<&str> = others.map(|(text, _)| *text).collect();
    if !others.is_empty() {
        return beside(client, conf, own, &others.join(" and "));
    }
    let number = servers.len();
    if number > MAX_NAMESERVERS {
        let found = format!("/etc/resolv.conf names {number} nameservers, and the C library takes {MAX_NAMESERVERS}");
        return Finding::warning(CHECK, found, "remove those behind the third");
    }
    Finding::ok(CHECK, format!("nameserver {own} leads to the server{}", shown_by(client)))
}

/// Others are named behind the server.
fn beside(client: &ClientFacts, conf: &ResolvConf, own: &str, others: &str) -> Finding {
    let why = match (client.has_musl, conf.rotate) {
        // res_msend.c
        (true, _) => "musl asks all of them at once and takes the first reply",
        (_, true) => "`options rotate` lets them take turns",
        _ => "it is asked when the server is late, and then says what is public",
    };
    let found = format!("beside {own}, which leads to the server, stands {others}, which does not: {why}");
    let remedy = format!("name only nameservers that lead to the server: {}", name_the_server(client));
    let finding = Finding::problem(CHECK, found, remedy);
    if client.has_musl || conf.rotate { finding } else { finding.at_most_warning() }
}

/// What shows that a nameserver leads to the server.
fn shown_by(client: &ClientFacts) -> String {
    match private_answer(client) {
        Some((name, _)) => format!(" (the same answer to {name})"),
        None => String::new(),
    }
}

fn none_leads(client: &ClientFacts, servers: &[(&str, Leads)]) -> Finding {
    let first = client.nameservers.iter().find_map(|server| server.address);
    let remedy = match (first, client.server) {
        (Some(ip), _) if RESOLVED_STUBS.contains(&ip) => through_resolved(&client.server_text),
        (Some(DOCKER_STUB), Some(server)) => through_docker(&server.to_string()),
        _ => name_the_server(client),
    };
    if client.is_wanted {
        let each = servers.iter().filter_map(|(text, leads)| match leads {
            Leads::Elsewhere(why) => Some(format!("nameserver {text}{why}")),
            Leads::ToServer => None,
        });
        let each = each.collect::<Vec<_>>().join("; ");
        let found = format!("no nameserver leads to the server {}: {each}", client.server_text);
        return Finding::problem(CHECK, found, remedy);
    }
    // the server asks them, with `--forward system`
    let names: Vec<&str> = servers.iter().map(|(text, _)| *text).collect();
    let way = if client.server.is_some() {
        format!("where they shall, {remedy}")
    } else {
        format!("resolv.conf cannot name {}, which has another port than 53", client.server_text)
    };
    Finding::ok(CHECK, format!("programs of this host ask {}, and not this server; {way}", names.join(", ")))
}

/// Whether glibc's programs come to the server where nss-resolve stands before DNS: it does not read resolv.conf.
fn nss_resolve(client: &ClientFacts) -> Option<Finding> {
    let (nsswitch, upstreams) = (client.nsswitch.as_ref()?, client.resolved.as_ref()?);
    let is_running = |service: &str| service == "resolve" || service == "files";
    let first_is_resolved = client.nameservers.first()?.address.is_some_and(|ip| RESOLVED_STUBS.contains(&ip));
    if !client.is_wanted || !client.has_glibc || first_is_resolved || !nsswitch.comes_to("resolve", is_running) {
        return None;
    }
    match resolved_leads(client, client.resolved_asked.as_ref(), upstreams) {
        Leads::ToServer => None,
        Leads::Elsewhere(why) => Some(Finding::problem(
            "nsswitch",
            format!(
                "`hosts: {}`: glibc asks systemd-resolved in place of /etc/resolv.conf, and that{why}",
                nsswitch.line
            ),
            through_resolved(&client.server_text),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{answers, as_client, nameservers, shown, silent};
    use crate::doctor::facts::StubUpstream;
    use crate::doctor::nsswitch::Nsswitch;

    fn said_of(host: &HostFacts) -> String {
        shown(&check(host)).join("\n")
    }

    #[test]
    fn the_first_nameserver_has_to_be_the_server() {
        for (text, words) in [
            ("nameserver 10.0.0.2\n", "ok resolv.conf: nameserver 10.0.0.2 leads to the server"),
            (
                "nameserver 10.0.0.9\n",
                "PROBLEM resolv.conf: no nameserver leads to the server 10.0.0.2: nameserver 10.0.0.9 has another address -> let /etc/resolv.conf begin with `nameserver 10.0.0.2`",
            ),
            (
                "nameserver 10.0.0.9\nnameserver 10.0.0.2\n",
                "PROBLEM resolv.conf: nameserver 10.0.0.2, which leads to the server, comes after 10.0.0.9",
            ),
            ("nameserver 10.0.0.2\nnameserver 10.0.0.9\n", "WARNING resolv.conf: beside 10.0.0.2"),
            (
                "nameserver 10.0.0.2\nnameserver 10.0.0.9\noptions rotate\n",
                "PROBLEM resolv.conf: beside 10.0.0.2, which leads to the server, stands 10.0.0.9, which does not: `options rotate`",
            ),
            (
                "nameserver 1.1.1.1\nnameserver 8.8.8.8\nnameserver 9.9.9.9\nnameserver 10.0.0.2\n",
                "PROBLEM resolv.conf: nameserver 10.0.0.2 is number 4 of /etc/resolv.conf, and the C library takes 3",
            ),
            ("search example\n", "PROBLEM resolv.conf: /etc/resolv.conf names no nameserver"),
            ("nameserver 10.0.0.2\nnameserver dns.example\n", "nameserver 'dns.example' is not a valid address"),
            (
                "nameserver dns.example\nnameserver 10.0.0.2\n",
                "ok resolv.conf: nameserver 10.0.0.2 leads to the server",
            ),
            (
                "# Generated by NetworkManager\nsearch lan\nnameserver 192.168.1.1\n",
                "nmcli connection modify NAME ipv4.dns 10.0.0.2",
            ),
            (
                "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
                "let CoreDNS forward amazonaws.com to 10.0.0.2",
            ),
        ] {
            let said = said_of(&as_client(text));
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    #[test]
    fn musl_asks_all_at_once() {
        let mut host = as_client("nameserver 10.0.0.2\nnameserver 10.0.0.9\n");
        host.client.has_musl = true;
        assert!(said_of(&host).contains(
            "PROBLEM resolv.conf: beside 10.0.0.2, which leads to the server, stands 10.0.0.9, which does not: musl"
        ));
    }

    /// What stands behind a stub is seen by its answer, and else by what files say.
    #[test]
    fn stubs_are_looked_through() {
        let stub = "# This is /run/systemd/resolve/stub-resolv.conf managed by man:systemd-resolved(8).\nnameserver 127.0.0.53\n";
        let upstream =
            |ip: &str| StubUpstream { address: ip.parse().unwrap(), is_server: ip == "10.0.0.2", is_on_host: false };
        let mut host = as_client(stub);
        host.client.resolved = Some(vec![upstream("192.168.1.1")]);
        let by_file = said_of(&host);
        assert!(by_file.contains("nameserver 127.0.0.53 is systemd-resolved's stub, which asks 192.168.1.1 -> write `[Resolve]`, `DNS=10.0.0.2`"), "{by_file}");
        // a domain of its own leads there all the same
        host.client.nameservers[0].asked = Some(Ok(answers("10.0.1.18")));
        host.client.at_server = Some(("ec2.us-east-1.amazonaws.com".parse().unwrap(), Ok(answers("10.0.1.18"))));
        assert!(
            said_of(&host)
                .starts_with("ok resolv.conf: nameserver 127.0.0.53 leads to the server (the same answer to ec2")
        );
        // that it names the server among others is not enough
        host.client.resolved = Some(vec![upstream("192.168.1.1"), upstream("10.0.0.2")]);
        host.client.nameservers[0].asked = Some(Ok(answers("203.0.113.9")));
        let by_answer = said_of(&host);
        assert!(
            by_answer.contains("answers ec2.us-east-1.amazonaws.com with 203.0.113.9, and the server with 10.0.1.18"),
            "{by_answer}"
        );
        host.client.nameservers[0].asked = Some(silent());
        assert!(said_of(&host).contains("does not answer (no reply in time)"));
        // a public answer of the server shows nothing: files decide
        host.client.at_server = Some(("ec2.us-east-1.amazonaws.com".parse().unwrap(), Ok(answers("203.0.113.9"))));
        assert!(said_of(&host).starts_with("ok resolv.conf: nameserver 127.0.0.53 leads to the server"));
    }

    #[test]
    fn docker_s_resolver_is_looked_through() {
        let docker = |asks: &str| {
            format!(
                "# Generated by Docker Engine.\nnameserver 127.0.0.11\noptions ndots:0\n# Based on host file: '/etc/resolv.conf' (internal resolver)\n# ExtServers: [{asks}]\n"
            )
        };
        let elsewhere = said_of(&as_client(&docker("host(127.0.0.53)")));
        assert!(elsewhere.contains("nameserver 127.0.0.11 is Docker's resolver, which asks 127.0.0.53 on the Docker host -> start the container with `--dns 10.0.0.2`"), "{elsewhere}");
        assert!(said_of(&as_client(&docker("10.0.0.2"))).starts_with("ok resolv.conf: nameserver 127.0.0.11 leads"));
    }

    #[test]
    fn without_a_file_the_c_library_asks_this_host() {
        let mut host = as_client("");
        host.client.resolv_conf = None;
        assert!(said_of(&host).starts_with("PROBLEM resolv.conf: /etc/resolv.conf is not there"));
        host.client.server = Some("127.0.0.1".parse().unwrap());
        assert!(said_of(&host).starts_with("WARNING resolv.conf"));
    }

    /// The server's own host asks its upstreams, with `--forward system`.
    #[test]
    fn the_server_s_host_need_not_be_its_client() {
        let mut host = as_client("nameserver 192.168.1.1\n");
        host.client.is_wanted = false;
        assert!(said_of(&host).starts_with(
            "ok resolv.conf: programs of this host ask 192.168.1.1, and not this server; where they shall"
        ));
        host.client.server = None;
        assert!(said_of(&host).contains("resolv.conf cannot name"));
    }

    /// What would break a client is no problem of the server's.
    #[test]
    fn on_the_server_s_host_it_is_a_warning_at_most() {
        for text in ["nameserver 10.0.0.9\nnameserver 10.0.0.2\n", "search lan\n"] {
            let mut host = as_client(text);
            assert!(said_of(&host).starts_with("PROBLEM"));
            host.client.is_wanted = false;
            assert!(said_of(&host).starts_with("WARNING"));
        }
    }

    #[test]
    fn nss_resolve_goes_past_resolv_conf() {
        let mut host = as_client("nameserver 10.0.0.2\n");
        host.client.nsswitch =
            Some(Nsswitch::parse("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n"));
        assert!(said_of(&host).starts_with("ok"), "it does not run");
        host.client.resolved = Some(nameservers("192.168.1.1"));
        let said = said_of(&host);
        assert!(
            said.contains("PROBLEM nsswitch")
                && said.contains(
                    "in place of /etc/resolv.conf, and that is systemd-resolved's stub, which asks 192.168.1.1"
                ),
            "{said}"
        );
        host.client.resolved = Some(nameservers("10.0.0.2"));
        assert!(said_of(&host).starts_with("ok"));
        assert_eq!(check(&host).len(), 1);
    }
}
