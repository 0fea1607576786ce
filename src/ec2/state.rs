//! All records in memory, and a change to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hosted_zone::HostedZoneRecord;
use super::profile::ProfileRecord;
use super::query_log::QueryLogRecord;
use super::record::{
    EndpointRecord, EndpointType, Notification, OwnInterface, Phase, SecurityGroup, ServiceRecord, StoredObject,
    SubnetRecord, VpcRecord,
};
use super::resolver_endpoint::ResolverEndpointRecord;
use super::resolver_rule::ResolverRuleRecord;
use super::route::RouteTableRecord;
use super::time::UnixMillis;
use crate::model::Model;
use crate::naming::{EndpointId, ServiceName, SubnetId, VpcId};

/// A change: it is made durable as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Records that are new or differ.
    pub put: Vec<StoredObject>,
    /// Ids of records that go.
    pub remove: Vec<String>,
    /// The client token of the call, and what it is answered if it comes again.
    pub token: Option<(String, Token)>,
    /// Ids of endpoints that were deleted long ago and leave the list. They mean nothing for DNS, nor to the caller.
    pub purge: Vec<String>,
    /// Keys of client tokens that go.
    pub forget: Vec<String>,
    /// What happened to connections of endpoint services, for those who want to be told of it.
    pub events: Vec<ConnectionChange>,
}

/// Something that happened to the connection between an endpoint and an endpoint service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionChange {
    /// `Connect`, `Accept`, `Reject` or `Delete`.
    pub name: &'static str,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The service it leads to.
    pub service: ServiceName,
}

impl Edit {
    /// A change of these records.
    pub fn put(records: impl IntoIterator<Item = StoredObject>) -> Self {
        Self { put: records.into_iter().collect(), ..Self::default() }
    }

    /// Ids of the records that come, change or go.
    pub fn ids(&self) -> Vec<String> {
        self.put.iter().map(StoredObject::id).chain(self.remove.iter().cloned()).collect()
    }

    /// True when nothing changes.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty() && self.token.is_none()
    }
}

/// What a change does to the records, as stores and memory take it: what comes is put in place of what has its id.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// Records that are new or differ.
    pub put: Vec<Arc<StoredObject>>,
    /// Ids of records that go.
    pub remove: Vec<String>,
    /// Client tokens that come, with their keys.
    pub tokens: Vec<(String, Arc<Token>)>,
    /// Keys of client tokens that go.
    pub forget: Vec<String>,
}

impl Delta {
    /// Ids of the records that it touches.
    pub(super) fn ids(&self) -> impl Iterator<Item = String> {
        self.put.iter().map(|record| record.id()).chain(self.remove.iter().cloned())
    }

    /// Keys of the client tokens that it touches.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.tokens.iter().map(|(key, _)| key).chain(&self.forget)
    }
}

impl Delta {
    /// What makes `after` of `before`.
    pub(super) fn between(before: &ApiState, after: &ApiState) -> Self {
        let mut delta = Self::default();
        let new = after.records.iter().filter(|(id, record)| before.records.get(*id) != Some(record));
        delta.put.extend(new.map(|(_, record)| Arc::clone(record)));
        delta.remove.extend(before.records.keys().filter(|id| !after.records.contains_key(*id)).cloned());
        let new = after.tokens.iter().filter(|(key, token)| before.tokens.get(*key) != Some(token));
        delta.tokens.extend(new.map(|(key, token)| (key.clone(), Arc::clone(token))));
        delta.forget.extend(before.tokens.keys().filter(|key| !after.tokens.contains_key(*key)).cloned());
        delta
    }
}

impl From<Edit> for Delta {
    fn from(edit: Edit) -> Self {
        let Edit { put, mut remove, token, purge, forget, events: _ } = edit;
        remove.extend(purge);
        Self {
            put: put.into_iter().map(Arc::new).collect(),
            remove,
            tokens: token.into_iter().map(|(key, token)| (key, Arc::new(token))).collect(),
            forget,
        }
    }
}

/// A call that had a client token (EC2 API Reference, "Ensuring idempotency").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its parameters, the token left out.
    pub parameters: String,
    /// What it was answered, without root element and request id.
    pub answer: String,
    /// When.
    pub at: UnixMillis,
}

