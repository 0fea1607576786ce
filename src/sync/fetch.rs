//! Everything of one account in one region, to the last page.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::time::Instant;

use super::client::AwsClient;
use super::kind::{ATTRIBUTE_ACTION, ATTRIBUTES, KINDS, ListedKind, attribute};
use super::query::{CallError, EC2, STS};
use super::xml::Element;
use crate::naming::{Region, VpcId};

/// Most pages of one kind: a million objects, and far fewer than an endless chain of tokens.
const MAX_PAGES: usize = 10_000;
/// Attributes of VPCs that are asked for at once.
const AT_ONCE: usize = 2;
/// VPCs whose attributes are known and asked for again in one round: one call tells one attribute of one VPC.
const AGAIN: usize = 5;
/// A kind that was denied is asked for again after this long.
const DENIED: Duration = Duration::from_secs(3600);

/// What is read.
#[derive(Clone, Debug)]
pub struct Fetching {
    /// The region.
    pub region: Region,
    /// These VPCs; empty: all.
    pub vpcs: Vec<VpcId>,
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
    /// Kinds that are not required and could not be read, with the reason.
    pub left_out: Vec<(&'static str, String)>,
}

/// What earlier rounds have found out, and the next one need not ask.
#[derive(Debug, Default)]
pub struct FetchMemory {
    /// The outputs of each VPC's attributes.
    attributes: BTreeMap<String, Vec<Value>>,
    /// The VPC whose attributes were asked for last because it was its turn.
    turn: String,
    /// Kinds that were denied: when, and in which words.
    denied: BTreeMap<&'static str, (Instant, String)>,
}

/// Reads a region; `progress` is told of each kind, how many objects it has and in how many pages. One kind that is
/// required and fails, fails all; the text says which.
pub async fn fetch(
    client: &AwsClient,
    what: &Fetching,
    memory: &mut FetchMemory,
    progress: &(dyn Fn(&str, usize, usize) + Sync),
) -> Result<Fetched, String> {
    let account = account(client, &what.region).await?;
    let mut fetched = Fetched {
        account,
        region: what.region.clone(),
        lists: Vec::new(),
        attributes: Vec::new(),
        left_out: Vec::new(),
    };
    for kind in &KINDS {
        if let Some(why) = memory.is_denied(kind.key) {
            fetched.left_out.push((kind.key, why));
            continue;
        }
        match pages(client, what, kind).await {
            Ok((mut objects, pages)) => {
                progress(kind.key, objects.len(), pages);
                match kind.key {
                    // no output tells the region of a VPC, and this one need not be found out
                    "Vpcs" => objects.values_mut().for_each(|vpc| vpc["Region"] = Value::from(what.region.as_str())),
                    "VpcEndpointAssociations" if !what.vpcs.is_empty() => fetched.keep_own(&mut objects),
                    _ => {}
                }
                fetched.lists.push((kind.key, objects.into_values().collect()));
            }
            Err(error) if !kind.required => {
                let why = format!("{}: {error}", kind.action);
                if matches!(error, CallError::Refused(..)) {
                    memory.denied.insert(kind.key, (Instant::now(), why.clone()));
                }
                fetched.left_out.push((kind.key, why));
            }
            Err(error) => return Err(format!("{}: {error}", kind.action)),
        }
    }
    let vpcs = fetched.ids("Vpcs", "VpcId");
    let asked = memory.next_turn(&vpcs);
    let calls = asked.len() * ATTRIBUTES.len();
    attributes(client, &what.region, asked, memory).await?;
    fetched.attributes = memory.attributes.values().flatten().cloned().collect();
    progress("VpcAttributes", fetched.attributes.len(), calls);
    Ok(fetched)
}

impl FetchMemory {
    /// Why a kind is not asked for.
    fn is_denied(&self, key: &str) -> Option<String> {
        let (at, why) = self.denied.get(key)?;
        (at.elapsed() < DENIED).then(|| why.clone())
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

impl Fetched {
    /// The ids of a list, in their order.
    fn ids(&self, key: &str, id: &str) -> BTreeSet<String> {
        let list = self.lists.iter().find(|(known, _)| *known == key);
        list.into_iter().flat_map(|(_, objects)| objects).filter_map(|one| Some(one[id].as_str()?.to_owned())).collect()
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

/// Every object of a kind by its id, and how many pages there were. An object that moved from one page to another while
/// they were read is there once.
async fn pages(
    client: &AwsClient,
    what: &Fetching,
    kind: &'static ListedKind,
) -> Result<(BTreeMap<String, Value>, usize), CallError> {
    let mut objects = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut token: Option<String> = None;
    loop {
        let mut parameters = vec![("MaxResults".to_owned(), kind.page.to_string())];
        if let Some(filter) = kind.vpc_filter.filter(|_| !what.vpcs.is_empty()) {
            parameters.push(("Filter.1.Name".to_owned(), filter.to_owned()));
            let values = (1..).zip(&what.vpcs);
            parameters.extend(values.map(|(at, vpc)| (format!("Filter.1.Value.{at}"), vpc.to_string())));
        }
        parameters.extend(token.take().map(|token| ("NextToken".to_owned(), token)));
        let answer = client.call(EC2, &what.region, kind.action, &parameters).await?;
        objects.extend(kind.page(&answer).map_err(|why| CallError::Failed(format!("the answer {why}")))?);
        let Some(next) = next_token(&answer) else { return Ok((objects, seen.len() + 1)) };
        if seen.len() == MAX_PAGES || !seen.insert(next.clone()) {
            return Err(CallError::Failed(format!("the pages have no end: a token comes again after {}", seen.len())));
        }
        token = Some(next);
    }
}

fn next_token(answer: &Element) -> Option<String> {
    answer.child("nextToken").map(|token| token.text.trim().to_owned()).filter(|token| !token.is_empty())
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
    let told: Vec<Result<Option<Value>, String>> = futures_util::stream::iter(calls).buffered(AT_ONCE).collect().await;
    let told: Result<Vec<Option<Value>>, String> = told.into_iter().collect();
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
