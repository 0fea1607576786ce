//! Whether the path of one question leads back to this server.
//!
//! Only a question that goes out and comes in again, to be sent to the same upstreams, is in a loop. Nothing follows for
//! other names: a hub may well send one domain to a network that sends all others to the hub.
//!
//! A question that comes in while it is in flight may be another client's. Where it is also late, a name below its own
//! is asked for on the same path, which all forwarders send the same way, and which nobody else asks for. If that comes
//! in, and would go out to the same upstreams, the question is in a loop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::dns::{DnsName, Rtype};
use crate::forward::domains::domains_of;
use crate::forward::query::Outbound;
use crate::model::Upstream;

/// The second label of such a name, behind a first one of 16 hexadecimal digits.
const MARK: &[u8] = b"\x0cvpcedns-loop";
/// Digits of the first label: 64 bits, so that nobody else comes to ask for the same.
const DIGITS: usize = 16;
/// Octets of a longest name (RFC 1035 3.1).
const LONGEST: usize = 255;
/// A domain with a loop is said in the log at most this often.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// Domains of which it is remembered that they were said.
const SAID: usize = 256;

/// Whether a question came in again while it was in flight.
#[derive(Debug, Default)]
pub struct Repeated {
    is_so: AtomicBool,
    told: Notify,
}

impl Repeated {
    /// It did.
    pub fn note(&self) {
        if !self.is_so.swap(true, Ordering::AcqRel) {
            self.told.notify_one();
        }
    }

    /// Ends once it did.
    pub(super) async fn happened(&self) {
        while !self.is_so.load(Ordering::Acquire) {
            self.told.notified().await;
        }
    }
}

/// The loop probes in flight.
#[derive(Default)]
pub(super) struct Loops {
    probes: Mutex<HashMap<u64, Arc<LoopProbe>>>,
    said: Mutex<HashMap<Vec<u8>, Instant>>,
}

/// One of them; it is in flight as long as this is kept.
pub(super) struct LoopProbe {
    upstreams: Arc<[Upstream]>,
    came_back: Notify,
}

/// Takes a probe out of the table when the question is done with.
pub(super) struct LoopWatch<'l> {
    loops: &'l Loops,
    token: u64,
    probe: Arc<LoopProbe>,
    /// The name to ask for, in wire octets.
    pub(super) name: Vec<u8>,
}

impl Loops {
    /// Watches the path of questions for `name` (wire octets) to `upstreams`.
    pub(super) fn watch(&self, name: &[u8], upstreams: &Arc<[Upstream]>) -> LoopWatch<'_> {
        let token = rand::random();
        let probe = Arc::new(LoopProbe { upstreams: Arc::clone(upstreams), came_back: Notify::new() });
        lock(&self.probes).insert(token, Arc::clone(&probe));
        LoopWatch { loops: self, token, probe, name: name_of(token, name) }
    }

    /// True when a question that came in for `name`, and would go out to `upstreams`, is one of these: there is a loop.
    pub(super) fn is_own(&self, name: &[u8], upstreams: &[Upstream]) -> bool {
        let Some(token) = token(name) else { return false };
        let probes = lock(&self.probes);
        let probe = probes.get(&token).filter(|probe| *probe.upstreams == *upstreams);
        probe.inspect(|probe| probe.came_back.notify_one()).is_some()
    }

    /// Says in the log that questions for this name, sent to `upstream`, come back; once a minute for its domain.
    pub(super) fn say(&self, name: &[u8], upstream: &Upstream) {
        let domain = domains_of(name).next().unwrap_or(name).to_ascii_lowercase();
        let (mut said, now) = (lock(&self.said), Instant::now());
        if said.get(&domain).is_some_and(|at| now.saturating_duration_since(*at) < SAY_AGAIN) {
            return;
        }
        if said.len() >= SAID {
            said.clear();
        }
        let shown = DnsName::from_wire(&domain).map_or_else(|| ".".to_owned(), |domain| domain.to_string());
        tracing::warn!(%upstream, "questions for names in {shown} lead back to this server: see what the upstream does with them");
        said.insert(domain, now);
    }
}

