//! What the store has of a set, and what is served of it: watches the set, and looks at it now and then, so that nothing rests on
//! the watch. A set that is put there is read whole, compared with its hashes, and handed to the source; it is kept once it is
//! served.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as RuntimeHandle;
use tokio::sync::Notify;
use tokio::time::{interval, sleep};

use super::kept::KeptSet;
use super::remote::{SetNow, SharedSets, refused};
use super::set::{FileSet, SetHead};
use crate::ec2::admin::{FollowError, still_told};
use crate::ec2::{StoreHealth, StoreRoute};
use crate::problem::{Place, Problem};
use crate::source::{LoadRequest, LoadTrigger};

/// How often the head is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(300);
/// How long there may be no contact before what is served counts as old.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a start waits for the store where nothing is kept.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// A set that is followed.
pub struct FollowedSet {
    name: String,
    sets: SharedSets,
    kept: Arc<KeptSet>,
    keeping: Mutex<()>,
    health: StoreHealth,
    state: Mutex<FollowState>,
    /// The first set is served: from then on others take its place.
    is_served: Notify,
    runtime: RuntimeHandle,
}

#[derive(Default)]
struct FollowState {
    /// The set that is served, once one is.
    served: Option<Arc<SetHead>>,
    /// The newest one, until it is served.
    next: Option<Arc<FileSet>>,
    /// The one that is on disk, by its id.
    on_disk: Option<String>,
    /// One that is served and not on disk, and why it could not be written.
    unkept: Option<(Arc<FileSet>, String)>,
    /// What was refused last: the revision of its head, and why.
    refused: Option<(i64, String)>,
    trigger: Option<LoadTrigger>,
}

impl FollowedSet {
    /// The set `name` of a store, as it was kept in `dir`. Where nothing was, it is read from the store; a problem where that cannot
    /// be reached. To be called where a thread may wait.
    pub fn open(route: &StoreRoute, name: &str, dir: &Path, runtime: RuntimeHandle) -> Result<Arc<Self>, Problem> {
        let kept = KeptSet::new(dir, name);
        let read = kept.read().unwrap_or_else(|error| {
            tracing::warn!("{}: {error}: it is read from the store", kept.path().display());
            None
        });
        let is_kept = read.is_some();
        let on_disk = read.as_ref().map(|set| set.head.id.clone());
        let state = FollowState { next: read.map(Arc::new), on_disk, ..FollowState::default() };
        let set = Arc::new(Self {
            name: name.to_owned(),
            sets: SharedSets::new(route),
            kept: Arc::new(kept),
            keeping: Mutex::default(),
            health: StoreHealth::default(),
            state: Mutex::new(state),
            is_served: Notify::new(),
            runtime,
        });
        if is_kept {
            set.compare();
            return Ok(set);
        }
        let end = Instant::now() + START_PATIENCE;
        loop {
            let looked = set.runtime.block_on(set.look());
            match looked {
                Ok(_) if set.next().is_some() => return Ok(set),
                Err(FollowError::Etcd(error)) if !error.is_final() && Instant::now() < end => std::thread::sleep(PAUSE),
                looked => {
                    let why = looked.err().map(|error| error.to_string()).or_else(|| set.health.trouble());
                    let hint = "there is no last good copy of the pushed files here to start from: see --store";
                    let place = Place::whole(route.address.to_string());
                    return Err(Problem::error(place, why.unwrap_or_default(), hint));
                }
            }
        }
    }

    /// Whether what is kept is what the store has, at a start. It is what is served first: whether another loads is not known.
    fn compare(&self) {
        let kept = self.next().map(|set| set.head.id.clone()).unwrap_or_default();
        match self.runtime.block_on(self.sets.now(&self.name)) {
            Ok(SetNow { head: Ok(head), .. }) if head.as_ref().map_or("", |head| head.id.as_str()) == kept => {
                self.health.is_good();
            }
            Ok(_) => self.health.is_bad("the files that were served last are not those of the store"),
            Err(error) => self.health.is_bad(&error.to_string()),
        }
    }

    /// What the set is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the way to it is.
    pub fn health(&self) -> &StoreHealth {
        &self.health
    }

    /// Follows the set from now on, and has `trigger` ask for a load when it changes.
    pub fn start(self: &Arc<Self>, trigger: LoadTrigger) {
        self.health.watch(trigger.clone());
        self.state().trigger = Some(trigger);
        let set = Arc::clone(self);
        self.runtime.spawn(async move { set.follow().await });
    }

    /// What is served.
    pub(super) fn served(&self) -> Option<Arc<SetHead>> {
        self.state().served.clone()
    }

    /// The set that should be served in its place.
    pub(super) fn next(&self) -> Option<Arc<FileSet>> {
        self.state().next.clone()
    }

    /// Why what is served would not be there at the next start without the store; `None` while it is, or is being written.
    pub(super) fn unkept(&self) -> Option<String> {
        self.state().unkept.as_ref().map(|(_, why)| why.clone()).filter(|why| !why.is_empty())
    }

