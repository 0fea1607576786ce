//! What changes seldom and is read every five minutes: rules and endpoints of Route 53 Resolver, and Profiles.
//!
//! Names of members are those of botocore's models of Route53Resolver, 2018-04-01, and Route53Profiles, 2018-05-10.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::client::AwsClient;
use super::denials::Denials;
use super::pages::PageMarks;
use super::query::{Api, CallError};
use super::rest::{PROFILES, RESOLVER, RestCall};
use crate::naming::Region;

/// Time between two readings.
const EVERY: Duration = Duration::from_secs(300);
/// Items of a page (API References, `MaxResults`).
const PAGE: u32 = 100;

/// A kind of object that one action lists.
#[derive(Debug)]
pub(super) struct SeldomKind {
    pub(super) api: Api,
    /// `ListResolverRules`
    pub(super) action: &'static str,
    /// The list in the answer, and in the CLI's output: `ResolverRules`.
    pub(super) key: &'static str,
    /// The member that tells objects apart.
    pub(super) id: &'static str,
    /// Members that are kept.
    members: &'static [&'static str],
    /// The kind each of whose objects has such a list; `None`: there is one list.
    parent: Option<ParentKind>,
    /// The path of a GET; empty for a POST.
    path: &'static [&'static str],
}

/// The kind whose objects have lists of another kind each.
#[derive(Debug)]
struct ParentKind {
    key: &'static str,
    /// The member that tells whose list it is: a parameter of the call, and a member of what is kept.
    named: &'static str,
}

/// The service as the header of JSON 1.1 names it.
const TARGET: &str = "Route53Resolver";

/// Every kind; one that others' lists belong to comes before these.
pub(super) const SELDOM_KINDS: [SeldomKind; 9] = [
    SeldomKind {
        api: RESOLVER,
        action: "ListResolverRules",
        key: "ResolverRules",
        id: "Id",
        members: &[
            "Id",
            "Arn",
            "Name",
            "DomainName",
            "Status",
            "RuleType",
            "TargetIps",
            "ResolverEndpointId",
            "OwnerId",
            "ShareStatus",
            "DelegationRecord",
        ],
        parent: None,
        path: &[],
    },
    SeldomKind {
        api: RESOLVER,
        action: "ListResolverRuleAssociations",
        key: "ResolverRuleAssociations",
        id: "Id",
        members: &["Id", "ResolverRuleId", "Name", "VPCId", "Status"],
        parent: None,
        path: &[],
    },
    SeldomKind {
        api: RESOLVER,
        action: "ListResolverEndpoints",
        key: "ResolverEndpoints",
        id: "Id",
        members: &[
            "Id",
            "Arn",
            "Name",
            "Direction",
            "IpAddressCount",
            "HostVPCId",
            "Status",
            "ResolverEndpointType",
            "Protocols",
        ],
        parent: None,
        path: &[],
    },
    SeldomKind {
        api: RESOLVER,
        action: "ListResolverEndpointIpAddresses",
        key: "IpAddresses",
        id: "IpId",
        members: &["IpId", "SubnetId", "Ip", "Ipv6", "Status"],
        parent: Some(ParentKind { key: "ResolverEndpoints", named: "ResolverEndpointId" }),
        path: &[],
    },
    SeldomKind {
        api: RESOLVER,
        action: "ListResolverConfigs",
        key: "ResolverConfigs",
        id: "Id",
        members: &["Id", "ResourceId", "OwnerId", "AutodefinedReverse"],
        parent: None,
        path: &[],
    },
    SeldomKind {
        api: RESOLVER,
        action: "ListResolverDnssecConfigs",
        key: "ResolverDnssecConfigs",
        id: "Id",
        members: &["Id", "ResourceId", "OwnerId", "ValidationStatus"],
        parent: None,
        path: &[],
    },
    SeldomKind {
        api: PROFILES,
        action: "ListProfiles",
        key: "ProfileSummaries",
        id: "Id",
        members: &["Id", "Arn", "Name", "ShareStatus"],
        parent: None,
        path: &["profiles"],
    },
    SeldomKind {
        api: PROFILES,
        action: "ListProfileAssociations",
        key: "ProfileAssociations",
        id: "Id",
        members: &["Id", "Name", "OwnerId", "ProfileId", "ResourceId", "Status", "Priority"],
        parent: None,
        path: &["profileassociations"],
    },
    SeldomKind {
        api: PROFILES,
        action: "ListProfileResourceAssociations",
        key: "ProfileResourceAssociations",
        id: "Id",
        members: &["Id", "Name", "OwnerId", "ProfileId", "ResourceArn", "ResourceType", "ResourceProperties", "Status"],
        parent: Some(ParentKind { key: "ProfileSummaries", named: "ProfileId" }),
        path: &["profileresourceassociations", "profileid"],
    },
];

