//! The private hosted zones of an account, read one after the other at Route 53's pace, whatever the rounds do; then which
//! zones its VPCs see (`seen_zones`).
//!
//! A zone is replaced when all of it was read. What goes has to be gone in two readings: a zone from the list, a record
//! set or a VPC from its zone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::Value;
use tokio::sync::watch;

use super::client::AwsClient;
use super::denials::Denials;
use super::pages::PageMarks;
use super::query::CallError;
use super::rest::{ROUTE53, RestCall};
use super::seen_zones::SeenZones;
use super::zone::{ZoneOutputs, ZonePass, hosted, named, private_zones, record_sets, set_identity};
use crate::naming::Region;

/// What is called: the list, a zone, its records.
pub(super) const ACTIONS: [&str; 3] = ["ListHostedZones", "GetHostedZone", "ListResourceRecordSets"];
/// VPCs that are asked about in one pass: one call tells of one VPC.
const VPCS_A_PASS: usize = 20;
/// Items of one page: zones, and record sets (Route 53 API Reference, `MaxItems`).
const ZONES_A_PAGE: &str = "100";
const SETS_A_PAGE: &str = "300";
/// The list of zones among what is denied, where the others are ids.
const LIST: &str = "";

/// What is known of the hosted zones of an account.
#[derive(Debug)]
pub(super) struct ZoneBook {
    state: Mutex<ZoneBookState>,
    /// Zones of the account are read, which are the same in all of its regions.
    reads_own: bool,
    seen: SeenZones,
    /// How often the list has been gone through.
    passes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct ZoneBookState {
    /// By id, with the time at which each was read.
    zones: BTreeMap<String, (Arc<ZoneOutputs>, SystemTime)>,
    /// The last list; `None`: none was read yet, or it was denied.
    listed: Option<BTreeSet<String>>,
    /// Zones that the last list did not have.
    missing: BTreeSet<String>,
    /// What was denied, by zone.
    denied: Denials,
    /// What else went wrong in the last pass, by zone.
    failed: BTreeMap<String, String>,
}

/// The zones of a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct ZoneSnapshot {
    pub(super) zones: Vec<Arc<ZoneOutputs>>,
    /// The ids of the account's zones, those included that cannot be read; `None`: nobody knows.
    pub(super) listed: Option<BTreeSet<String>>,
    /// Which zones VPCs see: what `list-hosted-zones-by-vpc` prints, and of which VPC that is.
    pub(super) seen: Vec<Arc<Value>>,
    /// Why some or all of them are as they were read earlier, or absent.
    pub(super) left_out: Option<String>,
}

impl PartialEq for ZoneSnapshot {
    fn eq(&self, other: &Self) -> bool {
        // what has not changed is shared
        fn are_same<T>(some: &[Arc<T>], others: &[Arc<T>]) -> bool {
            some.len() == others.len() && some.iter().zip(others).all(|(one, other)| Arc::ptr_eq(one, other))
        }
        (&self.left_out, &self.listed) == (&other.left_out, &other.listed)
            && are_same(&self.zones, &other.zones)
            && are_same(&self.seen, &other.seen)
    }
}

impl ZoneBook {
    /// A book with what an earlier process has read, at an unknown time; the account's own zones only if it `reads_own`.
    pub(super) fn of_outputs(reads_own: bool, outputs: &[Value]) -> Self {
        let zones = ZoneOutputs::among(outputs).into_iter().filter(|_| reads_own);
        let zones = zones.map(|zone| (zone.id.clone(), (Arc::new(zone), SystemTime::UNIX_EPOCH))).collect();
        let state = ZoneBookState { zones, ..ZoneBookState::default() };
        let seen = SeenZones::of_outputs(outputs);
        Self { state: Mutex::new(state), reads_own, seen, passes: watch::Sender::new(0) }
    }

    /// These are the account's VPCs; whether some are new.
    pub(super) fn of_vpcs(&self, vpcs: BTreeSet<String>) -> bool {
        self.seen.of_vpcs(vpcs)
    }

    /// All zones as they are known.
    pub(super) fn snapshot(&self) -> ZoneSnapshot {
        let (seen, not_seen) = self.seen.snapshot();
        let state = self.lock();
        let why = state.denied.reasons().chain(state.failed.values()).chain(&not_seen).collect::<Vec<_>>();
        let left_out = why.first().map(|first| match why.len() {
            1 => (*first).clone(),
            more => format!("{first}; and {} more", more - 1),
        });
        let zones = state.zones.values().map(|(zone, _)| Arc::clone(zone)).collect();
        ZoneSnapshot { zones, listed: state.listed.clone(), seen, left_out }
    }

    /// When the zone was read that was read first; `None`: there is none.
    pub(super) fn oldest(&self) -> Option<SystemTime> {
        self.lock().zones.values().map(|(_, at)| *at).min()
    }

