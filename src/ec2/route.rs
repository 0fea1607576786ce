//! Route tables: what is kept of them. They do not affect DNS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::text;
use super::error::ApiError;
use crate::naming::{SubnetId, VpcId};

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTableRecord {
    /// `rtb-...`
    pub id: String,
    /// The account that made it.
    pub owner: String,
    /// The VPC it is in.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// The routes that callers made: those to the VPC's own blocks and to its gateway endpoints are not among them.
    pub routes: Vec<StoredRoute>,
    /// What it is associated with.
    pub associations: Vec<TableAssociation>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRoute {
    /// An IPv4 or IPv6 block, or the id of a prefix list.
    pub destination: String,
    /// The member of EC2's `Route` that holds its target: `gatewayId`, `natGatewayId`.
    pub kind: String,
    /// The target's id.
    pub target: String,
}

/// What a route table is associated with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableAssociation {
    /// `rtbassoc-...`
    pub id: String,
    /// The subnet; `None`: all subnets of the VPC without an association of their own, it is the main table.
    pub subnet: Option<String>,
}

impl RouteTableRecord {
    /// Whether it is its VPC's main table.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(|association| association.subnet.is_none())
    }

    /// Ends the association with a subnet, if there is one; whether there was.
    pub fn leave(&mut self, subnet: SubnetId) -> bool {
        let (before, subnet) = (self.associations.len(), subnet.to_string());
        self.associations.retain(|association| association.subnet.as_ref() != Some(&subnet));
        self.associations.len() != before
    }
}

/// What the id of a route table begins with.
pub const TABLE_PREFIX: &str = "rtb-";

/// An error for an id that is not a route table's.
pub fn check_table_id(id: &str) -> Result<(), ApiError> {
    let hex = |digits: &str| matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let is_formed = id.strip_prefix(TABLE_PREFIX).is_some_and(hex);
    if is_formed { Ok(()) } else { Err(ApiError::malformed_id("InvalidRouteTableId.Malformed", TABLE_PREFIX, id)) }
}
