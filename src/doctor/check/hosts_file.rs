//! Names of ours in /etc/hosts: programs take the address there, and never ask.

use crate::doctor::facts::HostFacts;
use crate::doctor::finding::Finding;

pub(super) fn check(host: &HostFacts) -> Vec<Finding> {
    let pinned = host.client.pinned.iter().map(|(address, name)| {
        Finding::warning(
            "hosts-file",
            format!("/etc/hosts says {name} is {address}: programs of this host never ask for it"),
            format!("remove the line of {name} from /etc/hosts"),
        )
    });
    pinned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::testing::{shown, sound};

    #[test]
    fn a_name_that_is_pinned_is_said() {
        let mut host = sound();
        assert_eq!(check(&host), []);
        host.client.pinned = vec![("203.0.113.9".parse().unwrap(), "ec2.us-east-1.amazonaws.com".to_owned())];
        assert!(
            shown(&check(&host))[0]
                .starts_with("WARNING hosts-file: /etc/hosts says ec2.us-east-1.amazonaws.com is 203.0.113.9")
        );
    }
}
