//! All records in memory, and a change to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{Endpoint, Notification, Record, SecurityGroup, Service, Subnet, Vpc};
use crate::naming::{EndpointId, ServiceName, SubnetId, VpcId};

/// A change: it is made durable as a whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Records that are new or differ.
    pub put: Vec<Record>,
    /// Ids of records that go.
    pub remove: Vec<String>,
    /// The client token of the call, and what it is answered if it comes again.
    pub token: Option<(String, Token)>,
    /// What happened to connections of endpoint services, for those who want to be told of it.
    pub events: Vec<Event>,
}

/// Something that happened to the connection between an endpoint and an endpoint service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `Connect`, `Accept`, `Reject` or `Delete`.
    pub name: &'static str,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The service it leads to.
    pub service: ServiceName,
}

impl Edit {
    /// A change of these records.
    pub fn put(records: impl IntoIterator<Item = Record>) -> Self {
        Self { put: records.into_iter().collect(), ..Self::default() }
    }

    /// True when nothing changes.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty() && self.token.is_none()
    }
}

/// A call that had a client token (EC2 API Reference, "Ensuring idempotency").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its parameters, the token left out.
    pub parameters: String,
    /// What it was answered, without root element and request id.
    pub answer: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// All records, by id.
#[derive(Clone, Debug, Default)]
pub struct State {
    records: BTreeMap<String, Arc<Record>>,
    endpoints_of: BTreeMap<VpcId, BTreeSet<EndpointId>>,
    tokens: BTreeMap<String, Token>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $one:ident($id:ty), $all:ident: $kind:ident;)*) => {$(
        #[doc = concat!("The ", stringify!($one), " with this id.")]
        pub fn $one(&self, id: $id) -> Option<&$kind> {
            match self.records.get(&id.to_string()).map(Arc::as_ref) {
                Some(Record::$kind(record)) => Some(record),
                _ => None,
            }
        }

        #[doc = concat!("Every ", stringify!($one), ", by id.")]
        pub fn $all(&self) -> impl Iterator<Item = &$kind> {
            self.records.values().filter_map(|record| match &**record {
                Record::$kind(record) => Some(record),
                _ => None,
            })
        }
    )*};
}

impl State {
    kinds! {
        vpc(VpcId), vpcs: Vpc;
        subnet(SubnetId), subnets: Subnet;
        security_group(&str), security_groups: SecurityGroup;
        endpoint(EndpointId), endpoints: Endpoint;
        service(&str), services: Service;
        notification(&str), notifications: Notification;
    }

    /// The record with this id, of whatever kind.
    pub fn get(&self, id: &str) -> Option<&Arc<Record>> {
        self.records.get(id)
    }

    /// Every record, by id.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// The endpoints of a VPC, deleted ones too as long as they are kept.
    pub fn endpoints_of(&self, vpc: VpcId) -> impl Iterator<Item = &Endpoint> {
        self.endpoints_of.get(&vpc).into_iter().flatten().filter_map(|id| self.endpoint(*id))
    }

    /// What a call with this token was.
    pub fn token(&self, key: &str) -> Option<&Token> {
        self.tokens.get(key)
    }

    /// Takes a change over that is already durable.
    pub fn apply(&mut self, edit: Edit) {
        for id in edit.remove {
            if let Some(record) = self.records.remove(&id)
                && let Record::Endpoint(endpoint) = &*record
                && let Some(ids) = self.endpoints_of.get_mut(&endpoint.vpc)
            {
                ids.remove(&endpoint.id);
                if ids.is_empty() {
                    self.endpoints_of.remove(&endpoint.vpc);
                }
            }
        }
        for record in edit.put {
            if let Record::Endpoint(endpoint) = &record {
                // an endpoint never moves to another VPC
                self.endpoints_of.entry(endpoint.vpc).or_default().insert(endpoint.id);
            }
            self.records.insert(record.id(), Arc::new(record));
        }
        self.tokens.extend(edit.token);
    }
}
