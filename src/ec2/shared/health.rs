//! How the way to a shared store is, for readiness and for calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::source::LoadTrigger;

/// How the way to the store is. Clones are of the same one.
#[derive(Clone, Debug, Default)]
pub struct StoreHealth(Arc<Mutex<HealthState>>);

#[derive(Debug, Default)]
struct HealthState {
    trouble: Option<String>,
    /// When the state here was last known to be that of the store.
    contact: Option<SystemTime>,
    trigger: Option<LoadTrigger>,
}

impl StoreHealth {
    /// Why what is served may not be what the store has.
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// When what is served was last known to be what the store has.
    pub fn contact(&self) -> Option<SystemTime> {
        self.state().contact
    }

    /// Has `trigger` asked for a load when this changes, as readiness is told by loads.
    pub fn watch(&self, trigger: LoadTrigger) {
        self.state().trigger = Some(trigger);
    }

    /// What is served is what the store has.
    pub(crate) fn is_good(&self) {
        let before = {
            let mut state = self.state();
            state.contact = Some(SystemTime::now());
            state.trouble.take()
        };
        if before.is_some() {
            tracing::info!("the store is followed again");
            self.tell();
        }
    }

    /// What is served is the last good state, and why.
    pub(crate) fn is_bad(&self, why: &str) {
        let is_new = {
            let mut state = self.state();
            let is_new = state.trouble.as_deref() != Some(why);
            state.trouble = Some(why.to_owned());
            is_new
        };
        if is_new {
            tracing::error!("the store is not followed, and the last good state keeps serving: {why}");
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(trigger) = &self.state().trigger {
            trigger.send(crate::source::LoadRequest::Changed);
        }
    }

    fn state(&self) -> MutexGuard<'_, HealthState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
