//! All sources of a server: what each owns, how each is, and the one model that they make together.
//!
//! A source whose reading has errors keeps its last good one, and the others go on (invariant I5). Names no source.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::contract::{Declared, LoadTrigger, PartId, Progress, Reading, Source, SourceHealth, SourceId, SourceReport};
use super::files::Files;
use super::held::{Held, Holdings, Places};
use super::orphans::{leave_out, still_left_out};
use super::own::forwarding_to_ourselves;
use super::violation::problems as violations_in_words;
use super::warnings::ModelWarnings;
use crate::model::{Applied, Broken, Changes, Input, Key, Model, Violation};
use crate::naming::CatalogueNames;
use crate::problem::{FileName, Place, Problem};

/// A load of more objects than this leaves memory behind that is worth giving back.
const LARGE: usize = 10_000;

/// The sources of a server, and the model of what was last taken over of them.
pub struct Sources {
    listed: Vec<Member>,
    /// Where we listen ourselves: no rule may forward there.
    own: Vec<SocketAddr>,
    model: Model,
    /// What the model warned of, and was not asked about again.
    warnings: ModelWarnings,
    /// False until the first load: that one is whole or not at all.
    started: bool,
}

/// One source.
struct Member {
    source: Box<dyn Source>,
    holdings: Holdings,
    report: SourceReport,
    /// Its objects that are left out, as what they are in has gone.
    orphans: Vec<Input>,
}

/// What a load came to.
#[derive(Default)]
pub struct Loaded {
    /// The new model; `None` if nothing can be taken over.
    pub model: Option<Model>,
    /// What is new in it.
    pub changes: Changes,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// How many files were read again.
    pub files_read: usize,
}

/// A change to what one source owns, object by object.
#[derive(Clone, Debug)]
pub struct SourceEdit {
    /// Whose objects these are.
    pub source: SourceId,
    /// What goes; an object that is both removed and added has changed. What the source does not own stays.
    pub removed: Vec<Key>,
    /// What comes.
    pub added: Vec<Input>,
}

impl SourceEdit {
    /// Whether it concerns nothing that DNS depends on.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// What is remembered of a change once it is taken over.
pub(crate) enum Taken {
    /// What sources said when they were read.
    Load(Vec<Draft>),
    /// An edit.
    Edit(Arc<Overlay>),
}

/// What an edit that is not taken over yet changes in who owns what, over the edits before it.
pub(crate) struct Overlay {
    member: usize,
    removed: Vec<Key>,
    /// What was to be removed, whether it was there or left out.
    forgotten: Vec<Key>,
    added: HashMap<Key, Place>,
    /// What stays left out.
    orphans: Vec<Input>,
    /// What the model warns of.
    warnings: Vec<Violation>,
    below: Option<Arc<Overlay>>,
}

impl Overlay {
    /// What the edits did to an object.
    fn find(&self, key: &Key) -> Edited<'_> {
        match (self.added.get(key), &self.below) {
            (Some(place), _) => Edited::Added(self.member, place),
            (None, _) if self.removed.contains(key) => Edited::Removed,
            (None, Some(below)) => below.find(key),
            (None, None) => Edited::Untouched,
        }
    }
}

/// What edits did to an object.
enum Edited<'o> {
    /// It is there, and this source owns it.
    Added(usize, &'o Place),
    Removed,
    Untouched,
}

/// What one source said, as a change to the model.
pub(crate) struct Draft {
    member: usize,
    /// Which of the batch's keys and inputs are its own.
    removed: Range<usize>,
    added: Range<usize>,
    parts: BTreeMap<PartId, Held>,
    gone: Vec<PartId>,
    removed_single: Vec<Key>,
    single: HashMap<Key, Place>,
    broken: Broken,
    problems: Vec<Problem>,
    /// Those of `problems` that are warnings of the model.
    warnings: Vec<Violation>,
    health: SourceHealth,
    as_of: Option<SystemTime>,
    orphans: Vec<Input>,
}

impl Draft {
    fn changes_nothing(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }

    fn numbered_warnings(&self) -> impl Iterator<Item = (usize, Violation)> + use<> {
        let member = self.member;
        self.warnings.clone().into_iter().map(move |violation| (member, violation))
    }
}

/// What all sources said at one time.
struct LoadBatch {
    removed: Vec<Key>,
    added: Vec<Input>,
    drafts: Vec<Draft>,
}