/// All records, by id.
#[derive(Clone, Debug, Default)]
pub struct ApiState {
    records: BTreeMap<String, Arc<StoredObject>>,
    endpoints_of: BTreeMap<VpcId, OfVpc>,
    /// How many endpoints the model has, too, unless they have lost what they are in.
    in_model: usize,
    /// The subnets of those, each with how many interfaces it has.
    homes: BTreeMap<SubnetId, usize>,
    /// Deleted endpoints by the time of that.
    deleted: BTreeSet<(UnixMillis, EndpointId)>,
    tokens: BTreeMap<String, Arc<Token>>,
    token_ages: BTreeSet<(UnixMillis, String)>,
}

/// The endpoints of a VPC.
#[derive(Clone, Debug, Default)]
struct OfVpc {
    ids: BTreeSet<EndpointId>,
    /// How many of them are interface endpoints and not deleted.
    live: usize,
}

macro_rules! kinds {
    ($($one:ident($id:ty), $all:ident: $kind:ident($record:ident), $prefix:literal;)*) => {$(
        #[doc = concat!("The ", stringify!($one), " with this id.")]
        pub fn $one(&self, id: $id) -> Option<&$record> {
            match self.records.get(&id.to_string()).map(Arc::as_ref) {
                Some(StoredObject::$kind(record)) => Some(record),
                _ => None,
            }
        }

        #[doc = concat!("Every ", stringify!($one), ", by id.")]
        pub fn $all(&self) -> impl Iterator<Item = &$record> {
            // ids are sorted, and those of a kind begin alike: the others are not looked at
            let of_kind = self.records.range($prefix.to_owned()..).take_while(|(id, _)| id.starts_with($prefix));
            of_kind.filter_map(|(_, record)| match &**record {
                StoredObject::$kind(record) => Some(record),
                _ => None,
            })
        }
    )*};
}

impl ApiState {
    kinds! {
        vpc(VpcId), vpcs: Vpc(VpcRecord), "vpc-";
        subnet(SubnetId), subnets: Subnet(SubnetRecord), "subnet-";
        security_group(&str), security_groups: SecurityGroup(SecurityGroup), "sg-";
        endpoint(EndpointId), endpoints: Endpoint(EndpointRecord), "vpce-";
        service(&str), services: Service(ServiceRecord), "vpce-svc-";
        notification(&str), notifications: Notification(Notification), "vpce-nfn-";
        route_table(&str), route_tables: RouteTable(RouteTableRecord), "rtb-";
        interface(&str), interfaces: Interface(OwnInterface), "eni-";
        hosted_zone(&str), hosted_zones: HostedZone(HostedZoneRecord), "Z";
        resolver_rule(&str), resolver_rules: ResolverRule(ResolverRuleRecord), "rslvr-rr-";
        resolver_endpoint(&str), resolver_endpoints: ResolverEndpoint(ResolverEndpointRecord), "rslvr-";
        query_log(&str), query_logs: QueryLog(QueryLogRecord), "rqlc-";
        profile(&str), profiles: Profile(ProfileRecord), "rp-";
    }

    /// The record with this id, of whatever kind.
    pub fn get(&self, id: &str) -> Option<&Arc<StoredObject>> {
        self.records.get(id)
    }

