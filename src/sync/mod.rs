//! Reads an account as the AWS CLI would, and writes what the AWS CLI would print.
//!
//! ```text
//! environment  variables and the clock; profile: the AWS CLI's files; service_urls: where services are
//! query        a call as it is sent, and its answer read
//! credentials  who asks
//! client       a call, signed, at its rate, tried again -> an element
//!   pace       how often; denials: what not for an hour
//!   rest       the protocols of Route 53
//!   xml        octets -> elements
//!   shape      elements -> members of the CLI's output; kind, zone: of which objects
//!   pages      where they begin
//! fetch        every page of every kind in one region -> Fetched
//!   names      of endpoints, where an emulator made them up
//!   stand_in   addresses that a source does not give
//!   seldom     Resolver and Profiles; zones: hosted zones, at Route 53's own pace; seen_zones: which of them VPCs see
//! directory    Fetched -> DIR/<account>-<region>/ec2.json, by one rename
//!   caution    what keeps too little from being believed
//! follow       fetch and directory, round after round
//! source       follow, as a source
//! ```
//!
//! What is written is read by `source` like any other output of the AWS CLI: this room knows nothing of the model. A
//! region is written when all that it requires has been read to its last page, and not at all otherwise.

mod caution;
mod client;
mod credentials;
mod denials;
mod directory;
mod environment;
mod fetch;
mod follow;
mod kind;
mod names;
mod pace;
mod pages;
mod profile;
mod query;
mod rest;
mod seen_zones;
mod seldom;
mod service_urls;
mod shape;
mod source;
mod stand_in;
mod xml;
mod zone;
mod zones;

pub use caution::Caution;
pub use client::{AwsClient, SharedClient};
pub use credentials::{AssumedRole, CredentialError, CredentialSettings, SharedCredentials};
pub use directory::{FILE, WriteOutcome, Written, copy_outputs, write};
pub use fetch::{FetchProgress, Fetched, Fetching, fetch};
pub use follow::{Followed, ROUND_OUTCOMES, Rounds};
pub use profile::profile_region;
pub use source::RoundsSource;

/// The outputs of the CLI that an answer of EC2 becomes, for the fuzz targets: one for each kind whose list it has.
#[doc(hidden)]
pub fn outputs_of(answer: &str) -> Result<Vec<serde_json::Value>, String> {
    let answer = xml::Element::parse(answer)?;
    let pages = kind::KINDS.iter().filter_map(|kind| Some((kind, kind.page(&answer).ok()?)));
    let objects = |page: Vec<(String, serde_json::Value)>| page.into_iter().map(|(_, object)| object);
    Ok(pages.map(|(kind, page)| serde_json::json!({kind.key: objects(page).collect::<Vec<_>>()})).collect())
}

/// The least privilege that reading needs, as an IAM policy (JSON). GetCallerIdentity needs none.
pub fn policy() -> String {
    let mut actions: Vec<String> = kind::KINDS.iter().map(|kind| format!("ec2:{}", kind.action)).collect();
    actions.push(format!("ec2:{}", kind::ATTRIBUTE_ACTION));
    let of_zones = zones::ACTIONS.into_iter().chain([seen_zones::ACTION]);
    actions.extend(of_zones.map(|action| format!("{}:{action}", rest::ROUTE53.service)));
    actions.extend(seldom::SELDOM_KINDS.iter().map(|kind| format!("{}:{}", kind.api.service, kind.action)));
    actions.sort_unstable();
    let statement = serde_json::json!({"Sid": "VpcednsSync", "Effect": "Allow", "Action": actions, "Resource": "*"});
    format!("{:#}\n", serde_json::json!({"Version": "2012-10-17", "Statement": [statement]}))
}
