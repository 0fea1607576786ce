//! Everything of one account in one region, to the last page.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures_util::StreamExt as _;
use serde_json::Value;

use super::client::{AwsClient, CallError, EC2, STS};
use super::kind::{ATTRIBUTE_ACTION, ATTRIBUTES, KINDS, ListedKind, attribute};
use super::xml::Element;
use crate::naming::{Region, VpcId};

/// Most pages of one kind: a million objects, and far fewer than an endless chain of tokens.
const MAX_PAGES: usize = 10_000;
/// Attributes of VPCs that are asked for at once.
const AT_ONCE: usize = 2;

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

/// Reads a region; `progress` is told of each kind, how many objects it has and in how many pages. One kind that is
/// required and fails, fails all; the text says which.
pub async fn fetch(
    client: &AwsClient,
    what: &Fetching,
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
                fetched.left_out.push((kind.key, format!("{}: {error}", kind.action)));
            }
            Err(error) => return Err(format!("{}: {error}", kind.action)),
        }
    }
    fetched.attributes = attributes(client, &what.region, fetched.ids("Vpcs", "VpcId")).await?;
    progress("VpcAttributes", fetched.attributes.len(), fetched.attributes.len());
    Ok(fetched)
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

/// The attributes of VPCs. EC2 tells one of one VPC in a call. A VPC that is gone meanwhile has none.
async fn attributes(client: &AwsClient, region: &Region, vpcs: BTreeSet<String>) -> Result<Vec<Value>, String> {
    let asked = vpcs.iter().flat_map(|vpc| ATTRIBUTES.map(|names| (vpc, names)));
    let calls = asked.map(async |(vpc, names)| {
        let parameters = [("VpcId".to_owned(), vpc.clone()), ("Attribute".to_owned(), names.0.to_owned())];
        match client.call(EC2, region, ATTRIBUTE_ACTION, &parameters).await {
            Ok(answer) => attribute(&answer, vpc, names).map(Some).map_err(|why| format!("the answer {why}")),
            Err(CallError::Refused(code, _)) if code == "InvalidVpcID.NotFound" => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    });
    let told: Vec<Result<Option<Value>, String>> = futures_util::stream::iter(calls).buffered(AT_ONCE).collect().await;
    let told: Result<Vec<Option<Value>>, String> = told.into_iter().collect();
    Ok(told.map_err(|why| format!("{ATTRIBUTE_ACTION}: {why}"))?.into_iter().flatten().collect())
}
