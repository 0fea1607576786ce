//! An account that is followed: round after round, each kept in a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::info;

use super::caution::Caution;
use super::client::AwsClient;
use super::directory::{FILE, WriteOutcome, of_another, outputs, write};
use super::fetch::{FetchMemory, Fetched, Fetching, fetch_changes};
use crate::problem::{Place, Problem, count};
use crate::source::{FileStamp, LoadRequest, LoadTrigger, SourceId};

/// After a round in which something was missing, the next one comes so soon.
const CONFIRM: Duration = Duration::from_secs(2);

/// Makes a client; the text says why it cannot be.
pub type ClientMaker = Box<dyn Fn() -> Result<AwsClient, String> + Send + Sync>;

/// What is followed, and how.
pub struct Followed {
    /// The name of the source.
    pub id: SourceId,
    /// The region and the VPCs.
    pub what: Fetching,
    /// Where its outputs are kept, and those of nothing else.
    pub dir: PathBuf,
    /// Time between two rounds.
    pub every: Duration,
    /// Who asks.
    pub client: ClientMaker,
}

/// How the rounds of an account go; shared by the task that makes them and all who are told.
#[derive(Debug)]
pub struct Rounds {
    told: Mutex<RoundsTold>,
    first: Condvar,
    wake: Notify,
}

#[derive(Debug, Default)]
struct RoundsTold {
    /// Rounds so far: good ones, failed ones, and those that were held back.
    counts: [u64; 3],
    /// When what is kept was so.
    as_of: Option<SystemTime>,
    /// What is wrong with the last round.
    problems: Vec<Problem>,
    /// What became of the last round, as a place in [`ROUND_OUTCOMES`].
    last: Option<usize>,
    /// The next round is to be believed.
    accept: bool,
}

/// What became of a round, in the order of their counts.
pub const ROUND_OUTCOMES: [&str; 3] = ["good", "failed", "held"];
const GOOD: usize = 0;
const FAILED: usize = 1;
const HELD: usize = 2;

impl Rounds {
    /// Before the first round; what `dir` holds is from an earlier process.
    pub(super) fn new(dir: &Path) -> Self {
        let told = RoundsTold { as_of: kept_since(dir), ..RoundsTold::default() };
        Self { told: Mutex::new(told), first: Condvar::new(), wake: Notify::new() }
    }

    /// Has a round begin now; with `accept` it is believed, however little it finds.
    pub fn begin(&self, accept: bool) {
        self.lock().accept |= accept;
        self.wake.notify_one();
    }

    /// How many rounds there were of each of [`ROUND_OUTCOMES`].
    pub fn counts(&self) -> [u64; 3] {
        self.lock().counts
    }

    /// When what is kept was so; `None`: nothing is kept yet.
    pub(super) fn as_of(&self) -> Option<SystemTime> {
        self.lock().as_of
    }

    /// Whether the last round told nothing that is served.
    pub(super) fn is_behind(&self) -> bool {
        self.lock().last.is_some_and(|last| last != GOOD)
    }

    /// What is wrong with the last round.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.lock().problems.clone()
    }

    /// Waits for the end of the first round, if nothing is kept.
    pub(super) fn wait_for_first(&self) {
        let has_none = |told: &mut RoundsTold| told.as_of.is_none() && told.last.is_none();
        let _told = self.first.wait_while(self.lock(), has_none).unwrap_or_else(PoisonError::into_inner);
    }

    fn lock(&self) -> MutexGuard<'_, RoundsTold> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of the outputs that are kept in `dir`.
fn kept_since(dir: &Path) -> Option<SystemTime> {
    let homes = fs::read_dir(dir).ok()?.filter_map(Result::ok);
    homes.filter_map(|home| fs::metadata(home.path().join(FILE)).ok()?.modified().ok()).max()
}

