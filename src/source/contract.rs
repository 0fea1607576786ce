//! What a source is: something that objects come from.
//!
//! A source says what it declares now, in parts that are read and replaced as a whole, or object by object. It knows
//! nothing of other sources; [`super::Sources`] keeps what each of them owns, and makes one model of all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use crate::model::{Input, Key};
use crate::problem::{Problem, count};

/// The name of a source, for logs, metrics and readiness: `files`, `ec2-api`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// A name in lowercase letters, digits and hyphens, unique among the sources of a server.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that objects come from.
pub trait Source: Send {
    /// Its name.
    fn id(&self) -> SourceId;

    /// What differs from the last reading that was taken over. An error among the problems keeps the last good one.
    fn read(&mut self, progress: Progress<'_>) -> Reading;

    /// The last reading is being served from now on.
    fn taken(&mut self) {}

    /// False until it has said everything once; the server is not ready before that.
    fn is_ready(&self) -> bool {
        true
    }

    /// Whether its objects may outlive those of other sources that they are in: they are left out then, with a warning,
    /// and are no error.
    fn outlives_others(&self) -> bool {
        false
    }

    /// What it is that is read, for people: `111122223333/eu-west-1`. `None` where the name says it.
    fn origin(&self) -> Option<String> {
        None
    }

    /// Starts to ask `trigger` for a load when something changes. Readings say what will not be seen, and why.
    fn watch(&mut self, _trigger: LoadTrigger) {}

    /// Waits until what is there is complete, but no longer than `patience`. To be called before the first reading.
    fn settle(&mut self, _patience: Duration) {}

    /// Someone asks for what is there now: what has been told of changes is not trusted in the next reading.
    fn doubt(&mut self) {}
}

/// Told, while a source is read, how many of its files are done and how many there are.
pub type Progress<'p> = &'p (dyn Fn(usize, usize) + Sync);

/// What differs in a source.
#[derive(Debug, Default)]
pub struct Reading {
    /// Parts that were read, each with everything that it declares now; other parts are as before.
    pub parts: Vec<(PartId, Declared)>,
    /// Parts that have gone, with all their objects.
    pub gone: Vec<PartId>,
    /// Objects that come or change one by one.
    pub added: Vec<Input>,
    /// Objects that go; one that is both removed and added has changed.
    pub removed: Vec<Key>,
    /// What is wrong with the source as a whole. What its parts hold may then be incomplete.
    pub problems: Vec<Problem>,
    /// How changes of it are seen.
    pub health: SourceHealth,
    /// When it was so, where that was not now.
    pub as_of: Option<SystemTime>,
}

/// How changes of a source are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// Nobody tells of some changes: they are found late, by looking now and then, or not at all.
    pub untold: bool,
    /// Files that have been half written for 30 s or longer: their last complete content is served.
    pub half_written: usize,
    /// Changes so far that nobody told of, and that were found by looking.
    pub found_late: u64,
    /// What it says now cannot be read, or is not believed: what it said before is served, and nothing is wrong with that.
    pub behind: bool,
}

/// What is read, and replaced, as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartId {
    /// One file.
    File(PathBuf),
    /// Several things whose ids refer to each other.
    Set(&'static str),
}

/// What a part declares.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Every object without a problem of its own.
    pub inputs: Vec<Input>,
    /// Ids and names of objects that were declared but have errors, as written: references to them are not at fault.
    pub broken: Vec<String>,
    /// Something could not be read at all: what it declared is unknown, and so is whether a reference is at fault.
    pub incomplete: bool,
    /// Everything that is wrong, in the order of the text.
    pub problems: Vec<Problem>,
    /// How many files it was read from.
    pub files: usize,
}

/// How a source is, for readiness and metrics.
#[derive(Clone, Debug)]
pub struct SourceReport {
    /// Which source.
    pub id: SourceId,
    /// What it reads, where its name does not say it.
    pub origin: Option<String>,
    /// Whether it has said everything once.
    pub ready: bool,
    /// When what it said last was so: it was read then without an error, or changed.
    pub last_good: Option<SystemTime>,
    /// What was wrong when it was last read.
    pub problems: Vec<Problem>,
    /// How changes of it are seen.
    pub health: SourceHealth,
}

impl SourceReport {
    /// Whether what it says now is what is served.
    pub fn is_good(&self) -> bool {
        self.ready && !self.health.behind && !self.problems.iter().any(Problem::is_error)
    }

    /// Time since it was last good; `None`: it never was.
    pub fn age(&self) -> Option<Duration> {
        Some(self.last_good?.elapsed().unwrap_or_default())
    }
}

/// Warnings of a source that are shown one by one.
const SHOWN: usize = 10;

impl std::fmt::Display for SourceReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match (self.ready, self.is_good()) {
            (false, _) => "not read yet",
            (true, true) => "ready",
            (true, false) => "failing, the last good state is served",
        };
        write!(f, "{}: {state}", self.id)?;
        if let Some(age) = self.age() {
            write!(f, ", last good {} s ago", age.as_secs())?;
        }
        write!(f, ", {}", count(self.problems.len(), "problem"))?;
        if self.health.half_written > 0 {
            write!(f, ", {} half written for 30 s or longer", count(self.health.half_written, "file"))?;
        }
        if self.health.untold {
            write!(f, ", changes are found late or not at all")?;
        }
        // what does not keep it from being ready is said in full here
        self.problems.iter().filter(|problem| !problem.is_error()).take(SHOWN).try_for_each(|p| write!(f, "\n  {p}"))
    }
}

/// Why to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoadRequest {
    /// A source has changed.
    Changed,
    /// Someone asked for it.
    Asked,
    /// There will be no more.
    Stop,
}

/// Asks for a load, from any thread.
#[derive(Clone, Debug)]
pub struct LoadTrigger(Sender<LoadRequest>);

impl LoadTrigger {
    /// Asks for a load, or for the end.
    pub fn send(&self, request: LoadRequest) {
        // whoever has stopped loading needs no request
        let _ = self.0.send(request);
    }
}

/// The requests of all [`LoadTrigger`]s.
#[derive(Debug)]
pub struct LoadRequests(Receiver<LoadRequest>);

impl LoadRequests {
    /// A trigger, and the requests that it and its clones send.
    pub fn new() -> (LoadTrigger, Self) {
        let (sender, receiver) = channel();
        (LoadTrigger(sender), Self(receiver))
    }

    /// Waits for a request. Those that came meanwhile are one with it: the strongest counts.
    pub fn wait(&self) -> LoadRequest {
        // nobody is left who could ask
        let Ok(first) = self.0.recv() else { return LoadRequest::Stop };
        self.0.try_iter().fold(first, Ord::max)
    }
}
