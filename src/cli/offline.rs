//! What a command reads where it asks no running server: files, and the state of the EC2 API where that is named.

use std::path::PathBuf;
use std::sync::Arc;

use super::looked_at::{OutputOrigin, SaidPath};
use super::print_problems;
use crate::config::{Dnssec, Settings, Upstreams};
use crate::ec2::{ApiState, StateSource, stored_state};
use crate::model::{Model, Upstream};
use crate::server::listed::sources;
use crate::snapshot::{Policy, Snapshot};
use crate::source::{Loaded, Sources};

/// Files, and a state of the EC2 API.
pub(super) struct Offline {
    settings: Settings,
    state: Option<PathBuf>,
}

/// What was read.
pub(super) struct OfflineRead {
    pub(super) loaded: Loaded,
    /// Where all of it is from.
    pub(super) origin: OutputOrigin,
}

impl Offline {
    /// The files that the settings name, and the state at a path.
    pub(super) fn new(settings: Settings, state: Option<&SaidPath>) -> Self {
        Self { settings, state: state.map(|said| said.path.clone()) }
    }

    /// All of it, with what is wrong.
    pub(super) fn read(&self) -> OfflineRead {
        let state = match self.state.as_deref().map(stored_state).transpose() {
            Ok(state) => state.flatten(),
            Err(problem) => {
                let loaded = Loaded { problems: vec![problem], ..Loaded::default() };
                return OfflineRead {
                    loaded,
                    origin: OutputOrigin::files(&self.settings.zones, self.state.as_deref()),
                };
            }
        };
        let file = state.as_ref().map(|(file, _)| file.as_path());
        let origin = OutputOrigin::files(&self.settings.zones, file);
        OfflineRead { loaded: self.sources(state.as_ref().map(|(_, state)| state)).load(&|_, _| {}), origin }
    }

    /// As `vpcedns serve` would read them.
    fn sources(&self, state: Option<&ApiState>) -> Sources {
        let state = state.map(StateSource::new);
        Sources::new(sources(&self.settings, state, Vec::new(), Vec::new()), Vec::new())
            .with_names(self.settings.catalogue)
    }

    /// The model of it; `None` if it does not load, which has been printed.
    pub(super) fn model(&self) -> Option<(Model, OutputOrigin)> {
        let OfflineRead { loaded, origin } = self.read();
        if loaded.model.is_none() {
            print_problems(&loaded.problems);
        }
        Some((loaded.model?, origin))
    }

    /// What a server with these settings would serve; `None` if it does not load, which has been printed.
    pub(super) fn compile(self) -> Option<(Snapshot, OutputOrigin)> {
        let (model, origin) = self.model()?;
        Some((Snapshot::compile(model, policy(self.settings), 1), origin))
    }
}

/// What the settings say about answers.
pub(super) fn policy(settings: Settings) -> Policy {
    let upstreams: Arc<[Upstream]> = match settings.forward {
        Upstreams::These(addresses) => addresses.into(),
        Upstreams::None => Arc::from([]),
        Upstreams::System => crate::forward::system::system_resolvers(&[]).0.into_iter().map(Upstream::plain).collect(),
    };
    Policy {
        allow: settings.allow,
        upstreams,
        dnssec_validation: settings.dnssec == Dnssec::Validate,
        forward_special: settings.forward_special.into_iter().collect(),
        private_only: settings.private_only.into_iter().collect(),
        ..Policy::default()
    }
}
