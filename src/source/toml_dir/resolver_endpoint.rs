//! `[[resolver_endpoint]]`: an inbound one is where networks outside of a VPC ask as its clients, an outbound one where the
//! questions of rules leave from.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{Direction, InboundInput, Object, OutboundInput};
use crate::problem::At;

use super::super::reader::{Fields, Reader, distinct};
use super::super::values::one_of;
use super::BrokenTable;

pub(super) const KEYS: &[&str] = &["name", "direction", "vpc_id", "listeners", "resolver_endpoint_id", "ip_addresses"];

pub(super) fn endpoint(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let Some(node) = fields.node(reader, "direction") else {
        fields.missing(reader, "direction", "INBOUND");
        return Err(BrokenTable);
    };
    let text = reader.text(node).ok_or(BrokenTable)?;
    if text.eq_ignore_ascii_case("OUTBOUND") {
        return outbound(reader, fields);
    }
    if let Some(node) = fields.node(reader, "ip_addresses") {
        let hint = "an inbound one has 'listeners', where this server listens for it";
        reader.error(node.at, "'ip_addresses' is for outbound endpoints", hint);
    }
    let id = fields.optional(reader, "resolver_endpoint_id").map(|id: At<Arc<str>>| id.value);
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
    Ok(Some(Object::Inbound(InboundInput { id, vpc_id, direction, listeners })))
}

/// An outbound one: rules name it by its id, or else by its name.
fn outbound(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    if let Some(node) = fields.node(reader, "listeners").filter(|node| !reader.array(node).is_empty()) {
        reader.error(node.at, "'listeners' are for inbound endpoints", "an outbound one has 'ip_addresses'");
    }
    let id: Option<At<Arc<str>>> = fields.optional(reader, "resolver_endpoint_id");
    let name = fields.optional(reader, "name");
    let addresses: Vec<At<IpAddr>> = fields.list(reader, "ip_addresses");
    distinct(reader, &addresses);
    if addresses.is_empty() {
        let hint = "add ip_addresses = [\"10.0.1.10\"], the addresses of this host from which its rules ask";
        reader.warning(fields.at, "an outbound resolver endpoint without addresses is left out", hint);
        return Ok(None);
    }
    let Some(id) = id.or(name) else {
        fields.missing(reader, "resolver_endpoint_id", "rslvr-out-0123456789abcdef0");
        return Err(BrokenTable);
    };
    Ok(Some(Object::Outbound(OutboundInput { id, addresses })))
}
