//! Resolver rules: which names are asked of whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::json;

use super::endpoint::need_endpoint;
use super::listing::{ListQuery, ListedItem};
use super::{autodefined, invalid_parameter, invalid_request, not_found, tag_list};
use crate::dns::DnsName;
use crate::ec2::call::{Call, new_id};
use crate::ec2::dns;
use crate::ec2::document::{Document, DocumentAction, DocumentDone};
use crate::ec2::error::ApiError;
use crate::ec2::hosted_zone::kept_name;
use crate::ec2::record::{StoredObject, Tags};
use crate::ec2::resolver_rule::{PREFIX, ResolverRuleRecord, TargetAddress};
use crate::ec2::state::Edit;
use crate::model::RuleAction;

pub(super) const ACTIONS: &[DocumentAction] = &[
    DocumentAction { name: "CreateResolverRule", writes: true, run: create },
    DocumentAction { name: "GetResolverRule", writes: false, run: get },
    DocumentAction { name: "UpdateResolverRule", writes: true, run: update },
    DocumentAction { name: "DeleteResolverRule", writes: true, run: delete },
    DocumentAction { name: "ListResolverRules", writes: false, run: list },
];

const TYPES: &[&str] = &["FORWARD", "SYSTEM", "RECURSIVE", "DELEGATE"];
const PROTOCOLS: &[&str] = &["DoH", "Do53", "DoH-FIPS"];
const FILTERS: &[&str] = &["CreatorRequestId", "DomainName", "Name", "ResolverEndpointId", "Status", "Type"];
/// Most rules of an account and Region, and most targets of one (Route 53 guide, "Quotas on Route 53 Resolver").
const MOST: usize = 1_000;
const MOST_TARGETS: usize = 6;
const CREATED: &str = "Successfully created Resolver Rule.";

/// Whether a rule is of the caller's account and Region.
pub(super) fn is_mine(call: &Call<'_>, rule: &ResolverRuleRecord) -> bool {
    call.sees(&rule.owner) && rule.region == call.caller.region
}

/// The rule that a call names.
pub(super) fn need_rule<'c>(call: &'c Call<'_>, id: &str) -> Result<&'c ResolverRuleRecord, ApiError> {
    let rule = call.state.resolver_rule(id).filter(|rule| is_mine(call, rule));
    rule.ok_or_else(|| not_found(format!("[RSLVR-00703] Resolver rule with ID \"{id}\" does not exist.")))
}

/// The changed rule, and how it is shown.
fn changed(rule: ResolverRuleRecord, message: &str) -> DocumentDone {
    let shown = rule.shown("COMPLETE", message);
    DocumentDone { edit: Edit::put([StoredObject::ResolverRule(rule)]), answer: json!({ "ResolverRule": shown }) }
}

fn create(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let creator_request_id = document.need("CreatorRequestId", 1..=255).to_owned();
    let rule_type = document.need_word("RuleType", TYPES);
    let domain = document.text("DomainName", 1..=256);
    let delegation = document.text("DelegationRecord", 1..=256);
    let (given, given_tags) = (RuleConfig::read(document), tag_list::read(document));
    document.check()?;
    if rule_type == "RECURSIVE" {
        return Err(invalid_request("[RSLVR-00718] Cannot create a rule with type RECURSIVE"));
    }
    let mut rule = ResolverRuleRecord {
        id: new_id(PREFIX),
        owner: call.caller.account.clone(),
        region: call.caller.region.clone(),
        creator_request_id,
        name: None,
        rule_type: rule_type.to_owned(),
        domain_name: domain.map(domain_name).transpose()?,
        delegation_record: delegation.map(domain_name).transpose()?,
        targets: Vec::new(),
        endpoint: None,
        associations: Vec::new(),
        tags: tag_list::with(Tags::new(), given_tags)?,
        created: call.now,
        modified: call.now,
    };
    given.apply(&mut rule)?;
    check(call, &rule)?;
    let mine: Vec<&ResolverRuleRecord> = call.state.resolver_rules().filter(|rule| is_mine(call, rule)).collect();
    if let Some(before) = mine.iter().find(|other| other.creator_request_id == rule.creator_request_id) {
        return repeated(before, &rule);
    }
    if mine.len() >= MOST {
        let message = format!("Account '{}' has exceeded 'max-rules'", call.caller.account);
        return Err(ApiError::new("LimitExceededException", message));
    }
    Ok(changed(rule, CREATED))
}

