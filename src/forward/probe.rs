//! What an upstream in doubt is asked, to see whether it answers: names that it has answered before.
//!
//! Pure. A name is kept for each of a few domains, so that whoever controls one of them, and lets it fall silent, cannot
//! make the upstream look dead. Between them the root's name servers are asked for, which every resolver knows and
//! everything else at least refuses.

use std::time::{Duration, Instant};

use crate::dns::Rtype;
use crate::forward::domains::domains_of;
use crate::forward::query::Outbound;

/// Names that are kept.
const NAMES: usize = 8;
/// A name takes the place of another at most this often.
const RENEW: Duration = Duration::from_millis(250);
const ROOT: &[u8] = b"\0";

/// A name and the type it was asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    name: Box<[u8]>,
    rtype: Rtype,
}

/// See the module.
#[derive(Default)]
pub(super) struct Probes {
    answered: Vec<Probe>,
    oldest: usize,
    renewed: Option<Instant>,
    next: usize,
}

impl Probes {
    /// The upstream has answered this question: a datagram's question section.
    pub(super) fn answered(&mut self, name: &[u8], rtype: Rtype, now: Instant) {
        if self.renewed.is_some_and(|renewed| now.saturating_duration_since(renewed) < RENEW) {
            return;
        }
        let domain = |name: &[u8]| domains_of(name).last().map(<[u8]>::to_ascii_lowercase);
        let of = domain(name);
        if self.answered.iter().any(|probe| domain(&probe.name) == of) {
            return;
        }
        self.renewed = Some(now);
        let probe = Probe { name: name.into(), rtype };
        if self.answered.len() < NAMES {
            self.answered.push(probe);
        } else if let Some(oldest) = self.answered.get_mut(self.oldest) {
            *oldest = probe;
            self.oldest = (self.oldest + 1) % NAMES;
        }
    }

    /// The next probe: the names in turn, and the root between them.
    pub(super) fn next(&mut self) -> Probe {
        self.next = self.next.wrapping_add(1);
        let known = self.answered.get((self.next / 2).checked_rem(self.answered.len()).unwrap_or_default());
        match known {
            Some(probe) if self.next % 2 == 1 => probe.clone(),
            _ => Probe { name: ROOT.into(), rtype: Rtype::NS },
        }
    }
}

impl Probe {
    /// The question that is sent: without EDNS, which some leave unanswered.
    pub(super) fn question(&self) -> Outbound<'_> {
        Outbound { authentic_data: true, ..Outbound::plain(&self.name, self.rtype) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::DnsName;

    fn wire(name: &str) -> Vec<u8> {
        name.parse::<DnsName>().unwrap().wire().to_vec()
    }

    fn shown(probe: &Probe) -> String {
        DnsName::from_wire(&probe.name).map_or_else(|| ".".to_owned(), |name| name.to_string())
    }

    #[test]
    fn names_that_were_answered_are_asked_for_again_and_the_root_between() {
        let (mut probes, now) = (Probes::default(), Instant::now());
        assert_eq!((&*probes.next().name, probes.next().rtype), (ROOT, Rtype::NS), "nothing is known yet");
        probes.answered(&wire("www.one.example"), Rtype::A, now);
        probes.answered(&wire("www.two.example"), Rtype::A, now);
        probes.answered(&wire("mail.one.example"), Rtype::A, now + RENEW);
        probes.answered(&wire("www.two.example"), Rtype::AAAA, now + RENEW);
        let mut asked: Vec<String> = (0..4).map(|_| shown(&probes.next())).collect();
        asked.sort();
        asked.dedup();
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(asked.contains(&"www.one.example".to_owned()) && asked.contains(&"www.two.example".to_owned()));
    }

    #[test]
    fn one_domain_has_one_name() {
        let (mut probes, now) = (Probes::default(), Instant::now());
        probes.answered(&wire("www.good.example"), Rtype::A, now);
        for n in 0..1000 {
            probes.answered(&wire(&format!("r{n}.x{n}.evil.example")), Rtype::A, now + RENEW * (n + 1));
        }
        assert_eq!(probes.answered.len(), 2);
        for n in 0..1000 {
            probes.answered(&wire(&format!("www.d{n}.example")), Rtype::A, now + RENEW * (n + 2000));
        }
        assert_eq!(probes.answered.len(), NAMES, "bounded");
    }
}
