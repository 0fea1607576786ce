//! `[[resolver_rule]]`.

use crate::model::{Object, RuleAction, RuleInput, Upstream};
use crate::problem::At;

use super::super::doc::Value;
use super::super::reader::{Fields, Reader, distinct};
use super::super::values::one_of;
use super::BrokenTable;

pub(super) const KEYS: &[&str] = &["domain_name", "rule_type", "target_ips", "vpc_ids", "profiles"];

const TYPES: &[&str] = &["FORWARD", "SYSTEM"];

pub(super) fn rule(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let domain_name = fields.required(reader, "domain_name");
    let vpc_ids = fields.list(reader, "vpc_ids");
    let profiles = fields.list(reader, "profiles");
    let targets: Vec<At<Upstream>> = fields.list(reader, "target_ips");
    distinct(reader, &targets);
    let action = action(reader, fields, &targets);
    let (Some(domain_name), Some(action)) = (domain_name, action) else { return Err(BrokenTable) };
    Ok(Some(Object::Rule(RuleInput { domain_name, action, vpc_ids, profiles })))
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
        Some(_) => {
            if let Some(given) = given {
                let hint = "leave them out, or use rule_type = \"FORWARD\"";
                reader.error(given.at, "a SYSTEM rule has no 'target_ips'", hint);
            }
            Some(RuleAction::System)
        }
        None => {
            reader.error(node.at, format!("'{text}' is not a rule type"), one_of(text, TYPES));
            None
        }
    }
}
