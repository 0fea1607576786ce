//! The EC2-compatible API as a part of `vpcedns serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch as flag;
use tracing::{error, warn};

use crate::config::{DEFAULT_EC2_STATE, Limits, Settings};
use crate::control::auth::rate::RateLimits;
use crate::control::auth::{Access, AccessKeys, may_listen};
use crate::control::{self, Engine, Front, State, Store};
use crate::model::Input;
use crate::problem::{Place, Problem};
use crate::reload::Publisher;

/// The API before it listens: what it remembers.
pub(super) struct Ec2 {
    address: SocketAddr,
    access: Access,
    hosts: Vec<String>,
    limits: Limits,
    store: Store,
    state: State,
}

impl Ec2 {
    /// Reads the access keys and the state, if the API is wanted.
    pub(super) fn open(settings: &Settings, limits: &Limits) -> Result<Option<Self>, Vec<Problem>> {
        let Some(address) = settings.ec2_api else { return Ok(None) };
        let access = settings.ec2_keys.as_deref().map_or(Ok(Access::Open), read_keys)?;
        may_listen(&access, address).map_err(|problem| vec![problem])?;
        let dir = settings.ec2_state.as_deref().unwrap_or(Path::new(DEFAULT_EC2_STATE));
        let (store, state) = Store::open(dir).map_err(|problem| vec![problem])?;
        let hosts = settings.ec2_host.clone().unwrap_or_default();
        Ok(Some(Self { address, access, hosts, limits: limits.clone(), store, state }))
    }

    /// What DNS needs of it.
    pub(super) fn inputs(&self) -> Vec<Input> {
        control::inputs(&self.state)
    }

    /// Takes calls from here on; where.
    pub(super) async fn start(
        self,
        publisher: Arc<Mutex<Publisher>>,
        mut stop: flag::Receiver<bool>,
    ) -> Result<SocketAddr, Vec<Problem>> {
        let address = self.address;
        let failed = |error: std::io::Error| {
            let hint = "see who has it with `ss -ltnp`, or choose another with --ec2-api";
            vec![Problem::error(Place::whole("--ec2-api"), format!("cannot listen on {address}: {error}"), hint)]
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let actual = listener.local_addr().map_err(failed)?;
        let Self { access, hosts, limits, store, state, .. } = self;
        let per_second = limits.ec2_calls_per_second;
        let rate = RateLimits { per_second, burst: per_second.saturating_mul(2), ..RateLimits::default() };
        let engine = Arc::new(Engine::new(store, state, publisher, control::Settings::from(&limits)));
        let front = Front { engine, access, hosts, rate };
        tokio::spawn(async move {
            let stopped = async move {
                // ends when the flag is set, or when whoever would set it is gone
                let _ = stop.wait_for(|stop| *stop).await;
            };
            if let Err(error) = control::serve(listener, front, stopped).await {
                error!("the EC2 API stopped: {error}");
            }
        });
        Ok(actual)
    }
}

/// The access keys in a file. Whoever can read it can sign: others than its owner should not.
fn read_keys(path: &Path) -> Result<Access, Vec<Problem>> {
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
    Ok(Access::Keys(AccessKeys::new(keys)))
}
