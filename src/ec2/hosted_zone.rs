//! Private hosted zones: what is kept of them, in the words of Route 53's API.
//!
//! What they mean for DNS is read out of the same documents that the AWS CLI prints of them (`get-hosted-zone` and
//! `list-resource-record-sets`), so that a zone made here answers as the same zone does out of files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codec::text;
use super::time::UnixMillis;
use crate::naming::{Region, VpcId};

/// What the ids of hosted zones begin with.
pub const PREFIX: &str = "Z";

/// The name servers of each private zone (Route 53 guide, "Working with private hosted zones").
const NAME_SERVERS: [&str; 4] =
    ["ns-1536.awsdns-00.co.uk.", "ns-0.awsdns-00.com.", "ns-1024.awsdns-00.org.", "ns-512.awsdns-00.net."];

/// Types that a record set may have (API Reference, ResourceRecordSet).
pub const TYPES: [&str; 17] = [
    "SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA", "SSHFP", "SVCB",
    "HTTPS",
];

/// A private hosted zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedZoneRecord {
    /// `Z...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// Its name, in lower case, with a full stop at its end.
    pub name: String,
    /// What tells the call that made it from others.
    pub caller_reference: String,
    /// What people know it by.
    pub comment: Option<String>,
    /// The VPCs that see it.
    pub vpcs: Vec<ZoneVpc>,
    /// VPCs of other accounts that may be associated with it.
    pub authorized: Vec<ZoneVpc>,
    /// Its record sets in the order of their names, SOA and NS of the apex among them.
    pub record_sets: Vec<StoredRecordSet>,
    /// Unknown names are asked of public DNS (`EnablePublicDNSFallback`).
    #[serde(default)]
    pub public_dns_fallback: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was changed last.
    pub changed: UnixMillis,
}

/// A VPC of a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneVpc {
    /// `vpc-...`
    #[serde(with = "text")]
    pub id: VpcId,
    /// Where it is.
    #[serde(with = "text")]
    pub region: Region,
}

/// A record set (Route 53 API Reference, `ResourceRecordSet`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StoredRecordSet {
    /// The owner: lower case, with escapes, with a full stop at its end.
    pub name: String,
    /// `A`
    #[serde(rename = "Type")]
    pub rtype: String,
    /// What tells it from others of its name and type, and how one of them is chosen.
    #[serde(flatten)]
    pub policy: SetPolicy,
    /// Seconds; an alias has none.
    #[serde(rename = "TTL", default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// Its records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_records: Vec<StoredRecord>,
    /// Where an alias leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_target: Option<StoredAlias>,
}

/// How one of several record sets is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SetPolicy {
    /// What tells it from the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_identifier: Option<String>,
    /// 0 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// For latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `PRIMARY` or `SECONDARY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<String>,
    /// One of up to eight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_value_answer: Option<bool>,
    /// `ContinentCode`, `CountryCode`, `SubdivisionCode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo_location: Option<BTreeMap<String, String>>,
    /// Whose health counts; it is kept, and not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_id: Option<String>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StoredRecord {
    /// In presentation format.
    pub value: String,
}

/// Where an alias leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StoredAlias {
    /// The zone of the name that it leads to.
    pub hosted_zone_id: String,
    /// The name, with a full stop at its end.
    #[serde(rename = "DNSName")]
    pub dns_name: String,
    /// Kept, and not looked at.
    pub evaluate_target_health: bool,
}

impl HostedZoneRecord {
    /// SOA and NS of the apex, as every private zone has them.
    pub fn apex_sets(name: &str) -> Vec<StoredRecordSet> {
        let set = |rtype: &str, ttl: u32, values: &[&str]| StoredRecordSet {
            name: name.to_owned(),
            rtype: rtype.to_owned(),
            ttl: Some(ttl),
            resource_records: values.iter().map(|value| StoredRecord { value: (*value).to_owned() }).collect(),
            ..StoredRecordSet::default()
        };
        let soa = "ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400";
        vec![set("NS", 172_800, &NAME_SERVERS), set("SOA", 900, &[soa])]
    }