    /// Every record, by id.
    pub fn records(&self) -> impl Iterator<Item = &Arc<StoredObject>> {
        self.records.values()
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// The endpoints of a VPC, deleted ones too as long as they are kept.
    pub fn endpoints_of(&self, vpc: VpcId) -> impl Iterator<Item = &EndpointRecord> {
        self.endpoints_of.get(&vpc).into_iter().flat_map(|of| &of.ids).filter_map(|id| self.endpoint(*id))
    }

    /// The endpoints with ids behind a text, by id; all where there is none.
    pub fn endpoints_behind(&self, after: Option<&str>) -> impl Iterator<Item = &EndpointRecord> {
        let from = match after {
            Some(after) if after >= EndpointId::PREFIX => Bound::Excluded(after),
            _ => Bound::Included(EndpointId::PREFIX),
        };
        let behind = self.records.range::<str, _>((from, Bound::Unbounded));
        behind.take_while(|(id, _)| id.starts_with(EndpointId::PREFIX)).filter_map(|(_, record)| match &**record {
            StoredObject::Endpoint(record) => Some(record),
            _ => None,
        })
    }

    /// Whether a model in which all of this state is has no endpoints besides.
    pub fn has_all_endpoints_of(&self, model: &Model) -> bool {
        // one whose VPC or subnet went from the files is left out of the model
        model.endpoint_count() == self.in_model
            && self.endpoints_of.keys().all(|vpc| model.vpc(*vpc).is_some())
            && self.homes.keys().all(|subnet| model.subnet(*subnet).is_some())
    }

    /// How many interface endpoints a VPC has; deleted ones do not count.
    pub fn interface_endpoints(&self, vpc: VpcId) -> usize {
        self.endpoints_of.get(&vpc).map_or(0, |of| of.live)
    }

    /// Every client token with its key, by key.
    pub fn tokens(&self) -> impl Iterator<Item = (&String, &Arc<Token>)> + Clone {
        self.tokens.iter()
    }

    /// What a call with this token was.
    pub fn token(&self, key: &str) -> Option<&Token> {
        self.tokens.get(key).map(Arc::as_ref)
    }

    /// Adds to `edit` what nobody asks for any more: endpoints that were deleted before `deleted_before` and client
    /// tokens from before `tokens_before`, at most `most` of each.
    pub fn add_leftovers(&self, edit: &mut Edit, deleted_before: UnixMillis, tokens_before: UnixMillis, most: usize) {
        let endpoints = self.deleted.iter().take_while(|(at, _)| *at < deleted_before).take(most);
        edit.purge.extend(endpoints.map(|(_, id)| id.to_string()));
        let tokens = self.token_ages.iter().take_while(|(at, _)| *at < tokens_before).take(most);
        edit.forget.extend(tokens.map(|(_, key)| key.clone()));
    }

    /// What is to be applied to undo what was done here to what `deltas` touch, `before` being what there was.
    pub(super) fn undoing<'d>(before: &Self, deltas: impl IntoIterator<Item = &'d Delta>) -> Delta {
        let mut undo = Delta::default();
        for delta in deltas {
            for id in delta.ids() {
                match before.records.get(&id) {
                    Some(record) => undo.put.push(Arc::clone(record)),
                    None => undo.remove.push(id),
                }
            }
            for key in delta.keys() {
                match before.tokens.get(key) {
                    Some(token) => undo.tokens.push((key.clone(), Arc::clone(token))),
                    None => undo.forget.push(key.clone()),
                }
            }
        }
        undo
    }

    /// Takes a change over.
    pub fn apply(&mut self, delta: &Delta) {
        for id in &delta.remove {
            self.remove(id);
        }
        for record in &delta.put {
            let id = record.id();
            self.remove(&id);
            if let StoredObject::Endpoint(endpoint) = &**record {
                let of = self.endpoints_of.entry(endpoint.vpc).or_default();
                of.ids.insert(endpoint.id);
                of.live += usize::from(is_live(endpoint));
                if endpoint.is_in_model() {
                    self.in_model += 1;
                    for interface in &endpoint.interfaces {
                        *self.homes.entry(interface.subnet).or_default() += 1;
                    }
                }
                if endpoint.phase == Phase::Deleted {
                    self.deleted.insert((endpoint.phase_since, endpoint.id));
                }
            }
            self.records.insert(id, Arc::clone(record));
        }
        for key in &delta.forget {
            self.forget(key);
        }
        for (key, token) in &delta.tokens {
            self.forget(key);
            self.token_ages.insert((token.at, key.clone()));
            self.tokens.insert(key.clone(), Arc::clone(token));
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(record) = self.records.remove(id) else { return };
        let StoredObject::Endpoint(endpoint) = &*record else { return };
        self.deleted.remove(&(endpoint.phase_since, endpoint.id));
        if endpoint.is_in_model() {
            self.in_model = self.in_model.saturating_sub(1);
            for interface in &endpoint.interfaces {
                let left = self.homes.remove(&interface.subnet).unwrap_or_default().saturating_sub(1);
                if left > 0 {
                    self.homes.insert(interface.subnet, left);
                }
            }
        }
        if let Some(of) = self.endpoints_of.get_mut(&endpoint.vpc) {
            of.ids.remove(&endpoint.id);
            of.live = of.live.saturating_sub(usize::from(is_live(endpoint)));
            if of.ids.is_empty() {
                self.endpoints_of.remove(&endpoint.vpc);
            }
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(token) = self.tokens.remove(key) {
            self.token_ages.remove(&(token.at, key.to_owned()));
        }
    }
}

fn is_live(endpoint: &EndpointRecord) -> bool {
    endpoint.kind == EndpointType::Interface && endpoint.phase != Phase::Deleted
}
