//! A service, with the names that its endpoints get.

use super::evidence::Evidence;
use super::service_name::{Region, ServiceName, ZoneName};
use crate::dns::DnsName;

/// A service of one region, with the names that its endpoints get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `com.amazonaws.us-east-1.ec2`
    pub service_name: ServiceName,
    /// The region whose name its endpoints' names carry: that of the service, which for a global service is the one
    /// that holds its endpoints (`us-east-1` for `com.amazonaws.iam`), not that of the VPCs that use it. `None` where
    /// the names say `global` instead (`aws.api.global.codecatalyst`).
    pub region: Option<Region>,
    /// What follows an endpoint's own label: `ec2.us-east-1.vpce.amazonaws.com`.
    pub base: DnsName,
    /// The public zone that holds its endpoints' names: `us-east-1.vpce.amazonaws.com`.
    pub zone: DnsName,
    /// The whole names of its one endpoint, where they follow no grammar: those of a resource endpoint.
    pub own_names: Vec<DnsName>,
    /// Endpoints answer with any labels in front of their names too (S3).
    pub wildcard: bool,
    /// The names that private DNS takes over; the first is the `PrivateDnsName` of EC2. Empty: private DNS cannot be on.
    ///
    /// A name `*.x` stands for `x` too: EC2 lists both in an endpoint's `DnsEntries`.
    pub private_names: Vec<DnsName>,
    /// How each of `private_names` is known.
    pub evidence: Vec<Evidence>,
    /// Names that private DNS takes over for endpoints with both address families only (S3 guide, "Private DNS").
    pub dualstack_names: Vec<DnsName>,
    /// Names that an SDK asks for dual stack and that nobody has seen at an endpoint: they stay public.
    pub second_names: Vec<DnsName>,
    /// Zones in which it is offered; empty: everywhere.
    pub availability_zones: Vec<ZoneName>,
}

impl Service {
    /// The names that private DNS takes over at an endpoint that has both address families, or has not.
    pub fn private_names(&self, dualstack: bool) -> impl Iterator<Item = &DnsName> {
        let more = if dualstack { self.dualstack_names.as_slice() } else { &[] };
        self.private_names.iter().chain(more)
    }

    /// Whether an operator's file gave the names.
    pub fn is_given(&self) -> bool {
        self.evidence.first() == Some(&Evidence::Given)
    }

    /// The public zone of endpoints whose names end in `base`: the label before `vpce` and all behind it.
    ///
    /// `us-east-1.vpce.amazonaws.com` for `ec2.us-east-1.vpce.amazonaws.com`; the parent of `base` where no
    /// label is `vpce`.
    pub fn zone_of(base: &DnsName) -> DnsName {
        let at_region = |name: &DnsName| name.labels().nth(1) == Some(b"vpce");
        std::iter::successors(Some(base.clone()), DnsName::parent)
            .find(at_region)
            .or_else(|| base.parent())
            .unwrap_or_else(DnsName::root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_of_bases() {
        for (base, zone) in [
            ("ec2.us-east-1.vpce.amazonaws.com", "us-east-1.vpce.amazonaws.com"),
            ("api.ecr.cn-north-1.vpce.amazonaws.com.cn", "cn-north-1.vpce.amazonaws.com.cn"),
            ("notebook.us-east-1.vpce.sagemaker.aws", "us-east-1.vpce.sagemaker.aws"),
            ("vpce-svc-0e123abc123198abc.us-east-1.vpce.amazonaws.com", "us-east-1.vpce.amazonaws.com"),
            ("odd.example", "example"),
        ] {
            assert_eq!(Service::zone_of(&base.parse().unwrap()).to_string(), zone);
        }
    }
}
