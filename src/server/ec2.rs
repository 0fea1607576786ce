//! The EC2-compatible API as a part of `vpcedns serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch as flag;
use tracing::warn;

use crate::config::{Limits, Secret, Settings};
use crate::ec2::auth::rate::RateLimits;
use crate::ec2::auth::sigv4::Credentials;
use crate::ec2::auth::{AccessKeys, AccessPolicy, may_listen};
use crate::ec2::notify::{Notifier, NotifyLimits, Sns, Targets, Webhook};
use crate::ec2::{self, ApiState, Engine, Front, Store};
use crate::observe::{Counters, FrontLimits, MoreMetrics};
use crate::problem::{Place, Problem};
use crate::publish::Publisher;

/// The API before it listens: what it remembers.
pub(super) struct Ec2 {
    address: SocketAddr,
    access: AccessPolicy,
    hosts: Vec<String>,
    targets: Targets,
    limits: Limits,
    store: Store,
    state: ApiState,
}

impl Ec2 {
    /// Reads the access keys and the state, if the API is wanted.
    pub(super) fn open(settings: &Settings) -> Result<Option<Self>, Vec<Problem>> {
        let Some(address) = settings.ec2_api else { return Ok(None) };
        let access = settings.ec2_keys.as_deref().map_or(Ok(AccessPolicy::Open), read_keys)?;
        may_listen(&access, address).map_err(|problem| vec![problem])?;
        let targets = targets(settings)?;
        let (store, state) = Store::open(&settings.ec2_state).map_err(|problem| vec![problem])?;
        let hosts = settings.ec2_host.clone();
        Ok(Some(Self { address, access, hosts, targets, limits: settings.limits.clone(), store, state }))
    }

    /// What it remembers.
    pub(super) fn state(&self) -> &ApiState {
        &self.state
    }

    /// Takes calls from here on; where, and what there is to count.
    pub(super) async fn start(
        self,
        publisher: Arc<Mutex<Publisher>>,
        counters: Arc<Counters>,
        stop: flag::Receiver<bool>,
    ) -> Result<(SocketAddr, Option<MoreMetrics>), Vec<Problem>> {
        let address = self.address;
        let failed = |error: std::io::Error| {
            let hint = "see who has it with `ss -ltnp`, or choose another with --ec2-api";
            vec![Problem::error(Place::whole("--ec2-api"), format!("cannot listen on {address}: {error}"), hint)]
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let actual = listener.local_addr().map_err(failed)?;
        let Self { access, hosts, targets, limits, store, state, .. } = self;
        let store = Arc::new(store);
        let kinds = targets.kinds();
        let mut engine = Engine::new(store.clone(), state, publisher, ec2::ApiSettings::from(&limits));
        let mut metrics: Option<MoreMetrics> = None;
        if !kinds.is_empty() {
            let notifier = Notifier::new(store, targets, NotifyLimits::default()).map_err(|problem| vec![problem])?;
            engine = engine.telling(kinds, Some(notifier.waker()));
            metrics = Some(Arc::new(notifier.metrics()));
            tokio::spawn(notifier.run(stop.clone()));
        }
        let per_second = limits.ec2_calls_per_second;
        let rate = RateLimits { per_second, burst: per_second.saturating_mul(2), ..RateLimits::default() };
        let connections = FrontLimits { connections: limits.ec2_connections, head: limits.http_head };
        let front = Front { engine: Arc::new(engine), access, hosts, rate, connections, counters };
        tokio::spawn(ec2::serve(listener, front, stop));
        Ok((actual, metrics))
    }
}

/// Where connection notifications go.
fn targets(settings: &Settings) -> Result<Targets, Vec<Problem>> {
    let wrong = |flag: &str, what: String, hint: &str| vec![Problem::error(Place::whole(flag), what, hint)];
    let sns = settings.sns_endpoint.as_deref().map(|endpoint| {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(access_key_id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        else {
            let hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; an SNS on this machine may take any";
            return Err(wrong("--sns-endpoint", "nothing to sign requests to SNS with".to_owned(), hint));
        };
        let session_token = variable("AWS_SESSION_TOKEN").map(Secret::new);
        let credentials = Credentials { access_key_id, secret_access_key: Secret::new(secret), session_token };
        Sns::new(endpoint, credentials).map_err(|what| wrong("--sns-endpoint", what, ""))
    });
    let webhook = settings.ec2_webhook.as_deref();
    let webhook = webhook.map(|url| Webhook::new(url).map_err(|what| wrong("--ec2-webhook", what, "")));
    Ok(Targets { sns: sns.transpose()?, webhook: webhook.transpose()? })
}

/// The access keys in a file. Whoever can read it can sign: others than its owner should not.
fn read_keys(path: &Path) -> Result<AccessPolicy, Vec<Problem>> {
    use std::os::unix::fs::PermissionsExt as _;
    let label: Arc<str> = path.display().to_string().into();
    let failed = |error: std::io::Error| {
        let hint = "see --ec2-keys";
        vec![Problem::error(Place::whole(label.clone()), format!("cannot be read: {error}"), hint)]
    };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    let (keys, problems) = crate::source::read_access_keys(&label, &text);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    for problem in &problems {
        warn!("{problem}");
    }
    if mode & 0o077 != 0 {
        warn!("{label} can be read by other users of this machine: chmod 600 {label}");
    }
    Ok(AccessPolicy::Keys(AccessKeys::new(keys)))
}