impl LoadBatch {
    fn new(readings: Vec<Reading>, listed: &[Member]) -> Self {
        let mut batch = Self { removed: Vec::new(), added: Vec::new(), drafts: Vec::new() };
        for (member, (reading, of)) in readings.into_iter().zip(listed).enumerate() {
            batch.add(member, reading, &of.holdings);
        }
        batch
    }

    fn add(&mut self, member: usize, reading: Reading, holdings: &Holdings) {
        let Reading { parts, gone, added, removed, problems, health, as_of } = reading;
        let (removed_from, added_from) = (self.removed.len(), self.added.len());
        for id in gone.iter().chain(parts.iter().map(|(id, _)| id)) {
            self.removed.extend(holdings.parts.get(id).into_iter().flat_map(Held::keys));
        }
        self.removed.extend(removed.iter().cloned());
        let mut draft = Draft {
            member,
            removed: removed_from..self.removed.len(),
            added: 0..0,
            parts: BTreeMap::new(),
            gone,
            removed_single: removed,
            single: added.iter().map(|input| (input.key(), input.place.clone())).collect(),
            broken: Broken { incomplete: problems.iter().any(Problem::is_error), ..Broken::default() },
            problems,
            warnings: Vec::new(),
            health,
            as_of,
            orphans: Vec::new(),
        };
        self.added.reserve_exact(added.len() + parts.iter().map(|(_, declared)| declared.inputs.len()).sum::<usize>());
        self.added.extend(added);
        for (id, declared) in parts {
            draft.parts.insert(id, Held::new(&declared.inputs, &declared.problems));
            draft.broken.ids.extend(declared.broken);
            draft.broken.incomplete |= declared.incomplete;
            draft.problems.extend(declared.problems);
            self.added.extend(declared.inputs);
        }
        draft.added = added_from..self.added.len();
        self.drafts.push(draft);
    }
}

impl Sources {
    /// These sources, with nothing loaded yet, for a server that listens on `own`: rules that forward there are refused.
    pub fn new(sources: Vec<Box<dyn Source>>, own: Vec<SocketAddr>) -> Self {
        let listed = sources.into_iter().map(|source| {
            let report = SourceReport {
                id: source.id(),
                origin: None,
                ready: false,
                last_good: None,
                problems: Vec::new(),
                health: SourceHealth::default(),
            };
            Member { source, holdings: Holdings::default(), report, orphans: Vec::new() }
        });
        Self {
            listed: listed.collect(),
            own,
            model: Model::default(),
            warnings: ModelWarnings::default(),
            started: false,
        }
    }

    /// The files below `dirs`, which have to be there, and no other source.
    pub fn of_files(dirs: Vec<PathBuf>) -> Self {
        Self::new(vec![Box::new(Files::new(dirs))], Vec::new())
    }

    /// With the names of the catalogue that the operator chose. To be called before the first load.
    #[must_use]
    pub fn with_names(self, names: CatalogueNames) -> Self {
        Self { model: Model::with_names(names), ..self }
    }

    /// How each source is.
    pub fn reports(&self) -> Vec<SourceReport> {
        self.listed.iter().map(|member| member.report.clone()).collect()
    }

    /// Has every source ask `trigger` for a load when it changes. To be called before the first load, so that no change
    /// after it is missed.
    pub fn watch(&mut self, trigger: &LoadTrigger) {
        self.listed.iter_mut().for_each(|member| member.source.watch(trigger.clone()));
    }

    /// Waits until what is there is complete: one source after another, for each no longer than `patience`.
    pub fn settle(&mut self, patience: Duration) {
        self.listed.iter_mut().for_each(|member| member.source.settle(patience));
    }

    /// Has the next load not trust what was told of changes: someone asks for what is there.
    pub fn doubt(&mut self) {
        self.listed.iter_mut().for_each(|member| member.source.doubt());
    }

    /// Reads what has changed since the last good load, and starts from it the next time if it is good.
    pub fn load(&mut self, progress: Progress<'_>) -> Loaded {
        let (loaded, taken) = self.read(progress);
        if let Some(model) = &loaded.model {
            self.take(model.clone(), taken);
        }
        loaded
    }

