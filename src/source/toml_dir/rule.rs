//! `[[resolver_rule]]`.

use std::sync::Arc;

use crate::dns::DnsName;
use crate::model::{Object, RuleAction, RuleInput, Upstream};
use crate::problem::At;

use super::super::doc::Value;
use super::super::reader::{Fields, Reader, distinct};
use super::super::values::one_of;
use super::BrokenTable;

pub(super) const KEYS: &[&str] =
    &["domain_name", "delegation_record", "rule_type", "target_ips", "vpc_ids", "profiles", "resolver_endpoint_id"];

const TYPES: &[&str] = &["FORWARD", "SYSTEM", "DELEGATE", "RECURSIVE"];

pub(super) fn rule(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let is_delegate = fields.peek("rule_type").is_some_and(|text| text.eq_ignore_ascii_case("DELEGATE"));
    let (named_by, other) =
        if is_delegate { ("delegation_record", "domain_name") } else { ("domain_name", "delegation_record") };
    let domain_name = fields.required(reader, named_by);
    if let Some(node) = fields.node(reader, other) {
        let what = format!("'{other}' is not for rules of this type");
        reader.error(node.at, what, format!("leave it out: the rule is known by its '{named_by}'"));
    }
    let vpc_ids = fields.list(reader, "vpc_ids");
    let profiles = fields.list(reader, "profiles");
    let targets: Vec<At<Upstream>> = fields.list(reader, "target_ips");
    distinct(reader, &targets);
    let endpoint: Option<At<Arc<str>>> = fields.optional(reader, "resolver_endpoint_id");
    if is_recursive(fields) {
        return recursive(reader, fields, domain_name.as_ref());
    }
    let action = action(reader, fields, &targets);
    let (Some(domain_name), Some(action)) = (domain_name, action) else { return Err(BrokenTable) };
    let endpoint = endpoint.map(|id| id.value);
    Ok(Some(Object::Rule(RuleInput { domain_name, action, vpc_ids, profiles, endpoint })))
}

fn is_recursive(fields: &Fields<'_, '_>) -> bool {
    fields.peek("rule_type").is_some_and(|text| text.eq_ignore_ascii_case("RECURSIVE"))
}

/// The rule that AWS defines in every VPC, `.` of the type RECURSIVE: names that no other rule covers go to the resolver
/// itself, as they do here without it (Route 53 guide, "How VPC Resolver determines whether the domain name in a query
/// matches any rules"). It is nobody's to make for other names.
fn recursive(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    domain_name: Option<&At<DnsName>>,
) -> Result<Option<Object>, BrokenTable> {
    let domain_name = domain_name.ok_or(BrokenTable)?;
    if domain_name.value.label_count() == 0 && !fields.has("target_ips") {
        return Ok(None);
    }
    let what = "a RECURSIVE rule is for '.' alone, and has no 'target_ips'";
    let hint = "use rule_type = \"FORWARD\" to ask others, or \"SYSTEM\" to take a name back from such a rule";
    reader.error(fields.at, what, hint);
    Err(BrokenTable)
}

fn action(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, targets: &[At<Upstream>]) -> Option<RuleAction> {
    let Some(node) = fields.node(reader, "rule_type") else {
        fields.missing(reader, "rule_type", "FORWARD");
        return None;
    };
    let text = reader.text(node)?;
    let given = fields.node(reader, "target_ips");
    match TYPES.iter().find(|known| known.eq_ignore_ascii_case(text)) {
        Some(&"FORWARD") => {
            if given.is_none_or(|node| matches!(&node.value, Value::Array(items) if items.is_empty())) {
                let at = given.map_or(fields.at, |node| node.at);
                let hint = "add target_ips = [\"10.9.9.9:53\"], or use rule_type = \"SYSTEM\"";
                reader.error(at, "a FORWARD rule needs 'target_ips'", hint);
            }
            Some(RuleAction::Forward(targets.iter().map(|target| target.value.clone()).collect()))
        }
        Some(kind) => {
            if let Some(given) = given {
                let hint = "leave them out, or use rule_type = \"FORWARD\"";
                reader.error(given.at, format!("a {kind} rule has no 'target_ips'"), hint);
            }
            Some(if *kind == "SYSTEM" { RuleAction::System } else { RuleAction::Delegate })
        }
        None => {
            reader.error(node.at, format!("'{text}' is not a rule type"), one_of(text, TYPES));
            None
        }
    }
}
