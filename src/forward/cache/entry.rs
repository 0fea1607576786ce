//! One stored reply, and how it becomes the reply to a client: octets are copied, and a few of them replaced.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::Times;
use super::admit::{Admitted, ReplyKind, Ttls, Unusable, admit, stored_opt};
use crate::dns::{
    ExtendedError, HEADER_LEN, Header, HeaderFlags, MAX_EXTRA_TEXT, Malformed, Message, OPT_LEN, OPTION_HEAD,
    OptionCode, Rcode, Rtype, cut_text, push_option, same_question, skip_name,
};
use crate::forward::rebinding::private_address;
use crate::forward::relay::{Requestor, SMALLEST_LIMIT, own_opt};

/// A reply as it is kept: what the upstream said, less what is between us and it.
#[derive(Debug)]
pub struct CachedReply {
    octets: Box<[u8]>,
    ttls: Box<[u16]>,
    targets: Box<[u8]>,
    opt: usize,
    rcode: Rcode,
    kind: ReplyKind,
    no_answer: bool,
    /// It has an address that no public name should have.
    private_address: bool,
    /// Nobody said this: no upstream gave a reply.
    unanswered: bool,
    /// Milliseconds on the cache's clock.
    pub(super) stored: u64,
    /// Milliseconds; 0: not stored.
    pub(super) lifetime: u64,
    /// Failures one after the other, of which this is the last.
    pub(super) failures: u32,
    /// The change after which the question was asked.
    pub(super) seen: AtomicU64,
    /// Somebody is asking again.
    pub(super) refreshing: AtomicBool,
    /// Not to be asked again before this time, as the last try failed.
    pub(super) retry_at: AtomicU64,
    /// How many outages were over at the time of the failure.
    pub(super) recoveries: AtomicU32,
}

/// How old an entry is, as far as a reply shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Seconds since it was stored; no TTL in it has run out.
    Fresh(u32),
    /// Its time is over, and each record gets this TTL in seconds (RFC 8767 4).
    Stale(u32),
}

impl Age {
    fn apply(self, ttl: u32) -> u32 {
        match self {
            Self::Fresh(seconds) => ttl.saturating_sub(seconds),
            Self::Stale(stale_ttl) => stale_ttl,
        }
    }
}

impl CachedReply {
    /// Out of an upstream's reply to `question`: its name as it was asked, its type and its class. `now` in
    /// milliseconds.
    ///
    /// Refused is what [`relay`](crate::forward::relay::relay) refuses: another question, or records without one.
    pub fn new(reply: &[u8], question: &[u8], times: &Times, now: u64) -> Result<Self, Unusable> {
        let message = Message::parse(reply)?;
        let has_question = !message.question().is_empty();
        if has_question && !same_question(message.question(), question) {
            return Err(Malformed.into());
        }
        if !has_question && message.records().any(|record| record.rtype != Rtype::OPT) {
            return Err(Malformed.into());
        }
        let admitted = admit(&message, question, times)?;
        Ok(Self { private_address: private_address(&message).is_some(), ..Self::from_admitted(admitted, now) })
    }

    /// SERVFAIL for want of a reply, with an extended error that says why (RFC 8914).
    pub fn unanswered(question: &[u8], why: ExtendedError<'_>, now: u64) -> Self {
        let flags = (HeaderFlags::QR | HeaderFlags::RA).with_rcode(Rcode::SERVFAIL);
        let header = Header { flags, questions: 1, additional: 1, ..Header::default() };
        let mut octets = Vec::with_capacity(SMALLEST_LIMIT);
        octets.extend_from_slice(&header.octets());
        octets.extend_from_slice(question);
        let opt = octets.len();
        let text = cut_text(why.text, MAX_EXTRA_TEXT).as_bytes();
        let mut options = Vec::with_capacity(OPTION_HEAD + 2 + text.len());
        push_option(&mut options, OptionCode::EXTENDED_ERROR, &[&why.code.octets(), text].concat());
        octets.extend_from_slice(&stored_opt(Rcode::SERVFAIL, &options));
        octets.extend_from_slice(&options);
        let admitted = Admitted {
            octets,
            ttls: Ttls::new(),
            opt,
            rcode: Rcode::SERVFAIL,
            kind: ReplyKind::Failure,
            lifetime: 0,
            targets: Vec::new(),
            no_answer: true,
        };
        Self { unanswered: true, ..Self::from_admitted(admitted, now) }
    }

    fn from_admitted(admitted: Admitted, now: u64) -> Self {
        let Admitted { octets, ttls, opt, rcode, kind, lifetime, targets, no_answer } = admitted;
        Self {
            // copied, as to cut off a spare end would leave it lying between entries
            octets: octets.as_slice().into(),
            ttls: ttls.as_slice().into(),
            targets: targets.into(),
            opt,
            rcode,
            kind,
            no_answer,
            private_address: false,
            unanswered: false,
            stored: now,
            lifetime: u64::from(lifetime) * 1000,
            failures: 0,
            seen: AtomicU64::new(0),
            refreshing: AtomicBool::new(false),
            retry_at: AtomicU64::new(0),
            recoveries: AtomicU32::new(0),
        }
    }

