//! Reads an account as the AWS CLI would, and writes what the AWS CLI would print.
//!
//! ```text
//! environment  variables and the clock; profile: the AWS CLI's files; service_urls: where services are
//! query        a call as it is sent, and its answer read
//! credentials  who asks
//! client       a call, signed, at its rate, tried again -> an element
//!   xml        octets -> elements
//!   kind       elements -> members of the CLI's output
//! fetch        every page of every kind in one region -> Fetched
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
mod directory;
mod environment;
mod fetch;
mod follow;
mod kind;
mod profile;
mod query;
mod service_urls;
mod source;
mod xml;

pub use caution::Caution;
pub use client::{AwsClient, ClientSettings};
pub use credentials::{AssumedRole, CredentialError, CredentialSettings, SharedCredentials};
pub use directory::{FILE, WriteOutcome, Written, copy_outputs, write};
pub use fetch::{FetchProgress, Fetched, Fetching, fetch};
pub use follow::{ClientMaker, Followed, ROUND_OUTCOMES, Rounds};
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
    actions.sort_unstable();
    let statement = serde_json::json!({"Sid": "VpcednsSync", "Effect": "Allow", "Action": actions, "Resource": "*"});
    format!("{:#}\n", serde_json::json!({"Version": "2012-10-17", "Statement": [statement]}))
}
