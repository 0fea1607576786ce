//! An account that is followed, as a source: it says how its rounds go. The objects are in its directory, and the source
//! that reads the directories of all accounts declares them, since ids of one account refer to objects of another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as RuntimeHandle;

use super::follow::{Followed, Rounds, follow};
use crate::problem::{Place, Problem};
use crate::source::{LoadTrigger, Progress, Reading, Source, SourceHealth, SourceId};

/// The rounds of one account.
pub struct RoundsSource {
    id: SourceId,
    dir: PathBuf,
    rounds: Arc<Rounds>,
    /// Until it is told whom to tell of changes.
    waiting: Option<(Followed, RuntimeHandle)>,
}

impl RoundsSource {
    /// Rounds that begin, in `runtime`, when the source is watched.
    pub fn new(followed: Followed, runtime: RuntimeHandle) -> Self {
        let rounds = Arc::new(Rounds::new(&followed.dir));
        Self { id: followed.id.clone(), dir: followed.dir.clone(), rounds, waiting: Some((followed, runtime)) }
    }

    /// Where its outputs are kept.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How its rounds go.
    pub fn rounds(&self) -> &Arc<Rounds> {
        &self.rounds
    }
}

impl Source for RoundsSource {
    fn id(&self) -> SourceId {
        self.id.clone()
    }

    fn read(&mut self, _: Progress<'_>) -> Reading {
        let (as_of, behind, mut problems) = (self.rounds.as_of(), self.rounds.is_behind(), self.rounds.problems());
        if as_of.is_none() {
            // there is no last good to serve
            let what = problems.pop().map_or_else(|| "not read yet".to_owned(), |problem| problem.what);
            let hint = "`vpcedns sync --print-policy` prints what has to be allowed";
            problems = vec![Problem::error(Place::whole(self.id.to_string()), what, hint)];
        }
        let health = SourceHealth { behind, ..SourceHealth::default() };
        Reading { problems, health, as_of, ..Reading::default() }
    }

    fn is_ready(&self) -> bool {
        self.rounds.as_of().is_some()
    }

    fn origin(&self) -> Option<String> {
        self.rounds.origin()
    }

    fn watch(&mut self, trigger: LoadTrigger) {
        if let Some((followed, runtime)) = self.waiting.take() {
            runtime.spawn(follow(followed, Arc::clone(&self.rounds), trigger));
        }
    }

    /// However long it takes: a server that knows nothing of an account would send its private names to others.
    fn settle(&mut self, _: Duration) {
        self.rounds.wait_for_first();
    }
}
