//! Private hosted zones and rules out of Route 53's outputs, joined by ids and names into inputs of the model.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::super::Declared;
use super::az_affinity::{self, NamedZone, VpcZones};
use super::endpoint::EndpointOutput;
use super::profiles::Shares;
use super::record_pages::{self, ZoneRecords};
use super::records::{GeoPlace, RecordSet, RoutingPolicy, SetData};
use super::route53::{AssociatedZone, Route53, ZoneOutput};
use crate::dns::{DnsName, Rtype};
use crate::model::{
    AliasInput, HostedZoneInput, Input, Mode, Object, RecordData, RecordInput, RuleInput, WeightedRecords,
};
use crate::naming::{EndpointId, Geography, Region, VpcId, ZoneName, geography_of, parse_label};
use crate::problem::{At, Place, Problem};

/// "up to eight healthy records" (Route 53 guide, "Multivalue answer routing").
const MULTIVALUE: usize = 8;

/// Aliases of a zone that lead to each other, at most so many for one name.
const MAX_ALIASES: usize = 8;

/// The endpoints of outputs.
type EndpointsById<'e> = HashMap<EndpointId, &'e EndpointOutput>;

/// The record sets of one name and type.
type ZoneRecordSets<'r> = BTreeMap<(&'r DnsName, Rtype), Vec<&'r RecordSet>>;

/// Joins what outputs tell. `endpoints` are those of outputs; `None`: aliases lead to others, of which somebody
/// else knew when they were made.
pub(super) fn join(
    route53: Route53,
    known: &HashSet<VpcId>,
    endpoints: Option<&[EndpointOutput]>,
    zones_of: &VpcZones,
    joined: &mut Declared,
) {
    let every_endpoint = endpoints.unwrap_or_default();
    let Route53 { zones, seen, pages, rules, associations, profiles, configs, .. } = route53;
    let pages = record_pages::join(pages);
    let shares = profiles.join(known, every_endpoint, &configs, joined);
    let endpoints = endpoints.map(|endpoints| {
        let endpoints = endpoints.iter().filter(|_| !pages.is_empty());
        endpoints.map(|endpoint| (endpoint.input.vpc_endpoint_id.value, endpoint)).collect::<EndpointsById<'_>>()
    });
    let by_id = zones_by_id(zones, seen.into_iter().filter(|seen| !is_endpoints_own(seen, every_endpoint)));
    for zone in by_id.values() {
        let mut warn = |what: String, hint: String| {
            joined.problems.push(Problem::warning(zone.place.clone(), what, hint));
        };
        let (id, name) = (&zone.id, &zone.name);
        let shared_by = shares.of(id);
        let none: Option<&[_]> = (!shared_by.is_empty()).then_some(&[]);
        let Some(vpcs) = zone.vpcs.as_deref().or(none) else {
            let hint = format!("run `aws route53 get-hosted-zone --id {id}` and save it beside the other files");
            warn(format!("no output tells the VPCs of the private zone {name} ({id}): it is left out"), hint);
            continue;
        };
        let (here, elsewhere): (Vec<_>, Vec<_>) = vpcs.iter().partition(|(id, _)| known.contains(id));
        if here.is_empty() && shared_by.is_empty() {
            let ids: Vec<String> = elsewhere.iter().map(|(id, _)| id.to_string()).collect();
            warn(
                format!("the private zone {name} is of VPCs that no output has ({}): nobody sees it", ids.join(", ")),
                "run `aws ec2 describe-vpcs` in their accounts and Regions, and save it beside the other files"
                    .to_owned(),
            );
            continue;
        }
        let seen_by = SeenBy { vpcs: here, profiles: shared_by, shares: &shares };
        match records_of(zone, &by_id, &pages) {
            Ok(page) => inputs_of(zone, page, &seen_by, (endpoints.as_ref(), zones_of), joined),
            Err(what) => {
                let (what, hint) = untold(zone, &what);
                warn(what, hint);
                let everybody = seen_by.groups(false, None).into_values();
                joined.inputs.extend(everybody.map(|all| input(zone, all, None)));
            }
        }
    }
    let mut vpcs_of: HashMap<&str, BTreeSet<VpcId>> = HashMap::new();
    for (rule, vpc) in associations.iter().filter(|(_, vpc)| known.contains(vpc)) {
        vpcs_of.entry(rule).or_default().insert(*vpc);
    }
    let mut seen = HashSet::new();
    for rule in rules.into_iter().rev() {
        // a rule holds for the VPCs it is associated with: for none, until it is
        let (vpcs, shared_by) = (vpcs_of.get(rule.id.as_str()), shares.of(&rule.id));
        if vpcs.is_none() && shared_by.is_empty() || !seen.insert(rule.id.clone()) {
            continue;
        }
        let at = |vpc: &VpcId| At::new(*vpc, rule.place.clone());
        let object = Object::Rule(RuleInput {
            domain_name: At::new(rule.domain_name, rule.place.clone()),
            action: rule.action,
            vpc_ids: vpcs.into_iter().flatten().map(at).collect(),
            profiles: shared_by.into_iter().map(|id| At::new(id, rule.place.clone())).collect(),
            endpoint: rule.endpoint,
        });
        joined.inputs.push(Input::new(rule.place, object));
    }
}

