//! Rounds: what a snapshot changed in the zones of each view, found, made durable, and then published.
//!
//! A round looks at all records of all views. It runs on a thread of its own that gives way to those that answer, and rests
//! nine times as long as the last one took, so that it takes a tenth of one processor however large the zones are and however
//! often they change. What is published are a snapshot and the serials of its zones: transfers, and answers about serials, know
//! no other, so that a serial stands for one content.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use siphasher::sip128::{Hasher128, SipHasher13};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::TransferContext;
use super::notify::NotifyLanes;
use super::serials::{NoBook, SerialBook, ZoneId, ZoneSerial, is_newer};
use crate::dns::DnsName;
use crate::export::{ExportedRecord, ExportedView, ExportedZone, ViewId, ZoneItem};
use crate::priority;
use crate::served::ServedSnapshot;
use crate::snapshot::Snapshot;

/// How often it is looked whether there is a new snapshot.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a round comes a rest of so many times what it took.
const REST: u32 = 9;
/// How often a disk that failed, or a file that another process has, is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// The least between two rounds while serials are ahead of the clock, which gains a second on them by each.
const SLOW: Duration = Duration::from_secs(2);
/// Names that are left out, and told in one round.
const TOLD: usize = 20;

/// What is given to secondaries now; nothing before the first round.
#[derive(Default)]
pub(super) struct ZonesInUse {
    published: ArcSwapOption<PublishedZones>,
    is_first_done: watch::Sender<bool>,
}

/// The zones of one snapshot, with serials that are on disk.
pub(super) struct PublishedZones {
    snapshot: Arc<Snapshot>,
    serials: HashMap<ZoneId, ZoneSerial>,
    /// Zones of one view.
    most: usize,
}

impl ZonesInUse {
    pub(super) fn load(&self) -> Option<Arc<PublishedZones>> {
        self.published.load_full()
    }

    /// Ends when there is something to give.
    pub(super) async fn first(&self) {
        // an error says that nothing will ever be sent, which cannot be while this is here
        let _ = self.is_first_done.subscribe().wait_for(|is_done| *is_done).await;
    }

    fn store(&self, zones: PublishedZones) {
        self.published.store(Some(Arc::new(zones)));
        self.is_first_done.send_replace(true);
    }
}

impl PublishedZones {
    /// The zones of one view.
    pub(super) fn view(&self, id: ViewId) -> ExportedView<'_> {
        ExportedView::new(&self.snapshot, id, self.most)
    }

    /// The serial of a zone; `None`: the view has no such zone.
    pub(super) fn serial(&self, view: ViewId, apex: &DnsName) -> Option<u32> {
        self.serials.get(&(view, apex.clone())).map(|zone| zone.serial)
    }
}

/// The thread and what it needs.
pub(super) struct ZoneRounds {
    pub(super) context: Arc<TransferContext>,
    pub(super) snapshots: ServedSnapshot,
    /// The file of serials.
    pub(super) serials: std::path::PathBuf,
    pub(super) lanes: NotifyLanes,
    pub(super) stopping: Arc<AtomicBool>,
}

/// What a look at all zones found.
#[derive(Default)]
struct FoundZones {
    digests: HashMap<ZoneId, u128>,
    /// The newest serial of a zone's own.
    own_serial: Option<u32>,
    left_out: BTreeSet<String>,
}

