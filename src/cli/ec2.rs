//! The EC2-compatible API as a part of `vpcedns serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch as flag;
use tracing::error;

use crate::control::{self, Engine, Settings, State, Store};
use crate::model::Input;
use crate::problem::{Place, Problem};
use crate::reload::Publisher;

/// The API before it listens: what it remembers.
pub(super) struct Ec2 {
    address: SocketAddr,
    settings: Settings,
    store: Store,
    state: State,
}

impl Ec2 {
    /// Reads the state. An address that others can reach is refused, as there is nothing yet that tells callers apart.
    pub(super) fn open(address: SocketAddr, state: Option<PathBuf>) -> Result<Self, Vec<Problem>> {
        if !address.ip().is_loopback() {
            let what = format!("{address} can be reached from other machines, and callers are not verified");
            return Err(vec![Problem::error(Place::whole("--ec2-api"), what, "listen on 127.0.0.1 or [::1]")]);
        }
        let mut settings = Settings::default();
        if let Some(dir) = state {
            settings.state = dir;
        }
        let (store, state) = Store::open(&settings.state).map_err(|problem| vec![problem])?;
        Ok(Self { address, settings, store, state })
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
        let engine = Arc::new(Engine::new(self.store, self.state, publisher, self.settings));
        tokio::spawn(async move {
            let stopped = async move {
                // ends when the flag is set, or when whoever would set it is gone
                let _ = stop.wait_for(|stop| *stop).await;
            };
            if let Err(error) = control::serve(listener, engine, stopped).await {
                error!("the EC2 API stopped: {error}");
            }
        });
        Ok(actual)
    }
}
