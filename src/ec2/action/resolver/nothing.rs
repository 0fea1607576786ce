//! Kinds of objects that do not exist here: DNS Firewall's, and resolvers on Outposts. Tools list them, and get an empty list.

use serde_json::json;

use super::listing::ListQuery;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;

/// Declares the actions that list kinds of which there are none.
macro_rules! nothing {
    ($($action:literal: $member:literal;)*) => {
        pub(super) const ACTIONS: &[DocumentAction] = &[$(DocumentAction {
            name: $action,
            writes: false,
            run: |_, document| list(document, $member),
        }),*];
    };
}

nothing! {
    "ListFirewallConfigs": "FirewallConfigs";
    "ListFirewallDomainLists": "FirewallDomainLists";
    "ListFirewallRuleGroupAssociations": "FirewallRuleGroupAssociations";
    "ListFirewallRuleGroups": "FirewallRuleGroups";
    "ListOutpostResolvers": "OutpostResolvers";
}

fn list(document: &Document<'_>, member: &str) -> Result<DocumentDone, ApiError> {
    ListQuery::read(document, &[])?;
    Ok(DocumentDone::read(json!({ member: [] })))
}
