//! The place of one connection: made when it is needed, once for all who wait for it, and made anew when it has ended.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::Shared;

use crate::forward::failure::Failure;

/// After a failure, nobody tries again for this long, and all are told of it.
const PAUSE: Duration = Duration::from_millis(200);

type Made<C> = Shared<Pin<Box<dyn Future<Output = Result<C, (Failure, Instant)>> + Send>>>;

/// See the module.
pub(super) struct Slot<C: Clone>(Mutex<Option<Made<C>>>);

impl<C: Clone + Send + Sync + 'static> Slot<C> {
    /// An empty place.
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The connection, and whether it was there before; made with `connect` if it is not, or no longer `is_open`.
    ///
    /// The making goes on, whoever gives up waiting for it.
    pub(super) async fn get<F>(
        &self,
        is_open: impl Fn(&C) -> bool,
        connect: impl FnOnce() -> F,
    ) -> Result<(C, bool), Failure>
    where
        F: Future<Output = Result<C, Failure>> + Send + 'static,
    {
        let made = {
            let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let usable = match place.as_ref().map(Made::peek) {
                // somebody is at it
                Some(None) => place.clone(),
                Some(Some(Ok(connection))) if is_open(connection) => return Ok((connection.clone(), true)),
                Some(Some(Err((failure, at)))) if at.elapsed() < PAUSE => return Err(failure.clone()),
                None | Some(Some(_)) => None,
            };
            usable.unwrap_or_else(|| {
                let task = tokio::spawn(connect());
                let made = async move {
                    let made = task.await.unwrap_or_else(|error| Err(Failure::Local(error.to_string())));
                    made.map_err(|failure| (failure, Instant::now()))
                };
                let made: Made<C> = (Box::pin(made) as Pin<Box<dyn Future<Output = _> + Send>>).shared();
                *place = Some(made.clone());
                made
            })
        };
        made.await.map(|connection| (connection, false)).map_err(|(failure, _)| failure)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_connection_is_made_for_all_and_anew_when_it_ended() {
        let slot = Slot::new();
        let made = Arc::new(AtomicUsize::new(0));
        let connect = || {
            let made = Arc::clone(&made);
            async move {
                tokio::task::yield_now().await;
                Ok(made.fetch_add(1, Ordering::SeqCst))
            }
        };
        let all = futures_util::future::join_all((0..10).map(|_| slot.get(|_| true, connect))).await;
        assert!(all.iter().all(|got| *got == Ok((0, false))), "{all:?}");
        assert_eq!(slot.get(|_| true, connect).await, Ok((0, true)));
        assert_eq!(slot.get(|_| false, connect).await, Ok((1, false)));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_for_a_while() {
        let slot: Slot<()> = Slot::new();
        let failing = || async { Err(Failure::Refused) };
        assert_eq!(slot.get(|()| true, failing).await, Err(Failure::Refused));
        assert_eq!(slot.get(|()| true, || async { Ok(()) }).await, Err(Failure::Refused), "nobody tries again");
        std::thread::sleep(PAUSE);
        assert_eq!(slot.get(|()| true, || async { Ok(()) }).await, Ok(((), false)));
    }
}
