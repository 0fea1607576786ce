//! The only writer of the snapshot (invariant I2): `prepare`, then the caller makes it durable, then `publish`.
//!
//! ```text
//! prepare_load            what sources say now    -> Prepared
//! prepare(None, &a)       an edit                 -> Prepared a
//! prepare(Some(&a), &b)   an edit on top of it    -> Prepared b
//!   (the caller makes a and b durable, in one commit if it likes)
//! publish(a), publish(b)  in the order in which they were prepared
//! ```
//!
//! Preparing checks everything and changes nothing. A `Prepared` that is dropped has never been (invariant I5).

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::forward::cache::Cache;
use crate::model::{Changes, Key, Model, Violation};
use crate::naming::VpcId;
use crate::observe::{LoadReport, Status};
use crate::problem::{Place, Problem};
use crate::served::{ServedSnapshot, SnapshotWriter};
use crate::snapshot::{Drill, Policy, Snapshot};
use crate::source::{Declared, Files, Overlay, PartId, Progress, SourceEdit, Sources, Taken};

/// Most objects that a change may replace for the snapshot before it to be kept: what it has for itself is then at most about
/// 300 octets times this, and comparing the two takes seconds at most.
const MOST_KEPT: usize = 10_000;

/// Publishes snapshots. Whoever changes anything holds it for the whole of the change.
pub struct Publisher {
    sources: Sources,
    snapshots: SnapshotWriter,
    status: Arc<Status>,
    /// Opens the listeners of a model, all or none.
    opener: Option<Opener>,
    /// What others said about names that a snapshot may take or give back.
    cache: Option<Arc<Cache>>,
    /// Old snapshots that someone still held when they were replaced.
    retired: Vec<Arc<Snapshot>>,
    /// The version that is served: that of the last `Prepared` that was published.
    version: u64,
    /// The version of the `Prepared` that comes next.
    next_version: u64,
}

/// Makes the listeners of a model those that are open; the problems say which cannot be, and nothing has changed then.
pub type Opener = Box<dyn FnMut(&Model) -> Vec<Problem> + Send>;

/// A change that has been checked and can be published.
#[must_use = "a change is served once it is published"]
pub struct Prepared {
    version: u64,
    /// The version on top of which it may be published, and no other.
    base: u64,
    model: Model,
    changes: Changes,
    /// Warnings of the load that made it.
    problems: Vec<Problem>,
    taken: Taken,
    began: Instant,
}

impl Prepared {
    /// The model that will be served.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is new in it.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    fn overlay(&self) -> Option<&Arc<Overlay>> {
        match &self.taken {
            Taken::Edit(overlay) => Some(overlay),
            Taken::Load(_) => None,
        }
    }
}

/// A [`Prepared`] was to be published over something else than it was prepared for. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another change was published since this one was prepared")]
pub struct OutOfOrder;

/// What a load or an edit did to what is being served.
pub struct Published {
    /// What changed; empty if nothing did, or if nothing was published.
    pub changes: Changes,
    /// The generation being served.
    pub generation: u64,
    /// How long reading, checking and publishing took.
    pub took: Duration,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

impl Published {
    /// Whether the load was good.
    pub fn is_good(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}

impl Publisher {
    /// The first load. Problems alone if it has errors: a server does not start on half of what it was told.
    pub fn start(
        mut sources: Sources,
        policy: Policy,
        progress: Progress<'_>,
    ) -> Result<(Self, Published), Vec<Problem>> {
        let began = Instant::now();
        let read = sources.load(progress);
        let Some(model) = read.model else { return Err(read.problems) };
        let snapshots = SnapshotWriter::new(Snapshot::compile(model, policy, 1));
        let status = Arc::new(Status::default());
        let publisher = Self {
            sources,
            snapshots,
            status,
            opener: None,
            cache: None,
            retired: Vec::new(),
            version: 0,
            next_version: 1,
        };
        let first = publisher.report(began, read.changes, read.problems);
        Ok((publisher, first))
    }

    /// Has `cache` forget what others said about names that change hands, from now on.
    pub fn invalidates(&mut self, cache: Arc<Cache>) {
        self.cache = Some(cache);
    }

    /// Has `opener` open the listeners of every model, from now on.
    pub fn opens(&mut self, opener: Opener) {
        self.opener = Some(opener);
    }