/// A call that was made before: "allows failed requests to be retried without the risk of running the operation twice".
fn repeated(before: &ResolverRuleRecord, again: &ResolverRuleRecord) -> Result<DocumentDone, ApiError> {
    let said = |rule: &ResolverRuleRecord| {
        let ResolverRuleRecord { name, rule_type, domain_name, delegation_record, targets, endpoint, .. } =
            rule.clone();
        (name, rule_type, domain_name, delegation_record, targets, endpoint)
    };
    if said(before) == said(again) {
        let shown = before.shown("COMPLETE", CREATED);
        return Ok(DocumentDone::read(json!({ "ResolverRule": shown })));
    }
    let message = format!("Resolver rule with creator request ID '{}' already exists", again.creator_request_id);
    Err(ApiError::new("ResourceExistsException", message))
}

/// A domain as Route 53 keeps it.
fn domain_name(text: &str) -> Result<String, ApiError> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let sound = text.chars().all(is_letter) && text.parse::<DnsName>().is_ok() && !text.starts_with("..");
    if sound { Ok(kept_name(text)) } else { Err(invalid_parameter("[RSLVR-00711] Invalid domain name")) }
}

/// What a rule may be told when it is made, and later.
struct RuleConfig {
    name: Option<String>,
    endpoint: Option<String>,
    targets: Option<Vec<TargetAddress>>,
}

impl RuleConfig {
    fn read(document: &Document<'_>) -> Self {
        let targets = document.structures("TargetIps", 1..=usize::MAX);
        Self {
            name: document.friendly_name("Name").map(str::to_owned),
            endpoint: document.text("ResolverEndpointId", 1..=64).map(str::to_owned),
            targets: targets.map(|targets| targets.iter().map(target).collect()),
        }
    }

    /// Has the rule follow; what it does not say stays.
    fn apply(self, rule: &mut ResolverRuleRecord) -> Result<(), ApiError> {
        if let Some(targets) = self.targets {
            targets.iter().try_for_each(check_target)?;
            if targets.len() > MOST_TARGETS {
                let message = format!("A rule has at most {MOST_TARGETS} target IP addresses.");
                return Err(ApiError::new("LimitExceededException", message));
            }
            let is_v6 = |target: &TargetAddress| target.ipv6.is_some();
            if targets.iter().any(is_v6) && !targets.iter().all(is_v6) {
                // "You can specify either Ipv4 or Ipv6 addresses but not both in the same rule" (API Reference)
                return Err(invalid_parameter("Cannot specify both IPv4 and IPv6 target addresses in one rule."));
            }
            rule.targets = targets;
        }
        rule.name = self.name.or(rule.name.take());
        rule.endpoint = self.endpoint.or(rule.endpoint.take());
        Ok(())
    }
}

fn target(document: &Document<'_>) -> TargetAddress {
    let text = |name: &str, length| document.text(name, length).map(str::to_owned);
    let protocol = document.word("Protocol", PROTOCOLS).unwrap_or("Do53");
    TargetAddress {
        ip: text("Ip", 7..=36),
        ipv6: text("Ipv6", 2..=39),
        port: document.number("Port", 0..=65_535).unwrap_or(if protocol == "Do53" { 53 } else { 443 }),
        protocol: protocol.to_owned(),
        server_name_indication: text("ServerNameIndication", 0..=255).filter(|name| !name.is_empty()),
    }
}

fn check_target(target: &TargetAddress) -> Result<(), ApiError> {
    let address: Option<IpAddr> = match (&target.ip, &target.ipv6) {
        (Some(ip), None) => ip.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        (None, Some(ip)) => ip.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return Err(invalid_parameter("A target address has to be either Ip or Ipv6.")),
    };
    let Some(address) = address else {
        let given = target.ip.as_ref().or(target.ipv6.as_ref()).map_or("", String::as_str);
        return Err(invalid_parameter(format!("Invalid IP address: '{given}'")));
    };
    if target.port == 0 {
        return Err(invalid_parameter(format!("Invalid port of the target {address}: 0")));
    }
    match &target.server_name_indication {
        Some(name) if target.protocol == "Do53" => {
            Err(invalid_parameter(format!("ServerNameIndication '{name}' requires the protocol DoH.")))
        }
        _ => Ok(()),
    }
}

