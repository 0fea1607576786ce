//! One private hosted zone as Route 53 tells it, and as the AWS CLI prints that.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::query::CallError;
use super::shape::MemberShape::{self, Flag, Number, Object, ObjectsOf, Text};
use super::shape::{ShapeMember, value};
use super::xml::Element;

const CONFIG: &[ShapeMember] = &[("Comment", "Comment", Text), ("PrivateZone", "PrivateZone", Flag)];
const FEATURES: &[ShapeMember] = &[("PublicDNSFallbackStatus", "PublicDNSFallbackStatus", Text)];
/// Names of elements and members are those of botocore's model of Route 53, 2013-04-01.
const ZONE: &[ShapeMember] = &[
    ("Id", "Id", Text),
    ("Name", "Name", Text),
    ("Config", "Config", Object(CONFIG)),
    ("ResourceRecordSetCount", "ResourceRecordSetCount", Number),
    ("Features", "Features", Object(FEATURES)),
];
/// Of a zone that a VPC sees: one of both members of its owner is there.
const SUMMARY: &[ShapeMember] = &[
    ("HostedZoneId", "HostedZoneId", Text),
    ("Name", "Name", Text),
    ("Owner", "Owner", Object(&[("OwningAccount", "OwningAccount", Text), ("OwningService", "OwningService", Text)])),
];
const VPC: &[ShapeMember] = &[("VPCRegion", "VPCRegion", Text), ("VPCId", "VPCId", Text)];
const VALUE: &[ShapeMember] = &[("Value", "Value", Text)];
const RECORD_SET: &[ShapeMember] = &[
    ("Name", "Name", Text),
    ("Type", "Type", Text),
    ("SetIdentifier", "SetIdentifier", Text),
    ("Weight", "Weight", Number),
    ("Region", "Region", Text),
    (
        "GeoLocation",
        "GeoLocation",
        Object(&[
            ("ContinentCode", "ContinentCode", Text),
            ("CountryCode", "CountryCode", Text),
            ("SubdivisionCode", "SubdivisionCode", Text),
        ]),
    ),
    ("Failover", "Failover", Text),
    ("AZAffinity", "AZAffinity", Object(&[("LocationType", "LocationType", Text), ("LocationId", "LocationId", Text)])),
    ("MultiValueAnswer", "MultiValueAnswer", Flag),
    ("TTL", "TTL", Number),
    ("ResourceRecords", "ResourceRecords", ObjectsOf("ResourceRecord", VALUE)),
    (
        "AliasTarget",
        "AliasTarget",
        Object(&[
            ("HostedZoneId", "HostedZoneId", Text),
            ("DNSName", "DNSName", Text),
            ("EvaluateTargetHealth", "EvaluateTargetHealth", Flag),
        ]),
    ),
    ("HealthCheckId", "HealthCheckId", Text),
    (
        "CidrRoutingConfig",
        "CidrRoutingConfig",
        Object(&[("CollectionId", "CollectionId", Text), ("LocationName", "LocationName", Text)]),
    ),
    (
        "GeoProximityLocation",
        "GeoProximityLocation",
        Object(&[
            ("AWSRegion", "AWSRegion", Text),
            ("LocalZoneGroup", "LocalZoneGroup", Text),
            ("Coordinates", "Coordinates", Object(&[("Latitude", "Latitude", Text), ("Longitude", "Longitude", Text)])),
            ("Bias", "Bias", Number),
        ]),
    ),
];

/// What a pass has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ZonePass {
    /// Something is not as it was.
    pub(super) changed: bool,
    /// Zones have gone from the list, and the next pass decides.
    pub(super) is_doubtful: bool,
    /// Calls that it took, as they are counted without those that were made again.
    pub(super) calls: usize,
}

/// A private hosted zone with its VPCs and all of its records.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneOutputs {
    /// `Z0123`
    pub(super) id: String,
    /// What `get-hosted-zone` prints.
    pub(super) hosted: Value,
    /// What `list-resource-record-sets` prints, and of which zone that is.
    pub(super) records: Value,
}

impl ZoneOutputs {
    /// The zone of two answers.
    pub(super) fn new(id: &str, hosted: Value, sets: Vec<Value>) -> Self {
        let mut records = json!({"HostedZoneId": id});
        records["ResourceRecordSets"] = Value::Array(sets);
        Self { id: id.to_owned(), hosted, records }
    }