    /// Opens the listeners of what was prepared: sockets come first, as a model whose listeners cannot be opened is not
    /// served. The problems say why not, and nothing has changed then.
    pub fn open(&mut self, prepared: &Prepared) -> Vec<Problem> {
        let Some(opener) = self.opener.as_mut().filter(|_| prepared.changes.vpcs) else { return Vec::new() };
        opener(&prepared.model)
    }

    /// Has the listeners be those of what is served, after [`Publisher::open`] for a change that is given up.
    pub fn close(&mut self, given_up: &Prepared) {
        let snapshot = self.snapshots.served().load_full();
        if let Some(opener) = self.opener.as_mut().filter(|_| given_up.changes.vpcs) {
            opener(&snapshot.model);
        }
    }

    /// Reads again what has changed in the sources. If it has errors, everything stays as it is.
    pub fn prepare_load(&mut self) -> Result<Prepared, Box<Published>> {
        let began = Instant::now();
        // whatever a source does, what is served stays (invariant I5)
        let sources = &mut self.sources;
        let read = panic::catch_unwind(AssertUnwindSafe(|| sources.read(&|_, _| {})));
        let (loaded, taken) = match read {
            Ok(read) => read,
            Err(panic) => return Err(Box::new(self.refuse(began, vec![internal(&*panic)]))),
        };
        let Some(model) = loaded.model else { return Err(Box::new(self.refuse(began, loaded.problems))) };
        let version = self.new_version();
        let (changes, problems) = (loaded.changes, loaded.problems);
        Ok(Prepared { version, base: self.version, model, changes, problems, taken, began })
    }

    /// Gives a good load up for what is wrong with serving it, such as a listener that cannot be opened.
    pub fn give_up(&self, load: Prepared, mut problems: Vec<Problem>) -> Published {
        problems.extend(load.problems);
        self.refuse(load.began, problems)
    }

    /// Checks an edit, on top of `after` where that is prepared and not published yet. An edit with errors changes
    /// nothing, and says nothing about the state of its source: readiness stays as it was.
    pub fn prepare(&mut self, after: Option<&Prepared>, edit: &SourceEdit) -> Result<Prepared, Vec<Violation>> {
        let began = Instant::now();
        let overlay = after.and_then(Prepared::overlay);
        let (model, changes, problems, taken) = self.sources.edit(after.map(Prepared::model), overlay, edit)?;
        let base = after.map_or(self.version, |after| after.version);
        Ok(Prepared { version: self.new_version(), base, model, changes, problems, taken, began })
    }

    /// What is served, and what would be if the files were these and all else stayed. Nothing is published or remembered.
    /// Fails with all that would keep them from being served.
    pub fn what_if(&self, files: Vec<(PartId, Declared)>) -> Result<(Arc<Snapshot>, Snapshot), Vec<Problem>> {
        let (model, changes) = self.sources.what_if(&Files::usual_id(), files)?;
        let served = self.snapshots.served().load_full();
        let next = served.next(model, &changes);
        Ok((served, next))
    }

    /// Serves what was prepared, from here on. Fails if anything else was published since, other than what it was
    /// prepared on top of.
    pub fn publish(&mut self, prepared: Prepared) -> Result<Published, OutOfOrder> {
        let Prepared { version, base, model, changes, mut problems, taken, began } = prepared;
        if base != self.version {
            return Err(OutOfOrder);
        }
        // the sources follow: should laying out what is served fail, both are as they were
        let lost = if changes.is_empty() { Vec::new() } else { self.swap(model.clone(), &changes) };
        self.version = version;
        self.sources.take(model, taken);
        problems.extend(lost.into_iter().map(|(vpc, count)| self.lost_addresses(vpc, count)));
        self.status.set_sources(self.sources.reports());
        let generation = self.snapshots.served().load().generation;
        Ok(Published { changes, generation, took: began.elapsed(), problems })
    }

    /// Serves what is served, while these drills run and no others. What is prepared stays good: the model is the same.
    pub fn publish_drills(&mut self, drills: &[Drill]) {
        let current = self.snapshots.served().load_full();
        let next = current.with_drills(drills);
        drop(current);
        let before = self.snapshots.replace(next);
        self.retire([before]);
    }