/// What each type of rule has to have, and may not have.
fn check(call: &Call<'_>, rule: &ResolverRuleRecord) -> Result<(), ApiError> {
    if let Some(id) = &rule.endpoint
        && need_endpoint(call, id)?.is_inbound()
    {
        return Err(invalid_request(format!("The resolver endpoint '{id}' is not an outbound one.")));
    }
    let (has_targets, has_endpoint) = (!rule.targets.is_empty(), rule.endpoint.is_some());
    match rule.rule_type.as_str() {
        "DELEGATE" if rule.delegation_record.is_none() || has_targets => {
            Err(invalid_request("Delegate resolver rules need to specify a nameserver name"))
        }
        "DELEGATE" => Ok(()),
        _ if rule.delegation_record.is_some() => {
            Err(invalid_request(format!("Cannot specify DelegationRecord for {} type resolver rule", rule.rule_type)))
        }
        _ if rule.domain_name.is_none() => {
            Err(invalid_request(format!("Domain name is required for {} type resolver rule", rule.rule_type)))
        }
        "SYSTEM" if has_targets || has_endpoint => {
            Err(invalid_request("Cannot specify resolver endpoint ID and target IP for SYSTEM type resolver rule"))
        }
        "FORWARD" if !has_targets => Err(invalid_request("Target IP is required for FORWARD type resolver rule")),
        _ if !is_followed(rule) => Err(invalid_parameter("A target cannot be asked: see its ServerNameIndication.")),
        _ => Ok(()),
    }
}

/// Whether DNS follows a rule with all of its targets: what is kept of it is read as what files hold.
fn is_followed(rule: &ResolverRuleRecord) -> bool {
    dns::read_rule(rule).is_some_and(|read| match read.action {
        RuleAction::Forward(targets) => targets.len() == rule.targets.len(),
        RuleAction::System | RuleAction::Delegate => true,
    })
}

fn get(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverRuleId", 1..=64);
    document.check()?;
    let shown =
        if id == autodefined::RULE { autodefined::rule(call) } else { need_rule(call, id)?.shown("COMPLETE", CREATED) };
    Ok(DocumentDone::read(json!({ "ResolverRule": shown })))
}

fn update(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverRuleId", 1..=64);
    let config = document.need_structure("Config").map(|config| RuleConfig::read(&config));
    document.check()?;
    let mut rule = need_own(call, id, "update")?.clone();
    if let Some(config) = config {
        config.apply(&mut rule)?;
    }
    check(call, &rule)?;
    rule.modified = call.now;
    Ok(changed(rule, "Successfully updated Resolver Rule."))
}

/// The rule that a call changes.
fn need_own<'c>(call: &'c Call<'_>, id: &str, change: &str) -> Result<&'c ResolverRuleRecord, ApiError> {
    if id == autodefined::RULE {
        return Err(invalid_request(format!("Cannot {change} an autodefined rule.")));
    }
    need_rule(call, id)
}

fn delete(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let id = document.need("ResolverRuleId", 1..=64);
    document.check()?;
    let rule = need_own(call, id, "delete")?;
    if !rule.associations.is_empty() {
        let message = "Please disassociate this resolver rule from VPC first before deleting";
        return Err(ApiError::new("ResourceInUseException", message));
    }
    let shown = rule.shown("DELETING", "Deleting Resolver Rule.");
    let edit = Edit { remove: vec![rule.id.clone()], ..Edit::default() };
    Ok(DocumentDone { edit, answer: json!({ "ResolverRule": shown }) })
}

fn list(call: &Call<'_>, document: &Document<'_>) -> Result<DocumentDone, ApiError> {
    let query = ListQuery::read(document, FILTERS)?;
    let mine = call.state.resolver_rules().filter(|rule| is_mine(call, rule));
    let mine = mine.map(|rule| ListedItem::new(&rule.id, rule.shown("COMPLETE", CREATED)));
    let autodefined = ListedItem::new(autodefined::RULE, autodefined::rule(call));
    query.page("ResolverRules", mine.chain([autodefined])).map(DocumentDone::read)
}
