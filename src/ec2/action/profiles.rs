//! Route 53 Profiles (API version 2018-05-10).
//!
//! ```text
//! profile      made, shown, deleted
//! association  the VPCs that have it
//! resource     what it shares: private hosted zones, resolver rules, endpoints
//! tags         by ARN
//! ```

mod association;
mod profile;
mod resource;
mod tags;

use serde_json::Value;

use super::resolver::listing::{ListQuery, ListedItem, without_page_size};
use crate::ec2::call::Call;
use crate::ec2::document::{Document, DocumentAction, DocumentCall, DocumentDone, Members};
use crate::ec2::error::ApiError;
use crate::ec2::profile::ProfileRecord;

/// Every action of the API.
static ACTIONS: &[&[DocumentAction]] = &[association::ACTIONS, profile::ACTIONS, resource::ACTIONS, tags::ACTIONS];

/// A call of the action with this name.
pub(in crate::ec2) fn call(name: &str, members: Members) -> Result<DocumentCall, ApiError> {
    let action = all().find(|action| action.name == name).ok_or_else(|| {
        let message = format!("{name} is no call of Route 53 Profiles that this server has.");
        ApiError::new("UnknownOperationException", message)
    })?;
    Ok(DocumentCall::of(action, members))
}

/// Every action.
pub(super) fn all() -> impl Iterator<Item = &'static DocumentAction> {
    ACTIONS.iter().copied().flatten()
}

/// The Profiles of the caller's account and Region.
fn mine<'c>(call: &'c Call<'_>) -> impl Iterator<Item = &'c ProfileRecord> {
    let is_mine = |profile: &&ProfileRecord| call.sees(&profile.owner) && profile.region == call.caller.region;
    call.state.profiles().filter(is_mine)
}

/// The Profile that a call names.
fn need<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c ProfileRecord, ApiError> {
    mine(call)
        .find(|profile| profile.id == id)
        .ok_or_else(|| not_found(format!("Profile with ID '{id}' does not exist.")))
}

fn not_found(message: String) -> ApiError {
    ApiError::new("ResourceNotFoundException", message)
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

/// A page of items; these lists do not say how long their pages are.
fn page(
    document: &Document<'_>,
    member: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Result<DocumentDone, ApiError> {
    let query = ListQuery::read(document, &[])?;
    let items = items.into_iter().map(|(id, shown)| ListedItem::new(id, shown));
    let mut answer = query.page(member, items)?;
    without_page_size(&mut answer);
    Ok(DocumentDone::read(answer))
}
