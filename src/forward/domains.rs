//! Domains that an upstream leaves unanswered, so that their timeouts are not held against the upstream.
//!
//! Pure, and bounded whatever is asked. A timeout counts for the domains above the name, and an answer counts against
//! that. Consequences are mild, as a domain is a guess: nobody tells where zones begin. A silent domain's timeouts raise
//! no doubt about the upstream, and of its questions the oldest gives way where too many wait.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Timeouts less answers (each of which halves them) from which a domain counts as silent.
const SILENT: u32 = 4;
/// Most that is counted, so that a few answers are enough to be heard again.
const MOST: u32 = 64;
/// A domain without a timeout for this long is forgotten.
const MEMORY: Duration = Duration::from_secs(60);
/// Domains that are remembered for one upstream.
const DOMAINS: usize = 512;
/// Labels of the longest domain that is counted, and of the shortest.
const DEPTHS: (usize, usize) = (4, 2);
/// Questions for names of one silent domain that wait at one time.
const WAITING: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct Domains {
    domains: HashMap<u64, Domain, foldhash::fast::RandomState>,
}

struct Domain {
    timeouts: u32,
    last: Instant,
    /// Questions in flight, the oldest first; told when they have to give way.
    waiting: VecDeque<Arc<Notify>>,
}

impl Domains {
    /// A question for this name (wire octets) was not answered in time.
    pub(super) fn timed_out(&mut self, name: &[u8], now: Instant) {
        for domain in domains_of(name) {
            let key = self.key(domain);
            if self.domains.len() >= DOMAINS && !self.domains.contains_key(&key) {
                self.make_room(now);
            }
            let entry =
                self.domains.entry(key).or_insert_with(|| Domain { timeouts: 0, last: now, waiting: VecDeque::new() });
            if now.saturating_duration_since(entry.last) >= MEMORY {
                entry.timeouts = 0;
            }
            entry.timeouts = (entry.timeouts + 1).min(MOST);
            entry.last = now;
        }
    }

    /// A question for this name was answered.
    pub(super) fn answered(&mut self, name: &[u8]) {
        if self.domains.is_empty() {
            return;
        }
        for domain in domains_of(name) {
            let key = self.key(domain);
            if let Some(entry) = self.domains.get_mut(&key) {
                entry.timeouts /= 2;
                if entry.timeouts == 0 && entry.waiting.is_empty() {
                    self.domains.remove(&key);
                }
            }
        }
    }

    /// Whether a domain of this name is silent.
    pub(super) fn is_silent(&self, name: &[u8], now: Instant) -> bool {
        self.silent(name, now).is_some()
    }

    /// Counts a question for a name of a silent domain as waiting, until [`leave`](Self::leave); the oldest is told to
    /// give way where too many do. `None`: no domain of the name is silent.
    pub(super) fn enter(&mut self, name: &[u8], now: Instant) -> Option<SilentPlace> {
        let domain = self.silent(name, now)?;
        let entry = self.domains.get_mut(&domain)?;
        if entry.waiting.len() >= WAITING
            && let Some(oldest) = entry.waiting.pop_front()
        {
            oldest.notify_one();
        }
        let gives_way = Arc::new(Notify::new());
        entry.waiting.push_back(Arc::clone(&gives_way));
        Some(SilentPlace { domain, gives_way })
    }

    /// The question no longer waits.
    pub(super) fn leave(&mut self, place: &SilentPlace) {
        if let Some(entry) = self.domains.get_mut(&place.domain) {
            entry.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &place.gives_way));
        }
    }

    /// The shortest silent domain of the name: what is below it may be different in each question.
    fn silent(&self, name: &[u8], now: Instant) -> Option<u64> {
        if self.domains.is_empty() {
            return None;
        }
        let is_silent = |entry: &Domain| entry.timeouts >= SILENT && now.saturating_duration_since(entry.last) < MEMORY;
        domains_of(name)
            .map(|domain| self.key(domain))
            .filter(|key| self.domains.get(key).is_some_and(is_silent))
            .last()
    }

    /// Forgets the old, or else what is not silent, or else everything.
    fn make_room(&mut self, now: Instant) {
        self.domains.retain(|_, entry| now.saturating_duration_since(entry.last) < MEMORY);
        if self.domains.len() >= DOMAINS {
            self.domains.retain(|_, entry| entry.timeouts >= SILENT);
        }
        if self.domains.len() >= DOMAINS {
            self.domains.clear();
        }
    }

    fn key(&self, domain: &[u8]) -> u64 {
        self.domains.hasher().hash_one(domain.to_ascii_lowercase())
    }
}

