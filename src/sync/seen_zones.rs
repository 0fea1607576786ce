//! Which private hosted zones each VPC sees, whoever's they are: other accounts and services share theirs, and what these
//! hold is read there, if at all.
//!
//! One call tells it of one VPC, at Route 53's pace, so that VPCs have turns. A zone that a list lacks has to be missing in
//! two readings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::client::AwsClient;
use super::denials::Denials;
use super::pages::PageMarks;
use super::query::CallError;
use super::rest::{ROUTE53, RestCall};
use super::zone::{ZonePass, named, summaries, zone_id};
use crate::naming::Region;

/// What is called.
pub(super) const ACTION: &str = "ListHostedZonesByVPC";
/// The list in the CLI's output.
pub(super) const SUMMARIES: &str = "HostedZoneSummaries";
/// Zones of one page (Route 53 API Reference, `MaxItems`).
const PAGE: &str = "100";

/// What is known of the zones that VPCs see.
#[derive(Debug, Default)]
pub(super) struct SeenZones(Mutex<SeenZonesState>);

#[derive(Debug, Default)]
struct SeenZonesState {
    /// VPCs of the account, as the last round had them.
    vpcs: BTreeSet<String>,
    /// What `list-hosted-zones-by-vpc` prints, and of which VPC that is, by VPC, with the time at which it was read.
    lists: BTreeMap<String, (Arc<Value>, SystemTime)>,
    /// VPCs whose list was denied.
    denied: Denials,
    /// What else went wrong, by VPC.
    failed: BTreeMap<String, String>,
}

impl SeenZones {
    /// What the outputs of an earlier process say.
    pub(super) fn of_outputs(outputs: &[Value]) -> Self {
        let lists = outputs.iter().filter(|output| output.get(SUMMARIES).is_some());
        let lists = lists.filter_map(|output| {
            Some((output["VPCId"].as_str()?.to_owned(), (Arc::new(output.clone()), SystemTime::UNIX_EPOCH)))
        });
        Self(Mutex::new(SeenZonesState { lists: lists.collect(), ..SeenZonesState::default() }))
    }

    /// These are the VPCs; whether some are new.
    pub(super) fn of_vpcs(&self, vpcs: BTreeSet<String>) -> bool {
        let mut state = self.lock();
        let are_new = vpcs.iter().any(|vpc| !state.lists.contains_key(vpc));
        state.lists.retain(|vpc, _| vpcs.contains(vpc));
        state.denied.retain(|vpc| vpcs.contains(vpc));
        state.failed.retain(|vpc, _| vpcs.contains(vpc));
        state.vpcs = vpcs;
        are_new
    }

    /// All lists as they are known that have zones, and why some are not as they are now. Most VPCs see none, and that it is known
    /// of one more changes nothing.
    pub(super) fn snapshot(&self) -> (Vec<Arc<Value>>, Vec<String>) {
        let state = self.lock();
        let why = state.denied.reasons().chain(state.failed.values()).cloned().collect();
        (state.lists.values().filter(|(list, _)| has_zones(list)).map(|(list, _)| Arc::clone(list)).collect(), why)
    }

    /// Reads the lists of up to `most` VPCs: those that are not known, and then those that were read longest ago.
    pub(super) async fn read(&self, client: &AwsClient, region: &Region, most: usize, pass: &mut ZonePass) {
        for vpc in self.turns(most) {
            let known = self.lock().lists.get(&vpc).map(|(list, _)| Arc::clone(list));
            let read = match list(client, region, &vpc, &mut pass.calls).await {
                // what is missing has to be missing twice
                Ok(read) if known.as_deref().is_some_and(|known| lacks(&read, known)) => {
                    list(client, region, &vpc, &mut pass.calls).await
                }
                read => read,
            };
            let mut state = self.lock();
            state.denied.forget(&vpc);
            state.failed.remove(&vpc);
            match read {
                Ok(read) => {
                    let is_same = known.as_deref() == Some(&read);
                    pass.changed |= !is_same && (known.is_some() || has_zones(&read));
                    let list = known.filter(|_| is_same).unwrap_or_else(|| Arc::new(read));
                    state.lists.insert(vpc, (list, SystemTime::now()));
                }
                Err(error) => {
                    let why = format!("zones that {vpc} sees: {error}");
                    if !state.denied.note(&vpc, &error, &why) {
                        state.failed.insert(vpc, why);
                    }
                }
            }
        }
    }