/// The zones of outputs by their ids. Of two outputs for one zone, that with its VPCs tells more; else the later one holds.
/// Where none tells them, lists of what VPCs see do.
fn zones_by_id(zones: Vec<ZoneOutput>, seen: impl Iterator<Item = AssociatedZone>) -> BTreeMap<String, ZoneOutput> {
    let mut by_id: BTreeMap<String, ZoneOutput> = BTreeMap::new();
    for zone in zones {
        let tells_less = zone.vpcs.is_none() || zone.is_new;
        let tells_all = |held: &ZoneOutput| held.vpcs.is_some() && !(held.is_new && zone.is_new);
        let keeps = tells_less && by_id.get(&zone.id).is_some_and(tells_all);
        if !keeps {
            by_id.insert(zone.id.clone(), zone);
        }
    }
    let whole: HashSet<String> =
        by_id.values().filter(|zone| zone.vpcs.is_some()).map(|zone| zone.id.clone()).collect();
    for AssociatedZone { place, id, name, vpc, region, owner } in seen.filter(|seen| !whole.contains(&seen.id)) {
        let new = || ZoneOutput {
            place,
            id: id.clone(),
            name,
            vpcs: None,
            is_new: false,
            record_sets: None,
            fallback: false,
            owner: None,
        };
        let zone = by_id.entry(id.clone()).or_insert_with(new);
        zone.owner = Some(owner);
        let vpcs = zone.vpcs.get_or_insert_default();
        if vpcs.iter().all(|(known, _)| *known != vpc) {
            vpcs.push((vpc, region));
        }
    }
    by_id
}

/// Whether a zone is the hidden one of an endpoint's private name, which answers for itself.
fn is_endpoints_own(zone: &AssociatedZone, endpoints: &[EndpointOutput]) -> bool {
    let of_vpc = endpoints.iter().map(|endpoint| &endpoint.input).filter(|endpoint| endpoint.vpc_id.value == zone.vpc);
    let mut names = of_vpc.filter_map(|endpoint| endpoint.given_names.as_ref()?.private.as_ref()).flatten();
    names.any(|name| name.wildcard_apex().as_ref().unwrap_or(name) == &zone.name)
}

/// What is said of a zone whose records nobody has told, and what may help; `what` is why.
fn untold(zone: &ZoneOutput, what: &str) -> (String, String) {
    let ZoneOutput { id, name, owner, .. } = zone;
    let said = "its names are answered with SERVFAIL";
    match owner {
        Some(owner) => (
            format!("the private zone {name} ({id}) is of {owner}, and no output has its records: {said}"),
            format!(
                "follow that account, too, or save its `aws route53 list-resource-record-sets --hosted-zone-id {id}`; a [[hosted_zone]] or a [[resolver_rule]] for {name} holds over it"
            ),
        ),
        None => (
            format!("{what}: {said}"),
            format!(
                "run `aws route53 list-resource-record-sets --hosted-zone-id {id} > {id}.json`, whole, beside the other files"
            ),
        ),
    }
}

