//! Changes, a group at a time: each is worked out on top of the one before it, all are made durable at once, and DNS
//! serves them in order before any is answered.
//!
//! ```text
//! call 1, call 2, ...   each: the action, prepared on top of those before it
//! commit                all of them, or none; where others changed the state first: catch up, and once more
//! publish               one after the other; whoever reads meanwhile sees a call's change in DNS and API, or in neither
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::call::{Call, Caller};
use super::codec::StoreError;
use super::error::ApiError;
use super::notices::ToldDelta;
use super::notify::{Target, Waker};
use super::state::{ApiState, Delta, Edit};
use super::state_store::{CommitError, OthersChange, StateStore};
use super::time::UnixMillis;
use super::{ApiSettings, dns, notices, violation};
use crate::model::Violation;
use crate::problem::Problem;
use crate::publish::{Prepared, Publisher};

/// How long a client token is remembered: a day.
pub(super) const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// How often calls are worked out anew because others changed the state first.
const MOST_ATTEMPTS: usize = 8;

/// Works a change out, given what there is.
type Act = dyn Fn(&Call<'_>) -> Result<Edit, ApiError> + Send;

/// A call that changes something.
pub(super) struct ChangeCall {
    pub(super) caller: Caller,
    pub(super) client_token: Option<String>,
    /// It ends in an error before anything is stored.
    pub(super) dry_run: bool,
    /// What it decides on, given what there is.
    pub(super) act: Box<Act>,
}

/// Ids of the objects that a call changed, once DNS serves that, or why nothing has changed.
pub(super) type ChangeOutcome = Result<Vec<String>, ApiError>;

/// The only one that changes records.
pub(super) struct ChangeWriter {
    publisher: Arc<Mutex<Publisher>>,
    /// What is served.
    state: Arc<RwLock<ApiState>>,
    /// The same, and on top of it the calls of the group that is under way.
    ahead: ApiState,
    /// What is in `ahead` alone.
    stacked: Vec<Delta>,
    store: Arc<dyn StateStore>,
    settings: Arc<ApiSettings>,
    /// Where connection notifications go.
    pub(super) targets: Vec<Target>,
    pub(super) notifier: Option<Waker>,
}

/// A change that is ready, on top of those before it.
struct StackedCall {
    told: ToldDelta,
    /// `None`: DNS does not depend on it.
    prepared: Option<Prepared>,
}

impl ChangeWriter {
    /// Over `state`, which `store` remembers and `publisher` has loaded.
    pub(super) fn new(
        store: Arc<dyn StateStore>,
        state: Arc<RwLock<ApiState>>,
        publisher: Arc<Mutex<Publisher>>,
        settings: Arc<ApiSettings>,
    ) -> Self {
        let ahead = state.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self { publisher, state, ahead, stacked: Vec::new(), store, settings, targets: Vec::new(), notifier: None }
    }

    /// Carries calls out, in order, as many at once as the store takes. Where it refuses them, none of these has happened.
    pub(super) fn run(&mut self, calls: &[ChangeCall]) -> Vec<ChangeOutcome> {
        // of a group that ended in a panic
        self.unstack();
        let publisher = Arc::clone(&self.publisher);
        // held for the whole of the group, so that nothing else is published between what was prepared and its publishing
        let mut publisher = lock(&publisher);
        let mut outcomes = Vec::new();
        while let Some(calls) = calls.get(outcomes.len()..).filter(|calls| !calls.is_empty()) {
            outcomes.extend(self.run_some(&mut publisher, calls));
        }
        outcomes
    }

    /// Serves what others have changed.
    pub(super) fn catch_up(&mut self) {
        self.unstack();
        let publisher = Arc::clone(&self.publisher);
        // why not is kept by the store, which tells of it
        let _ = self.take_incoming(&mut lock(&publisher));
    }

    /// Carries out the first calls, one at least, however often others change the state meanwhile.
    fn run_some(&mut self, publisher: &mut Publisher, calls: &[ChangeCall]) -> Vec<ChangeOutcome> {
        for _ in 0..MOST_ATTEMPTS {
            if let Err(error) = self.take_incoming(publisher) {
                return vec![Err(error); calls.len()];
            }
            let (mut outcomes, group, first) = self.stack_some(publisher, calls);
            let refused = match self.commit(publisher, group) {
                Ok(()) => return outcomes,
                Err(CommitError::Conflict) => {
                    self.unstack();
                    continue;
                }
                Err(CommitError::Landed) => {
                    self.unstack();
                    match self.take_incoming(publisher) {
                        Ok(()) => return outcomes,
                        Err(error) => error,
                    }
                }
                Err(CommitError::Unavailable(why)) => ApiError::unavailable(why),
                Err(CommitError::Unknown(why)) => {
                    ApiError::unavailable(format!("{why}; whether the call has changed anything is not known"))
                }
                Err(CommitError::Refused(error)) => ApiError::internal(error.to_string()),
            };
            self.unstack();
            // whatever those behind the first one were to be answered, it was said of what has not come to be
            for outcome in outcomes.iter_mut().skip(first) {
                *outcome = Err(refused.clone());
            }
            return outcomes;
        }
        vec![Err(ApiError::busy()); calls.len()]
    }

    /// Works out the first calls, as many as become durable at once: what each comes to, what they change, and which is
    /// the first that changes anything.
    fn stack_some(
        &mut self,
        publisher: &mut Publisher,
        calls: &[ChangeCall],
    ) -> (Vec<ChangeOutcome>, Vec<StackedCall>, usize) {
        let (mut outcomes, mut group, mut first) = (Vec::new(), Vec::new(), None);
        for (number, call) in calls.iter().enumerate() {
            let Some(outcome) = self.stack(publisher, call, &mut group).transpose() else { break };
            outcomes.push(outcome);
            if !group.is_empty() {
                first.get_or_insert(number);
            }
        }
        (outcomes, group, first.unwrap_or(calls.len()))
    }

    /// Works a call out on top of `group`, and adds it to that if it changes anything. `None`: there is no room for it.
    fn stack(
        &mut self,
        publisher: &mut Publisher,
        call: &ChangeCall,
        group: &mut Vec<StackedCall>,
    ) -> Result<Option<Vec<String>>, ApiError> {
        let now: UnixMillis = SystemTime::now().into();
        let served = publisher.snapshots().load_full();
        let below = group.iter().rev().find_map(|stacked| stacked.prepared.as_ref());
        let mut edit = (call.act)(&Call {
            state: &self.ahead,
            model: below.map_or(&served.model, Prepared::model),
            caller: &call.caller,
            now,
            settings: &self.settings,
            client_token: call.client_token.clone(),
            // what the group adds or removes is the API's own, which is not asked for
            place_of: &|key| publisher.place_of(key),
        })?;
        drop(served);
        if edit.is_empty() && !call.dry_run {
            return Ok(Some(Vec::new()));
        }
        let (listed, limits) = (self.settings.deleting + self.settings.deleted, self.store.limits());
        self.ahead.add_leftovers(&mut edit, now.before(listed), now.before(TOKEN_LIFE), limits.leftovers);
        let (changed, tell) = (edit.ids(), notices::of(&edit, &self.ahead, now, &self.targets));
        let told = ToldDelta { delta: edit.into(), tell };
        let before: usize = group.iter().map(|stacked| stacked.told.changes()).sum();
        if !group.is_empty() && before + told.changes() > limits.changes {
            return Ok(None);
        }
        let change = dns::change(&self.ahead, &told.delta);
        // the rules that the change must keep with all else there is, files too
        let prepared = if change.is_empty() {
            None
        } else {
            Some(publisher.prepare(below, &change).map_err(|broken| refused(&broken))?)
        };
        if call.dry_run {
            return Err(ApiError::dry_run());
        }
        if let Some(problem) = prepared.as_ref().and_then(|prepared| publisher.open(prepared).into_iter().next()) {
            return Err(ApiError::value(problem.what, "vpcedns:listener", "Choose another address or port."));
        }
        self.ahead.apply(&told.delta);
        self.stacked.push(told.delta.clone());
        group.push(StackedCall { told, prepared });
        Ok(Some(changed))
    }

    /// Makes changes durable and serves them; an error leaves everything but `ahead` as it was.
    fn commit(&mut self, publisher: &mut Publisher, group: Vec<StackedCall>) -> Result<(), CommitError> {
        let (all, prepared): (Vec<ToldDelta>, Vec<Option<Prepared>>) =
            group.into_iter().map(|stacked| (stacked.told, stacked.prepared)).unzip();
        if all.is_empty() {
            return Ok(());
        }
        self.store.commit(&all, &self.ahead).inspect_err(|error| {
            if let Some(opened) = prepared.iter().flatten().find(|prepared| prepared.changes().vpcs) {
                publisher.close(opened);
            }
            if !matches!(error, CommitError::Conflict | CommitError::Landed) {
                tracing::error!("{error}: the call fails, and the last good state keeps serving");
            }
        })?;
        for (told, prepared) in all.iter().zip(prepared) {
            // held until the change is served, so that nobody reads the one without the other
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(prepared) = prepared {
                publisher.publish(prepared).map_err(StoreError::new)?;
            }
            state.apply(&told.delta);
        }
        self.stacked.clear();
        if let Some(notifier) = self.notifier.as_ref().filter(|_| all.iter().any(|told| !told.tell.is_empty())) {
            notifier.wake();
        }
        Ok(())
    }

    /// Serves what others have changed, each of their transactions as one snapshot. An error leaves the first that cannot
    /// be served, and what comes after it, for later.
    fn take_incoming(&mut self, publisher: &mut Publisher) -> Result<(), ApiError> {
        while let Some(incoming) = self.store.incoming() {
            let delta = match incoming {
                OthersChange::Change(delta) => delta,
                OthersChange::Whole(whole) => Arc::new(Delta::between(&self.ahead, &whole)),
            };
            let change = dns::change(&self.ahead, &delta);
            let prepared = if change.is_empty() { None } else { Some(publisher.prepare(None, &change)) };
            let prepared = prepared.transpose().map_err(|broken| {
                let why = refused(&broken).message;
                self.store.refused(&why);
                ApiError::unavailable(format!("what others changed cannot be served here: {why}"))
            })?;
            {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                if let Some(prepared) = prepared {
                    publisher.publish(prepared).map_err(|error| ApiError::internal(error.to_string()))?;
                }
                state.apply(&delta);
            }
            self.ahead.apply(&delta);
            self.store.taken(&delta, &self.ahead);
        }
        Ok(())
    }

    /// Forgets what is ahead of what is served.
    fn unstack(&mut self) {
        if self.stacked.is_empty() {
            return;
        }
        let undo = {
            let served = self.state.read().unwrap_or_else(PoisonError::into_inner);
            ApiState::undoing(&served, &self.stacked)
        };
        self.ahead.apply(&undo);
        self.stacked.clear();
    }
}

/// What the model has against a change, in EC2's form.
fn refused(violations: &[Violation]) -> ApiError {
    // of several the one that files would be told first, so that the same call always gets the same text
    let errors = violations.iter().filter(|violation| violation.is_error());
    match errors.min_by_key(|violation| Problem::from((*violation).clone())) {
        Some(violation) => violation::error(violation),
        None => ApiError::internal("the change is refused without a reason"),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // a thread that panicked has published nothing: the last good state is what is there
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::record::{SecurityGroup, StoredObject, Tags};
    use super::super::state_store::CommitLimits;
    use super::*;
    use crate::snapshot::Policy;
    use crate::source::Sources;

    /// A store in which others are first as often as a test says.
    #[derive(Default)]
    struct Crowded {
        outcomes: Mutex<VecDeque<CommitError>>,
        /// What others change each time.
        others: Mutex<Vec<Delta>>,
        incoming: Mutex<VecDeque<Delta>>,
        durable: Mutex<Vec<Vec<String>>>,
    }

    impl StateStore for Crowded {
        fn limits(&self) -> CommitLimits {
            CommitLimits { changes: 2, leftovers: 0 }
        }

        fn commit(&self, group: &[ToldDelta], _: &ApiState) -> Result<(), CommitError> {
            let ids = group.iter().flat_map(|told| told.delta.ids()).collect();
            let Some(outcome) = lock(&self.outcomes).pop_front() else {
                lock(&self.durable).push(ids);
                return Ok(());
            };
            if matches!(outcome, CommitError::Landed) {
                lock(&self.incoming).extend(group.iter().map(|told| told.delta.clone()));
            }
            lock(&self.incoming).extend(lock(&self.others).pop());
            Err(outcome)
        }

        fn incoming(&self) -> Option<OthersChange> {
            lock(&self.incoming).front().cloned().map(|delta| OthersChange::Change(Arc::new(delta)))
        }

        fn taken(&self, _: &Delta, _: &ApiState) {
            lock(&self.incoming).pop_front();
        }
    }

    fn group(id: &str) -> StoredObject {
        StoredObject::SecurityGroup(SecurityGroup {
            id: id.to_owned(),
            owner: "000000000000".to_owned(),
            vpc: "vpc-0123456789abcdef0".parse().unwrap(),
            name: id.to_owned(),
            description: String::new(),
            rules: None,
            tags: Tags::new(),
        })
    }

    /// A call that makes a group, named by how many there are.
    fn call() -> ChangeCall {
        let caller =
            Caller { account: "000000000000".to_owned(), region: "us-east-1".parse().unwrap(), chooses_ids: true };
        let act = |call: &Call<'_>| Ok(Edit::put([group(&format!("sg-{}", call.state.count()))]));
        ChangeCall { caller, client_token: None, dry_run: false, act: Box::new(act) }
    }

    fn writer(store: &Arc<Crowded>) -> ChangeWriter {
        let publisher = Publisher::start(Sources::new(Vec::new(), Vec::new()), Policy::default(), &|_, _| {});
        let publisher = Arc::new(Mutex::new(publisher.unwrap().0));
        ChangeWriter::new(store.clone(), Arc::default(), publisher, Arc::default())
    }

    fn ids(outcomes: Vec<ChangeOutcome>) -> Vec<Result<String, String>> {
        let one = |outcome: ChangeOutcome| outcome.map(|ids| ids.concat()).map_err(|error| error.code.into_owned());
        outcomes.into_iter().map(one).collect()
    }

    #[test]
    fn calls_are_worked_out_anew_on_top_of_what_others_did_first() {
        let store = Arc::new(Crowded::default());
        lock(&store.outcomes).extend([CommitError::Conflict, CommitError::Conflict]);
        *lock(&store.others) = vec![Edit::put([group("sg-other2")]).into(), Edit::put([group("sg-other1")]).into()];
        let mut writer = writer(&store);
        assert_eq!(ids(writer.run(&[call()])), [Ok("sg-2".to_owned())]);
        assert_eq!(*lock(&store.durable), [["sg-2"]]);
        assert_eq!(served(&writer), ["sg-2", "sg-other1", "sg-other2"]);
    }

    #[test]
    fn a_call_that_landed_after_all_is_answered_and_not_made_twice() {
        let store = Arc::new(Crowded::default());
        lock(&store.outcomes).push_back(CommitError::Landed);
        let mut writer = writer(&store);
        assert_eq!(ids(writer.run(&[call()])), [Ok("sg-0".to_owned())]);
        assert_eq!(served(&writer), ["sg-0"]);
        assert!(lock(&store.durable).is_empty());
    }

    #[test]
    fn others_may_be_first_so_often_and_nothing_has_happened_then() {
        let store = Arc::new(Crowded::default());
        lock(&store.outcomes).extend(std::iter::repeat_n(CommitError::Conflict, MOST_ATTEMPTS));
        let mut writer = writer(&store);
        assert_eq!(
            ids(writer.run(&[call(), call()])),
            [Err("RequestLimitExceeded".to_owned()), Err("RequestLimitExceeded".to_owned())]
        );
        assert_eq!(served(&writer), [""; 0]);
        lock(&store.outcomes).push_back(CommitError::Unavailable("away".to_owned()));
        assert_eq!(ids(writer.run(&[call()])), [Err("Unavailable".to_owned())]);
        assert_eq!(ids(writer.run(&[call()])), [Ok("sg-0".to_owned())]);
    }

    #[test]
    fn as_many_calls_become_durable_at_once_as_the_store_takes() {
        let store = Arc::new(Crowded::default());
        let mut writer = writer(&store);
        let made: Vec<_> = (0..5).map(|number| Ok(format!("sg-{number}"))).collect();
        assert_eq!(ids(writer.run(&[call(), call(), call(), call(), call()])), made);
        let groups: Vec<usize> = lock(&store.durable).iter().map(Vec::len).collect();
        assert_eq!(groups, [2, 2, 1]);
    }

    /// Ids of what is served.
    fn served(writer: &ChangeWriter) -> Vec<String> {
        let state = writer.state.read().unwrap();
        assert_eq!(state.count(), writer.ahead.count());
        state.records().map(|record| record.id()).collect()
    }
}
