//! `[[resolver_endpoint]]`: an inbound one is where networks outside of a VPC ask as its clients.

use crate::model::{Direction, InboundInput, Object};

use super::super::reader::{Fields, Reader, distinct};
use super::super::values::one_of;
use super::BrokenTable;

pub(super) const KEYS: &[&str] = &["name", "direction", "vpc_id", "listeners"];

pub(super) fn endpoint(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let Some(node) = fields.node(reader, "direction") else {
        fields.missing(reader, "direction", "INBOUND");
        return Err(BrokenTable);
    };
    let text = reader.text(node).ok_or(BrokenTable)?;
    if text.eq_ignore_ascii_case("OUTBOUND") {
        let hint = "it is where questions leave a VPC, which changes no answer";
        reader.warning(node.at, "an outbound resolver endpoint is left out", hint);
        return Ok(None);
    }
    let direction = text.parse().ok();
    if direction.is_none() {
        reader.error(node.at, format!("'{text}' is not a direction"), one_of(text, Direction::ALL));
    }
    let vpc_id = fields.required(reader, "vpc_id");
    let listeners = fields.list(reader, "listeners");
    distinct(reader, &listeners);
    if listeners.is_empty() && !fields.has("listeners") {
        fields.missing_with(
            reader,
            "listeners",
            "add listeners = [\"10.0.0.10:53\"], where this server listens for it",
        );
    }
    let (Some(vpc_id), Some(direction)) = (vpc_id, direction) else { return Err(BrokenTable) };
    Ok(Some(Object::Inbound(InboundInput { vpc_id, direction, listeners })))
}
