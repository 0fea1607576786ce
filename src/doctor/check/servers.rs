//! Upstream resolvers, and the server that this client has: UDP, TCP, EDNS and DO on the way there.

use super::ipv6::lacks;
use crate::dns::{Rcode, SAFE_PAYLOAD};
use crate::doctor::facts::{AskOutcome, HostFacts, ServerFacts};
use crate::doctor::finding::{Finding, FindingLevel};
use crate::doctor::reply::ReplyFacts;

const CHECK: &str = "server";
/// In the words of the forwarder, when a question came back (`forward/failure.rs`).
const LEADS_BACK: &str = "leads back to this server";

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !host.no_upstream.is_empty() {
        let remedy = "name resolvers with --forward ADDRESS, or `--forward none` where no other name shall be answered";
        findings.push(Finding::problem("upstream", host.no_upstream.clone(), remedy));
    }
    // what IPv6 keeps from being asked is said there
    let asked = host.servers.iter().filter(|server| !lacks(host, server.server.address.ip()));
    let failure = failure(host);
    let loops = failure.is_some_and(|reason| reason.contains(LEADS_BACK));
    // an upstream that is in a loop with the server fails because of that
    let asked = asked.filter(|server| !(loops && fails(server)));
    findings.extend(asked.map(|server| judge(server, host.validates)));
    if let Some(reason) = failure
        && (loops || findings.iter().all(|finding| finding.level != FindingLevel::Problem))
    {
        let remedy = if loops {
            "an upstream asks this server for what it is asked by it: name another, or let it forward single domains only"
        } else {
            "`vpcedns status` and the log say more"
        };
        let found = format!("the running server answers SERVFAIL to . NS: {reason}");
        findings.push(Finding::problem("upstream", found, remedy));
    }
    findings
}

/// Why the running server has no answer from its upstreams, if it has none.
fn failure(host: &HostFacts) -> Option<&str> {
    let reply = host.running.as_ref()?.as_ref().ok().filter(|reply| reply.rcode == Rcode::SERVFAIL)?;
    Some(reply.reason.as_deref().unwrap_or("no reason is given"))
}

fn fails(server: &ServerFacts) -> bool {
    matches!(&server.plain, Some(Ok(reply)) if reply.rcode == Rcode::SERVFAIL)
}

fn judge(facts: &ServerFacts, validates: bool) -> Finding {
    let ServerFacts { server, place, .. } = facts;
    let check = if place == "--server" { CHECK } else { "upstream" };
    let what = format!("{place} {server}");
    if let Some(why) = &facts.leads_back {
        let remedy = "name another resolver: each question would come back";
        return Finding::problem(check, format!("{what} leads back to this server: {why}"), remedy);
    }
    if server.is_encrypted() {
        return encrypted(check, &what, facts.plain.as_ref());
    }
    let (udp, tcp) = (facts.plain.as_ref(), facts.tcp.as_ref());
    // whoever refuses may close the connection, which says the same
    if let Some(Ok(reply)) = udp
        && let Some(finding) = refused(check, &what, facts, reply)
    {
        return finding;
    }
    let (udp, tcp) = match (udp, tcp) {
        (Some(Err(why)), Some(Err(_))) => {
            let remedy = "see whether it runs and whether a firewall or security group lets UDP and TCP to its port through; \
                          else name another";
            return Finding::problem(check, format!("{what} does not answer over UDP or TCP: {why}"), remedy);
        }
        (Some(Err(why)), _) => {
            let remedy =
                "let UDP to its port through: a firewall or security group is in the way, or it listens on TCP only";
            return Finding::problem(check, format!("{what} answers over TCP, and not over UDP: {why}"), remedy);
        }
        (Some(Ok(_)), Some(Err(why))) => {
            let remedy =
                "let TCP to its port through, or let it listen there (RFC 7766 5): long replies come that way only";
            return Finding::problem(check, format!("{what} answers over UDP, and not over TCP: {why}"), remedy);
        }
        (Some(Ok(udp)), Some(Ok(tcp))) => (udp, tcp),
        _ => return Finding::ok(check, format!("{what} was not asked")),
    };
    edns(check, &what, facts, validates).unwrap_or_else(|| {
        let ms = |reply: &ReplyFacts| reply.took.as_secs_f64() * 1000.0;
        let long = match &facts.dnssec {
            Some(Ok(reply)) if reply.is_truncated => format!(", long replies are truncated at {SAFE_PAYLOAD} octets"),
            Some(Ok(reply)) => format!(", {} octets with DO", reply.octets),
            _ => String::new(),
        };
        Finding::ok(
            check,
            format!("{what} answers over UDP in {:.1} ms and TCP in {:.1} ms, with EDNS{long}", ms(udp), ms(tcp)),
        )
    })
}

