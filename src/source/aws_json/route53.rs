//! Route 53's outputs: `get-hosted-zone`, `list-hosted-zones`, `list-resolver-rules`, `list-resolver-rule-associations`,
//! `get-resolver-config`, `get-resolver-dnssec-config` and those of Profiles.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::dns::DnsName;
use crate::model::{RuleAction, Upstream};
use crate::naming::{Region, VpcId};
use crate::problem::Place;

use super::super::doc::Value;
use super::super::reader::{Fields, Keys, Reader};
use super::profiles::ProfileOutputs;
use super::records::{self, RecordPage};
use super::resolver_endpoints::ResolverEndpointOutputs;

/// What files hold of Route 53.
#[derive(Default)]
pub(super) struct Route53 {
    pub(super) zones: Vec<ZoneOutput>,
    pub(super) seen: Vec<AssociatedZone>,
    pub(super) pages: Vec<RecordPage>,
    pub(super) rules: Vec<RuleOutput>,
    /// Rule id, VPC.
    pub(super) associations: Vec<(String, VpcId)>,
    /// What Resolver's configurations of VPCs and Profiles say, by their ids.
    pub(super) configs: HashMap<String, ResolverConfigs>,
    pub(super) profiles: ProfileOutputs,
    pub(super) endpoints: ResolverEndpointOutputs,
}

/// What Resolver is told of a VPC, or by a Profile for all of its VPCs; `None`: nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct ResolverConfigs {
    /// Whether it has reverse zones of its own (`AutodefinedReverse`).
    pub(super) autodefined_reverse: Option<bool>,
    /// Whether upstream replies are validated (`ValidationStatus`).
    pub(super) dnssec_validation: Option<bool>,
}

/// A private hosted zone.
pub(super) struct ZoneOutput {
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) name: DnsName,
    /// Its VPCs with their Regions, where these are told; `None`: the output does not tell (`list-hosted-zones`).
    pub(super) vpcs: Option<Vec<(VpcId, Option<Region>)>>,
    /// They are the VPC that it was made with: later ones are in other outputs.
    pub(super) is_new: bool,
    pub(super) record_sets: Option<u32>,
    /// Whether unknown names are asked of public DNS (`Features.PublicDNSFallbackStatus`).
    pub(super) fallback: bool,
    /// Whose it is, where only the list of a VPC's zones has it.
    pub(super) owner: Option<String>,
}

/// A zone of `list-hosted-zones-by-vpc`, and the VPC that was asked about.
pub(super) struct AssociatedZone {
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) name: DnsName,
    pub(super) vpc: VpcId,
    pub(super) region: Option<Region>,
    /// Its account, or the service that made it.
    pub(super) owner: String,
}

/// A resolver rule.
pub(super) struct RuleOutput {
    pub(super) place: Place,
    pub(super) id: String,
    pub(super) domain_name: DnsName,
    pub(super) action: RuleAction,
    /// The outbound endpoint from whose addresses it asks.
    pub(super) endpoint: Option<Arc<str>>,
}

/// Commands whose output is read, with the member that tells them.
pub(super) const COMMANDS: [(&str, &str); 21] = [
    ("HostedZone", "route53 get-hosted-zone"),
    ("HostedZones", "route53 list-hosted-zones"),
    ("HostedZoneSummaries", "route53 list-hosted-zones-by-vpc"),
    ("ResourceRecordSets", "route53 list-resource-record-sets"),
    ("ResolverRules", "route53resolver list-resolver-rules"),
    ("ResolverRule", "route53resolver get-resolver-rule"),
    ("ResolverRuleAssociations", "route53resolver list-resolver-rule-associations"),
    ("ResolverRuleAssociation", "route53resolver get-resolver-rule-association"),
    ("ResolverConfig", "route53resolver get-resolver-config"),
    ("ResolverConfigs", "route53resolver list-resolver-configs"),
    ("ResolverDNSSECConfig", "route53resolver get-resolver-dnssec-config"),
    ("ResolverDnssecConfigs", "route53resolver list-resolver-dnssec-configs"),
    ("ResolverEndpoints", "route53resolver list-resolver-endpoints"),
    ("ResolverEndpoint", "route53resolver get-resolver-endpoint"),
    ("IpAddresses", "route53resolver list-resolver-endpoint-ip-addresses"),
    ("ProfileSummaries", "route53profiles list-profiles"),
    ("Profile", "route53profiles get-profile"),
    ("ProfileAssociations", "route53profiles list-profile-associations"),
    ("ProfileAssociation", "route53profiles get-profile-association"),
    ("ProfileResourceAssociations", "route53profiles list-profile-resource-associations"),
    ("ProfileResourceAssociation", "route53profiles get-profile-resource-association"),
];