    /// A set is served from now on.
    pub(super) fn serves(self: &Arc<Self>, set: Arc<FileSet>) {
        {
            let mut state = self.state();
            state.served = Some(Arc::new(set.head.clone()));
            if state.next.as_ref().is_some_and(|next| next.head.id == set.head.id) {
                state.next = None;
            }
            state.unkept = Some((set, String::new())).filter(|(set, _)| state.on_disk.as_ref() != Some(&set.head.id));
        }
        self.is_served.notify_one();
        self.keep();
    }

    /// Has what is served kept, if it is not: on another thread, as disks are slow.
    pub(super) fn keep(self: &Arc<Self>) {
        if self.state().unkept.is_none() {
            return;
        }
        let set = Arc::clone(self);
        self.runtime.spawn_blocking(move || set.keep_now());
    }

    fn keep_now(&self) {
        // one after the other
        let _kept = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((set, _)) = self.state().unkept.clone() else { return };
        let written = self.kept.write(&set);
        let mut state = self.state();
        let is_still = |unkept: &mut (Arc<FileSet>, String)| unkept.0.head.id == set.head.id;
        match written {
            Ok(()) => {
                state.on_disk = Some(set.head.id.clone());
                state.unkept.take_if(is_still);
            }
            Err(error) => {
                let why = format!("{}: {error}", self.kept.path().display());
                tracing::error!("files of the fleet are served, and not kept: {why}");
                if let Some(unkept) = state.unkept.as_mut().filter(|unkept| unkept.0.head.id == set.head.id) {
                    unkept.1 = why;
                }
            }
        }
    }

    async fn follow(&self) {
        self.is_served.notified().await;
        let mut contact = Instant::now();
        loop {
            let Err(failed) = self.session(&mut contact).await;
            match failed {
                FollowError::Refused(why) => self.health.is_bad(&why),
                FollowError::Lost(why) => tracing::debug!("set '{}' is looked at anew: {why}", self.name),
                FollowError::Etcd(error) => {
                    self.sets.client.leave().await;
                    if contact.elapsed() > PATIENCE {
                        self.health.is_bad(&error.to_string());
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// One watch, until it fails.
    async fn session(&self, contact: &mut Instant) -> Result<Infallible, FollowError> {
        let revision = self.look().await?;
        *contact = Instant::now();
        let mut watch = self.sets.watch(&self.name, revision + 1).await?;
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                // whatever it tells, the head is looked at next
                told = watch.next() => drop(still_told(told?)?),
                _ = look.tick() => {}
            }
            self.look().await?;
            *contact = Instant::now();
        }
    }

    /// Compares what is there with what is known, and reads it where it is newer; the revision of the store.
    async fn look(&self) -> Result<i64, FollowError> {
        let now = self.sets.now(&self.name).await?;
        let revision = now.revision;
        match self.take(now).await {
            Ok(is_new) => {
                self.health.is_good();
                if let Some(trigger) = self.state().trigger.as_ref().filter(|_| is_new) {
                    trigger.send(LoadRequest::Changed);
                }
            }
            // the next one that is put there may be good
            Err(FollowError::Refused(why)) => self.health.is_bad(&why),
            Err(error) => return Err(error),
        }
        Ok(revision)
    }

    /// Takes over what is there, if it is newer than what is known; whether it was.
    async fn take(&self, now: SetNow) -> Result<bool, FollowError> {
        let known = {
            let state = self.state();
            if let Some((_, why)) =
                state.refused.as_ref().filter(|(changed, _)| *changed == now.changed && now.changed > 0)
            {
                return Err(FollowError::Refused(why.clone()));
            }
            let newest = state.next.as_ref().map(|next| &next.head).or(state.served.as_deref());
            newest.map(|head| (head.id.clone(), head.by.clone()))
        };
        let head = match (now.head?, &known) {
            // nothing was ever put there
            (None, None) => SetHead::default(),
            (None, Some((id, _))) if id.is_empty() => return Ok(false),
            (None, Some((_, by))) => {
                let what = format!("it has been taken out, and was of {by}: say `vpcedns push` again");
                return Err(refused(&self.name, &what));
            }
            (Some(head), Some((id, _))) if head.id == *id => return Ok(false),
            (Some(head), Some((id, _))) if head.id < *id => {
                let what = format!(
                    "it is older than the one that was served here, as of a backup ({}): say `vpcedns push` again",
                    head.by
                );
                return Err(refused(&self.name, &what));
            }
            (Some(head), _) => head,
        };
        // what did not change need not be read again
        let kept = Arc::clone(&self.kept);
        let before = tokio::task::spawn_blocking(move || kept.read()).await;
        let before = before.ok().and_then(Result::ok).flatten().unwrap_or_default();
        let set = match self.sets.content(&self.name, head, now.revision, &before).await {
            Ok(set) => set,
            Err(FollowError::Refused(why)) => {
                self.state().refused = Some((now.changed, why.clone()));
                return Err(FollowError::Refused(why));
            }
            Err(error) => return Err(error),
        };
        self.state().next = Some(Arc::new(set));
        Ok(true)
    }

    fn state(&self) -> MutexGuard<'_, FollowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
