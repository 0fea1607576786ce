//! Changes that come from the control API and not from files. They cost what they touch: no file is looked at.

use std::sync::Arc;

use super::Loader;
use crate::model::{Applied, Broken, Input, Key, Model};
use crate::problem::Place;

/// A change to what the control API owns.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// What goes; an object that is both removed and added has changed.
    pub removed: Vec<Key>,
    /// What comes.
    pub added: Vec<Input>,
}

impl Edit {
    /// Whether it concerns nothing that DNS depends on.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// Where everything is declared that the control API owns.
pub fn api() -> Place {
    Place::whole("the EC2 API")
}

/// What an edit that is not taken over yet changes in who owns what, over the edits before it.
pub(crate) struct Overlay {
    pub(super) removed: Vec<Key>,
    pub(super) added: Vec<Key>,
    below: Option<Arc<Overlay>>,
}

impl Overlay {
    /// What `edit` changes, on top of `below`.
    pub(crate) fn new(edit: &Edit, below: Option<Arc<Self>>) -> Arc<Self> {
        let added = edit.added.iter().map(Input::key).collect();
        Arc::new(Self { removed: edit.removed.clone(), added, below })
    }

    /// `Some(true)`: the API owns it by then. `Some(false)`: it has gone. `None`: as in the loader.
    fn owns(&self, key: &Key) -> Option<bool> {
        let (added, removed) = (self.added.contains(key), self.removed.contains(key));
        if added || removed { Some(added) } else { self.below.as_ref().and_then(|below| below.owns(key)) }
    }
}

impl Loader {
    /// Where an object was written: a file and line, or the EC2 API. `None`: it is not there.
    pub fn place_of(&self, key: &Key) -> Option<Place> {
        if self.api.contains(key) {
            return Some(api());
        }
        self.parts.values().find_map(|held| match key {
            Key::Endpoint(id) => held.place_of_endpoint(*id).or_else(|| held.place_of(key)),
            other => held.place_of(other),
        })
    }

    /// The same after the edits of `overlay`.
    pub(crate) fn place_after(&self, overlay: Option<&Overlay>, key: &Key) -> Option<Place> {
        match overlay.and_then(|overlay| overlay.owns(key)) {
            Some(owned) => owned.then(api),
            None => self.place_of(key),
        }
    }

    /// The next model out of an edit, over `base` and the edits of `overlay` that led to it; nothing is taken over.
    pub(crate) fn edit(&self, base: Option<&Model>, overlay: Option<&Overlay>, edit: &Edit) -> Applied {
        let place_of = |key: &Key| self.place_after(overlay, key);
        let base = base.unwrap_or(&self.model);
        base.apply(&edit.removed, &edit.added, &Broken::default(), &place_of)
    }
}
