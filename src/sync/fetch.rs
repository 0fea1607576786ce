//! Everything of one account in one region, to the last page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::client::AwsClient;
use super::denials::Denials;
use super::kind::{ATTRIBUTE_ACTION, ATTRIBUTES, KINDS, ListedKind, attribute};
use super::pages::PageMarks;
use super::query::{AnswerPage, CallError, EC2, PageContent, STS};
use super::seen_zones::retained;
use super::seldom::{SeldomLists, SeldomMemory};
use super::xml::Element;
use super::zone::ZoneOutputs;
use super::zones::{ZoneBook, ZoneSnapshot};
use crate::config::{EndpointAddress, SyncNames};
use crate::naming::{Region, VpcId};

/// Attributes of VPCs that are asked for at once.
const AT_ONCE: usize = 2;
/// VPCs whose attributes are known and asked for again in one round: one call tells one attribute of one VPC.
const AGAIN: usize = 5;
/// What hosted zones are called where kinds are named by the CLI's lists.
const ZONES: &str = "HostedZones";

/// What is read.
#[derive(Clone, Debug)]
pub struct Fetching {
    /// The region.
    pub region: Region,
    /// These VPCs; empty: all.
    pub vpcs: Vec<VpcId>,
    /// Hosted zones too, which are the same in all regions of an account.
    pub hosted_zones: bool,
    /// Addresses of endpoints that have none.
    pub addresses: Vec<EndpointAddress>,
    /// Whether names of endpoints are taken as they are read.
    pub names: SyncNames,
}

