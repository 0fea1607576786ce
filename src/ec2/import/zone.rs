//! Hosted zones and resolver rules of files as records.
//!
//! Both are kept in the words of their APIs. Those are read back here as the API will read them, and what does not say the
//! same stays in its file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::super::call::new_id;
use super::super::dns;
use super::super::hosted_zone::{
    HostedZoneRecord, SetPolicy, StoredAlias, StoredRecord, StoredRecordSet, TYPES, ZoneVpc, kept_name, new_zone_id,
};
use super::super::record::StoredObject;
use super::super::resolver_rule::{PREFIX, ResolverRuleRecord, RuleVpc, TargetAddress};
use super::ImportAs;
use crate::dns::{DnsName, Rtype};
use crate::model::{
    AliasInput, HostedZoneInput, Mode, Protocol, RecordData, RecordInput, RuleAction, RuleInput, Upstream, show_rdata,
};
use crate::naming::{Region, VpcId, public_hosted_zone_id};
use crate::problem::At;
use crate::source::read_record_value;

impl ImportAs<'_> {
    pub(super) fn hosted_zone(&self, zone: &HostedZoneInput) -> Result<HostedZoneRecord, String> {
        if zone.every_vpc || zone.clients_of_no_vpc {
            return Err("a zone of the API is for VPCs that are named, and for nobody else".to_owned());
        }
        if !zone.is_told {
            return Err("no output has its records".to_owned());
        }
        let vpcs = zone.vpc_ids.iter().map(|id| {
            let region = self.model.vpc(id.value).map(|vpc| vpc.region.clone());
            region.map(|region| ZoneVpc { id: id.value, region }).ok_or_else(|| format!("{} is not here", id.value))
        });
        let vpcs: Vec<ZoneVpc> = vpcs.collect::<Result<_, _>>()?;
        if vpcs.is_empty() {
            return Err("a zone of the API has a VPC of its own".to_owned());
        }
        let name = kept_name(&zone.name.value.to_string());
        let mut record_sets = HostedZoneRecord::apex_sets(&name);
        for record in &zone.records {
            record_sets.extend(self.record_sets(&zone.name.value, record)?);
        }
        let mut record = HostedZoneRecord {
            id: new_zone_id(),
            owner: self.account.clone(),
            caller_reference: new_id("vpcedns-import-"),
            comment: None,
            vpcs,
            authorized: Vec::new(),
            record_sets,
            public_dns_fallback: zone.mode == Mode::Overlay,
            tags: BTreeMap::new(),
            changed: self.now,
            name,
        };
        record.sort();
        Ok(record)
    }

    fn record_sets(&self, zone: &DnsName, record: &RecordInput) -> Result<Vec<StoredRecordSet>, String> {
        let name = &record.name.value;
        if let Some(zone) = &record.clients_in {
            return Err(format!("{name} has records of its own for clients in {zone}"));
        }
        let set = |rtype: Rtype, ttl: u32, rdata: &[At<Box<[u8]>>], policy: SetPolicy| {
            if !TYPES.contains(&rtype.to_string().as_str()) {
                return Err(format!("Route 53 has no records of the type {rtype} ({name})"));
            }
            let values = rdata.iter().map(|data| {
                value(rtype, &data.value)
                    .ok_or_else(|| format!("a {rtype} record of {name} cannot be said in Route 53's words"))
            });
            Ok(StoredRecordSet {
                name: kept_name(&name.to_string()),
                rtype: rtype.to_string(),
                policy,
                ttl: Some(ttl),
                resource_records: values.collect::<Result<_, _>>()?,
                alias_target: None,
            })
        };
        match &record.data {
            RecordData::Records { rtype: Rtype::SOA | Rtype::NS, .. } if name == zone => {
                Err("it has an SOA or NS record of its own, where Route 53 gives each zone one".to_owned())
            }
            RecordData::Records { rtype, rdata, .. } if rdata.is_empty() => {
                Err(format!("{name} has {rtype} records for clients in some zones alone"))
            }
            RecordData::Records { rtype, ttl, rdata } => Ok(vec![set(*rtype, *ttl, rdata, SetPolicy::default())?]),
            RecordData::Weighted(rtype, all) => {
                let sets = all.iter().enumerate().map(|(number, one)| {
                    let policy = SetPolicy {
                        set_identifier: Some((number + 1).to_string()),
                        weight: Some(one.weight.get()).filter(|weight| *weight <= 255),
                        ..SetPolicy::default()
                    };
                    set(*rtype, one.ttl, &one.rdata, policy)
                });
                sets.collect()
            }
            RecordData::Alias(alias) => self.alias(name, &alias.value),
            RecordData::AddressesOf(other) => {
                Err(format!("{name} has the addresses of {other}, which others are asked for"))
            }
            RecordData::Elsewhere(_) => Err(format!("{name} has records that no output tells")),
        }
    }

    /// An alias to an endpoint, once for each family that it answers.
    fn alias(&self, name: &DnsName, alias: &AliasInput) -> Result<Vec<StoredRecordSet>, String> {
        let missing = || format!("{name} is an alias to {}, which is not here", alias.endpoint);
        let endpoint = self.model.endpoint(alias.endpoint).ok_or_else(missing)?;
        let regional = || self.model.endpoint_names(endpoint).map(|names| names.regional);
        let target = alias.name.clone().or_else(regional).ok_or_else(missing)?;
        let region = self.model.service(endpoint).region.clone();
        let region = region.or_else(|| self.model.vpc(endpoint.vpc).map(|vpc| vpc.region.clone()));
        let zone_id = region.as_ref().and_then(public_hosted_zone_id).unwrap_or("Z00000000000000000000");
        let families = [(Rtype::A, endpoint.has_a()), (Rtype::AAAA, endpoint.has_aaaa(false))];
        let sets = families.into_iter().filter(|(_, is_there)| *is_there).map(|(rtype, _)| StoredRecordSet {
            name: kept_name(&name.to_string()),
            rtype: rtype.to_string(),
            alias_target: Some(StoredAlias {
                hosted_zone_id: zone_id.to_owned(),
                dns_name: kept_name(&target.to_string()),
                evaluate_target_health: false,
            }),
            ..StoredRecordSet::default()
        });
        Ok(sets.collect())
    }

    /// One record for each Region of its VPCs.
    pub(super) fn rules(&self, rule: &RuleInput) -> Result<Vec<StoredObject>, String> {
        if rule.vpc_ids.is_empty() {
            let whose = if rule.profiles.is_empty() { "for every client" } else { "for no VPC of its own" };
            return Err(format!("a rule of the API is for VPCs that are named, and this one is {whose}"));
        }
        let mut by_region: BTreeMap<String, Vec<VpcId>> = BTreeMap::new();
        let ids: BTreeSet<VpcId> = rule.vpc_ids.iter().map(|at| at.value).collect();
        for id in ids {
            let vpc = self.model.vpc(id).ok_or_else(|| format!("{id} is not here"))?;
            by_region.entry(vpc.region.to_string()).or_default().push(id);
        }
        if by_region.len() > 1 && !rule.profiles.is_empty() {
            return Err("it is for VPCs of several Regions, and a Profile shares rules of one".to_owned());
        }
        by_region
            .into_iter()
            .map(|(region, vpcs)| self.rule(rule, &region, &vpcs).map(StoredObject::ResolverRule))
            .collect()
    }

    fn rule(&self, rule: &RuleInput, region: &str, vpcs: &[VpcId]) -> Result<ResolverRuleRecord, String> {
        let region: Region = region.parse().map_err(|_| "its Region is unknown".to_owned())?;
        let domain = Some(kept_name(&rule.domain_name.value.to_string()));
        let (rule_type, targets, is_delegate) = match &rule.action {
            RuleAction::Forward(targets) => ("FORWARD", targets.iter().map(target).collect::<Result<_, _>>()?, false),
            RuleAction::System => ("SYSTEM", Vec::new(), false),
            RuleAction::Delegate => ("DELEGATE", Vec::new(), true),
        };
        let id = new_id(PREFIX);
        let made = ResolverRuleRecord {
            owner: self.account.clone(),
            region,
            creator_request_id: id.clone(),
            name: None,
            rule_type: rule_type.to_owned(),
            domain_name: domain.clone().filter(|_| !is_delegate),
            delegation_record: domain.filter(|_| is_delegate),
            targets,
            endpoint: rule.endpoint.as_deref().map(str::to_owned),
            associations: vpcs
                .iter()
                .map(|vpc| RuleVpc { id: new_id("rslvr-rrassoc-"), vpc: *vpc, name: None })
                .collect(),
            tags: BTreeMap::new(),
            created: self.now,
            modified: self.now,
            id,
        };
        match dns::read_rule(&made) {
            Some(read) if read.action == rule.action && read.domain_name.value == rule.domain_name.value => Ok(made),
            _ => Err("it cannot be said in Route 53 Resolver's words".to_owned()),
        }
    }
}