    /// Whether it has nothing but SOA and NS of its apex.
    pub fn is_empty(&self) -> bool {
        self.record_sets.iter().all(|set| self.is_apex_set(set))
    }

    /// Whether this is the SOA or NS of the apex, which each zone has.
    pub fn is_apex_set(&self, set: &StoredRecordSet) -> bool {
        set.name == self.name && matches!(set.rtype.as_str(), "SOA" | "NS")
    }

    /// Whether unknown names are asked of public DNS, in the API's words.
    pub fn fallback_status(&self) -> &'static str {
        if self.public_dns_fallback { "ENABLED" } else { "DISABLED" }
    }

    /// Puts its record sets in order.
    pub fn sort(&mut self) {
        self.record_sets.sort_by_cached_key(StoredRecordSet::key);
    }

    /// What the AWS CLI prints of it: `get-hosted-zone`, and `list-resource-record-sets`.
    pub fn outputs(&self) -> String {
        let vpcs: Vec<Value> = self
            .vpcs
            .iter()
            .map(|vpc| json!({ "VPCId": vpc.id.to_string(), "VPCRegion": vpc.region.to_string() }))
            .collect();
        let zone = json!({
            "HostedZone": {
                "Id": format!("/hostedzone/{}", self.id),
                "Name": self.name,
                "Config": { "PrivateZone": true },
                "Features": { "PublicDNSFallbackStatus": self.fallback_status() },
                "ResourceRecordSetCount": self.record_sets.len(),
            },
            "VPCs": vpcs,
        });
        json!([zone, { "ResourceRecordSets": self.record_sets, "IsTruncated": false }]).to_string()
    }
}

impl StoredRecordSet {
    /// What its place in a list is by: the labels from the last to the first, the type, the identifier (Route 53 API
    /// Reference, `ListResourceRecordSets`).
    pub fn key(&self) -> (String, String, String) {
        let identifier = self.policy.set_identifier.clone().unwrap_or_default();
        (sort_name(&self.name), self.rtype.clone(), identifier)
    }
}

/// `Z`, and 19 letters and digits, as Route 53 gives them.
pub fn new_zone_id() -> String {
    let digits = std::iter::repeat_with(|| rand::random::<u32>() % 36).take(19);
    let digits = digits.filter_map(|digit| char::from_digit(digit, 36)).map(|digit| digit.to_ascii_uppercase());
    std::iter::once('Z').chain(digits).collect()
}

/// `com.example.www.` of `www.example.com.`
pub fn sort_name(name: &str) -> String {
    name.trim_end_matches('.').split('.').rev().fold(String::new(), |mut out, label| {
        let _ = write!(out, "{label}.");
        out
    })
}

/// A name as Route 53 keeps it: lower case, octal escapes for all but letters, digits, hyphens and underscores, a full
/// stop at its end (Route 53 guide, "DNS domain name format").
pub fn kept_name(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut rest = text.trim_end_matches('.').chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // an escape that is one already
            '\\' if rest.peek().is_some_and(char::is_ascii_digit) => out.push('\\'),
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => out.push(c.to_ascii_lowercase()),
            c => {
                let mut octets = [0; 4];
                for octet in c.encode_utf8(&mut octets).bytes() {
                    let _ = write!(out, "\\{octet:03o}");
                }
            }
        }
    }
    out.push('.');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_route_53_lists_them() {
        for (text, kept) in [
            ("Example.COM", "example.com."),
            ("example.com.", "example.com."),
            ("*.example.com", "\\052.example.com."),
            ("\\052.example.com", "\\052.example.com."),
            ("a b.example", "a\\040b.example."),
            ("_sip._tcp.example.", "_sip._tcp.example."),
        ] {
            assert_eq!(kept_name(text), kept);
        }
        assert_eq!(sort_name("www.example.com."), "com.example.www.");
    }
}
