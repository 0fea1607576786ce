//! Route 53 Resolver (API version 2018-04-01): rules, and the VPCs for which they hold.
//!
//! ```text
//! rule         what is forwarded where
//! association  the VPCs of a rule
//! autodefined  what each VPC has without being told
//! tags         of all of them, by ARN
//! listing      filters and pages
//! ```
//!
//! Codes are those of the API's model; texts have AWS's own number (`[RSLVR-00703]`) where one was seen.

mod association;
mod autodefined;
mod listing;
mod rule;
mod tags;

use crate::ec2::document::{DocumentAction, DocumentCall};
use crate::ec2::error::ApiError;

/// Every action of the API.
static ACTIONS: &[&[DocumentAction]] = &[association::ACTIONS, rule::ACTIONS, tags::ACTIONS];

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
