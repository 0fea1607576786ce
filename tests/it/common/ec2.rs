//! The EC2 API without HTTP: calls in, trees out, and what DNS says then.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vpcedns::ec2::call::Caller;
use vpcedns::ec2::error::ApiError;
use vpcedns::ec2::notify::Target;
use vpcedns::ec2::{ApiSettings, ApiState, Engine, StateSource, Store};
use vpcedns::publish::Publisher;
use vpcedns::served::ServedSnapshot;
use vpcedns::snapshot::{Policy, Snapshot};
use vpcedns::source::{Files, Sources};

use super::xml::Node;
use super::{Asked, Told, ask};

/// An API over the files and the state of a directory.
pub struct Api {
    dir: Arc<tempfile::TempDir>,
    settings: ApiSettings,
    engine: Engine,
    snapshots: ServedSnapshot,
    pub store: Arc<Store>,
    pub account: String,
    pub region: String,
}

impl Api {
    /// With what a TOML text declares, and nothing else.
    pub fn new(toml: &str) -> Self {
        Self::with(toml, ApiSettings::default())
    }

    pub fn with(toml: &str, settings: ApiSettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("zones")).unwrap();
        std::fs::write(dir.path().join("zones/t.toml"), toml).unwrap();
        Self::open(Arc::new(dir), settings)
    }

    /// Over the state and the zones that a directory has.
    pub fn open(dir: Arc<tempfile::TempDir>, settings: ApiSettings) -> Self {
        let (store, state) = Store::open(&dir.path().join("state")).unwrap_or_else(|problem| panic!("{problem}"));
        let loader = Sources::new(
            vec![Box::new(StateSource::new(&state)), Box::new(Files::new(vec![dir.path().join("zones")]))],
            Vec::new(),
        );
        let (publisher, _) = Publisher::start(loader, Policy::default(), &|_, _| {})
            .unwrap_or_else(|problems| panic!("{}", super::lines(&problems)));
        let snapshots = publisher.snapshots().clone();
        let publisher = Arc::new(Mutex::new(publisher));
        let store = Arc::new(store);
        let engine = Engine::new(store.clone(), state, publisher, settings.clone());
        let engine = engine.telling(vec![Target::Sns], None);
        Self {
            dir,
            settings,
            engine,
            snapshots,
            store,
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    /// As after a restart.
    #[must_use]
    pub fn reopen(self) -> Self {
        let Self { dir, settings, engine, store, account, region, .. } = self;
        drop((engine, store));
        Self { account, region, ..Self::open(dir, settings) }
    }

    /// What is on disk.
    pub fn stored(&self) -> ApiState {
        // the store is locked by the server: a copy of the file is what a crash would leave
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(self.state_file(), copy.path().join("ec2.redb")).unwrap();
        Store::open(copy.path()).unwrap_or_else(|problem| panic!("{problem}")).1
    }

    fn state_file(&self) -> PathBuf {
        self.dir.path().join("state/ec2.redb")
    }

    pub fn zones(&self) -> &Path {
        self.dir.path()
    }

    /// A call: `Action` and its parameters, `A=1 B.1=2`; `%20` is a space.
    pub fn try_call(&self, call: &str) -> Result<Node, ApiError> {
        let mut words = call.split_whitespace();
        let form = format!("Action={}&Version=2016-11-15", words.next().unwrap());
        let form = words.fold(form, |form, word| format!("{form}&{word}"));
        self.form(&self.account, &form).map(|xml| Node::parse(&xml))
    }

    /// The body of the answer to a form of an account.
    pub fn form(&self, account: &str, form: &str) -> Result<String, ApiError> {
        let caller = Caller { account: account.to_owned(), region: self.region.parse().unwrap(), chooses_ids: true };
        self.engine.call(form.as_bytes(), &caller, "r-1")
    }

    /// A call of Route 53 Resolver.
    pub fn resolver(&self, action: &str, document: &str) -> Result<serde_json::Value, ApiError> {
        let region = self.region.parse().unwrap();
        let caller = Caller { account: self.account.clone(), region, chooses_ids: true };
        let body = self.engine.call_document(action, document.as_bytes(), &caller, false)?;
        Ok(serde_json::from_str(&body).unwrap())
    }

    #[track_caller]
    pub fn call(&self, call: &str) -> Node {
        self.try_call(call).unwrap_or_else(|error| panic!("{call}: {error}"))
    }

    /// Code and text of the error of a call.
    #[track_caller]
    pub fn error(&self, call: &str) -> String {
        match self.try_call(call) {
            Ok(answer) => panic!("{call}: {answer:?}"),
            Err(error) => error.to_string(),
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.load_full()
    }

    /// What a client at `from` is told of a name.
    pub fn ask(&self, from: &str, name: &str, rtype: &str) -> Told {
        ask(&self.snapshot(), &Asked::new(from, name, rtype))
    }

    /// The addresses that a client is told, sorted, and how it ended where there are none.
    pub fn addresses(&self, from: &str, name: &str) -> Vec<String> {
        let told = self.ask(from, name, "A");
        if told.answers.is_empty() {
            return vec![told.verdict];
        }
        let mut addresses: Vec<String> =
            told.answers.iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
        addresses.sort();
        addresses
    }
}

/// Delays as AWS has them in kind: an endpoint is pending, deleting and deleted for a while each.
pub fn slow() -> ApiSettings {
    let while_ = Duration::from_secs(3600);
    ApiSettings { pending: while_, deleting: while_, deleted: while_, ..ApiSettings::default() }
}
