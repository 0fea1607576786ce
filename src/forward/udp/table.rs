//! The questions that wait on one socket, and which of them a datagram answers.
//!
//! Pure. Who gave up stays in the table, so that a late reply is known as what it is, and is no wrong one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::dns::id_of;
use crate::forward::failure::Failure;
use crate::forward::query::UpstreamQuery;

/// Datagrams that are no replies and are overlooked. Whoever sends more is guessing, and is shut out by TCP (RFC 5452
/// 9.3).
const WRONG: u32 = 32;
/// Replies that may come a second time without being taken for a guess.
const RECENT: usize = 64;
/// From so many entries on, those who gave up are thrown out.
const MANY: usize = 1024;

/// What a waiter is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The reply.
    Reply(Vec<u8>),
    /// The reply cannot be had, or cannot be believed, by UDP.
    UseTcp,
    /// The reply came with other letters: the upstream's doing, or a guess. To be asked by TCP.
    OtherCase,
}

/// Where a task waits for what comes of its question.
pub type HeardSender = oneshot::Sender<Result<Heard, Failure>>;

/// The other end of a [`HeardSender`].
pub type HeardReceiver = oneshot::Receiver<Result<Heard, Failure>>;

/// Who waits for what comes of a question.
pub(super) trait Waiter {
    /// Whether nobody waits any more.
    fn gave_up(&self) -> bool;
}

impl Waiter for HeardSender {
    fn gave_up(&self) -> bool {
        self.is_closed()
    }
}

struct Waiting<W> {
    query: UpstreamQuery,
    sent: Instant,
    waiter: W,
}

/// See the module.
pub(super) struct Table<W> {
    waiting: HashMap<u16, Waiting<W>, foldhash::fast::RandomState>,
    /// Ids that have been answered, the next to be forgotten at `oldest`.
    recent: Vec<u16>,
    oldest: usize,
    wrong: u32,
    closed: bool,
}

impl<W> Default for Table<W> {
    fn default() -> Self {
        Self { waiting: HashMap::default(), recent: Vec::new(), oldest: 0, wrong: 0, closed: false }
    }
}

impl<W: Waiter> Table<W> {
    /// Takes a question on under an id that nobody can guess: the query under that id, to be sent. An error is the waiter
    /// of a question for which this socket takes no more.
    pub(super) fn add(&mut self, mut query: UpstreamQuery, waiter: W, now: Instant) -> Result<(u16, &[u8]), W> {
        if self.waiting.len() >= MANY {
            self.waiting.retain(|_, waiting| !waiting.waiter.gave_up());
        }
        if self.closed || self.waiting.len() > usize::from(u16::MAX) / 2 {
            return Err(waiter);
        }
        // at least every other id is free
        let id = loop {
            let id = rand::random();
            if !self.waiting.contains_key(&id) {
                break id;
            }
        };
        query.set_id(id);
        let waiting = self.waiting.entry(id).insert_entry(Waiting { query, sent: now, waiter }).into_mut();
        Ok((id, waiting.query.octets()))
    }

    /// Who waits under this id.
    pub(super) fn waiter(&mut self, id: u16) -> Option<&mut W> {
        self.waiting.get_mut(&id).map(|waiting| &mut waiting.waiter)
    }

    /// Finds out who waits for a datagram, and has it told to `tell`. The time since the question, if it is a reply, in
    /// time or late.
    ///
    /// `whole` is false for a datagram that may have been longer than the buffer.
    pub(super) fn take(
        &mut self,
        datagram: &[u8],
        whole: bool,
        now: Instant,
        mut tell: impl FnMut(W, Result<Heard, Failure>),
    ) -> Option<Duration> {
        let id = id_of(datagram).unwrap_or_default();
        let found = self.waiting.get(&id).is_some_and(|waiting| waiting.query.is_answered_by(datagram));
        let Some(Waiting { query, sent, waiter }) = found.then(|| self.waiting.remove(&id)).flatten() else {
            self.wrong += u32::from(!self.recent.contains(&id));
            if self.wrong >= WRONG {
                self.tell_all(|| Ok(Heard::UseTcp), tell);
            }
            return None;
        };
        match self.recent.get_mut(self.oldest) {
            Some(oldest) => *oldest = id,
            None => self.recent.push(id),
        }
        self.oldest = (self.oldest + 1) % RECENT;
        let heard = match (whole, query.keeps_case(datagram)) {
            (true, true) => Heard::Reply(datagram.to_vec()),
            (false, true) => Heard::UseTcp,
            (_, false) => Heard::OtherCase,
        };
        tell(waiter, Ok(heard));
        Some(now.saturating_duration_since(sent))
    }

    /// Tells all who wait that nothing will come.
    pub(super) fn fail(&mut self, failure: &Failure, tell: impl FnMut(W, Result<Heard, Failure>)) {
        self.tell_all(|| Err(failure.clone()), tell);
    }

