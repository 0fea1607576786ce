//! Resolver rules and their VPCs: what is kept of them, and how Route 53 Resolver's API shows them.
//!
//! What a rule means for DNS is read out of what the AWS CLI prints of it (`list-resolver-rules` and
//! `list-resolver-rule-associations`), so that a rule made here holds as the same rule does out of files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codec::text;
use super::time::{UnixMillis, iso8601};
use crate::naming::{Region, VpcId, partition_of};

/// What the ids of rules begin with.
pub const PREFIX: &str = "rslvr-rr-";

/// A resolver rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverRuleRecord {
    /// `rslvr-rr-...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// Where it is.
    #[serde(with = "text")]
    pub region: Region,
    /// What tells the call that made it from others.
    pub creator_request_id: String,
    /// What people know it by.
    pub name: Option<String>,
    /// `FORWARD`, `SYSTEM` or `DELEGATE`.
    pub rule_type: String,
    /// The name at and below which it holds: lower case, with a full stop at its end. A rule that delegates has none.
    pub domain_name: Option<String>,
    /// The name servers that a rule delegates to.
    pub delegation_record: Option<String>,
    /// Whom it forwards to.
    pub targets: Vec<TargetAddress>,
    /// The outbound endpoint that it names.
    pub endpoint: Option<String>,
    /// The VPCs for which it holds.
    pub associations: Vec<RuleVpc>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was changed last.
    pub modified: UnixMillis,
}

/// A resolver that a rule forwards to (Route 53 Resolver API Reference, `TargetAddress`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TargetAddress {
    /// An IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// An IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
    /// 1 to 65535.
    pub port: u32,
    /// `Do53`, `DoH` or `DoH-FIPS`.
    pub protocol: String,
    /// The name in its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name_indication: Option<String>,
}

/// A VPC for which a rule holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVpc {
    /// `rslvr-rrassoc-...`
    pub id: String,
    /// The VPC.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// What people know the association by.
    pub name: Option<String>,
}

impl ResolverRuleRecord {
    /// `arn:aws:route53resolver:us-east-1:123456789012:resolver-rule/rslvr-rr-...`
    pub fn arn(&self) -> String {
        arn(&self.region, &self.owner, "resolver-rule", &self.id)
    }

    /// As the API shows it (`ResolverRule`).
    pub fn shown(&self, status: &str, message: &str) -> Value {
        let mut shown = json!({
            "Id": self.id,
            "CreatorRequestId": self.creator_request_id,
            "Arn": self.arn(),
            "Status": status,
            "StatusMessage": message,
            "RuleType": self.rule_type,
            "OwnerId": self.owner,
            "ShareStatus": "NOT_SHARED",
            "CreationTime": iso8601(self.created.into()),
            "ModificationTime": iso8601(self.modified.into()),
        });
        set(&mut shown, "DomainName", self.domain_name.as_deref());
        set(&mut shown, "DelegationRecord", self.delegation_record.as_deref());
        set(&mut shown, "Name", self.name.as_deref());
        set(&mut shown, "ResolverEndpointId", self.endpoint.as_deref());
        if !self.targets.is_empty() {
            set(&mut shown, "TargetIps", Some(json!(self.targets)));
        }
        shown
    }

    /// What the AWS CLI prints of it, and of a VPC for which it holds, whichever that is.
    pub fn outputs(&self) -> String {
        let some = RuleVpc { id: String::new(), vpc: VpcId::of_bits(0), name: None };
        let (rules, associations) = ([self.shown("COMPLETE", "")], [some.shown(&self.id, "COMPLETE", "")]);
        json!([{ "ResolverRules": rules }, { "ResolverRuleAssociations": associations }]).to_string()
    }
}

impl RuleVpc {
    /// As the API shows it (`ResolverRuleAssociation`).
    pub fn shown(&self, rule: &str, status: &str, message: &str) -> Value {
        let mut shown = json!({
            "Id": self.id,
            "ResolverRuleId": rule,
            "VPCId": self.vpc.to_string(),
            "Status": status,
            "StatusMessage": message,
        });
        set(&mut shown, "Name", self.name.as_deref());
        shown
    }
}

/// The ARN of something of Route 53 Resolver.
pub fn arn(region: &Region, owner: &str, kind: &str, id: &str) -> String {
    format!("arn:{}:route53resolver:{region}:{owner}:{kind}/{id}", partition_of(region).name)
}

/// Sets a member that may be missing: AWS leaves those out.
pub fn set(shown: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(value), Value::Object(members)) = (value, shown) {
        members.insert(name.to_owned(), value.into());
    }
}
