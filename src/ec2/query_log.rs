//! Configurations of Resolver's query logging: they are kept and shown, and nothing is logged for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codec::text;
use super::resolver_rule::arn;
use super::time::{UnixMillis, iso8601};
use crate::naming::{Region, VpcId};

/// What their ids begin with.
pub const PREFIX: &str = "rqlc-";

/// A configuration of query logging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLogRecord {
    /// `rqlc-...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// Where it is.
    #[serde(with = "text")]
    pub region: Region,
    /// What tells the call that made it from others.
    pub creator_request_id: String,
    /// What people know it by.
    pub name: String,
    /// Where the log would go.
    pub destination: String,
    /// The VPCs whose questions would be logged.
    pub vpcs: Vec<LoggedVpc>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: UnixMillis,
}

/// A VPC of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedVpc {
    /// `rqlca-...`
    pub id: String,
    /// The VPC.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// When it came.
    pub created: UnixMillis,
}

impl QueryLogRecord {
    /// `arn:aws:route53resolver:us-east-1:123456789012:resolver-query-log-config/rqlc-...`
    pub fn arn(&self) -> String {
        arn(&self.region, &self.owner, "resolver-query-log-config", &self.id)
    }

    /// As the API shows it (`ResolverQueryLogConfig`).
    pub fn shown(&self, status: &str) -> Value {
        json!({
            "Id": self.id,
            "OwnerId": self.owner,
            "Status": status,
            "ShareStatus": "NOT_SHARED",
            "AssociationCount": self.vpcs.len(),
            "Arn": self.arn(),
            "Name": self.name,
            "DestinationArn": self.destination,
            "CreatorRequestId": self.creator_request_id,
            "CreationTime": iso8601(self.created.into()),
        })
    }
}

impl LoggedVpc {
    /// As the API shows it (`ResolverQueryLogConfigAssociation`).
    pub fn shown(&self, config: &str, status: &str) -> Value {
        json!({
            "Id": self.id,
            "ResolverQueryLogConfigId": config,
            "ResourceId": self.vpc.to_string(),
            "Status": status,
            "Error": "NONE",
            "ErrorMessage": "",
            "CreationTime": iso8601(self.created.into()),
        })
    }
}