    fn tell_all(
        &mut self,
        heard: impl Fn() -> Result<Heard, Failure>,
        mut tell: impl FnMut(W, Result<Heard, Failure>),
    ) {
        for (_, waiting) in self.waiting.drain() {
            tell(waiting.waiter, heard());
        }
    }

    /// True when wrong datagrams have come, as many as are overlooked: another socket should be used.
    pub(super) fn is_under_attack(&self) -> bool {
        self.wrong >= WRONG
    }

    /// Closes the table if nobody waits; false if somebody does.
    pub(super) fn close_if_idle(&mut self) -> bool {
        self.closed = self.closed || !self.is_awaited();
        self.closed
    }

    /// True when somebody waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.values().any(|waiting| !waiting.waiter.gave_up())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::manners::Dress;
    use crate::forward::testing::question;

    const MS: Duration = Duration::from_millis(1);

    fn told(waiter: HeardSender, heard: Result<Heard, Failure>) {
        let _ = waiter.send(heard);
    }

    /// Takes a question on: the query under its id, and where its waiter is told.
    fn add(table: &mut Table<HeardSender>, now: Instant) -> Option<(UpstreamQuery, HeardReceiver)> {
        let ((waiter, heard), mut query) = (oneshot::channel(), query());
        let (id, _) = table.add(query.clone(), waiter, now).ok()?;
        query.set_id(id);
        Some((query, heard))
    }

    fn query() -> UpstreamQuery {
        UpstreamQuery::new(&question(), &Dress { mix_case: true, ..Dress::default() })
    }

    fn reply(query: &UpstreamQuery) -> Vec<u8> {
        let mut reply = query.octets().to_vec();
        reply[2] |= 0x80;
        reply
    }

    #[tokio::test]
    async fn replies_find_their_questions_in_any_order() {
        let (mut table, now) = (Table::default(), Instant::now());
        let mut all = Vec::new();
        for _ in 0..2000 {
            all.push(add(&mut table, now).unwrap());
        }
        for (query, _) in all.iter().rev() {
            assert_eq!(table.take(&reply(query), true, now + 5 * MS, told), Some(5 * MS));
        }
        for (query, receiver) in all {
            assert_eq!(receiver.await.unwrap(), Ok(Heard::Reply(reply(&query))));
        }
        assert!(table.close_if_idle());
        assert!(add(&mut table, now).is_none(), "closed is closed");
    }

    #[tokio::test]
    async fn late_and_repeated_replies_are_no_guesses() {
        let (mut table, now) = (Table::default(), Instant::now());
        for _ in 0..100 {
            let (query, heard) = add(&mut table, now).unwrap();
            drop(heard);
            assert_eq!(table.take(&reply(&query), true, now + 90 * MS, told), Some(90 * MS), "late, but a measure");
            assert_eq!(table.take(&reply(&query), true, now + 91 * MS, told), None, "twice");
        }
        assert!(!table.is_under_attack());
    }

    #[tokio::test]
    async fn guessing_is_noticed() {
        let (mut table, now) = (Table::default(), Instant::now());
        let (query, receiver) = add(&mut table, now).unwrap();
        let mut wrong = reply(&query);
        wrong[0] ^= 1;
        for _ in 0..WRONG {
            assert!(!table.is_under_attack());
            assert_eq!(table.take(&wrong, true, now, told), None);
        }
        assert!(table.is_under_attack());
        assert_eq!(receiver.await.unwrap(), Ok(Heard::UseTcp));
    }

    #[tokio::test]
    async fn what_may_have_been_longer_and_other_letters_need_tcp() {
        let (mut table, now) = (Table::default(), Instant::now());
        let ((long, of_long), (letters, of_letters)) = (add(&mut table, now).unwrap(), add(&mut table, now).unwrap());
        table.take(&reply(&long), false, now, told);
        let mut other = reply(&letters);
        other[13] ^= 0x20;
        table.take(&other, true, now, told);
        assert_eq!(of_long.await.unwrap(), Ok(Heard::UseTcp));
        assert_eq!(of_letters.await.unwrap(), Ok(Heard::OtherCase));
    }

    #[tokio::test]
    async fn who_gave_up_makes_room() {
        let (mut table, now) = (Table::default(), Instant::now());
        let (_, kept) = add(&mut table, now).unwrap();
        for _ in 0..100_000 {
            assert!(add(&mut table, now).is_some());
        }
        assert!(table.waiting.len() <= MANY + 1);
        assert!(!table.close_if_idle());
        table.fail(&Failure::Refused, told);
        assert_eq!(kept.await.unwrap(), Err(Failure::Refused));
        assert!(table.close_if_idle());
    }
}