/// What one region has.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The account that was asked (`111122223333`).
    pub account: String,
    /// The region.
    pub region: Region,
    /// The CLI's lists by their key, in the order in which they are written. A kind that could not be read is absent.
    pub lists: Vec<(&'static str, Vec<Value>)>,
    /// Outputs of `describe-vpc-attribute`.
    pub attributes: Vec<Value>,
    /// Private hosted zones.
    pub zones: Vec<Arc<ZoneOutputs>>,
    /// Zones that VPCs see and that are not among `zones`: outputs of `list-hosted-zones-by-vpc`, and of which VPC each is.
    pub seen_zones: Vec<Value>,
    /// Zones that were read earlier are there, too, where these are not all.
    pub keeps_zones: bool,
    /// Kinds that are not required and could not be read, with the reason.
    pub left_out: Vec<(&'static str, String)>,
    /// What was changed of what was read, for people.
    pub remarks: Vec<String>,
}

/// What earlier rounds have found out, and the next one need not ask, or read again.
#[derive(Debug, Default)]
pub(super) struct FetchMemory {
    /// The outputs of each VPC's attributes.
    attributes: BTreeMap<String, Vec<Value>>,
    /// The VPC whose attributes were asked for last because it was its turn.
    turn: String,
    /// Kinds that were denied.
    denied: Denials,
    /// What is read once in a while.
    pub(super) seldom: SeldomMemory,
    /// What the last round said, if all of it was taken over.
    last: Option<RoundDigest>,
    /// The same of a round of which that is not known yet.
    read: Option<RoundDigest>,
}

/// What a round said.
#[derive(Debug, Default, PartialEq)]
struct RoundDigest {
    account: String,
    /// The digests of each kind's pages.
    pages: BTreeMap<&'static str, Vec<u64>>,
    attributes: Vec<Value>,
    seldom: SeldomLists,
    zones: ZoneSnapshot,
    left_out: Vec<(&'static str, String)>,
}

/// The pages of a kind.
#[derive(Default)]
struct KindPages {
    digests: Vec<u64>,
    /// Objects of the pages that were read, by id. One that moved from one page to another meanwhile is there once.
    objects: BTreeMap<String, Value>,
    /// Pages that are the same as in the last round, and were not read.
    known: Vec<Bytes>,
}

/// How far it has come: a kind, how many objects were read of it, and how many calls that took.
pub type FetchProgress<'p> = &'p (dyn Fn(&str, usize, usize) + Sync);

/// Reads a region. One kind that is required and fails, fails all; the text says which.
pub async fn fetch(client: &AwsClient, what: &Fetching, progress: FetchProgress<'_>) -> Result<Fetched, String> {
    let (mut said, read) = read_round(client, what, &mut FetchMemory::default(), progress).await?;
    let book = ZoneBook::of_outputs(what.hosted_zones, &[]);
    book.of_vpcs(own_vpcs(&said, &read));
    let pass = book.read_all(client, &what.region).await;
    said.zones = book.snapshot();
    progress(ZONES, said.zones.zones.len(), pass.calls);
    let mut fetched = Fetched::new(&said, what, read).map_err(|error| error.to_string())?;
    fetched.keeps_zones = said.zones.left_out.is_some();
    Ok(fetched)
}

/// The same, round after round, with the zones as they are known, of these VPCs; `None`: it says what it said in the last one.
pub(super) async fn fetch_changes(
    client: &AwsClient,
    what: &Fetching,
    memory: &mut FetchMemory,
    zones: impl AsyncFnOnce(BTreeSet<String>) -> ZoneSnapshot,
) -> Result<Option<Fetched>, String> {
    let (mut said, read) = read_round(client, what, memory, &|_, _, _| {}).await?;
    said.zones = zones(own_vpcs(&said, &read)).await;
    if memory.last.as_ref() == Some(&said) {
        return Ok(None);
    }
    let fetched = Fetched::new(&said, what, read).map_err(|error| error.to_string())?;
    memory.read = Some(said);
    Ok(Some(fetched))
}

/// The VPCs of the account itself: only their owner may ask which zones they see.
fn own_vpcs(said: &RoundDigest, read: &[(&ListedKind, KindPages)]) -> BTreeSet<String> {
    let vpcs = read.iter().filter(|(kind, _)| kind.key == "Vpcs").flat_map(|(_, pages)| &pages.objects);
    let is_own = |vpc: &Value| vpc["OwnerId"].as_str().is_none_or(|owner| owner == said.account);
    vpcs.filter(|(_, vpc)| is_own(vpc)).map(|(id, _)| id.clone()).collect()
}

async fn read_round(
    client: &AwsClient,
    what: &Fetching,
    memory: &mut FetchMemory,
    progress: FetchProgress<'_>,
) -> Result<(RoundDigest, Vec<(&'static ListedKind, KindPages)>), String> {
    let mut said = RoundDigest { account: account(client, &what.region).await?, ..RoundDigest::default() };
    let (mut read, mut vpcs) = (Vec::new(), BTreeSet::new());
    for kind in &KINDS {
        if let Some(why) = memory.denied.why_not(kind.key) {
            said.left_out.push((kind.key, why.to_owned()));
            continue;
        }
        // VPCs are read each time: others are asked for by their ids
        let last = memory.last.as_ref().and_then(|last| last.pages.get(kind.key)).filter(|_| kind.key != "Vpcs");
        match pages(client, what, kind, last.map(Vec::as_slice).unwrap_or_default()).await {
            Ok(mut pages) => {
                progress(kind.key, pages.objects.len(), pages.digests.len());
                if kind.key == "Vpcs" {
                    vpcs = pages.objects.keys().cloned().collect();
                }
                said.pages.insert(kind.key, std::mem::take(&mut pages.digests));
                read.push((kind, pages));
            }
            Err(error) if !kind.required => {
                let why = format!("{}: {error}", kind.action);
                memory.denied.note(kind.key, &error, &why);
                said.left_out.push((kind.key, why));
            }
            Err(error) => return Err(format!("{}: {error}", kind.action)),
        }
    }
    let asked = memory.next_turn(&vpcs);
    let calls = asked.len() * ATTRIBUTES.len();
    attributes(client, &what.region, asked, memory).await?;
    said.attributes = memory.attributes.values().flatten().cloned().collect();
    progress("VpcAttributes", said.attributes.len(), calls);
    said.seldom = memory.seldom.read(client, &what.region, progress).await;
    Ok((said, read))
}

impl ListedKind {
    /// The objects of a page, by id.
    fn objects(&self, page: &Element) -> Result<Vec<(String, Value)>, CallError> {
        self.page(page).map_err(|why| CallError::Failed(format!("the answer {why}")))
    }
}

impl FetchMemory {
    /// What the outputs of an earlier process say of attributes: asking for all again would take long.
    pub(super) fn of_outputs(outputs: &[Value]) -> Self {
        let mut memory = Self::default();
        for output in outputs {
            let known = ATTRIBUTES.iter().any(|(_, key)| output.get(*key).is_some());
            if let Some(vpc) = output["VpcId"].as_str().filter(|_| known) {
                memory.attributes.entry(vpc.to_owned()).or_default().push(output.clone());
            }
        }
        memory.attributes.retain(|_, outputs| outputs.len() == ATTRIBUTES.len());
        memory
    }

    /// What was read last is what is kept: what says the same need not be read.
    pub(super) fn was_taken_over(&mut self) {
        self.last = self.read.take();
    }

    /// What is kept is something else than what was read last.
    pub(super) fn forget_last(&mut self) {
        (self.last, self.read) = (None, None);
    }

    /// The VPCs whose attributes are asked for: those that are not known, and some of the others in turn. What is known of
    /// VPCs that are gone is forgotten.
    fn next_turn(&mut self, vpcs: &BTreeSet<String>) -> Vec<String> {
        self.attributes.retain(|vpc, _| vpcs.contains(vpc));
        let known = || self.attributes.keys();
        let turn: Vec<String> = known()
            .filter(|vpc| **vpc > self.turn)
            .chain(known().filter(|vpc| **vpc <= self.turn))
            .take(AGAIN)
            .cloned()
            .collect();
        let unknown = vpcs.iter().filter(|vpc| !self.attributes.contains_key(*vpc)).cloned();
        let asked = unknown.chain(turn.iter().cloned()).collect();
        self.turn = turn.last().cloned().unwrap_or_default();
        asked
    }
}

#[cfg(test)]
impl Fetched {
    /// What a region has that has these lists.
    pub(super) fn of_lists(lists: Vec<(&'static str, Vec<Value>)>) -> Self {
        Self {
            account: "111122223333".to_owned(),
            region: "eu-west-1".parse().unwrap(),
            lists,
            attributes: vec![],
            zones: vec![],
            seen_zones: vec![],
            keeps_zones: false,
            left_out: vec![],
            remarks: vec![],
        }
    }
}

impl Fetched {
    /// All that a round said, out of the pages that were read and those that need to be now.
    fn new(said: &RoundDigest, what: &Fetching, read: Vec<(&ListedKind, KindPages)>) -> Result<Self, CallError> {
        let mut fetched = Self {
            account: said.account.clone(),
            region: what.region.clone(),
            lists: Vec::new(),
            attributes: said.attributes.clone(),
            zones: Vec::new(),
            seen_zones: Vec::new(),
            keeps_zones: false,
            remarks: Vec::new(),
            left_out: said.left_out.iter().chain(&said.seldom.left_out).cloned().collect(),
        };
        for (kind, KindPages { mut objects, known, .. }) in read {
            for body in known {
                objects.extend(kind.objects(&PageContent::Known(body).element(kind.action)?)?);
            }
            match kind.key {
                // no output tells the region of a VPC, and this one need not be found out
                "Vpcs" => objects.values_mut().for_each(|vpc| vpc["Region"] = Value::from(what.region.as_str())),
                "VpcEndpointAssociations" if !what.vpcs.is_empty() => fetched.keep_own(&mut objects),
                _ => {}
            }
            fetched.lists.push((kind.key, objects.into_values().collect()));
        }
        fetched.stand_in(&what.addresses);
        fetched.take_names(what.names);
        fetched.lists.extend(said.seldom.lists.iter().map(|(key, list)| (*key, list.to_vec())));
        fetched.left_out.extend(said.zones.left_out.clone().map(|why| (ZONES, why)));
        fetched.zones = said.zones.zones.iter().filter(|zone| fetched.has_use_for(zone, &what.vpcs)).cloned().collect();
        fetched.seen_zones = said.zones.seen.iter().filter_map(|list| fetched.unread(list, &said.zones)).collect();
        Ok(fetched)
    }

    /// What a VPC sees, less the zones that were read, and those of the account that are gone.
    fn unread(&self, list: &Value, zones: &ZoneSnapshot) -> Option<Value> {
        retained(list, |zone, id| {
            let is_own = zone["Owner"]["OwningAccount"].as_str() == Some(&self.account);
            let is_there = zones.listed.as_ref().is_none_or(|listed| listed.contains(id));
            zones.zones.iter().all(|read| read.id != id) && (!is_own || is_there)
        })
    }

    /// Whether somebody in `vpcs` may see a zone: it is theirs, or a Profile shares it.
    fn has_use_for(&self, zone: &ZoneOutputs, vpcs: &[VpcId]) -> bool {
        let is_theirs = |vpc: &Value| vpcs.iter().any(|known| vpc["VPCId"] == known.to_string());
        let is_this = |arn: &str| arn.rsplit_once(":hostedzone/").is_some_and(|(_, id)| id == zone.id);
        vpcs.is_empty()
            || zone.hosted["VPCs"].as_array().into_iter().flatten().any(is_theirs)
            || self.ids("ProfileResourceAssociations", "ResourceArn").iter().any(|arn| is_this(arn))
    }

    /// The ids of a list, in their order.
    pub(super) fn ids(&self, key: &str, id: &str) -> BTreeSet<String> {
        let list = self.lists.iter().find(|(known, _)| *known == key);
        list.into_iter().flat_map(|(_, objects)| objects).filter_map(|one| Some(one[id].as_str()?.to_owned())).collect()
    }

    /// Whether a list has an object with this id.
    pub(super) fn has(&self, key: &str, named: &str, id: &str) -> bool {
        self.lists.iter().filter(|(known, _)| *known == key).flat_map(|(_, list)| list).any(|one| one[named] == id)
    }

    /// A list, if it was read.
    pub(super) fn list_mut(&mut self, key: &str) -> Option<&mut Vec<Value>> {
        self.lists.iter_mut().find(|(known, _)| *known == key).map(|(_, list)| list)
    }

    /// Associations have no filter by VPC: those of other endpoints are left out here.
    fn keep_own(&self, associations: &mut BTreeMap<String, Value>) {
        let own = self.ids("VpcEndpoints", "VpcEndpointId");
        associations.retain(|_, one| one["VpcEndpointId"].as_str().is_some_and(|endpoint| own.contains(endpoint)));
    }
}

/// Whose keys these are.
async fn account(client: &AwsClient, region: &Region) -> Result<String, String> {
    let action = "GetCallerIdentity";
    let answer = client.call(STS, region, action, &[]).await.map_err(|error| format!("{action}: {error}"))?;
    let account = answer.find("Account").map(|account| account.text.trim().to_owned());
    account
        .filter(|account| !account.is_empty() && account.bytes().all(|octet| octet.is_ascii_alphanumeric()))
        .ok_or_else(|| format!("{action}: the answer has no account"))
}

/// The pages of a kind; `last`: the digests of those of the last round.
async fn pages(
    client: &AwsClient,
    what: &Fetching,
    kind: &'static ListedKind,
    last: &[u64],
) -> Result<KindPages, CallError> {
    let (mut pages, mut tokens) = (KindPages::default(), PageMarks::new("a token"));
    let mut token: Option<String> = None;
    loop {
        let mut parameters = vec![("MaxResults".to_owned(), kind.page.to_string())];
        if let Some(filter) = kind.vpc_filter.filter(|_| !what.vpcs.is_empty()) {
            parameters.push(("Filter.1.Name".to_owned(), filter.to_owned()));
            let values = (1..).zip(&what.vpcs);
            parameters.extend(values.map(|(at, vpc)| (format!("Filter.1.Value.{at}"), vpc.to_string())));
        }
        parameters.extend(token.take().map(|token| ("NextToken".to_owned(), token)));
        let known = last.get(pages.digests.len()).copied();
        let AnswerPage { content, digest, next } =
            client.call_page(EC2, &what.region, kind.action, &parameters, known).await?;
        pages.digests.push(digest);
        match content {
            PageContent::Known(body) => pages.known.push(body),
            PageContent::Read(element) => pages.objects.extend(kind.objects(&element)?),
        }
        let Some(next) = next else { return Ok(pages) };
        token = Some(tokens.follow(next)?);
    }
}

/// Asks for the attributes of VPCs. EC2 tells one of one VPC in a call. A VPC that is gone meanwhile has none.
async fn attributes(
    client: &AwsClient,
    region: &Region,
    vpcs: Vec<String>,
    memory: &mut FetchMemory,
) -> Result<(), String> {
    let mut calls = Vec::new();
    for vpc in &vpcs {
        calls.extend(ATTRIBUTES.map(|names| one_attribute(client, region, vpc.clone(), names)));
    }
    // one that fails, fails the round: the others need not be asked for
    let told: Result<Vec<Option<Value>>, String> =
        futures_util::stream::iter(calls).buffered(AT_ONCE).try_collect().await;
    let told = told.map_err(|why| format!("{ATTRIBUTE_ACTION}: {why}"))?;
    for (vpc, outputs) in vpcs.into_iter().zip(told.chunks(ATTRIBUTES.len())) {
        memory.attributes.insert(vpc, outputs.iter().flatten().cloned().collect());
    }
    Ok(())
}

async fn one_attribute(
    client: &AwsClient,
    region: &Region,
    vpc: String,
    names: (&'static str, &'static str),
) -> Result<Option<Value>, String> {
    let parameters = [("VpcId".to_owned(), vpc.clone()), ("Attribute".to_owned(), names.0.to_owned())];
    match client.call(EC2, region, ATTRIBUTE_ACTION, &parameters).await {
        Ok(answer) => attribute(&answer, &vpc, names).map(Some).map_err(|why| format!("the answer {why}")),
        Err(CallError::Refused(code, _)) if code == "InvalidVpcID.NotFound" => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_asked_for_in_turn() {
        let vpcs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let mut memory = FetchMemory::default();
        let all = vpcs(&["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(memory.next_turn(&all), ["a", "b", "c", "d", "e", "f", "g"], "nothing is known yet");
        memory.attributes = all.iter().map(|vpc| (vpc.clone(), Vec::new())).collect();
        assert_eq!(memory.next_turn(&all), ["a", "b", "c", "d", "e"]);
        assert_eq!(memory.next_turn(&all), ["f", "g", "a", "b", "c"]);
        assert_eq!(memory.next_turn(&vpcs(&["a", "g", "h"])), ["h", "g", "a"], "one has come, five have gone");
        assert_eq!(memory.next_turn(&vpcs(&[])), [""; 0]);
    }
}