/// What was read last, and when.
#[derive(Debug, Default)]
pub(super) struct SeldomMemory {
    read_at: Option<Instant>,
    said: SeldomLists,
    /// Kinds that were denied.
    denied: Denials,
}

/// What a reading said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SeldomLists {
    /// The lists by their key, in the order of [`SELDOM_KINDS`].
    pub(super) lists: Vec<(&'static str, Arc<Vec<Value>>)>,
    /// Kinds that could not be read, with the reason.
    pub(super) left_out: Vec<(&'static str, String)>,
}

impl SeldomMemory {
    /// What there is now, or was less than five minutes ago. With each kind that is read, `progress` is told of its objects
    /// and calls.
    pub(super) async fn read(
        &mut self,
        client: &AwsClient,
        region: &Region,
        progress: &(dyn Fn(&str, usize, usize) + Sync),
    ) -> SeldomLists {
        if self.read_at.is_none_or(|at| at.elapsed() >= EVERY) {
            self.said = self.read_now(client, region, progress).await;
            self.read_at = Some(Instant::now());
        }
        self.said.clone()
    }

    /// The next reading is due at once.
    pub(super) fn forget_age(&mut self) {
        self.read_at = None;
    }

    async fn read_now(
        &mut self,
        client: &AwsClient,
        region: &Region,
        progress: &(dyn Fn(&str, usize, usize) + Sync),
    ) -> SeldomLists {
        let mut said = SeldomLists::default();
        for kind in &SELDOM_KINDS {
            if let Some(why) = self.denied.why_not(kind.key) {
                said.left_out.push((kind.key, why.to_owned()));
                continue;
            }
            let mut calls = 0;
            match kind.all(client, region, &said, &mut calls).await {
                Ok(objects) => {
                    progress(kind.key, objects.len(), calls);
                    said.lists.push((kind.key, Arc::new(objects)));
                }
                Err(error) => {
                    let why = format!("{}: {error}", kind.action);
                    self.denied.note(kind.key, &error, &why);
                    said.left_out.push((kind.key, why));
                }
            }
        }
        said
    }
}

impl SeldomKind {
    /// All objects, in the order of their ids.
    async fn all(
        &self,
        client: &AwsClient,
        region: &Region,
        said: &SeldomLists,
        calls: &mut usize,
    ) -> Result<Vec<Value>, CallError> {
        let mut objects = BTreeMap::new();
        match &self.parent {
            None => self.list(client, region, None, &mut objects, calls).await?,
            Some(parent) => {
                let list = said.lists.iter().find(|(key, _)| *key == parent.key).map(|(_, list)| Arc::clone(list));
                let list = list.ok_or_else(|| CallError::Failed(format!("the {} are not known", parent.key)))?;
                for one in list.iter() {
                    let Some(id) = one["Id"].as_str() else { continue };
                    self.list(client, region, Some((parent.named, id)), &mut objects, calls).await?;
                }
            }
        }
        Ok(objects.into_values().collect())
    }

    /// The pages of one list, of the object `of`.
    async fn list(
        &self,
        client: &AwsClient,
        region: &Region,
        of: Option<(&'static str, &str)>,
        objects: &mut BTreeMap<String, Value>,
        calls: &mut usize,
    ) -> Result<(), CallError> {
        let mut tokens = PageMarks::new("a token");
        let mut token: Option<String> = None;
        loop {
            *calls += 1;
            let call = self.call(of, token.as_deref());
            let mut answer = match client.call_json(self.api, region, self.action, &call).await {
                // it has gone meanwhile
                Err(CallError::Refused(code, _)) if of.is_some() && code == "ResourceNotFoundException" => {
                    return Ok(());
                }
                answer => answer?,
            };
            for mut object in self.page(&mut answer).map_err(|why| CallError::Failed(format!("the answer {why}")))? {
                if let Some((named, id)) = of {
                    object.insert(named.to_owned(), Value::from(id));
                }
                let id = object.get(self.id).and_then(Value::as_str).unwrap_or_default().to_owned();
                objects.insert(id, Value::Object(object));
            }
            let next = answer.get("NextToken").and_then(Value::as_str).filter(|token| !token.is_empty());
            let Some(next) = next.map(str::to_owned) else { return Ok(()) };
            token = Some(tokens.follow(next)?);
        }
    }

    fn call(&self, of: Option<(&'static str, &str)>, token: Option<&str>) -> RestCall {
        if self.path.is_empty() {
            let mut body = json!({"MaxResults": PAGE});
            for (name, value) in of.into_iter().chain(token.map(|token| ("NextToken", token))) {
                body[name] = Value::from(value);
            }
            return RestCall::Json { target: TARGET, body };
        }
        let segments: Vec<&str> = self.path.iter().copied().chain(of.map(|(_, id)| id)).collect();
        let mut query = vec![("maxResults", PAGE.to_string())];
        query.extend(token.map(|token| ("nextToken", token.to_owned())));
        RestCall::get(&segments, query)
    }

    /// The objects of a page. An answer without the list, or an object without its id, is an error.
    fn page(&self, answer: &mut Map<String, Value>) -> Result<Vec<Map<String, Value>>, String> {
        let Some(Value::Array(list)) = answer.remove(self.key) else { return Err(format!("has no {}", self.key)) };
        let object = |item: Value| {
            let Value::Object(mut object) = item else { return Err(format!("has in {} what is no object", self.key)) };
            object.retain(|member, value| self.members.contains(&member.as_str()) && !value.is_null());
            let has_id = object.get(self.id).and_then(Value::as_str).is_some_and(|id| !id.is_empty());
            if has_id { Ok(object) } else { Err(format!("has in {} one without {}", self.key, self.id)) }
        };
        list.into_iter().map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(key: &str) -> &'static SeldomKind {
        SELDOM_KINDS.iter().find(|kind| kind.key == key).unwrap()
    }

    /// The sample response of the Route 53 Resolver API Reference, `ListResolverRuleAssociations`.
    #[test]
    fn an_answer_becomes_the_output_of_the_cli() {
        let answer = json!({
            "MaxResults": 10,
            "ResolverRuleAssociations": [{
                "Id": "rslvr-autodefined-assoc-vpc-03cf94c75cexample-internet-resolver", "Name": "System Rule Association",
                "ResolverRuleId": "rslvr-autodefined-rr-internet-resolver", "Status": "COMPLETE", "StatusMessage": "",
                "VPCId": "vpc-03cf94c75cexample",
            }],
        });
        let Value::Object(mut answer) = answer else { unreachable!() };
        let page = kind("ResolverRuleAssociations").page(&mut answer).unwrap();
        assert_eq!(page[0]["VPCId"], "vpc-03cf94c75cexample");
        assert!(!page[0].contains_key("StatusMessage"));
        for wrong in [json!({}), json!({"ResolverRules": [1]}), json!({"ResolverRules": [{"Name": "x"}]})] {
            let Value::Object(mut wrong) = wrong else { unreachable!() };
            assert!(kind("ResolverRules").page(&mut wrong).is_err());
        }
    }

    #[test]
    fn calls_are_put_as_each_protocol_wants_them() {
        let addresses = kind("IpAddresses").call(Some(("ResolverEndpointId", "rslvr-in-1")), Some("t"));
        let RestCall::Json { body, .. } = addresses else { panic!("no JSON") };
        assert_eq!(body, json!({"MaxResults": 100, "ResolverEndpointId": "rslvr-in-1", "NextToken": "t"}));
        let resources = kind("ProfileResourceAssociations").call(Some(("ProfileId", "rp-1")), Some("t"));
        let RestCall::Get { path, query } = resources else { panic!("no GET") };
        assert_eq!(path, "/profileresourceassociations/profileid/rp-1");
        assert_eq!(query, [("maxResults", "100".to_owned()), ("nextToken", "t".to_owned())]);
    }
}
