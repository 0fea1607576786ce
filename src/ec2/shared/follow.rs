//! Follows the store: loads it at one revision or goes on where it was, and watches from the next one.
//!
//! Nothing rests on the watch alone. Each transaction says which one it follows and how many objects there are with it, so
//! that a lost event is found by the next one; and the head is asked for each second, which finds the last of them, a member
//! that is cut off and one that has stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch as flag;
use tokio::time::{interval, sleep};

use super::SharedStore;
use super::layout::StoreHead;
use super::load::{FollowError, goes_on, head_now, load, still_told, take};
use crate::ec2::codec::StoreError;
use crate::ec2::engine::Engine;
use crate::ec2::state::Delta;
use crate::ec2::store_mark::StoreMark;
use crate::etcd::{KeyEvent, WatchResponse};

/// How often the head is asked for.
const LOOK: Duration = Duration::from_secs(1);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// How long there may be no contact before what is served counts as old.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often what could not be served is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How often what is served is kept as the last good state.
const KEEP: Duration = Duration::from_millis(100);

/// Follows until `stopped`, and has `engine` serve what comes.
pub(super) async fn follow(store: Arc<SharedStore>, engine: Arc<Engine>, mut stopped: flag::Receiver<bool>) {
    tokio::select! {
        () = read(&store) => {}
        () = serve(&store, &engine) => {}
        () = keep(&store) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    let last = Arc::clone(&store);
    let _ = tokio::task::spawn_blocking(move || last.keep_now()).await;
}

/// Has what arrived served, on a thread that may wait.
async fn serve(store: &Arc<SharedStore>, engine: &Arc<Engine>) {
    loop {
        if store.inbox.is_empty() {
            store.inbox.arrival().await;
        } else {
            // what could not be served may be by now: files change, too
            let _ = tokio::time::timeout(AGAIN, store.inbox.arrival()).await;
        }
        let engine = Arc::clone(engine);
        let _ = tokio::task::spawn_blocking(move || engine.catch_up()).await;
    }
}

async fn keep(store: &Arc<SharedStore>) {
    loop {
        store.kept_later.notified().await;
        sleep(KEEP).await;
        let of = Arc::clone(store);
        let _ = tokio::task::spawn_blocking(move || of.keep_now()).await;
    }
}

async fn read(store: &SharedStore) {
    let mut contact = Instant::now();
    loop {
        let Err(failed) = session(store, &mut contact).await;
        match failed {
            FollowError::Lost(why) => {
                tracing::warn!("the store is read anew: {why}");
                store.inbox.doubt();
            }
            FollowError::Refused(why) => {
                let hint = "restore it, or say `vpcedns store accept` to have what is there served";
                store.health.is_bad(&format!("{why}; {hint}"));
                sleep(LOOK).await;
            }
            FollowError::Etcd(error) => {
                store.watcher.leave().await;
                if contact.elapsed() > PATIENCE {
                    store.health.is_bad(&error.to_string());
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// One connection, until it fails.
async fn session(store: &SharedStore, contact: &mut Instant) -> Result<std::convert::Infallible, FollowError> {
    let (client, layout) = (&store.watcher, &store.layout);
    let reached = store.inbox.reached();
    let now = head_now(client, layout, reached.as_ref().map(|reached| &reached.mark)).await?;
    // another history is refused, and not read
    let goes_on = match &reached {
        Some(reached) => goes_on(client, layout, &reached.mark, &now).await? && !reached.is_doubted,
        None => false,
    };
    let mut from = if let Some(reached) = reached.filter(|_| goes_on) {
        reached.from
    } else {
        let state = Arc::new(load(client, layout, &now).await?);
        store.inbox.whole(state, now.mark.clone(), now.head.objects, now.revision + 1);
        now.revision + 1
    };
    let (key, end) = layout.all();
    let mut watch = client.watch(key, end, from).await?;
    let mut look = interval(LOOK);
    let mut is_behind = false;
    loop {
        tokio::select! {
            told = watch.next() => {
                from = queue(store, &still_told(told?)?, from)?;
            }
            _ = look.tick() => {
                let reached = store.inbox.reached();
                let now = head_now(client, layout, reached.as_ref().map(|reached| &reached.mark)).await?;
                let is_even = reached.is_some_and(|reached| reached.mark.revision >= now.mark.revision);
                if !is_even && is_behind {
                    return Err(FollowError::Lost("the watch does not tell of what is there".to_owned()));
                }
                is_behind = !is_even;
                if is_even {
                    *contact = Instant::now();
                    store.contact();
                }
            }
            () = store.inbox.doubted() => return Err(FollowError::Lost("what is served is not what is there".to_owned())),
        }
    }
}

/// Queues the transactions that a watch tells of; the revision from which it goes on.
fn queue(store: &SharedStore, told: &WatchResponse, from: i64) -> Result<i64, FollowError> {
    let revision = |event: &KeyEvent| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
    let mut next = from;
    // told twice, by some versions of etcd
    let events: Vec<&KeyEvent> = told.events.iter().filter(|event| revision(event) >= from).collect();
    for events in events.chunk_by(|a, b| revision(a) == revision(b)) {
        let at = events.first().map_or(0, |event| revision(event));
        transaction(store, events, at)?;
        next = at + 1;
        store.inbox.from(next);
    }
    Ok(next)
}

/// Queues one transaction, all of its events at once.
fn transaction(store: &SharedStore, events: &[&KeyEvent], revision: i64) -> Result<(), FollowError> {
    let (mut delta, mut head) = (Delta::default(), None);
    // what somebody else wrote may be mended by now: told of from here on it would be in the way for ever
    let unreadable = |error: StoreError| FollowError::Lost(format!("revision {revision}: {}", error.in_words()));
    for event in events {
        let Some(kv) = &event.kv else { continue };
        let is_gone = event.kind != 0;
        if take(&store.layout, kv, is_gone, &mut delta).map_err(unreadable)? {
            if is_gone {
                return Err(FollowError::Lost("the head of the store has been deleted".to_owned()));
            }
            let text = String::from_utf8_lossy(&kv.value).into_owned();
            head = Some((StoreHead::read(&kv.value).map_err(unreadable)?, text));
        }
    }
    let Some((head, text)) = head else {
        return Err(FollowError::Lost(format!("revision {revision} was written by none of the servers")));
    };
    let Some(reached) = store.inbox.reached() else { return Ok(()) };
    if head.is_partial {
        return Err(FollowError::Lost("the store is being filled".to_owned()));
    }
    if head.after != reached.mark.revision || head.set != reached.mark.set {
        let what = format!("revision {revision} follows {}, and {} was told last", head.after, reached.mark.revision);
        return Err(FollowError::Lost(what));
    }
    let mark = StoreMark { cluster: reached.mark.cluster, set: head.set, revision, txn: head.txn, head: text };
    store.inbox.change(Arc::new(delta), mark, head.objects);
    Ok(())
}
