//! Changes that come from the control API and not from files. They cost what they touch: no file is looked at.

use std::time::Instant;

use super::{Loaded, Loader, Prepare, Published, Publisher};
use crate::model::{Applied, Broken, Input, Key};
use crate::problem::{Place, Problem};

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

    /// The next model out of an edit. `prepare` makes the edit durable, and may refuse it.
    pub fn edit(&mut self, edit: &Edit, prepare: Prepare<'_>) -> Loaded {
        let place_of = |key: &Key| self.place_of(key);
        let Applied { mut model, changes, mut problems } =
            self.model.apply(&edit.removed, &edit.added, &Broken::default(), &place_of);
        if let Some(good) = &model {
            problems.extend(prepare(good, &changes));
            model = model.filter(|_| !problems.iter().any(Problem::is_error));
        }
        if let Some(model) = &model {
            for key in &edit.removed {
                self.api.remove(key);
            }
            self.api.extend(edit.added.iter().map(Input::key));
            self.model = model.clone();
        }
        Loaded { model, changes, problems, files_read: 0 }
    }
}

impl Publisher {
    /// Checks an edit, has `prepare` make it durable, and serves it. A bad edit changes nothing, and says nothing about
    /// the state of the files: readiness stays as it was.
    pub fn edit(&mut self, edit: &Edit, prepare: Prepare<'_>) -> Published {
        let began = Instant::now();
        let loaded = self.loader.edit(edit, prepare);
        let changes = self.publish(loaded.model, loaded.changes);
        Published {
            changes,
            generation: self.snapshots.load().generation,
            took: began.elapsed(),
            problems: loaded.problems,
        }
    }

    /// Where an object was written: a file and line, or the EC2 API. `None`: it is not there.
    pub fn place_of(&self, key: &Key) -> Option<Place> {
        self.loader.place_of(key)
    }
}
