//! What a look into the cache found, for whoever wants to see it.

use super::{Age, Cache, CacheHit, CacheKey, CachedReply, ReplyKind};
use crate::dns::{HeaderFlags, InfoCode, Message, Rtype, extended_errors, u16_at};
use crate::forward::recorder::CacheFinding;

impl CacheHit {
    /// What it is, `now` in milliseconds on the cache's clock.
    pub fn finding(&self, now: u64) -> CacheFinding {
        let CacheHit { entry, age, refresh } = self;
        let passed = now.saturating_sub(entry.stored);
        let (age_s, left_s) = (passed / 1000, entry.lifetime.saturating_sub(passed).div_ceil(1000));
        match age {
            Age::Stale(_) => CacheFinding::Stale { age_s, refresh: *refresh },
            Age::Fresh(_) if entry.kind() == ReplyKind::Failure => CacheFinding::Failure { age_s, left_s },
            Age::Fresh(_) => CacheFinding::Fresh { age_s, left_s, refresh: *refresh },
        }
    }
}

impl CachedReply {
    /// What validation made of it, where it was validated: the verdict, and the reason for one that is bogus.
    pub fn verdict(&self) -> (&'static str, Option<String>) {
        verdict(&self.message(Age::Fresh(0), Rtype::NONE))
    }
}

/// What validation says by a reply: AD (RFC 4035 3.2.3), or EDE 6 and the reason (RFC 8914 4.7).
pub fn verdict(reply: &[u8]) -> (&'static str, Option<String>) {
    let Ok(message) = Message::parse(reply) else { return ("bogus", None) };
    let mut errors = extended_errors(message.options());
    let bogus = errors.find(|data| u16_at(data, 0) == Some(InfoCode::DNSSEC_BOGUS.number()));
    match bogus {
        Some(data) => ("bogus", Some(String::from_utf8_lossy(data.get(2..).unwrap_or_default()).into_owned())),
        None if message.flags().has(HeaderFlags::AD) => ("secure", None),
        None => ("insecure", None),
    }
}

impl Cache {
    /// Seconds for which this very entry is kept as what answers the question; `None`: it is not kept.
    pub fn keeps(&self, key: &CacheKey<'_>, entry: &CachedReply, now: u64) -> Option<u64> {
        let kept = self.kept(key, now)?;
        std::ptr::eq(&raw const *kept, entry).then_some(kept.lifetime.div_ceil(1000))
    }
}
