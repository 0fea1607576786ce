//! Names that do not exist: what one reply says about a name holds for all types (RFC 2308 5).
//!
//! Such a reply is stored under the name without a type, unless it follows aliases: then the name exists. With
//! `cache_nxdomain_cut` it also holds for everything below the name (RFC 8020 2).

use std::sync::Arc;

use super::key::CacheKey;
use super::{Age, Cache, CacheHit, CachedReply, ReplyKind};
use crate::dns::{Class, Rtype, ends};
use crate::forward::compose::compose;

impl CacheKey<'_> {
    /// The key of what is said about the name whatever the type.
    pub(super) fn of_name(self) -> Self {
        Self { rtype: Rtype::NONE, ..self }
    }

    /// The key under which a reply to this question is stored.
    pub(super) fn for_reply(self, reply: &CachedReply) -> Self {
        if reply.denies_name() { self.of_name() } else { self }
    }
}

impl Cache {
    /// The better of what is stored for the question, if anything, and of what is known about its name.
    pub(super) fn or_denial(&self, key: &CacheKey<'_>, found: Option<CacheHit>, now: u64) -> Option<CacheHit> {
        let denial = self.find_at(&key.of_name(), now);
        let fresh = |hit: &Option<CacheHit>| hit.as_ref().is_some_and(|hit| matches!(hit.age, Age::Fresh(_)));
        if fresh(&denial) {
            return denial;
        }
        if self.nxdomain_cut
            && let Some(cut) = self.find_above(key, now)
        {
            return Some(cut);
        }
        let stale = denial.filter(|denial| match &found {
            None => true,
            // an answer whose time is over is worth more than a failure, and a newer one more than an older one
            Some(found) => found.entry.kind() == ReplyKind::Failure || found.entry.stored < denial.entry.stored,
        });
        stale.or(found)
    }

    /// What is stored for the question or its name, an answer that can be given before a failure.
    pub(super) fn kept(&self, key: &CacheKey<'_>, now: u64) -> Option<Arc<CachedReply>> {
        let entries = self.entries.as_ref()?;
        let [own, name] =
            [*key, key.of_name()].map(|key| entries.peek(&key).filter(|old| self.changes.holds(key.name, &old.seen)));
        match own {
            Some(own) if self.can_answer(&own, now) => Some(own),
            own => name.filter(|name| self.can_answer(name, now)).or(own),
        }
    }

    /// The reply that says that a name above the question's does not exist, as one to the question.
    fn find_above(&self, key: &CacheKey<'_>, now: u64) -> Option<CacheHit> {
        let mut above = ends(key.name).skip(1).filter(|name| name.len() > 1);
        above.find_map(|name| self.denied(key, name, now))
    }

    fn denied(&self, key: &CacheKey<'_>, name: &[u8], now: u64) -> Option<CacheHit> {
        let denial = CacheKey { name, ..key.of_name() };
        // before the entry is found to hold for its own name: of names below it more may have changed
        let entry = self.entries.as_ref()?.peek(&denial)?;
        if !self.changes.holds_for(key.name, &entry.seen) {
            return None;
        }
        let CacheHit { entry, age: age @ Age::Fresh(_), .. } = self.find_at(&denial, now)? else { return None };
        let question = [key.name, &key.rtype.octets(), &Class::IN.octets()].concat();
        let message = compose(&question, &[], &entry.message(age, key.rtype))?;
        let reply = CachedReply::new(&message, &question, &self.times, now).ok()?;
        Some(CacheHit { entry: Arc::new(reply), age: Age::Fresh(0), refresh: false })
    }
}
