//! Resolver endpoints: what is kept of them, and how Route 53 Resolver's API shows them.
//!
//! Their addresses are interfaces of the VPC, as in AWS: nobody else gets them, and they have the names of hosts. Who asks
//! an inbound endpoint here asks one of its listeners.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codec::text;
use super::resolver_rule::{arn, set};
use super::time::{UnixMillis, iso8601};
use crate::naming::{InterfaceId, Region, SubnetId, VpcId};

/// What the ids of endpoints begin with.
pub const INBOUND_PREFIX: &str = "rslvr-in-";
/// Those of outbound ones.
pub const OUTBOUND_PREFIX: &str = "rslvr-out-";

/// What a call may turn on and off: it is kept and shown (API Reference, `ResolverEndpoint`).
pub const OPTIONS: [&str; 4] =
    ["RniEnhancedMetricsEnabled", "TargetNameServerMetricsEnabled", "Dns64Enabled", "Ipv6InternetAccessEnabled"];

/// A resolver endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverEndpointRecord {
    /// `rslvr-in-...` or `rslvr-out-...`
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
    /// `INBOUND`, `OUTBOUND` or `INBOUND_DELEGATION`.
    pub direction: String,
    /// The VPC it is in.
    #[serde(with = "text")]
    pub vpc: VpcId,
    /// `sg-...`
    pub security_groups: Vec<String>,
    /// Its addresses in the VPC.
    pub addresses: Vec<ResolverAddress>,
    /// `IPV4`, `IPV6` or `DUALSTACK`.
    pub endpoint_type: String,
    /// `Do53`, `DoH`, `DoH-FIPS`.
    pub protocols: Vec<String>,
    /// Those of [`OPTIONS`] that were given.
    pub options: BTreeMap<String, bool>,
    /// Where this server listens for it: those of the tag `vpcedns:listener`.
    pub listeners: Vec<SocketAddr>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was changed last.
    pub modified: UnixMillis,
}

/// An address of a resolver endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverAddress {
    /// `rni-...`
    pub id: String,
    /// `eni-...`
    #[serde(with = "text")]
    pub interface: InterfaceId,
    /// The subnet it is in.
    #[serde(with = "text")]
    pub subnet: SubnetId,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// When it came.
    pub created: UnixMillis,
}

impl ResolverEndpointRecord {
    /// `arn:aws:route53resolver:us-east-1:123456789012:resolver-endpoint/rslvr-in-...`
    pub fn arn(&self) -> String {
        arn(&self.region, &self.owner, "resolver-endpoint", &self.id)
    }

    /// Whether questions come in there.
    pub fn is_inbound(&self) -> bool {
        self.direction != "OUTBOUND"
    }

    /// As the API shows it (`ResolverEndpoint`).
    pub fn shown(&self, status: &str, message: &str) -> Value {
        let mut shown = json!({
            "Id": self.id,
            "CreatorRequestId": self.creator_request_id,
            "Arn": self.arn(),
            "SecurityGroupIds": self.security_groups,
            "Direction": self.direction,
            "IpAddressCount": self.addresses.len(),
            "HostVPCId": self.vpc.to_string(),
            "Status": status,
            "StatusMessage": message,
            "CreationTime": iso8601(self.created.into()),
            "ModificationTime": iso8601(self.modified.into()),
            "ResolverEndpointType": self.endpoint_type,
            "Protocols": self.protocols,
        });
        set(&mut shown, "Name", self.name.as_deref());
        for (option, on) in &self.options {
            set(&mut shown, option, Some(*on));
        }
        shown
    }
}

impl ResolverAddress {
    /// As the API shows it (`IpAddressResponse`).
    pub fn shown(&self) -> Value {
        let mut shown = json!({
            "IpId": self.id,
            "SubnetId": self.subnet.to_string(),
            "Status": "ATTACHED",
            "StatusMessage": "This IP address is operational.",
            "CreationTime": iso8601(self.created.into()),
            "ModificationTime": iso8601(self.created.into()),
        });
        set(&mut shown, "Ip", self.ipv4.map(|ip| ip.to_string()));
        set(&mut shown, "Ipv6", self.ipv6.map(|ip| ip.to_string()));
        shown
    }
}
