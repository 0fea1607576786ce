//! `list-resource-record-sets`: the records of a hosted zone, page by page; the output does not say of which zone, but a
//! member `HostedZoneId` may.
//!
//! Route 53 API Reference, `ResourceRecordSet`. Names and texts have octal escapes (Route 53 guide, "DNS domain name format").

use std::fmt::Write as _;

use crate::dns::{DnsName, MAX_TTL, Rtype};
use crate::model::{AliasInput, RdataError, parse_rdata};
use crate::naming::{Region, parse_label};
use crate::problem::{At, Place};

use super::super::doc::DocNode;
use super::super::reader::{Fields, Keys, Reader};
use super::super::record_sets::DEFAULT_TTL;

/// One page of a zone's records.
pub(super) struct RecordPage {
    pub(super) place: Place,
    /// The zone, where whoever saved the output said of which it is (`HostedZoneId`).
    pub(super) zone: Option<String>,
    /// The owner of the SOA, which is on the first page.
    pub(super) apex: Option<DnsName>,
    /// Its name servers are those of private zones.
    pub(super) is_private: bool,
    pub(super) sets: Vec<RecordSet>,
    /// How many record sets it lists: SOA and NS of the apex, and what cannot be served, are not among `sets`.
    pub(super) listed: usize,
    /// The name and type of its first record set, whether that can be served or not.
    pub(super) first: Option<(DnsName, String)>,
    pub(super) next: NextPage,
}

/// What a page says of the one behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextPage {
    /// It is the last one.
    Last,
    /// Its first record set: `NextRecordName` and `NextRecordType` of the API, and of `--no-paginate`.
    At(DnsName, String),
    /// There is one: a `NextToken` of `--max-items` does not say where it begins.
    Somewhere,
}

/// A record set: several may have one name and type, told apart by a routing policy.
#[derive(Clone)]
pub(super) struct RecordSet {
    pub(super) place: Place,
    pub(super) name: DnsName,
    pub(super) rtype: Rtype,
    pub(super) data: SetData,
    pub(super) policy: RoutingPolicy,
}

/// What a record set holds.
#[derive(Clone)]
pub(super) enum SetData {
    Values {
        ttl: u32,
        rdata: Vec<At<Box<[u8]>>>,
    },
    /// An endpoint, by one of its names.
    Endpoint(At<AliasInput>),
    /// Another name, in the zone with this id.
    Name {
        zone: String,
        name: DnsName,
    },
}

/// How Route 53 chooses among record sets of one name and type.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum RoutingPolicy {
    Simple,
    Multivalue,
    Failover {
        primary: bool,
    },
    Latency(Region),
    Geolocation(GeoPlace),
    Weighted(u32),
    AzAffinity(AzLocation),
    /// What nothing here can decide: geoproximity, IP-based.
    Other(&'static str),
}

/// A place that a record set is for: a continent, a country (`*`: any place without a record of its own), or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GeoPlace {
    pub(super) continent: Option<Box<str>>,
    pub(super) country: Option<Box<str>>,
    pub(super) subdivision: Option<Box<str>>,
}

/// A location that a record set is for, by what AWS calls its type (Route 53 API Reference, `AZAffinity`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AzLocation {
    /// By its id (`use1-az1`), which is the same in every account.
    Zone(Box<str>),
    /// `us-east-1-zg-1`
    ZoneGroup(Box<str>),
    Region(Box<str>),
    Partition(Box<str>),
    Global,
}

impl AzLocation {
    /// `None`: a type that is not known here.
    pub(super) fn new(location_type: &str, id: &str) -> Option<Self> {
        Some(match location_type {
            "AvailabilityZone" => Self::Zone(id.into()),
            "AvailabilityZoneGroup" => Self::ZoneGroup(id.into()),
            "Region" => Self::Region(id.into()),
            "Partition" => Self::Partition(id.into()),
            "Global" => Self::Global,
            _ => return None,
        })
    }
}

/// "reserved and never used by Route 53 public hosted zones" (Route 53 guide, "Working with private hosted zones").
const PRIVATE_NS: &str = "ns-0.awsdns-00.com";