    /// The zones among outputs; one without its records is left out.
    pub(super) fn among(outputs: &[Value]) -> Vec<Self> {
        let records: HashMap<&str, &Value> =
            outputs.iter().filter_map(|output| Some((output.get("HostedZoneId")?.as_str()?, output))).collect();
        let zone = |output: &Value| {
            let id = zone_id(output.get("HostedZone")?.get("Id")?.as_str()?);
            let records = records.get(id)?;
            Some(Self { id: id.to_owned(), hosted: output.clone(), records: (*records).clone() })
        };
        outputs.iter().filter_map(zone).collect()
    }

    /// How many record sets it has.
    pub(super) fn record_sets(&self) -> usize {
        self.records["ResourceRecordSets"].as_array().map_or(0, Vec::len)
    }

    /// What `self` has and `later` has not: record sets and VPCs.
    pub(super) fn lost(&self, later: &Self) -> BTreeSet<String> {
        let left = later.parts();
        self.parts().into_iter().filter(|part| !left.contains(part)).collect()
    }

    fn parts(&self) -> BTreeSet<String> {
        let list = |output: &Value, key: &str| output[key].as_array().cloned().unwrap_or_default();
        let sets = list(&self.records, "ResourceRecordSets").into_iter().map(|set| set_identity(&set));
        let vpcs = list(&self.hosted, "VPCs").into_iter().map(|vpc| vpc["VPCId"].to_string());
        sets.chain(vpcs).collect()
    }
}

/// What tells a record set from the others of its zone.
pub(super) fn set_identity(set: &Value) -> String {
    format!("{} {} {}", set["Name"], set["Type"], set["SetIdentifier"])
}

/// `Z0123` of `/hostedzone/Z0123`.
pub(super) fn zone_id(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// The error of a call, with its action.
pub(super) fn named(action: &str, error: CallError) -> CallError {
    match error {
        CallError::Refused(code, text) => CallError::Refused(code, format!("{text} ({action})")),
        CallError::Failed(what) => CallError::Failed(format!("{action}: {what}")),
    }
}

fn wrong(why: &str) -> CallError {
    CallError::Failed(format!("the answer {why}"))
}

/// A member of an answer that has to be there.
fn member(answer: &Element, name: &str, shape: &MemberShape) -> Result<Value, CallError> {
    let element = answer.child(name).ok_or_else(|| wrong(&format!("has no <{name}>")))?;
    value(element, shape).map_err(|why| wrong(&why))
}

/// The ids of the private zones of a page of `ListHostedZones`, and the marker of the next page.
pub(super) fn private_zones(answer: &Element) -> Result<(Vec<String>, Option<String>), CallError> {
    let zones = member(answer, "HostedZones", &ObjectsOf("HostedZone", ZONE))?;
    let mut ids = Vec::new();
    for zone in zones.as_array().into_iter().flatten() {
        let id = zone["Id"].as_str().map(zone_id).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| wrong("has a zone without Id"))?;
        if zone["Config"]["PrivateZone"] == Value::Bool(true) {
            ids.push(id.to_owned());
        }
    }
    Ok((ids, next(answer, &["NextMarker"])?.map(|[marker]| marker)))
}

/// Zones by their ids, and the token of the next page.
pub(super) type SummaryPage = (Vec<(String, Value)>, Option<String>);

/// The zones of a page of `ListHostedZonesByVPC` by their ids, and the token of the next page.
pub(super) fn summaries(answer: &Element) -> Result<SummaryPage, CallError> {
    let Value::Array(list) = member(answer, "HostedZoneSummaries", &ObjectsOf("HostedZoneSummary", SUMMARY))? else {
        return Err(wrong("has no zones"));
    };
    let zone = |zone: Value| {
        let id = zone["HostedZoneId"].as_str().map(zone_id).filter(|id| !id.is_empty()).map(str::to_owned);
        let id = id.filter(|_| zone["Name"].is_string()).ok_or_else(|| wrong("has a zone without its id or name"))?;
        Ok((id, zone))
    };
    let token = answer.child("NextToken").map(|token| token.text.trim().to_owned()).filter(|token| !token.is_empty());
    Ok((list.into_iter().map(zone).collect::<Result<_, CallError>>()?, token))
}