    /// Reads what has changed since the last good load, and makes the next model of it.
    ///
    /// Nothing is remembered of it until [`Sources::take`], but for how the sources are.
    pub(crate) fn read(&mut self, progress: Progress<'_>) -> (Loaded, Taken) {
        let mut readings: Vec<Reading> = self.listed.iter_mut().map(|member| member.source.read(progress)).collect();
        for (reading, member) in readings.iter_mut().zip(&self.listed) {
            // what they are in may be back
            reading.added.extend(member.orphans.iter().cloned());
        }
        let outlive: Vec<bool> = self.listed.iter().map(|member| member.source.outlives_others()).collect();
        let orphans = leave_out(&mut readings, &outlive, &self.model, &self.own);
        let files_read = readings.iter().flat_map(|reading| &reading.parts).map(|(_, declared)| declared.files).sum();
        let mut batch = LoadBatch::new(readings, &self.listed);
        let all: Vec<&Draft> = batch.drafts.iter().collect();
        let Applied { mut model, mut changes, violations } = self.attempt(&self.model, &batch, &all);
        let own = forwarding_to_ourselves(&batch.added, &self.own);
        Self::blame(&mut batch, violations.into_iter().chain(own).collect());
        let failed = batch.drafts.iter().any(Draft::has_errors);
        let busy = batch.drafts.iter().filter(|draft| !draft.changes_nothing() || draft.has_errors()).count();
        let mut taken: Vec<usize> = (0..batch.drafts.len()).collect();
        if failed {
            (model, changes, taken) =
                if self.started && busy > 1 { self.those_that_are_good(&mut batch) } else { Default::default() };
        }
        let LoadBatch { added, mut drafts, .. } = batch;
        for (draft, orphans) in drafts.iter_mut().zip(orphans) {
            draft.orphans = orphans;
        }
        let mut problems: Vec<Problem> = Vec::new();
        let new: Vec<(usize, Violation)> = drafts.iter().flat_map(Draft::numbered_warnings).collect();
        let next_model = model.as_ref().unwrap_or(&self.model);
        let still: Vec<(usize, Problem)> = (self.warnings)
            .still(&new, next_model, &|key| self.place_of(key))
            .map(|(member, violation)| (member, violation.into()))
            .collect();
        for draft in &drafts {
            let Some(member) = self.listed.get_mut(draft.member) else { continue };
            member.report.ready = member.source.is_ready();
            member.report.origin = member.source.origin();
            let is_as_it_was = |id: &PartId| !draft.gone.contains(id) && !draft.parts.contains_key(id);
            let kept =
                member.holdings.parts.iter().filter(|(id, _)| is_as_it_was(id)).flat_map(|(_, held)| &held.problems);
            let still = still.iter().filter(|(of, _)| *of == draft.member).map(|(_, problem)| problem);
            member.report.problems = draft.problems.iter().chain(kept).chain(still).cloned().collect();
            member.report.health = draft.health;
            if draft.changes_nothing() && !draft.has_errors() {
                member.report.last_good = Some(draft.as_of.unwrap_or_else(SystemTime::now));
            }
            problems.extend(member.report.problems.iter().cloned());
        }
        problems.sort();
        problems.dedup();
        if added.len() > LARGE {
            drop(added);
            crate::memory::give_back();
        }
        let taken = drafts.into_iter().filter(|draft| taken.contains(&draft.member)).collect();
        (Loaded { model, changes, problems, files_read }, Taken::Load(taken))
    }

    /// The next model if the source `id` had these parts and no others. Nothing is remembered of it. Fails with all that
    /// keeps it from being served.
    pub(crate) fn what_if(
        &self,
        id: &SourceId,
        parts: Vec<(PartId, Declared)>,
    ) -> Result<(Model, Changes), Vec<Problem>> {
        let mut parts = Some(parts);
        let readings = self.listed.iter().map(|member| {
            let added = member.orphans.clone();
            let Some(parts) = (member.report.id == *id).then(|| parts.take()).flatten() else {
                return Reading { added, ..Reading::default() };
            };
            let read: HashSet<&PartId> = parts.iter().map(|(id, _)| id).collect();
            let gone = member.holdings.parts.keys().filter(|id| !read.contains(id)).cloned().collect();
            Reading { parts, gone, added, ..Reading::default() }
        });
        let mut readings: Vec<Reading> = readings.collect();
        let outlive: Vec<bool> = self.listed.iter().map(|member| member.source.outlives_others()).collect();
        leave_out(&mut readings, &outlive, &self.model, &self.own);
        let mut batch = LoadBatch::new(readings, &self.listed);
        let Applied { model, changes, violations } =
            self.attempt(&self.model, &batch, &batch.drafts.iter().collect::<Vec<_>>());
        let own = forwarding_to_ourselves(&batch.added, &self.own);
        Self::blame(&mut batch, violations.into_iter().chain(own).collect());
        let is_good = !batch.drafts.iter().any(Draft::has_errors);
        model.filter(|_| is_good).map(|model| (model, changes)).ok_or_else(|| {
            let mut problems: Vec<Problem> = batch.drafts.into_iter().flat_map(|draft| draft.problems).collect();
            problems.sort();
            problems.dedup();
            problems
        })
    }