    /// What it is good for.
    pub fn kind(&self) -> ReplyKind {
        self.kind
    }

    /// Whether no upstream gave a reply.
    pub fn is_unanswered(&self) -> bool {
        self.unanswered
    }

    /// Whether its answer section is empty.
    pub fn has_no_answer(&self) -> bool {
        self.no_answer
    }

    /// Whether it says that the name of the question does not exist. With aliases in front it says so of where they lead
    /// (RFC 2308 2.1).
    pub(super) fn denies_name(&self) -> bool {
        self.kind == ReplyKind::NoName && self.no_answer
    }

    /// Whether it may have an address that no public name should have ([`private_address`]).
    pub fn has_private_address(&self) -> bool {
        self.private_address
    }

    /// Where the CNAMEs of the answer lead: lower-case names, uncompressed.
    pub fn targets(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.targets;
        std::iter::from_fn(move || {
            let mut end = 0;
            loop {
                match rest.get(end)? {
                    0 => break,
                    len => end += 1 + usize::from(*len),
                }
            }
            let (name, behind) = rest.split_at_checked(end + 1)?;
            rest = behind;
            Some(name)
        })
    }

    /// Octets that a reply out of it can have.
    pub fn most_octets(&self) -> usize {
        self.octets.len() + SMALLEST_LIMIT
    }

    /// Octets that it takes in memory, without its name.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.octets.len() + 2 * self.ttls.len() + self.targets.len()
    }

    /// Writes the reply to `client` into `out`; returns its length. `None` if it is longer than the client takes.
    ///
    /// The same octets as [`relay`](crate::forward::relay::relay) makes of what the upstream said.
    pub fn write(&self, client: &Requestor<'_>, age: Age, out: &mut [u8]) -> Option<usize> {
        let rcode = client.rcode(self.rcode);
        let mut buffer = [0; SMALLEST_LIMIT];
        let options = self.octets.get(self.opt + OPT_LEN..)?;
        let opt = own_opt(client, rcode, options, &mut buffer);
        let len = self.opt + opt.len();
        if len > client.limit {
            return None;
        }
        let out = out.get_mut(..len)?;
        let (body, end) = out.split_at_mut_checked(self.opt)?;
        body.copy_from_slice(self.octets.get(..self.opt)?);
        end.copy_from_slice(opt);
        body.get_mut(HEADER_LEN..HEADER_LEN + client.question.len())?.copy_from_slice(client.question);
        let stored = Header::of(&self.octets)?;
        // the stored OPT is counted; the client may have none
        let additional = stored.additional.checked_sub(u16::from(opt.is_empty()))?;
        let counts = [stored.answers, stored.authorities, additional];
        client.header(stored.flags, rcode).with_counts(counts).write(body)?;
        self.set_ttls(age, body);
        Some(len)
    }

    /// The whole message as it came, with an OPT for its extended errors, and with the TTLs of `age`, as the reply to a
    /// question of this type: an entry that denies a name answers all.
    pub fn message(&self, age: Age, rtype: Rtype) -> Vec<u8> {
        let mut message = self.octets.to_vec();
        if self.denies_name() {
            let mut behind = message.get(HEADER_LEN..).unwrap_or_default();
            let end = skip_name(&mut behind).map(|()| self.octets.len() - behind.len());
            if let Some(of) = end.and_then(|end| message.get_mut(end..end + 2)) {
                of.copy_from_slice(&rtype.octets());
            }
        }
        self.set_ttls(age, &mut message);
        message
    }

    fn set_ttls(&self, age: Age, message: &mut [u8]) {
        for &at in &*self.ttls {
            if let Some(ttl) = message.get_mut(usize::from(at)..).and_then(<[u8]>::first_chunk_mut) {
                *ttl = age.apply(u32::from_be_bytes(*ttl)).to_be_bytes();
            }
        }
    }

    /// Whether the last try to ask again failed a short while ago.
    pub(super) fn is_put_off(&self, now: u64, recoveries: u32) -> bool {
        now < self.retry_at.load(Ordering::Relaxed) && self.recoveries.load(Ordering::Relaxed) == recoveries
    }

    /// Asking again is not worth it before `retry_at`, or before an outage is over.
    pub(super) fn put_off(&self, retry_at: u64, recoveries: u32) {
        self.recoveries.store(recoveries, Ordering::Relaxed);
        self.retry_at.store(retry_at, Ordering::Relaxed);
        self.refreshing.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
