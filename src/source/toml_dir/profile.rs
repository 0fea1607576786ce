//! `[[profile]]`: a Route 53 Profile. Hosted zones and rules say themselves which Profiles share them.

use crate::model::{Object, ProfileInput};
use crate::naming::VpcId;
use crate::problem::At;

use super::super::doc::{DocNode, Value};
use super::super::reader::{Fields, Keys, Reader, distinct};
use super::BrokenTable;

pub(super) const KEYS: &[&str] = &["name", "vpc_ids", "vpc_endpoint_ids", "autodefined_reverse", "dnssec_validation"];

/// "Associations created without a priority have priority 100" (Route 53 Profiles API Reference, `ProfileAssociation`).
const DEFAULT_PRIORITY: u32 = 100;

pub(super) fn profile(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let id = fields.required(reader, "name");
    let vpcs: Vec<_> = fields.items(reader, "vpc_ids").iter().filter_map(|node| vpc(reader, node)).collect();
    distinct(reader, &vpcs.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
    let endpoints = fields.list(reader, "vpc_endpoint_ids");
    distinct(reader, &endpoints);
    let mut flag = |key| fields.flag(reader, key).map(|flag| flag.value);
    let (autodefined_reverse, dnssec_validation) = (flag("autodefined_reverse"), flag("dnssec_validation"));
    let id = id.ok_or(BrokenTable)?;
    Ok(Some(Object::Profile(ProfileInput { id, name: None, vpcs, endpoints, autodefined_reverse, dnssec_validation })))
}

/// A VPC by its id alone, or with the priority that the Profile has there.
fn vpc(reader: &mut Reader<'_>, node: &DocNode<'_>) -> Option<(At<VpcId>, u32)> {
    if !matches!(node.value, Value::Table(_)) {
        return reader.value(node).map(|id| (id, DEFAULT_PRIORITY));
    }
    let fields = reader.table(node, "a VPC of a Profile", Keys::Only(&["vpc_id", "priority"]))?;
    let id = fields.required(reader, "vpc_id");
    let priority = fields.integer(reader, "priority", 0..=u32::MAX).unwrap_or(DEFAULT_PRIORITY);
    id.map(|id| (id, priority))
}
