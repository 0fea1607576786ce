//! What an upstream can be asked for: EDNS, cookies, the case of letters.
//!
//! Pure: what it did comes in, how to dress the next question comes out. What is held against an upstream is
//! forgotten after a while, as upstreams get better.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::dns::CLIENT_COOKIE;

/// How long an upstream is asked without EDNS, or with letters as they are, before it is tried again (Unbound: 15 min).
const GRUDGE: Duration = Duration::from_secs(900);
/// How often in a row an upstream must have been silent to EDNS, or refused it, and have answered without, before that is
/// its doing, and not chance or that of one name: resolvers hand on a FORMERR of servers that anybody can run.
const SUSPICIONS: u8 = 3;
/// How often letters must have come back in another case.
const CHANGED: u8 = 2;
/// Most octets of a server cookie (RFC 7873 4.2).
const MAX_SERVER_COOKIE: usize = 32;

/// What is known about one upstream.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    no_edns_until: Option<Instant>,
    answered_edns_at: Option<Instant>,
    suspicions: u8,
    cookie: [u8; CLIENT_COOKIE],
    server_cookie: Vec<u8>,
    changed_case: u8,
    no_case_until: Option<Instant>,
}

/// Octets of a cookie: ours, and the upstream's behind it.
pub(super) type Cookie = SmallVec<[u8; CLIENT_COOKIE + MAX_SERVER_COOKIE]>;

/// How a question is dressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dress {
    /// With EDNS, where it is wanted.
    pub(super) edns: bool,
    /// With this cookie, where there is EDNS: ours, and the upstream's behind it.
    pub(super) cookie: Option<Cookie>,
    /// With letters in random case (draft-vixie-dnsext-dns0x20).
    pub(super) mix_case: bool,
    /// Padded (RFC 8467 4.1), where there is EDNS.
    pub(super) pad: bool,
}

impl Manners {
    /// Of an upstream that is taken to be able to do all; `cookie` is at random, and of this upstream only (RFC 7873
    /// 4.1).
    pub(super) fn new(cookie: [u8; CLIENT_COOKIE]) -> Self {
        Self {
            no_edns_until: None,
            answered_edns_at: None,
            suspicions: 0,
            cookie,
            server_cookie: Vec::new(),
            changed_case: 0,
            no_case_until: None,
        }
    }

    /// For a question that goes in the open, the `tries`th time, from 0.
    pub(super) fn in_the_open(&self, tries: usize, mix_case: bool, now: Instant) -> Dress {
        let is_over = |until: Option<Instant>| until.is_none_or(|until| now >= until);
        // one that may be silent because of EDNS is asked without
        let edns = is_over(self.no_edns_until) && (tries == 0 || self.knows_edns(now));
        let mut cookie = Cookie::from_slice(&self.cookie);
        cookie.extend_from_slice(&self.server_cookie);
        Dress { edns, cookie: Some(cookie), mix_case: mix_case && is_over(self.no_case_until), pad: false }
    }

    /// For a question that goes encrypted.
    pub(super) fn encrypted(&self, now: Instant) -> Dress {
        let edns = self.no_edns_until.is_none_or(|until| now >= until);
        Dress { edns, cookie: None, mix_case: false, pad: true }
    }

    /// It answered with EDNS.
    pub(super) fn answered_edns(&mut self, now: Instant) {
        self.answered_edns_at = Some(now);
        self.suspicions = 0;
    }

    /// It answered a question without EDNS, after it had been silent to the same with EDNS, or had said that it does not
    /// know EDNS (RFC 6891 7). Means nothing of an upstream that has answered with EDNS a while ago.
    pub(super) fn answered_without_edns(&mut self, now: Instant) {
        let known = self.knows_edns(now) || self.no_edns_until.is_some_and(|until| now < until);
        if known {
            return;
        }
        self.suspicions = self.suspicions.saturating_add(1);
        if self.suspicions >= SUSPICIONS {
            self.suspicions = 0;
            self.no_edns_until = Some(now + GRUDGE);
        }
    }

    /// Whether it has answered with EDNS a while ago.
    fn knows_edns(&self, now: Instant) -> bool {
        self.answered_edns_at.is_some_and(|at| now.saturating_duration_since(at) < GRUDGE)
    }

