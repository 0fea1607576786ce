//! Upstreams that are this server itself.

use std::net::SocketAddr;

use crate::address::is_own;
use crate::model::{Breach, Input, Object, RuleAction, RuleInput, Upstream, Violation};
use crate::problem::{At, Place, Problem};

/// A problem for each upstream that is one of our own addresses.
pub fn refuse_own(upstreams: &[At<Upstream>], own: &[SocketAddr]) -> Vec<Problem> {
    let ours = upstreams.iter().filter(|upstream| is_own(upstream.value.address, own));
    ours.map(|At { value, place }| Problem::from(violation(value, place.clone()))).collect()
}

/// Rules whose upstream is this server: a question would go round until it times out.
pub(super) fn forwarding_to_ourselves(added: &[Input], own: &[SocketAddr]) -> Vec<Violation> {
    added.iter().flat_map(|input| own_targets(input, own)).map(|(to, place)| violation(to, place.clone())).collect()
}

/// The targets of a rule that are this server, and where the rule is.
pub(super) fn own_targets<'i>(
    input: &'i Input,
    own: &'i [SocketAddr],
) -> impl Iterator<Item = (&'i Upstream, &'i Place)> {
    let (targets, place) = match &*input.object {
        Object::Rule(RuleInput { domain_name, action: RuleAction::Forward(targets), .. }) => {
            (&targets[..], &domain_name.place)
        }
        _ => (&[][..], &input.place),
    };
    targets.iter().filter(|target| is_own(target.address, own)).map(move |target| (target, place))
}

fn violation(upstream: &Upstream, place: Place) -> Violation {
    Violation { place, breach: Breach::UpstreamIsOurs { upstream: upstream.clone() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn knows_itself() {
        for (upstream, own, want) in [
            ("127.0.0.1:53", "127.0.0.1:53", true),
            // Docker's resolver is not localhost, however alike they look
            ("127.0.0.11:53", "127.0.0.1:53", false),
            ("127.0.0.1:53", "127.0.0.1:5300", false),
            ("127.0.0.11:53", "0.0.0.0:53", true),
            ("0.0.0.0:53", "127.0.0.1:53", true),
            ("[::ffff:127.0.0.1]:53", "127.0.0.1:53", true),
            ("192.0.2.1:53", "0.0.0.0:53", false),
            ("[::1]:53", "[::]:53", true),
            ("[::1]:53", "0.0.0.0:53", false),
            ("[2001:db8::1]:53", "[::]:53", false),
        ] {
            assert_eq!(is_own(upstream.parse().unwrap(), &addresses(&[own])), want, "{upstream} by {own}");
        }
        let upstream = At::new("127.0.0.1:5300".parse().unwrap(), Place::whole("--forward"));
        let problems = refuse_own(&[upstream], &addresses(&["0.0.0.0:5300"]));
        assert!(problems[0].is_error() && problems[0].what == "upstream 127.0.0.1:5300 is this server");
    }
}