/// The records of a zone: those that say so, else its name tells them, and where several zones have it, their number, or the
/// name of their file.
fn records_of<'p>(
    zone: &ZoneOutput,
    zones: &BTreeMap<String, ZoneOutput>,
    pages: &'p [ZoneRecords],
) -> Result<&'p ZoneRecords, String> {
    let says_so = |records: &&ZoneRecords| records.zone.as_ref() == Some(&zone.id) && records.is_whole;
    if let Some(records) = pages.iter().rev().find(says_so) {
        return Ok(records);
    }
    let namesakes = zones.values().filter(|other| other.name == zone.name);
    let is_alone = namesakes.clone().count() == 1;
    let fits = |records: &ZoneRecords| zone.record_sets.is_none_or(|count| count as usize == records.listed);
    let is_its = |records: &&ZoneRecords| {
        let is_nobodys = records.zone.is_none() && records.apex.as_ref() == Some(&zone.name);
        is_nobodys && records.is_whole && (is_alone && !records.is_counted || fits(records))
    };
    let mut found = pages.iter().rev().filter(is_its);
    let (name, id) = (&zone.name, &zone.id);
    let Some(last) = found.clone().next() else {
        return Err(format!("no whole list-resource-record-sets output for the private zone {name} ({id})"));
    };
    let twins = namesakes.filter(|other| other.record_sets == zone.record_sets).count();
    if twins == 1 {
        return Ok(last);
    }
    let what = format!(
        "{twins} private zones are called {name} and have as many records, and no file with records has the id {id} in its name"
    );
    found.find(|records| records.file.contains(id.as_str())).ok_or(what)
}

/// A Region, and what the zones are called of which its VPCs have subnets.
type SeenGroup<'z> = (Option<&'z Region>, Vec<NamedZone>);

/// VPCs and Profiles of one Region.
#[derive(Default)]
struct SeenInRegion<'z> {
    vpcs: Vec<VpcId>,
    profiles: Vec<&'z Arc<str>>,
}

/// Who sees a zone.
struct SeenBy<'z> {
    vpcs: Vec<&'z (VpcId, Option<Region>)>,
    profiles: Vec<Arc<str>>,
    shares: &'z Shares,
}

impl SeenBy<'_> {
    /// Those who see a zone, each Region for itself, or all together; with `zones_of`, those apart who call Availability Zones
    /// otherwise.
    fn groups(&self, by_region: bool, zones_of: Option<&VpcZones>) -> BTreeMap<SeenGroup<'_>, SeenInRegion<'_>> {
        let mut groups: BTreeMap<SeenGroup<'_>, SeenInRegion<'_>> = BTreeMap::new();
        for (id, region) in &self.vpcs {
            let zones = zones_of.map(|zones| zones.of(*id)).unwrap_or_default();
            groups.entry((region.as_ref().filter(|_| by_region), zones)).or_default().vpcs.push(*id);
        }
        for id in &self.profiles {
            let region = self.shares.region(id);
            let zones = zones_of.zip(region).map(|(zones, region)| zones.of_region(region)).unwrap_or_default();
            groups.entry((region.filter(|_| by_region), zones)).or_default().profiles.push(id);
        }
        groups
    }
}

/// A zone as `seen_by` see it; `records`: `None` where nobody has told them.
fn input(zone: &ZoneOutput, seen_by: SeenInRegion<'_>, records: Option<Vec<RecordInput>>) -> Input {
    let place = zone.place.clone();
    let object = Object::HostedZone(HostedZoneInput {
        name: At::new(zone.name.clone(), place.clone()),
        vpc_ids: seen_by.vpcs.into_iter().map(|id| At::new(id, place.clone())).collect(),
        every_vpc: false,
        profiles: seen_by.profiles.into_iter().map(|id| At::new(id.clone(), place.clone())).collect(),
        clients_of_no_vpc: false,
        mode: if zone.fallback { Mode::Overlay } else { Mode::Apex },
        is_told: records.is_some(),
        records: without_second_aliases(records.unwrap_or_default()),
    });
    Input::new(place, object)
}