    /// It gave us a cookie behind ours (RFC 7873 5.3); one of an impossible length is none.
    pub(super) fn gave_cookie(&mut self, server_cookie: &[u8]) {
        if (CLIENT_COOKIE..=MAX_SERVER_COOKIE).contains(&server_cookie.len()) && self.server_cookie != server_cookie {
            self.server_cookie = server_cookie.to_vec();
        }
    }

    /// Whether it has given us a cookie, so that replies without one are suspect (RFC 7873 5.3).
    pub(super) fn gives_cookies(&self) -> bool {
        !self.server_cookie.is_empty()
    }

    /// It answers without a cookie where nobody else can answer.
    pub(super) fn gives_no_cookie(&mut self) {
        self.server_cookie.clear();
    }

    /// Letters came back as they were sent, or not; true if it is no longer sent mixed ones from now on.
    pub(super) fn kept_case(&mut self, kept: bool, now: Instant) -> bool {
        if kept {
            self.changed_case = 0;
            return false;
        }
        self.changed_case += 1;
        let gives_up = self.changed_case >= CHANGED;
        if gives_up {
            self.changed_case = 0;
            self.no_case_until = Some(now + GRUDGE);
        }
        gives_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manners() -> (Manners, Instant) {
        (Manners::new(*b"at-rando"), Instant::now())
    }

    #[test]
    fn edns_is_left_out_where_it_was_refused_and_tried_again_later() {
        let (mut manners, now) = manners();
        assert!(manners.in_the_open(0, false, now).edns && manners.encrypted(now).edns);
        (0..SUSPICIONS).for_each(|_| manners.answered_without_edns(now));
        assert!(!manners.in_the_open(0, false, now + GRUDGE / 2).edns && !manners.encrypted(now).edns);
        assert!(manners.in_the_open(0, false, now + GRUDGE).edns);
    }

    #[test]
    fn silence_to_edns_is_believed_the_third_time() {
        let (mut manners, now) = manners();
        assert!(!manners.in_the_open(1, false, now).edns, "it may be silent because of EDNS");
        manners.answered_without_edns(now);
        manners.answered_without_edns(now);
        assert!(manners.in_the_open(0, false, now).edns);
        manners.answered_without_edns(now);
        assert!(!manners.in_the_open(0, false, now).edns);

        let mut manners = Manners::new(*b"at-rando");
        manners.answered_edns(now);
        assert!(manners.in_the_open(1, false, now).edns, "what is lost here is lost by chance");
        for _ in 0..10 {
            manners.answered_without_edns(now + GRUDGE / 2);
        }
        assert!(manners.in_the_open(0, false, now).edns);
        (0..SUSPICIONS).for_each(|_| manners.answered_without_edns(now + GRUDGE));
        assert!(!manners.in_the_open(0, false, now + GRUDGE).edns, "another has taken its place");

        let mut manners = Manners::new(*b"at-rando");
        for _ in 0..10 {
            manners.answered_without_edns(now);
            manners.answered_edns(now);
        }
        manners.answered_without_edns(now);
        assert!(manners.in_the_open(0, false, now).edns, "only a row counts");
    }

    #[test]
    fn cookies_are_kept() {
        let (mut manners, now) = manners();
        let sent = |manners: &Manners| manners.in_the_open(0, false, now).cookie.unwrap().to_vec();
        assert_eq!(sent(&manners), b"at-rando");
        manners.gave_cookie(b"short");
        manners.gave_cookie(&[0; 33]);
        assert!(!manners.gives_cookies());
        manners.gave_cookie(b"server-8");
        assert!(manners.gives_cookies() && sent(&manners) == b"at-randoserver-8");
        assert_eq!(manners.encrypted(now).cookie, None, "nobody else can answer there");
        manners.gives_no_cookie();
        assert_eq!(sent(&manners), b"at-rando");
    }

    #[test]
    fn letters_are_left_alone_where_they_do_not_come_back() {
        let (mut manners, now) = manners();
        let mixes = |manners: &Manners, now| manners.in_the_open(0, true, now).mix_case;
        assert!(!manners.kept_case(false, now) && !manners.kept_case(true, now) && !manners.kept_case(false, now));
        assert!(mixes(&manners, now) && !manners.in_the_open(0, false, now).mix_case);
        assert!(manners.kept_case(false, now));
        assert!(!mixes(&manners, now) && mixes(&manners, now + GRUDGE));
    }
}
