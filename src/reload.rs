//! Reads the sources and makes the next model of what is new.
//!
//! [`Loader`] remembers which object came from which file, so that a change costs the files it touches. A load changes
//! nothing here until it is taken over, so that one with an error leaves the last good one to start from (invariant
//! I5). [`watch`] says when to load; `publish` takes over and publishes.

mod edit;
pub mod watch;

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::forward::system::refuse_own;
use crate::model::{Applied, Broken, Changes, Input, Key, Model, Object, RuleAction, RuleInput, Upstream};
use crate::naming::{CatalogueNames, EndpointId};
use crate::problem::{At, Place, Problem};
use crate::source::{self, Part, PartId, Stamps};

pub(crate) use edit::Overlay;
pub use edit::{Edit, api};

/// Told, while many files are read, how many of them are done and how many there are.
pub type Progress<'p> = &'p (dyn Fn(usize, usize) + Sync);

/// A load of more objects than this leaves memory behind that is worth giving back.
const LARGE: usize = 10_000;

/// What came from where, and the model of the last good load.
pub struct Loader {
    dirs: Vec<PathBuf>,
    /// Where we listen ourselves: no rule may forward there.
    own: Vec<SocketAddr>,
    parts: BTreeMap<PartId, Held>,
    /// What the control API had when the server started; taken by the first load.
    api_at_start: Vec<Input>,
    /// What the control API owns.
    api: HashSet<Key>,
    model: Model,
}

/// What is kept of a part: which objects it has, and where. The objects themselves are in the model.
pub(crate) struct Held {
    stamps: Stamps,
    /// Endpoints, of which there can be a million: 13 octets each, the last four of them the line.
    endpoints: Box<[(EndpointId, [u8; 4])]>,
    /// The file of `endpoints`; JSON files each have a list of their own.
    file: Arc<str>,
    others: Box<[(Key, Place)]>,
}

/// What a load came to.
pub struct Loaded {
    /// The new model; `None` if there are errors.
    pub model: Option<Model>,
    /// What is new in it.
    pub changes: Changes,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// How many files were read again.
    pub files_read: usize,
}

/// What a loader remembers of a change that is taken over.
pub(crate) enum Taken {
    /// Parts that went, and parts that were read.
    Parts { gone: Vec<PartId>, read: Vec<(PartId, Held)> },
    /// Objects of the control API that go, and those that come.
    Edit(Arc<Overlay>),
}

impl Loader {
    /// A loader of all files below `dirs`, with nothing loaded yet.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        Self::serving_on(dirs, Vec::new())
    }

    /// The same for a server that listens on `own`: rules that forward there are refused.
    pub fn serving_on(dirs: Vec<PathBuf>, own: Vec<SocketAddr>) -> Self {
        Self {
            dirs,
            own,
            parts: BTreeMap::new(),
            api_at_start: Vec::new(),
            api: HashSet::new(),
            model: Model::default(),
        }
    }

    /// With the names of the catalogue that the operator chose. To be called before the first load.
    #[must_use]
    pub fn with_names(self, names: CatalogueNames) -> Self {
        Self { model: Model::with_names(names), ..self }
    }

    /// With what a control API remembers; it is loaded together with the files, which may refer to it.
    #[must_use]
    pub fn with_api(self, inputs: Vec<Input>) -> Self {
        Self { api: inputs.iter().map(Input::key).collect(), api_at_start: inputs, ..self }
    }

    /// The directories that are read.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// Reads what has changed since the last good load, and makes the next model of it.
    ///
    /// Nothing is remembered of it until [`Loader::take`].
    pub(crate) fn read(&self, progress: Progress<'_>) -> (Loaded, Taken) {
        let (paths, mut problems) = source::scan(&self.dirs);
        let total = paths.len();
        let earlier = |id: &PartId| self.parts.get(id).map(|held| held.stamps.clone());
        let parts = source::read_files(&paths, &earlier, &|done| progress(done, total));
        let present: HashSet<&PartId> = parts.iter().map(|part| &part.id).collect();
        let gone: Vec<PartId> = self.parts.keys().filter(|id| !present.contains(id)).cloned().collect();

        let mut removed: Vec<Key> = Vec::new();
        for id in &gone {
            removed.extend(self.parts.get(id).into_iter().flat_map(Held::keys));
        }
        let mut broken = Broken { incomplete: !problems.is_empty(), ..Broken::default() };
        let mut added: Vec<Input> = self.api_at_start.clone();
        let mut read: Vec<(PartId, Held)> = Vec::new();
        for Part { id, stamps, loaded } in parts {
            let Some(loaded) = loaded else { continue };
            removed.extend(self.parts.get(&id).into_iter().flat_map(Held::keys));
            read.push((id, Held::new(stamps, &loaded.inputs)));
            broken.ids.extend(loaded.broken);
            broken.incomplete |= loaded.incomplete;
            problems.extend(loaded.problems);
            added.extend(loaded.inputs);
        }
        let files_read = read.len();
        // what was not read again comes first: of an object that is declared twice, that is the other place
        let reread: HashSet<&PartId> = read.iter().map(|(id, _)| id).chain(&gone).collect();
        let kept = self.parts.iter().filter(|(id, _)| !reread.contains(id)).map(|(_, held)| held);
        let all: Vec<&Held> = kept.chain(read.iter().map(|(_, held)| held)).collect();
        // made when it is first asked for: a VPC that changed asks for the place of each of its endpoints
        let endpoints = OnceCell::new();
        let place_of = |key: &Key| match key {
            Key::Endpoint(id) => endpoints.get_or_init(|| endpoint_places(&all)).get(id).map(|(file, line)| Place {
                file: Arc::clone(file),
                line: *line,
                column: 0,
            }),
            other => all.iter().find_map(|held| held.place_of(other)),
        };
        let place_of = |key: &Key| place_of(key).or_else(|| self.api.contains(key).then(api));
        let Applied { model, changes, violations } = self.model.apply(&removed, &added, &broken, &place_of);
        problems.extend(source::problems(violations));
        problems.extend(self.forwarding_to_ourselves(&added));
        problems.sort();
        problems.dedup();
        let model = model.filter(|_| !problems.iter().any(Problem::is_error));
        if added.len() > LARGE {
            drop(added);
            crate::memory::give_back();
        }
        (Loaded { model, changes, problems, files_read }, Taken::Parts { gone, read })
    }

    /// Reads what has changed since the last good load, and starts from it the next time if it is good.
    pub fn load(&mut self, progress: Progress<'_>) -> Loaded {
        let (loaded, taken) = self.read(progress);
        if let Some(model) = &loaded.model {
            self.take(model.clone(), taken);
        }
        loaded
    }

    /// Starts from `model` from now on, and remembers where what is new in it is written.
    pub(crate) fn take(&mut self, model: Model, taken: Taken) {
        match taken {
            Taken::Parts { gone, read } => {
                for id in gone {
                    self.parts.remove(&id);
                }
                self.parts.extend(read);
                self.api_at_start = Vec::new();
            }
            Taken::Edit(overlay) => {
                for key in &overlay.removed {
                    self.api.remove(key);
                }
                self.api.extend(overlay.added.iter().cloned());
            }
        }
        self.model = model;
    }
}