fn inputs_of(
    zone: &ZoneOutput,
    page: &ZoneRecords,
    seen_by: &SeenBy<'_>,
    (endpoints, zones_of): (Option<&EndpointsById<'_>>, &VpcZones),
    joined: &mut Declared,
) {
    let mut sets: ZoneRecordSets<'_> = BTreeMap::new();
    for set in &page.sets {
        sets.entry((&set.name, set.rtype)).or_default().push(set);
    }
    let any = |is_it: fn(&RoutingPolicy) -> bool| page.sets.iter().any(|set| is_it(&set.policy));
    let by_zone = any(|policy| matches!(policy, RoutingPolicy::AzAffinity(_)));
    let by_region =
        by_zone || any(|policy| matches!(policy, RoutingPolicy::Latency(_) | RoutingPolicy::Geolocation(_)));
    for ((region, zones), seen_by) in seen_by.groups(by_region, by_zone.then_some(zones_of)) {
        let of_all = RoutingChoice { sets: &sets, zone, region, client: None, endpoints };
        let mut records = of_all.records(sets.keys().copied(), &mut joined.problems);
        for client in &zones {
            let choice = RoutingChoice { client: Some(client), ..of_all };
            // all that a name has there, where any of it is something else than elsewhere
            let differs = |name: &DnsName, rtype| choice.place_of(name, rtype) != of_all.place_of(name, rtype);
            let others: BTreeSet<&DnsName> =
                sets.keys().filter(|(name, rtype)| differs(name, *rtype)).map(|(name, _)| *name).collect();
            let theirs = sets.keys().copied().filter(|(name, _)| others.contains(name));
            records.extend(choice.records(theirs, &mut joined.problems));
        }
        joined.inputs.push(input(zone, seen_by, Some(records)));
    }
}

/// An alias to an endpoint answers with the addresses of both families: a second one for AAAA says nothing new.
fn without_second_aliases(records: Vec<RecordInput>) -> Vec<RecordInput> {
    let mut seen: HashSet<(DnsName, Option<ZoneName>)> = HashSet::new();
    let mut is_new = |record: &RecordInput| seen.insert((record.name.value.clone(), record.clients_in.clone()));
    let is_alias = |record: &RecordInput| matches!(record.data, RecordData::Alias(_));
    records.into_iter().filter(|record| !is_alias(record) || is_new(record)).collect()
}

fn data_of(choice: &RoutingChoice<'_>, set: &RecordSet) -> Result<RecordData, String> {
    Ok(match &set.data {
        SetData::Endpoint(target) => RecordData::Alias(choice.endpoint(target)?),
        SetData::Values { .. } if matches!(set.policy, RoutingPolicy::Weighted(_)) => {
            let all = choice.sets.get(&(&set.name, set.rtype)).into_iter().flatten();
            RecordData::Weighted(set.rtype, weighted(all.copied())?)
        }
        SetData::Values { ttl, rdata } => {
            let mut rdata = rdata.clone();
            if set.policy == RoutingPolicy::Multivalue {
                let all = choice.sets.get(&(&set.name, set.rtype)).into_iter().flatten();
                let more = all.filter(|other| other.place != set.place).filter_map(|other| match &other.data {
                    SetData::Values { rdata, .. } => Some(rdata.iter().cloned()),
                    _ => None,
                });
                rdata.extend(more.flatten());
                rdata.truncate(MULTIVALUE);
            }
            RecordData::Records { rtype: set.rtype, ttl: *ttl, rdata }
        }
        // `RoutingChoice::of` follows these
        SetData::Name { .. } => RecordData::Elsewhere(set.rtype),
    })
}

const WEIGHTED_ALIASES: &str = "weighted routing among aliases is not served";

/// Record sets with their weights, those of weight 0 left out.
///
/// "If you set Weight to 0 for all of the records in the group, traffic is routed to all resources with equal probability"
/// (Route 53 guide, "Weighted routing").
fn weighted<'r>(sets: impl Iterator<Item = &'r RecordSet> + Clone) -> Result<Vec<WeightedRecords>, String> {
    let weight = |set: &RecordSet| match set.policy {
        RoutingPolicy::Weighted(weight) => NonZeroU32::new(weight),
        _ => None,
    };
    let is_any_live = sets.clone().any(|set| weight(set).is_some());
    let live = sets.filter(|set| !is_any_live || weight(set).is_some());
    live.map(|set| match &set.data {
        SetData::Values { ttl, rdata } => {
            Ok(WeightedRecords { weight: weight(set).unwrap_or(NonZeroU32::MIN), ttl: *ttl, rdata: rdata.clone() })
        }
        _ => Err(WEIGHTED_ALIASES.to_owned()),
    })
    .collect()
}