fn target(upstream: &Upstream) -> Result<TargetAddress, String> {
    let protocol = match upstream.protocol {
        Protocol::Plain => "Do53",
        Protocol::Https => "DoH",
        Protocol::Tls | Protocol::Quic => {
            return Err(format!("a rule of the API forwards by Do53 and DoH, not to {upstream}"));
        }
    };
    let ip = upstream.address.ip();
    Ok(TargetAddress {
        ip: ip.is_ipv4().then(|| ip.to_string()),
        ipv6: ip.is_ipv6().then(|| ip.to_string()),
        port: u32::from(upstream.address.port()),
        protocol: protocol.to_owned(),
        server_name_indication: upstream.name.as_deref().map(str::to_owned),
    })
}

/// Record data as Route 53 writes it; `None` where that would not be read as the same.
fn value(rtype: Rtype, data: &[u8]) -> Option<StoredRecord> {
    let text = show_rdata(rtype, data);
    let value = if matches!(rtype, Rtype::TXT | Rtype::SPF) { octal(&text) } else { text };
    let is_same = read_record_value(rtype, &value).is_ok_and(|read| *read == *data);
    is_same.then_some(StoredRecord { value })
}

/// A text with the octal escapes of Route 53 in place of the decimal ones of master files.
fn octal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('\\') {
        out += before;
        let digits = from.get(..3).and_then(|digits| digits.parse::<u8>().ok());
        let length = if let Some(octet) = digits {
            let _ = write!(out, "\\{octet:03o}");
            3
        } else {
            let length = from.chars().next().map_or(0, char::len_utf8);
            out.push('\\');
            out += from.get(..length).unwrap_or_default();
            length
        };
        rest = from.get(length..).unwrap_or_default();
    }
    out + rest
}