impl ZoneRounds {
    /// Starts the thread.
    pub(super) fn start(self) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new().name("vpcedns-zones".to_owned()).spawn(move || {
            priority::give_way();
            self.run();
        })
    }

    fn run(self) {
        let Some(mut book) = self.open_book() else { return };
        let (mut done, mut told) = (None, BTreeSet::new());
        while !self.is_stopping() {
            let snapshot = self.snapshots.load_full();
            if done == Some(snapshot.generation) {
                thread::sleep(LOOK_EVERY);
                continue;
            }
            let (generation, began) = (snapshot.generation, Instant::now());
            // a drill is for those who ask this server, and ends here alone
            let snapshot = if snapshot.has_drills() { Arc::new(snapshot.without_drills()) } else { snapshot };
            let found = self.look(&snapshot);
            tell(&found.left_out, &mut told);
            match self.publish(&mut book, snapshot, found) {
                Ok(()) => done = Some(generation),
                Err(error) => {
                    let path = self.serials.display();
                    error!(
                        "cannot write serials to {path}: {error}; secondaries keep what they have until it is written"
                    );
                    self.rest(RETRY);
                }
            }
            let least = if book.is_ahead() { SLOW } else { LOOK_EVERY };
            self.rest((began.elapsed() * REST).max(least));
        }
    }

    /// The file of serials, once no other process has it; `None`: the server stops.
    fn open_book(&self) -> Option<SerialBook> {
        let path = self.serials.display();
        let mut is_told = false;
        while !self.is_stopping() {
            match SerialBook::open(&self.serials) {
                Ok((book, doubt)) => {
                    if let Some(doubt) = doubt {
                        warn!(
                            "every zone gets a new serial, as {path} may be older than what secondaries have: {doubt}"
                        );
                    }
                    return Some(book);
                }
                Err(NoBook::Failed(error)) if !is_told => {
                    error!("no zones are given out: {path}: {error}; see --transfer-serials");
                }
                Err(NoBook::Taken) if !is_told => {
                    info!("no zones are given out yet: another process has {path}");
                }
                Err(_) => {}
            }
            is_told = true;
            self.rest(RETRY);
        }
        None
    }

    /// Looks at all records of all views.
    fn look(&self, snapshot: &Snapshot) -> FoundZones {
        let mut found = FoundZones::default();
        let most = self.context.limits.transfer_zones;
        for id in self.context.keys.views() {
            let view = ExportedView::new(snapshot, id, most);
            if view.is_cut() {
                let vpc = id.vpc.map_or_else(|| "clients of no VPC".to_owned(), |vpc| vpc.to_string());
                found.left_out.insert(format!("the zones of {vpc}, which are more than {most}: see transfer_zones"));
            }
            for zone in view.zones() {
                if self.is_stopping() {
                    break;
                }
                let digest = digest(&zone, &mut found.left_out);
                let newest = found.own_serial.into_iter().chain(zone.own_serial());
                found.own_serial = newest.reduce(|a, b| if is_newer(b, a) { b } else { a });
                found.digests.insert((id, zone.apex), digest);
            }
        }
        found
    }

    /// Gives new serials to zones that changed, makes them durable, serves them, and tells the secondaries.
    fn publish(&self, book: &mut SerialBook, snapshot: Arc<Snapshot>, found: FoundZones) -> std::io::Result<()> {
        if self.is_stopping() {
            return Ok(());
        }
        let (serials, is_new) = book.next(found.digests, found.own_serial);
        if is_new {
            book.keep(&serials)?;
        }
        let before = self.context.zones.load();
        let was = |zone: &ZoneId| before.as_ref().and_then(|before| before.serials.get(zone).copied());
        let changed: Vec<(ZoneId, u32)> = serials
            .iter()
            .filter(|(zone, now)| was(zone).is_none_or(|was| was.serial != now.serial))
            .map(|(zone, now)| (zone.clone(), now.serial))
            .collect();
        let most = self.context.limits.transfer_zones;
        self.context.zones.store(PublishedZones { snapshot, serials, most });
        self.lanes.tell(&changed);
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Sleeps, or as long as the server runs.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_stopping() && Instant::now() < until {
            thread::sleep(LOOK_EVERY.min(time));
        }
    }
}

/// A number for what a zone holds, whatever the order of its records; what is left out is noted.
fn digest(zone: &ExportedZone<'_>, left_out: &mut BTreeSet<String>) -> u128 {
    let mut sum = digest_of(&zone.soa(0));
    for item in zone.items() {
        match item {
            ZoneItem::Record(record) => sum = sum.wrapping_add(digest_of(&record)),
            ZoneItem::LeftOut(name, what) if left_out.len() < TOLD * TOLD => {
                left_out.insert(format!("{name} of zone {}: {what}", zone.apex));
            }
            ZoneItem::LeftOut(..) => {}
        }
    }
    sum
}

fn digest_of(record: &ExportedRecord<'_>) -> u128 {
    let mut hasher = SipHasher13::new();
    record.owner.wire().hash(&mut hasher);
    (record.rtype.number(), record.ttl).hash(&mut hasher);
    record.data.hash(&mut hasher);
    hasher.finish128().as_u128()
}

/// Says what secondaries do not get, once.
fn tell(left_out: &BTreeSet<String>, told: &mut BTreeSet<String>) {
    let new: Vec<&String> = left_out.difference(told).collect();
    for what in new.iter().take(TOLD) {
        warn!(target: "vpcedns::zones_out", "secondaries do not get all of {what}");
    }
    if let Some(more) = new.len().checked_sub(TOLD).filter(|more| *more > 0) {
        warn!(target: "vpcedns::zones_out", "and {more} more names that secondaries do not get all of");
    }
    told.clone_from(left_out);
}
