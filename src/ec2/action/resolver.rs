//! Route 53 Resolver (API version 2018-04-01).
//!
//! ```text
//! rule         what is forwarded where
//! association  the VPCs of a rule
//! autodefined  what each VPC has without being told
//! endpoint     where questions come in and leave; address: its addresses, placement: where they come from
//! config       what each VPC has, and may be changed
//! query_log    kept and shown
//! nothing      what is not here
//! tags         of all of them, by ARN; tag_list: as calls say them
//! listing      filters and pages
//! ```
//!
//! Codes are those of the API's model; texts have AWS's own number (`[RSLVR-00703]`) where one was seen.

mod address;
mod association;
mod autodefined;
mod config;
mod endpoint;
pub(super) mod listing;
mod nothing;
mod placement;
mod query_log;
mod rule;
pub(super) mod tag_list;
mod tags;

use crate::ec2::call::Call;
use crate::ec2::document::{DocumentAction, DocumentCall};
use crate::ec2::error::ApiError;
use crate::naming::VpcId;

/// Every action of the API.
static ACTIONS: &[&[DocumentAction]] = &[
    address::ACTIONS,
    association::ACTIONS,
    config::ACTIONS,
    endpoint::ACTIONS,
    nothing::ACTIONS,
    query_log::ACTIONS,
    rule::ACTIONS,
    tags::ACTIONS,
];

/// A call of the action with this name.
pub(in crate::ec2) fn call(name: &str, document: &[u8]) -> Result<DocumentCall, ApiError> {
    let action = all().find(|action| action.name == name).ok_or_else(|| {
        let message = format!("{name} is no call of Route 53 Resolver that this server has.");
        ApiError::new("UnknownOperationException", message)
    })?;
    DocumentCall::new(action, document)
}

/// Every action.
pub(super) fn all() -> impl Iterator<Item = &'static DocumentAction> {
    ACTIONS.iter().copied().flatten()
}

/// Whether an action lists a kind of which there is none.
pub(super) fn is_of_nothing(action: &DocumentAction) -> bool {
    nothing::ACTIONS.iter().any(|other| other.name == action.name)
}

/// A VPC of the caller's account and Region.
fn need_vpc(call: &Call<'_>, id: &str) -> Result<VpcId, ApiError> {
    let vpc = call.need_vpc(id).map_err(|_| invalid_parameter(format!("The vpc ID '{id}' does not exist")))?;
    Ok(vpc.id)
}

/// Something that is not there, or is another account's or Region's.
fn not_found(message: String) -> ApiError {
    ApiError::new("ResourceNotFoundException", message)
}

/// A call that does not go with what there is.
fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidRequestException", message)
}

/// A member that is wrong by itself.
fn invalid_parameter(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}
