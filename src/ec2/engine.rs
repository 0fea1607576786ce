//! From a call to its answer: the action checks, the change is made durable, DNS serves it, and only then is it answered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::action;
use super::call::{Action, Call, Caller, Done};
use super::document::{DocumentCall, members};
use super::error::ApiError;
use super::notify::{Target, Waker};
use super::params::Params;
use super::state::{ApiState, Edit, Token};
use super::store::Store;
use super::time::UnixMillis;
use super::xml::Xml;
use super::{ApiSettings, dns, notices, violation};
use crate::model::Violation;
use crate::problem::Problem;
use crate::publish::Publisher;
use crate::served::ServedSnapshot;

/// How long a client token is remembered: a day.
const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// Everything behind the API but HTTP.
pub struct Engine {
    /// Held for the whole of a change, so that changes come one after the other.
    publisher: Arc<Mutex<Publisher>>,
    snapshots: ServedSnapshot,
    state: RwLock<ApiState>,
    store: Arc<Store>,
    settings: ApiSettings,
    /// Where connection notifications go.
    targets: Vec<Target>,
    notifier: Option<Waker>,
}

/// The answer to a call that was carried out.
pub struct Answer {
    /// The body of the reply: an XML document.
    pub body: String,
    /// Ids of the objects that it made, changed or removed.
    pub changed: Vec<String>,
    /// Where what it made is from now on, for calls that answer so.
    pub created: Option<String>,
}

impl Engine {
    /// Over what `store` remembers, `state`, which `publisher` has loaded.
    pub fn new(
        store: impl Into<Arc<Store>>,
        state: ApiState,
        publisher: Arc<Mutex<Publisher>>,
        settings: ApiSettings,
    ) -> Self {
        let snapshots = lock(&publisher).snapshots().clone();
        let (state, store) = (RwLock::new(state), store.into());
        Self { publisher, snapshots, state, store, settings, targets: Vec::new(), notifier: None }
    }

    /// Puts connection notifications to `targets` into the outbox, and wakes whoever sends them.
    #[must_use]
    pub fn telling(self, targets: Vec<Target>, notifier: Option<Waker>) -> Self {
        Self { targets, notifier, ..self }
    }

    /// Whether the action with this name can change anything.
    pub fn changes(action: &str) -> bool {
        action::find(action).is_some_and(|action| action.writes)
    }

    /// The body of the answer to a call, as [`Engine::answer`] gives it.
    pub fn call(&self, form: &[u8], caller: &Caller, request_id: &str) -> Result<String, ApiError> {
        self.answer(form, caller, request_id).map(|answer| answer.body)
    }

    /// Answers a call: `form` has its parameters. Blocks while the disk is written.
    pub fn answer(&self, form: &[u8], caller: &Caller, request_id: &str) -> Result<Answer, ApiError> {
        let mut params = Params::decode(form)?;
        let name = params.optional("Action").ok_or_else(|| {
            ApiError::new("MissingAction", "The request is missing an action or a required parameter.")
        })?;
        // there is one version of the API; whichever is asked for, this is it
        params.optional("Version");
        let action = action::find(&name).ok_or_else(|| {
            ApiError::new("InvalidAction", format!("The action {name} is not valid for this web service."))
        })?;
        let (mut xml, changed) = if action.writes {
            self.write(action, params, caller)?
        } else {
            (self.read(action, params, caller)?, Vec::new())
        };
        let created = xml.location.take();
        Ok(Answer { body: xml.response(&name, request_id), changed, created })
    }

    /// The body of the answer to a call of Route 53 Resolver, or of Profiles with `Profiles.` before its name. A dry run of a
    /// change ends in an error before anything is stored.
    pub fn call_document(
        &self,
        action: &str,
        document: &[u8],
        caller: &Caller,
        dry_run: bool,
    ) -> Result<String, ApiError> {
        let asked = match action.strip_prefix("Profiles.") {
            Some(action) => action::profiles::call(action, members(document)?)?,
            None => action::resolver::call(action, document)?,
        };
        self.answer_document(&asked, caller, dry_run).map(|answer| answer.body)
    }

    /// Answers a call whose parameters are a document. Blocks while the disk is written.
    pub(super) fn answer_document(
        &self,
        asked: &DocumentCall,
        caller: &Caller,
        dry_run: bool,
    ) -> Result<Answer, ApiError> {
        let (answer, changed) = if asked.action().writes {
            self.change(caller, None, dry_run, |call| asked.run(call).map(|done| (done.edit, done.answer)))?
        } else {
            (self.look(caller, |call| asked.run(call))?.answer, Vec::new())
        };
        Ok(Answer { body: answer.to_string(), changed, created: None })
    }

    fn read(&self, action: &Action, mut params: Params, caller: &Caller) -> Result<Xml, ApiError> {
        let dry_run = params.flag("DryRun")?.unwrap_or(false);
        let done = self.look(caller, |call| run(action, call, &mut params))?;
        if dry_run { Err(ApiError::dry_run()) } else { Ok(done.answer) }
    }

