//! Whether glibc asks DNS at all: the `hosts:` line of /etc/nsswitch.conf. musl does not read it.

use crate::doctor::facts::HostFacts;
use crate::doctor::finding::Finding;

const CHECK: &str = "nsswitch";
const RESTORE: &str = "let the line end with `dns`, as in `hosts: files dns`, in /etc/nsswitch.conf";

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let client = &host.client;
    if !client.has_glibc {
        return Vec::new();
    }
    let Some(nsswitch) = &client.nsswitch else {
        return vec![Finding::ok(CHECK, "there is no /etc/nsswitch.conf: glibc takes `hosts: files dns`")];
    };
    let line = &nsswitch.line;
    let has = |name: &str| nsswitch.services.iter().any(|service| service.name == name);
    if !has("dns") && !has("resolve") {
        let found = format!("`hosts: {line}`: glibc never asks DNS");
        return vec![Finding::problem(CHECK, found, RESTORE)];
    }
    if let Some(end) = nsswitch.dead_end() {
        let found = format!("`hosts: {line}`: glibc stops after `{end}`, before it comes to DNS");
        let remedy = format!("remove the action in brackets behind `{end}` in /etc/nsswitch.conf");
        return vec![Finding::problem(CHECK, found, remedy)];
    }
    if !has("dns") && client.resolved.is_none() {
        let found = format!("`hosts: {line}`: only systemd-resolved is asked, and it does not run");
        return vec![Finding::problem(CHECK, found, format!("start systemd-resolved, or {RESTORE}"))];
    }
    vec![Finding::ok(CHECK, format!("`hosts: {line}`"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{shown, sound};
    use crate::doctor::nsswitch::Nsswitch;

    #[test]
    fn a_line_without_dns_is_a_problem() {
        let said = |text: &str, resolved: bool| {
            let mut host = sound();
            host.client.nsswitch = Some(Nsswitch::parse(text));
            host.client.resolved = resolved.then(Vec::new);
            shown(&check(&host)).join("\n")
        };
        assert_eq!(said("hosts: files dns", false), "ok nsswitch: `hosts: files dns`");
        assert!(said("hosts: files mdns4_minimal [NOTFOUND=return] dns", false).starts_with("ok"));
        assert!(
            said("hosts: files", false)
                .starts_with("PROBLEM nsswitch: `hosts: files`: glibc never asks DNS -> let the line")
        );
        assert!(said("hosts: files [NOTFOUND=return] dns", false).contains("stops after `files`"));
        assert!(said("hosts: files resolve", false).contains("does not run"));
        assert!(said("hosts: files resolve", true).starts_with("ok"));
    }

    #[test]
    fn musl_does_not_read_it() {
        let mut host = sound();
        host.client.has_glibc = false;
        host.client.nsswitch = Some(Nsswitch::parse("hosts: files"));
        assert_eq!(check(&host), []);
    }
}