    /// Waits until the list has been gone through once.
    pub(super) async fn wait_for_first_pass(&self) {
        let _ = self.passes.subscribe().wait_for(|passes| *passes > 0).await;
    }

    /// Reads the list and every zone of it, those first that are not known and then those that were read longest ago, and
    /// which zones some of the VPCs see.
    pub(super) async fn read(&self, client: &AwsClient, region: &Region) -> ZonePass {
        self.read_with(client, region, VPCS_A_PASS).await
    }

    /// The same for all VPCs.
    pub(super) async fn read_all(&self, client: &AwsClient, region: &Region) -> ZonePass {
        self.read_with(client, region, usize::MAX).await
    }

    async fn read_with(&self, client: &AwsClient, region: &Region, vpcs: usize) -> ZonePass {
        let mut pass = ZonePass::default();
        if self.reads_own && !self.is_denied(LIST) {
            match list(client, region, &mut pass.calls).await {
                Ok(listed) => {
                    self.note(LIST, Ok(()));
                    for id in self.turns(&listed, &mut pass) {
                        self.read_zone(client, region, &id, &mut pass).await;
                    }
                    self.lock().listed = Some(listed);
                }
                Err(error) => {
                    if error.is_denial() {
                        self.lock().listed = None;
                    }
                    self.note(LIST, Err(&error));
                }
            }
        }
        self.seen.read(client, region, vpcs, &mut pass).await;
        self.passes.send_modify(|passes| *passes += 1);
        pass
    }

    /// The zones that are read now, in their order. Zones that the list lacks for the second time are forgotten.
    fn turns(&self, listed: &BTreeSet<String>, pass: &mut ZonePass) -> Vec<String> {
        let mut state = self.lock();
        let missed = std::mem::take(&mut state.missing);
        let gone: BTreeSet<String> = state.zones.keys().filter(|id| !listed.contains(*id)).cloned().collect();
        let forgotten = gone.intersection(&missed).filter(|id| state.zones.remove(*id).is_some()).count();
        pass.changed |= forgotten > 0;
        state.missing = gone.difference(&missed).cloned().collect();
        pass.is_doubtful = !state.missing.is_empty();
        state.denied.retain(|id| id == LIST || listed.contains(id));
        state.failed.retain(|id, _| listed.contains(id));
        let mut turns: Vec<&String> = listed.iter().collect();
        turns.sort_by_key(|id| state.zones.get(*id).map(|(_, at)| *at));
        turns.into_iter().cloned().collect()
    }

    async fn read_zone(&self, client: &AwsClient, region: &Region, id: &str, pass: &mut ZonePass) {
        if self.is_denied(id) {
            return;
        }
        let known = self.lock().zones.get(id).map(|(zone, _)| Arc::clone(zone));
        let read = match zone(client, region, id, &mut pass.calls).await {
            Ok(read) => confirmed(client, region, known.as_deref(), read, &mut pass.calls).await,
            failed => failed,
        };
        match read {
            Ok(read) => {
                self.note(id, Ok(()));
                let is_same = known.as_deref() == Some(&read);
                pass.changed |= !is_same;
                let zone = known.filter(|_| is_same).unwrap_or_else(|| Arc::new(read));
                self.lock().zones.insert(id.to_owned(), (zone, SystemTime::now()));
            }
            // it has gone meanwhile: the next list says so, too
            Err(CallError::Refused(code, _)) if code == "NoSuchHostedZone" => {}
            Err(error) => self.note(id, Err(&error)),
        }
    }

    /// Notes how it went.
    fn note(&self, what: &str, how: Result<(), &CallError>) {
        let mut state = self.lock();
        state.denied.forget(what);
        state.failed.remove(what);
        let Err(error) = how else { return };
        let why = if what == LIST { error.to_string() } else { format!("{what}: {error}") };
        if !state.denied.note(what, error, &why) {
            state.failed.insert(what.to_owned(), why);
        }
    }

