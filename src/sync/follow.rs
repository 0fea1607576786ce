//! An account that is followed: round after round, each kept in a directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::caution::Caution;
use super::client::{AwsClient, SharedClient};
use super::directory::{FILE, WriteOutcome, of_another, outputs, write};
use super::fetch::{FetchMemory, Fetched, Fetching, fetch_changes};
use super::zones::{ZoneBook, ZoneSnapshot};
use crate::naming::Region;
use crate::problem::{Place, Problem, count};
use crate::source::{FileStamp, LoadRequest, LoadTrigger, SourceId};

/// After a round in which something was missing, the next one comes so soon.
const CONFIRM: Duration = Duration::from_secs(2);

/// The first round waits so long for hosted zones: at Route 53's pace many take longer, and the others come later.
const FIRST_ZONES: Duration = Duration::from_secs(30);

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
    pub client: SharedClient,
}

/// How the rounds of an account go; shared by the task that makes them and all who are told.
#[derive(Debug)]
pub struct Rounds {
    told: Mutex<RoundsTold>,
    first: Condvar,
    wake: Notify,
    wake_zones: Notify,
    zones: OnceLock<Arc<ZoneBook>>,
}

#[derive(Debug, Default)]
struct RoundsTold {
    /// Rounds so far: good ones, failed ones, and those that were held back.
    counts: [u64; 3],
    /// When what is kept was so.
    as_of: Option<SystemTime>,
    /// Whose outputs are kept: `111122223333/eu-west-1`.
    origin: Option<String>,
    /// What is wrong with the last round.
    problems: Vec<Problem>,
    /// What became of the last round, as a place in [`ROUND_OUTCOMES`].
    last: Option<usize>,
    /// The next round is to be believed.
    accept: bool,
    /// Somebody asked for the next round.
    asked: bool,
}

/// What became of a round, in the order of their counts.
pub const ROUND_OUTCOMES: [&str; 3] = ["good", "failed", "held"];
const GOOD: usize = 0;
const FAILED: usize = 1;
const HELD: usize = 2;

impl Rounds {
    /// Before the first round; what `dir` holds is from an earlier process.
    pub(super) fn new(dir: &Path) -> Self {
        let kept = newest_kept(dir);
        let origin = kept.as_ref().and_then(|(home, _)| origin(home));
        let told = RoundsTold { as_of: kept.map(|(_, since)| since), origin, ..RoundsTold::default() };
        let (wake, wake_zones) = (Notify::new(), Notify::new());
        Self { told: Mutex::new(told), first: Condvar::new(), wake, wake_zones, zones: OnceLock::new() }
    }

    /// Has a round begin now; with `accept` it is believed, however little it finds.
    pub fn begin(&self, accept: bool) {
        let mut told = self.lock();
        told.accept |= accept;
        told.asked = true;
        drop(told);
        self.wake.notify_one();
        self.wake_zones.notify_one();
    }

