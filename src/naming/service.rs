//! Regions, availability zones, and services with the names that their endpoints get.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::catalogue::Evidence;
use super::name::{DnsName, NameError};
use super::shape::SHAPES;

/// Why a text is no service, region or zone name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceNameError {
    /// The text has characters or a length that no such name has.
    #[error("'{0}' is no {1}")]
    Malformed(String, &'static str),
    /// The text is a service name of no known shape, or a global one that the catalogue does not have.
    #[error("'{0}' is no service name that is known: expected {SHAPES}")]
    Shape(String),
    /// The name made from it would be no domain name.
    #[error("the names of '{0}' would not be domain names: {1}")]
    Name(String, NameError),
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $extra:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ServiceNameError;
            fn from_str(text: &str) -> Result<Self, ServiceNameError> {
                let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || $extra.contains(c);
                let ok = text.len() <= 200
                    && text.chars().all(allowed)
                    && text.split('.').all(|part| !part.is_empty() && part.len() <= 63);
                if ok { Ok(Self(text.into())) } else { Err(ServiceNameError::Malformed(text.to_owned(), $what)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}

words! {
    /// A region by its code, `us-east-1`.
    Region: "region (such as us-east-1)", "-";
    /// An availability zone by its name in the consumer's account, `us-east-1a`.
    ZoneName: "availability zone (such as us-east-1a)", "-";
    /// An endpoint service by its full name, `com.amazonaws.us-east-1.ec2`.
    ServiceName: "service name (such as com.amazonaws.us-east-1.ec2)", "-._";
}

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

    #[test]
    fn words_are_checked() {
        assert!("us-east-1".parse::<Region>().is_ok());
        for bad in ["", "US-EAST-1", "us east", "us.east"] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
        assert!("com.amazonaws..ec2".parse::<ServiceName>().is_err());
        assert!("com.amazonaws.us-east-1.ec2".parse::<ServiceName>().is_ok());
    }
}