/// Makes rounds for ever, and has `trigger` ask for a load after each.
pub(super) async fn follow(followed: Followed, rounds: Arc<Rounds>, trigger: LoadTrigger) {
    let Followed { id, what, dir, every, client: make } = followed;
    let (mut client, mut memory, mut caution) = (None, FetchMemory::of_outputs(&outputs(&dir)), Caution::of_rounds());
    // the outputs, as they looked when they were the same as what was read
    let mut kept: Option<(PathBuf, Option<FileStamp>)> = None;
    let place = Place::whole(id.to_string());
    let mut warnings = Vec::new();
    info!("{id}: reading {} every {} s", what.region, every.as_secs());
    loop {
        caution.accept(std::mem::take(&mut rounds.lock().accept));
        let round = async {
            let client = match &mut client {
                Some(client) => client,
                none => none.insert(make()?),
            };
            if kept.as_ref().is_none_or(|(path, look)| look.is_none() || FileStamp::of(path) != *look) {
                memory.forget_last();
            }
            let Some(fetched) = fetch_changes(client, &what, &mut memory).await? else {
                return Ok::<_, String>(None);
            };
            let round = keep(&dir, fetched, &mut caution, &place)?;
            // objects take many times what their text does, and the next such round may be far
            crate::memory::give_back();
            if round.is_held || round.unconfirmed > 0 {
                memory.forget_last();
            } else {
                memory.was_taken_over();
            }
            kept = Some((round.path.clone(), FileStamp::of(&round.path)));
            Ok(Some(round))
        };
        let next = match round.await {
            // as in the last round, whose problems are still those that there are
            Ok(None) => {
                rounds.end(GOOD, warnings.clone());
                every
            }
            Ok(Some(round)) => {
                let outcome = if round.is_held { HELD } else { GOOD };
                let pause = if round.unconfirmed > 0 { CONFIRM.min(every) } else { every };
                warnings.clone_from(&round.problems);
                rounds.end(outcome, round.problems);
                pause
            }
            Err(why) => {
                let hint =
                    "what was read before is served; `vpcedns sync --print-policy` prints what has to be allowed";
                rounds.end(FAILED, vec![Problem::warning(place.clone(), format!("not read: {why}"), hint)]);
                every
            }
        };
        trigger.send(LoadRequest::Changed);
        tokio::select! {
            () = sleep(jittered(next)) => {}
            () = rounds.wake.notified() => {}
        }
    }
}

impl Rounds {
    fn end(&self, outcome: usize, problems: Vec<Problem>) {
        let mut told = self.lock();
        if let Some(count) = told.counts.get_mut(outcome) {
            *count += 1;
        }
        if outcome == GOOD {
            told.as_of = Some(SystemTime::now());
        }
        told.problems = problems;
        told.last = Some(outcome);
        drop(told);
        self.first.notify_all();
    }
}

/// A round that was written down, or held back.
struct KeptRound {
    path: PathBuf,
    is_held: bool,
    unconfirmed: usize,
    problems: Vec<Problem>,
}

/// Writes what was fetched into a directory that holds nothing else.
fn keep(dir: &Path, fetched: Fetched, caution: &mut Caution, place: &Place) -> Result<KeptRound, String> {
    let mut problems: Vec<Problem> = Vec::new();
    for (kind, why) in &fetched.left_out {
        let hint = "what was read of them before is served; one that is denied is asked for again after an hour";
        problems.push(Problem::warning(place.clone(), format!("{kind} are left out: {why}"), hint));
    }
    let cannot = |error: std::io::Error| format!("{}: {error}", dir.display());
    if let Some(other) = of_another(dir, &fetched).map_err(cannot)? {
        return Err(format!(
            "the keys are those of account {}, and {} is kept: remove it if that is right",
            fetched.account,
            other.display()
        ));
    }
    let written = write(dir, fetched, caution).map_err(cannot)?;
    let mut is_held = false;
    match written.outcome {
        WriteOutcome::Written => info!("{}: written", written.path.display()),
        WriteOutcome::Unchanged => {}
        WriteOutcome::Held(what) => {
            is_held = true;
            let hint = "`vpcedns sync accept` takes it over, and so does the third round that says the same";
            problems.push(Problem::warning(place.clone(), format!("{what}: not taken over"), hint));
        }
    }
    if written.unconfirmed > 0 {
        info!("{}: {} missing; the next round decides", place.file, count(written.unconfirmed, "object"));
    }
    Ok(KeptRound { path: written.path, is_held, unconfirmed: written.unconfirmed, problems })
}

/// Up to a tenth more or less: many servers do not ask at one time.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.9..=1.1))
}