impl Loader {
    /// Rules whose upstream is this server: a question would go round until it times out.
    fn forwarding_to_ourselves(&self, added: &[Input]) -> Vec<Problem> {
        let targets = added.iter().filter_map(|input| match &input.object {
            Object::Rule(RuleInput { domain_name, action: RuleAction::Forward(targets), .. }) => {
                Some((domain_name, targets))
            }
            _ => None,
        });
        let targets: Vec<At<Upstream>> = targets
            .flat_map(|(name, targets)| targets.iter().map(|to| At::new(to.clone(), name.place.clone())))
            .collect();
        refuse_own(&targets, &self.own)
    }
}

impl Held {
    fn new(stamps: Stamps, inputs: &[Input]) -> Self {
        let file = inputs.first().map_or_else(|| Arc::from(""), |input| input.place.file.clone());
        let (mut endpoints, mut others) = (Vec::new(), Vec::new());
        for input in inputs {
            match input.key() {
                Key::Endpoint(id) if input.place.file == file => endpoints.push((id, input.place.line.to_be_bytes())),
                key => others.push((key, Place { column: 0, ..input.place.clone() })),
            }
        }
        Self { stamps, endpoints: endpoints.into(), file, others: others.into() }
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        let endpoints = self.endpoints.iter().map(|(id, _)| Key::Endpoint(*id));
        endpoints.chain(self.others.iter().map(|(key, _)| key.clone()))
    }

    fn place_of_endpoint(&self, id: EndpointId) -> Option<Place> {
        let (_, line) = self.endpoints.iter().find(|(known, _)| *known == id)?;
        Some(Place { file: Arc::clone(&self.file), line: u32::from_be_bytes(*line), column: 0 })
    }

    /// Where something is that is not in `endpoints`.
    fn place_of(&self, key: &Key) -> Option<Place> {
        self.others.iter().find(|(known, _)| known == key).map(|(_, place)| place.clone())
    }
}

/// Where each endpoint was first written, in the order of the parts.
fn endpoint_places<'h>(parts: &[&'h Held]) -> HashMap<EndpointId, (&'h Arc<str>, u32)> {
    let mut places = HashMap::new();
    for held in parts {
        let others = held.others.iter().filter_map(|(key, place)| match key {
            Key::Endpoint(id) => Some((*id, (&place.file, place.line))),
            _ => None,
        });
        let endpoints = held.endpoints.iter().map(|(id, line)| (*id, (&held.file, u32::from_be_bytes(*line))));
        for (id, place) in endpoints.chain(others) {
            places.entry(id).or_insert(place);
        }
    }
    places
}