/// Which record set of a name and type holds for the VPCs of a Region, and for clients in a zone there.
#[derive(Clone, Copy)]
struct RoutingChoice<'c> {
    sets: &'c ZoneRecordSets<'c>,
    zone: &'c ZoneOutput,
    region: Option<&'c Region>,
    /// `None`: a client whose zone is not known.
    client: Option<&'c NamedZone>,
    endpoints: Option<&'c EndpointsById<'c>>,
}

impl<'c> RoutingChoice<'c> {
    /// The records of these names and types, and a warning for each that nobody here knows.
    fn records<'n>(
        &self,
        wanted: impl Iterator<Item = (&'n DnsName, Rtype)>,
        problems: &mut Vec<Problem>,
    ) -> Vec<RecordInput> {
        let clients_in = self.client.map(|client| client.name.clone());
        let record = |(name, rtype): (&DnsName, Rtype)| {
            let (data, place) = self.data(name, rtype).unwrap_or_else(|(place, why)| {
                let what = format!("{name} {rtype} of the zone {}: {why}", self.zone.name);
                let hint = "questions for it are answered with SERVFAIL: nobody here knows its addresses";
                problems.push(Problem::warning(place.clone(), what, hint));
                (RecordData::Elsewhere(rtype), place)
            });
            RecordInput { name: At::new(name.clone(), place), clients_in: clients_in.clone(), data }
        };
        wanted.map(record).collect()
    }

    /// What the name has of the type, and where that is said.
    fn data(&self, name: &DnsName, rtype: Rtype) -> Result<(RecordData, Place), (Place, String)> {
        let Some(set) = self.of(name, rtype, 0)? else {
            let place = self.sets.get(&(name, rtype)).and_then(|sets| sets.first());
            let place = place.map_or_else(|| self.zone.place.clone(), |set| set.place.clone());
            return Ok((RecordData::Records { rtype, ttl: 0, rdata: Vec::new() }, place));
        };
        let data = data_of(self, set).map_err(|why| (set.place.clone(), why))?;
        Ok((data, set.place.clone()))
    }