fn refused(check: &'static str, what: &str, facts: &ServerFacts, reply: &ReplyFacts) -> Option<Finding> {
    match reply.rcode {
        Rcode::REFUSED => {
            let remedy = if check == CHECK {
                "this host is a client of no VPC there: give the server its network with --allow, or a VPC with its block"
            } else {
                "let it serve this host's address (allow-query, access-control), or name another"
            };
            Some(Finding::problem(check, format!("{what} answers REFUSED to {} {}", facts.name, facts.rtype), remedy))
        }
        Rcode::SERVFAIL => {
            let found = format!("{what} answers SERVFAIL to {} {}: it cannot resolve names", facts.name, facts.rtype);
            Some(Finding::problem(check, found, "see whether it reaches its own upstreams, or name another"))
        }
        _ if !reply.is_recursive => {
            let found = format!("{what} does not ask others (RA is not set)");
            Some(Finding::warning(
                check,
                found,
                "name a resolver: an authoritative server answers for its own zones only",
            ))
        }
        _ => None,
    }
}

/// What keeps EDNS, or long replies, from coming back.
fn edns(check: &'static str, what: &str, facts: &ServerFacts, validates: bool) -> Option<Finding> {
    let no_edns = "let EDNS through (a firewall or an old middlebox drops it), or update it: without EDNS there is no DNSSEC, no \
                   cookie, and long replies come over TCP";
    match facts.edns.as_ref()? {
        Err(why) => {
            return Some(Finding::problem(
                check,
                format!("{what} answers without EDNS, and not with it: {why}"),
                no_edns,
            ));
        }
        Ok(reply) if matches!(reply.rcode, Rcode::FORMERR | Rcode::NOTIMP) || !reply.has_edns => {
            let found = format!(
                "{what} does not know EDNS ({})",
                if reply.has_edns { reply.rcode.to_string() } else { "no OPT in its reply".to_owned() }
            );
            return Some(at_least_warning(check, found, no_edns, validates));
        }
        Ok(_) => {}
    }
    match facts.dnssec.as_ref()? {
        Err(why) => {
            let found = format!("{what} does not answer questions with DO for long replies: {why}");
            let remedy =
                "let UDP fragments and large datagrams through, or lower its max-udp-size (edns-buffer-size) to 1232";
            Some(at_least_warning(check, found, remedy, validates))
        }
        Ok(reply) if reply.octets > usize::from(SAFE_PAYLOAD) => {
            let found = format!("{what} sends {} octets over UDP, and {SAFE_PAYLOAD} were asked for", reply.octets);
            Some(Finding::warning(
                check,
                found,
                "set its max-udp-size to 1232: it ignores the payload size (RFC 6891 6.2.3)",
            ))
        }
        Ok(_) => None,
    }
}

/// A problem where signatures are validated, as those have to come.
fn at_least_warning(check: &'static str, found: String, remedy: &str, validates: bool) -> Finding {
    if validates {
        Finding::problem(check, format!("{found}; --dnssec validate needs it"), remedy)
    } else {
        Finding::warning(check, found, remedy)
    }
}

