//! The EC2-compatible Query API: `aws ec2 create-vpc-endpoint`, and `dig` answers.
//!
//! ```text
//! http      a request to its form, its caller, its answer
//!   auth    who calls, and whether they may
//!   protocol  which one a call comes in, and how it is answered
//!   rest    Route 53's calls as the form that actions take; rest_json: Profiles' as documents; routes: their paths
//!   foreign calls for services that are not here
//! engine    the action checks, the change is made durable, DNS serves it, and only then is it answered
//!   groups  calls that change something at one time are one group
//!   writer  a group: worked out one on top of the other, made durable at once, served in order
//!   action  one file for each kind of object: what a call may do, in EC2's codes and texts
//!   params, fields, filter, xml, error   what calls and answers are made of
//!   document  the same for those that are JSON
//!   rule    a rule of a security group
//!   route   a route table
//!   hosted_zone  what Route 53 has
//!   resolver_rule, resolver_endpoint, query_log  what its Resolver has
//!   profile  what Profiles share
//!   record  what the API keeps of each object; own_names what an endpoint is called besides
//!   state   all records in memory, and a change to them
//!   state_store  what the API asks of the place where its state is durable
//!   store   the state on disk, changed by groups; soundness tells a file that is damaged, and keeps copies
//!   shared  the state in etcd, for several servers; the file is its last good one then
//!   dns     what of a record DNS depends on
//!   import  objects of files as records
//!   violation  what a broken rule of the model is called in EC2
//! notify    tells SNS topics and a webhook what became of an endpoint's connection
//!   notices who is to be told of a change
//!   outbox  what is still to be told, on disk
//! ```
//!
//! A change goes the way of every source: records become inputs, `reload` makes the next model and publishes it. An
//! action never sees a snapshot's insides and never publishes; what files declare it can read and not change.

// no request can panic (invariant I6)
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::string_slice, clippy::unwrap_used)
)]

mod action;
pub mod auth;
pub mod call;
mod codec;
mod default_group;
mod deliveries;
mod dns;
mod document;
mod engine;
pub mod error;
pub mod fields;
pub mod filter;
mod foreign;
mod groups;
pub mod hosted_zone;
mod http;
pub mod import;
mod notices;
pub mod notify;
mod outbox;
pub mod own_names;
pub mod params;
pub mod private_dns;
pub mod profile;
mod protocol;
pub mod query_log;
pub mod record;
mod replay;
pub mod resolver_endpoint;
pub mod resolver_rule;
pub mod rest;
mod rest_json;
pub mod route;
mod routes;
pub mod rule;
mod shared;
mod soundness;
mod state;
mod state_store;
mod store;
mod store_mark;
pub mod time;
mod violation;
mod writer;
pub mod xml;

use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use crate::config::Limits;

pub use dns::{StateSource, place};
pub use engine::{Answer, Engine};
pub use http::{Front, serve};
pub use shared::{SharedStore, StoreHealth, StoreRoute, admin};
pub(crate) use shared::{new_set, next_set};
pub use soundness::{StateContent, StateFault, content, copies, read_sound};
pub use state::ApiState;
pub use state_store::StateStore;
pub use store::{Store, stored_state};

/// The page of all actions, in Markdown.
pub fn actions_reference() -> String {
    action::reference()
}

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// How long a new or changed endpoint is `pending`. It answers meanwhile.
    pub pending: Duration,
    /// How long a deleted endpoint is `deleting`. It does not answer any more.
    pub deleting: Duration,
    /// How long a deleted endpoint is listed as `deleted` after that.
    pub deleted: Duration,
    /// Most interface endpoints of a VPC (AWS quota L-29B6F2EB).
    pub endpoints_per_vpc: usize,
    /// Where VPCs may have listeners.
    pub listen: Vec<IpNet>,
    /// Whether a VPC without a listener gets one on this machine.
    pub makes_listeners: bool,
    /// When the API began: what files declare was there by then, and more is not known of its age.
    pub began: SystemTime,
}

impl From<&Limits> for ApiSettings {
    fn from(limits: &Limits) -> Self {
        Self {
            pending: limits.ec2_pending,
            deleting: limits.ec2_deleting,
            deleted: limits.ec2_deleted,
            endpoints_per_vpc: limits.ec2_endpoints_per_vpc,
            listen: crate::config::Settings::default().ec2_listen,
            makes_listeners: false,
            began: SystemTime::now(),
        }
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}