    /// The model after `drafts`; `now` says what of the batch is applied to `base`.
    fn attempt(&self, base: &Model, batch: &LoadBatch, drafts: &[&Draft]) -> Applied {
        let mut broken = Broken::default();
        for draft in drafts {
            broken.ids.extend(draft.broken.ids.iter().cloned());
            broken.incomplete |= draft.broken.incomplete;
        }
        let places = self.places(drafts);
        base.apply(&batch.removed, &batch.added, &broken, &|key| places.find(key))
    }

    /// Where everything is once `drafts` are taken over. What was not read again comes first: of an object that is
    /// declared twice, that is the other place.
    fn places<'h>(&'h self, drafts: &[&'h Draft]) -> Places<'h> {
        let (mut parts, mut single) = (Vec::new(), Vec::new());
        for (number, member) in self.listed.iter().enumerate() {
            let draft = drafts.iter().find(|draft| draft.member == number);
            let reread = |id: &PartId| draft.is_some_and(|d| d.gone.contains(id) || d.parts.contains_key(id));
            parts.extend(member.holdings.parts.iter().filter(|(id, _)| !reread(id)).map(|(_, held)| held));
            single.push((&member.holdings.single, draft.map_or(&[][..], |draft| draft.removed_single.as_slice())));
        }
        for draft in drafts {
            parts.extend(draft.parts.values());
            single.push((&draft.single, &[][..]));
        }
        Places::new(parts, single)
    }

    /// Each source by itself, after one of several was found to have errors: those that are good go on.
    fn those_that_are_good(&self, batch: &mut LoadBatch) -> (Option<Model>, Changes, Vec<usize>) {
        let (mut model, mut changes, mut taken) = (self.model.clone(), Changes::default(), Vec::new());
        for number in 0..batch.drafts.len() {
            let Some(draft) = batch.drafts.get(number).filter(|draft| !draft.has_errors()) else { continue };
            let mut so_far: Vec<&Draft> = batch.drafts.iter().filter(|d| taken.contains(&d.member)).collect();
            so_far.push(draft);
            let places = self.places(&so_far);
            let (removed, added) = (batch.removed.get(draft.removed.clone()), batch.added.get(draft.added.clone()));
            let (removed, added) = (removed.unwrap_or_default(), added.unwrap_or_default());
            let applied = model.apply(removed, added, &draft.broken, &|key| places.find(key));
            if let Some(next) = applied.model {
                model = next;
                changes.merge(applied.changes);
                taken.push(number);
            } else if let Some(draft) = batch.drafts.get_mut(number) {
                draft.problems.extend(violations_in_words(applied.violations));
            }
        }
        let any = batch.drafts.iter().any(|draft| taken.contains(&draft.member) && !draft.changes_nothing());
        (any.then_some(model), changes, taken)
    }

    /// Gives each problem of the model to the source in whose text it is, else to the first that changed anything.
    fn blame(batch: &mut LoadBatch, violations: Vec<Violation>) {
        let mut problems: Vec<(Problem, Violation)> =
            violations.into_iter().map(|violation| (Problem::from(violation.clone()), violation)).collect();
        problems.sort_by(|(a, _), (b, _)| a.cmp(b));
        problems.dedup_by(|(a, _), (b, _)| a == b);
        let several = batch.drafts.len() > 1 && !problems.is_empty();
        let files: Vec<HashSet<FileName>> = batch
            .drafts
            .iter()
            .map(|draft| {
                let inputs = batch.added.get(draft.added.clone()).filter(|_| several).unwrap_or_default();
                inputs.iter().map(|input| input.place.file.clone()).collect()
            })
            .collect();
        let first = batch.drafts.iter().position(|draft| !draft.changes_nothing()).unwrap_or_default();
        for (problem, violation) in problems {
            let at = files.iter().position(|files| files.contains(&problem.place.file)).unwrap_or(first);
            if let Some(draft) = batch.drafts.get_mut(at) {
                draft.problems.push(problem);
                draft.warnings.extend((!violation.is_error()).then_some(violation));
            }
        }
    }

    /// Starts from `model` from now on, and remembers where what is new in it is written.
    pub(crate) fn take(&mut self, model: Model, taken: Taken) {
        let now = SystemTime::now();
        match taken {
            Taken::Load(drafts) => {
                let new = drafts.iter().flat_map(Draft::numbered_warnings).collect();
                self.warnings = self.warnings.next(new, &model, &|key| self.place_of(key));
                for draft in drafts {
                    let Some(member) = self.listed.get_mut(draft.member) else { continue };
                    member.holdings.parts.retain(|id, _| !draft.gone.contains(id));
                    member.holdings.parts.extend(draft.parts);
                    for key in &draft.removed_single {
                        member.holdings.single.remove(key);
                    }
                    member.holdings.single.extend(draft.single);
                    member.orphans = draft.orphans;
                    member.report.last_good = Some(draft.as_of.unwrap_or(now));
                    member.source.taken();
                }
            }
            Taken::Edit(overlay) => {
                self.warnings.add(overlay.member, &overlay.warnings);
                if let Some(member) = self.listed.get_mut(overlay.member) {
                    member.orphans.retain(|orphan| !overlay.forgotten.contains(&orphan.key()));
                    member.orphans.extend(overlay.orphans.iter().cloned());
                    for key in &overlay.removed {
                        member.holdings.single.remove(key);
                    }
                    member
                        .holdings
                        .single
                        .extend(overlay.added.iter().map(|(key, place)| (key.clone(), place.clone())));
                    member.report.last_good = Some(now);
                }
            }
        }
        self.started = true;
        self.model = model;
    }

    /// Where an object was written: a file and line, or what else its source says. `None`: it is not there.
    pub fn place_of(&self, key: &Key) -> Option<Place> {
        self.places(&[]).find(key)
    }

    /// The next model out of an edit, over `base` and the edits of `overlay` that led to it; nothing is taken over.
    ///
    /// Fails with the rules that it breaks; with none if there is no such source.
    pub(crate) fn edit(
        &self,
        base: Option<&Model>,
        overlay: Option<&Arc<Overlay>>,
        edit: &SourceEdit,
    ) -> Result<(Model, Changes, Vec<Problem>, Taken), Vec<Violation>> {
        let Some(member) = self.listed.iter().position(|member| member.report.id == edit.source) else {
            return Err(Vec::new());
        };
        let places = self.places(&[]);
        let edited = |key: &Key| overlay.map_or(Edited::Untouched, |overlay| overlay.find(key));
        let place_of = |key: &Key| match edited(key) {
            Edited::Added(_, place) => Some(place.clone()),
            Edited::Removed => None,
            Edited::Untouched => places.find(key),
        };
        let single = self.listed.get(member).map(|member| &member.holdings.single);
        let is_own = |key: &&Key| match edited(key) {
            Edited::Added(owner, _) => owner == member,
            Edited::Removed => false,
            Edited::Untouched => single.is_some_and(|single| single.contains_key(*key)),
        };
        let removed: Vec<Key> = edit.removed.iter().filter(is_own).cloned().collect();
        let base = base.unwrap_or(&self.model);
        let (mut added, mut orphans) = (Cow::Borrowed(&edit.added), Vec::new());
        if let Some(known) = self.listed.get(member).map(|member| &member.orphans).filter(|known| !known.is_empty()) {
            let (others, left_out) = still_left_out(&edit.added, known, base, &self.own);
            (added, orphans) = (Cow::Owned(others), left_out);
        }
        let own = forwarding_to_ourselves(&added, &self.own);
        if !own.is_empty() {
            return Err(own);
        }
        let Applied { model, changes, violations } = base.apply(&removed, &added, &Broken::default(), &place_of);
        let Some(model) = model else { return Err(violations) };
        let added = added.iter().map(|input| (input.key(), input.place.clone())).collect();
        let forgotten = edit.removed.clone();
        let overlay = Overlay {
            member,
            removed,
            forgotten,
            added,
            orphans,
            warnings: violations.clone(),
            below: overlay.cloned(),
        };
        Ok((model, changes, violations_in_words(violations), Taken::Edit(Arc::new(overlay))))
    }
}
