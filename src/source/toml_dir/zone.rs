//! `[[hosted_zone]]` and its records.

use crate::dns::{DnsName, MAX_TTL, Rtype};
use crate::model::{AliasInput, HostedZoneInput, Mode, Object, RdataError, RecordData, RecordInput, parse_rdata};
use crate::naming::{VpcId, parse_label};
use crate::problem::At;

use super::super::doc::{DocNode, Value};
use super::super::reader::{Fields, Keys, Reader};
use super::super::record_sets::{DEFAULT_TTL, Owners, hint_for};
use super::super::values::Text;
use super::super::zone_file;
use super::BrokenTable;
use crate::problem::Fault;

pub(super) const KEYS: &[&str] = &[
    "name",
    "vpc_ids",
    "profiles",
    "clients_of_no_vpc",
    "private_dns_mode",
    "enable_public_dns_fallback",
    "file",
    "records",
];

const RECORD_KEYS: &[&str] = &["name", "type", "ttl", "values", "alias"];

pub(super) fn hosted_zone(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Result<Option<Object>, BrokenTable> {
    let name: Option<At<DnsName>> = fields.required(reader, "name");
    let (vpc_ids, every_vpc) = seen_by(reader, fields);
    let clients_of_no_vpc = fields.flag(reader, "clients_of_no_vpc").is_some_and(|flag| flag.value);
    let profiles = fields.list(reader, "profiles");
    if vpc_ids.is_empty() && profiles.is_empty() && !every_vpc && !clients_of_no_vpc {
        let at = fields.node(reader, "vpc_ids").map_or(fields.at, |node| node.at);
        let hint = "name its VPCs; vpc_ids = [\"*\"] is every VPC, clients_of_no_vpc = true shows it to other clients";
        reader.warning(at, "a hosted zone without VPCs: nobody sees it", hint);
    }
    let mode = fields.optional(reader, "private_dns_mode").map_or(Mode::Apex, |mode: At<Mode>| mode.value);
    // AWS's word for the same: "Route 53 retries the query against public DNS instead of returning NXDOMAIN"
    let fallback = fields.flag(reader, "enable_public_dns_fallback");
    if let Some(at) = fallback.as_ref().filter(|at| !at.value && mode == Mode::Overlay) {
        let hint = "keep one of the two: they mean the same";
        reader.error_at(at.place.clone(), "private_dns_mode is overlay, and enable_public_dns_fallback is false", hint);
    }
    let mode = if fallback.is_some_and(|at| at.value) { Mode::Overlay } else { mode };
    let nodes = fields.items(reader, "records");
    // without a name for the zone there is none for its records either
    let Some(name) = name else { return Err(BrokenTable) };
    let mut owners = Owners::new(&name.value);
    let mut records = file(reader, fields, &name.value, &mut owners);
    records.extend(nodes.iter().filter_map(|node| record(reader, node, &name.value, &mut owners)));
    owners.check_dnames(reader);
    Ok(Some(Object::HostedZone(HostedZoneInput {
        name,
        vpc_ids,
        every_vpc,
        profiles,
        clients_of_no_vpc,
        mode,
        is_told: true,
        records,
    })))
}

/// The VPCs of `vpc_ids`, and whether that is every one (`"*"`).
fn seen_by(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> (Vec<At<VpcId>>, bool) {
    let nodes = fields.items(reader, "vpc_ids");
    let is_every = |node: &&DocNode<'_>| matches!(&node.value, Value::String(text) if text == "*");
    let every = nodes.iter().any(|node| is_every(&node));
    (nodes.iter().filter(|node| !is_every(node)).filter_map(|node| reader.value(node)).collect(), every)
}

/// The record sets of the zone's master file, where it has one.
fn file(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, zone: &DnsName, owners: &mut Owners<'_>) -> Vec<RecordInput> {
    let Some(node) = fields.node(reader, "file") else { return Vec::new() };
    let Some(name) = reader.text(node) else { return Vec::new() };
    let at = reader.place(node.at);
    zone_file::read(reader, &at, name, zone, owners)
}

fn record(reader: &mut Reader<'_>, node: &DocNode<'_>, zone: &DnsName, owners: &mut Owners<'_>) -> Option<RecordInput> {
    let fields = reader.table(node, "a record", Keys::Only(RECORD_KEYS))?;
    let owner = owner(reader, &fields, zone);
    let data = if fields.has("alias") { alias(reader, &fields) } else { records(reader, &fields) };
    let (name, data) = (owner?, data?);
    let types = match &data {
        RecordData::Records { rtype, .. } | RecordData::Weighted(rtype, _) | RecordData::Elsewhere(rtype) => {
            &[*rtype][..]
        }
        // an alias is the endpoint's addresses of both families
        RecordData::Alias(_) | RecordData::AddressesOf(_) => &[Rtype::A, Rtype::AAAA][..],
    };
    let place = reader.place(fields.at);
    if name.value == *zone && types.contains(&Rtype::NS) {
        let what = format!("the apex of {zone} cannot have a NS record of its own");
        let hint = "leave it out: a zone has its NS records of itself, or those of its master file ('file')";
        reader.error_at(place, what, hint);
        return None;
    }
    owners.add(reader, &place, &name.value, types);
    Some(RecordInput { name, clients_in: None, data })
}

/// The absolute name of a record.
fn owner(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, zone: &DnsName) -> Option<At<DnsName>> {
    let Some(node) = fields.node(reader, "name") else {
        fields.missing(reader, "name", "@");
        return None;
    };
    let text = reader.text(node)?;
    let name = match absolute(text, zone) {
        Ok(name) => name,
        Err(fault) => {
            reader.error(node.at, fault.what, fault.hint);
            return None;
        }
    };
    if !name.is_at_or_below(zone) {
        let what = format!("'{text}' is outside the zone {zone}");
        reader.error(node.at, what, "without the final dot it is a name within the zone");
        return None;
    }
    Some(At::new(name, reader.place(node.at)))
}

/// Names without a final dot are relative, unless they end in the zone's name: people write both.
fn absolute(text: &str, zone: &DnsName) -> Result<DnsName, Fault> {
    if text.is_empty() || text == "@" {
        return Ok(zone.clone());
    }
    let name = DnsName::read(text)?;
    if text.ends_with('.') || name.is_at_or_below(zone) {
        return Ok(name);
    }
    // the root prints as a dot, which would be one too many
    if zone.label_count() == 0 { Ok(name) } else { DnsName::read(&format!("{text}.{zone}")) }
}

fn alias(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<RecordData> {
    for key in ["type", "ttl", "values"] {
        if let Some(node) = fields.node(reader, key) {
            let hint = "an alias answers with the endpoint's addresses and their TTL";
            reader.error(node.at, format!("a record with 'alias' has no '{key}'"), hint);
        }
    }
    let node = fields.node(reader, "alias")?;
    let text = reader.text(node)?;
    let Some(target) = alias_target(text) else {
        let what = format!("'{text}' is neither an endpoint's id nor one of its names");
        let hint =
            "such as vpce-0123456789abcdef0, or vpce-0123456789abcdef0-ks83awe7.ec2.us-east-1.vpce.amazonaws.com";
        reader.error(node.at, what, hint);
        return None;
    };
    Some(RecordData::Alias(At::new(target, reader.place(node.at))))
}

/// An endpoint by its id, or by a regional or zonal name of it, with `*.` in front or without.
fn alias_target(text: &str) -> Option<AliasInput> {
    if let Ok(endpoint) = text.parse() {
        return Some(AliasInput { endpoint, name: None, may_dangle: false });
    }
    let name: DnsName = text.parse().ok()?;
    let name = name.wildcard_apex().unwrap_or(name);
    let endpoint = parse_label(name.labels().next()?)?.id;
    Some(AliasInput { endpoint, name: Some(name), may_dangle: false })
}

fn records(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<RecordData> {
    let rtype = rtype(reader, fields);
    let ttl = fields.integer(reader, "ttl", 0..=MAX_TTL).unwrap_or(DEFAULT_TTL);
    let Some(values) = fields.node(reader, "values") else {
        let hint = "add values = [\"10.0.9.9\"], or alias = \"vpce-0123456789abcdef0\"";
        fields.missing_with(reader, "values", hint);
        return None;
    };
    let nodes = reader.array(values);
    let rtype = rtype?;
    if nodes.is_empty() {
        reader.error(values.at, "a record needs at least one value", "leave the record out, or add a value");
    }
    let mut rdata: Vec<At<Box<[u8]>>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(text) = reader.text(node) else { continue };
        match parse_rdata(rtype, text) {
            Ok(data) => rdata.push(At::new(data, reader.place(node.at))),
            Err(RdataError::Type(name)) => {
                let at = fields.node(reader, "type").map_or(fields.at, |node| node.at);
                reader.error(at, format!("records of type {name} cannot be written here"), "");
                return None;
            }
            Err(error) => reader.error(node.at, error.to_string(), hint_for(rtype)),
        }
    }
    if rtype == Rtype::CNAME
        && let [_, second, ..] = &rdata[..]
    {
        reader.error_at(second.place.clone(), "a CNAME has one value (RFC 2181 10.1)", "keep one of them");
    }
    Some(RecordData::Records { rtype, ttl, rdata })
}

fn rtype(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Rtype> {
    let Some(node) = fields.node(reader, "type") else {
        fields.missing(reader, "type", "A");
        return None;
    };
    let text = reader.text(node)?;
    match text.parse() {
        Ok(Rtype::SOA) => {
            let hint = "leave it out: a zone has its SOA record of itself, or that of its master file ('file')";
            reader.error(node.at, "an SOA record cannot be given", hint);
            None
        }
        Ok(rtype) => Some(rtype),
        Err(_) => {
            reader.error(node.at, format!("'{text}' is not a record type"), "such as A, AAAA, CNAME, TXT, SRV or MX");
            None
        }
    }
}