/// What `get-hosted-zone` prints of an answer.
pub(super) fn hosted(answer: &Element, id: &str) -> Result<Value, CallError> {
    let zone = member(answer, "HostedZone", &Object(ZONE))?;
    let told = zone["Id"].as_str().map(zone_id).unwrap_or_default();
    if told != id {
        return Err(wrong(&format!("is about the zone '{told}'")));
    }
    let vpcs = member(answer, "VPCs", &ObjectsOf("VPC", VPC))?;
    Ok(json!({"HostedZone": zone, "VPCs": vpcs}))
}

/// The record sets of a page, and where the next one begins: name, type and identifier, which may be empty.
pub(super) fn record_sets(answer: &Element) -> Result<(Vec<Value>, Option<[String; 3]>), CallError> {
    let sets = member(answer, "ResourceRecordSets", &ObjectsOf("ResourceRecordSet", RECORD_SET))?;
    let Value::Array(sets) = sets else { return Err(wrong("has no record sets")) };
    if sets.iter().any(|set| set["Name"].as_str().is_none() || set["Type"].as_str().is_none()) {
        return Err(wrong("has a record set without Name and Type"));
    }
    Ok((sets, next(answer, &["NextRecordName", "NextRecordType", "NextRecordIdentifier"])?))
}

/// Where the next page begins; `None`: there is none. A page that says that there is one has to say where.
fn next<const N: usize>(answer: &Element, names: &[&str; N]) -> Result<Option<[String; N]>, CallError> {
    let text = |name: &str| answer.child(name).map(|child| child.text.trim().to_owned()).unwrap_or_default();
    if !text("IsTruncated").eq_ignore_ascii_case("true") {
        return Ok(None);
    }
    let found = names.map(text);
    match found.first() {
        Some(first) if !first.is_empty() => Ok(Some(found)),
        _ => Err(wrong("says that there is another page, and not where")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(xml: &str) -> Element {
        Element::parse(xml).unwrap()
    }

    /// The example response of the Route 53 API Reference, `GetHostedZone` for a private zone, with its spaces.
    #[test]
    fn a_zone_becomes_the_output_of_the_cli() {
        let answer = parsed(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <GetHostedZoneResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
               <HostedZone>
                  <Id>/hostedzone/Z1PA6795UKMFR9</Id><Name>example.com.</Name>
                  <CallerReference>2017-03-01T11:22:14Z</CallerReference>
                  <Config><Comment>This is my first hosted zone.</Comment><PrivateZone>true</PrivateZone></Config>
                  <ResourceRecordSetCount>17</ResourceRecordSetCount>
               </HostedZone>
               <VPCs><VPC><VPCRegion>us-west-2</VPCRegion><VPCId>vpc-1a2b3c4d</VPCId></VPC></VPCs>
            </GetHostedZoneResponse>"#,
        );
        assert_eq!(
            hosted(&answer, "Z1PA6795UKMFR9").unwrap(),
            json!({
                "HostedZone": {
                    "Id": "/hostedzone/Z1PA6795UKMFR9", "Name": "example.com.", "ResourceRecordSetCount": 17,
                    "Config": {"Comment": "This is my first hosted zone.", "PrivateZone": true},
                },
                "VPCs": [{"VPCRegion": "us-west-2", "VPCId": "vpc-1a2b3c4d"}],
            })
        );
        assert!(hosted(&answer, "Z2").unwrap_err().to_string().contains("about the zone 'Z1PA6795UKMFR9'"));
        let zone = ZoneOutputs::new("Z1PA6795UKMFR9", hosted(&answer, "Z1PA6795UKMFR9").unwrap(), vec![]);
        assert_eq!(ZoneOutputs::among(&[zone.hosted.clone(), zone.records.clone()]), [zone]);
    }

    /// After the example of the Route 53 API Reference, `ListResourceRecordSets`.
    #[test]
    fn record_sets_come_in_pages() {
        let (sets, next) = record_sets(&parsed(
            r#"<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
              <ResourceRecordSets>
                <ResourceRecordSet><Name>example.com.</Name><Type>SOA</Type><TTL>900</TTL>
                  <ResourceRecords><ResourceRecord><Value>ns-2048.awsdns-64.net. hostmaster.awsdns.com. 1 7200 900 1209600 86400</Value>
                  </ResourceRecord></ResourceRecords></ResourceRecordSet>
                <ResourceRecordSet><Name>a.example.com.</Name><Type>A</Type><SetIdentifier>x</SetIdentifier><Weight>3</Weight>
                  <AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>b.example.com.</DNSName>
                  <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget></ResourceRecordSet>
                <ResourceRecordSet><Name>z.example.com.</Name><Type>A</Type><SetIdentifier>y</SetIdentifier>
                  <AZAffinity><LocationType>AvailabilityZone</LocationType><LocationId>use1-az1</LocationId></AZAffinity>
                </ResourceRecordSet>
              </ResourceRecordSets>
              <IsTruncated>true</IsTruncated><MaxItems>2</MaxItems>
              <NextRecordName>testdoc2.example.com</NextRecordName><NextRecordType>NS</NextRecordType>
            </ListResourceRecordSetsResponse>"#,
        ))
        .unwrap();
        assert_eq!(next.unwrap(), ["testdoc2.example.com", "NS", ""]);
        assert_eq!(
            sets[1],
            json!({
                "Name": "a.example.com.", "Type": "A", "SetIdentifier": "x", "Weight": 3,
                "AliasTarget": {"HostedZoneId": "Z2", "DNSName": "b.example.com.", "EvaluateTargetHealth": false},
            })
        );
        assert_eq!(sets[2]["AZAffinity"], json!({"LocationType": "AvailabilityZone", "LocationId": "use1-az1"}));
        let cut = "<R><ResourceRecordSets/><IsTruncated>true</IsTruncated></R>";
        assert!(record_sets(&parsed(cut)).unwrap_err().to_string().contains("and not where"));
        assert!(record_sets(&parsed("<R/>")).unwrap_err().to_string().contains("has no <ResourceRecordSets>"));
    }

    /// The example response of the Route 53 API Reference, `ListHostedZonesByVPC`.
    #[test]
    fn zones_that_a_vpc_sees_have_an_owner() {
        let page = "<ListHostedZonesByVPCResponse><HostedZoneSummaries>\
             <HostedZoneSummary><HostedZoneId>Z111111QQQQQQQ</HostedZoneId><Name>example.com.</Name>\
             <Owner><OwningAccount>111122223333</OwningAccount></Owner></HostedZoneSummary>\
             <HostedZoneSummary><HostedZoneId>Z222222VVVVVVV</HostedZoneId><Name>fs-1.efs.us-west-2.amazonaws.com.</Name>\
             <Owner><OwningService>efs.amazonaws.com</OwningService></Owner></HostedZoneSummary>\
             </HostedZoneSummaries><MaxItems>2</MaxItems><NextToken>t</NextToken></ListHostedZonesByVPCResponse>";
        let (zones, token) = summaries(&parsed(page)).unwrap();
        assert_eq!((zones[0].0.as_str(), token.as_deref()), ("Z111111QQQQQQQ", Some("t")));
        assert_eq!(zones[0].1["Owner"], json!({"OwningAccount": "111122223333"}));
        assert_eq!(zones[1].1["Owner"], json!({"OwningService": "efs.amazonaws.com"}));
        for page in ["<R/>", "<R><HostedZoneSummaries><HostedZoneSummary/></HostedZoneSummaries></R>"] {
            assert!(summaries(&parsed(page)).is_err(), "{page}");
        }
    }

    #[test]
    fn public_zones_are_left_out() {
        let zone = |id: &str, private: bool| {
            format!(
                "<HostedZone><Id>/hostedzone/{id}</Id><Config><PrivateZone>{private}</PrivateZone></Config></HostedZone>"
            )
        };
        let page = format!(
            "<R><HostedZones>{}{}</HostedZones><IsTruncated>true</IsTruncated><NextMarker>Z3</NextMarker></R>",
            zone("Z1", true),
            zone("Z2", false)
        );
        assert_eq!(private_zones(&parsed(&page)).unwrap(), (vec!["Z1".to_owned()], Some("Z3".to_owned())));
        assert!(private_zones(&parsed("<R><HostedZones><HostedZone/></HostedZones></R>")).is_err());
    }

    #[test]
    fn what_a_later_reading_lacks_is_found() {
        let set = |name: &str| json!({"Name": name, "Type": "A"});
        let zone = |vpc: &str, sets| ZoneOutputs::new("Z1", json!({"VPCs": [{"VPCId": vpc}]}), sets);
        let old = zone("vpc-1", vec![set("a."), set("b.")]);
        assert_eq!(old.lost(&old).len(), 0);
        assert_eq!(old.lost(&zone("vpc-1", vec![set("b."), set("c.")])).len(), 1);
        assert_eq!(old.lost(&zone("vpc-2", vec![])).len(), 3);
    }
}