pub(super) fn page(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> RecordPage {
    let (place, next) = (reader.place(fields.at), next_page(reader, fields));
    let zone = fields.peek("HostedZoneId").map(|id| zone_id(id).to_owned());
    let mut page =
        RecordPage { place, zone, apex: None, is_private: false, sets: vec![], listed: 0, first: None, next };
    for item in fields.items(reader, "ResourceRecordSets") {
        page.listed += 1;
        let Some(set) = reader.table(item, "a record set", Keys::Any) else { continue };
        let Some(name) = name(reader, &set, "Name") else { continue };
        let text = set.peek("Type").unwrap_or_default();
        page.first.get_or_insert_with(|| (name.clone(), text.to_owned()));
        if text == "SOA" {
            page.apex = Some(name);
            continue;
        }
        if text == "NS" {
            let values = values(reader, &set);
            page.is_private |= values.iter().any(|(_, value)| value.trim_end_matches('.') == PRIVATE_NS);
        }
        page.sets.extend(record_set(reader, &set, name, text));
    }
    // Route 53 sorts NS before SOA: those of the apex come of themselves
    if let Some(apex) = &page.apex {
        page.sets.retain(|set| set.rtype != Rtype::NS || set.name != *apex);
    }
    page
}

fn next_page(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> NextPage {
    let truncated = fields.flag(reader, "IsTruncated").is_some_and(|flag| flag.value);
    let token =
        fields.node(reader, "NextToken").and_then(|node| reader.text(node)).is_some_and(|text| !text.is_empty());
    if !truncated && !token {
        return NextPage::Last;
    }
    match (name(reader, fields, "NextRecordName"), fields.peek("NextRecordType")) {
        (Some(name), Some(rtype)) => NextPage::At(name, rtype.to_owned()),
        _ => NextPage::Somewhere,
    }
}

fn values<'n>(reader: &mut Reader<'_>, set: &Fields<'n, '_>) -> Vec<(u32, &'n str)> {
    let mut values = vec![];
    for item in set.items(reader, "ResourceRecords") {
        if let Some(record) = reader.table(item, "a record", Keys::Any) {
            values.extend(record.peek("Value").map(|value| (item.at, value)));
        }
    }
    values
}

fn record_set(reader: &mut Reader<'_>, set: &Fields<'_, '_>, name: DnsName, rtype: &str) -> Option<RecordSet> {
    let Ok(rtype) = rtype.parse::<Rtype>() else {
        reader.warning(set.at, format!("'{rtype}' is not a known record type: {name} is left out"), "");
        return None;
    };
    let data = if let Some(node) = set.node(reader, "AliasTarget") {
        alias(reader, node)?
    } else {
        let ttl = set.integer(reader, "TTL", 0..=MAX_TTL).unwrap_or(DEFAULT_TTL);
        let mut rdata = vec![];
        for (at, value) in values(reader, set) {
            match parse_value(rtype, value) {
                Ok(data) => rdata.push(At::new(data, reader.place(at))),
                Err(error @ (RdataError::Type(_) | RdataError::Data { .. })) => {
                    reader.warning(at, format!("{error}: this record of {name} is left out"), "");
                }
            }
        }
        if rdata.is_empty() {
            return None;
        }
        SetData::Values { ttl, rdata }
    };
    Some(RecordSet { place: reader.place(set.at), name, rtype, data, policy: policy(reader, set) })
}

fn alias(reader: &mut Reader<'_>, node: &DocNode<'_>) -> Option<SetData> {
    let target = reader.table(node, "an alias target", Keys::Any)?;
    let name = name(reader, &target, "DNSName")?;
    let own = name.wildcard_apex().unwrap_or_else(|| name.clone());
    if let Some(label) = own.labels().next().and_then(parse_label) {
        return Some(SetData::Endpoint(At::new(
            AliasInput { endpoint: label.id, name: Some(own.clone()), may_dangle: false },
            reader.place(node.at),
        )));
    }
    Some(SetData::Name { zone: zone_id(target.peek("HostedZoneId").unwrap_or_default()).to_owned(), name })
}

fn policy(reader: &mut Reader<'_>, set: &Fields<'_, '_>) -> RoutingPolicy {
    if let Some(weight) = set.integer(reader, "Weight", 0..=255) {
        return RoutingPolicy::Weighted(weight);
    }
    if let Some(region) = set.peek("Region") {
        return region.parse().map_or(RoutingPolicy::Other("latency"), RoutingPolicy::Latency);
    }
    if let Some(role) = set.peek("Failover") {
        return RoutingPolicy::Failover { primary: role == "PRIMARY" };
    }
    if let Some(node) = set.node(reader, "GeoLocation") {
        let place = reader.table(node, "a location", Keys::Any);
        let code = |key| place.as_ref().and_then(|place| place.peek(key)).map(Box::from);
        return RoutingPolicy::Geolocation(GeoPlace {
            continent: code("ContinentCode"),
            country: code("CountryCode"),
            subdivision: code("SubdivisionCode"),
        });
    }
    if let Some(node) = set.node(reader, "AZAffinity") {
        let location = reader.table(node, "a location", Keys::Any);
        let location = location.and_then(|it| AzLocation::new(it.peek("LocationType")?, it.peek("LocationId")?));
        return location.map_or(RoutingPolicy::Other("AZ-affinity"), RoutingPolicy::AzAffinity);
    }
    if set.flag(reader, "MultiValueAnswer").is_some_and(|flag| flag.value) {
        return RoutingPolicy::Multivalue;
    }
    let others = [("GeoProximityLocation", "geoproximity"), ("CidrRoutingConfig", "IP-based")];
    if let Some((_, kind)) = others.into_iter().find(|(key, _)| set.has(key)) {
        return RoutingPolicy::Other(kind);
    }
    if set.has("SetIdentifier") { RoutingPolicy::Other("of an unknown kind") } else { RoutingPolicy::Simple }
}

/// A name with octal escapes (`\052.corp.example.`).
pub(super) fn name(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, key: &str) -> Option<DnsName> {
    let text = fields.peek(key)?;
    let read = unescape(text);
    if read.is_none() {
        reader.warning(fields.at, format!("'{text}' is not a name that can be served here: it is left out"), "");
    }
    read
}

/// A name of which some octets are written as octal escapes; `None` if it is none.
fn unescape(text: &str) -> Option<DnsName> {
    (!text.is_empty()).then_some(())?;
    let mut wire = Vec::with_capacity(text.len() + 2);
    let mut rest = text.strip_suffix('.').unwrap_or(text).as_bytes();
    let mut label = Vec::new();
    loop {
        let (octet, after) = match rest {
            [b'.', after @ ..] => (None, after),
            [b'\\', a, b, c, after @ ..] => {
                let digits = [*a, *b, *c];
                (Some(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?), after)
            }
            [octet, after @ ..] if octet.is_ascii_graphic() && *octet != b'\\' => (Some(*octet), after),
            [_, ..] => return None,
            [] => (None, rest),
        };
        if let Some(octet) = octet {
            label.push(octet);
        } else {
            let is_root = rest.is_empty() && wire.is_empty() && label.is_empty();
            if !is_root {
                wire.push(u8::try_from(label.len()).ok().filter(|len| (1..=63).contains(len))?);
            }
            wire.append(&mut label);
            if rest.is_empty() {
                wire.push(0);
                return DnsName::from_wire(&wire);
            }
        }
        rest = after;
    }
}

/// Record data as Route 53 writes it, in wire form.
pub(super) fn parse_value(rtype: Rtype, value: &str) -> Result<Box<[u8]>, RdataError> {
    if matches!(rtype, Rtype::TXT | Rtype::SPF) {
        parse_rdata(rtype, &decimal(value))
    } else {
        parse_rdata(rtype, value)
    }
}

/// A text with octal escapes with the decimal ones of master files in their place (RFC 1035 5.1).
fn decimal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        out += before;
        let octet = from.get(1..4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let length = if let Some(octet) = octet {
            let _ = write!(out, "\\{octet:03}");
            4
        } else {
            let length = from.char_indices().nth(2).map_or(from.len(), |(at, _)| at);
            out += from.get(..length).unwrap_or_default();
            length
        };
        rest = from.get(length..).unwrap_or_default();
    }
    out + rest
}

/// `Z0123` of `/hostedzone/Z0123`.
pub(super) fn zone_id(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_escapes() {
        for (text, want) in [
            ("\\052.corp.example.", Some(&b"\x01*\x04corp\x07example\0"[..])),
            ("a\\137b.example", Some(b"\x03a_b\x07example\0")),
            ("A\\056\\100.example", Some(b"\x03a.@\x07example\0")),
            ("a\\344.example", Some(b"\x02a\xe4\x07example\0")),
            (".", Some(b"\0")),
            ("a\\0", None),
            ("a\\400.example", None),
            ("a..example", None),
            ("a b.example", None),
        ] {
            assert_eq!(unescape(text).as_ref().map(DnsName::wire), want, "{text}");
        }
        assert_eq!(decimal("\"a\\344b\\\"c\\\\\""), "\"a\\228b\\\"c\\\\\"");
        assert_eq!(zone_id("/hostedzone/Z1"), "Z1");
    }
}