    /// What is answered, and the ids of what was changed.
    fn write(&self, action: &Action, mut params: Params, caller: &Caller) -> Result<(Xml, Vec<String>), ApiError> {
        let client_token = if action.idempotent { params.optional("ClientToken") } else { None };
        let parameters = format!("{params:?}");
        let token_key = client_token.as_ref().map(|token| format!("{} {} {token}", caller.account, action.name));
        let dry_run = params.flag("DryRun")?.unwrap_or(false);
        self.change(caller, client_token, dry_run, |call| {
            let known = token_key.as_ref().and_then(|key| call.state.token(key));
            if let Some(known) = known.filter(|known| call.now.since(known.at) < TOKEN_LIFE) {
                return repeat(known, &parameters).map(|answer| (Edit::default(), answer));
            }
            let Done { mut edit, mut answer } = run(action, call, &mut params)?;
            if let Some(key) = token_key {
                let text = answer.into_text();
                edit.token = Some((key, Token { parameters, answer: text.clone(), at: call.now }));
                answer = Xml::from_text(text);
            }
            Ok((edit, answer))
        })
    }

    /// What `act` says of what there is.
    fn look<T>(&self, caller: &Caller, act: impl FnOnce(&Call<'_>) -> Result<T, ApiError>) -> Result<T, ApiError> {
        // a change holds the state while it publishes: what is read here belongs together
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshots.load_full();
        act(&Call {
            state: &state,
            model: &snapshot.model,
            caller,
            now: now(),
            settings: &self.settings,
            client_token: None,
            place_of: &|_| None,
        })
    }

    /// Carries out the change that `act` decides on; what it answers, and the ids of what was changed.
    fn change<T>(
        &self,
        caller: &Caller,
        client_token: Option<String>,
        dry_run: bool,
        act: impl FnOnce(&Call<'_>) -> Result<(Edit, T), ApiError>,
    ) -> Result<(T, Vec<String>), ApiError> {
        let mut publisher = lock(&self.publisher);
        let snapshot = self.snapshots.load_full();
        let now = now();
        let (edit, answer) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let (mut edit, answer) = act(&Call {
                state: &state,
                model: &snapshot.model,
                caller,
                now,
                settings: &self.settings,
                client_token,
                place_of: &|key| publisher.place_of(key),
            })?;
            if !edit.is_empty() {
                let listed = self.settings.deleting + self.settings.deleted;
                state.add_leftovers(&mut edit, now.before(listed), now.before(TOKEN_LIFE));
            }
            (edit, answer)
        };
        drop(snapshot);
        let changed = edit.ids();
        if !edit.is_empty() || dry_run {
            self.commit(&mut publisher, edit, now, dry_run)?;
        }
        Ok((answer, changed))
    }

    /// Makes a change durable and serves it; an error leaves everything as it was. A dry run ends in an error before
    /// anything is stored.
    fn commit(&self, publisher: &mut Publisher, edit: Edit, now: UnixMillis, dry_run: bool) -> Result<(), ApiError> {
        let (change, tell) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            (dns::change(&state, &edit), notices::of(&edit, &state, now, &self.targets))
        };
        // the rules that the change must keep with all else there is, files too
        let prepared = if change.is_empty() {
            None
        } else {
            Some(publisher.prepare(None, &change).map_err(|broken| refused(&broken))?)
        };
        if dry_run {
            return Err(ApiError::dry_run());
        }
        if let Some(problem) = prepared.as_ref().and_then(|prepared| publisher.open(prepared).into_iter().next()) {
            return Err(ApiError::value(problem.what, "vpcedns:listener", "Choose another address or port."));
        }
        self.store.commit(&edit, &tell).map_err(|error| {
            if let Some(prepared) = &prepared {
                publisher.close(prepared);
            }
            tracing::error!("{error}: the call fails, and the last good state keeps serving");
            ApiError::internal(error.to_string())
        })?;
        // held until the change is served, so that nobody reads the one without the other
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = prepared {
            publisher.publish(prepared).map_err(|error| ApiError::internal(error.to_string()))?;
        }
        state.apply(edit);
        if let Some(notifier) = self.notifier.as_ref().filter(|_| !tell.is_empty()) {
            notifier.wake();
        }
        Ok(())
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

/// Runs an action, which must use every parameter.
fn run(action: &Action, call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let done = (action.run)(call, params)?;
    std::mem::take(params).finish()?;
    Ok(done)
}

/// The answer to a call that was already made with the same token.
fn repeat(known: &Token, parameters: &str) -> Result<Xml, ApiError> {
    if known.parameters == parameters {
        return Ok(Xml::from_text(known.answer.clone()));
    }
    let message =
        "The client token you have provided is already associated with a request that has different parameters.";
    Err(ApiError::new("IdempotentParameterMismatch", message))
}

fn lock(publisher: &Mutex<Publisher>) -> MutexGuard<'_, Publisher> {
    // a thread that panicked has published nothing: the last good state is what is there
    publisher.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> UnixMillis {
    SystemTime::now().into()
}