fn encrypted(check: &'static str, what: &str, asked: Option<&AskOutcome>) -> Finding {
    match asked {
        Some(Ok(reply)) => Finding::ok(check, format!("{what} answers in {:.1} ms", reply.took.as_secs_f64() * 1000.0)),
        Some(Err(why)) if why.contains("is not who it should be") => {
            let remedy = "the name behind '#' has to stand in its certificate, which has to be in force and from an authority \
                          that this host or --forward-ca knows";
            Finding::problem(check, format!("{what}: {why}"), remedy)
        }
        Some(Err(why)) => {
            let remedy = "see whether it runs, and whether a firewall lets its port through; else name another";
            Finding::problem(check, format!("{what}: {why}"), remedy)
        }
        None => Finding::ok(check, format!("{what} was not asked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{reply, says, shown, silent, sound, upstream};

    fn said(change: impl FnOnce(&mut ServerFacts)) -> String {
        let mut server = upstream("10.9.9.9");
        change(&mut server);
        shown(&check(&HostFacts { servers: vec![server], ..sound() })).join("\n")
    }

    #[test]
    fn each_way_that_is_broken_is_named() {
        assert_eq!(
            said(|_| {}),
            "ok upstream: --forward 10.9.9.9:53 answers over UDP in 2.0 ms and TCP in 2.0 ms, with EDNS, 100 octets with DO"
        );
        let dead = said(|server| (server.plain, server.tcp) = (Some(silent()), Some(silent())));
        assert!(
            dead.starts_with(
                "PROBLEM upstream: --forward 10.9.9.9:53 does not answer over UDP or TCP: no reply in time"
            ),
            "{dead}"
        );
        assert!(said(|server| server.plain = Some(silent())).contains("answers over TCP, and not over UDP"));
        assert!(said(|server| server.tcp = Some(silent())).contains("answers over UDP, and not over TCP"));
        assert!(
            said(|server| server.edns = Some(silent()))
                .starts_with("PROBLEM upstream: --forward 10.9.9.9:53 answers without EDNS, and not with it")
        );
        assert!(
            said(|server| server.edns = Some(Ok(ReplyFacts { has_edns: false, ..reply() })))
                .starts_with("WARNING upstream: --forward 10.9.9.9:53 does not know EDNS (no OPT")
        );
        assert!(said(|server| server.edns = Some(Ok(says(Rcode::FORMERR)))).contains("does not know EDNS (FORMERR)"));
        assert!(
            said(|server| server.dnssec = Some(silent()))
                .starts_with("WARNING upstream: --forward 10.9.9.9:53 does not answer questions with DO")
        );
        assert!(
            said(|server| server.dnssec = Some(Ok(ReplyFacts { octets: 4000, ..reply() })))
                .contains("sends 4000 octets")
        );
        assert!(said(|server| server.plain = Some(Ok(says(Rcode::REFUSED)))).contains("answers REFUSED to . NS"));
        let closed = said(|server| (server.plain, server.tcp) = (Some(Ok(says(Rcode::REFUSED))), Some(silent())));
        assert!(closed.contains("answers REFUSED to . NS"), "{closed}");
        assert!(said(|server| server.plain = Some(Ok(says(Rcode::SERVFAIL)))).contains("it cannot resolve names"));
        assert!(
            said(|server| server.plain = Some(Ok(ReplyFacts { is_recursive: false, ..reply() })))
                .contains("RA is not set")
        );
        assert!(
            said(|server| server.leads_back = Some("it is --listen".to_owned()))
                .contains("leads back to this server: it is --listen")
        );
    }

    #[test]
    fn the_running_server_says_why_it_cannot_forward() {
        let reason = Some("10.9.9.9:53 leads back to this server".to_owned());
        let failed = || Some(Ok(ReplyFacts { reason: reason.clone(), ..says(Rcode::SERVFAIL) }));
        let mut host = HostFacts { servers: vec![upstream("10.9.9.9")], running: failed(), ..sound() };
        let said = shown(&check(&host));
        assert!(
            said[1].starts_with("PROBLEM upstream: the running server answers SERVFAIL to . NS: 10.9.9.9:53 leads")
        );
        assert!(said[1].contains("let it forward single domains only"));
        host.servers[0].plain = Some(Ok(says(Rcode::SERVFAIL)));
        assert_eq!(check(&host).len(), 1, "it fails because of the loop");
        host.running = Some(Ok(says(Rcode::SERVFAIL)));
        assert!(shown(&check(&host)).join(" ").contains("--forward 10.9.9.9:53 answers SERVFAIL"));
        // one that does not answer is reason enough
        (host.servers[0].plain, host.servers[0].tcp) = (Some(silent()), Some(silent()));
        assert_eq!(check(&host).len(), 1);
        host = HostFacts { running: Some(Ok(says(Rcode::REFUSED))), ..sound() };
        assert_eq!(check(&host), []);
    }

    #[test]
    fn validation_needs_edns() {
        let mut server = upstream("10.9.9.9");
        server.edns = Some(Ok(says(Rcode::FORMERR)));
        let host = HostFacts { servers: vec![server], validates: true, ..sound() };
        assert!(shown(&check(&host))[0].starts_with("PROBLEM upstream"));
    }

    #[test]
    fn encrypted_servers_are_judged_by_their_certificate() {
        let mut server = upstream("tls://10.9.9.9#dns.example");
        let said =
            |server: &ServerFacts| shown(&check(&HostFacts { servers: vec![server.clone()], ..sound() })).join("\n");
        assert_eq!(said(&server), "ok upstream: --forward tls://10.9.9.9#dns.example answers in 2.0 ms");
        server.plain = Some(Err("is not who it should be: certificate not valid for name \"dns.example\"".to_owned()));
        assert!(said(&server).contains("the name behind '#' has to stand in its certificate"));
        server.place = "--server".to_owned();
        assert!(said(&server).starts_with("PROBLEM server"));
        let none = HostFacts { no_upstream: "all nameservers are this server".to_owned(), ..sound() };
        assert!(shown(&check(&none))[0].starts_with("PROBLEM upstream: all nameservers are this server"));
    }
}
