//! Route 53 Profiles: what is kept of them, and how their API shows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codec::text;
use super::resolver_rule::set;
use super::time::UnixMillis;
use crate::naming::{Region, VpcId, partition_of};

/// What the ids of Profiles begin with.
pub const PREFIX: &str = "rp-";
/// "Associations created without a priority have priority 100" (Route 53 Profiles API Reference, `ProfileAssociation`).
pub const DEFAULT_PRIORITY: u32 = 100;

/// A Profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// `rp-...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// Where it is.
    #[serde(with = "text")]
    pub region: Region,
    /// What tells the call that made it from others.
    pub client_token: String,
    /// What people know it by.
    pub name: String,
    /// The VPCs that have it.
    pub vpcs: Vec<ProfileVpc>,
    /// What it shares.
    pub resources: Vec<ProfileResource>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was changed last.
    pub modified: UnixMillis,
}

/// A VPC that has a Profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileVpc {
    /// `rpassoc-...`
    pub id: String,
    /// The VPC.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// What people know the association by.
    pub name: String,
    /// Of two Profiles of a VPC, the one with the lower priority is looked at first.
    pub priority: u32,
    /// The association's tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was changed last.
    pub modified: UnixMillis,
}

/// What a Profile shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileResource {
    /// `rpr-...`
    pub id: String,
    /// What people know the association by.
    pub name: String,
    /// The ARN of a private hosted zone, a resolver rule or an endpoint.
    pub arn: String,
    /// JSON that is kept and shown.
    pub properties: Option<String>,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was changed last.
    pub modified: UnixMillis,
}

impl ProfileRecord {
    /// `arn:aws:route53profiles:us-east-1:123456789012:profile/rp-...`
    pub fn arn(&self) -> String {
        self.arn_of("profile", &self.id)
    }

    fn arn_of(&self, kind: &str, id: &str) -> String {
        let partition = partition_of(&self.region).name;
        format!("arn:{partition}:route53profiles:{}:{}:{kind}/{id}", self.region, self.owner)
    }

    /// The tags of what has this ARN: the Profile's, or those of its association with a VPC
    /// (`arn:aws:route53profiles:us-east-1:123456789012:profile-association/rpassoc-...`).
    pub fn tags_at(&mut self, arn: &str) -> Option<&mut BTreeMap<String, String>> {
        if self.arn() == arn {
            return Some(&mut self.tags);
        }
        let at = self.vpcs.iter().position(|it| self.arn_of("profile-association", &it.id) == arn)?;
        self.vpcs.get_mut(at).map(|association| &mut association.tags)
    }

    /// As the API shows it (`Profile`).
    pub fn shown(&self, status: &str, message: &str) -> Value {
        json!({
            "Arn": self.arn(),
            "ClientToken": self.client_token,
            "CreationTime": seconds(self.created),
            "Id": self.id,
            "ModificationTime": seconds(self.modified),
            "Name": self.name,
            "OwnerId": self.owner,
            "ShareStatus": "NOT_SHARED",
            "Status": status,
            "StatusMessage": message,
        })
    }

    /// In a list (`ProfileSummary`).
    pub fn summary(&self) -> Value {
        json!({ "Arn": self.arn(), "Id": self.id, "Name": self.name, "ShareStatus": "NOT_SHARED" })
    }

    /// The VPC's part (`ProfileAssociation`).
    pub fn shown_vpc(&self, association: &ProfileVpc, status: &str, message: &str) -> Value {
        json!({
            "CreationTime": seconds(association.created),
            "Id": association.id,
            "ModificationTime": seconds(association.modified),
            "Name": association.name,
            "OwnerId": self.owner,
            "Priority": association.priority,
            "ProfileId": self.id,
            "ResourceId": association.vpc.to_string(),
            "Status": status,
            "StatusMessage": message,
        })
    }

    /// The resource's part (`ProfileResourceAssociation`).
    pub fn shown_resource(&self, association: &ProfileResource, status: &str, message: &str) -> Value {
        let mut shown = json!({
            "CreationTime": seconds(association.created),
            "Id": association.id,
            "ModificationTime": seconds(association.modified),
            "Name": association.name,
            "OwnerId": self.owner,
            "ProfileId": self.id,
            "ResourceArn": association.arn,
            "ResourceType": association.kind(),
            "Status": status,
            "StatusMessage": message,
        });
        set(&mut shown, "ResourceProperties", association.properties.as_deref());
        shown
    }
}

impl ProfileResource {
    /// The id of the hosted zone, rule or endpoint.
    pub fn resource_id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// What kind of resource it is, in the API's words.
    pub fn kind(&self) -> &'static str {
        if self.arn.contains(":hostedzone/") {
            "PRIVATE_HOSTED_ZONE"
        } else if self.arn.contains(":resolver-rule/") {
            "RESOLVER_RULE"
        } else {
            "VPC_ENDPOINT"
        }
    }
}

/// A time as REST-JSON writes it: seconds since 1970.
fn seconds(at: UnixMillis) -> Value {
    let (whole, part) = (at.0 / 1000, at.0 % 1000);
    // text to number, so that no digit is lost
    serde_json::from_str(&format!("{whole}.{part:03}")).unwrap_or(Value::Null)
}