    /// When the hosted zone was read that was read first; `None`: there is none.
    pub fn zones_as_of(&self) -> Option<SystemTime> {
        self.zones.get()?.oldest()
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

    /// Whose outputs are kept.
    pub(super) fn origin(&self) -> Option<String> {
        self.lock().origin.clone()
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

/// The directory of the outputs that were kept last in `dir`, and their time.
fn newest_kept(dir: &Path) -> Option<(PathBuf, SystemTime)> {
    let homes = fs::read_dir(dir).ok()?.filter_map(Result::ok);
    let kept =
        homes.filter_map(|home| Some((home.path(), fs::metadata(home.path().join(FILE)).ok()?.modified().ok()?)));
    kept.max_by_key(|(_, since)| *since)
}

/// Whose outputs a directory has, by its name.
fn origin(home: &Path) -> Option<String> {
    let (account, region) = home.file_name()?.to_str()?.split_once('-')?;
    Some(format!("{account}/{region}"))
}

/// Makes rounds for ever, and has `trigger` ask for a load after each.
pub(super) async fn follow(followed: Followed, rounds: Arc<Rounds>, trigger: LoadTrigger) {
    let (id, every) = (followed.id.clone(), followed.every);
    info!("{id}: reading {} every {} s", followed.what.region, every.as_secs());
    let mut maker = RoundMaker::new(followed, Arc::clone(&rounds));
    loop {
        let (accepts, is_asked) = {
            let mut told = rounds.lock();
            (std::mem::take(&mut told.accept), std::mem::take(&mut told.asked))
        };
        if is_asked {
            maker.memory.seldom.forget_age();
        }
        let (outcome, problems, pause) = match maker.round(accepts).await {
            Ok(round) => {
                let outcome = if round.is_held { HELD } else { GOOD };
                (outcome, round.problems.clone(), if round.unconfirmed > 0 { CONFIRM.min(every) } else { every })
            }
            Err(why) => {
                let hint =
                    "what was read before is served; `vpcedns sync --print-policy` prints what has to be allowed";
                let problem = Problem::warning(Place::whole(id.to_string()), format!("not read: {why}"), hint);
                (FAILED, vec![problem], every)
            }
        };
        rounds.end(outcome, problems);
        trigger.send(LoadRequest::Changed);
        tokio::select! {
            () = sleep(jittered(pause)) => {}
            () = rounds.wake.notified() => {}
        }
    }
}

/// Who makes the rounds, and what is remembered between two of them.
struct RoundMaker {
    followed: Followed,
    zones: ZoneReader,
    memory: FetchMemory,
    caution: Caution,
    /// The last round that was written down or held back.
    kept: Option<KeptRound>,
}

/// Hosted zones as they are known, and who reads them.
struct ZoneReader {
    region: Region,
    every: Duration,
    rounds: Arc<Rounds>,
    book: Arc<ZoneBook>,
    task: JoinSet<()>,
}

impl RoundMaker {
    fn new(followed: Followed, rounds: Arc<Rounds>) -> Self {
        let outputs = outputs(&followed.dir);
        let memory = FetchMemory::of_outputs(&outputs);
        let new_book = || Arc::new(ZoneBook::of_outputs(followed.what.hosted_zones, &outputs));
        let book = Arc::clone(rounds.zones.get_or_init(new_book));
        let (region, every) = (followed.what.region.clone(), followed.every);
        let zones = ZoneReader { region, every, rounds, book, task: JoinSet::new() };
        Self { followed, zones, memory, caution: Caution::of_rounds(), kept: None }
    }

    /// Reads the account, and keeps what it says; with `accepts`, however little that is. A round that says what the last
    /// one said is as that one was.
    async fn round(&mut self, accepts: bool) -> Result<&KeptRound, String> {
        self.caution.accept(accepts);
        let client = self.followed.client.client()?;
        if !self.kept.as_ref().is_some_and(KeptRound::is_there) {
            self.memory.forget_last();
        }
        let zones = async |vpcs| self.zones.snapshot(&client, vpcs).await;
        if let Some(fetched) = fetch_changes(&client, &self.followed.what, &mut self.memory, zones).await? {
            let round = keep(&self.followed.dir, fetched, &mut self.caution, &self.followed.id)?;
            // objects take many times what their text does, and the next such round may be far
            crate::memory::give_back();
            if !round.is_held {
                self.zones.rounds.lock().origin = round.path.parent().and_then(origin);
            }
            if round.is_held || round.unconfirmed > 0 {
                self.memory.forget_last();
                self.memory.seldom.forget_age();
            } else {
                self.memory.was_taken_over();
            }
            self.kept = Some(round);
        }
        // `fetch_changes` finds no change only to what was kept
        self.kept.as_ref().ok_or_else(|| "nothing was read".to_owned())
    }
}

impl ZoneReader {
    /// The zones as they are known, of an account with these VPCs; from the first time on, they are read.
    async fn snapshot(&mut self, client: &Arc<AwsClient>, vpcs: BTreeSet<String>) -> ZoneSnapshot {
        let are_new = self.book.of_vpcs(vpcs);
        if self.task.is_empty() {
            let (client, region, book, rounds) =
                (Arc::clone(client), self.region.clone(), Arc::clone(&self.book), Arc::clone(&self.rounds));
            self.task.spawn(read_zones(client, region, book, rounds, self.every));
            if self.rounds.as_of().is_none() {
                // small accounts are whole from the first answer on
                let _ = timeout(FIRST_ZONES, self.book.wait_for_first_pass()).await;
            }
        } else if are_new {
            self.rounds.wake_zones.notify_one();
        }
        self.book.snapshot()
    }
}

/// Reads the zones of an account for ever, apart from its rounds.
async fn read_zones(
    client: Arc<AwsClient>,
    region: Region,
    zones: Arc<ZoneBook>,
    rounds: Arc<Rounds>,
    every: Duration,
) {
    loop {
        let pass = zones.read(&client, &region).await;
        if pass.changed {
            rounds.wake.notify_one();
        }
        tokio::select! {
            () = sleep(jittered(if pass.is_doubtful { CONFIRM.min(every) } else { every })) => {}
            () = rounds.wake_zones.notified() => {}
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
    /// How the file looked then.
    look: Option<FileStamp>,
    is_held: bool,
    unconfirmed: usize,
    problems: Vec<Problem>,
}

impl KeptRound {
    /// Whether its file is as it was left.
    fn is_there(&self) -> bool {
        self.look.is_some() && FileStamp::of(&self.path) == self.look
    }
}

/// Writes what was fetched into a directory that holds nothing else.
fn keep(dir: &Path, fetched: Fetched, caution: &mut Caution, id: &SourceId) -> Result<KeptRound, String> {
    let place = Place::whole(id.to_string());
    let mut problems: Vec<Problem> = Vec::new();
    for (kind, why) in &fetched.left_out {
        let hint = "what was read of them before is served; one that is denied is asked for again after an hour";
        problems.push(Problem::warning(place.clone(), format!("{kind} are left out: {why}"), hint));
    }
    for remark in &fetched.remarks {
        let hint = "names=given takes them as they are, names=derive derives all";
        problems.push(Problem::warning(place.clone(), remark.clone(), hint));
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
            problems.push(Problem::warning(place, format!("{what}: not taken over"), hint));
        }
    }
    if written.unconfirmed > 0 {
        info!("{id}: {} missing; the next round decides", count(written.unconfirmed, "object"));
    }
    let look = FileStamp::of(&written.path);
    Ok(KeptRound { path: written.path, look, is_held, unconfirmed: written.unconfirmed, problems })
}

/// Up to a tenth more or less: many servers do not ask at one time.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.9..=1.1))
}
