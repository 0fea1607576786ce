//! Partitions: what the names of a region end in, and how the names of its services begin.
//!
//! Knows regions by their codes only: a new region of a known partition needs no change here.

use std::sync::LazyLock;

use super::service_name::Region;
use crate::dns::DnsName;

/// A set of regions with suffixes, accounts and service names of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// `aws`
    pub name: &'static str,
    /// What the names of its services and endpoints end in: `amazonaws.com`.
    pub dns_suffix: &'static str,
    /// What names with both address families end in: `api.aws`.
    pub dual_stack_suffix: &'static str,
    /// What the names of image registries end in: `on.aws`; `None` where it is not known.
    pub on_aws_suffix: Option<&'static str>,
    /// `dns_suffix` turned round, with which some service names begin: `com.amazonaws`, `cn.com.amazonaws`.
    ///
    /// The others begin with `com.amazonaws` in every partition (aws-cdk-lib, `getDefaultEndpointPrefix`).
    pub service_prefix: &'static str,
    /// What the codes of its regions begin with; empty for the partition of all other regions.
    region_prefix: &'static str,
}

/// With which the names of most services begin, whatever the partition.
pub const COMMON_SERVICE_PREFIX: &str = "com.amazonaws";

const AWS: Partition = Partition {
    name: "aws",
    dns_suffix: "amazonaws.com",
    dual_stack_suffix: "api.aws",
    on_aws_suffix: Some("on.aws"),
    service_prefix: COMMON_SERVICE_PREFIX,
    region_prefix: "",
};

impl Partition {
    /// Whether names were seen or documented there: in the commercial Regions and those of the US government.
    pub(super) fn has_evidence(&self) -> bool {
        self.dual_stack_suffix == AWS.dual_stack_suffix
    }
}

/// Every partition, as the AWS SDKs list them (botocore, `partitions.json`); `aws` is the last.
pub static PARTITIONS: [Partition; 8] = [
    Partition {
        name: "aws-cn",
        dns_suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
        on_aws_suffix: Some("on.amazonwebservices.com.cn"),
        service_prefix: "cn.com.amazonaws",
        region_prefix: "cn-",
    },
    Partition { name: "aws-us-gov", region_prefix: "us-gov-", ..AWS },
    Partition {
        name: "aws-eusc",
        dns_suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
        on_aws_suffix: None,
        service_prefix: "eu.amazonaws",
        region_prefix: "eusc-",
    },
    Partition {
        name: "aws-iso",
        dns_suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
        on_aws_suffix: None,
        service_prefix: "gov.ic.c2s",
        region_prefix: "us-iso-",
    },
    Partition {
        name: "aws-iso-b",
        dns_suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
        on_aws_suffix: None,
        service_prefix: "gov.sgov.sc2s",
        region_prefix: "us-isob-",
    },
    Partition {
        name: "aws-iso-e",
        dns_suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
        on_aws_suffix: None,
        service_prefix: "uk.adc-e.cloud",
        region_prefix: "eu-isoe-",
    },
    Partition {
        name: "aws-iso-f",
        dns_suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
        on_aws_suffix: None,
        service_prefix: "gov.ic.hci.csp",
        region_prefix: "us-isof-",
    },
    AWS,
];

/// The partition of a region; `aws` for a code that no other partition claims, as the SDKs do.
pub fn partition_of(region: &Region) -> &'static Partition {
    partition_of_code(region.as_str())
}

/// As [`partition_of`], for a code that is not known to be one.
pub(super) fn partition_of_code(region: &str) -> &'static Partition {
    static FALLBACK: Partition = AWS;
    PARTITIONS.iter().find(|p| region.starts_with(p.region_prefix)).unwrap_or(&FALLBACK)
}

/// Whether a lower-case wire name is what follows `vpce.` in endpoint names: `amazonaws.com`, `api.aws`, `sagemaker.aws`, ...
pub fn is_endpoint_suffix(wire: &[u8]) -> bool {
    static SUFFIXES: LazyLock<Vec<DnsName>> = LazyLock::new(|| {
        let of_partition = PARTITIONS.iter().flat_map(|p| [p.dns_suffix, p.dual_stack_suffix]);
        of_partition.chain(["sagemaker.aws"]).filter_map(|suffix| suffix.parse().ok()).collect()
    });
    SUFFIXES.iter().any(|suffix| suffix.wire() == wire)
}

/// Whether a label of a service name is a region: `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`.
///
/// Two to four letters, one or more words, a number: no first label of a service's own name looks so.
pub(super) fn is_region_code(label: &str) -> bool {
    let Some((words, number)) = label.rsplit_once('-') else { return false };
    let Some((area, place)) = words.split_once('-') else { return false };
    (2..=4).contains(&area.len())
        && area.bytes().all(|b| b.is_ascii_lowercase())
        && place.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// The zone of a region's private instance names (Route 53 guide, "autodefined rules": `ec2.internal` in us-east-1 only).
pub fn instance_zone(region: &Region) -> DnsName {
    let text =
        if region.as_str() == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
    // a region is one label of letters, digits and hyphens, which its type holds
    text.parse().unwrap_or_else(|_| DnsName::root())
}

/// The zone of a region's public instance names (EC2 guide, "EC2 instance hostnames and domains").
pub fn public_instance_zone(region: &Region) -> DnsName {
    let suffix = partition_of(region).dns_suffix;
    let text = match region.as_str() {
        "us-east-1" => format!("compute-1.{suffix}"),
        region => format!("{region}.compute.{suffix}"),
    };
    text.parse().unwrap_or_else(|_| DnsName::root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_find_their_partition() {
        for (region, name, dns_suffix) in [
            ("us-east-1", "aws", "amazonaws.com"),
            ("mx-central-1", "aws", "amazonaws.com"),
            ("eu-west-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
        ] {
            let partition = partition_of(&region.parse().unwrap());
            assert_eq!((partition.name, partition.dns_suffix), (name, dns_suffix), "{region}");
        }
    }

    #[test]
    fn service_prefixes_are_the_suffix_turned_round() {
        for partition in &PARTITIONS {
            let turned: Vec<_> = partition.dns_suffix.rsplit('.').collect();
            assert_eq!(partition.service_prefix, turned.join("."));
        }
    }

    #[test]
    fn region_codes_are_told_from_services() {
        for region in ["us-east-1", "ap-southeast-7", "us-gov-west-1", "eusc-de-east-1", "eu-isoe-west-1"] {
            assert!(is_region_code(region), "{region}");
        }
        for other in ["ec2", "s3-global", "resource-explorer-2", "us-east", "us-east-1a", "us--1", "global", "vpce"] {
            assert!(!is_region_code(other), "{other}");
        }
    }

    #[test]
    fn endpoint_suffixes_are_known() {
        let is = |name: &str| is_endpoint_suffix(name.parse::<DnsName>().unwrap().wire());
        assert!(
            is("amazonaws.com") && is("amazonaws.com.cn") && is("sagemaker.aws") && is("api.aws") && is("amazonaws.eu")
        );
        assert!(!is("com") && !is("example.com") && !is("x.amazonaws.com"));
    }
}
