//! The VPCs for which a rule holds.

use serde_json::json;

use super::listing::{ListQuery, ListedItem};
use super::rule::{is_mine, need_rule};
use super::{autodefined, invalid_request, need_vpc, not_found};
use crate::ec2::call::{Call, new_id};
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::record::StoredObject;
use crate::ec2::resolver_rule::{ResolverRuleRecord, RuleVpc};
use crate::ec2::state::Edit;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "AssociateResolverRule", writes: true, run: associate },
    DocumentAction { name: "DisassociateResolverRule", writes: true, run: disassociate },
    DocumentAction { name: "GetResolverRuleAssociation", writes: false, run: get },
    DocumentAction { name: "ListResolverRuleAssociations", writes: false, run: list },
];

/// Most associations of an account and Region (Route 53 guide, "Quotas on Route 53 Resolver").
const MOST: usize = 2_000;
const FILTERS: &[&str] = &["Name", "ResolverRuleId", "Status", "VPCId"];

fn associate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (rule, vpc) = (document.need("ResolverRuleId", 1..=64), document.need("VPCId", 1..=64));
    let name = document.friendly_name("Name").map(str::to_owned);
    document.check()?;
    let mut rule = need_rule(call, rule)?.clone();
    let vpc = need_vpc(call, vpc)?;
    let mine = || call.state.resolver_rules().filter(|rule| is_mine(call, rule));
    let same_name = |other: &&ResolverRuleRecord| {
        rule.domain_name.is_some() && other.domain_name == rule.domain_name || other.id == rule.id
    };
    let taken = mine().filter(same_name).find(|other| other.associations.iter().any(|it| it.vpc == vpc));
    if let Some(other) = taken {
        return Err(invalid_request(format!(
            "[RSLVR-00802] Cannot associate rules with same domain name with same VPC. Conflict with resolver rule \"{}\"",
            other.id
        )));
    }
    if mine().map(|rule| rule.associations.len()).sum::<usize>() >= MOST {
        let message = format!("Account '{}' has exceeded 'max-rule-association'", call.caller.account);
        return Err(ApiError::new("LimitExceededException", message));
    }
    let made = RuleVpc { id: new_id("rslvr-rrassoc-"), vpc, name };
    let shown = made.shown(&rule.id, "COMPLETE", "");
    rule.associations.push(made);
    let edit = Edit::put([StoredObject::ResolverRule(rule)]);
    Ok(DocumentDone { edit, answer: json!({ "ResolverRuleAssociation": shown }) })
}

fn disassociate(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let (id, vpc) = (document.need("ResolverRuleId", 1..=64), document.need("VPCId", 1..=64));
    document.check()?;
    if id == autodefined::RULE {
        return Err(invalid_request("[RSLVR-00713] Cannot disassociate an autodefined rule."));
    }
    let mut rule = need_rule(call, id)?.clone();
    let at = rule.associations.iter().position(|association| association.vpc.to_string() == vpc);
    let at = at.ok_or_else(|| {
        not_found(format!("Resolver Rule Association between Resolver Rule '{id}' and VPC '{vpc}' does not exist"))
    })?;
    let gone = rule.associations.remove(at).shown(id, "DELETING", "Deleting Association");
    let edit = Edit::put([StoredObject::ResolverRule(rule)]);
    Ok(DocumentDone { edit, answer: json!({ "ResolverRuleAssociation": gone }) })
}

/// Every association of the caller's account and Region.
fn all<'c>(call: &'c Call<'_>) -> impl Iterator<Item = ListedItem> + 'c {
    let of_rules = call.state.resolver_rules().filter(|rule| is_mine(call, rule)).flat_map(|rule| {
        rule.associations.iter().map(|it| ListedItem::new(&it.id, it.shown(&rule.id, "COMPLETE", "")))
    });
    of_rules.chain(autodefined::associations(call))
}

fn get(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverRuleAssociationId", 1..=64);
    document.check()?;
    let found = all(call).find(|item| item.id == id);
    let found = found.ok_or_else(|| not_found(format!("ResolverRuleAssociation '{id}' does not Exist")))?;
    Ok(DocumentDone::read(json!({ "ResolverRuleAssociation": found.shown })))
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let query = ListQuery::read(document, FILTERS)?;
    query.page("ResolverRuleAssociations", all(call)).map(DocumentDone::read)
}
