//! Kinds of objects that do not exist here: DNS Firewall's, and resolvers on Outposts. Tools list them, and get an empty list.

use std::ops::RangeInclusive;

use serde_json::json;

use super::listing::ListQuery;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;

/// Declares the actions that list kinds of which there are none.
macro_rules! nothing {
    ($($action:literal: $member:literal, $most:expr, $texts:expr;)*) => {
        pub(super) const ACTIONS: &[DocumentAction] = &[$(DocumentAction {
            name: $action,
            writes: false,
            run: |_, document| list(document, $member, $most, $texts),
        }),*];
    };
}

nothing! {
    "ListFirewallConfigs": "FirewallConfigs", 5..=10, &[];
    "ListFirewallDomainLists": "FirewallDomainLists", 1..=100, &[];
    "ListFirewallRuleGroupAssociations": "FirewallRuleGroupAssociations", 1..=100, &[("FirewallRuleGroupId", 64), ("VpcId", 64)];
    "ListFirewallRuleGroups": "FirewallRuleGroups", 1..=100, &[];
    "ListOutpostResolvers": "OutpostResolvers", 1..=100, &[("OutpostArn", 255)];
}

const STATUSES: &[&str] = &["COMPLETE", "DELETING", "UPDATING"];

/// `texts` are members of their own, each with the most characters that it has.
fn list(
    document: &Document<'_>,
    member: &str,
    most: RangeInclusive<u32>,
    texts: &[(&str, usize)],
) -> Result<DocumentDone, ApiError> {
    for (name, longest) in texts {
        document.text(name, 1..=*longest);
    }
    document.number("MaxResults", most);
    if member == "FirewallRuleGroupAssociations" {
        document.number("Priority", 0..=u32::MAX);
        document.word("Status", STATUSES);
    }
    ListQuery::read(document, &[])?;
    Ok(DocumentDone::read(json!({ member: [] })))
}