    fn is_denied(&self, what: &str) -> bool {
        self.lock().denied.why_not(what).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, ZoneBookState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A zone that lacks what was known of it is read once more: both have to lack the same.
async fn confirmed(
    client: &AwsClient,
    region: &Region,
    known: Option<&ZoneOutputs>,
    read: ZoneOutputs,
    calls: &mut usize,
) -> Result<ZoneOutputs, CallError> {
    let lost = known.map(|known| known.lost(&read)).unwrap_or_default();
    let Some(known) = known.filter(|_| !lost.is_empty()) else { return Ok(read) };
    let again = zone(client, region, &read.id, calls).await?;
    if known.lost(&again).is_subset(&lost) {
        Ok(again)
    } else {
        Err(CallError::Failed("two readings, one after the other, lack different records".to_owned()))
    }
}

/// The ids of the private zones of the account.
async fn list(client: &AwsClient, region: &Region, calls: &mut usize) -> Result<BTreeSet<String>, CallError> {
    let [action, ..] = ACTIONS;
    let (mut ids, mut markers) = (BTreeSet::new(), PageMarks::new("a start"));
    let mut marker: Option<String> = None;
    loop {
        let mut query = vec![("hostedzonetype", "PrivateHostedZone".to_owned()), ("maxitems", ZONES_A_PAGE.to_owned())];
        query.extend(marker.take().map(|marker| ("marker", marker)));
        let call = RestCall::get(&[ROUTE53.version, "hostedzone"], query);
        *calls += 1;
        let page = client.call_route53(region, action, &call).await.and_then(|answer| private_zones(&answer));
        let (zones, next) = page.map_err(|error| named(action, error))?;
        ids.extend(zones);
        let Some(next) = next else { return Ok(ids) };
        marker = Some(markers.follow(next).map_err(|error| named(action, error))?);
    }
}

/// All of a zone.
async fn zone(client: &AwsClient, region: &Region, id: &str, calls: &mut usize) -> Result<ZoneOutputs, CallError> {
    let [_, action, sets_action] = ACTIONS;
    let call = RestCall::get(&[ROUTE53.version, "hostedzone", id], vec![]);
    *calls += 1;
    let zone = client.call_route53(region, action, &call).await.and_then(|answer| hosted(&answer, id));
    let zone = zone.map_err(|error| named(action, error))?;

    let action = sets_action;
    let (mut sets, mut seen, mut starts) = (Vec::new(), BTreeSet::new(), PageMarks::new("a start"));
    let mut start: Option<[String; 3]> = None;
    loop {
        let mut query = vec![("maxitems", SETS_A_PAGE.to_owned())];
        let starts_at = start.take().map(|start| ["name", "type", "identifier"].into_iter().zip(start));
        query.extend(starts_at.into_iter().flatten().filter(|(_, value)| !value.is_empty()));
        let call = RestCall::get(&[ROUTE53.version, "hostedzone", id, "rrset"], query);
        *calls += 1;
        let page = client.call_route53(region, action, &call).await.and_then(|answer| record_sets(&answer));
        let (page, next) = page.map_err(|error| named(action, error))?;
        // one that moved from one page to the next meanwhile is there once
        sets.extend(page.into_iter().filter(|set| seen.insert(set_identity(set))));
        let Some(next) = next else { return Ok(ZoneOutputs::new(id, zone, sets)) };
        start = Some(starts.follow(next).map_err(|error| named(action, error))?);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn book(ids: &[&str]) -> ZoneBook {
        let outputs = ids.iter().flat_map(|id| {
            let zone = json!({"HostedZone": {"Id": format!("/hostedzone/{id}")}, "VPCs": []});
            [zone, json!({"HostedZoneId": id, "ResourceRecordSets": []})]
        });
        ZoneBook::of_outputs(true, &outputs.collect::<Vec<_>>())
    }

    fn turns(book: &ZoneBook, listed: &[&str]) -> (Vec<String>, ZonePass) {
        let mut pass = ZonePass::default();
        (book.turns(&listed.iter().map(|id| (*id).to_owned()).collect(), &mut pass), pass)
    }

    #[test]
    fn zones_are_read_in_turn_and_those_that_go_are_missed_twice() {
        let book = book(&["Z1", "Z2", "Z3"]);
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(9);
        book.lock().zones.get_mut("Z1").unwrap().1 = later;
        assert_eq!(
            turns(&book, &["Z1", "Z2", "Z3", "Z4"]).0,
            ["Z4", "Z2", "Z3", "Z1"],
            "new ones first, then the oldest"
        );
        let doubt = ZonePass { is_doubtful: true, ..ZonePass::default() };
        assert_eq!(turns(&book, &["Z1"]), (vec!["Z1".to_owned()], doubt));
        assert_eq!(book.snapshot().zones.len(), 3);
        assert_eq!(turns(&book, &["Z1", "Z2"]).1, ZonePass { changed: true, ..ZonePass::default() });
        let left: Vec<String> = book.snapshot().zones.iter().map(|zone| zone.id.clone()).collect();
        assert_eq!(left, ["Z1", "Z2"]);
        assert_eq!(book.oldest(), Some(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn what_is_denied_waits_and_is_said() {
        let book = book(&["Z1"]);
        assert_eq!(book.snapshot().left_out, None);
        let denied = CallError::Refused("AccessDenied".to_owned(), "m (GetHostedZone)".to_owned());
        book.note("Z1", Err(&denied));
        book.note("Z2", Err(&CallError::Failed("GetHostedZone: cut".to_owned())));
        assert!(book.is_denied("Z1") && !book.is_denied("Z2"));
        let said = book.snapshot().left_out.unwrap();
        assert_eq!(said, "Z1: AccessDenied: m (GetHostedZone); and 1 more");
        book.note("Z1", Ok(()));
        book.note("Z2", Ok(()));
        assert_eq!(book.snapshot().left_out, None);
    }
}
