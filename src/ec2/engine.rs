//! From a call to its answer: the action checks, the change is made durable, DNS serves it, and only then is it answered.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use super::ApiSettings;
use super::action;
use super::call::{Action, Call, Caller, Done};
use super::document::{DocumentCall, members};
use super::error::ApiError;
use super::groups::Groups;
use super::notify::{Target, Waker};
use super::params::Params;
use super::replay;
use super::state::{ApiState, Edit, Token};
use super::state_store::StateStore;
use super::store::Store;
use super::time::UnixMillis;
use super::writer::{ChangeCall, ChangeOutcome, ChangeWriter, TOKEN_LIFE, lock};
use super::xml::Xml;
use crate::naming::{Region, is_known_region};
use crate::publish::Publisher;
use crate::served::ServedSnapshot;

/// Most calls that become durable at once.
const MOST_CALLS: usize = 64;

/// Everything behind the API but HTTP.
pub struct Engine {
    snapshots: ServedSnapshot,
    state: Arc<RwLock<ApiState>>,
    settings: Arc<ApiSettings>,
    /// Calls that change something gather here while others become durable.
    groups: Groups<ChangeCall, ChangeOutcome>,
    writer: Mutex<ChangeWriter>,
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
    /// Over what the state file `store` remembers, `state`, which `publisher` has loaded.
    pub fn new(
        store: impl Into<Arc<Store>>,
        state: ApiState,
        publisher: Arc<Mutex<Publisher>>,
        settings: ApiSettings,
    ) -> Self {
        Self::over(store.into(), state, publisher, settings)
    }

    /// The same over any store.
    pub fn over(
        store: Arc<dyn StateStore>,
        state: ApiState,
        publisher: Arc<Mutex<Publisher>>,
        settings: ApiSettings,
    ) -> Self {
        let snapshots = lock(&publisher).snapshots().clone();
        let (state, settings) = (Arc::new(RwLock::new(state)), Arc::new(settings));
        let writer = ChangeWriter::new(store, Arc::clone(&state), publisher, Arc::clone(&settings));
        Self { snapshots, state, settings, groups: Groups::new(MOST_CALLS), writer: Mutex::new(writer) }
    }

    /// Serves what others have changed in the store. Blocks while a call of this server becomes durable.
    pub fn catch_up(&self) {
        lock(&self.writer).catch_up();
    }

    /// Puts connection notifications to `targets` into the outbox, and wakes whoever sends them.
    #[must_use]
    pub fn telling(self, targets: Vec<Target>, notifier: Option<Waker>) -> Self {
        {
            let mut writer = lock(&self.writer);
            (writer.targets, writer.notifier) = (targets, notifier);
        }
        self
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
        self.check_region(&caller.region)?;
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
        self.check_region(&caller.region)?;
        let (answer, changed) = if asked.action().writes {
            let asked = asked.clone();
            self.change(caller, None, dry_run, move |call| asked.run(call).map(|done| (done.edit, done.answer)))?
        } else {
            (self.look(caller, |call| asked.run(call))?.answer, Vec::new())
        };
        Ok(Answer { body: answer.to_string(), changed, created: None })
    }

    /// That a Region is one of AWS, or one in which files have a VPC: a client that has it misspelt would find nothing there.
    fn check_region(&self, region: &Region) -> Result<(), ApiError> {
        let has_vpc = || self.snapshots.load_full().model.vpcs().iter().any(|vpc| vpc.region == *region);
        if is_known_region(region.as_str()) || has_vpc() {
            return Ok(());
        }
        let message = format!("Credential should be scoped to a valid region, not '{region}'.");
        Err(ApiError { status: 403, ..ApiError::new("SignatureDoesNotMatch", message) })
    }

    fn read(&self, action: &Action, mut params: Params, caller: &Caller) -> Result<Xml, ApiError> {
        let dry_run = params.flag("DryRun")?.unwrap_or(false);
        let done = self.look(caller, |call| run(action, call, &mut params))?;
        if dry_run { Err(ApiError::dry_run()) } else { Ok(done.answer) }
    }

    /// What is answered, and the ids of what was changed.
    fn write(
        &self,
        action: &'static Action,
        mut params: Params,
        caller: &Caller,
    ) -> Result<(Xml, Vec<String>), ApiError> {
        let client_token = if action.idempotent { params.optional("ClientToken") } else { None };
        let parameters = format!("{params:?}");
        // a token means something in one Region ("Ensuring idempotency": "in the same Region")
        let key_of = |token| format!("{} {} {} {token}", caller.account, caller.region, action.name);
        let token_key = client_token.as_ref().map(key_of);
        let dry_run = params.flag("DryRun")?.unwrap_or(false);
        self.change(caller, client_token, dry_run, move |call| {
            let known = token_key.as_ref().and_then(|key| call.state.token(key));
            if let Some(known) = known.filter(|known| call.now.since(known.at) < TOKEN_LIFE) {
                return repeat(call, action, known, &parameters).map(|answer| (Edit::default(), answer));
            }
            let Done { mut edit, mut answer } = run(action, call, &mut params.clone())?;
            if let Some(key) = &token_key {
                let text = answer.into_text();
                let token = Token { parameters: parameters.clone(), answer: text.clone(), at: call.now };
                edit.token = Some((key.clone(), token));
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
    fn change<T: Send + 'static>(
        &self,
        caller: &Caller,
        client_token: Option<String>,
        dry_run: bool,
        act: impl Fn(&Call<'_>) -> Result<(Edit, T), ApiError> + Send + 'static,
    ) -> Result<(T, Vec<String>), ApiError> {
        // another thread may carry it out, in a group with others
        let answer = Arc::new(Mutex::new(None));
        let answers = Arc::clone(&answer);
        let act = Box::new(move |call: &Call<'_>| {
            let (edit, said) = act(call)?;
            *lock(&answers) = Some(said);
            Ok(edit)
        });
        let call = ChangeCall { caller: caller.clone(), client_token, dry_run, act };
        let outcome = self.groups.run(call, |calls| lock(&self.writer).run(&calls));
        let changed = outcome.unwrap_or_else(|| Err(internal()))?;
        let answer = lock(&answer).take();
        Ok((answer.ok_or_else(internal)?, changed))
    }
}

fn internal() -> ApiError {
    ApiError::internal("An internal error has occurred")
}

/// Runs an action, which must use every parameter.
fn run(action: &Action, call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let done = (action.run)(call, params)?;
    std::mem::take(params).finish()?;
    Ok(done)
}

/// The answer to a call that was already made with the same token.
fn repeat(call: &Call<'_>, action: &Action, known: &Token, parameters: &str) -> Result<Xml, ApiError> {
    if known.parameters == parameters {
        let present = replay::present(call, action.name, &known.answer);
        return Ok(Xml::from_text(present.unwrap_or_else(|| known.answer.clone())));
    }
    let message =
        "The client token you have provided is already associated with a request that has different parameters.";
    Err(ApiError::new("IdempotentParameterMismatch", message))
}

fn now() -> UnixMillis {
    SystemTime::now().into()
}