    /// Where the record set stands that holds; `None`: none does.
    fn place_of(&self, name: &DnsName, rtype: Rtype) -> Option<&'c Place> {
        self.of(name, rtype, 0).ok().flatten().map(|set| &set.place)
    }

    /// The record set that holds; `None`: none is for such a client, and it gets no answer.
    fn of(&self, name: &DnsName, rtype: Rtype, aliases: usize) -> Result<Option<&'c RecordSet>, (Place, String)> {
        let Some(sets) = self.sets.get(&(name, rtype)).filter(|sets| !sets.is_empty()) else {
            return Err((self.zone.place.clone(), format!("an alias leads to {name}, which has no {rtype}")));
        };
        let place = sets.first().map_or_else(|| self.zone.place.clone(), |set| set.place.clone());
        let Some(set) = self.by_policy(sets).map_err(|why| (place, why))? else { return Ok(None) };
        let SetData::Name { zone, name } = &set.data else { return Ok(Some(set)) };
        if *zone != self.zone.id {
            return Err((set.place.clone(), format!("an alias to {name}, which is in no output")));
        }
        if aliases >= MAX_ALIASES {
            return Err((set.place.clone(), "its aliases lead in a circle".to_owned()));
        }
        self.of(name, rtype, aliases + 1)
    }

    /// The endpoint that an alias leads to, if an output has it, and its zonal name, if it has that.
    fn endpoint(&self, target: &At<AliasInput>) -> Result<At<AliasInput>, String> {
        let id = target.value.endpoint;
        let name = target.value.name.as_ref();
        let Some(endpoints) = self.endpoints else {
            return Ok(At::new(AliasInput { may_dangle: true, ..target.value.clone() }, target.place.clone()));
        };
        let Some(endpoint) = endpoints.get(&id).map(|output| &output.input) else {
            return Err(format!("an alias to {id}, which is in no output"));
        };
        let label = name.and_then(|name| parse_label(name.labels().next()?));
        let Some(zone) = label.as_ref().and_then(|label| label.zone) else {
            return Ok(At::new(AliasInput { endpoint: id, name: None, may_dangle: false }, target.place.clone()));
        };
        let listed = endpoint.given_names.as_ref().and_then(|names| names.zones.as_ref());
        let is_its = listed.is_some_and(|listed| listed.iter().any(|own| own.as_str().as_bytes() == zone))
            && endpoint.dns_suffix.as_ref().map(|suffix| suffix.value) == label.map(|label| label.suffix);
        if is_its { Ok(target.clone()) } else { Err(format!("an alias to a zonal name that {id} does not have")) }
    }

    /// "Route 53 responds to DNS queries based on the AWS Region of the VPC"; "priority goes to the smallest geographic region"; without
    /// a default "Route 53 returns a 'no answer' response" (Route 53 guide, "Geolocation routing", and the page on private zones).
    fn by_place(&self, sets: &[&'c RecordSet]) -> Option<&'c RecordSet> {
        let here = self.region.and_then(geography_of);
        let of = |continent: Option<&str>, country: Option<&str>, subdivision: Option<&str>| {
            let [continent, country, subdivision] = [continent, country, subdivision].map(|code| code.map(Box::from));
            let wanted = RoutingPolicy::Geolocation(GeoPlace { continent, country, subdivision });
            sets.iter().find(|set| set.policy == wanted).copied()
        };
        let by_state = |here: Geography| here.subdivision.and_then(|state| of(None, Some(here.country), Some(state)));
        here.and_then(by_state)
            .or_else(|| here.and_then(|here| of(None, Some(here.country), None)))
            .or_else(|| here.and_then(|here| of(Some(here.continent), None, None)))
            .or_else(|| of(None, Some("*"), None))
    }

    fn by_policy(&self, sets: &[&'c RecordSet]) -> Result<Option<&'c RecordSet>, String> {
        let find = |fits: &dyn Fn(&RoutingPolicy) -> bool| sets.iter().find(|set| fits(&set.policy)).copied();
        let Some(first) = sets.first().copied() else { return Err("no records".to_owned()) };
        let chosen = match &first.policy {
            RoutingPolicy::Simple | RoutingPolicy::Multivalue => Ok(first),
            RoutingPolicy::AzAffinity(_) => return az_affinity::choose(sets, self.client.zip(self.region)),
            // health is not known here, so that the primary is taken to be well
            RoutingPolicy::Failover { .. } => find(&|policy| *policy == RoutingPolicy::Failover { primary: true })
                .ok_or("failover without a primary".to_owned()),
            RoutingPolicy::Latency(_) => {
                find(&|policy| matches!(policy, RoutingPolicy::Latency(region) if Some(region) == self.region))
                    .ok_or_else(|| "latency routing without a record for the Region of its VPCs".to_owned())
            }
            RoutingPolicy::Geolocation(_) => return Ok(self.by_place(sets)),
            RoutingPolicy::Weighted(_) => {
                // "If you want to disable routing to a resource, set Weight to 0" (Route 53 guide, "Weighted routing")
                let live: Vec<_> =
                    sets.iter().copied().filter(|set| set.policy != RoutingPolicy::Weighted(0)).collect();
                match live.as_slice() {
                    [] => Ok(first),
                    [_, _, ..] if live.iter().any(|set| !matches!(set.data, SetData::Values { .. })) => {
                        Err(WEIGHTED_ALIASES.to_owned())
                    }
                    [one, ..] => Ok(*one),
                }
            }
            RoutingPolicy::Other(kind) => Err(format!("{kind} routing is not served")),
        };
        chosen.map(Some)
    }
}
