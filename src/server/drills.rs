//! The drills of a server: begun and ended by request, and ended by a timer each. They are in memory alone, so that a restart
//! ends all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle as RuntimeHandle;
use tokio::task::AbortHandle;
use tracing::warn;

use crate::naming::ZoneName;
use crate::observe::{RunsDrills, WantedDrill};
use crate::problem::{Fault, nearest};
use crate::publish::Publisher;
use crate::snapshot::{Drill, DrillFault, DrillSet, Snapshot};

/// Drills that run at one time: each answer looks at all of them.
const MOST: usize = DrillSet::MOST;
/// VPCs and networks of one drill.
const MOST_LISTED: usize = 100;
/// A request waits so long for a load that is under way. A client of the control socket waits twice as long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks whether the load is done.
const BETWEEN: Duration = Duration::from_millis(5);

/// Who begins and ends drills.
pub(super) struct DrillBook {
    publisher: Arc<Mutex<Publisher>>,
    runtime: RuntimeHandle,
    /// Locked after the publisher, by all.
    running: Arc<Mutex<RunningDrills>>,
}

#[derive(Default)]
struct RunningDrills {
    /// Those that run, and what ends each.
    drills: Vec<(Drill, AbortHandle)>,
    /// The number of the last one.
    last: u32,
}

impl RunningDrills {
    fn drills(&self) -> Vec<Drill> {
        self.drills.iter().map(|(drill, _)| drill.clone()).collect()
    }
}

impl DrillBook {
    /// Publishes drills by `publisher`, and ends them on `runtime`.
    pub(super) fn new(publisher: Arc<Mutex<Publisher>>, runtime: RuntimeHandle) -> Self {
        Self { publisher, runtime, running: Arc::default() }
    }

    /// The publisher, once no load has it.
    fn publisher(&self) -> Result<MutexGuard<'_, Publisher>, Fault> {
        let began = Instant::now();
        loop {
            match self.publisher.try_lock() {
                Ok(publisher) => return Ok(publisher),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if began.elapsed() > PATIENCE => {
                    return Err(Fault::new("a load is under way, and nothing has changed", "try again in a moment"));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
            }
        }
    }

    /// Ends the drill `id` when its time is over.
    fn timer(&self, id: u32, seconds: u32) -> AbortHandle {
        let (publisher, running) = (Arc::clone(&self.publisher), Arc::clone(&self.running));
        let timer = self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            // it may wait for a load
            tokio::task::spawn_blocking(move || {
                let (mut publisher, mut running) = (lock(&publisher), lock(&running));
                let Some(at) = running.drills.iter().position(|(drill, _)| drill.id == id) else { return };
                let (drill, _) = running.drills.remove(at);
                publisher.publish_drills(&running.drills());
                warn!("drill {id} ends, as its time is over: {}", drill.fault);
            });
        });
        timer.abort_handle()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunsDrills for DrillBook {
    fn begin(&self, wanted: WantedDrill) -> Result<Drill, Fault> {
        let (mut publisher, mut running) = (self.publisher()?, lock(&self.running));
        if running.drills.len() >= MOST {
            return Err(Fault::new(format!("{MOST} drills run already"), "end one: vpcedns drill list"));
        }
        check(&wanted, &publisher.snapshots().load_full())?;
        let WantedDrill { fault, vpcs, clients, seconds } = wanted;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        running.last += 1;
        let drill = Drill { id: running.last, fault, vpcs, clients, until: now + u64::from(seconds) };
        let timer = self.timer(drill.id, seconds);
        running.drills.push((drill.clone(), timer));
        publisher.publish_drills(&running.drills());
        warn!("drill {} begins, for {seconds} s: {}, for {}", drill.id, drill.fault, drill.whom());
        Ok(drill)
    }

    fn end(&self, id: Option<u32>) -> Result<Vec<Drill>, Fault> {
        let (mut publisher, mut running) = (self.publisher()?, lock(&self.running));
        let is_meant = |drill: &Drill| id.is_none_or(|id| drill.id == id);
        if let Some(id) = id.filter(|_| !running.drills.iter().any(|(drill, _)| is_meant(drill))) {
            let numbers: Vec<String> = running.drills.iter().map(|(drill, _)| drill.id.to_string()).collect();
            let hint = if numbers.is_empty() {
                "none runs".to_owned()
            } else {
                format!("those that run are {}", numbers.join(", "))
            };
            return Err(Fault::new(format!("no drill {id} runs"), hint));
        }
        let (ended, kept) = std::mem::take(&mut running.drills).into_iter().partition(|(drill, _)| is_meant(drill));
        running.drills = kept;
        publisher.publish_drills(&running.drills());
        let ended: Vec<(Drill, AbortHandle)> = ended;
        for (drill, timer) in &ended {
            timer.abort();
            warn!("drill {} ends, by request: {}", drill.id, drill.fault);
        }
        Ok(ended.into_iter().map(|(drill, _)| drill).collect())
    }
}

/// A drill that could change no answer is a mistake.
fn check(wanted: &WantedDrill, snapshot: &Snapshot) -> Result<(), Fault> {
    if wanted.vpcs.len() > MOST_LISTED || wanted.clients.len() > MOST_LISTED {
        let what = format!("a drill has {MOST_LISTED} VPCs and {MOST_LISTED} networks at most");
        return Err(Fault::new(what, "leave them out to mean all, or give a larger network"));
    }
    let model = &snapshot.model;
    if let Some(vpc) = wanted.vpcs.iter().find(|vpc| model.vpc(**vpc).is_none()) {
        let known: Vec<String> = model.vpcs().iter().map(|vpc| vpc.vpc_id.to_string()).collect();
        return Err(Fault::new(format!("there is no VPC {vpc} here"), hint("VPCs", &vpc.to_string(), &known)));
    }
    let DrillFault::Zone(zone) = &wanted.fault else { return Ok(()) };
    let interfaces = || model.endpoints().flat_map(|endpoint| &endpoint.interfaces).map(|i| model.zone(i));
    if interfaces().any(|known| known == zone) {
        return Ok(());
    }
    let mut known: Vec<&ZoneName> = interfaces().collect();
    known.sort_unstable();
    known.dedup();
    let known: Vec<String> = known.into_iter().map(ToString::to_string).collect();
    Err(Fault::new(format!("no endpoint has an interface in {zone}"), hint("zones", zone.as_str(), &known)))
}

/// Names that are shown of those that there are.
const SHOWN: usize = 10;

fn hint(what: &str, unknown: &str, known: &[String]) -> String {
    match nearest(unknown, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => format!("there are no {what}"),
        None => {
            let more = if known.len() > SHOWN { ", ..." } else { "" };
            format!("{what} are {}{more}", known.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
        }
    }
}