/// A question of a silent domain that waits.
#[derive(Debug)]
pub(super) struct SilentPlace {
    domain: u64,
    /// Told when the question has to give way.
    pub(super) gives_way: Arc<Notify>,
}

/// The domains above a name of more than two labels, the longest first; of a shorter name itself.
pub(super) fn domains_of(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let labels = std::iter::successors(Some(name), |rest| {
        let (&len, behind) = rest.split_first()?;
        if len == 0 { None } else { behind.get(usize::from(len)..) }
    })
    .take_while(|rest| rest.first().is_some_and(|len| *len > 0));
    let count = labels.clone().count();
    let (longest, shortest) = if count > DEPTHS.1 { (DEPTHS.0.min(count - 1), DEPTHS.1) } else { (count, count) };
    labels.skip(count - longest).take(if count == 0 { 0 } else { longest - shortest + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::DnsName;

    fn wire(name: &str) -> Vec<u8> {
        name.parse::<DnsName>().unwrap().wire().to_vec()
    }

    fn silence(domains: &mut Domains, names: impl Iterator<Item = String>, now: Instant) {
        names.for_each(|name| domains.timed_out(&wire(&name), now));
    }

    #[test]
    fn a_name_belongs_to_the_domains_above_it() {
        for (name, want) in [
            (".", vec![]),
            ("example", vec!["example"]),
            ("www.example", vec!["www.example"]),
            ("www.evil.example", vec!["evil.example"]),
            ("a.b.evil.example", vec!["b.evil.example", "evil.example"]),
            ("a.b.c.d.evil.example", vec!["c.d.evil.example", "d.evil.example", "evil.example"]),
        ] {
            let seen: Vec<Vec<u8>> = domains_of(&wire(name)).map(<[u8]>::to_vec).collect();
            assert_eq!(seen, want.iter().map(|name| wire(name)).collect::<Vec<_>>(), "{name}");
        }
        assert_eq!(domains_of(b"\x09broken").count(), 1, "whatever it is");
    }

    #[test]
    fn timeouts_make_a_domain_silent_and_answers_end_it() {
        let (mut domains, now) = (Domains::default(), Instant::now());
        silence(&mut domains, (0..3).map(|n| format!("r{n}.x{n}.evil.example")), now);
        assert!(!domains.is_silent(&wire("other.evil.example"), now), "three may be chance");
        domains.timed_out(&wire("r3.x3.EVIL.example"), now);
        assert!(
            domains.is_silent(&wire("other.evil.example"), now) && domains.is_silent(&wire("a.b.evil.example"), now)
        );
        assert!(!domains.is_silent(&wire("www.good.example"), now));
        assert!(!domains.is_silent(&wire("other.evil.example"), now + MEMORY), "it is forgotten");
        domains.answered(&wire("one.evil.example"));
        assert!(!domains.is_silent(&wire("other.evil.example"), now));
        silence(&mut domains, (0..1000).map(|n| format!("r{n}.evil.example")), now);
        (0..5).for_each(|_| domains.answered(&wire("one.evil.example")));
        assert!(!domains.is_silent(&wire("other.evil.example"), now), "five answers outweigh any number of timeouts");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut domains, now) = (Domains::default(), Instant::now());
        silence(&mut domains, (0..20).map(|n| format!("r{n}.evil.example")), now);
        silence(&mut domains, (0..5000).map(|n| format!("www.d{n}.example")), now);
        assert!(domains.domains.len() <= DOMAINS);
        assert!(domains.is_silent(&wire("x.evil.example"), now), "names that are asked once do not displace it");
        silence(&mut domains, (0..20_000).map(|n| format!("w.d{}.example", n / 4)), now);
        assert!(domains.domains.len() <= DOMAINS);
    }

    #[test]
    fn the_oldest_of_a_silent_domain_gives_way() {
        let (mut domains, now) = (Domains::default(), Instant::now());
        assert!(domains.enter(&wire("www.evil.example"), now).is_none(), "it is not silent");
        silence(&mut domains, (0..9).map(|n| format!("r{n}.evil.example")), now);
        let places: Vec<SilentPlace> =
            (0..=WAITING).map(|n| domains.enter(&wire(&format!("q{n}.evil.example")), now).unwrap()).collect();
        let told = |place: &SilentPlace| {
            let notified = place.gives_way.notified();
            tokio::pin!(notified);
            notified.enable()
        };
        assert!(told(&places[0]) && !told(&places[1]));
        domains.leave(&places[1]);
        let _ = domains.enter(&wire("more.evil.example"), now);
        assert!(!told(&places[2]), "there was room");
        assert!(domains.enter(&wire("www.good.example"), now).is_none());
    }
}
