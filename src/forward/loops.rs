//! Whether an upstream leads back to us, as dnsmasq's `--dns-loop-detect` finds it out.
//!
//! Each upstream is asked for a name that nobody else asks for. If that question comes to us, the upstream has asked
//! us, straight or through others. The name is below `internal.`, as resolvers answer `invalid.` and `test.` themselves
//! (RFC 6761 6) and would hide the loop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::dns::{Class, Rtype};
use crate::forward::query::Outbound;
use crate::forward::standing::Standing;

/// What the names of such questions end with.
const SUFFIX: &[u8] = b"\x04loop\x07vpcedns\x08internal\x00";
/// Digits of the first label: 64 bits, so that nobody else comes to ask for the same.
const DIGITS: usize = 16;

/// The questions that are on their way.
#[derive(Default)]
pub(super) struct Loops(Mutex<HashMap<u64, Look>>);

struct Look {
    standing: Arc<Standing>,
    came_back: bool,
}

impl Loops {
    /// The name to ask `standing` for.
    pub(super) fn begin(&self, standing: &Arc<Standing>) -> (u64, Vec<u8>) {
        let token = rand::random();
        self.looks().insert(token, Look { standing: Arc::clone(standing), came_back: false });
        let label = format!("{token:016x}");
        (token, [&[DIGITS as u8], label.as_bytes(), SUFFIX].concat())
    }

    /// The question is done with; `answered` says whether there was a reply.
    pub(super) fn end(&self, token: u64, answered: bool) {
        let look = self.looks().remove(&token);
        // an upstream that did not answer may still lead back to us
        if let Some(Look { standing, came_back: false }) = look.filter(|_| answered) {
            standing.leads_elsewhere();
        }
    }

    /// True when a question for `name` is one of ours; its upstream is taken out.
    pub(super) fn is_own(&self, name: &[u8]) -> bool {
        let Some(token) = token(name) else { return false };
        let mut looks = self.looks();
        let Some(look) = looks.get_mut(&token) else { return false };
        look.came_back = true;
        look.standing.came_back();
        true
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<u64, Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number in a name of this kind; of any other name a few octets are looked at.
fn token(name: &[u8]) -> Option<u64> {
    let (first, suffix) = name.split_at_checked(1 + DIGITS)?;
    let (&len, digits) = first.split_first()?;
    if usize::from(len) != DIGITS || !suffix.eq_ignore_ascii_case(SUFFIX) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The question itself, the plainest there is.
pub(super) fn question(name: &[u8]) -> Outbound<'_> {
    Outbound {
        name,
        rtype: Rtype::TXT,
        class: Class::IN,
        recursion_desired: true,
        checking_disabled: false,
        authentic_data: false,
        dnssec_ok: false,
        edns: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::health::State;

    fn standing() -> Arc<Standing> {
        Arc::new(Standing::new("127.0.0.1".parse().unwrap()))
    }

    #[test]
    fn only_our_own_questions_take_an_upstream_out() {
        let (loops, one, other) = (Loops::default(), standing(), standing());
        let (token, name) = loops.begin(&one);
        let (_, _) = loops.begin(&other);
        for foreign in [&b"\x03www\x07example\0"[..], b"\0", b"", SUFFIX, &name[1..], &name[..name.len() - 1]] {
            assert!(!loops.is_own(foreign), "{foreign:?}");
        }
        assert!(!loops.is_own(&Loops::default().begin(&one).1), "another server's");
        assert_eq!(one.report().state, State::Up);
        assert!(loops.is_own(&name.to_ascii_uppercase()), "with letters in another case");
        assert_eq!((one.report().state, other.report().state), (State::Loops, State::Up));
        loops.end(token, true);
        assert_eq!(one.report().state, State::Loops, "the reply was our own");
        assert!(!loops.is_own(&name), "done with");
    }

    #[test]
    fn an_answer_from_elsewhere_ends_it() {
        let (loops, standing) = (Loops::default(), standing());
        let (token, name) = loops.begin(&standing);
        loops.is_own(&name);
        loops.end(token, true);
        let (token, _) = loops.begin(&standing);
        loops.end(token, false);
        assert_eq!(standing.report().state, State::Loops, "silence says nothing");
        let (token, _) = loops.begin(&standing);
        loops.end(token, true);
        assert_eq!(standing.report().state, State::Up);
    }
}
