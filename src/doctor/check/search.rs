//! The search list: names with fewer dots than `ndots` are tried with each domain behind them first (resolv.conf(5)).
//!
//! Mostly that costs questions. It is a trap where such a name exists, as with a wildcard in the domain: its answer is
//! taken, and the name itself is never asked for.

use super::leads::said;
use super::remedy::fewer_searches;
use crate::dns::Rcode;
use crate::doctor::facts::HostFacts;
use crate::doctor::finding::Finding;

const CHECK: &str = "search";
/// Dots of `ec2.us-east-1.amazonaws.com`, which stands for all regional names of AWS.
const USUAL_DOTS: u32 = 3;
const USUAL_NAME: &str = "ec2.us-east-1.amazonaws.com";

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let client = &host.client;
    let conf = client.resolv_conf.as_ref().filter(|conf| !conf.search.is_empty());
    let (Some(conf), true) = (conf, client.is_wanted) else { return Vec::new() };
    let (domains, ndots) = (conf.search.len(), conf.ndots);
    for (name, asked) in &client.searched {
        let Ok(reply) = asked else { continue };
        if !reply.addresses.is_empty() {
            let found = format!(
                "with ndots:{ndots} and the search list, programs ask for {name} first, and that answers {}",
                said(reply)
            );
            return vec![Finding::problem(CHECK, found, fewer_searches(conf))];
        }
        // musl ends the search with an error (lookup_name.c, name_from_dns_search)
        if client.has_musl && !matches!(reply.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) {
            let found = format!("{name}, which the search list makes, answers {}: musl gives up there", reply.rcode);
            return vec![Finding::problem(CHECK, found, fewer_searches(conf))];
        }
    }
    if ndots <= USUAL_DOTS {
        let found = format!("{}, ndots:{ndots}: names of AWS are asked for as they are", conf.search.join(" "));
        return vec![Finding::ok(CHECK, found)];
    }
    let found = format!(
        "ndots:{ndots} and {}: a program asks {} questions for A and AAAA of {USUAL_NAME}, and needs the last two",
        crate::problem::count(domains, "search domain"),
        2 * (domains + 1)
    );
    vec![Finding::warning(CHECK, found, fewer_searches(conf))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{answers, as_client, says, shown};

    const POD: &str = "search default.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.0.0.2\noptions ndots:5\n";

    #[test]
    fn the_search_list_costs_questions_or_leads_astray() {
        let said = |host: &HostFacts| shown(&check(host)).join("\n");
        assert_eq!(check(&as_client("nameserver 10.0.0.2\n")), []);
        assert!(said(&as_client("search lan\nnameserver 10.0.0.2\n")).starts_with("ok search: lan, ndots:1"));
        let mut pod = as_client(POD);
        assert!(said(&pod).starts_with("WARNING search: ndots:5 and 4 search domains: a program asks 10 questions"));
        pod.client.searched = vec![("ec2.us-east-1.amazonaws.com.corp.example".to_owned(), Ok(answers("203.0.113.7")))];
        let trap = said(&pod);
        assert!(
            trap.starts_with("PROBLEM search: with ndots:5") && trap.contains("answers 203.0.113.7 -> give the pod"),
            "{trap}"
        );
        pod.client.searched = vec![("x.corp.example".to_owned(), Ok(says(Rcode::REFUSED)))];
        assert!(said(&pod).starts_with("WARNING"));
        pod.client.has_musl = true;
        assert!(said(&pod).contains("answers REFUSED: musl gives up there"));
    }
}