    fn turns(&self, most: usize) -> Vec<String> {
        let state = self.lock();
        let mut turns: Vec<&String> = state.vpcs.iter().filter(|vpc| state.denied.why_not(vpc).is_none()).collect();
        turns.sort_by_key(|vpc| state.lists.get(*vpc).map(|(_, at)| *at));
        turns.into_iter().take(most).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, SeenZonesState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a VPC sees, of which zones with these ids stay; `None`: no zone does.
pub(super) fn retained(list: &Value, stays: impl Fn(&Value, &str) -> bool) -> Option<Value> {
    let id = |zone: &Value| zone["HostedZoneId"].as_str().map(zone_id).unwrap_or_default().to_owned();
    let zones = list[SUMMARIES].as_array()?.iter().filter(|zone| stays(zone, &id(zone)));
    let zones: Vec<Value> = zones.cloned().collect();
    (!zones.is_empty()).then(|| json!({"VPCId": list["VPCId"], "VPCRegion": list["VPCRegion"], SUMMARIES: zones}))
}

/// Whether a list has any.
fn has_zones(list: &Value) -> bool {
    list[SUMMARIES].as_array().is_some_and(|zones| !zones.is_empty())
}

/// Whether `known` has a zone that `read` has not.
fn lacks(read: &Value, known: &Value) -> bool {
    let ids = |list: &Value| -> BTreeSet<String> {
        let zones = list[SUMMARIES].as_array().into_iter().flatten();
        zones.filter_map(|zone| Some(zone["HostedZoneId"].as_str()?.to_owned())).collect()
    };
    !ids(known).is_subset(&ids(read))
}

/// What `list-hosted-zones-by-vpc` prints, and of which VPC that is.
async fn list(client: &AwsClient, region: &Region, vpc: &str, calls: &mut usize) -> Result<Value, CallError> {
    let (mut zones, mut tokens) = (BTreeMap::new(), PageMarks::new("a token"));
    let mut token: Option<String> = None;
    loop {
        let mut query =
            vec![("vpcid", vpc.to_owned()), ("vpcregion", region.to_string()), ("maxitems", PAGE.to_owned())];
        query.extend(token.take().map(|token| ("nexttoken", token)));
        let call = RestCall::get(&[ROUTE53.version, "hostedzonesbyvpc"], query);
        *calls += 1;
        let page = client.call_route53(region, ACTION, &call).await.and_then(|answer| summaries(&answer));
        let (page, next) = page.map_err(|error| named(ACTION, error))?;
        zones.extend(page);
        let Some(next) = next else { break };
        token = Some(tokens.follow(next).map_err(|error| named(ACTION, error))?);
    }
    let zones: Vec<Value> = zones.into_values().collect();
    Ok(json!({"VPCId": vpc, "VPCRegion": region.as_str(), SUMMARIES: zones}))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn vpcs_have_turns_and_those_that_are_gone_are_forgotten() {
        let list = |vpc: &str| json!({"VPCId": vpc, SUMMARIES: [{"HostedZoneId": "Z1"}]});
        let seen = SeenZones::of_outputs(&[list("vpc-1"), list("vpc-2"), json!({"Vpcs": []})]);
        assert_eq!(seen.turns(9), [""; 0], "no round has told the VPCs yet");
        let vpcs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert!(!seen.of_vpcs(vpcs(&["vpc-1", "vpc-2"])));
        seen.lock().lists.get_mut("vpc-1").unwrap().1 += Duration::from_secs(9);
        assert!(seen.of_vpcs(vpcs(&["vpc-1", "vpc-2", "vpc-3"])));
        assert_eq!(seen.turns(9), ["vpc-3", "vpc-2", "vpc-1"], "new ones first, then the oldest");
        assert_eq!(seen.turns(2), ["vpc-3", "vpc-2"]);
        let denied = CallError::Refused("AccessDenied".to_owned(), "m".to_owned());
        seen.lock().denied.note("vpc-2", &denied, "why");
        assert_eq!(seen.turns(9), ["vpc-3", "vpc-1"]);
        assert_eq!(seen.snapshot().1, ["why"]);
        seen.of_vpcs(vpcs(&["vpc-1"]));
        assert_eq!(seen.snapshot(), (vec![Arc::new(list("vpc-1"))], vec![]));
        let none = json!({"VPCId": "vpc-4", SUMMARIES: []});
        seen.lock().lists.insert("vpc-4".to_owned(), (Arc::new(none), SystemTime::now()));
        assert_eq!(seen.snapshot().0, vec![Arc::new(list("vpc-1"))], "a VPC that sees none says nothing");
    }

    #[test]
    fn a_list_that_lacks_a_zone_is_read_again() {
        let list = |ids: &[&str]| {
            let zones: Vec<Value> = ids.iter().map(|id| json!({"HostedZoneId": id})).collect();
            json!({SUMMARIES: zones})
        };
        assert!(lacks(&list(&["Z1"]), &list(&["Z1", "Z2"])));
        assert!(!lacks(&list(&["Z1", "Z2"]), &list(&["Z2"])));
    }
}