impl Route53 {
    /// Takes in an output of Route 53; false if it is none.
    pub(super) fn take(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> bool {
        for (key, _) in COMMANDS.iter().filter(|(key, _)| fields.has(key)) {
            match *key {
                "HostedZone" => self.hosted_zone(reader, fields),
                "HostedZoneSummaries" => self.seen(reader, fields),
                "ResourceRecordSets" => self.pages.push(records::page(reader, fields)),
                _ => {
                    // one object of `get-*`, or the list of `list-*`
                    let Some(node) = fields.node(reader, key) else { continue };
                    let items = match &node.value {
                        Value::Table(_) => std::slice::from_ref(node),
                        _ => reader.array(node),
                    };
                    for item in items {
                        if let Some(item) = reader.table(item, "a member of Route 53's list", Keys::Any) {
                            self.member(reader, key, &item);
                        }
                    }
                }
            }
        }
        COMMANDS.iter().any(|(key, _)| fields.has(key))
    }

    fn member(&mut self, reader: &mut Reader<'_>, key: &str, item: &Fields<'_, '_>) {
        match key {
            "HostedZones" => self.zones.extend(zone(reader, item, None)),
            "ResolverRules" | "ResolverRule" => self.rules.extend(rule(reader, item)),
            "ResolverRuleAssociations" | "ResolverRuleAssociation" => {
                self.associations.extend(association(reader, item));
            }
            "ResolverConfig" | "ResolverConfigs" | "ResolverDNSSECConfig" | "ResolverDnssecConfigs" => {
                self.config(item);
            }
            "ResolverEndpoints" | "ResolverEndpoint" => self.endpoints.endpoint(reader, item),
            "IpAddresses" => self.endpoints.address(reader, item),
            "ProfileSummaries" | "Profile" => self.profiles.profile(item),
            "ProfileAssociations" | "ProfileAssociation" => self.profiles.association(reader, item),
            "ProfileResourceAssociations" | "ProfileResourceAssociation" => self.profiles.resource(reader, item),
            _ => {}
        }
    }

    fn hosted_zone(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>) {
        let Some(table) =
            fields.node(reader, "HostedZone").and_then(|node| reader.table(node, "a hosted zone", Keys::Any))
        else {
            return;
        };
        // `create-hosted-zone` prints the one VPC that the zone was made with, and `update-hosted-zone-comment` none
        let first = fields.node(reader, "VPC");
        let is_new = first.is_some() && !fields.has("VPCs");
        let mut vpcs = vec![];
        for item in fields.items(reader, "VPCs").iter().chain(first) {
            let Some(vpc) = reader.table(item, "a VPC", Keys::Any) else { continue };
            let (id, region) = (vpc_id(reader, &vpc), vpc.required::<Region>(reader, "VPCRegion"));
            vpcs.extend(id.zip(region).map(|(id, region)| (id, Some(region.value))));
        }
        let vpcs = (is_new || fields.has("VPCs")).then_some(vpcs);
        self.zones.extend(zone(reader, &table, vpcs).map(|zone| ZoneOutput { is_new, ..zone }));
    }

    /// The zones that a VPC sees. The output does not say which VPC was asked about, but a member `VPCId` may, or the name of
    /// the file.
    fn seen(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_, '_>) {
        let told = fields.peek("VPCId").and_then(|id| id.parse().ok());
        let Some(vpc) = told.or_else(|| vpc_in(&reader.place(fields.at).file)) else { return };
        let region: Option<Region> = fields.peek("VPCRegion").and_then(|region| region.parse().ok());
        for item in fields.items(reader, "HostedZoneSummaries") {
            let Some(zone) = reader.table(item, "a hosted zone", Keys::Any) else { continue };
            let owner = zone.node(reader, "Owner").and_then(|node| reader.table(node, "an owner", Keys::Any));
            let owner = owner.and_then(|owner| owner.peek("OwningAccount").or_else(|| owner.peek("OwningService")));
            let (Some(id), Some(name)) = (zone.peek("HostedZoneId"), records::name(reader, &zone, "Name")) else {
                continue;
            };
            self.seen.push(AssociatedZone {
                place: reader.place(item.at),
                id: records::zone_id(id).to_owned(),
                name,
                vpc,
                region: region.clone(),
                owner: owner.unwrap_or("another account").to_owned(),
            });
        }
    }

    fn config(&mut self, config: &Fields<'_, '_>) {
        let Some(id) = config.peek("ResourceId") else { return };
        // USE_LOCAL_RESOURCE_SETTING is what a Profile leaves to the VPC
        let is_on = |member| match config.peek(member)? {
            "ENABLED" | "ENABLING" => Some(true),
            "DISABLED" | "DISABLING" => Some(false),
            _ => None,
        };
        let said = ResolverConfigs {
            autodefined_reverse: is_on("AutodefinedReverse"),
            dnssec_validation: is_on("ValidationStatus"),
        };
        self.configs.entry(id.to_owned()).or_default().take(said);
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.zones.extend(other.zones);
        self.seen.extend(other.seen);
        self.pages.extend(other.pages);
        self.rules.extend(other.rules);
        self.associations.extend(other.associations);
        for (id, said) in other.configs {
            self.configs.entry(id).or_default().take(said);
        }
        self.profiles.extend(other.profiles);
        self.endpoints.extend(other.endpoints);
    }
}

impl ResolverConfigs {
    /// Takes in what a later output says.
    fn take(&mut self, later: Self) {
        self.autodefined_reverse = later.autodefined_reverse.or(self.autodefined_reverse);
        self.dnssec_validation = later.dnssec_validation.or(self.dnssec_validation);
    }
}

/// The VPC whose id is in the name of a file.
fn vpc_in(file: &str) -> Option<VpcId> {
    let name = Path::new(file).file_name()?.to_str()?;
    let at = name.find("vpc-0").or_else(|| name.rfind("vpc-"))?;
    let digits = name.get(at + 4..)?;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    name.get(at..at + 4 + end)?.parse().ok()
}

/// A private zone; public ones are no concern of this server.
fn zone(
    reader: &mut Reader<'_>,
    table: &Fields<'_, '_>,
    vpcs: Option<Vec<(VpcId, Option<Region>)>>,
) -> Option<ZoneOutput> {
    let config = table.node(reader, "Config").and_then(|node| reader.table(node, "a configuration", Keys::Any));
    let is_private = config.and_then(|config| config.flag(reader, "PrivateZone")).is_some_and(|flag| flag.value);
    let features = table.node(reader, "Features").and_then(|node| reader.table(node, "features", Keys::Any));
    let fallback = features.and_then(|features| features.peek("PublicDNSFallbackStatus")) == Some("ENABLED");
    is_private.then_some(())?;
    Some(ZoneOutput {
        place: reader.place(table.at),
        id: records::zone_id(table.peek("Id")?).to_owned(),
        name: records::name(reader, table, "Name")?,
        vpcs,
        is_new: false,
        record_sets: table.integer(reader, "ResourceRecordSetCount", 0..=u32::MAX),
        fallback,
        owner: None,
    })
}

fn rule(reader: &mut Reader<'_>, table: &Fields<'_, '_>) -> Option<RuleOutput> {
    let id = table.peek("Id")?.to_owned();
    let kind = table.peek("RuleType").unwrap_or_default();
    let action = match kind {
        "SYSTEM" => RuleAction::System,
        "FORWARD" => RuleAction::Forward(targets(reader, table).into()),
        "DELEGATE" => RuleAction::Delegate,
        // the autodefined rule for the root, which is what `--forward` is here
        "RECURSIVE" if table.peek("DomainName").is_none_or(|name| name == ".") => return None,
        _ => {
            let what = format!("rules of the type '{kind}' are not followed: {id} is left out");
            reader.warning(table.at, what, "its names go to the resolvers of --forward");
            return None;
        }
    };
    let member = if action == RuleAction::Delegate { "DelegationRecord" } else { "DomainName" };
    let domain_name = records::name(reader, table, member)?;
    if matches!(&action, RuleAction::Forward(targets) if targets.is_empty()) {
        reader.warning(table.at, format!("{id} has no target that can be asked: it is left out"), "");
        return None;
    }
    let endpoint = table.peek("ResolverEndpointId").map(Arc::from);
    Some(RuleOutput { place: reader.place(table.at), id, domain_name, action, endpoint })
}

/// `TargetIps`: `Ip` or `Ipv6`, `Port` (53 by default), `Protocol` (Do53, DoH or DoH-FIPS) and `ServerNameIndication`.
fn targets(reader: &mut Reader<'_>, table: &Fields<'_, '_>) -> Vec<Upstream> {
    let mut targets = vec![];
    for item in table.items(reader, "TargetIps") {
        let Some(target) = reader.table(item, "a target", Keys::Any) else { continue };
        let address = target.peek("Ip").or_else(|| target.peek("Ipv6"));
        let Some(ip) = address.and_then(|text| text.parse::<std::net::IpAddr>().ok()) else {
            reader.warning(item.at, "a target without an address: it is left out", "");
            continue;
        };
        let encrypted = target.peek("Protocol").is_some_and(|protocol| protocol.starts_with("DoH"));
        let port = target.integer(reader, "Port", 1..=65_535).unwrap_or(if encrypted { 443 } else { 53 });
        let at = std::net::SocketAddr::new(ip, u16::try_from(port).unwrap_or(53));
        let text = match target.peek("ServerNameIndication").filter(|_| encrypted) {
            Some(name) => format!("https://{name}:{port}/dns-query#{ip}"),
            None if encrypted => format!("https://{at}/dns-query"),
            None => at.to_string(),
        };
        match text.parse() {
            Ok(upstream) => targets.push(upstream),
            Err(error) => reader.warning(item.at, format!("{error}: it is left out"), ""),
        }
    }
    targets
}

/// An association that is in force (Route 53 Resolver API Reference, `ResolverRuleAssociation`).
fn association(reader: &mut Reader<'_>, table: &Fields<'_, '_>) -> Option<(String, VpcId)> {
    if matches!(table.peek("Status"), Some("CREATING" | "DELETING" | "FAILED" | "OVERRIDDEN")) {
        return None;
    }
    let vpc = vpc_id(reader, table)?;
    Some((table.peek("ResolverRuleId")?.to_owned(), vpc))
}

/// The member `VPCId`. An id that is none (`vpc-304bexam` in AWS's own examples, those that somebody blacked out) is no VPC's of
/// these outputs, and what is said of it is left out.
fn vpc_id(reader: &mut Reader<'_>, table: &Fields<'_, '_>) -> Option<VpcId> {
    let text = table.peek("VPCId").unwrap_or_default();
    let id = text.parse().ok();
    if id.is_none() {
        let what = format!("'{text}' is not the id of a VPC: what is said of it is left out");
        reader.warning(table.at, what, "such as vpc-0123456789abcdef0");
    }
    id
}
