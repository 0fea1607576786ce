//! One message in, one reply out: what transports share that give every question a stream of its own.
//!
//! Knows no DNS, and neither HTTP nor QUIC.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::resolve::{Incoming, Outcome, Resolve};
use crate::serve::common::ServeContext;

/// Longest message in octets: what two octets of length can say (RFC 1035 4.2.2), and the most that DoH takes
/// (RFC 8484 6).
pub(super) const MESSAGE: usize = 65_535;
/// What any number of streams may hold of a message that is still coming in; no ordinary question is longer.
const SHORT: usize = 4096;

thread_local! {
    /// A reply on its way out. Of the thread and not of the stream, as it is used between two awaits only.
    static REPLY: RefCell<Vec<u8>> = RefCell::new(vec![0; MESSAGE]);
}

/// The reply to a message; `None`: there is none, as it is no question.
pub(super) async fn reply<R: Resolve>(shared: &ServeContext<R>, incoming: Incoming<'_>) -> Option<Vec<u8>> {
    let at_once =
        REPLY.with_borrow_mut(|out| match shared.resolver.try_resolve(&shared.resolver.batch(), incoming, out) {
            Outcome::Silent => Some(None),
            Outcome::Reply(len) => Some(out.get(..len).map(<[u8]>::to_vec)),
            Outcome::Pending => None,
        });
    if let Some(reply) = at_once {
        return reply;
    }
    let Some(_ticket) = shared.slow.admit(incoming.peer.ip()) else { return shared.resolver.overloaded(incoming) };
    shared.resolver.resolve(incoming).await
}

/// The right of one connection to a long message: one at a time, so that many streams cannot each hold one.
pub(super) type Long = Arc<Semaphore>;

/// See [`Long`].
pub(super) fn one_long_message() -> Long {
    Arc::new(Semaphore::new(1))
}

/// A message that is coming in.
pub(super) struct Collect {
    octets: Vec<u8>,
    most: usize,
    long: Long,
    permit: Option<OwnedSemaphorePermit>,
}

/// Why nothing more of a message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is longer than any may be.
    TooLong,
    /// Another long one of the connection is still coming in.
    TooMany,
}

impl Collect {
    /// Nothing yet, of at most `most` octets.
    pub(super) fn new(most: usize, long: &Long) -> Self {
        Self { octets: Vec::new(), most, long: Arc::clone(long), permit: None }
    }

    /// Takes what has come.
    pub(super) fn push(&mut self, more: &[u8]) -> Result<(), Refused> {
        let len = self.octets.len() + more.len();
        if len > self.most {
            return Err(Refused::TooLong);
        }
        if len > SHORT && self.permit.is_none() {
            let permit = Arc::clone(&self.long).try_acquire_owned().map_err(|_| Refused::TooMany)?;
            self.permit = Some(permit);
        }
        self.octets.extend_from_slice(more);
        Ok(())
    }

    /// All that has come.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_of_a_connection_may_be_long() {
        let long = one_long_message();
        let mut short = Collect::new(MESSAGE, &long);
        assert_eq!(short.push(&[1; SHORT]), Ok(()));
        let mut first = Collect::new(MESSAGE, &long);
        assert_eq!(first.push(&[2; SHORT + 1]), Ok(()));
        assert_eq!(short.push(&[1]), Err(Refused::TooMany));
        assert_eq!(first.push(&vec![2; MESSAGE - SHORT - 1]), Ok(()));
        assert_eq!(first.push(&[2]), Err(Refused::TooLong));
        assert_eq!(first.octets().len(), MESSAGE);
        drop(first);
        assert_eq!(short.push(&[1]), Ok(()));
    }
}