    /// Serves a load, and takes note of how it went.
    pub fn publish_load(&mut self, load: Prepared) -> Published {
        let began = load.began;
        let published = panic::catch_unwind(AssertUnwindSafe(|| self.publish(load)));
        let published = match published {
            Ok(published) => published,
            Err(panic) => return self.refuse(began, vec![internal(&*panic)]),
        };
        match published {
            Ok(published) => {
                // a load may have replaced everything: its memory is worth a short wait
                for _ in 0..50 {
                    if self.free_retired() {
                        break;
                    }
                    std::thread::sleep(Duration::from_micros(100));
                }
                self.report(began, published.changes, published.problems)
            }
            Err(error) => {
                self.refuse(began, vec![Problem::error(Place::whole("vpcedns"), error.to_string(), "load again")])
            }
        }
    }

    /// Serves the snapshot of a model. Returns the VPCs that have fewer clients by their blocks now, with how many addresses fewer.
    fn swap(&mut self, model: Model, changes: &Changes) -> Vec<(VpcId, u128)> {
        let current = self.snapshots.served().load_full();
        let next = current.next(model, changes);
        if let Some(cache) = &self.cache {
            // before the snapshot is there: whoever sees it sees nothing from before
            cache.forget_below(&current.changed_hands(&next, changes));
        }
        let lost = current.lost_addresses(&next);
        drop(current);
        let before = self.snapshots.replace(next);
        let (kept, gone) = if changes.count() <= MOST_KEPT { (Some(before), None) } else { (None, Some(before)) };
        let no_more_kept = self.snapshots.keep(kept);
        self.retire(gone.into_iter().chain(no_more_kept));
        lost
    }

    /// Whoever holds an old one last frees it; that is done here and not by a thread that answers.
    fn retire(&mut self, old: impl IntoIterator<Item = Arc<Snapshot>>) {
        self.retired.extend(old);
        self.free_retired();
    }

    fn lost_addresses(&self, vpc: VpcId, count: u128) -> Problem {
        let place = self.place_of(&Key::Vpc(vpc)).unwrap_or_else(|| Place::whole(vpc.to_string()));
        let what = format!("the load takes {count} addresses from {vpc}: other VPCs have their blocks too");
        let hint = format!("give {vpc} `listeners`, or `clients` with the networks that are its own");
        Problem::warning(place, what, hint)
    }

    /// Frees the old snapshots that nobody else holds; whether none is left.
    fn free_retired(&mut self) -> bool {
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        self.retired.is_empty()
    }

    fn new_version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version - 1
    }

    /// The snapshots, for readers.
    pub fn snapshots(&self) -> &ServedSnapshot {
        self.snapshots.served()
    }

    /// How loads went, for readers.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Has the next load not trust what was told of changes: someone asks for what is there.
    pub fn doubt(&mut self) {
        self.sources.doubt();
    }

    /// Where an object was written: a file and line, or what else its source says. `None`: it is not there.
    pub fn place_of(&self, key: &Key) -> Option<Place> {
        self.sources.place_of(key)
    }

    fn refuse(&self, began: Instant, problems: Vec<Problem>) -> Published {
        self.report(began, Changes::default(), problems)
    }

    fn report(&self, began: Instant, changes: Changes, mut problems: Vec<Problem>) -> Published {
        problems.sort();
        let took = began.elapsed();
        self.status.set_sources(self.sources.reports());
        self.status.loaded(LoadReport { at: SystemTime::now(), took, problems: problems.clone() });
        Published { changes, generation: self.snapshots.served().load().generation, took, problems }
    }
}

/// A fault of our own, in words.
fn internal(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    let hint = "what was served keeps serving; please report this, with the files that were read";
    Problem::error(Place::whole("vpcedns"), format!("internal error in the load: {text}"), hint)
}

/// `+2 endpoints, ~1, -3, 4 other objects`: what changed, for people.
pub fn describe(changes: &Changes) -> String {
    let mut parts = Vec::new();
    let endpoints = [('+', changes.added), ('~', changes.changed), ('-', changes.removed)];
    for (sign, count) in endpoints.into_iter().filter(|(_, count)| *count > 0) {
        let noun = match (parts.is_empty(), count) {
            (false, _) => "",
            (true, 1) => " endpoint",
            (true, _) => " endpoints",
        };
        parts.push(format!("{sign}{count}{noun}"));
    }
    if changes.others > 0 {
        parts.push(format!("{} other object{}", changes.others, if changes.others == 1 { "" } else { "s" }));
    }
    if parts.is_empty() { "no change".to_owned() } else { parts.join(", ") }
}