impl LoopWatch<'_> {
    /// Ends when the probe has come in.
    pub(super) async fn came_back(&self) {
        self.probe.came_back.notified().await;
    }

    /// The question for the probe, the plainest there is.
    pub(super) fn question(name: &[u8]) -> Outbound<'_> {
        Outbound::plain(name, Rtype::TXT)
    }
}

impl Drop for LoopWatch<'_> {
    fn drop(&mut self) {
        lock(&self.loops.probes).remove(&self.token);
    }
}

/// A name below `name`, or, where that is too long, below as much of it as there is room for.
fn name_of(token: u64, name: &[u8]) -> Vec<u8> {
    let digits = format!("{token:016x}");
    let own = [&[DIGITS as u8], digits.as_bytes(), MARK].concat();
    let mut below = name;
    while own.len() + below.len() > LONGEST {
        let Some((&len, behind)) = below.split_first() else { break };
        below = behind.get(usize::from(len)..).unwrap_or_default();
    }
    [&own, below].concat()
}

/// Whether a name is one that some server asks for to find a loop: nobody else asks for it, and nobody twice.
pub(super) fn is_marked(name: &[u8]) -> bool {
    token(name).is_some()
}

/// The number in a name of this kind; of any other name a few octets are looked at.
fn token(name: &[u8]) -> Option<u64> {
    let (first, rest) = name.split_at_checked(1 + DIGITS)?;
    let (&len, digits) = first.split_first()?;
    if usize::from(len) != DIGITS || !rest.get(..MARK.len())?.eq_ignore_ascii_case(MARK) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = b"\x03www\x07example\0";

    fn upstreams(port: u16) -> Arc<[Upstream]> {
        Arc::from([Upstream::plain(([127, 0, 0, 1], port).into())])
    }

    fn told(watch: &LoopWatch<'_>) -> bool {
        let notified = watch.probe.came_back.notified();
        tokio::pin!(notified);
        notified.enable()
    }

    #[test]
    fn only_the_same_path_is_a_loop() {
        let (loops, other) = (Loops::default(), Loops::default());
        let watch = loops.watch(NAME, &upstreams(53));
        assert!(watch.name.ends_with(NAME) && DnsName::from_wire(&watch.name).is_some(), "below the name");
        for foreign in [NAME, b"\0", b"", &watch.name[1..], &watch.name[..watch.name.len() - NAME.len() - 1]] {
            assert!(!loops.is_own(foreign, &upstreams(53)), "{foreign:?}");
        }
        assert!(!other.is_own(&watch.name, &upstreams(53)), "another server's");
        assert!(!loops.is_own(&watch.name, &upstreams(54)), "it goes on to others: that is the way, and no loop");
        assert!(!told(&watch));
        assert!(loops.is_own(&watch.name.to_ascii_uppercase(), &upstreams(53)), "with letters in another case");
        assert!(told(&watch));
        let name = watch.name.clone();
        drop(watch);
        assert!(!loops.is_own(&name, &upstreams(53)), "done with");
        assert!(lock(&loops.probes).is_empty());
    }

    #[test]
    fn the_longest_name_has_a_probe() {
        let longest =
            [&b"\x3fabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789-".repeat(3)[..], b"\x01a\0"]
                .concat();
        for len in [longest.len(), 0] {
            let name = if len == 0 { b"\0".to_vec() } else { longest.clone() };
            let probe = name_of(7, &name);
            assert!(probe.len() <= LONGEST && token(&probe) == Some(7) && is_marked(&probe), "{}", probe.len());
            assert!(!is_marked(&name));
        }
    }

    #[tokio::test]
    async fn a_repetition_is_told_once_it_happens() {
        let repeated = Repeated::default();
        assert!(tokio::time::timeout(Duration::from_millis(1), repeated.happened()).await.is_err());
        repeated.note();
        repeated.note();
        repeated.happened().await;
        repeated.happened().await;
    }
}
